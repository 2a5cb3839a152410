"""The models of generation: how each is built, trained, scored and sampled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Generator:
    """A model of generation, as functions of a PyTorch module.

    Attributes:
        build: a module with fresh parameters, of the config and the number of operators.
        prepare: give the module what it has to know of the training graphs, once, before it is trained.
        loss: of the module, graphs, int64 [B] sizes and tasks (0 says nothing) and the device: what is minimised.
        nll: of the module, graphs and the device: negative log-likelihoods [B], in nats.
        sample: of the module and a `younger_hf.recipes.generate.Wish`: that many `SlottedGraph`s.
    """

    build: Callable[..., Any]
    prepare: Callable[..., None]
    loss: Callable[..., Any]
    nll: Callable[..., Any]
    sample: Callable[..., Any]

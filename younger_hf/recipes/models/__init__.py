"""The models of both tasks: the paper's, layer by layer, and one that uses direction and slots.

In go vocabulary ids and data flows; out come, of a model for "operator", the logits of each operator at the target
nodes, and of a model for "dataflow", an encoding of each node and the logit of each pair of nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from torch import nn

from younger_hf.choices import check_choice
from younger_hf.recipes.config import MODELS
from younger_hf.recipes.models.autoencoders import Autoencoder
from younger_hf.recipes.models.gine import GINE
from younger_hf.recipes.models.links import DirectedDecoder, DotDecoder, LinkPredictor
from younger_hf.recipes.models.two_layers import TwoLayerGNN

_DECODERS: Final[dict[str, Callable[[int], nn.Module]]] = {"dot": lambda _: DotDecoder(), "directed": DirectedDecoder}
_ENCODING: Final = 256


def build_model(task: str, name: str, vocabulary_size: int, decoder: str = "dot") -> nn.Module:
    """A model with fresh parameters, drawn from torch's global generator.

    Args:
        task: "dataflow" or "operator".
        name: one of `younger_hf.recipes.config.MODELS[task]`.
        vocabulary_size: V, with `__UNK__` and `__MASK__`.
        decoder: for "dataflow", "dot" or "directed".

    Returns:
        For "operator", a module that is called as `model(x, edge_index, edge_attr, targets)`, all of them as in
        `GraphBatch`, and gives logits [T, V]; [N, V] where targets is None. For "dataflow", a `LinkPredictor`.

    Raises:
        UsageError: there is no such task, model or decoder.
    """
    check_choice("task", task, MODELS)
    check_choice(f"model for {task}", name, MODELS[task])
    if task == "operator":
        if name in ("gae", "vgae"):
            return Autoencoder(name, vocabulary_size)
        if name == "gine":
            return GINE(vocabulary_size, vocabulary_size)
        return TwoLayerGNN(name, vocabulary_size, vocabulary_size, input_dropout=0.5)
    check_choice("decoder", decoder, _DECODERS)
    encoder = GINE(vocabulary_size, _ENCODING) if name == "gine" else TwoLayerGNN(name, vocabulary_size, _ENCODING)
    return LinkPredictor(encoder, _DECODERS[decoder](_ENCODING))

"""The models, and what a model is: for every recipe, built in or your own (`--model package.module:Class`).

    class Model(torch.nn.Module):
        def __init__(self, num_operators: int, out_channels: int) -> None: ...

        def forward(
            self,
            x: Tensor,  # int64 [N]: the operator of each node, below num_operators; 1 is a masked one
            edge_index: Tensor,  # int64 [2, E]: producer and consumer of each data flow, as positions in x
            edge_attr: Tensor,  # int64 [E, 2]: output slot of the producer, input slot of the consumer
            targets: Tensor | None = None,  # int64 [T]: the nodes that are asked for, each once; None: all of them
        ) -> Tensor: ...  # floating point [T, out_channels], or [N, out_channels]

A batch is one graph with many components. Operator design takes the outputs as logits, where out_channels is
num_operators; data flow design as encodings, which a decoder scores in pairs. `embed --level node` wants the first
`torch.nn.Embedding` to be that of the operators. A constructor that has parameters named as in
`younger_hf.recipes.encoders.OPTIONS` is given these settings. To evaluate a run with a class of your own runs that
class's module.
"""

from __future__ import annotations

from inspect import signature
from typing import Any

import torch
from torch import nn

from younger_hf.errors import UsageError
from younger_hf.recipes.config import RecipeConfig
from younger_hf.recipes.places import in_words, load_built_in, load_own
from younger_hf.recipes.recipe import config_of, find_recipe


def build_model(recipe: str, name: str, vocabulary_size: int, **settings: Any) -> nn.Module:
    """The model that a recipe trains, with fresh parameters, drawn from torch's global generator.

    Args:
        recipe: "dataflow", "operator", or another package's.
        name: one of the recipe's models, or `package.module:Class`, or `path/to/file.py:Class`.
        vocabulary_size: V, with `__UNK__` and `__MASK__`.
        settings: others of the recipe's, such as `decoder="directed"`.

    Returns:
        For "operator", a model as above. For "dataflow", a `LinkPredictor`.

    Raises:
        UsageError: there is no such recipe, model or setting, or the class does not keep to the protocol.
    """
    config = config_of(recipe, {"model": name, **settings})
    return find_recipe(recipe).build(config, vocabulary_size)  # type: ignore[no-any-return]


def new_model(config: RecipeConfig, num_operators: int, out_channels: int, **wanted: Any) -> nn.Module:
    """A model of a recipe's table, or of the user's own, with fresh parameters; the latter is tried on a small graph.

    Args:
        config: which model, and its options.
        num_operators: V.
        out_channels: C.
        wanted: options that the recipe sets; a model that does not take one goes without.

    Raises:
        UsageError: the class is missing, is no module, raises, gives something else than the protocol says, or does not
            take an option that the configuration has.
    """
    name = config.model
    is_own = ":" in name
    kind = load_own(name) if is_own else load_built_in(config.models[name])
    if is_own and not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise UsageError(f"model {name} is no class that derives from torch.nn.Module")
    takes = signature(kind).parameters
    for option in config.options:
        if option not in takes:
            raise UsageError(f"model {name} has no option {option}: leave --{option} out")
    options = {option: value for option, value in {**wanted, **config.options}.items() if option in takes}
    if not is_own:
        return kind(num_operators, out_channels, **options)  # type: ignore[no-any-return]
    try:
        model: nn.Module = kind(num_operators, out_channels, **options)
    except Exception as error:
        raise UsageError(
            f"model {name} cannot be made with ({num_operators}, {out_channels}): {in_words(error)}"
        ) from error
    _try(name, model, num_operators, out_channels)
    return model


def _try(name: str, model: nn.Module, num_operators: int, out_channels: int) -> None:
    """Hold a model against the protocol, on two graphs of three nodes and one; nothing that it draws counts."""
    x = torch.tensor([0, 1, num_operators - 1, 1])
    edge_index, edge_attr = torch.tensor([[0, 0, 1], [1, 2, 2]]), torch.tensor([[0, 0], [0, 1], [0, 0]])
    training = model.training
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        model.eval()
        for targets in (None, torch.tensor([3, 1])):
            nodes = len(x) if targets is None else len(targets)
            asked = "for all nodes" if targets is None else f"for {nodes} targets"
            try:
                out = model(x, edge_index, edge_attr, targets)
            except Exception as error:
                raise UsageError(f"model {name} fails where it is asked {asked}: {in_words(error)}") from error
            what = f"{out.dtype} {list(out.shape)}" if isinstance(out, torch.Tensor) else type(out).__name__
            if not (isinstance(out, torch.Tensor) and out.is_floating_point() and out.shape == (nodes, out_channels)):
                raise UsageError(
                    f"model {name} gives {what} where it is asked {asked} of a graph of {len(x)}: "
                    f"it must be floating point [{nodes}, {out_channels}]"
                )
    model.train(training)

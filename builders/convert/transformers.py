"""transformers' models of any size, built from their configuration alone and exported weightless."""

from __future__ import annotations

from builders.convert import Export, Request
from builders.convert.torch import export_module
from builders.convert.transformers_inputs import example_inputs
from builders.convert.transformers_models import architecture, build, configuration


def export(request: Request) -> Export:
    """Export the model that a configuration describes, or the default one of a model type for a task.

    Encoder and decoder are one graph, and there is no cache of keys and values: a graph says what the model
    computes of its inputs. TorchScript is left to `optimum`, whose table of workarounds makes more of it.

    Raises:
        ConversionError: the configuration is refused, or torch.export cannot follow the model.
    """
    config = configuration(request.model)
    chosen, task = architecture(request.model, config)
    return export_module(
        lambda: build(chosen, config),
        lambda module: example_inputs(module, task),
        request.opset,
        torchscript=False,
    )

"""transformers' models of any size, built from their configuration alone and exported weightless."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Final

import torch

from builders.convert.conversion import Export, Request
from builders.convert.torch import export_module
from builders.convert.transformers_inputs import onnx_config
from builders.convert.transformers_models import architecture, build, configuration
from builders.convert.transformers_parts import part_inputs, take_part

# Each token's experts are chosen while these run, which torch.export cannot follow: optimum has them compute all.
_PATCHED: Final = {"gpt_oss", "qwen3_moe"}


def export(request: Request) -> Export:
    """Export the model that a configuration describes, or the default one of a model type for a task; or a part of it.

    Of a whole model encoder and decoder are one graph, and there is no cache of keys and values: a graph says what the
    model computes of its inputs. TorchScript is left to `optimum`, whose table of workarounds makes more of it.

    Raises:
        ConversionError: the configuration is refused, or torch.export cannot follow the model.
    """
    config = configuration(request.model)
    chosen, task = architecture(request.model, config)
    part = request.model.part
    with ExitStack() as patches:

        def patched() -> torch.nn.Module:
            module = build(chosen, config)
            if config.model_type in _PATCHED and (described := onnx_config(config, task)):
                patches.enter_context(described.patch_model_for_export(module))
            return take_part(module, part)

        return export_module(patched, lambda module: part_inputs(module, task, part), request.opset, torchscript=False)

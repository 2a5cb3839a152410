"""transformers' models through optimum: its workarounds, TorchScript, and random parameters from a seed.

TorchScript runs the model, so this is for what fits into memory; `transformers`, beside it, is for any size.
"""

from __future__ import annotations

import builders.convert.transformers_models as models  # first, since it says how transformers is to be imported

# isort: split
import traceback
from pathlib import Path
from typing import Final

import torch
from optimum.exporters.onnx.convert import export_pytorch

from builders.convert.conversion import ConversionError, Export, Outcome, Request
from builders.convert.torch import OPSET, Valueless, make_distinct
from builders.convert.transformers_inputs import onnx_config, optimum_sizes

_MAX_PARAMETERS: Final = 300_000_000  # in single precision 1.1 GiB, of which an export holds several copies


def export(request: Request) -> Export:
    """Export the model that a configuration describes, or the default one of a model type for a task.

    Encoder and decoder are one graph, and there is no cache of keys and values. The file is in the working directory.

    Raises:
        ConversionError: the configuration is refused, the model is too large, or optimum cannot export it.
    """
    if part := request.model.part:
        raise ConversionError(
            Outcome.UNSUPPORTED, f"only whole models go through optimum, and this is the {part} of one"
        )
    config = models.configuration(request.model)
    chosen, task = models.architecture(request.model, config)
    described = onnx_config(config, task)
    if described is None:
        raise ConversionError(Outcome.UNSUPPORTED, f"optimum does not know the model type {config.model_type!r}")
    with Valueless():  # type: ignore[no-untyped-call]
        parameters = sum(parameter.numel() for parameter in models.build(chosen, config).parameters())
    if parameters > _MAX_PARAMETERS:
        raise ConversionError(
            Outcome.TOO_LARGE,
            f"{request.model.id} has {parameters:,} parameters, and TorchScript needs memory for each:"
            f" at most {_MAX_PARAMETERS:,}",
        )
    torch.manual_seed(0)
    module = models.build(chosen, config)
    module.eval()  # type: ignore[no-untyped-call]
    make_distinct(module)
    file = Path("optimum.onnx").absolute()
    try:
        export_pytorch(module, described, request.opset or OPSET, file, input_shapes=optimum_sizes(config))
    except MemoryError:
        raise
    except Exception as error:  # tracers fail with exceptions of every type
        traceback.print_exc()
        message = f"optimum: {type(error).__name__}: {str(error).strip()[:160]}"
        raise ConversionError(Outcome.UNSUPPORTED, message) from error
    return Export(file, "optimum")

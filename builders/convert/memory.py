"""How much memory a conversion is expected to use, by what its source says of the model: `expected_memory`.

Exporters by way of torch.export give parameters no memory, those by way of TorchScript or TensorFlow hold them up to
three times. What is expected here decides how many conversions run beside each other, and nothing else: a conversion is
ended by its limit.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, Final

from builders.model_ref import ModelRef

# Of 121 models of torchvision, the largest took 0.85 GiB by way of torch.export, and 1.5 GiB by way of TorchScript.
_REGISTERED: Final = 2 << 30
_FRAMEWORK: Final = 1 << 30  # the libraries, and the graph of a model without its parameters
_COPIES: Final = 3
_FLOAT: Final = 4  # bytes; models are exported in single precision


def expected_memory(model: ModelRef, limit: int) -> int:
    """Resident bytes that the conversion of a model may come to use, at most its limit.

    Args:
        model: the model.
        limit: bytes at which its conversion is ended; what is expected where nothing is known.
    """
    if model.origin in ("registry", "default-configuration", "published-configuration", "composed"):
        return min(_REGISTERED, limit)
    parameters = _FLOAT * _count_parameters(model.config) or (model.size or 0)
    return min(_FRAMEWORK + _COPIES * parameters, limit) if parameters else limit


def _count_parameters(config: str) -> int:
    """About how many parameters the transformer of a configuration has; 0 where it does not say."""
    with suppress(ValueError, RecursionError):
        fields = json.loads(config or "null")
        if isinstance(fields, dict):
            width = _size(fields, "hidden_size", "d_model", "n_embd")
            depth = _size(fields, "num_hidden_layers", "n_layer", "num_layers")
            inner = _size(fields, "intermediate_size", "d_ff", "n_inner") or 4 * width
            experts = _size(fields, "num_local_experts", "num_experts") or 1
            return depth * width * (4 * width + 3 * inner * experts) + 2 * width * _size(fields, "vocab_size")
    return 0


def _size(fields: dict[str, Any], *names: str) -> int:
    """The first of these fields that is a size, 0 if none is."""
    found = (fields.get(name) for name in names)
    return next((value for value in found if type(value) is int and 0 < value < 1 << 40), 0)

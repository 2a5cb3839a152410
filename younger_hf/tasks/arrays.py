"""Validation of the arrays that a user passes to an `Evaluator`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from younger_hf.errors import UsageError

Array: TypeAlias = NDArray[Any]


def checked_array(predictions: Mapping[str, Any], name: str) -> Array:
    """A value of a dictionary as a NumPy array of one dimension, at least one element long.

    Raises:
        UsageError: it is missing, or something else.
    """
    if name not in predictions:
        raise UsageError(f"{name} is missing: there is {', '.join(map(str, predictions)) or 'nothing'}")
    value = predictions[name]
    if type(value).__module__.partition(".")[0] == "torch":
        # NumPy has no bfloat16; every other floating point number is the same as a double.
        value = (value.detach().double() if value.is_floating_point() else value.detach()).cpu().numpy()
    if not isinstance(value, np.ndarray):
        raise UsageError(f"{name} must be a NumPy array or a torch tensor, not {type(value).__name__}")
    if value.ndim != 1 or not value.size:
        raise UsageError(f"{name} must be of shape [M], one value or more in a row, not {list(value.shape)}")
    return value


def check_kind(name: str, values: Array, kinds: str, expected: str) -> None:
    """Refuse an array whose dtype is of none of NumPy's kinds ("b", "i", "u", "f")."""
    if values.dtype.kind not in kinds:
        raise UsageError(f"{name} must be {expected}, not {values.dtype}")


def check_values(name: str, values: Array, good: Array, verdict: str) -> None:
    """Refuse an array [M] that has values which are not good, bool [M]; the first one is named."""
    bad = np.flatnonzero(~good)
    if bad.size:
        raise UsageError(f"{name}[{bad[0]}] is {values[bad[0]]}, {verdict}")

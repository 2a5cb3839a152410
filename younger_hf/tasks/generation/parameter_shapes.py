"""The parameter that stands in an input slot, of a shape with which its operator runs on what else it is fed.

In goes a `Place`, with the arrays in the other slots; out comes an array. Sizes and positions are chosen so that they
change as little as can be, and look ahead to what reads the result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import lcm, prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_LEAST_WIDTH: Final = 16  # channels of a convolution


@dataclass(frozen=True, eq=False)
class Place:
    """An input slot that a parameter is in.

    Attributes:
        op_type: the operator.
        attributes: its attributes.
        slot: the slot.
        given: what is in the slots of the operator, as far as it is known.
        num_outputs: how many outputs of it are used.
        consumers: operator and attributes of what reads its outputs.
        groups: what the channels of its result have to be a multiple of.
    """

    op_type: str
    attributes: Mapping[str, Any]
    slot: int
    given: Sequence[Array | None]
    num_outputs: int
    consumers: Sequence[tuple[str, Mapping[str, Any]]]
    groups: int = 1

    @property
    def x(self) -> Array:
        """What is known first."""
        return next(value for value in self.given if value is not None)


def parameter_of(place: Place, generator: np.random.Generator) -> Array:
    """A parameter, whose free values are drawn.

    Raises:
        ValueError, IndexError, KeyError, StopIteration: no shape fits.
    """
    make = _MAKERS.get((place.op_type, place.slot)) or _MAKERS.get((place.op_type, -1))
    found = make(place) if make else np.ones(1, _dtype(place))
    if isinstance(found, tuple):
        values = generator.normal(0, 0.5 / max(prod(found[1:]), 1) ** 0.5, found)
        return values.astype(np.float32)
    return found


def _dtype(place: Place) -> Any:
    return next((value.dtype for value in place.given if value is not None), np.dtype(np.float32))


def _sizes(*numbers: int) -> Array:
    return np.array(numbers, np.int64)


def _conv(place: Place) -> tuple[int, ...]:
    channels, group = place.x.shape[1], int(place.attributes.get("group", 1))
    if channels % group:
        raise ValueError("the groups do not divide the channels")
    return (_width(place, group), channels // group, *place.attributes["kernel_shape"])


def _width(place: Place, group: int) -> int:
    """The channels that a convolution makes, which what follows may ask to be divisible."""
    divisor = lcm(group, place.groups)
    return divisor * -(-_LEAST_WIDTH // divisor)


def _transposed(place: Place) -> tuple[int, ...]:
    channels, group = place.x.shape[1], int(place.attributes.get("group", 1))
    return (channels, _width(place, group) // group, *place.attributes["kernel_shape"])


def _per_channel(place: Place) -> Array:
    return np.ones(place.x.shape[1], place.x.dtype)


def _bias(place: Place) -> Array:
    weights = place.given[1]
    if weights is None:
        raise ValueError("the weights are not known")
    group = int(place.attributes.get("group", 1))
    width = weights.shape[0] if place.op_type == "Conv" else weights.shape[1] * group
    return np.zeros(width, weights.dtype)


def _matmul(place: Place) -> tuple[int, ...]:
    return (place.x.shape[-1],) * 2 if place.slot else (place.x.shape[-2 if place.x.ndim > 1 else -1],) * 2


def _gemm(place: Place) -> tuple[int, ...]:
    return (place.x.shape[-1],) * 2 if place.slot < 2 else (place.x.shape[-1],)


def _normalised(place: Place) -> Array:
    axis = int(place.attributes.get("axis", -1))
    return np.ones(place.x.shape[axis:], place.x.dtype)


def _shape_of_rank(shape: Sequence[int], rank: int) -> list[int]:
    """A shape of a rank with as many elements: trailing axes are joined, or the last is split."""
    found = list(shape)
    while len(found) > max(rank, 1):
        found[-2:] = [found[-2] * found[-1]]
    while len(found) < rank:
        last = found.pop()
        half = next((size for size in (4, 2, 8, 3, 5, 7) if last % size == 0), 1)
        found += [half, last // half]
    return found


def _reshape(place: Place) -> Array:
    rank = place.x.ndim
    for op_type, attributes in place.consumers:
        if op_type == "Transpose" and "perm" in attributes:
            rank = len(attributes["perm"])
        elif op_type == "Gemm":
            rank = 2
        elif op_type in ("Conv", "MaxPool", "AveragePool", "BatchNormalization", "Resize"):
            rank = max(rank, 4)
    return _sizes(*_shape_of_rank(place.x.shape, rank))


def _axis_of_one(place: Place) -> Array:
    return _sizes(place.x.shape.index(1))


def _split(place: Place) -> Array:
    axis, parts = int(place.attributes.get("axis", 0)), place.num_outputs
    size = place.x.shape[axis]
    return _sizes(*[size // parts] * (parts - 1), size - size // parts * (parts - 1))


def _resize(place: Place) -> Array:
    if place.slot == 3:
        return _sizes(*place.x.shape)
    return np.ones(place.x.ndim if place.slot == 2 else 0, np.float32)


def _like(place: Place) -> Array:
    return np.ones(place.x.shape, place.x.dtype)


def _recurrent(gates: int) -> Callable[[Place], tuple[int, ...]]:
    def make(place: Place) -> tuple[int, ...]:
        hidden = int(place.attributes["hidden_size"])
        directions = 2 if place.attributes.get("direction") == b"bidirectional" else 1
        if place.slot == 3:
            return (directions, 2 * gates * hidden)
        return (directions, gates * hidden, place.x.shape[-1] if place.slot == 1 else hidden)

    return make


_MAKERS: Final[Mapping[tuple[str, int], Callable[[Place], Any]]] = {
    ("Conv", 1): _conv,
    ("Conv", 2): _bias,
    ("ConvTranspose", 1): _transposed,
    ("ConvTranspose", 2): _bias,
    ("BatchNormalization", -1): _per_channel,
    ("InstanceNormalization", -1): _per_channel,
    ("GroupNormalization", -1): _per_channel,
    ("LayerNormalization", -1): _normalised,
    ("RMSNormalization", -1): _normalised,
    ("PRelu", 1): lambda place: np.ones((place.x.shape[1], *[1] * (place.x.ndim - 2)), place.x.dtype),
    ("MatMul", -1): _matmul,
    ("Gemm", -1): _gemm,
    ("Reshape", 1): _reshape,
    ("Expand", 1): lambda place: _sizes(*place.x.shape),
    ("Tile", 1): lambda place: _sizes(*[1] * place.x.ndim),
    ("Pad", 1): lambda place: _sizes(*[0] * (2 * place.x.ndim)),
    ("Pad", 2): lambda place: np.zeros((), place.x.dtype),
    ("Slice", 1): lambda _: _sizes(0),
    ("Slice", 2): lambda _: _sizes(2**31 - 1),
    ("Slice", 3): lambda _: _sizes(0),
    ("Slice", 4): lambda _: _sizes(1),
    ("Split", 1): _split,
    ("Unsqueeze", 1): lambda _: _sizes(0),
    ("Squeeze", 1): _axis_of_one,
    ("Gather", 1): lambda _: np.zeros((), np.int64),
    ("Gather", 0): lambda _: (16, 32),
    ("Resize", -1): _resize,
    ("Concat", -1): _like,
    ("Where", 0): lambda _: np.ones(1, bool),
    ("Clip", 1): lambda place: np.zeros((), place.x.dtype),
    ("Clip", 2): lambda place: np.full((), 6, place.x.dtype),
    ("ConstantOfShape", 0): lambda _: _sizes(1, 8),
    ("TopK", 1): lambda _: _sizes(1),
    ("Trilu", 1): lambda _: np.zeros((), np.int64),
    ("CumSum", 1): lambda _: np.zeros((), np.int64),
    ("OneHot", 1): lambda _: np.array(4, np.int64),
    ("OneHot", 2): lambda _: np.array([0, 1], np.float32),
    ("Range", -1): lambda place: np.array((0, 4, 1)[place.slot], np.int64),
    ("Dropout", -1): lambda place: np.zeros((), bool if place.slot == 2 else np.float32),
    ("LSTM", -1): _recurrent(4),
    ("GRU", -1): _recurrent(3),
    ("RNN", -1): _recurrent(1),
    **{
        (f"Reduce{name}", 1): lambda place: _sizes(place.x.ndim - 1)
        for name in ("Mean", "Sum", "Max", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare")
    },
}
"""By operator and slot, what makes its parameter: an array, or the shape of weights; slot -1 is all others."""

"""Example inputs: a size for every symbolic dimension, and values that the model can run on.

In: a skeleton, and what its operators require of values. Out: an array for each of its graph inputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, TypeProto, helper

from younger_hf.interop.parameters import is_complex, is_real, make_values, normal_values

_CHANNELS: Final = 3
_PIXELS: Final = 224
_VIDEO_PIXELS: Final = 112
_FRAMES: Final = 16
_TOKENS: Final = 8
_SAMPLES: Final = 4096  # of sound, or columns of its spectrogram

_INPUTS: Final = 2**32 - 1  # in a seed, where a parameter has its position: inputs have values of their own


def input_values(model: ModelProto, required: Mapping[str, float], seed: int) -> dict[str, Any]:
    """A value for each graph input.

    Args:
        model: a skeleton.
        required: what `required_values` says of it.
        seed: a non-negative integer.

    Returns:
        An array for a tensor, a list of one for a sequence, None for an optional.
    """
    shapes = input_shapes(model)
    values: dict[str, Any] = {}
    for position, proto in enumerate(model.graph.input):
        generator = np.random.default_rng([seed, _INPUTS, position])
        values[proto.name] = _value(proto.type, shapes[proto.name], required.get(proto.name), generator)
    return values


def input_shapes(model: ModelProto) -> dict[str, list[int]]:
    """The shape of each graph input, of a sequence's tensors, or of what an optional may hold: no symbols."""
    sizes: dict[str, int] = {}
    # Tokens first: a mask or an embedding that shares their symbols must follow them.
    for proto in sorted(model.graph.input, key=lambda proto: is_real(_tensor(proto.type).elem_type)):
        tensor = _tensor(proto.type)
        for dim, size in zip(tensor.shape.dim, _usual_sizes(tensor), strict=True):
            sizes.setdefault(dim.dim_param, size)
    shapes = {}
    for proto in model.graph.input:
        tensor = _tensor(proto.type)
        axes = zip(tensor.shape.dim, _usual_sizes(tensor), strict=True)
        shapes[proto.name] = [sizes[axis.dim_param] if axis.dim_param else size for axis, size in axes]
    return shapes


def at_example_sizes(model: ModelProto) -> ModelProto:
    """The model with a number for each dimension of its inputs; itself where it has them all."""
    shapes = input_shapes(model)
    dims = [(proto.name, proto.type.tensor_type.shape.dim) for proto in model.graph.input]
    if all(dim.HasField("dim_value") and dim.dim_value >= 0 for _, of_input in dims for dim in of_input):
        return model
    sized = ModelProto()
    sized.CopyFrom(model)
    for proto in sized.graph.input:
        # Of a sequence there are sizes, and no axes here.
        for dim, size in zip(proto.type.tensor_type.shape.dim, shapes[proto.name], strict=False):
            dim.dim_value = size
    return sized


def _tensor(proto: TypeProto) -> Any:
    """The tensor type that a type is, or is a sequence of."""
    if proto.HasField("sequence_type"):
        return _tensor(proto.sequence_type.elem_type)
    if proto.HasField("optional_type"):
        return _tensor(proto.optional_type.elem_type)
    return proto.sparse_tensor_type if proto.HasField("sparse_tensor_type") else proto.tensor_type


def _value(proto: TypeProto, shape: list[int], required: float | None, generator: np.random.Generator) -> Any:
    if proto.HasField("optional_type"):
        return None
    if proto.HasField("sequence_type"):
        return [_value(proto.sequence_type.elem_type, shape, required, generator)]
    tensor = _tensor(proto)
    if required is not None or tensor.elem_type == TensorProto.STRING:
        return make_values(shape, tensor.elem_type, required, generator)
    return _free_values(shape, tensor.elem_type, generator)


def _free_values(shape: list[int], data_type: int, generator: np.random.Generator) -> NDArray[Any]:
    if is_real(data_type) or is_complex(data_type):
        return normal_values(shape, data_type, 1.0, generator)
    return generator.integers(0, 2, shape).astype(helper.tensor_dtype_to_np_dtype(data_type))


def _usual_sizes(tensor: Any) -> list[int]:
    """The size of each axis: as declared, or one that is usual for an axis of unknown size at that place."""
    declared = [dim.dim_value if dim.HasField("dim_value") and dim.dim_value >= 0 else None for dim in tensor.shape.dim]
    rank = len(declared)
    first, last = (declared[0], declared[-1]) if rank else (None, None)
    if rank >= 4 and (declared[1] is None or last is None):
        usual = _image_sizes(rank, channels_last=declared[1] is None and last is not None)
    elif rank == 3 and first in (1, 3, 4) and declared[1] is None and last is None:
        usual = [_CHANNELS, _PIXELS, _PIXELS]
    elif is_real(tensor.elem_type) and rank in (2, 3) and last is None:
        usual = [1, *[_TOKENS] * (rank - 2), _SAMPLES]
    else:
        usual = [1, *[_TOKENS] * (rank - 1)][:rank]
    return [by_default if size is None else size for size, by_default in zip(declared, usual, strict=True)]


def _image_sizes(rank: int, *, channels_last: bool) -> list[int]:
    spatial = [_PIXELS, _PIXELS] if rank == 4 else [*[_FRAMES] * (rank - 4), _VIDEO_PIXELS, _VIDEO_PIXELS]
    return [1, *spatial, _CHANNELS] if channels_last else [1, _CHANNELS, *spatial]

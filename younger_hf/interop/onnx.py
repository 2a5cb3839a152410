"""From a row back to a model: a skeleton in, an ONNX model that runs out; and from any model to its graph.

A release holds no parameter values, so `to_onnx` makes parameters inputs, fills them with random values, or lets
them all refer to one sparse file; `example_inputs` makes something to feed. What is filled in never changes the
graph: extracting the model again gives the row's fingerprint.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from younger_hf.choices import check_choice
from younger_hf.errors import MissingExtraError, ReleaseError, UsageError, YoungerError
from younger_hf.release import Release, open_release

try:
    from google.protobuf.message import DecodeError
    from onnx import AttributeProto, ModelProto, TensorProto, helper, numpy_helper
except ModuleNotFoundError as error:
    raise MissingExtraError("onnx", "inspect") from error

from younger_hf.extract import extract
from younger_hf.extract.parse import parse_weightless
from younger_hf.extract.weightless import find_weights
from younger_hf.graph import OperatorGraph
from younger_hf.identity import canonicalize
from younger_hf.interop.inputs import input_values
from younger_hf.interop.named_nodes import name_nodes
from younger_hf.interop.parameters import Parameter, graphs_of, has_data, parameters_of, required_values
from younger_hf.module_tree import modules_of

Parameters = Literal["none", "random", "splat"]
Row = Mapping[str, Any] | bytes | ModelProto

_MAX_BYTES: Final = 2**31 - 1  # of a serialised protobuf message
_MAX_INLINE: Final = 2**16  # elements of a vector that "splat" fills


def to_onnx(
    row: Row,
    parameters: Parameters = "none",
    seed: int = 0,
    *,
    source: str | Path = "younger",
    path: str | Path | None = None,
) -> ModelProto:
    """Make a row of a release into an ONNX model that runs.

    Args:
        row: a row of config `skeletons`, its bytes, or a skeleton as ModelProto; or a row of config `graphs` or
            `sample`, whose skeleton is looked up in the release at `source`. A row with several skeletons gives
            that of its representative model, or of several the one with the smallest skeleton_fingerprint.
        parameters: "none": every parameter becomes a graph input, also those of control-flow bodies
            (`example_inputs` with `parameters=True` gives values for them). A parameter that a body returns
            unchanged cannot be an input and is filled.
            "random": integers and booleans are 0, reals small normals; variances, scales, divisors, exponents,
            bounds and the like are chosen such that outputs stay finite. The same seed gives the same model.
            "splat": for models too large for "random". Scalars and vectors are filled as for "random" (a variance
            of more than one axis or 65,536 elements cannot be set); all other parameters are 0 and refer to the
            same sparse file at `path`, which takes no space on disk. Save the model in the file's directory.
        seed: a non-negative integer that determines the random values.
        source: a release directory, or the id of a Hub dataset repository.
        path: where "splat" writes its file.

    Returns:
        A new model, whose nodes are named by operator type and position, after the module that they came from where the
        release knows it; the row is not changed.

    Raises:
        UsageError: unknown kind of parameters; "splat" without a path; the argument is not a row with a skeleton.
        ReleaseError: the release has no skeleton for the row, or cannot be read.
        YoungerError: the bytes are not an ONNX model; random parameters would exceed the 2 GiB limit of protobuf;
            the file at `path` cannot be written.
    """
    check_choice("kind of parameters", parameters, get_args(Parameters))
    if parameters == "splat" and path is None:
        raise UsageError("parameters='splat' needs path=, the file that all parameters refer to")
    row = skeleton_row(row, source)
    model = to_skeleton(row)
    name_nodes(model, modules_of(row) if isinstance(row, Mapping) else None)
    _fill_attributes(model)
    if parameters == "none":
        _make_inputs(model, seed)
    elif parameters == "random":
        _check_size(model)
        _fill(parameters_of(model), required_values(model), seed)
    else:
        _refer(model, Path(str(path)), seed)
    return model


def from_onnx(model: str | PathLike[str] | bytes | ModelProto) -> OperatorGraph:
    """The operator graph of an ONNX model, its nodes in the order that a row of a release has them in.

        graph = from_onnx("model.onnx")
        fingerprint(graph), to_networkx(graph), to_pyg(graph)

    `extract` does the same and leaves nodes in the order of the file.

    Args:
        model: a file of any size or an http(s) URL, of which weights are not read; or the bytes of a file, or a
            ModelProto, with or without weights.

    Raises:
        UsageError: it is none of these.
        InvalidModelError: it is no ONNX model, or not structurally sound.
        YoungerError: there is no such file.
    """
    if isinstance(model, (bytes, bytearray, memoryview)):
        model = parse_weightless(bytes(model), f"what these {len(model)} bytes hold")
    if not isinstance(model, str | PathLike | ModelProto):
        raise UsageError(f"from_onnx takes a path, a URL, bytes or a ModelProto, not {type(model).__name__}")
    return canonicalize(extract(model)).graph


def example_inputs(
    row: Row, seed: int = 0, *, parameters: bool = False, source: str | Path = "younger"
) -> dict[str, Any]:
    """Make inputs for the model that `to_onnx` returns.

    Symbolic dimensions get small sizes, the same wherever a symbol occurs: batches of 1, images of 224 by 224, 8
    tokens. Reals are normal, integers 0 or 1, unless an operator needs other values, such as a divisor.

    Args:
        row: the row given to `to_onnx`; not the model it returns, in which parameters look like inputs.
        seed: a non-negative integer.
        parameters: also return values of all parameters, which are graph inputs of `to_onnx(row, "none")`: those of
            "random" for the same seed.
        source: as for `to_onnx`.

    Returns:
        An array for each graph input, by name; a list of arrays for a sequence, None for an optional. Element types
        that NumPy lacks are those of ml_dtypes.

    Raises:
        UsageError, ReleaseError, YoungerError: as `to_onnx`.
    """
    model = to_skeleton(skeleton_row(row, source))
    required = required_values(model)
    values = input_values(model, required, seed)
    if parameters:
        kept = {parameter.position for parameter in _returned(model)}
        for parameter in parameters_of(model):
            if parameter.position not in kept:
                values[parameter.tensor.name] = parameter.values(required, seed)
    return values


def skeleton_row(row: Any, source: str | Path) -> Any:
    """The row, or what its skeleton is looked up by: the row of config `skeletons` of its representative."""
    if not isinstance(row, Mapping) or row.get("onnx") is not None:
        return row
    if "boundary" in row:
        raise UsageError("a subgraph has no skeleton: give a row of config graphs or skeletons")
    if row.get("fingerprint") is None:
        raise UsageError(
            "a row with neither `onnx` nor `fingerprint` has no skeleton: give one of config skeletons or graphs"
        )
    return _look_up(row, source)


def representative_skeletons(release: Release, fingerprints: Sequence[str]) -> Iterator[tuple[str, str, bytes]]:
    """The skeletons that `to_onnx` takes for rows of `graphs`, one in memory at a time.

    Args:
        release: that of the rows.
        fingerprints: of the rows.

    Yields:
        The fingerprint of a row, that of the skeleton, and the skeleton, in the order of the release; nothing for a row
        that has none.

    Raises:
        ReleaseError: a file is missing or damaged.
    """
    wanted = set(fingerprints)
    chosen: dict[str, tuple[Any, ...]] = {}
    for _, part in release.row_groups("skeletons", ["skeleton_fingerprint", "fingerprint", "models"]):
        for row in part.to_pylist():
            if row["fingerprint"] in wanted:
                place = _precedence(row)
                chosen[row["fingerprint"]] = min(chosen.get(row["fingerprint"], place), place)
    keys = {place[-1] for place in chosen.values()}
    for _, part in release.row_groups("skeletons", ["skeleton_fingerprint", "fingerprint", "onnx"]):
        for row in part.to_pylist():
            if row["skeleton_fingerprint"] in keys:
                yield row["fingerprint"], row["skeleton_fingerprint"], row["onnx"]


def to_skeleton(row: Row) -> ModelProto:
    """A skeleton that the caller may change."""
    if isinstance(row, Mapping):
        row = row["onnx"]
    if not isinstance(row, (bytes, bytearray, memoryview, ModelProto)):
        raise UsageError(f"a row, bytes or a ModelProto is needed, not {type(row).__name__}")
    skeleton = row.SerializeToString() if isinstance(row, ModelProto) else bytes(row)
    model = ModelProto()
    try:
        model.ParseFromString(skeleton)
    except DecodeError:
        raise YoungerError(f"these {len(skeleton)} bytes are no ONNX model") from None
    if not model.HasField("graph"):
        raise YoungerError(f"these {len(skeleton)} bytes are an ONNX model without a graph")
    # What somebody else wrote may name files that are opened with the model.
    if found := find_weights(skeleton):
        raise YoungerError(f"this is no skeleton of a release: it {found}; younger_hf.extract.strip makes one")
    return model


def _look_up(row: Mapping[str, Any], source: str | Path) -> Mapping[str, Any]:
    """The skeleton of a graph's representative, from a release."""
    found = representative_skeleton(open_release(source), str(row["fingerprint"]))
    if found is None:
        raise ReleaseError(
            f"{source} has no skeleton of the graph {row['fingerprint']}: give the release of the row as source="
        )
    return found


def representative_skeleton(release: Release, fingerprint: str) -> Mapping[str, Any] | None:
    """The row of config `skeletons` that `to_onnx` takes for a row of `graphs`; None where there is none.

    Raises:
        ReleaseError: a file is missing or damaged.
    """
    wanted = ("skeleton_fingerprint", "models", "onnx", "modules")  # an older release has no modules
    there = release.columns("skeletons")
    skeletons = release.find("skeletons", fingerprint, [name for name in wanted if name in there])
    return representative(skeletons)


def representative(skeletons: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Of rows of config `skeletons` with one graph, the one that `to_onnx` takes; None of none.

    Args:
        skeletons: `skeleton_fingerprint`, `models` and whatever else is wanted of each.
    """
    return min(skeletons, key=_precedence, default=None)


def _precedence(skeleton: Mapping[str, Any]) -> tuple[Any, ...]:
    """Smallest for the skeleton of the representative: most downloads, then by source, the shortest id first."""
    models = [
        (
            -(-1 if model["downloads"] is None else model["downloads"]),
            *(model["source"], len(model["id"]), model["id"], model["revision"] or ""),
        )
        for model in skeleton["models"]
    ]
    return (*min(models), skeleton["skeleton_fingerprint"])


def _fill_attributes(model: ModelProto) -> None:
    """Give the tensors in attributes, which a skeleton holds as type and shape, zeros for data."""
    nodes = [node for graph in graphs_of(model.graph) for node in graph.node]
    nodes += [node for function in model.functions for node in function.node]
    for node in nodes:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR and not attribute.HasField("t"):
                attribute.t.CopyFrom(TensorProto(data_type=TensorProto.FLOAT, dims=[0], raw_data=b""))
            for tensor in (*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors):
                if not has_data(tensor):
                    _set(tensor, np.zeros(tensor.dims, helper.tensor_dtype_to_np_dtype(tensor.data_type)))


def _check_size(model: ModelProto) -> None:
    size = model.ByteSize() + sum(parameter.num_bytes for parameter in parameters_of(model))
    if size > _MAX_BYTES:
        raise YoungerError(
            f"with its parameters the model takes {size / 2**30:.1f} GiB and an ONNX file holds at most 2: "
            "ask for parameters='splat' with a path="
        )


def _make_inputs(model: ModelProto, seed: int) -> None:
    """Turn parameters into inputs of the main graph, but for those that a body returns as they are."""
    _fill(_returned(model), required_values(model), seed)
    for graph in graphs_of(model.graph):
        kept = []
        for tensor in graph.initializer:
            if has_data(tensor):
                kept.append(tensor)
            else:
                model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
        del graph.initializer[:]
        graph.initializer.extend(kept)


def _returned(model: ModelProto) -> list[Parameter]:
    """Parameters that are outputs of bodies: there, ONNX does not allow a value from outside."""
    _, *bodies = graphs_of(model.graph)
    names = {output.name for body in bodies for output in body.output}
    return [parameter for parameter in parameters_of(model) if parameter.tensor.name in names]


def _refer(model: ModelProto, path: Path, seed: int) -> None:
    """Fill scalars and short vectors, and let everything else refer to the beginning of one file of zeros."""
    inline: list[Parameter] = []
    outside: list[Parameter] = []
    for parameter in parameters_of(model):
        tensor = parameter.tensor
        small = len(tensor.dims) <= 1 and math.prod(tensor.dims) <= _MAX_INLINE
        inline_only = tensor.data_type == TensorProto.STRING or not math.prod(tensor.dims)
        (inline if small or inline_only else outside).append(parameter)
    _fill(inline, required_values(model), seed)
    for parameter in outside:
        tensor = parameter.tensor
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", path.name), ("offset", "0"), ("length", str(parameter.num_bytes))):
            tensor.external_data.add(key=key, value=value)
    try:
        with path.open("wb") as file:
            file.truncate(max((parameter.num_bytes for parameter in outside), default=0))
    except OSError as error:
        raise YoungerError(f"{path} cannot be written ({error.strerror})") from error


def _fill(parameters: Iterable[Parameter], required: Mapping[str, float], seed: int) -> None:
    for parameter in parameters:
        _set(parameter.tensor, parameter.values(required, seed))


def _set(tensor: TensorProto, values: NDArray[Any]) -> None:
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))

"""A plain model, from its bytes to its operator graph or its structure: `parse_plainly`.

In: the bytes of a model. Out: a `PlainModel`, or a ModelProto where `flatten` has to read it: what plain means,
`columns` says. Python looks once at each kind of node, and NumPy at the nodes themselves; what is found is what
`flatten`, `operator_graph` and `clear_values` find.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

import numpy as np
from onnx import ModelProto, NodeProto

from younger_hf.compiled import runs_compiled
from younger_hf.extract.attribute_values import INTEGERS, constant_tensor
from younger_hf.extract.clear import clear_attributes, clear_constant, clear_tensor
from younger_hf.extract.columns import (
    DATA_TYPE,
    ELEMENTS,
    HAS_LOCATION,
    OWNER,
    RANK,
    START,
    VALUES,
    Columns,
    count,
    read_columns,
)
from younger_hf.extract.compiled_wire import Ints
from younger_hf.extract.constants import TensorRoles, read_uses, reading
from younger_hf.extract.flat_model import Opsets
from younger_hf.extract.flatten import opset_versions
from younger_hf.extract.operator_rules import MAX_ELEMENTS, WEIGHT_INPUT
from younger_hf.extract.operators import DEFAULT_DOMAIN, canonical_operator, normal_domain
from younger_hf.extract.parse import model_of, normal_form, reduce_attributes, reduce_graph, reduce_tensor
from younger_hf.extract.walk import MAX_KEPT_ELEMENTS, MAX_VALUES
from younger_hf.extract.wire import ByteSource
from younger_hf.graph import MAX_NODES, GraphMetadata, Operator, OperatorGraph
from younger_hf.work import Work

_MAX_PARAMETERS: Final = 2**63 - 1
_BYTES_PER_STEP: Final = 64  # of a node or a value
_LONGEST_KNOWN: Final = 1 << 10  # bytes of a kind that is kept


def parse_plainly(
    source: ByteSource, name: str, release: Callable[[], None], work: Work, wiring: Work
) -> PlainModel | ModelProto:
    """Parse the structure of the model in `source`, as a `PlainModel` where it is one.

    Args:
        source: as in `parse_weightless`.
        name: likewise.
        release: likewise.
        work: likewise.
        wiring: what telling its nodes and values apart may take, if it is plain. It may be the same work.

    Raises:
        InvalidModelError: as `parse_weightless`.
        WorkLimitError: either work is spent.
    """
    content = normal_form(source, name, release, work)
    plain = None if content is None else plain_model(content, name, wiring)
    return model_of(content, source, name, release, work) if plain is None else plain


def plain_model(content: bytes, name: str, work: Work) -> PlainModel | None:
    """Read a plain model; None if it is not one, or so small that nothing has to be compiled for it.

    Args:
        content: a ModelProto as protobuf writes it, with nothing in it that is not structure but payloads of tensors.
        name: what to call the model in an error.
        work: what reading it may take.

    Raises:
        WorkLimitError: the work is spent.
    """
    if not runs_compiled(len(content) // _BYTES_PER_STEP):  # `flatten` is quicker than this in Python
        return None
    array = np.frombuffer(content, np.uint8)
    counts = count(array)
    if not counts.tag or counts.sizes[0] > MAX_NODES:
        return None
    header = ModelProto.FromString(content[: counts.tag] + content[counts.end :])
    if header.functions:
        return None
    work.spend(1 + int(counts.sizes.sum()), f"reading {name}")
    columns, is_plain = read_columns(array, counts)
    if not is_plain:
        work.spent -= 1 + int(counts.sizes.sum())  # `flatten` counts it again
        return None
    return PlainModel(content, columns, opset_versions(header.opset_import), header.ir_version)


@dataclass(frozen=True)
class PlainModel:
    """A plain model.

    Attributes:
        content: its bytes.
        columns: where everything stands in them.
        opsets: its imports, by normalised domain.
        ir_version: the version of the file format.
    """

    content: bytes
    columns: Columns
    opsets: Opsets
    ir_version: int

    def graph(self) -> OperatorGraph | None:
        """The operator graph; None where shapes of weights complete its operators, or it has too many parameters."""
        columns = self.columns
        imports = tuple(self.opsets.items())
        operators = [
            (_known_operator if len(kind) <= _LONGEST_KNOWN else _operator)(kind, imports) for kind in self._kinds
        ]
        elements = columns.tensors[:, ELEMENTS].tolist()
        tensor = columns.tensor.tolist()
        parameters = sum(elements[tensor[value]] for value in self._roles.parameters)
        if None in operators or parameters > _MAX_PARAMETERS:
            return None
        num_inputs = np.diff(columns.input_ends)
        consumer = np.repeat(np.arange(len(num_inputs)), num_inputs)
        slot = np.arange(len(consumer)) - np.repeat(columns.input_ends[:-1], num_inputs)
        made = columns.inputs >= 0
        made[made] = columns.maker[columns.inputs[made]] >= 0
        values = columns.inputs[made]
        return OperatorGraph(
            tuple(map(operators.__getitem__, columns.kind.tolist())),  # type: ignore[arg-type]
            np.stack((columns.maker[values], consumer[made])),
            np.stack((columns.slot[values], slot[made])),
            np.full(len(num_inputs), -1),
            GraphMetadata(
                opset_imports=tuple(sorted(imports)),
                ir_version=self.ir_version,
                num_inputs=columns.graph_inputs,
                num_outputs=len(set(columns.graph_outputs.tolist())),
                num_parameters=parameters,
            ),
        )

    def model(self) -> ModelProto:
        """The model, with the values of small tensors: what `flatten` reads."""
        model = ModelProto.FromString(self.content)
        reduce_graph(model.graph)
        return model

    def structure(self) -> ModelProto:
        """The model, with no values of tensors but those that a skeleton keeps."""
        columns, tensors = self.columns, self.columns.tensors
        model = ModelProto.FromString(self.content)
        nodes, initializers = model.graph.node, model.graph.initializer
        kept = np.zeros(len(columns.tensor), np.bool_)
        kept[list(self._roles.constants - self._roles.withheld)] = True
        values = np.flatnonzero(columns.tensor >= 0)
        kept, tensors = kept[values], tensors[columns.tensor[values]]
        is_constant = tensors[:, OWNER] >= 0
        too_large = (tensors[:, ELEMENTS] > MAX_KEPT_ELEMENTS) | (tensors[:, VALUES] > MAX_VALUES)
        has_more = (tensors[:, VALUES] > 0) | (tensors[:, HAS_LOCATION] > 0)
        to_reduce = (tensors[:, START] >= 0) & (too_large | (tensors[:, HAS_LOCATION] > 0))
        touched = np.where(kept, to_reduce, has_more | is_constant)
        for owner, is_kept in zip(tensors[touched, OWNER].tolist(), kept[touched].tolist(), strict=True):
            if owner >= 0:
                attributes = nodes[owner].attribute
                reduce_attributes(attributes)
                if not is_kept:
                    clear_constant(nodes[owner], constant_tensor(attributes))
            elif is_kept:
                reduce_tensor(initializers[-1 - owner])
            else:
                clear_tensor(initializers[-1 - owner])
        has_tensor = np.array([_described(kind)[2] for kind in self._kinds], np.bool_)
        for position in columns.position[has_tensor[columns.kind]].tolist():
            reduce_attributes(nodes[position].attribute)
            clear_attributes([nodes[position]])
        return model

    @cached_property
    def _kinds(self) -> list[bytes]:
        """What a node of each kind says of what it computes, as a NodeProto without names."""
        return [self.content[start:end] for start, end in self.columns.kinds.tolist()]

    @cached_property
    def _roles(self) -> TensorRoles:
        columns = self.columns
        readings = []
        for kind in self._kinds:
            domain, op_type, _ = _described(kind)
            readings.append(reading(domain, op_type, self.opsets.get(domain, 1)))
        tensor = columns.tensor.tolist()
        data_type = columns.tensors[:, DATA_TYPE].tolist()
        is_small = ((columns.tensors[:, RANK] <= 1) & (columns.tensors[:, ELEMENTS] <= MAX_ELEMENTS)).tolist()
        constants, parameters, uses = read_uses(
            list(map(readings.__getitem__, columns.kind.tolist())),
            _Lists(columns.inputs, columns.input_ends),
            _Lists(columns.outputs, columns.output_ends),
            columns.graph_outputs.tolist(),
            len(tensor),
            set(np.flatnonzero(columns.tensor >= 0).tolist()),
            lambda value: is_small[tensor[value]],
            lambda value: data_type[tensor[value]] in INTEGERS,
        )
        withheld = {value for value in constants & parameters if data_type[tensor[value]] not in INTEGERS}
        return TensorRoles(frozenset(constants), frozenset(withheld), frozenset(parameters), frozenset(uses))


class _Lists:
    """The values of each node, cut out when they are asked for: many lists at once would be much to collect."""

    __slots__ = ("_ends", "_values")

    def __init__(self, values: Ints, ends: Ints) -> None:
        self._values: list[int] = values.tolist()
        self._ends: list[int] = ends.tolist()

    def __getitem__(self, node: int, /) -> list[int]:
        return self._values[self._ends[node] : self._ends[node + 1]]


@lru_cache(1 << 14)
def _described(kind: bytes) -> tuple[str, str, bool]:
    """The domain and name of a kind's operator, and whether it has a tensor among its attributes."""
    node = NodeProto.FromString(kind)
    return normal_domain(node.domain), node.op_type, any(attribute.HasField("t") for attribute in node.attribute)


def _operator(kind: bytes, imports: tuple[tuple[str, int], ...]) -> Operator | None:
    """The operator of a kind, by the versions that are imported; None where the shape of a weight completes it."""
    node = NodeProto.FromString(kind)
    reduce_attributes(node.attribute)
    domain = normal_domain(node.domain)
    described_by = WEIGHT_INPUT.get(node.op_type) if domain == DEFAULT_DOMAIN else None
    if described_by and all(attribute.name != described_by[0] for attribute in node.attribute):
        return None
    return canonical_operator(domain, node.op_type, dict(imports).get(domain, 1), node.attribute, lambda _: None)


_known_operator = lru_cache(1 << 14)(_operator)

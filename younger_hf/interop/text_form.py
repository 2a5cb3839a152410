"""An architecture as text that people, language models and sequence models read, and back without loss.

In goes a graph, a row or an ONNX model; out come lines such as these, one an operator in topological order, the body of
a control-flow operator indented above it:

    graph opset=20
    v0 = Conv[kernel_shape=3,3 pads=1,1,1,1](in0, *, *)
    v1 = Relu(v0)
      v2 = Sigmoid(v1)
      v3 = Neg(v1)
    v4 = If(in1, v2, v3)

`from_text` gives a graph of the same fingerprint. docs/text-form.md has the grammar.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from heapq import heapify, heappop, heappush
from os import PathLike
from pathlib import Path
from typing import Any, Final

import numpy as np

from younger_hf.dataset import check_row, to_graph
from younger_hf.errors import MissingExtraError, UsageError, YoungerError
from younger_hf.graph import MAX_SLOT, GraphMetadata, InvalidGraphError, Operator, OperatorGraph
from younger_hf.vocabulary import Vocabulary

try:
    import onnx
    from onnx import AttributeProto, ModelProto

    from younger_hf.extract import read_structure
    from younger_hf.extract.attribute_values import canonical_json
    from younger_hf.extract.constants import TensorRoles, constant_value, tensor_roles
    from younger_hf.extract.flat_model import EMPTY, FlatModel
    from younger_hf.extract.flatten import flatten
    from younger_hf.extract.operator_graph import operator_graph, unfed_slots
    from younger_hf.extract.operators import DEFAULT_DOMAIN, attribute_protos, canonical_operator, operator_schema
    from younger_hf.interop.inputs import at_example_sizes
    from younger_hf.interop.onnx import to_skeleton
    from younger_hf.recognise.normal import raised_network
    from younger_hf.recognise.shapes import output_shapes
except ModuleNotFoundError as error:
    raise MissingExtraError("onnx", "inspect") from error

_HEADER: Final = re.compile(r"graph opset=(\d{1,10})( without attributes)?")
_LINE: Final = re.compile(r"( *)v(\d{1,10}) = (?=\S)")
_REFERENCE: Final = re.compile(r"v(\d{1,10})(?:\.(\d{1,5}))?")
_UNFED: Final = re.compile(r"_|-|in\d+|\*(\w+\[[\d,]*\])?|\w+\[[\d,]*\]\{[^{}() ]*\}")
_TYPE_LABEL: Final = re.compile(r"[A-Za-z0-9_.\-]+(?:::[A-Za-z0-9_.\-]+)?")
_ATTRIBUTE: Final = re.compile(r"([A-Za-z0-9_]+)=")
_NUMBER: Final = r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
_NUMBERS: Final = re.compile(rf"{_NUMBER}(?:,{_NUMBER})+|{_NUMBER},?")
_WORD: Final = re.compile(r"(?!(?:true|false|null)\b)[A-Za-z_]\w*", re.ASCII)
_INDENT: Final = "  "

Slots = list[str | None]
"""What stands in a node's input slots; None where no node feeds the slot and nothing else is known."""


class TextError(YoungerError):
    """The text is no architecture; the message begins with the line and the column, both from 1."""

    def __init__(self, line: int, column: int, reason: str) -> None:
        super().__init__(f"line {line}, column {column}: {reason}")
        self.line = line
        self.column = column


def to_text(
    what: OperatorGraph | Mapping[str, Any] | ModelProto | str | PathLike[str],
    *,
    attributes: bool = True,
    shapes: bool = False,
    source: str | Path = "younger",
) -> str:
    """Write an architecture as text.

    Of an ONNX model and of a row of config `skeletons` the text says what is in every input slot: a node's output, a
    graph input (`in0`), a parameter (`*`), a constant (`int64[2]{1,-1}`) or nothing (`-`). A graph does not know that:
    a slot that no node feeds is `_`, and those behind the last one that a node feeds are left out.

    Args:
        what: a graph, or a row of `graphs`, `graphs-no-attributes`, `sample` or `skeletons`; or an ONNX model, its path
            or its URL.
        attributes: whether to write the attributes of operators.
        shapes: whether to write the shapes of parameters and, behind each line, of what the operator makes at example
            sizes; only of what has them, which is an ONNX model or a row of `skeletons`.
        source: where the release of a row is, for its vocabulary.

    Returns:
        Lines, each ending with a line feed.

    Raises:
        UsageError: it is none of these.
        InvalidModelError: the model is not sound.
        InvalidGraphError: what a body makes is used outside, and comes back into the body.
    """
    if isinstance(what, OperatorGraph):
        return _write(what, attributes, [[] for _ in what.operator], [])
    if isinstance(what, Mapping) and what.get("onnx") is None:
        check_row("to_text", what)
        graph = to_graph(what, Vocabulary.load(source))
        return _write(graph, attributes and "node_variant" in what, [[] for _ in graph.operator], [])
    if isinstance(what, Mapping):
        model = to_skeleton(what)
    elif isinstance(what, ModelProto):
        model = what
    elif isinstance(what, (str, PathLike)):
        model = read_structure(what)
    else:
        raise UsageError(f"to_text takes a graph, a row or an ONNX model, not {type(what).__name__}")
    flat = flatten(model, "the model")
    made = [_makes(outputs) for outputs in output_shapes(raised_network(at_example_sizes(model)))] if shapes else []
    return _write(operator_graph(flat), attributes, _unfed(flat, shapes), made)


def from_text(text: str) -> OperatorGraph:
    """Read the graph that a text stands for.

    Args:
        text: as `to_text` writes it; of `shapes` and of what feeds slots besides nodes, the graph keeps nothing.

    Raises:
        TextError: it is no such text.
    """
    return _Reader(text).read()


def _makes(outputs: Sequence[str | None]) -> str:
    return f" : {', '.join(shape or '?' for shape in outputs)}" if any(outputs) else ""


def _unfed(flat: FlatModel, shapes: bool) -> list[Slots]:
    """By node: the texts of the slots that no node feeds."""
    roles = tensor_roles(flat)
    inputs: dict[int, int] = {}
    found: list[Slots] = [[] for _ in flat.nodes]
    for node, slot, value in unfed_slots(flat):
        if value == EMPTY:
            shown = "-"
        elif value not in flat.tensor:
            shown = f"in{inputs.setdefault(value, len(inputs))}"
        else:
            shown = _tensor(flat, value, roles, (node.index, slot) in roles.structural_uses, shapes)
        row = found[node.index]
        row += [None] * (slot + 1 - len(row))
        row[slot] = shown
    return found


def _tensor(flat: FlatModel, value: int, roles: TensorRoles, structural: bool, shapes: bool) -> str:
    tensor = flat.tensor[value]
    constant = constant_value(flat, value, roles) if structural else None
    described = f"{onnx.TensorProto.DataType.Name(tensor.data_type).lower()}[{','.join(map(str, tensor.dims))}]"
    if constant is None:
        return f"*{described}" if shapes else "*"
    return f"{described}{{{','.join(str(item) for item in onnx.numpy_helper.to_array(constant).reshape(-1).tolist())}}}"


def _write(graph: OperatorGraph, attributes: bool, slots: list[Slots], made: Sequence[str]) -> str:
    opset = graph.metadata.opset
    order, depth = _nested_order(graph)
    number = np.empty(graph.num_nodes, np.int64)
    number[order] = np.arange(graph.num_nodes)
    for producer, consumer, output, slot in zip(
        number[graph.edge_index[0]].tolist(), graph.edge_index[1].tolist(), *graph.edge_slot.tolist(), strict=True
    ):
        row = slots[consumer]
        if len(row) <= slot:
            row += [None] * (slot + 1 - len(row))
        row[slot] = f"v{producer}.{output}" if output else f"v{producer}"
    heads = {operator: _head(operator, opset, attributes) for operator in set(graph.operator)}
    lines = [f"graph opset={opset}{'' if attributes else ' without attributes'}"]
    for place, node in enumerate(order.tolist()):
        fed = ", ".join([shown or "_" for shown in slots[node]])
        shape = made[node] if made else ""
        lines.append(f"{_INDENT * depth[node]}v{place} = {heads[graph.operator[node]]}({fed}){shape}")
    return "\n".join(lines) + "\n"


def _nested_order(graph: OperatorGraph) -> tuple[np.ndarray[Any, Any], list[int]]:
    """An order in which bodies stand right above their owners, and how deep each node is nested."""
    scope = graph.scope.tolist()
    depth = [0] * len(scope)
    if max(scope, default=-1) < 0:
        return np.arange(len(scope)), depth
    for node in range(len(scope) - 1, -1, -1):  # an owner is behind its body
        depth[node] = depth[scope[node]] + 1 if scope[node] >= 0 else 0
    before: list[list[int]] = [[] for _ in scope]
    waits = [0] * len(scope)
    for start, end in graph.edge_index.T.tolist():
        a, b = start, end
        while scope[a] != scope[b]:
            if depth[a] >= depth[b]:
                a = scope[a]
            else:
                b = scope[b]
        if a != b:
            before[a].append(b)
            waits[b] += 1
    ready: dict[int, list[int]] = {}
    for node, owner in enumerate(scope):
        ready.setdefault(owner, [])
        if not waits[node]:
            ready[owner].append(node)
    order: list[int] = []
    for body in ready.values():
        heapify(body)
    stack = [(-1, iter(_released(ready[-1], before, waits)))]
    while stack:
        owner, units = stack[-1]
        unit = next(units, None)
        if unit is None:
            stack.pop()
            if owner >= 0:
                order.append(owner)
        elif unit in ready:
            stack.append((unit, iter(_released(ready[unit], before, waits))))
        else:
            order.append(unit)
    if len(order) < len(scope):
        raise InvalidGraphError("values flow out of a body and back into it: no text, and no model, says that")
    return np.array(order), depth


def _released(ready: list[int], before: list[list[int]], waits: list[int]) -> Iterator[int]:
    """The nodes of one body, the smallest that waits for nothing first."""
    while ready:
        node = heappop(ready)
        yield node
        for after in before[node]:
            waits[after] -= 1
            if not waits[after]:
                heappush(ready, after)


@cache
def _head(operator: Operator, opset: int, attributes: bool) -> str:
    """An operator as it is written: an attribute is left out if filling in gives it back."""
    label = operator.type_label
    label = label if _TYPE_LABEL.fullmatch(label) else json.dumps(label)
    if not attributes:
        return label
    kept: dict[str, Any] = json.loads(operator.attributes)
    if _filled(operator.domain, operator.op_type, opset, operator.attributes) is not operator:
        written = " ".join(f"{name}={_value(value)}" for name, value in kept.items())
        return f"{label}![{written}]" if kept else f"{label}!"
    for name in list(kept):
        rest = {other: value for other, value in kept.items() if other != name}
        if _filled(operator.domain, operator.op_type, opset, canonical_json(rest)) is operator:
            kept = rest
    written = " ".join(f"{name}={_value(value)}" for name, value in kept.items())
    return f"{label}[{written}]" if kept else label


def _filled(domain: str, op_type: str, opset: int, attributes: str) -> Operator:
    """The operator that these attributes and the defaults of the opset make."""
    try:
        protos = attribute_protos(Operator(domain, op_type, attributes), opset)
    except (TypeError, ValueError, AttributeError, KeyError, OverflowError):  # not of the type that the schema wants
        return Operator(domain, op_type, attributes)
    schema = operator_schema(domain, op_type, opset)
    if schema is not None and domain == DEFAULT_DOMAIN:  # the bodies of If, Loop and Scan, which they cannot lack
        bodies = (name for name in schema.required if schema.types[name] == "GRAPH")
        protos += [AttributeProto(name=name, type=AttributeProto.GRAPH) for name in bodies]
    return canonical_operator(domain, op_type, opset, protos, lambda _: None)


def _value(value: Any) -> str:
    if isinstance(value, str) and _WORD.fullmatch(value):
        return value
    if isinstance(value, list) and value and all(type(item) in (int, float) for item in value):
        return ",".join(map(canonical_json, value)) + ("," if len(value) == 1 else "")
    return canonical_json(value)


class _Reader:
    def __init__(self, text: str) -> None:
        self.lines = text.splitlines()
        self.heads: dict[str, Operator] = {}
        self.names: dict[int, int] = {}
        self.operators: list[Operator] = []
        self.edges: list[tuple[int, int, int, int]] = []
        self.scope: list[int] = []
        self.open: list[list[int]] = [[]]  # by depth: the nodes whose owner is still to come

    def read(self) -> OperatorGraph:
        header = _HEADER.fullmatch(self.lines[0].rstrip()) if self.lines else None
        if header is None:
            raise TextError(1, 1, "a text begins with `graph opset=N`")
        opset, self.with_attributes = int(header[1]), not header[2]
        self.opset = opset
        for number, line in enumerate(self.lines[1:], start=2):
            if line.strip() and not line.lstrip().startswith("#"):
                self._line(number, line)
        if any(self.open[1:]):
            raise TextError(len(self.lines), 1, "the text ends inside a body: its owner is missing")
        table = np.array(self.edges, dtype=np.int64).reshape(-1, 4).T
        metadata = GraphMetadata(opset_imports=(("", opset),) if opset else ())
        try:
            return OperatorGraph(
                tuple(self.operators), table[:2], table[2:], np.array(self.scope, dtype=np.int64), metadata
            )
        except InvalidGraphError as error:
            raise TextError(1, 1, str(error)) from error

    def _line(self, number: int, line: str) -> None:
        start = _LINE.match(line)
        if start is None:
            raise TextError(number, 1, "a line is `vN = Operator[attributes](slots)`")
        node = len(self.operators)
        self._nest(number, node, len(start[1]))
        body = line[: line.rindex(" : ")] if " : " in line and line.rindex(" : ") > line.rfind(")") else line.rstrip()
        opening = body.rfind("(", start.end())
        if opening < 0 or not body.endswith(")"):
            raise TextError(number, len(body) + 1, "the slots, in round brackets, are missing")
        head = body[start.end() : opening]
        operator = self.heads.get(head)
        if operator is None:
            operator = self.heads[head] = self._head(number, start.end(), head)
        self.operators.append(operator)
        self.scope.append(-1)
        if body[opening + 1 : -1]:
            self._slots(number, node, body, opening + 1)
        name = int(start[2])
        if name in self.names:
            raise TextError(number, start.end(1) + 1, f"there is a v{name} already")
        self.names[name] = node

    def _nest(self, number: int, node: int, spaces: int) -> None:
        depth, odd = divmod(spaces, len(_INDENT))
        if odd:
            raise TextError(number, 1, f"bodies are indented by {len(_INDENT)} spaces each")
        while len(self.open) <= depth:
            self.open.append([])
        if any(self.open[depth + 2 :]):
            raise TextError(number, spaces + 1, "a body ends without its owner, a line that is indented by two less")
        if len(self.open) > depth + 1:
            for inner in self.open[depth + 1]:
                self.scope[inner] = node
            self.open[depth + 1] = []
        self.open[depth].append(node)

    def _slots(self, number: int, node: int, body: str, column: int) -> None:
        names, edges = self.names, self.edges
        parts = body[column:-1].split(", ")
        if len(parts) > MAX_SLOT + 1:
            raise TextError(number, column + 1, f"an operator has at most {MAX_SLOT + 1:,} slots")
        for slot, part in enumerate(parts):
            reference = _REFERENCE.fullmatch(part)
            if reference is None:
                if _UNFED.fullmatch(part) is None:
                    raise TextError(number, column + 1, f"no slot is written as {part[:40]!r}")
            else:
                producer = names.get(int(reference[1]))
                if producer is None:
                    raise TextError(number, column + 1, f"v{reference[1]} is not defined above")
                edges.append((producer, node, int(reference[2] or 0), slot))
            column += len(part) + 2

    def _head(self, number: int, column: int, head: str) -> Operator:
        """The operator that is written there; `column` counts from 0."""
        at = 0
        if head.startswith('"'):
            label, at = self._json(number, column, head, 0)
        else:
            match = _TYPE_LABEL.match(head)
            if match is None:
                raise TextError(number, column + 1, "the name of an operator is missing")
            label, at = match[0], match.end()
        domain, _, op_type = str(label).rpartition("::")
        complete = head.startswith("!", at)
        at += complete
        attributes: dict[str, Any] = {}
        if head.startswith("[", at):
            attributes, at = self._attributes(number, column, head, at + 1)
        if at != len(head):
            raise TextError(number, column + at + 1, f"{head[at : at + 40]!r} is not expected behind an operator")
        if not self.with_attributes:
            if attributes or complete:
                raise TextError(number, column + 1, "the header says `without attributes`")
            return Operator(domain, op_type)
        text = canonical_json(attributes)
        return Operator(domain, op_type, text) if complete else _filled(domain, op_type, self.opset, text)

    def _attributes(self, number: int, column: int, head: str, at: int) -> tuple[dict[str, Any], int]:
        found: dict[str, Any] = {}
        while not head.startswith("]", at):
            match = _ATTRIBUTE.match(head, at)
            if match is None or match[1] in found:
                raise TextError(number, column + at + 1, "an attribute is `name=value`, each name once")
            found[match[1]], at = self._read_value(number, column, head, match.end())
            if head.startswith(" ", at):
                at += 1
            elif not head.startswith("]", at):
                raise TextError(number, column + at + 1, "attributes are parted by one space and end with `]`")
        return found, at + 1

    def _read_value(self, number: int, column: int, head: str, at: int) -> tuple[Any, int]:
        if numbers := _NUMBERS.match(head, at):
            items = [json.loads(item) for item in numbers[0].rstrip(",").split(",")]
            return (items if "," in numbers[0] else items[0]), numbers.end()
        if word := _WORD.match(head, at):
            return word[0], word.end()
        return self._json(number, column, head, at)

    def _json(self, number: int, column: int, head: str, at: int) -> tuple[Any, int]:
        try:
            return json.JSONDecoder().raw_decode(head, at)
        except (json.JSONDecodeError, RecursionError) as error:
            raise TextError(number, column + at + 1, "a value is a number, numbers, a word or JSON") from error

"""The wire format for compiled code: how many messages a model has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from google.protobuf.message import Message
from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, parser
from support.light import LIGHT

from younger_hf.compiled import INTERPRETED, runs_compiled
from younger_hf.extract import InvalidModelError, extract, parse
from younger_hf.extract.compiled_wire import count_messages

BODIES = parser.parse_model(
    """<ir_version: 8, opset_import: ["" : 17, "local" : 1]>
    g (float[2] x, bool c) => (float[2] y) {
        h = local.twice (x)
        y = If (c) <then_branch = t () => (float[2] p) { p = Abs (h) },
            else_branch = e () => (float[2] q) { q = Neg (h) }>
    }
    <domain: "local", opset_import: ["" : 17]> twice (a) => (b) {
        k = Constant <value = float[1] {2.0}> ()
        b = Mul (a, k)
    }
    """
)


def counted(message: Message) -> int:
    """The messages in one that are counted: of what holds nothing that could be many, only itself."""
    inner = {
        ModelProto: ("graph", "opset_import", "functions"),
        GraphProto: ("node", "initializer", "input", "output", "sparse_initializer"),
        NodeProto: ("attribute",),
        AttributeProto: ("t", "g", "tensors", "graphs", "tp", "type_protos", "sparse_tensor", "sparse_tensors"),
        FunctionProto: ("node", "opset_import", "attribute_proto"),
    }.get(type(message), ())
    found = [(field, value) for field, value in message.ListFields() if field.name in inner]
    lists = [[value] if isinstance(value, Message) else value for _, value in found]
    return sum(1 + counted(each) for values in lists for each in values)


@pytest.mark.parametrize(
    "model", [*sorted(LIGHT.glob("*.onnx"))[:3], BODIES], ids=lambda each: getattr(each, "stem", "")
)
def test_every_message_is_counted(model: Path | ModelProto) -> None:
    assert runs_compiled(INTERPRETED + 1)
    proto = model if isinstance(model, ModelProto) else onnx.load(model)
    assert count_messages(np.frombuffer(proto.SerializeToString(), np.uint8)) == counted(proto) > 10


def test_what_is_broken_or_without_end_is_counted_as_far_as_it_goes() -> None:
    content = BODIES.SerializeToString()
    for end in range(0, len(content), 7):
        assert count_messages(np.frombuffer(content[:end], np.uint8)) <= counted(BODIES)
    assert count_messages(np.frombuffer(b"\xff" * 100, np.uint8)) == 0


@pytest.mark.parametrize("domain", [b"", b"local"])
def test_attributes_with_nothing_in_them_are_refused_before_they_are_parsed(
    tmp_path: Path, domain: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parse, "_FEW", 1 << 16)
    m = ModelProto.FromString(BODIES.SerializeToString())
    node = m.graph.node.add(op_type="Relu", domain=domain, input=["x"], output=["z"])
    node.attribute.extend([AttributeProto()] * 50_000)
    (tmp_path / "m.onnx").write_bytes(m.SerializeToString())
    with pytest.raises(InvalidModelError, match=r"it has 50,0\d+ nodes and attributes with nothing in them"):
        extract(tmp_path / "m.onnx")

"""Reading takes work in proportion to the file, and ends where a small file calls up much."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

import onnx
import pytest
from onnx import AttributeProto, FunctionProto, ModelProto, NodeProto, TensorProto, helper
from typer.testing import CliRunner

from younger_hf.cli import app
from younger_hf.errors import YoungerError
from younger_hf.extract import InvalidModelError, extract, strip
from younger_hf.work import Work, WorkLimitError

IMPORTS = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]


def model(nodes: list[NodeProto], functions: list[FunctionProto] = [], weight: bool = False) -> ModelProto:  # noqa: B006
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    weights = [TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1, 1, 1, 1])] if weight else []
    graph = helper.make_graph(nodes, "g", [x], [y], weights)
    return helper.make_model(graph, opset_imports=IMPORTS, functions=functions)


def function(name: str, nodes: list[NodeProto], attributes: tuple[str, ...] = ()) -> FunctionProto:
    return helper.make_function("local", name, ["a"], ["b" if nodes else "a"], nodes, IMPORTS, list(attributes))


def calls(name: str, given: str, made: str) -> NodeProto:
    return helper.make_node(name, [given], [made], domain="local")


def doubled(depth: int, innermost: list[NodeProto]) -> ModelProto:
    """A function that calls one twice that calls one twice, and so on."""
    functions = [
        function(f"f{at}", [calls(f"f{at - 1}", "a", "m"), calls(f"f{at - 1}", "m", "b")] if at else innermost)
        for at in range(depth + 1)
    ]
    return model([calls(f"f{depth}", "x", "h"), helper.make_node("Relu", ["h"], ["y"])], functions)


def handed_down(depth: int) -> ModelProto:
    """A body that is handed from function to function, each of which gives it to two others."""

    def hands_on(name: str, given: str, made: str) -> NodeProto:
        node = calls(name, given, made)
        node.attribute.append(AttributeProto(name="body", type=AttributeProto.GRAPH, ref_attr_name="body"))
        return node

    loop = helper.make_node("Loop", ["", "", "a"], ["b"])
    loop.attribute.append(AttributeProto(name="body", type=AttributeProto.GRAPH, ref_attr_name="body"))
    functions = [function("f0", [loop], ("body",))]
    for at in range(1, depth + 1):
        nodes = [hands_on(f"f{at - 1}", "a", "m"), hands_on(f"f{at - 1}", "m", "b")]
        functions.append(function(f"f{at}", nodes, ("body",)))
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("i", "c", "v", "c", "o")]
    chain = [helper.make_node("Relu", ["v" if not at else f"r{at - 1}"], [f"r{at}"]) for at in range(60)]
    chain.append(helper.make_node("Relu", ["r59"], ["o"]))
    first = calls(f"f{depth}", "x", "h")
    first.attribute.append(helper.make_attribute("body", helper.make_graph(chain, "b", values[:3], values[3:])))
    return model([first, helper.make_node("Relu", ["h"], ["y"])], functions)


@pytest.mark.parametrize(
    "bomb",
    [
        doubled(40, []),
        handed_down(16),
    ],
    ids=["functions without nodes", "a body that is handed down"],
)
def test_what_is_built_is_counted_while_it_is_built(bomb: ModelProto) -> None:
    assert len(bomb.SerializeToString()) < 10_000
    for work_limit in (1_000, 20_000):
        with pytest.raises(WorkLimitError, match=f"more work than the limit of {work_limit:,} steps"):
            extract(bomb, work_limit=work_limit)
        with pytest.raises(WorkLimitError):
            strip(bomb, work_limit=work_limit)


@pytest.mark.parametrize("innermost", [[], [helper.make_node("Relu", ["a"], ["b"])]], ids=["nothing", "a Relu"])
def test_calls_that_take_too_much_work_are_refused_before_the_first(
    innermost: list[NodeProto], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a call is built")

    monkeypatch.setattr(import_module("younger_hf.extract.flatten")._Flattener, "_call", never)
    with pytest.raises(WorkLimitError, match="more work than the limit"):
        extract(doubled(22, innermost))


def test_the_nodes_of_bodies_count_towards_the_most_that_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    few = handed_down(3)
    assert extract(few).num_nodes == 8 * 62 + 1
    # The package has the function under the name of the module.
    monkeypatch.setattr(import_module("younger_hf.extract.flatten"), "MAX_NODES", 400)
    with pytest.raises(InvalidModelError, match="more than 400 nodes"):
        extract(few)


def test_a_function_that_calls_itself_is_refused() -> None:
    circle = [function("f", [calls("g", "a", "b")]), function("g", [calls("f", "a", "b")])]
    with pytest.raises(InvalidModelError, match="calls itself"):
        extract(model([calls("f", "x", "y")], circle))


def test_the_limit_is_raised_by_who_wants_to(tmp_path: Path) -> None:
    onnx.save(doubled(6, [helper.make_node("Relu", ["a"], ["b"])]), tmp_path / "m.onnx")
    with pytest.raises(WorkLimitError, match=r"m\.onnx"):
        extract(tmp_path / "m.onnx", work_limit=300)
    assert extract(tmp_path / "m.onnx", work_limit=3_000).num_nodes == 65
    refused = CliRunner().invoke(app, ["inspect", str(tmp_path / "m.onnx"), "--work-limit", "300"])
    assert isinstance(refused.exception, YoungerError) or refused.exit_code == 1
    done = CliRunner().invoke(app, ["inspect", str(tmp_path / "m.onnx"), "--work-limit", "3000"])
    assert done.exit_code == 0, done.output


def test_attributes_without_end_are_work_as_well(tmp_path: Path) -> None:
    m = model([helper.make_node("Relu", ["x"], ["y"])])
    m.graph.node[0].attribute.extend([AttributeProto()] * 300_000)
    (tmp_path / "m.onnx").write_bytes(m.SerializeToString())
    with pytest.raises(WorkLimitError):
        extract(tmp_path / "m.onnx", work_limit=50_000)


def test_work_is_spent_once() -> None:
    work = Work(10)
    work.spend(4)
    assert (work.left, work.spent) == (6, 4)
    with pytest.raises(WorkLimitError, match="that takes more work than the limit of 10 steps"):
        work.spend(7, "that")
    assert work.left == 0


def chain(length: int) -> ModelProto:
    names = ["x", *(f"v{at}" for at in range(1, length)), "y"]
    return model([helper.make_node("Relu", [names[at]], [names[at + 1]]) for at in range(length)])


def reversed_chain(length: int) -> ModelProto:
    m = chain(length)
    nodes = list(m.graph.node)[::-1]
    del m.graph.node[:]
    m.graph.node.extend(nodes)
    return m


def shape_chain(length: int) -> ModelProto:
    """Convolutions that all have their kernel from a weight behind a long chain."""
    nodes = [helper.make_node("Identity", [f"w{at - 1}" if at else "w"], [f"w{at}"]) for at in range(length)]
    nodes += [helper.make_node("Conv", ["x", f"w{length - 1}"], [f"c{at}" if at else "y"]) for at in range(length)]
    return model(nodes, weight=True)


def alias_chain(length: int) -> ModelProto:
    names = ["x", *(f"v{at}" for at in range(1, length)), "h"]
    nodes = [calls("same", names[at], names[at + 1]) for at in range(length)]
    nodes += [helper.make_node("Add", [name, name], [f"s{name}"]) for name in names]
    return model([*nodes, helper.make_node("Relu", ["h"], ["y"])], [function("same", [])])


def body(name: str) -> onnx.GraphProto:
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1])
    out = helper.make_tensor_value_info(name, TensorProto.FLOAT, [1])
    return helper.make_graph([helper.make_node("Add", ["x", "w"], [name])], "b", [], [out], [weight])


def wide_if(length: int) -> ModelProto:
    bodies = {"bodies": [body(f"o{at}") for at in range(length)]}
    return model([helper.make_node("Choose", ["x"], ["y"], domain="local", **bodies)])


def many_ifs(length: int) -> ModelProto:
    made = [f"v{at}" if at else "y" for at in range(length)]
    return model([helper.make_node("If", ["x"], [m], then_branch=body("t"), else_branch=body("e")) for m in made])


def constants(length: int) -> ModelProto:
    nodes = [helper.make_node("Constant", [], [f"c{at}"], value_float=float(at)) for at in range(length)]
    return model(
        [*nodes, *(helper.make_node("Add", ["x", f"c{at}"], [f"s{at}" if at else "y"]) for at in range(length))]
    )


def variants(length: int) -> ModelProto:
    return model([helper.make_node("Elu", ["x"], [f"v{at}" if at else "y"], alpha=float(at)) for at in range(length)])


def operators(length: int) -> ModelProto:
    nodes = [helper.make_node(f"Magic{at}", ["x"], [f"v{at}" if at else "y"], domain="local") for at in range(length)]
    return model(nodes)


def dense_concat(length: int) -> ModelProto:
    return model([helper.make_node("Concat", ["x"] * length, ["y"], axis=0)])


def lines_run(do: Callable[[], object]) -> int:
    """How many lines of the package run."""
    lines = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal lines
        if "younger_hf" not in frame.f_code.co_filename:
            return None
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        do()
    finally:
        sys.settrace(before)
    return lines


@pytest.mark.parametrize(
    "make",
    [
        *(chain, reversed_chain, shape_chain, alias_chain, wide_if, many_ifs, constants, variants, operators),
        dense_concat,
    ],
)
def test_reading_and_stripping_take_work_in_proportion_to_the_file(make: Callable[[int], ModelProto]) -> None:
    small, large = make(100), make(400)
    for read in (extract, strip):
        read(large)  # so that tables of operators are there
        few, many = (lines_run(lambda m=m, read=read: read(m)) for m in (small, large))
        assert many < 5 * few

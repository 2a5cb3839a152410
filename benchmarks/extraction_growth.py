"""Does reading take time in proportion to the file, whatever the file is made to be?

    python benchmarks/extraction_growth.py [SIZE]

For each kind of crafted file, the CPU time that `extract` takes of one of SIZE units (100,000 if left out) over that of
one of a tenth: 10 is in proportion, 100 is quadratic. The peer is `onnx.load`, which does nothing but parse: its growth
and the ratio at full size stand beside. A unit is a node and what feeds it, a body, or an attribute.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper

from younger_hf.extract import extract

IMPORTS = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
NO_LIMIT = 1 << 40


def model(nodes: list[NodeProto], *, same: bool = False) -> ModelProto:
    """A model of nodes, with a weight `w`; if wanted, with the function `same`, which gives what it is given."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy")
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1, 1, 1, 1])
    functions = [helper.make_function("local", "same", ["a"], ["a"], [], IMPORTS)] if same else []
    return helper.make_model(
        helper.make_graph(nodes, "g", [x], [y], [weight]), opset_imports=IMPORTS, functions=functions
    )


def row(size: int, op_type: str, first: str, last: str, **given: object) -> list[NodeProto]:
    """A chain of nodes of one type, from the value `first` to the value `last`."""
    names = [first, *(f"{op_type}{at}" for at in range(1, size)), last]
    return [helper.make_node(op_type, [names[at]], [names[at + 1]], **given) for at in range(size)]


def made(size: int) -> list[str]:
    return [f"v{at}" if at else "y" for at in range(size)]


def body(name: str) -> GraphProto:
    out = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
    return helper.make_graph([helper.make_node("Add", ["x", "w"], [name])], "b", [], [out])


def shapes(size: int) -> ModelProto:
    convolutions = [helper.make_node("Conv", ["x", "last"], [name]) for name in made(size)]
    return model(row(size, "Identity", "w", "last") + convolutions)


def attributes(size: int) -> ModelProto:
    node = helper.make_node("Relu", ["x"], ["y"])
    node.attribute.extend([AttributeProto()] * size)
    return model([node])


def constants(size: int) -> ModelProto:
    nodes = [helper.make_node("Constant", [], [f"c{at}"], value_float=float(at)) for at in range(size)]
    return model(nodes + [helper.make_node("Add", ["x", f"c{at}"], [name]) for at, name in enumerate(made(size))])


def ifs(size: int) -> ModelProto:
    branches = {"then_branch": body("t"), "else_branch": body("e")}
    return model([helper.make_node("If", ["x"], [name], **branches) for name in made(size // 4)])


KINDS: dict[str, Callable[[int], ModelProto]] = {
    "chain": lambda size: model(row(size, "Relu", "x", "y")),
    "chain in reverse": lambda size: model(row(size, "Relu", "x", "y")[::-1]),
    "kernels behind a chain": shapes,
    "chain of calls": lambda size: model(
        row(size, "same", "x", "h", domain="local") + row(1, "Relu", "h", "y"), same=True
    ),
    "attributes without a name": attributes,
    "dense Concats": lambda size: model(
        [helper.make_node("Concat", ["x"] * 1000, [name], axis=0) for name in made(max(size // 1000, 1))]
    ),
    "distinct operators": lambda size: model(
        [helper.make_node(f"Op{at}", ["x"], [name], domain="local") for at, name in enumerate(made(size))]
    ),
    "distinct variants": lambda size: model(
        [helper.make_node("Elu", ["x"], [name], alpha=float(at)) for at, name in enumerate(made(size))]
    ),
    "an operator of many bodies": lambda size: model(
        [
            helper.make_node(
                "Choose", ["x"], ["y"], domain="local", bodies=[body(f"o{at}") for at in range(min(size // 4, 32_000))]
            )
        ]
    ),
    "many Ifs": ifs,
    "Constants": constants,
}


def seconds(read: Callable[[], object]) -> float:
    start = time.process_time()
    read()
    return time.process_time() - start


def main(size: int) -> None:
    extract(model(row(10, "Relu", "x", "y")))
    with tempfile.TemporaryDirectory() as directory:
        for name, make in KINDS.items():
            files = []
            for units in (size // 10, size):
                files.append(Path(directory) / f"{units}.onnx")
                files[-1].write_bytes(make(units).SerializeToString())
            ours = [seconds(lambda file=file: extract(file, work_limit=NO_LIMIT)) for file in files]
            theirs = [seconds(lambda file=file: onnx.load(file)) for file in files]
            growth, peer = (many / max(few, 1e-6) for few, many in (ours, theirs))
            print(
                f"{name}, {files[1].stat().st_size / 1e6:.1f} MB: {growth:.1f} times the time for 10 times the units "
                f"(onnx.load {peer:.1f}); {ours[1] / max(theirs[1], 1e-6):.0f} times as long as onnx.load"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)

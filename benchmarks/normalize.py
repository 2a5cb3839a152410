"""How fast is the normal form against onnxscript's optimizer, which folds constants and removes what does nothing?

    python benchmarks/normalize.py

Both are given the same models of some hundred nodes with their weights, in one process and in turn; the least CPU time
of three passes counts. Then chains of operators, of 10,000 and of 40,000 nodes: four times the nodes should take about
four times as long, whatever the rules find to do in them.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from time import process_time

import onnx
import onnxscript.optimizer
from onnx import ModelProto, helper
from real_models import onnx_file

from younger_hf import normalize

NAMES = ("resnet50", "densenet121", "mobilenet_v3_large")
CHAINS = {
    "nothing to do": ("Relu",),
    "operators that do nothing": ("Identity",),
    "operators that undo each other": ("Transpose", "Relu"),
}


def chain(operators: tuple[str, ...], length: int) -> ModelProto:
    """Operators one after the other, by turns."""
    names = ["x", *(f"v{at}" for at in range(1, length + 1))]
    nodes = [helper.make_node(operators[at % len(operators)], [names[at]], [names[at + 1]]) for at in range(length)]
    ends = [helper.make_tensor_value_info(name, 1, [2, 3, 4]) for name in (names[0], names[-1])]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def seconds(function: Callable[[ModelProto], object], models: list[ModelProto]) -> float:
    """CPU seconds for a copy of each model."""
    copies = []
    for model in models:
        copies.append(ModelProto())
        copies[-1].CopyFrom(model)
    start = process_time()
    for copy in copies:
        function(copy)
    return process_time() - start


def main() -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    models = [onnx.load(onnx_file(name)) for name in NAMES]
    normalize(models[0])
    times = [(seconds(normalize, models), seconds(onnxscript.optimizer.optimize, models)) for _ in range(3)]
    ours, theirs = (min(each) for each in zip(*times, strict=True))
    nodes = sum(len(model.graph.node) for model in models)
    print(
        f"normalize, {len(models)} models: {theirs / ours:.1f} times as fast as onnxscript.optimizer "
        f"({nodes / ours:,.0f} operators a second against {nodes / theirs:,.0f})"
    )
    for name, operators in CHAINS.items():
        small, large = (seconds(normalize, [chain(operators, length)]) for length in (10_000, 40_000))
        print(f"normalize, {name}: four times the nodes take {large / small:.1f} times as long")


if __name__ == "__main__":
    main()

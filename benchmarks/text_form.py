"""How fast is an architecture written as text and read back, beside ONNX's own text form?

    python benchmarks/text_form.py [RELEASE]

All skeletons of a release: `to_text` and `from_text` of their graphs, against onnx.printer and onnx.parser on the
skeletons themselves. CPU time, the least of three passes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import onnx
import onnx.parser
import onnx.printer

from younger_hf import extract, from_text, to_text
from younger_hf.release import open_release


def least(run: Callable[[], object], passes: int = 3) -> float:
    """CPU seconds of the fastest pass."""
    taken = []
    for _ in range(passes):
        start = time.process_time()
        run()
        taken.append(time.process_time() - start)
    return min(taken)


def main() -> None:
    release = open_release(sys.argv[1] if len(sys.argv) > 1 else "younger")
    rows = [row for _, table in release.row_groups("skeletons", ["onnx"]) for row in table.to_pylist()]
    models = [onnx.load_model_from_string(row["onnx"]) for row in rows]
    graphs = [extract(model) for model in models]
    nodes = sum(graph.num_nodes for graph in graphs)
    texts = [to_text(graph) for graph in graphs]
    printed = [onnx.printer.to_text(model) for model in models]
    for what, ours, theirs in (
        ("write", lambda: [*map(to_text, graphs)], lambda: [*map(onnx.printer.to_text, models)]),
        ("read", lambda: [*map(from_text, texts)], lambda: [*map(onnx.parser.parse_model, printed)]),
    ):
        mine, other = least(ours), least(theirs)
        print(f"{what:6}{nodes / mine:12,.0f} operators/s{nodes / other:12,.0f} by onnx{other / mine:8.2f} times")
    print(f"{sum(map(len, texts)) / nodes:.1f} characters an operator, {sum(map(len, printed)) / nodes:.1f} by onnx")


if __name__ == "__main__":
    main()

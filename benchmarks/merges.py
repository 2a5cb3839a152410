"""Does the normal form join what is not the same, or leave apart what is?

    python benchmarks/merges.py [RELEASE] [--pairs N] [--most-parameters N]

Rows of one normal form have one graph of operators and data flows there. What is left to show is that each of them is
its normal form: it is run in ONNX Runtime with random parameters, before and after, those that rules fold folded by the
formulas that the rules give. Too large ones are passed over, and counted. Some rules suppose scalars or positions that
a skeleton does not keep, and that random ones are not: rows that they apply to are run without, and counted apart.

The N closest pairs of other rows, by the cosine of their sketches, are told apart by `diff_models`. Where operators
that compute are added, removed or replaced, or their attributes differ, the pair are two architectures. Where all that
differs is layout (Reshape, Transpose, Slice …) or wiring they may be one that rules do not see: these are named.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from execution import run, run_network

from younger_hf import to_onnx
from younger_hf.graph import Operator, OperatorGraph
from younger_hf.interop.onnx import example_inputs
from younger_hf.recognise import normal_graph
from younger_hf.recognise.difference import ModelDifference, diff_graphs
from younger_hf.recognise.fixpoint import rewrite
from younger_hf.recognise.nearest import SketchIndex
from younger_hf.recognise.network import Array
from younger_hf.recognise.normal import normal_network, raised_network
from younger_hf.recognise.rules.table import RULES
from younger_hf.release import Release, open_release

LAYOUT = frozenset(
    "Reshape Transpose Slice Gather Concat Split Squeeze Unsqueeze Flatten Expand Tile Cast Identity Shape Size "
    "Constant ConstantOfShape Range Where Equal ScatterND GatherND Pad".split()
)
TOLERANCE = 2e-3
NAMES = ("gather-all", "gelu", "rotary-embedding", "hard-swish", "hard-sigmoid", "hard-sigmoid-clipped-last")
SUPPOSING = [rule for rule in RULES if rule.name in NAMES]
OTHERS = [rule for rule in RULES if rule not in SUPPOSING]


def run_before_and_after(row: Mapping[str, Any]) -> str:
    """Whether a row and its normal form give the same outputs: `same`, `other`, or why that is not known."""
    try:
        model = to_onnx(row, "random", seed=0)
        feeds = [*example_inputs(row, seed=0).values()]
        before = run(model, feeds)
        network = raised_network(model)
        rewrite(network, OTHERS)
        outcome = _compared(before, run_network(network, feeds))
        if rewrite(network, SUPPOSING):
            return f"{outcome}, without some rules"
        return _compared(before, run_network(normal_network(model), feeds))
    except Exception as error:  # whatever ONNX Runtime does not run
        return f"not run: {type(error).__name__}"


def _compared(before: list[Array], after: list[Array]) -> str:
    for one, other in zip(before, after, strict=True):
        if one.dtype.kind != "f":
            continue
        scale = max(1.0, float(np.abs(one).max(initial=0)))
        if one.shape != other.shape or not np.allclose(one / scale, other / scale, atol=TOLERANCE):
            return "other"
    return "same"


def kind_of(difference: ModelDifference) -> str:
    """What tells two rows apart: operators that compute, their attributes, layout, or wiring alone."""
    labels = [
        label
        for change in (*difference.replaced, *difference.removed, *difference.added)
        for label in (change.operator, change.by)
        if label is not None
    ]
    types = {Operator.from_label(label).type_label for label in labels}
    if not types:
        return "wiring"
    computing = types - LAYOUT
    if not computing:
        return "layout"
    moved = [*difference.removed, *difference.added]
    if any(Operator.from_label(change.operator or change.by or "").type_label in computing for change in moved):
        return "operators"
    other_types = any(
        Operator.from_label(change.operator or "").type_label != Operator.from_label(change.by or "").type_label
        for change in difference.replaced
    )
    return "operators" if other_types else "attributes"


def skeletons(release: Release, wanted: set[str]) -> dict[str, Mapping[str, Any]]:
    """A row of config `skeletons` for each of some rows of `graphs`."""
    found: dict[str, Mapping[str, Any]] = {}
    for _, table in release.row_groups("skeletons", ["fingerprint", "num_parameters", "onnx"]):
        for row in table.to_pylist():
            if row["fingerprint"] in wanted:
                found.setdefault(row["fingerprint"], row)
    return found


def closest(index: SketchIndex, number: int) -> list[tuple[int, int]]:
    """The closest pairs of rows of different normal forms."""
    similarity = np.triu(index.directions @ index.directions.T, 1)
    normal = np.array([row[1] for row in index.rows])
    similarity[normal[:, None] == normal[None]] = 0
    order = np.argsort(-similarity, axis=None, kind="stable")[:number]
    return [(int(at // len(normal)), int(at % len(normal))) for at in order]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("release", nargs="?", default="younger")
    parser.add_argument("--pairs", type=int, default=1_000)
    parser.add_argument("--most-parameters", type=int, default=100_000_000)
    arguments = parser.parse_args()
    release = open_release(arguments.release)
    index = SketchIndex.of(release)
    name = {row[0]: row[2] for row in index.rows}
    times = Counter(row[1] for row in index.rows)
    joined = [row[0] for row in index.rows if times[row[1]] > 1]
    pairs = sum(count * (count - 1) // 2 for count in times.values())
    near = closest(index, arguments.pairs)
    print(f"{len(index.rows):,} rows; {len(joined):,} share a normal form with another, in {pairs:,} pairs")
    found = skeletons(release, {*joined, *(index.rows[at][0] for pair in near for at in pair)})
    outcomes: Counter[str] = Counter()
    for row in tqdm(joined, "run", disable=None):
        small = found[row]["num_parameters"] <= arguments.most_parameters
        outcome = run_before_and_after(found[row]) if small else "too large"
        outcomes[outcome] += 1
        if outcome.startswith("other"):
            print(f"  {name[row]} ({row}) and its normal form give other outputs")
    print("joined rows, run before and after:", dict(outcomes.most_common()))
    graphs: dict[str, OperatorGraph] = {}
    kinds: Counter[str] = Counter()
    for pair in tqdm(near, "compare", disable=None):
        one, other = (index.rows[at][0] for at in pair)
        for row in (one, other):
            if row not in graphs:
                graphs[row] = normal_graph(found[row])
        difference = diff_graphs(graphs[one], graphs[other])
        kind = kind_of(difference)
        kinds[kind] += 1
        if kind in ("layout", "wiring"):
            print(f"  {kind}: {name[one]} ({one}), {name[other]} ({other})")
    print(f"the {len(near):,} closest pairs that are not joined differ in:", dict(kinds.most_common()))


if __name__ == "__main__":
    main()

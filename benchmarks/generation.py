"""What are generators worth? The table of docs/generation.md, each figure beside its ceiling and the baselines.

    python benchmarks/generation.py RELEASE RUN [RUN ...] [--samples 200] [--write]

Each run is one of `younger-hf train generation` on the release, all of parts of networks or all of whole ones, which
have a table of their own; `--model counts` and `--model bigrams` are baselines.
The peers of every ratio are the training graphs: a discrepancy is divided by that between train and test. Where a run
is autoregressive, how long 100 samples of 40 nodes take is printed, in processor time. With --write the tables and the
picture go into README.md and docs/.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch
from baselines import place

from younger_hf import Evaluator
from younger_hf.recipes.generate import Request, generate
from younger_hf.recipes.generated_files import picture_sheet
from younger_hf.recipes.run import Run
from younger_hf.recipes.scoring import predict_split
from younger_hf.recipes.splits import load_splits
from younger_hf.release import open_named
from younger_hf.tasks.generation.operator_rules import operator_of
from younger_hf.tasks.generation.slotted import SlottedGraph, rows_of, slotted_graphs
from younger_hf.tasks.generation.statistics import log_orders
from younger_hf.tasks.generation.task import evaluation_graphs

SHARES = ("v1", "v2", "v3", "unique", "novel", "novel_types", "useful")
PICTURED = 12
ROOT, MARK = Path(__file__).parents[1], "generation"
IN_README = {
    "samples": "model",
    "nats_per_node": "nats a node",
    "v1": "sound",
    "v2": "types fit",
    "useful": "new and fit",
    "mmd_operators": "distance in operators",
}
TIMED, NODES = 100, 40
TEMPERATURE = 1.1  # of operators, with which the decoder of parts of networks is likeliest in validation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release")
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    runs = [Run.open(directory) for directory in given.runs]
    release = open_named(given.release)
    config = replace(runs[0].config, release=given.release, limit=None)
    splits = load_splits(config, "train", "validation", "test")
    train, validation, test = (
        list(slotted_graphs(split, rows_of(split, config.max_nodes).tolist())) for split in splits
    )
    rows: list[dict[str, str]] = []
    evaluator = Evaluator("generation")
    whole = config.level == "graph" and config.attributes

    def add(name: str, samples: list[SlottedGraph], nll: dict[str, float]) -> None:
        found = evaluator.evaluate(
            {"samples": samples, "train": train, "test": test, "labels": runs[0].labels, "whole": whole}
        )
        texts = {key: f"{value:.0%}" if key in SHARES else f"{value:.2f}" for key, value in found.items()}
        likelihood = {key: f"{value:.2f}" for key, value in nll.items()} or {"nll": "", "nats_per_node": ""}
        rows.append({"samples": name, **likelihood, **texts})
        print(f"{name}: {rows[-1]}", flush=True)

    generator = np.random.default_rng(0)
    add("real: validation", validation, {})
    add("train, resampled", [train[row] for row in generator.permutation(len(train))[: given.samples]], {})
    pictured = [test[row] for row in generator.permutation(len(test))[:PICTURED]]
    for run in runs:
        predictions = predict_split(run, release, "test", "cpu")
        nll = evaluator.evaluate(predictions.arrays())
        for way, asked in ways(run.config.model, whole):
            samples = generate(run, Request(given.samples, **asked), "cpu")
            add(f"{run.config.model}{way}", samples, nll)
            if way == ", masked":
                pictured += samples[:PICTURED]
        if run.config.model == "autoregressive" and run.config.max_nodes >= NODES:
            started = process_time()
            generate(run, Request(TIMED, NODES), "cpu")
            print(f"{TIMED} samples of {NODES} nodes: {process_time() - started:.1f} s of processor time")
        if run.config.model == "digress":
            print_bounds(run, [graph for _, graph in evaluation_graphs(splits[2], config.max_nodes)])
    orders = np.mean([log_orders(graph) for graph in test])
    print(f"orders: log(n! / |Aut|) is {orders:.1f} nats a graph in test, at most what order adds to a likelihood")
    print("\n" + markdown(rows, {name: name for name in rows[0]}))
    if given.write:
        table = markdown(rows, {name: name for name in rows[0]})
        place(ROOT / "docs" / "generation.md", table, f"{MARK} of whole networks" if whole else MARK, MARK)
    if given.write and not whole:
        drawn = [row for row in rows if row["nats_per_node"] and row["samples"] != "bigrams"]
        place(ROOT / "README.md", markdown(drawn, IN_README), MARK, MARK)
        operators = [operator_of(label) for label in runs[0].labels]
        picture = picture_sheet([graph.to_graph(operators) for graph in pictured])
        (ROOT / "docs" / "images" / "generated.png").write_bytes(picture)


def ways(model: str, whole: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """How samples of a model are drawn: what is said behind its name, and what is asked of it."""
    if model == "autoregressive":
        yield ", masked", {}
        if not whole:
            yield f", masked, temperature {TEMPERATURE}", {"temperature": TEMPERATURE}
    yield "", {"masked": False}


def markdown(rows: list[dict[str, str]], heads: dict[str, str]) -> str:
    """A table of some columns, each under its head."""
    lines = ["| " + " | ".join(heads.values()) + " |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *("| " + " | ".join(row[name] for name in heads) + " |" for row in rows)])


def print_bounds(run: Run, test: list[SlottedGraph]) -> None:
    """The variational bound in DiGress's convention, and with every edge once."""
    from younger_hf.recipes.checkpoints import load_best
    from younger_hf.recipes.generators.dense import is_exact
    from younger_hf.recipes.generators.digress import bound

    model = load_best(run)
    nodes = sum(graph.num_nodes for graph in test)
    for times in (2, 1):
        with torch.no_grad():
            found = sum(float(bound(model, test[at : at + 32], "cpu", times).sum()) for at in range(0, len(test), 32))
        print(f"bound, edges counted {times}x: {found / len(test):.2f} nats a graph, {found / nodes:.2f} a node")
    print(f"{np.mean([is_exact(graph) for graph in test]):.1%} of test has no edge that its classes cannot say")


if __name__ == "__main__":
    main()

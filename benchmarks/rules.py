"""Scoring 20,000 subgraphs by look-up, against networkx's hashes of the neighbourhoods; and the slots of a huge graph.

    python benchmarks/rules.py [RELEASE]

The subgraphs are the release's, as often as it takes. networkx's `weisfeiler_lehman_subgraph_hashes` sees no slots and
one direction; it is timed on the first 200 of them.
"""

from __future__ import annotations

import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import networkx as nx
import numpy as np

from younger_hf import Vocabulary, load
from younger_hf.recipes.recipe import config_of
from younger_hf.recipes.rules import operators
from younger_hf.recipes.run import Run
from younger_hf.tasks.graph_table import GraphTable, GraphUnion
from younger_hf.tasks.slots import hold_out_slots, ranks

NUM_SUBGRAPHS = 20_000
NUM_PEER = 200
HOPS = 4


def main(release: str = "younger") -> None:
    rows = load("subgraphs-no-attributes", "train", release)
    many = rows.select(np.arange(NUM_SUBGRAPHS) % len(rows))
    table, train = GraphTable(many), GraphTable(rows)
    with tempfile.TemporaryDirectory() as directory:
        config = config_of("operator", {"model": "ngram", "hops": HOPS, "release": release})
        run = Run.create(Path(directory, "run"), config, Vocabulary.load(release))
        counted = operators.fit(train, run)
        seconds = least(lambda: operators.predict(counted, table, run))
    first = rows.select(range(NUM_PEER))
    graphs = [to_networkx(row) for row in first]

    # What networkx says of other versions of itself.
    warnings.filterwarnings("ignore", category=UserWarning, module="networkx")

    def hashes() -> None:
        for graph in graphs:
            nx.weisfeiler_lehman_subgraph_hashes(graph, node_attr="label", iterations=HOPS)

    peer = least(hashes) / NUM_PEER * NUM_SUBGRAPHS
    print(f"{NUM_SUBGRAPHS:,} subgraphs, {table.num_nodes.sum():,} operators, {HOPS} hops: {seconds:.1f} s of CPU time")
    print(f"networkx, hashes alone: {peer:.1f} s, {peer / seconds:.1f} times as much")
    graph = chain(20_000)
    seconds = least(lambda: fill(graph))
    print(f"slots of a graph of 20,000 operators: held out and ranked in {seconds:.2f} s of CPU time")


def least(work: Callable[[], object], passes: int = 2) -> float:
    """The least CPU time of several passes, in seconds."""
    found = []
    for _ in range(passes):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return min(found)


def to_networkx(row: dict[str, list[list[int]]]) -> nx.DiGraph:
    graph = nx.DiGraph()
    boundary = set(row["boundary"])
    for node, operator in enumerate(row["node_operator"]):
        graph.add_node(node, label="mask" if node in boundary else str(operator))
    graph.add_edges_from(zip(*row["edge_index"], strict=True))
    return graph


def chain(num_nodes: int) -> GraphUnion:
    producer = np.arange(num_nodes - 1)
    edges, slots = np.stack((producer, producer + 1)), np.zeros((2, num_nodes - 1), np.int64)
    return GraphUnion(np.full(num_nodes, 2), edges, slots, np.array([0, num_nodes]), np.array([], np.int64))


def fill(graph: GraphUnion) -> None:
    slots = hold_out_slots(graph, 0.2, np.random.default_rng(0))
    ends = np.concatenate(([0], np.cumsum(slots.num_candidates)))
    ranks(np.random.default_rng(0).random(ends[-1]), ends, slots.answer, slots.other, slots.other_ends)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""How fast is the exact fingerprint against networkx's Weisfeiler-Lehman hash, which is not exact?

    python benchmarks/fingerprint.py

Real graphs of 800 to 3,600 nodes; one of 100,000 nodes, made by stacking swin_t; and a batch of 1,000 connected
subgraphs of 50 nodes. Medians in one process, both sides on the same graphs in turn. The networkx side is given its
DiGraphs ready-made, so that only hashing is timed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from statistics import median
from time import process_time

import networkx as nx
import numpy as np
from real_models import onnx_file

from younger_hf.extract import extract
from younger_hf.graph import OperatorGraph
from younger_hf.identity import fingerprint, fingerprints


def digraph(graph: OperatorGraph) -> nx.DiGraph:
    result = nx.DiGraph()
    result.add_nodes_from((node, {"label": operator.label}) for node, operator in enumerate(graph.operator))
    result.add_edges_from(graph.edge_index.T.tolist())
    return result


def stacked(graph: OperatorGraph, num_nodes: int) -> OperatorGraph:
    """Copies of a graph one after the other, the last node of each feeding the first of the next."""
    n = graph.num_nodes
    copies = -(-num_nodes // n)
    index = np.concatenate([graph.edge_index + i * n for i in range(copies)], axis=1)
    links = np.array([[i * n - 1, i * n] for i in range(1, copies)]).T
    slots = np.concatenate([np.tile(graph.edge_slot, copies), np.array([[0], [9]]).repeat(copies - 1, axis=1)], axis=1)
    return OperatorGraph(
        graph.operator * copies, np.concatenate([index, links], axis=1), slots, np.full(n * copies, -1)
    )


def neighbourhoods(graph: OperatorGraph, size: int, count: int, seed: int = 0) -> list[OperatorGraph]:
    """Induced subgraphs of `size` nodes, grown breadth-first from random nodes."""
    generator = np.random.default_rng(seed)
    neighbours: list[list[int]] = [[] for _ in graph.operator]
    for a, b in graph.edge_index.T.tolist():
        neighbours[a].append(b)
        neighbours[b].append(a)
    result = []
    while len(result) < count:
        chosen = [int(generator.integers(graph.num_nodes))]
        for node in chosen:
            chosen += [other for other in dict.fromkeys(neighbours[node]) if other not in chosen]
            if len(chosen) >= size:
                break
        if len(chosen) < size:
            continue
        nodes = np.sort(np.array(chosen[:size]))
        inside = np.isin(graph.edge_index, nodes).all(axis=0)
        operators = tuple(graph.operator[node] for node in nodes)
        edges = np.searchsorted(nodes, graph.edge_index[:, inside])
        result.append(OperatorGraph(operators, edges, graph.edge_slot[:, inside], np.full(size, -1)))
    return result


def compare(ours: Callable[[], object], theirs: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median CPU seconds of each, run in turn: what else the machine does hardly counts."""
    ours()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for side, run in zip(times, (ours, theirs), strict=True):
            start = process_time()
            run()
            side.append(process_time() - start)
    return median(times[0]), median(times[1])


def main() -> None:
    warnings.simplefilter("ignore", UserWarning)
    real = [extract(onnx_file(name)) for name in ("vit_b_16", "swin_t")]
    cases = {
        "real graphs of 800 to 3,600 nodes": (real, 15),
        "a graph of 100,000 nodes": ([stacked(real[1], 100_000)], 3),
        "1,000 subgraphs of 50 nodes": (neighbourhoods(real[1], 50, 500) + neighbourhoods(real[0], 50, 500), 5),
    }
    for name, (graphs, repeats) in cases.items():
        others = [digraph(graph) for graph in graphs]
        ours, theirs = compare(
            lambda graphs=graphs: fingerprints(graphs) if len(graphs) > 2 else [fingerprint(g) for g in graphs],
            lambda others=others: [nx.weisfeiler_lehman_graph_hash(g, node_attr="label") for g in others],
            repeats,
        )
        print(
            f"fingerprint, {name}: {theirs / ours:.1f} times as fast as networkx "
            f"({ours * 1e3:.2f} ms against {theirs * 1e3:.2f} ms)"
        )


if __name__ == "__main__":
    main()

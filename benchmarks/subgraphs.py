"""How fast are subgraphs cut and identified, against the same stage written with networkx?

    python benchmarks/subgraphs.py

The stage: communities by greedy modularity, the boundary of each in both directions, the subgraph induced on both, and
what tells subgraphs apart: here the exact canonical form, there networkx's Weisfeiler-Lehman hash, which is not exact.
Both sides are given their graphs ready-made and take them in turn, in one process; the peer's graphs are directed and
without parallel edges. Then the communities alone of a graph of 20,000 nodes.
"""

from __future__ import annotations

import warnings
from statistics import median
from time import perf_counter

import networkx as nx
from fingerprint import compare, digraph, stacked
from real_models import onnx_file

from builders.measure.cut import find_subgraphs
from younger_hf.communities import find_communities
from younger_hf.extract import extract
from younger_hf.identity import canonicalize


def with_networkx(graph: nx.DiGraph) -> set[str]:
    """The hashes of the subgraphs of a graph."""
    undirected = graph.to_undirected()
    hashes = set()
    for community in nx.community.greedy_modularity_communities(undirected):
        boundary = nx.node_boundary(undirected, community)
        if boundary:
            cut = graph.subgraph([*community, *boundary]).copy()
            for node in boundary:
                cut.nodes[node]["label"] += " boundary"
            hashes.add(nx.weisfeiler_lehman_graph_hash(cut, node_attr="label"))
    return hashes


def main() -> None:
    warnings.simplefilter("ignore", UserWarning)
    graphs = {name: canonicalize(extract(onnx_file(name))).graph for name in ("vit_b_16", "swin_t")}
    for name, graph in graphs.items():
        peer = digraph(graph)
        ours, theirs = compare(lambda graph=graph: find_subgraphs(graph), lambda peer=peer: with_networkx(peer), 5)
        print(
            f"subgraphs, {name}, {graph.num_nodes:,} nodes: {theirs / ours:.0f} times as fast as networkx "
            f"({ours * 1e3:.1f} ms against {theirs * 1e3:.0f} ms; "
            f"{len(set(find_subgraphs(graph).keys))} subgraphs that differ, {len(with_networkx(peer))} there)"
        )
    large = stacked(graphs["swin_t"], 20_000)
    times = []
    for _ in range(5):
        start = perf_counter()
        communities = find_communities(large)
        times.append(perf_counter() - start)
    print(
        f"communities of a graph of {large.num_nodes:,} nodes: {communities.max() + 1} in {median(times) * 1e3:.0f} ms"
    )


if __name__ == "__main__":
    main()

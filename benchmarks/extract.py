"""How fast are extraction and fingerprint, warm, on a parsed model of many nodes?

    python benchmarks/extract.py

The peer is the plainest way to the same end that the field has: a walk over the nodes into a networkx DiGraph
labelled by operator type, and networkx's Weisfeiler-Lehman hash of it; no attributes, no slots, no bodies. Medians in
one process, on swin_t as the TorchScript exporter writes it.
"""

from __future__ import annotations

import warnings

import networkx as nx
from fingerprint import compare
from onnx import ModelProto
from real_models import onnx_file

from younger_hf.extract import extract, read_structure
from younger_hf.identity import fingerprint


def plain(model: ModelProto) -> str:
    graph = nx.DiGraph()
    maker: dict[str, int] = {}
    for position, node in enumerate(model.graph.node):
        graph.add_node(position, label=node.op_type)
        graph.add_edges_from((maker[name], position) for name in node.input if name in maker)
        maker.update(dict.fromkeys(node.output, position))
    return str(nx.weisfeiler_lehman_graph_hash(graph, node_attr="label"))


def main() -> None:
    warnings.simplefilter("ignore", UserWarning)
    model = read_structure(onnx_file("swin_t"))
    nodes = extract(model).num_nodes
    ours, theirs = compare(lambda: fingerprint(extract(model)), lambda: plain(model), 15)
    print(
        f"extract + fingerprint, swin_t: {theirs / ours:.1f} times as fast as a plain walk with networkx's WL hash "
        f"({nodes / ours:,.0f} operator nodes a second; {ours * 1e3:.1f} ms against {theirs * 1e3:.1f} ms)"
    )


if __name__ == "__main__":
    main()

"""How fast are extraction and fingerprint, warm, on a parsed model of many nodes, and from files on?

    python benchmarks/extract.py [RELEASE]

The peer is the plainest way to the same end that the field has: a walk over the nodes into a networkx DiGraph
labelled by operator type, and networkx's Weisfeiler-Lehman hash of it; no attributes, no slots, no bodies. Medians in
one process, on swin_t as the TorchScript exporter writes it. With a release, all its skeletons are read from files,
extracted and fingerprinted; there the peer reads them with `onnx.load`, and `onnx.load` stands beside reading alone.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from pathlib import Path

import networkx as nx
import onnx
import pyarrow.parquet as pq
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


def skeletons(release: Path, directory: Path) -> list[Path]:
    """The skeletons of a release, each as a file."""
    files = []
    for part in sorted((release / "skeletons").glob("*.parquet")):
        for content in pq.read_table(part, columns=["onnx"]).column("onnx").to_pylist():
            files.append(directory / f"{len(files)}.onnx")
            files[-1].write_bytes(content)
    return files


def measure_release(release: Path) -> None:
    with tempfile.TemporaryDirectory() as directory:
        files = skeletons(release, Path(directory))
        nodes = sum(extract(file).num_nodes for file in files)
        ours, theirs = compare(
            lambda: [fingerprint(extract(file)) for file in files],
            lambda: [plain(onnx.load(file)) for file in files],
            9,
        )
        print(
            f"read + extract + fingerprint, {len(files)} skeletons with {nodes:,} nodes: {theirs / ours:.1f} times as "
            f"fast as onnx.load, a plain walk and networkx's WL hash ({nodes / ours:,.0f} operator nodes a second; "
            f"{ours * 1e3:.0f} ms against {theirs * 1e3:.0f} ms; to reach: 60,000)"
        )
        ours, theirs = compare(
            lambda: [read_structure(file) for file in files], lambda: [onnx.load(file) for file in files], 9
        )
        print(
            f"read_structure, the same: {theirs / ours:.2f} times as fast as onnx.load "
            f"({ours * 1e3:.0f} ms against {theirs * 1e3:.0f} ms; to reach: 1)"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("release", nargs="?", type=Path, help="a release directory")
    arguments = parser.parse_args()
    if arguments.release is not None:
        measure_release(arguments.release)
        return
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

"""Do a release's sketches find networks of the same family, and of the same task?

    python benchmarks/relatives.py [RELEASE] [--embeddings FILE ...]

Every row is a query among the others, without those of its own normal form, which are the same network. Where another
row has its family (its task), recall@k is the share of queries that have one of these among the k nearest, and mAP the
mean average precision. Beside the sketch stand the MinHash of the same neighbourhoods, made of the skeletons where the
release has none, a bag of operators, by the cosine, and graph embeddings, if files that `younger-hf embed` wrote are
named. How fast the search is, search.py tells.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from younger_hf.recognise import normal_graph
from younger_hf.recognise.nearest import SketchIndex, equal_numbers
from younger_hf.recognise.sketch import minhash
from younger_hf.release import Release, open_release

Floats = NDArray[np.float64]


def score(similarity: Floats, normal: NDArray[np.str_], labels: NDArray[np.str_]) -> str:
    """Recall@1, recall@10 and mAP of the labels, for rows whose label another network has too."""
    firsts, precisions = [], []
    for at, label in enumerate(labels):
        others = np.flatnonzero(normal != normal[at])
        relevant = labels[others] == label
        if not label or not relevant.any():
            continue
        hits = relevant[np.argsort(-similarity[at, others], kind="stable")]
        places = np.flatnonzero(hits)
        firsts.append(places[0])
        precisions.append(np.mean(np.arange(1, len(places) + 1) / (places + 1)))
    first = np.array(firsts)
    return f"{len(first):6,} queries{(first < 1).mean():8.3f}{(first < 10).mean():8.3f}{np.mean(precisions):8.3f}"


def shared(release: Release, fingerprints: list[str]) -> Floats:
    """How many numbers of their MinHashes each two rows share, [N, N]."""
    if "minhash" in release.columns("graphs"):
        hashes = SketchIndex.of(release).hashes
    else:
        found: dict[str, NDArray[np.uint8]] = {}
        for _, table in release.row_groups("skeletons", ["fingerprint", "onnx"]):
            for row in table.to_pylist():
                if row["fingerprint"] not in found:
                    found[row["fingerprint"]] = minhash(normal_graph(row))
        hashes = np.stack([found[fingerprint] for fingerprint in fingerprints], axis=1)
    assert hashes is not None
    return np.stack([equal_numbers(hashes, hashes[:, at]) for at in range(hashes.shape[1])]).astype(np.float64)


def embedded(file: str, rows: list[dict[str, Any]]) -> Floats:
    """The cosines between the embeddings of each two rows, [N, N]; a run without attributes has one for each types."""
    table = pq.read_table(file, columns=["fingerprint", "vector"]).to_pylist()
    known = {row["fingerprint"]: row["vector"] for row in table}
    key = "fingerprint" if rows[0]["fingerprint"] in known else "type_fingerprint"
    return cosines(np.array([known[row[key]] for row in rows], np.float64))


def cosines(vectors: Floats) -> Floats:
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return vectors @ vectors.T


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("release", nargs="?", default="younger")
    parser.add_argument("--embeddings", nargs="*", default=[], help="graph-embeddings.parquet of some runs")
    arguments = parser.parse_args()
    release = open_release(arguments.release)
    columns = ["fingerprint", "type_fingerprint", "normal_fingerprint", "family", "task", "node_operator"]
    rows = [row for _, table in release.row_groups("graphs", columns) for row in table.to_pylist()]
    normal = np.array([row["normal_fingerprint"] for row in rows])
    fingerprints = [row["fingerprint"] for row in rows]
    bags = np.stack([np.bincount(row["node_operator"], minlength=1_000) for row in rows]).astype(np.float64)
    ways = {
        "sketch": cosines(SketchIndex.of(release).directions.astype(np.float64)),
        "MinHash": shared(release, fingerprints),
        "bag of operators": cosines(bags),
        **{file: embedded(file, rows) for file in arguments.embeddings},
    }
    print(f"{'':34}recall@1    @10     mAP")
    for column in ("family", "task"):
        labels = np.array([row[column] or "" for row in rows])
        for way, similarity in ways.items():
            print(f"{column:8}{way:18}{score(similarity, normal, labels)}")


if __name__ == "__main__":
    main()

"""Do a release's sketches find networks of the same family, and of the same task? And how fast is the search?

    python benchmarks/relatives.py [RELEASE] [--rows N]

Every row is a query among the others, without those of its own normal form, which are the same network. Where another
row has its family (its task), recall@k is the share of queries that have one of these among the k nearest, and mAP the
mean average precision. Beside the sketch stands a bag of operators, by the cosine. The time of one search is measured
among the release's rows and among N made ones (the release's sketches over and over, each count changed a little).
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from numpy.typing import NDArray

from younger_hf.recognise.nearest import SketchIndex
from younger_hf.release import open_release

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


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("release", nargs="?", default="younger")
    parser.add_argument("--rows", type=int, default=1_000_000)
    arguments = parser.parse_args()
    release = open_release(arguments.release)
    columns = ["normal_fingerprint", "family", "task", "node_operator", "sketch"]
    rows = [row for _, table in release.row_groups("graphs", columns) for row in table.to_pylist()]
    normal = np.array([row["normal_fingerprint"] for row in rows])
    index = SketchIndex.of(release)
    bags = np.stack([np.bincount(row["node_operator"], minlength=1_000) for row in rows]).astype(np.float64)
    bags /= np.linalg.norm(bags, axis=1, keepdims=True)
    print(f"{'':34}recall@1    @10     mAP")
    for column in ("family", "task"):
        labels = np.array([row[column] or "" for row in rows])
        for way, vectors in (("sketch", index.directions.astype(np.float64)), ("bag of operators", bags)):
            print(f"{column:8}{way:18}{score(vectors @ vectors.T, normal, labels)}")
    counts = np.stack([row["sketch"] for row in rows]).astype(np.int32)
    generator = np.random.default_rng(0)
    for number in (len(rows), arguments.rows):
        drawn = counts[generator.integers(0, len(counts), number)]
        drawn += generator.integers(0, 2, drawn.shape, dtype=np.int32)
        start = time.perf_counter()
        made = SketchIndex.from_counts([("", "", "", None)] * number, drawn)
        built = time.perf_counter() - start
        taken = []
        for query in counts[:20]:
            start = time.perf_counter()
            made.nearest(query, 10)
            taken.append(time.perf_counter() - start)
        print(f"{number:10,} rows: {np.median(taken) * 1e3:8.1f} ms a search, {built:.1f} s to index")


if __name__ == "__main__":
    main()

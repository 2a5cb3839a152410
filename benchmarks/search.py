"""How long is a search among sketches and MinHashes, as `younger_hf.nearest` does it, against libraries for it?

    pip install faiss-cpu usearch hnswlib datasketch
    python benchmarks/search.py [RELEASE] [--rows N ...]

Rows are made: the release's sketches over and over, each count changed a little, and MinHashes at random. Libraries get
the sketches, as float32 up to a million rows and beyond as bytes, since float32 would take 10 GB. The least CPU time of
three searches for the ten nearest counts, on one thread; what a library takes is given as a ratio to the search among
MinHashes, above 1 where it is slower. A graph of neighbours (HNSW) is built for 10,000 rows and no more. Last, the
MinHash of a graph is made by datasketch, too.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from time import process_time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray
from real_models import onnx_file

from younger_hf.recognise import normal_graph
from younger_hf.recognise.nearest import SketchIndex, equal_numbers, largest
from younger_hf.recognise.sketch import MINHASH_LENGTH, SKETCH_LENGTH, minhash, refined_colours
from younger_hf.release import open_release

K = 10
QUERIES = 3
MADE = 250_000  # of more rows, the same are repeated
MOST_AS_FLOATS = 1_000_000
MOST_AS_GRAPH = 10_000
SCALE = 127 / 0.7  # of unit vectors of this length hardly any number is larger

Search = Callable[[NDArray[np.float32]], Any]
Rows = NDArray[np.float32] | NDArray[np.int8]


def as_bytes(vectors: NDArray[np.float32]) -> NDArray[np.int8]:
    """The vectors, each number as one of 255."""
    return np.rint(vectors * SCALE).clip(-127, 127).astype(np.int8)


def milliseconds(search: Search, queries: NDArray[np.float32]) -> float:
    taken = []
    for query in queries[:QUERIES]:
        start = process_time()
        search(query)
        taken.append(process_time() - start)
    return min(taken) * 1e3


def by_faiss(rows: Rows) -> tuple[str, Search]:
    """All rows, as floats or as bytes."""
    import faiss

    faiss.omp_set_num_threads(1)
    if rows.dtype == np.float32:
        index = faiss.IndexFlatIP(SKETCH_LENGTH)
        index.add(rows)
        return "faiss.IndexFlatIP", lambda query: index.search(query[None], K)
    signed = faiss.ScalarQuantizer.QT_8bit_direct_signed
    index = faiss.IndexScalarQuantizer(SKETCH_LENGTH, signed, faiss.METRIC_INNER_PRODUCT)
    index.is_trained = True
    for at in range(0, len(rows), MADE):
        index.add(rows[at : at + MADE].astype(np.float32))
    return "faiss.IndexScalarQuantizer", lambda query: index.search(query[None], K)


def by_usearch(rows: Rows) -> tuple[str, Search]:
    """All rows, as they are."""
    from usearch.index import MetricKind, search

    def exact(query: NDArray[np.float32]) -> object:
        asked = query if rows.dtype == np.float32 else as_bytes(query)
        return search(rows, asked[None], K, MetricKind.IP, exact=True, threads=1)

    return "usearch.search(exact=True)", exact


def by_hnswlib(rows: Rows) -> tuple[str, Search]:
    """A graph of near neighbours."""
    import hnswlib

    start = process_time()
    index = hnswlib.Index("ip", SKETCH_LENGTH)
    index.init_index(len(rows), M=16, ef_construction=200)
    index.add_items(rows, num_threads=1)
    index.set_ef(64)
    took = process_time() - start
    return f"hnswlib.Index, built in {took:.1f} s,", lambda query: index.knn_query(query, K, num_threads=1)


def compare(number: int, counts: NDArray[np.int32], generator: np.random.Generator) -> None:
    some = min(number, MADE)
    drawn = counts[generator.integers(0, len(counts), some)]
    drawn += generator.integers(0, 2, drawn.shape, dtype=np.int32)
    start = process_time()
    floats = SketchIndex.from_counts([("", "", "", None)] * some, drawn).directions
    built = (process_time() - start) * number / some
    made: Rows = floats if number <= MOST_AS_FLOATS else as_bytes(floats)
    rows = np.empty((number, SKETCH_LENGTH), made.dtype)
    for at in range(0, number, some):
        rows[at : at + some] = made[: number - at]
    hashes = generator.integers(0, 256, (MINHASH_LENGTH, number), dtype=np.uint8)
    ours = milliseconds(lambda _: largest(equal_numbers(hashes, hashes[:, 0]), K), floats)
    print(f"{number:,} rows, {hashes.nbytes / 2**20:,.0f} MiB of MinHashes: {ours:.1f} ms a search")
    if number <= MOST_AS_FLOATS:
        plain = milliseconds(lambda query: largest(rows @ query, K), floats)
        print(f"  sketches by NumPy: a search takes {plain / ours:.2f} times as long; {built:.2f} s to weigh them")
    for library in (by_faiss, by_usearch, *([by_hnswlib] if number <= MOST_AS_GRAPH else [])):
        try:
            name, search = library(rows)
        except ModuleNotFoundError as error:
            print(f"  {error.name} is not installed")
            continue
        print(f"  sketches by {name}: a search takes {milliseconds(search, floats) / ours:.2f} times as long")


def compare_with_datasketch() -> None:
    graph = normal_graph(onnx_file("densenet121"))
    start = process_time()
    for _ in range(10):
        minhash(graph)
    ours = process_time() - start
    try:
        from datasketch import MinHash
    except ModuleNotFoundError:
        print("datasketch is not installed")
        return
    start = process_time()
    for _ in range(10):
        features = np.unique(np.concatenate(refined_colours(graph, 3)))
        MinHash(MINHASH_LENGTH).update_batch([feature.tobytes() for feature in features])
    print(f"a MinHash by datasketch takes {(process_time() - start) / ours:.1f} times as long")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("release", nargs="?", default="younger")
    parser.add_argument("--rows", type=int, nargs="*", default=[10_000, 1_000_000])
    arguments = parser.parse_args()
    release = open_release(arguments.release)
    cells = [row for _, table in release.row_groups("graphs", ["sketch"]) for row in table["sketch"].to_pylist()]
    for number in arguments.rows:
        compare(number, np.array(cells, np.int32), np.random.default_rng(0))
    compare_with_datasketch()


if __name__ == "__main__":
    main()

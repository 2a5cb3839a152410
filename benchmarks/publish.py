"""How much of a release is sent again when 1 % of its rows changed, and how long until the first batch of it?

    python benchmarks/publish.py [--rows 2000]

Config `graphs` is written as a build writes it, twice: rows are real torchvision graphs, each cut at a random node and
with some operators replaced, so that no two are alike (a release of copies would flatter). The peer of publishing is to
send the file whole. What the Hub's storage (Xet) sends instead are the chunks that it does not have: both files are
cut as it documents (a rolling gear hash, 8 to 128 KiB, 64 KiB on average; the table of the hash is our own, so that
boundaries fall elsewhere, as many of them) and the bytes of new chunks counted. What cannot be shown here is what its
compression and its bookkeeping add or save: the storage is not on this machine.

Where rows are replaced, chunks cannot help: rows lie in the order of their fingerprints, so that changed ones are
spread evenly, and a chunk of a column holds some hundred rows, of which one in a hundred has changed. It is told all
the same.

The peer of loading is `pyarrow.parquet.read_table` of the same files on disk and nothing else. Loading is
`load_dataset` by the id of a repository on the loopback Hub, into an empty cache, and a PyG batch of 32.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from time import perf_counter
from typing import Any

os.environ.update(HF_HUB_DISABLE_XET="1", HF_HUB_DISABLE_PROGRESS_BARS="1", HF_HUB_DISABLE_TELEMETRY="1")
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import datasets
import numpy as np
import pyarrow.parquet as pq
import yaml
from hub.client import client
from hub.repositories import Repository
from hub.server import hub
from numpy.typing import NDArray
from to_pyg import ARCHITECTURES, export, row
from torch_geometric.loader import DataLoader

from builders.assemble.write.parquet import ROWS_PER_GROUP, write_split
from younger_hf import Vocabulary, to_pyg
from younger_hf.graph import OperatorGraph
from younger_hf.release import SCHEMA_VERSION_KEY
from younger_hf.schema import MASK, SCHEMA_VERSION, UNKNOWN, features

Row = dict[str, Any]

SMALLEST, MEAN, LARGEST = 8 << 10, 64 << 10, 128 << 10  # bytes of a chunk
CHANGED = 0.01


def chunks(content: bytes) -> Iterator[bytes]:
    """Cut where the gear hash of the last 64 bytes has 16 zeros at its top, within the limits."""
    gear = np.random.default_rng(0).integers(0, 1 << 64, 256, dtype=np.uint64)
    hashes: NDArray[np.uint64] = gear[np.frombuffer(content, np.uint8)]
    for step in (1, 2, 4, 8, 16, 32):  # the sum over 64 bytes, by doubling
        hashes[step:] += hashes[:-step] << np.uint64(step)
    cuts = np.flatnonzero(hashes < np.uint64(1 << 64 - MEAN.bit_length() + 1)) + 1
    start = 0
    while start < len(content):
        following = cuts[np.searchsorted(cuts, start + SMALLEST) :][:1]
        end = min(int(following[0]) if len(following) else len(content), start + LARGEST, len(content))
        yield content[start:end]
        start = end


def new_bytes(old: Path, new: Path) -> tuple[int, int]:
    """Bytes of the chunks of a file that another does not have, and of all."""
    known = {blake2b(chunk).digest() for chunk in chunks(old.read_bytes())}
    sizes = {blake2b(chunk).digest(): len(chunk) for chunk in chunks(new.read_bytes())}
    return sum(size for digest, size in sizes.items() if digest not in known), new.stat().st_size


def make_rows(graphs: dict[str, OperatorGraph], vocabulary: Vocabulary, count: int, seed: int) -> list[Row]:
    """Rows that are all different: a graph up to a random node, one operator in ten replaced by a neighbour's."""
    chance = np.random.default_rng(seed)
    whole = {name: row(name, graph, vocabulary) for name, graph in graphs.items()}
    made = []
    for number in range(count):
        base = whole[ARCHITECTURES[number % len(whole)]]
        nodes = int(chance.integers(20, base["num_nodes"]))
        inside = base["edge_index"][1] < nodes
        replaced = chance.random(nodes) < 0.1
        columns = {
            name: np.where(replaced, chance.permutation(base[name][:nodes]), base[name][:nodes])
            for name in ("node_operator", "node_variant")
        }
        made.append(
            {
                **base,
                **columns,
                "fingerprint": chance.bytes(16).hex(),
                "type_fingerprint": chance.bytes(16).hex(),
                "wl_hash": chance.bytes(16).hex(),
                "name": f"user-{chance.integers(1e6)}/model-{chance.integers(1e6)}",
                "num_nodes": nodes,
                "num_edges": int(inside.sum()),
                "downloads": int(chance.integers(1e5)),
                "preview": {"bytes": chance.bytes(900), "path": None},
                "node_scope": base["node_scope"][:nodes],
                "edge_index": [part[inside] for part in base["edge_index"]],
                "edge_slot": [part[inside] for part in base["edge_slot"]],
            }
        )
    return made


def in_order(rows: list[Row]) -> list[Row]:
    """As a release has them: by (size decile, fingerprint)."""
    sizes = np.quantile([one["num_nodes"] for one in rows], np.linspace(0.1, 0.9, 9))
    return sorted(rows, key=lambda one: (int(np.searchsorted(sizes, one["num_nodes"])), one["fingerprint"]))


def changes(rows: list[Row], others: list[Row]) -> dict[str, list[Row]]:
    """The ways in which 1 % of the rows change."""
    chosen = set(random.Random(1).sample(range(len(rows)), len(others)))
    start = len(rows) // 2
    return {
        "downloads of 1 % of the rows": [
            {**one, "downloads": one["downloads"] + 1} if i in chosen else one for i, one in enumerate(rows)
        ],
        "downloads of 1 %, side by side": [
            {**one, "downloads": one["downloads"] + 1} if start <= i < start + len(others) else one
            for i, one in enumerate(rows)
        ],
        "1 % more rows": in_order([*rows, *others]),
        "1 % other rows": in_order([one for i, one in enumerate(rows) if i not in chosen] + others),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2000, help="how many rows to make")
    count = parser.parse_args().rows
    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        graphs = {name: export(name, directory) for name in ARCHITECTURES}
        vocabulary = vocabulary_of(graphs)
        made = make_rows(graphs, vocabulary, count + int(CHANGED * count), 0)
        rows, others = in_order(made[:count]), made[count:]
        write = writer(directory, vocabulary)
        for rows_per_group in (100, ROWS_PER_GROUP):
            old = write("old", rows, rows_per_group)
            print(f"{count} rows in row groups of {rows_per_group}, {old.stat().st_size / 1e6:.1f} MB; sent again for")
            for change, changed in changes(rows, others).items():
                sent, whole = new_bytes(old, write("new", changed, rows_per_group))
                print(f"  {change:32} {sent / whole:6.1%} of the bytes (to reach: 20 %; whole file: 100 %)")
        measure_loading(release(directory, write("train", rows, ROWS_PER_GROUP)))


def writer(directory: Path, vocabulary: Vocabulary) -> Callable[[str, list[Row], int], Path]:
    def write(name: str, rows: list[Row], rows_per_group: int) -> Path:
        columns = features("graphs", vocabulary.operators)
        return write_split(directory / "graphs", name, rows, columns, rows_per_group=rows_per_group).paths[0]

    return write


def vocabulary_of(graphs: dict[str, OperatorGraph]) -> Vocabulary:
    operators = [operator for graph in graphs.values() for operator in graph.operator]
    types = [UNKNOWN, MASK, *sorted({operator.type_label for operator in operators})]
    variants = [UNKNOWN, MASK, *sorted({operator.label for operator in operators})]
    types_of = {operator.label: types.index(operator.type_label) for operator in operators}
    return Vocabulary(types, variants, [0, 1, *(types_of[label] for label in variants[2:])])


def release(directory: Path, file: Path) -> Path:
    """A directory with this file as split train of `graphs`, and a card."""
    home = directory / "younger"
    (home / "graphs").mkdir(parents=True)
    file.rename(home / "graphs" / file.name)
    data_files = [{"split": "train", "path": "graphs/train-*.parquet"}]
    configs = [{"config_name": "graphs", "default": True, "data_files": data_files}]
    card = yaml.safe_dump({SCHEMA_VERSION_KEY: SCHEMA_VERSION, "configs": configs})
    (home / "README.md").write_text(f"---\n{card}---\n")
    return home


def measure_loading(home: Path) -> None:
    (file,) = home.glob("graphs/*.parquet")

    def batch(streaming: bool) -> None:
        rows = datasets.load_dataset("org/younger", "graphs", split="train", streaming=streaming)
        assert next(iter(DataLoader(to_pyg(rows), batch_size=32))).num_graphs == 32

    def timed(call: Callable[[], object]) -> float:
        start = perf_counter()
        call()
        return perf_counter() - start

    ours: dict[bool, list[float]] = {False: [], True: []}
    peer: list[float] = []
    with hub(Repository.of_directory("org/younger", home, "datasets")) as served:
        for _ in range(5):
            peer.append(timed(lambda: pq.read_table(file)))
            for streaming, seconds in ours.items():
                with tempfile.TemporaryDirectory() as cache, client(served, Path(cache)):
                    seconds.append(timed(lambda streaming=streaming: batch(streaming)))
    # The first of each imports what it needs.
    best = min(peer[1:])
    for streaming, seconds in ours.items():
        print(
            f"load_dataset{', streaming' * streaming} and a first batch of 32: {min(seconds[1:]) / best:.1f} times "
            f"pyarrow's reading ({min(seconds[1:]):.2f} s against {best:.2f} s; to reach: 2)"
        )


if __name__ == "__main__":
    main()

"""The rows of a release that are nearest to a model, without training: `nearest`.

In goes a model and a release; out come rows by the neighbourhoods that they share with the model, as MinHashes tell,
and then by the cosine between sketches, buckets weighted by how rare they are in the release (TF-IDF); by the cosine
alone where a release has no MinHashes. All rows are compared: 128 bytes each, or a product of 256 numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from younger_hf.errors import ReleaseError, UsageError
from younger_hf.graph import OperatorGraph
from younger_hf.list_columns import as_numpy, flatten_rows
from younger_hf.recognise.difference import describe_difference
from younger_hf.recognise.normal import Model, normal_graph
from younger_hf.recognise.sketch import MINHASH_LENGTH, SKETCH_LENGTH, Counts, Hashes, minhash, sketch
from younger_hf.release import Release, open_release

DIFFERENCE_COLUMNS: Final = ("normal_fingerprint", "operators", "operator_counts")
"""What `differences_from` reads of config `architectures`."""

_OF_A_ROW: Final = ("fingerprint", "normal_fingerprint", "name", "family")
_COLUMNS: Final = (*_OF_A_ROW, "sketch", "minhash")
_IN_CACHE: Final = 1 << 17  # rows that are compared at once

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Neighbour:
    """A row of config `graphs` near a model.

    Attributes:
        fingerprint: the row's key.
        normal_fingerprint: the row's.
        name: of the row's representative model.
        family: its family, or None.
        similarity: the cosine of the angle between the sketches, 0 to 1.
        overlap: the share of neighbourhoods that both have of all that either has, 0 to 1, estimated by MinHash; None
            if it is not known.
    """

    fingerprint: str
    normal_fingerprint: str
    name: str
    family: str | None
    similarity: float
    overlap: float | None = None


@dataclass(frozen=True, eq=False)
class SketchIndex:
    """The sketches of a release, ready to be searched.

    Attributes:
        rows: of config `graphs`: fingerprint, normal_fingerprint, name, family; N of them.
        weight: float32 [SKETCH_LENGTH], the inverse document frequency of each bucket.
        directions: float32 [N, SKETCH_LENGTH], weighted and of length 1.
        hashes: uint8 [MINHASH_LENGTH, N], or None where the release has none.
    """

    rows: list[tuple[str, str, str, str | None]]
    weight: Floats
    directions: Floats
    hashes: Hashes | None = None

    @classmethod
    def of(cls, release: Release) -> SketchIndex:
        """Read the sketches of a release.

        Raises:
            ReleaseError: it was built without them.
        """
        if "sketch" not in release.columns("graphs"):
            raise ReleaseError(f"{release.source} has no sketches: it was built by an older younger-hf")
        wanted = [name for name in _COLUMNS if name in release.columns("graphs")]
        rows: list[tuple[str, str, str, str | None]] = []
        parts = [np.zeros((0, SKETCH_LENGTH), np.int32)]
        hashes = [np.zeros((0, MINHASH_LENGTH), np.uint8)]
        for _, table in release.row_groups("graphs", wanted):
            columns = [table.column(name).to_pylist() for name in _OF_A_ROW]
            rows.extend(zip(*columns, strict=True))
            parts.extend(
                _numbers(cells, "sketch", SKETCH_LENGTH, release).astype(np.int32)
                for cells in table.column("sketch").chunks
            )
            if "minhash" in wanted:
                hashes.extend(
                    _numbers(cells, "minhash", MINHASH_LENGTH, release).astype(np.uint8)
                    for cells in table.column("minhash").chunks
                )
        return cls.from_counts(rows, np.concatenate(parts), np.concatenate(hashes) if "minhash" in wanted else None)

    @classmethod
    def from_counts(
        cls, rows: list[tuple[str, str, str, str | None]], counts: NDArray[np.int32], hashes: Hashes | None = None
    ) -> SketchIndex:
        """Index sketches, int32 [N, SKETCH_LENGTH], and perhaps MinHashes, uint8 [N, MINHASH_LENGTH]."""
        found_in = (counts > 0).sum(axis=0)
        weight = (np.log((1 + len(counts)) / (1 + found_in)) + 1).astype(np.float32)
        turned = None if hashes is None else np.ascontiguousarray(hashes.T)
        return cls(rows, weight, _directions(counts, weight), turned)

    def nearest(self, counts: Counts, k: int, hashes: Hashes | None = None) -> list[Neighbour]:
        """The k rows nearest to a sketch, and to a MinHash if it is given, the nearest first.

        Ties are in the order of the release.
        """
        query = _directions(counts[None], self.weight)[0]
        if self.hashes is None or hashes is None:
            overlap = None
            among = largest(np.round(self.directions @ query, 6), k)
        else:
            overlap = equal_numbers(self.hashes, hashes)
            among = largest(overlap, k)
        # In what order a product is summed up depends on how many rows it is of: that may decide no tie.
        similarity = np.round(self.directions[among] @ query, 6)
        order = np.argsort(-similarity, kind="stable")
        if overlap is not None:
            order = order[np.argsort(-overlap[among][order].astype(np.int16), kind="stable")]
        found = []
        for at, cosine in zip(among[order[:k]].tolist(), similarity[order[:k]].tolist(), strict=True):
            shared = None if overlap is None else _jaccard(int(overlap[at]))
            fingerprint, normal, name, family = self.rows[at]
            found.append(Neighbour(fingerprint, normal, name, family, min(cosine, 1.0), shared))
        return found


def equal_numbers(hashes: Hashes, query: Hashes) -> Hashes:
    """In how many places each MinHash equals another.

    Args:
        hashes: uint8 [MINHASH_LENGTH, N].
        query: uint8 [MINHASH_LENGTH].

    Returns:
        uint8 [N].
    """
    found = np.zeros(hashes.shape[1], np.uint8)
    for at in range(0, len(found), _IN_CACHE):
        part = found[at : at + _IN_CACHE]
        for numbers, number in zip(hashes, query, strict=True):
            part += numbers[at : at + _IN_CACHE] == number
    return found


def largest(values: Floats | Hashes, k: int) -> NDArray[np.int64]:
    """The positions of the k largest values and of all that equal the least of them, ascending."""
    if not 0 < k < len(values):
        return np.arange(len(values))
    # Sorting a million takes longer than all the rest.
    return np.flatnonzero(values >= np.partition(values, len(values) - k)[len(values) - k])


def _jaccard(equal: int) -> float:
    """The Jaccard index that so many equal numbers speak for: of others one in 256 is equal by chance."""
    return max(0.0, (equal / MINHASH_LENGTH - 1 / 256) / (1 - 1 / 256))


def nearest(model: Model, release: str | Path = "younger", k: int = 10) -> list[Neighbour]:
    """The rows of a release that are nearest to a model.

    Args:
        model: a ModelProto, the path or URL of an ONNX file, or a row of config `skeletons`; or a row of config
            `graphs`, whose sketch and MinHash are taken as they are.
        release: a release directory, or the id of a Hub dataset repository.
        k: how many; fewer if the release has fewer.

    Raises:
        InvalidModelError: as `younger_hf.extract.extract`.
        ReleaseError: there is no such release, or it has no sketches.
        UsageError: k is not positive, or the row has neither a sketch nor a skeleton.
    """
    if k < 1:
        raise UsageError(f"k={k}: ask for one row at least")
    hashes: Hashes | None
    if isinstance(model, Mapping) and model.get("sketch") is not None:
        counts = np.asarray(model["sketch"], np.int32)
        hashes = None if model.get("minhash") is None else np.asarray(model["minhash"], np.uint8)
    else:
        graph = normal_graph(model)
        counts, hashes = sketch(graph), minhash(graph)
    return SketchIndex.of(open_release(release)).nearest(counts, k, hashes)


def same_network(release: Release, normal_fingerprint: str) -> Iterator[Mapping[str, Any]]:
    """The rows of config `graphs` that have a normal form: `fingerprint`, `name`, `exporter` and `num_nodes`."""
    wanted = ["normal_fingerprint", "fingerprint", "name", "exporter", "num_nodes"]
    for _, table in release.row_groups("graphs", wanted):
        yield from (row for row in table.to_pylist() if row["normal_fingerprint"] == normal_fingerprint)


def differences_from(release: Release, rows: Sequence[Neighbour], graph: OperatorGraph) -> list[str]:
    """For each row, a line on what a model has that the row has not, and the other way round, by their normal forms."""
    wanted = [row.normal_fingerprint for row in rows]
    known = release.find("architectures", wanted, DIFFERENCE_COLUMNS, by="normal_fingerprint")
    ours = graph.operator_counts()
    found = {
        row["normal_fingerprint"]: describe_difference(
            ours, dict(zip(row["operators"], row["operator_counts"], strict=False))
        )
        for row in known
    }
    return [found.get(normal, "its normal form is not in the release") for normal in wanted]


def _numbers(cells: pa.Array, column: str, length: int, release: Release) -> NDArray[np.int64]:
    """A column of lists of one length, int64 [rows, length]."""
    values, boundaries = flatten_rows(cells, column)
    if (np.diff(boundaries) != length).any():
        raise ReleaseError(f"column {column} of {release.source} is not of {length} numbers a row: build it again")
    return as_numpy(values)[boundaries[0] : boundaries[-1]].astype(np.int64).reshape(-1, length)


def _directions(counts: NDArray[np.int32], weight: Floats) -> Floats:
    weighted = np.log1p(counts.astype(np.float32)) * weight
    lengths = np.linalg.norm(weighted, axis=1, keepdims=True)
    return np.asarray(weighted / np.maximum(lengths, 1e-12), np.float32)

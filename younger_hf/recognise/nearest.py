"""The rows of a release that are nearest to a model, without training: `nearest`.

In goes a model and a release; out come rows by the cosine between sketches, buckets weighted by how rare they are in
the release (TF-IDF). One matrix product over all rows serves: a release of 10,000 rows is one of 10,000 by 256.
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
from younger_hf.recognise.sketch import SKETCH_LENGTH, Counts, sketch
from younger_hf.release import Release, open_release

_COLUMNS: Final = ("fingerprint", "normal_fingerprint", "name", "family", "sketch")

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
    """

    fingerprint: str
    normal_fingerprint: str
    name: str
    family: str | None
    similarity: float


@dataclass(frozen=True, eq=False)
class SketchIndex:
    """The sketches of a release, ready to be searched.

    Attributes:
        rows: of config `graphs`: fingerprint, normal_fingerprint, name, family; N of them.
        weight: float32 [SKETCH_LENGTH], the inverse document frequency of each bucket.
        directions: float32 [N, SKETCH_LENGTH], weighted and of length 1.
    """

    rows: list[tuple[str, str, str, str | None]]
    weight: Floats
    directions: Floats

    @classmethod
    def of(cls, release: Release) -> SketchIndex:
        """Read the sketches of a release.

        Raises:
            ReleaseError: it was built without them.
        """
        if "sketch" not in release.columns("graphs"):
            raise ReleaseError(f"{release.source} has no sketches: it was built by an older younger-hf")
        rows: list[tuple[str, str, str, str | None]] = []
        parts = [np.zeros((0, SKETCH_LENGTH), np.int32)]
        for _, table in release.row_groups("graphs", list(_COLUMNS)):
            columns = [table.column(name).to_pylist() for name in _COLUMNS[:-1]]
            rows.extend(zip(*columns, strict=True))
            parts.extend(_counts(cells, release) for cells in table.column("sketch").chunks)
        return cls.from_counts(rows, np.concatenate(parts))

    @classmethod
    def from_counts(cls, rows: list[tuple[str, str, str, str | None]], counts: NDArray[np.int32]) -> SketchIndex:
        """Index sketches, int32 [N, SKETCH_LENGTH]."""
        found_in = (counts > 0).sum(axis=0)
        weight = (np.log((1 + len(counts)) / (1 + found_in)) + 1).astype(np.float32)
        return cls(rows, weight, _directions(counts, weight))

    def nearest(self, counts: Counts, k: int) -> list[Neighbour]:
        """The k rows nearest to a sketch, the nearest first; ties in the order of the release."""
        similarity = self.directions @ _directions(counts[None], self.weight)[0]
        among = np.arange(len(similarity))
        if 0 < k < len(among):  # sorting a million takes longer than all the rest
            among = np.flatnonzero(similarity >= -np.partition(-similarity, k - 1)[k - 1])
        best = among[np.argsort(-similarity[among], kind="stable")][:k]
        found = []
        for at in best.tolist():
            fingerprint, normal, name, family = self.rows[at]
            found.append(Neighbour(fingerprint, normal, name, family, float(min(similarity[at], 1.0))))
        return found


def nearest(model: Model, release: str | Path = "younger", k: int = 10) -> list[Neighbour]:
    """The rows of a release that are nearest to a model.

    Args:
        model: a ModelProto, the path or URL of an ONNX file, or a row of config `skeletons`; or a row of config
            `graphs`, whose sketch is taken as it is.
        release: a release directory, or the id of a Hub dataset repository.
        k: how many; fewer if the release has fewer.

    Raises:
        InvalidModelError: as `younger_hf.extract.extract`.
        ReleaseError: there is no such release, or it has no sketches.
        UsageError: k is not positive, or the row has neither a sketch nor a skeleton.
    """
    if k < 1:
        raise UsageError(f"k={k}: ask for one row at least")
    if isinstance(model, Mapping) and model.get("sketch") is not None:
        counts = np.asarray(model["sketch"], np.int32)
    else:
        counts = sketch(normal_graph(model))
    return SketchIndex.of(open_release(release)).nearest(counts, k)


def same_network(release: Release, normal_fingerprint: str) -> Iterator[Mapping[str, Any]]:
    """The rows of config `graphs` that have a normal form: `fingerprint`, `name`, `exporter` and `num_nodes`."""
    wanted = ["normal_fingerprint", "fingerprint", "name", "exporter", "num_nodes"]
    for _, table in release.row_groups("graphs", wanted):
        yield from (row for row in table.to_pylist() if row["normal_fingerprint"] == normal_fingerprint)


def differences_from(release: Release, fingerprints: Sequence[str], graph: OperatorGraph) -> list[str]:
    """For each row, a line on what a model has that the row has not, and the other way round, by their normal forms."""
    skeletons = {row["fingerprint"]: row for row in reversed(release.find("skeletons", fingerprints, ["onnx"]))}
    found = {row: describe_difference(graph, normal_graph(skeleton)) for row, skeleton in skeletons.items()}
    return [found.get(row, "its skeleton is not in the release") for row in fingerprints]


def _counts(cells: pa.Array, release: Release) -> NDArray[np.int32]:
    """A column of sketches, int32 [rows, SKETCH_LENGTH]."""
    values, boundaries = flatten_rows(cells, "sketch")
    if (np.diff(boundaries) != SKETCH_LENGTH).any():
        raise ReleaseError(f"{release.source} has sketches that are not of {SKETCH_LENGTH} numbers: build it again")
    counts = as_numpy(values)[boundaries[0] : boundaries[-1]]
    return counts.astype(np.int32).reshape(-1, SKETCH_LENGTH)


def _directions(counts: NDArray[np.int32], weight: Floats) -> Floats:
    weighted = np.log1p(counts.astype(np.float32)) * weight
    lengths = np.linalg.norm(weighted, axis=1, keepdims=True)
    return np.asarray(weighted / np.maximum(lengths, 1e-12), np.float32)

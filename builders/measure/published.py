"""Measurements that a release has published, in the place of measuring its skeletons again.

In goes a release that is trusted to say what it measured; out comes, for the skeletons of those of its rows to which
nothing has happened since, what `measure_packed` would give. The rows lie in files, so that memory does not grow with
the release.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from builders.measure.facts import MEASUREMENT_VERSION, Facts, Identity, Measurement
from builders.measure.spool import Packed, pack
from builders.model_ref import ModelRef
from younger_hf.costs import Costs
from younger_hf.dataset import to_graph
from younger_hf.graph import IntArray
from younger_hf.release import Release
from younger_hf.vocabulary import Vocabulary

Row = dict[str, Any]

_STRUCTURE: Final = ("node_operator", "node_scope", "edge_index", "edge_slot", "unfed_slot", "unfed_kind")
_COLUMNS: Final = {
    "graphs": (
        *("fingerprint", "exact", "num_searched", "type_fingerprint", "wl_hash", "num_edges", "depth", "preview"),
        *("sketch", "minhash", "node_variant", *_STRUCTURE),
    ),
    "graphs-no-attributes": ("type_fingerprint", "exact", "wl_hash", *_STRUCTURE),
    "shapes": ("fingerprint", "edge_shape", "num_unknown"),
    "architectures": ("normal_fingerprint", "operators", "operator_counts"),
    "skeletons": (
        *("skeleton_fingerprint", "fingerprint", "normal_fingerprint", "num_parameters", "macs", "activations"),
        *("opset", "models", "onnx"),
    ),
}
"""What is read of each config, the column first that a row is found by."""
_SUFFIX: Final = "-"  # of a key that is not exact


class PublishedMeasurements:
    """What a release has measured, by skeleton."""

    def __init__(self, release: Release, models: Mapping[str, Iterable[ModelRef]], scratch: Path) -> None:
        """Read a release.

        Args:
            release: one that is trusted; of one that other rules measured, or that says less, nothing is known.
            models: those that a skeleton now stands for, by its hash. A row of `graphs` is known if all its skeletons
                stand for the models that they stood for: then, of these, it shows the one that it showed.
            scratch: a directory for files that are as large as the release.

        Raises:
            ReleaseError: a file is missing or damaged.
        """
        self._tables: dict[str, _Table] = {}
        self._skeletons: dict[str, int] = {}
        if release.measurement_version != MEASUREMENT_VERSION or any(
            config not in release.configs or not set(columns) <= set(release.columns(config))
            for config, columns in _COLUMNS.items()
        ):
            return
        self._vocabulary = Vocabulary.from_table(release.read("operators"))
        for config in _COLUMNS:
            self._tables[config] = _Table(release, config, scratch)
        self._skeletons = self._unchanged(models)

    def __contains__(self, skeleton_hash: str) -> bool:
        """Whether a skeleton is known, by its 128-bit BLAKE2b in hexadecimal."""
        return skeleton_hash in self._skeletons

    def packed(self, skeleton_hash: str, skeleton: bytes, modules: bytes = b"") -> Packed:
        """What `measure_packed` gives for a skeleton that is known."""
        row = self._tables["skeletons"].row(self._skeletons[skeleton_hash])
        graph = self._tables["graphs"].find(row["fingerprint"])
        types = self._tables["graphs-no-attributes"].find(graph["type_fingerprint"])
        shapes = self._tables["shapes"].find(row["fingerprint"])
        variant, count = np.unique(np.asarray(graph["node_variant"], np.int64), return_counts=True)
        labels = map(self._vocabulary.variants.__getitem__, variant.tolist())
        facts = Facts(
            graph=Identity(graph["fingerprint"]),
            type_graph=Identity(types["type_fingerprint"]),
            skeleton=Identity(row["skeleton_fingerprint"]),
            wl_hash=graph["wl_hash"],
            type_wl_hash=types["wl_hash"],
            num_edges=graph["num_edges"],
            depth=graph["depth"],
            num_parameters=row["num_parameters"],
            num_shapes=len(shapes["edge_shape"]) - shapes["num_unknown"],
            costs=None if row["macs"] is None else Costs(row["macs"], row["activations"]),
            opset=row["opset"],
            variants=dict(sorted(zip(labels, count.tolist(), strict=True))),
            num_searched=graph["num_searched"],
            normal=Identity(row["normal_fingerprint"]),
            normal_types=self._normal_types(row["normal_fingerprint"]),
            sketch=tuple(graph["sketch"]),
            minhash=tuple(graph["minhash"]),
        )
        return pack(
            Measurement(
                facts,
                to_graph(graph, self._vocabulary),
                shapes["edge_shape"],
                _unfed(graph),
                to_graph(types, self._vocabulary),
                _unfed(types),
                graph["preview"]["bytes"],
                skeleton,
            ),
            modules,
        )

    def _normal_types(self, key: str) -> dict[str, int]:
        """The operator types of a normal form; none of one that no row shows, of which nothing asks for them."""
        if key not in self._tables["architectures"]:
            return {}
        row = self._tables["architectures"].find(key)
        return dict(zip(row["operators"], row["operator_counts"], strict=True))

    def _unchanged(self, models: Mapping[str, Iterable[ModelRef]]) -> dict[str, int]:
        """The places of the skeletons that are known, by hash."""
        types = self._tables["graphs-no-attributes"].rows("type_fingerprint", "exact")
        exact_types = {row["type_fingerprint"] for row in types if row["exact"]}
        graphs = self._tables["graphs"].rows("fingerprint", "type_fingerprint", "exact")
        known = {row["fingerprint"] for row in graphs if row["exact"] and row["type_fingerprint"] in exact_types}
        found: dict[str, tuple[int, str]] = {}
        skeletons = self._tables["skeletons"].rows(*_COLUMNS["skeletons"])
        for place, row in enumerate(tqdm(skeletons, desc="measured before", unit="skeleton", disable=None)):
            digest = blake2b(row["onnx"], digest_size=16).hexdigest()
            found[digest] = place, row["fingerprint"]
            stands_for = {_prominence(vars(model)) for model in models.get(digest, ())}
            is_exact = _SUFFIX not in row["skeleton_fingerprint"] + row["normal_fingerprint"]
            if not is_exact or stands_for != set(map(_prominence, row["models"])):
                known.discard(row["fingerprint"])
        return {digest: place for digest, (place, key) in found.items() if key in known}


class _Table:
    """Columns of a config, in a file that is mapped into memory."""

    def __init__(self, release: Release, config: str, scratch: Path) -> None:
        self._key, *_ = columns = _COLUMNS[config]
        path = scratch / f"published-{config}.arrow"
        groups = (table.select(columns) for _, table in release.row_groups(config, list(columns)))
        first = next(groups)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, first.schema) as writer:
            for group in chain([first], groups):
                # A batch a row: a row is read without those beside it.
                writer.write_table(group.combine_chunks(), max_chunksize=1)
        self._reader = pa.ipc.open_file(pa.memory_map(str(path)))
        self._places = {row[self._key]: place for place, row in enumerate(self.rows(self._key))}

    def rows(self, *columns: str) -> Iterator[Row]:
        """Some columns of every row."""
        for place in range(self._reader.num_record_batches):
            yield self._reader.get_batch(place).select(list(columns)).to_pylist()[0]

    def row(self, place: int) -> Row:
        """A row by its place."""
        (row,) = self._reader.get_batch(place).to_pylist()
        return dict(row)

    def find(self, key: str) -> Row:
        """A row by its key."""
        return self.row(self._places[key])

    def __contains__(self, key: str) -> bool:
        """Whether there is a row with this key."""
        return key in self._places


def _prominence(model: Mapping[str, Any]) -> tuple[Any, ...]:
    """A model, and what decides whether it names a row."""
    named = (model["source"], model["id"], model["revision"] or "", model["component"] or "")
    return *named, model["origin"], model["downloads"]


def _unfed(row: Row) -> IntArray:
    """The slots of a row that no node feeds, int64 [3, U]."""
    return np.array([*row["unfed_slot"], row["unfed_kind"]], np.int64).reshape(3, -1)

"""Measured architectures, set aside on disk: memory does not grow with what is known of each.

In go architectures, one after the other, numbered from 0; out comes each by its number, in any order, and what merging
and splitting decide by, as columns. A small release stays in memory all the same: the last few thousand are kept there.
"""

from __future__ import annotations

import json
import zlib
from array import array
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from hashlib import blake2b
from pathlib import Path
from sys import intern
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from builders.assemble.families import model_family, split_families
from builders.assemble.scratch_file import Int32s, RaggedFile, ScratchTables, to_bytes, to_text
from builders.ledger import Tool
from builders.measure.facts import Facts, Identity
from builders.model_ref import Evaluation, ModelRef
from younger_hf.costs import Costs

Kind = Literal["skeleton", "graph", "type_graph", "normal"]
"""What has an identity: an attribute of `Facts`."""

KEPT: Final = 8192
"""How many architectures stay in memory, some kilobytes each."""

_KINDS: Final[tuple[Kind, ...]] = ("skeleton", "graph", "type_graph", "normal")
_SKETCH: Final = np.dtype("<i4")
_PLAIN: Final = tuple(one.name for one in fields(Facts) if one.name not in (*_KINDS, "costs", "sketch", "minhash"))
_DEFAULTS: Final = {one.name: one.default for one in fields(ModelRef)}
_MOST: Final = (1 << 63) - 1
_TABLES: Final = """
CREATE TABLE measured (number INTEGER PRIMARY KEY, hash BLOB, models BLOB, facts BLOB, sketch BLOB, minhash BLOB);
CREATE TABLE identities (number INTEGER PRIMARY KEY, skeleton BLOB, graph BLOB, type_graph BLOB, normal BLOB,
    wl_hash TEXT, fingerprint TEXT);
CREATE TABLE prominence (contributed, downloads, source BLOB, length, id BLOB, revision BLOB, component BLOB, hash BLOB,
    number);
CREATE TABLE families (number, name BLOB);
CREATE TABLE models (digest BLOB, identity BLOB, part BLOB, composed, number);
"""


@dataclass(frozen=True)
class Measured:
    """An architecture of the ledger, measured.

    Attributes:
        number: its place in the spool, by which its graph and its module tree are found again.
        skeleton_hash: by which the ledger has its skeleton, and which decides where all else is equal.
        models: the models that it stands for, at least one, each with what made its ONNX.
        facts: what was measured on it.
    """

    number: int
    skeleton_hash: str
    models: Mapping[ModelRef, Tool]
    facts: Facts

    @property
    def prominent_model(self) -> ModelRef:
        """The model with most downloads, then by source, the shortest id first; contributed ones after others."""
        return min(self.models, key=prominence)

    @property
    def exporter(self) -> str:
        """What made the ONNX of the most prominent model."""
        return self.models[self.prominent_model].exporter


def prominence(model: ModelRef) -> tuple[bool, int, str, int, str, str, str]:
    """Smallest for the model that names a row; see `Measured.prominent_model`."""
    # What anybody may say of a model of their own does not name a row that a hub or a registry names.
    downloads = -1 if model.downloads is None else model.downloads
    # A variant has a longer name: resnet18 names the row, not quantized_resnet18.
    named = model.id, model.revision, model.component
    return model.origin == "contributed", -downloads, model.source, len(model.id), *named


class MeasuredStore(Sequence[Measured]):
    """Measured architectures by number.

    What is in memory of each: sizes, its number of operators, and the family that it is known by, 20 bytes in all.

    Attributes:
        num_nodes: of each, int32 once it is read as an array.
        num_edges: of each.
        num_models: of each.

    Args:
        path: of the file that they are set aside in, which must not be there; a second one lies beside it.
        kept: how many stay in memory too.
    """

    def __init__(self, path: Path, kept: int = KEPT) -> None:
        self.num_nodes, self.num_edges, self.num_models = array("i"), array("i"), array("i")
        self._operators, self._labels = RaggedFile(path.with_suffix(".operators")), dict[str, int]()
        self._family, self._families = array("i"), dict[str, int]()
        self._kept, self._most = OrderedDict[int, Measured](), kept
        self._tables = ScratchTables(path, _TABLES)

    def close(self) -> None:
        """Close the files, and give their space back."""
        self._operators.close()
        self._tables.close()

    def append(self, skeleton_hash: str, models: Mapping[ModelRef, Tool], facts: Facts) -> None:
        """Add the next architecture.

        Raises:
            OSError: the disk is full, or the directory not writable.
        """
        one = Measured(len(self), skeleton_hash, models, facts)
        model = one.prominent_model
        contributed, downloads, source, length, *named = prominence(model)
        key = contributed, max(downloads, -_MOST), to_bytes(source), length, *map(to_bytes, named)
        families = {name for model in models for name in split_families(model)}
        insert, insert_many = self._tables.write, self._tables.write_many
        insert("INSERT INTO measured VALUES (?, ?, ?, ?, ?, ?)", _to_row(one))
        identities = (one.number, *_identities(facts), facts.wl_hash, facts.graph.fingerprint)
        insert("INSERT INTO identities VALUES (?, ?, ?, ?, ?, ?, ?)", identities)
        insert("INSERT INTO prominence VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*key, to_bytes(skeleton_hash), one.number))
        insert_many("INSERT INTO families VALUES (?, ?)", ((one.number, to_bytes(name)) for name in families))
        insert_many("INSERT INTO models VALUES (?, ?, ?, ?, ?)", (_digests(model, one.number) for model in models))
        ids = self._labels
        self._operators.append(array("i", [ids.setdefault(label, len(ids)) for label in facts.variants]))
        self._family.append(self._families.setdefault(model_family(model), len(self._families)))
        self.num_nodes.append(facts.num_nodes)
        self.num_edges.append(facts.num_edges)
        self.num_models.append(len(models))
        self._keep(one)

    def finish(self) -> None:
        """Say that all have been added."""
        self._tables.write("CREATE INDEX by_hash ON measured (hash)")

    def __len__(self) -> int:
        return len(self.num_nodes)

    def __getitem__(self, number: Any) -> Any:
        """An architecture by its number."""
        if number in self._kept:
            self._kept.move_to_end(number)
            return self._kept[number]
        row = self._tables.read_one("SELECT * FROM measured WHERE number = ?", (int(number),))
        if row is None:
            raise IndexError(number)
        return self._keep(_from_row(row))

    def _keep(self, one: Measured) -> Measured:
        self._kept[one.number] = one
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return one

    def ranks(self, kind: Kind | Literal["wl_hash", "fingerprint"]) -> Int32s:
        """The place of each architecture's identity among all distinct ones, by key; equal for equal identities.

        Args:
            kind: of the identity; or "wl_hash", or the "fingerprint" of the graph alone.
        """
        ranks, rank, before = np.empty(len(self), np.int32), -1, None
        for number, identity in self._tables.read(f"SELECT number, {kind} FROM identities ORDER BY {kind}"):  # noqa: S608
            rank += identity != before
            ranks[number], before = rank, identity
        return ranks

    def keys(self, kind: Kind, numbers: Iterable[int]) -> Iterator[str]:
        """The keys of some architectures; see `builders.measure.facts.Identity`."""
        query = f"SELECT {kind} FROM identities WHERE number = ?"  # noqa: S608
        for number in numbers:
            ((identity,),) = self._tables.read(query, (int(number),))
            yield to_text(identity).partition("\0")[0]

    def prominence_ranks(self) -> Int32s:
        """The place of each architecture in the order of prominence, then of the hashes of skeletons."""
        ranks = np.empty(len(self), np.int32)
        order = "contributed, downloads, source, length, id, revision, component, hash, number"
        for rank, (number,) in enumerate(self._tables.read(f"SELECT number FROM prominence ORDER BY {order}")):  # noqa: S608
            ranks[number] = rank
        return ranks

    def split_families(self, seed: int) -> tuple[Int32s, Int32s, NDArray[np.uint64]]:
        """What must be on one side of a split, see `builders.assemble.families`.

        Args:
            seed: of the digests.

        Returns:
            int32 [P] and int32 [P]: the architecture and the family of each pair of these; families are numbered in the
            order of their names. uint64 [2, F]: of each family the seeded digest of its name.
        """
        numbers, ids, digests, before = array("i"), array("i"), array("Q"), None
        for number, name in self._tables.read("SELECT number, name FROM families ORDER BY name"):
            if name != before:
                digests.frombytes(blake2b(f"{seed}:".encode() + name, digest_size=16).digest())
                before = name
            numbers.append(number)
            ids.append(len(digests) // 2 - 1)
        as_read = np.frombuffer(digests, ">u8").reshape(-1, 2).T
        return np.array(numbers, np.int32), np.array(ids, np.int32), as_read.astype(np.uint64)

    def prominent_families(self, numbers: Int32s) -> Iterator[str]:
        """The families of the most prominent models of some architectures; "" where none is known."""
        names = list(self._families)
        return (names[self._family[number]] for number in numbers.tolist())

    def lack_operators(self, some: NDArray[np.bool_], *, attributes: bool) -> NDArray[np.bool_]:
        """Find the architectures with an operator that none of some others has.

        Args:
            some: bool [N], which these are.
            attributes: whether operators are told apart by their attributes too.

        Returns:
            bool [N].
        """
        labels = [label if attributes else label.partition("{")[0] for label in self._labels]
        numbers: dict[str, int] = {}
        same = np.array([numbers.setdefault(label, len(numbers)) for label in labels], np.int32)
        return self._operators.lack(some, same)

    def key_of_skeleton(self, skeleton_hash: str) -> str | None:
        """The key of the row of `skeletons` that a skeleton of the ledger is in; None where it is in none."""
        query = "SELECT skeleton FROM measured NATURAL JOIN identities WHERE hash = ?"
        found = self._tables.read_one(query, (to_bytes(skeleton_hash),))
        return None if found is None else to_text(found[0]).partition("\0")[0]

    def sketch(self, number: int) -> Int32s:
        """The sketch of an architecture."""
        ((content,),) = self._tables.read("SELECT sketch FROM measured WHERE number = ?", (number,))
        found: Int32s = np.frombuffer(zlib.decompress(content), _SKETCH)
        return found

    def sketches(self, numbers: Iterable[int]) -> Int32s:
        """The sketches of some architectures, int32 [N, D]."""
        rows = [self.sketch(int(number)) for number in numbers]
        return np.stack(rows) if rows else np.zeros((0, 0), np.int32)

    def minhashes(self, numbers: Iterable[int]) -> NDArray[np.uint8]:
        """The MinHashes of some architectures, uint8 [N, D]."""
        query = "SELECT minhash FROM measured WHERE number = ?"
        rows = [content for number in numbers for (content,) in self._tables.read(query, (int(number),))]
        return np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), -1 if rows else 0)

    def count_models(self) -> int:
        """Distinct models."""
        ((count,),) = self._tables.read("SELECT count(DISTINCT digest) FROM models")
        return int(count)

    def count_named(self) -> tuple[int, int]:
        """Distinct (source, id, revision, component), and those of models that are not composed."""
        query = "SELECT count(DISTINCT identity), count(DISTINCT CASE WHEN NOT composed THEN identity END) FROM models"
        ((count, published),) = self._tables.read(query)
        return int(count), int(published)

    def has_published(self) -> NDArray[np.bool_]:
        """Which architectures have a model that is not composed, bool [N]."""
        found = np.zeros(len(self), np.bool_)
        numbers = (number for (number,) in self._tables.read("SELECT number FROM models WHERE NOT composed"))
        found[np.fromiter(numbers, np.int32)] = True
        return found

    def parts(self) -> Iterator[tuple[bytes, int]]:
        """What names each model in any revision, and its architecture; all architectures of one after the other."""
        return self._tables.read("SELECT part, number FROM models ORDER BY part")


def _to_row(one: Measured) -> tuple[Any, ...]:
    facts = one.facts
    identities = [(known.fingerprint, known.evidence) for known in (getattr(facts, kind) for kind in _KINDS)]
    costs = facts.costs and (facts.costs.macs, facts.costs.activations)
    told = (identities, costs, [getattr(facts, name) for name in _PLAIN])
    models = [(_packed(model), tool.exporter, dict(tool.versions)) for model, tool in one.models.items()]
    sketch = zlib.compress(np.array(facts.sketch, _SKETCH).tobytes(), 1)
    # ASCII, whatever characters a hub gives: SQLite takes no lone surrogates.
    return one.number, to_bytes(one.skeleton_hash), json.dumps(models), json.dumps(told), sketch, bytes(facts.minhash)


def _from_row(row: tuple[Any, ...]) -> Measured:
    number, skeleton_hash, models, facts, sketch, minhash = row
    identities, costs, plain = json.loads(facts)
    told: dict[str, Any] = dict(zip(_PLAIN, plain, strict=True))
    told["variants"] = {intern(label): count for label, count in told["variants"].items()}
    told |= {kind: Identity(*identity) for kind, identity in zip(_KINDS, identities, strict=True)}
    known = Facts(
        **told,
        costs=costs and Costs(*costs),
        sketch=tuple(np.frombuffer(zlib.decompress(sketch), _SKETCH).tolist()),
        minhash=tuple(minhash),
    )
    tools = {_unpacked(model): Tool(exporter, versions) for model, exporter, versions in json.loads(models)}
    return Measured(number, to_text(skeleton_hash), tools, known)


def _packed(model: ModelRef) -> dict[str, Any]:
    """What a model has that is not so by default."""
    packed = {name: value for name, value in vars(model).items() if value != _DEFAULTS[name]}
    if model.evaluations:
        packed["evaluations"] = [vars(result) for result in model.evaluations]
    return packed


def _unpacked(packed: dict[str, Any]) -> ModelRef:
    for name in ("tags", "backbones"):
        if name in packed:
            packed[name] = tuple(packed[name])
    if "evaluations" in packed:
        packed["evaluations"] = tuple(Evaluation(**result) for result in packed["evaluations"])
    return ModelRef(**packed)


def _identities(facts: Facts) -> Iterator[bytes]:
    """What sorts as keys do, and is equal for equal identities alone."""
    identities: list[Identity] = [getattr(facts, kind) for kind in _KINDS]
    return (to_bytes(f"{one.key}\0{one.evidence}") for one in identities)


def _digests(model: ModelRef, number: int) -> tuple[bytes, bytes, bytes, bool, int]:
    """Of the whole of a model, of what names it, and of that in any revision."""
    part = model.source, model.id, model.component
    texts = model.to_json(), json.dumps((*part, model.revision)), json.dumps(part)
    whole, identity, in_any = (blake2b(text.encode(), digest_size=16).digest() for text in texts)
    return whole, identity, in_any, model.origin == "composed", number

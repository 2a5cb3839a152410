"""What a release adds, removes and changes, against another: `younger-hf diff`.

In go two releases, on disk or on the Hub; out comes a `ReleaseDiff`, which is text, JSON, or the line of a commit.
Of the rows, which are read a row group at a time, only keys, splits and digests are kept: some 50 bytes a row.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from tqdm import tqdm

from younger_hf.release import Release
from younger_hf.row_digests import Digests, row_digests
from younger_hf.schema import CONFIGS, DEFAULT_CONFIG, SCHEMA
from younger_hf.text import plain, table
from younger_hf.vocabulary import KINDS, Vocabulary

# Config `operators` is compared as a vocabulary.
_COMPARED: Final = tuple(name for name, config in SCHEMA.items() if len(config.key) == 1)
_MOST_SHOWN: Final = 10

OF_THE_KEY: Final = ("node_operator", "node_variant", "node_scope", "edge_index", "edge_slot", "boundary", "onnx")
"""The large columns, which are the same wherever the key and the vocabulary are."""

_Codes: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class ConfigDiff:
    """What is different in a config.

    Attributes:
        before: rows of the old release; 0 if it does not have the config.
        after: rows of the new one.
        added: keys that only the new one has: a string array.
        removed: keys that only the old one has.
        changed: keys of rows that differ in a column that both have; None if only keys were compared.
        moved: how many rows left a split for another, by (old, new).
        columns: what became of columns: "+name", "-name", or "name: type -> type".
    """

    before: int
    after: int
    added: pa.Array
    removed: pa.Array
    changed: pa.Array | None
    moved: Mapping[tuple[str, str], int]
    columns: tuple[str, ...]


@dataclass(frozen=True)
class VocabularyDiff:
    """What is different in the ids of a kind.

    Attributes:
        before: ids of the old release.
        after: ids of the new one.
        appended: labels that follow those of the old release.
        broken: ids that do not mean what they did, with the old label and the new, which is None if there is none.
    """

    before: int
    after: int
    appended: tuple[str, ...]
    broken: tuple[tuple[int, str, str | None], ...]


@dataclass(frozen=True)
class ReleaseDiff:
    """What is different between two releases.

    Attributes:
        old: where the old one is.
        new: where the new one is.
        configs: by name, those that either has.
        vocabulary: by kind: "operator", "variant".
        models_added: source and id of models that no row of the old one has; None if only keys were compared.
        models_removed: those that no row of the new one has.
    """

    old: str
    new: str
    configs: Mapping[str, ConfigDiff]
    vocabulary: Mapping[str, VocabularyDiff]
    models_added: pa.Array | None
    models_removed: pa.Array | None

    @property
    def is_broken(self) -> bool:
        """Whether an id of an operator does not mean what it did: what was trained on the old release is useless."""
        return any(kind.broken for kind in self.vocabulary.values())

    def summary(self) -> str:
        """The rows that came and went, on one line."""
        changes = {
            config: [f"{sign}{len(keys):,}" for sign, keys in (("+", one.added), ("-", one.removed)) if len(keys)]
            for config, one in self.configs.items()
        }
        return "; ".join(f"{config} {' '.join(of)}" for config, of in changes.items() if of) or "no row came or went"

    def changes(self) -> str:
        """How many rows of each config were added, changed and removed, as a table."""
        head = ["config", "added", "changed", "removed"]
        rows = [
            [config, *(f"{len(keys):,}" for keys in (one.added, one.changed or (), one.removed))]
            for config, one in self.configs.items()
        ]
        return f"{self.old} -> {self.new}\n{table(head, rows)}"

    def __str__(self) -> str:
        parts = [f"{self.old} -> {self.new}"]
        parts += [_shout(kind, one) for kind, one in self.vocabulary.items() if one.broken]
        head = ["config", "before", "after", "added", "removed", "changed", "moved"]
        parts.append(table(head, [_row(config, one) for config, one in self.configs.items()]))
        lines = [
            f"{config}: {count:,} rows from {before} to {after}"
            for config, one in self.configs.items()
            for (before, after), count in sorted(one.moved.items())
        ]
        lines += [f"{config}: {change}" for config, one in self.configs.items() for change in one.columns]
        lines += [
            f"{kind} ids: {one.before:,} -> {one.after:,}{_listed(one.appended)}"
            for kind, one in self.vocabulary.items()
        ]
        if self.models_added is not None and self.models_removed is not None:
            lines += [f"models added: {len(self.models_added):,}{_listed(self.models_added)}"]
            lines += [f"models removed: {len(self.models_removed):,}{_listed(self.models_removed)}"]
        return "\n\n".join([*parts, "\n".join(lines)])

    def to_json(self) -> str:
        """Everything, with all keys, as ASCII JSON."""
        configs = {
            config: {
                "before": one.before,
                "after": one.after,
                "added": one.added.to_pylist(),
                "removed": one.removed.to_pylist(),
                "changed": None if one.changed is None else one.changed.to_pylist(),
                "moved": [{"from": old, "to": new, "rows": rows} for (old, new), rows in sorted(one.moved.items())],
                "columns": one.columns,
            }
            for config, one in self.configs.items()
        }
        vocabulary = {
            kind: {
                "before": one.before,
                "after": one.after,
                "appended": one.appended,
                "broken": [{"id": number, "old": old, "new": new} for number, old, new in one.broken],
            }
            for kind, one in self.vocabulary.items()
        }
        models = {
            name: None if models is None else models.to_pylist()
            for name, models in (("models_added", self.models_added), ("models_removed", self.models_removed))
        }
        facts = {"old": self.old, "new": self.new, "is_broken": self.is_broken}
        return json.dumps({**facts, "configs": configs, "vocabulary": vocabulary, **models}, indent=2)


def compare_releases(
    old: Release, new: Release, *, contents: bool = True, without: Collection[str] = ()
) -> ReleaseDiff:
    """Compare two releases.

    Args:
        old: the release before.
        new: the release after.
        contents: whether rows of the same key are compared too, and models; from the Hub, that fetches every column.
            Without it only keys are fetched.
        without: columns that are not compared; `OF_THE_KEY` spares most of the reading.

    Raises:
        ReleaseError: a file is missing or damaged, or the Hub cannot be reached.
    """
    configs = [config for config in CONFIGS if config in old.configs or config in new.configs]
    progress = tqdm([config for config in configs if config in _COMPARED], desc="compare", unit="config", disable=None)
    compared = {config: _compare_rows(old, new, config, contents, without) for config in progress}
    before, after = (_models(release) if contents else None for release in (old, new))
    return ReleaseDiff(
        old=_name(old),
        new=_name(new),
        configs=compared,
        vocabulary=compare_vocabularies(*(Vocabulary.load(one.source, one.revision) for one in (old, new))),
        models_added=None if before is None or after is None else _without(after, before),
        models_removed=None if before is None or after is None else _without(before, after),
    )


def compare_vocabularies(old: Vocabulary, new: Vocabulary) -> dict[str, VocabularyDiff]:
    """Compare what ids mean, by kind."""
    result = {}
    for kind in KINDS:
        before, after = (getattr(vocabulary, f"{kind}s") for vocabulary in (old, new))
        broken = tuple(
            (number, label, after[number] if number < len(after) else None)
            for number, label in enumerate(before)
            if after[number : number + 1] != (label,)
        )
        result[kind] = VocabularyDiff(len(before), len(after), after[len(before) :], broken)
    return result


@dataclass(frozen=True)
class _Rows:
    """What is kept of the rows of a config: three arrays of the same length."""

    key: pa.Array
    split: _Codes
    digest: Digests


def _compare_rows(old: Release, new: Release, config: str, contents: bool, without: Collection[str]) -> ConfigDiff:
    schemas = [release.schema(config) if config in release.configs else pa.schema([]) for release in (old, new)]
    both = [name for name in schemas[0].names if name in schemas[1].names and name not in without]
    shared = both if contents else []
    splits = list(dict.fromkeys(split for release in (old, new) for split in release.configs.get(config, ())))
    before, after = (_rows(release, config, shared, splits) for release in (old, new))
    there = pc.index_in(after.key, before.key)
    stays = there.is_valid()
    now, then = np.flatnonzero(stays), there.drop_null().to_numpy()
    differ = now[before.digest[then] != after.digest[now]]
    pairs, counts = np.unique(np.stack([before.split[then], after.split[now]]), axis=1, return_counts=True)
    return ConfigDiff(
        before=len(before.key),
        after=len(after.key),
        added=after.key.filter(pc.invert(stays)),
        removed=_without(before.key, after.key),
        changed=after.key.take(differ) if contents else None,
        moved={
            (splits[left], splits[joined]): int(count)
            for left, joined, count in zip(*pairs, counts, strict=True)
            if left != joined
        },
        columns=_compare_schemas(*schemas) if all(config in release.configs for release in (old, new)) else (),
    )


def _rows(release: Release, config: str, columns: Sequence[str], splits: Sequence[str]) -> _Rows:
    """The keys, the places in `splits` and the digests of these columns; none of a release without the config."""
    keys, codes, digests = [pa.array([], pa.string())], [np.empty(0, np.int64)], [np.empty(0, np.uint64)]
    (key,) = SCHEMA[config].key
    wanted = list(dict.fromkeys([key, *columns]))
    for split, part in release.row_groups(config, wanted) if config in release.configs else ():
        keys += part.column(key).cast(pa.string()).chunks
        codes.append(np.full(len(part), splits.index(split)))
        digests.append(row_digests(part.select(columns)))
    return _Rows(pa.concat_arrays(keys), np.concatenate(codes), np.concatenate(digests))


def _compare_schemas(old: pa.Schema, new: pa.Schema) -> tuple[str, ...]:
    gone = [f"-{name}" for name in old.names if name not in new.names]
    come = [f"+{name}" for name in new.names if name not in old.names]
    types = ((name, old.field(name).type, new.field(name).type) for name in old.names if name in new.names)
    return (*gone, *come, *(f"{name}: {before} -> {after}" for name, before, after in types if before != after))


def _models(release: Release) -> pa.Array:
    """The source and id of every model that a row was made from."""
    known = pa.array([], pa.string())
    for _, part in release.row_groups(DEFAULT_CONFIG, ["models"]):
        models = pc.list_flatten(part.column("models"))
        names = pc.binary_join_element_wise(pc.struct_field(models, "source"), pc.struct_field(models, "id"), " ")
        known = pa.concat_arrays([known, *names.cast(pa.string()).chunks]).unique()
    return known


def _without(left: pa.Array, right: pa.Array) -> pa.Array:
    return left.filter(pc.invert(pc.is_in(left, right)))


def _name(release: Release) -> str:
    return f"{release.source}@{release.revision}" if release.revision else str(release.source)


def _shout(kind: str, diff: VocabularyDiff) -> str:
    number, old, new = diff.broken[0]
    now = f"is {plain(new)}" if new is not None else "is gone"
    return (
        f"ERROR: {len(diff.broken):,} {kind} ids have changed, which they must never do: {number} was {plain(old)} and "
        f"{now}. Models trained on the old release are useless on the new one; build that with --previous."
    )


def _row(config: str, diff: ConfigDiff) -> list[str]:
    changed = "" if diff.changed is None else f"{len(diff.changed):,}"
    counts = (diff.before, diff.after, len(diff.added), len(diff.removed))
    return [config, *(f"{count:,}" for count in counts), changed, f"{sum(diff.moved.values()):,}"]


def _listed(names: Sequence[object]) -> str:
    """The first names, as they may stand in a terminal."""
    more = f" and {len(names) - _MOST_SHOWN:,} more" if len(names) > _MOST_SHOWN else ""
    return (": " + ", ".join(plain(str(name)) for name in names[:_MOST_SHOWN]) + more) if len(names) else ""

"""The previous release: what must not change in the next one.

In goes a release, on disk or on the Hub; out come its vocabulary and the split of every row, and which models are to
be left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from huggingface_hub import errors as hub
from huggingface_hub import hf_hub_download

from builders.removals import REMOVALS, Removals
from younger_hf.dataset import SCHEME_COLUMNS
from younger_hf.parquet_files import unreadable
from younger_hf.release import Release, open_release
from younger_hf.schema import SCHEMA, SPLITS
from younger_hf.vocabulary import Vocabulary

KEPT: Final = {name: config.key[0] for name, config in SCHEMA.items() if config.splits == SPLITS}
"""The configs whose rows keep their splits, and the column that says which row is which."""

_STRATIFIED: Final = SCHEME_COLUMNS["stratified"]


@dataclass(frozen=True)
class Previous:
    """What a release has promised; by default nothing.

    Attributes:
        vocabulary: its ids stay.
        splits: for each config the split of each row, by key.
        stratified: for each config with stratified splits that of each row, by key.
    """

    vocabulary: Vocabulary | None = None
    splits: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    stratified: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def split_of(self, config: str) -> Mapping[str, str]:
        """The split of each row of a config, by key."""
        return self.splits.get(config, {})


def read_previous(source: str | Path | None) -> Previous:
    """Read what must not change.

    Args:
        source: a release directory, or the id of a Hub dataset repository; None if there is no release before.

    Raises:
        ReleaseError: there is no such release, it is incomplete, damaged, or of another schema version.
    """
    if source is None:
        return Previous()
    release = open_release(source)
    splits = {
        config: {
            key: split
            for split, table in release.row_groups(config, [column])
            for key in table.column(column).to_pylist()
        }
        for config, column in KEPT.items()
        if config in release.configs
    }
    stratified = {
        config: {
            key: split
            for _, table in release.row_groups(config, [column, _STRATIFIED])
            for key, split in zip(*(table.column(name).to_pylist() for name in (column, _STRATIFIED)), strict=True)
        }
        for config, column in KEPT.items()
        if config in release.configs and _STRATIFIED in release.columns(config)
    }
    # Not the vocabulary that this process may have kept: the repository may have been published to since.
    return Previous(Vocabulary.from_table(release.read("operators")), splits, stratified)


def read_removals(source: str | Path | None, output: Path) -> Removals:
    """Read which models a release is to leave out: those that the release before does, or the one that it replaces.

    Args:
        source: the release before, as for `read_previous`.
        output: where the release is going to be.

    Raises:
        ReleaseError: there is no such release, or what is asked there cannot be read or makes no sense.
    """
    asked = Removals() if source is None else _removals(open_release(source))
    return asked | Removals.of_directory(output.expanduser())


def _removals(release: Release) -> Removals:
    if isinstance(release.source, Path):
        return Removals.of_directory(release.source)
    name = f"{REMOVALS} of {release.source}"
    with unreadable(name):
        try:
            file = hf_hub_download(release.source, REMOVALS, repo_type="dataset", revision=release.revision)
        except hub.LocalEntryNotFoundError:  # the Hub cannot be reached, which does not mean that there is none
            raise
        except hub.EntryNotFoundError:
            return Removals()
    return Removals.parse(Path(file).read_bytes(), name)

"""A release as it lies on disk or on the Hub: its card says which configs, splits and files it has.

In goes a directory or the id of a Hub repository; out comes a `Release` whose card was read and checked, and
from it a config as `datasets` loads it. What is then done with the rows is `younger_hf.dataset`'s business.
`datasets` and the Hub's client are imported where they are used: a look into a directory needs neither.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import yaml

from younger_hf.choices import check_choice
from younger_hf.conventions import SCHEMA_VERSION
from younger_hf.errors import ReleaseError, UsageError
from younger_hf.parquet_files import find_rows, first_line, list_on_hub, read_parquet, read_row_groups, read_schema

SCHEMA_VERSION_KEY: Final = "younger_schema_version"
MEASUREMENT_VERSION_KEY: Final = "younger_measurement_version"
CARD: Final = "README.md"

SETTING: Final = "YOUNGER_RELEASE"
"""The environment variable that says where the dataset is: a release directory, or the id of a Hub repository."""
HUB_ID: Final = "organisation/younger"
"""Stands for the id of the dataset on the Hub, here and in what is written about it, until the setting names one."""
DEFAULT_SOURCE: Final = "younger"
"""The release in the directory of this name, or where there is none the one that the setting names."""

Condition = tuple[str, str, Any]
"""Column, comparison ("==", "<=", ">=", "in") and value: a filter as pyarrow takes it."""

_REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_FRONT_MATTER = re.compile(r"\A---\r?\n(.*?)\r?\n---\s*$", re.DOTALL | re.MULTILINE)
_YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C is quicker, and not everywhere
_CONTENT = "content "
_SHARD = re.compile(r"(.*-)(\d+)-of-(\d+)(\.parquet)")


@dataclass(frozen=True)
class Release:
    """A release whose card was read.

    Attributes:
        source: the directory, or the id of the Hub repository.
        revision: the repository's branch, tag or commit; None for a directory, or for the newest state.
        configs: for each config and split, the paths or glob patterns of its Parquet files, below `source`.
        contents: for each config, what tells its content from that of other releases, as the card says; "" if it does
            not say.
        measurement_version: of the rules by which its skeletons were measured; 0 if the card does not say.
    """

    source: Path | str
    revision: str | None
    configs: Mapping[str, Mapping[str, tuple[str, ...]]]
    contents: Mapping[str, str] = field(default_factory=dict)
    measurement_version: int = 0

    @property
    def name(self) -> str:
        """What to call it elsewhere: the id of the repository, or the last part of the directory's path."""
        return self.source.resolve().name if isinstance(self.source, Path) else self.source

    def splits(self, config: str) -> tuple[str, ...]:
        """The splits of a config, in the card's order.

        Raises:
            UsageError: there is no such config; the message gives the nearest names.
        """
        check_choice("config", config, self.configs)
        return tuple(self.configs[config])

    def files(self, config: str) -> list[Path]:
        """The Parquet files of a config in a release directory; an empty list for a Hub repository.

        Raises:
            ReleaseError: a file is missing; the message names it.
        """
        return list(chain.from_iterable(self.split_files(config).values()))

    def split_files(self, config: str) -> dict[str, list[Path]]:
        """As `files`, for each split by itself."""
        self.splits(config)
        if not isinstance(self.source, Path):
            return {}
        found: dict[str, list[Path]] = {}
        for split, patterns in self.configs[config].items():
            for pattern in patterns:
                files = sorted(self.source.glob(pattern))
                if not files:
                    raise ReleaseError(f"{self.source / pattern} is missing: the release is incomplete")
                _check_shards(files)
                found.setdefault(split, []).extend(files)
        return found

    def load(
        self,
        config: str,
        split: str | None = None,
        *,
        streaming: bool = False,
        conditions: Sequence[Condition] = (),
        cache_dir: str | Path | None = None,
    ) -> Any:
        """A config as `datasets.load_dataset` returns it.

        Args:
            config: one of `configs`.
            split: what `datasets` takes for a split, such as "train[:10%]"; None for a dictionary of all.
            streaming: read rows as they are asked for, and keep nothing on disk.
            conditions: which rows, all of them to be met; row groups whose statistics rule them out are not read.
                A split in which no row meets them is empty, and a share of a split is one of the rows that do.
            cache_dir: where `datasets` keeps the rows that it has read; None for where it always does.

        Raises:
            UsageError: there is no such config or split.
            ReleaseError: a file is missing or damaged.
        """
        import datasets
        from datasets.exceptions import DatasetGenerationError

        names = self.splits(config)
        for part in split.split("+") if split else ():
            check_choice("split", part.partition("[")[0].strip(), [*names, "all"])
        files = self.split_files(config)
        # Named one by one, since `datasets` keeps what it has read under the names and times of the files: of a
        # directory it would only look at the card, and give the old rows after a new build of the same shape.
        data_files = {name: [file.relative_to(self.source).as_posix() for file in part] for name, part in files.items()}
        try:
            with quiet_off_terminal():
                builder = datasets.load_dataset_builder(
                    str(self.source),
                    config,
                    revision=self.revision,
                    data_files=data_files or None,
                    cache_dir=None if cache_dir is None else str(cache_dir),
                    **({"filters": list(conditions)} if conditions else {}),
                )
                if streaming:
                    return builder.as_streaming_dataset(split)
                # The card counts the rows without conditions.
                builder.download_and_prepare(verification_mode="no_checks" if conditions else None)
                return _as_dataset(builder, split)
        except (DatasetGenerationError, pa.ArrowException) as error:
            for file in chain.from_iterable(files.values()):
                for _ in read_row_groups(file):
                    pass
            raise ReleaseError(f"config {config} of {self.source} cannot be read ({first_line(error)})") from error
        except ValueError as error:
            raise UsageError(f"config {config} of {self.source}, split {split}: {first_line(error)}") from error
        except OSError as error:
            raise ReleaseError(f"config {config} of {self.source} cannot be read ({first_line(error)})") from error

    def read(self, config: str) -> pa.Table:
        """A small config whole, as an Arrow table.

        Raises:
            ReleaseError: a file is missing or damaged.
        """
        files = self.files(config)
        if not files:
            splits = self.load(config)
            return pa.concat_tables(split.with_format("arrow")[:] for split in splits.values())
        return pa.concat_tables(read_parquet(file) for file in files)

    def columns(self, config: str) -> tuple[str, ...]:
        """The columns of a config, as its first file has them.

        Raises:
            ReleaseError: the file is missing or damaged.
        """
        return tuple(self.schema(config).names)

    def schema(self, config: str) -> pa.Schema:
        """The columns of a config and their types, as its first file has them.

        Raises:
            ReleaseError: the file is missing or damaged.
        """
        return read_schema(next(iter(self.parquet_files(config).values()))[0])

    def row_groups(self, config: str, columns: Sequence[str]) -> Iterator[tuple[str, pa.Table]]:
        """The rows of a config, a row group at a time, so that memory does not grow with the release.

        Args:
            config: one of `configs`.
            columns: which are read and, from the Hub, fetched.

        Yields:
            The split, and the columns of one row group of it.

        Raises:
            ReleaseError: a file is missing or damaged.
        """
        for split, files in self.parquet_files(config).items():
            for file in files:
                for table in read_row_groups(file, columns):
                    yield split, table

    def find(
        self, config: str, fingerprints: str | Sequence[str], columns: Sequence[str], by: str = "fingerprint"
    ) -> list[dict[str, Any]]:
        """The rows of a fingerprint or of several, in any split; only the row groups that may have them are read.

        Args:
            config: one that has the column `by`.
            fingerprints: what is sought in that column.
            columns: what is wanted of the rows; `by` comes with it.
            by: the column to look in; "normal_fingerprint" for config `architectures`.

        Raises:
            ReleaseError: a file is missing or damaged.
        """
        columns = list(dict.fromkeys((by, *columns)))
        wanted = [fingerprints] if isinstance(fingerprints, str) else list(fingerprints)
        files = self.files(config)
        if files:
            tables = (table for file in files for table in find_rows(file, by, wanted, columns))
            return list(chain.from_iterable(table.to_pylist() for table in tables))
        filters = [(by, "in", wanted)]
        splits = self._load_dataset(config, streaming=True, columns=columns, filters=filters)
        return list(chain.from_iterable(splits.values()))

    def parquet_files(self, config: str) -> Mapping[str, Sequence[Path | str]]:
        """The files of each split of a config, on disk or on the Hub, as `younger_hf.parquet_files` takes them.

        Raises:
            ReleaseError: a file is missing, or the Hub cannot be reached.
        """
        self.splits(config)
        if isinstance(self.source, Path):
            return self.split_files(config)
        return {
            split: [file for pattern in patterns for file in list_on_hub(self.source, self.revision, pattern)]
            for split, patterns in self.configs[config].items()
        }

    def _load_dataset(self, config: str, **options: Any) -> Any:
        import datasets

        return datasets.load_dataset(str(self.source), config, revision=self.revision, **options)


def open_release(source: str | Path, revision: str | None = None) -> Release:
    """Read and check the card of a release.

    Args:
        source: a release directory, or the id of a Hub dataset repository such as `org/younger`. The default,
            "younger", is the directory of that name, or where there is none what YOUNGER_RELEASE is set to.
        revision: the repository's branch, tag or commit.

    Raises:
        ReleaseError: there is no such release, or its card is missing or of another schema version.
    """
    place = locate(source)
    if isinstance(place, str):
        return Release(place, revision, *_read_card(_download_card(place, revision)))
    card = place / CARD
    if not card.is_file():
        raise ReleaseError(f"{card} is missing: {place} is no release, or an incomplete one")
    return Release(place, None, *_read_card(card))


def locate(source: str | Path) -> Path | str:
    """The directory that is meant, or the id of the Hub repository; neither need be a release.

    Raises:
        ReleaseError: there is no such directory, and no repository can be named so.
    """
    named = os.environ.get(SETTING, "")
    if str(source) == DEFAULT_SOURCE and named and not Path(source).exists():
        source = named
    path = Path(source).expanduser()
    if path.is_dir():
        return path
    if path.exists() or not _REPO_ID.fullmatch(str(source)):
        raise ReleaseError(
            f"there is no release directory {source}: say where it is with source=, a directory or the id of a dataset "
            f"on the Hub such as {named or HUB_ID}; or set {SETTING} to that, or build one with `younger-hf build`"
        )
    return str(source)


def open_named(name: str) -> Release:
    """A release by its directory, or by the id of its Hub repository, which may end in `@` and a revision.

    Raises:
        ReleaseError: there is no such release.
    """
    repository, _, revision = name.rpartition("@")
    if repository and not Path(name).expanduser().is_dir():
        return open_release(repository, revision)
    return open_release(name)


def _as_dataset(builder: Any, split: str | None) -> Any:
    """The rows that a builder has prepared; what `datasets` refuses to load, a split without rows, is empty."""
    import datasets

    sizes = {name: info.num_examples for name, info in builder.info.splits.items()}
    if split is None:
        return datasets.DatasetDict({name: _as_dataset(builder, name) for name in sizes})
    spec = "+".join(sizes) if split == "all" else split
    parts = datasets.ReadInstruction.from_spec(spec).to_absolute(sizes)
    if any(part.to > part.from_ for part in parts):
        return builder.as_dataset(spec)
    features = builder.info.features
    return datasets.Dataset.from_dict({name: [] for name in features}, features, split=datasets.NamedSplit(split))


def read_front_matter(card: Path) -> dict[str, Any]:
    """The YAML of a release's card, whatever its schema version.

    Raises:
        ReleaseError: it is not the card of a release.
    """
    try:
        front = _FRONT_MATTER.match(card.read_text(encoding="utf-8"))
        front_matter = yaml.load(front[1], _YAML) if front else None  # noqa: S506 - a safe one
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ReleaseError(f"{card} has no readable YAML front matter ({first_line(error)})") from error
    if not isinstance(front_matter, dict) or SCHEMA_VERSION_KEY not in front_matter:
        raise ReleaseError(f"{card} does not say {SCHEMA_VERSION_KEY}: it is not the card of a release")
    return front_matter


def _read_card(card: Path) -> tuple[dict[str, dict[str, tuple[str, ...]]], dict[str, str], int]:
    """The files of each split of each config, the content of each config, and by which rules it was measured."""
    front_matter = read_front_matter(card)
    version = front_matter[SCHEMA_VERSION_KEY]
    if version != SCHEMA_VERSION:
        raise ReleaseError(
            f"{card} is of schema version {version}, and this younger-hf reads version {SCHEMA_VERSION}: "
            "install the younger-hf that goes with it, or load another revision"
        )
    try:
        configs = {
            entry["config_name"]: {
                files["split"]: (files["path"],) if isinstance(files["path"], str) else tuple(files["path"])
                for files in entry["data_files"]
            }
            for entry in front_matter["configs"]
        }
        described = {entry["config_name"]: str(entry.get("description", "")) for entry in front_matter["configs"]}
    except (KeyError, TypeError) as error:
        raise ReleaseError(f"{card} does not list the splits and files of its configs") from error
    contents = {config: text.removeprefix(_CONTENT) for config, text in described.items()}
    measured = front_matter.get(MEASUREMENT_VERSION_KEY)
    return configs, contents, measured if isinstance(measured, int) else 0


def _download_card(repo_id: str, revision: str | None) -> Path:
    from huggingface_hub import hf_hub_download

    with reading_hub(repo_id, revision):
        return Path(hf_hub_download(repo_id, CARD, repo_type="dataset", revision=revision))


@contextmanager
def reading_hub(repo_id: str, revision: str | None) -> Iterator[None]:
    """What keeps a repository from being read becomes a `ReleaseError` that says so."""
    from huggingface_hub import errors as hub

    try:
        yield
    except hub.GatedRepoError as error:
        raise ReleaseError(f"{repo_id} is gated: ask for access on its Hub page, and log in") from error
    except hub.RevisionNotFoundError as error:
        raise ReleaseError(f"{repo_id} has no revision {revision!r}") from error
    except hub.RepositoryNotFoundError as error:
        raise ReleaseError(f"neither a directory nor a dataset on the Hub is named {repo_id}") from error
    except hub.LocalEntryNotFoundError as error:
        raise ReleaseError(f"{repo_id} is no directory here, and the Hub cannot be reached") from error
    except hub.EntryNotFoundError as error:
        raise ReleaseError(f"{repo_id} has no README.md: it is no release") from error
    except (OSError, hub.HFValidationError) as error:
        raise ReleaseError(f"{repo_id} cannot be read from the Hub ({first_line(error)})") from error


def _check_shards(files: list[Path]) -> None:
    """Find the gap that a glob pattern would pass over: `x-00001-of-00003.parquet` without its neighbours."""
    names = {file.name for file in files}
    for name in sorted(names):
        shard = _SHARD.fullmatch(name)
        if shard:
            stem, width, count, suffix = shard[1], len(shard[2]), shard[3], shard[4]
            for number in range(int(count)):
                expected = f"{stem}{number:0{width}d}-of-{count}{suffix}"
                if expected not in names:
                    raise ReleaseError(f"{files[0].parent / expected} is missing: the release is incomplete")


@contextmanager
def quiet_off_terminal() -> Iterator[None]:
    """Keep the bars of `datasets` and huggingface_hub to terminals."""
    import datasets
    from huggingface_hub.utils import (  # type: ignore[attr-defined] # it names them without marking them as exported
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    switches = [
        (disable, enable)
        for is_disabled, disable, enable in (
            (datasets.are_progress_bars_disabled, datasets.disable_progress_bars, datasets.enable_progress_bars),
            (are_progress_bars_disabled, disable_progress_bars, enable_progress_bars),
        )
        if not sys.stderr.isatty() and not is_disabled()
    ]
    for disable, _ in switches:
        disable()
    try:
        yield
    finally:
        for _, enable in switches:
            enable()

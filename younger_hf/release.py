"""A release as it lies on disk or on the Hub: its card says which configs, splits and files it has.

In goes a directory or the id of a Hub repository; out comes a `Release` whose card was read and checked, and
from it a config as `datasets` loads it. What is then done with the rows is `younger_hf.dataset`'s business.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from textwrap import shorten
from typing import Any, Final

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from datasets.exceptions import DatasetGenerationError
from huggingface_hub import errors as hub
from huggingface_hub import hf_hub_download

from younger_hf.choices import check_choice
from younger_hf.errors import ReleaseError, UsageError
from younger_hf.schema import SCHEMA_VERSION

SCHEMA_VERSION_KEY: Final = "younger_schema_version"

_REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_FRONT_MATTER = re.compile(r"\A---\r?\n(.*?)\r?\n---\s*$", re.DOTALL | re.MULTILINE)
_SHARD = re.compile(r"(.*-)(\d+)-of-(\d+)(\.parquet)")


@dataclass(frozen=True)
class Release:
    """A release whose card was read.

    Attributes:
        source: the directory, or the id of the Hub repository.
        revision: the repository's branch, tag or commit; None for a directory, or for the newest state.
        configs: for each config and split, the paths or glob patterns of its Parquet files, below `source`.
    """

    source: Path | str
    revision: str | None
    configs: Mapping[str, Mapping[str, tuple[str, ...]]]

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

    def load(self, config: str, split: str | None = None, *, streaming: bool = False) -> Any:
        """A config as `datasets.load_dataset` returns it.

        Args:
            config: one of `configs`.
            split: what `datasets` takes for a split, such as "train[:10%]"; None for a dictionary of all.
            streaming: read rows as they are asked for, and keep nothing on disk.

        Raises:
            UsageError: there is no such config or split.
            ReleaseError: a file is missing or damaged.
        """
        names = self.splits(config)
        for part in split.split("+") if split else ():
            check_choice("split", part.partition("[")[0].strip(), [*names, "all"])
        files = self.split_files(config)
        # Named one by one, since `datasets` keeps what it has read under the names and times of the files: of a
        # directory it would only look at the card, and give the old rows after a new build of the same shape.
        data_files = {name: [file.relative_to(self.source).as_posix() for file in part] for name, part in files.items()}
        try:
            with _quiet_off_terminal():
                return self._load_dataset(config, data_files=data_files or None, split=split, streaming=streaming)
        except (DatasetGenerationError, pa.ArrowException) as error:
            for file in chain.from_iterable(files.values()):
                _check_readable(file)
            raise ReleaseError(f"config {config} of {self.source} cannot be read ({_reason(error)})") from error
        except ValueError as error:
            raise UsageError(f"config {config} of {self.source}, split {split}: {_reason(error)}") from error
        except OSError as error:
            raise ReleaseError(f"config {config} of {self.source} cannot be read ({_reason(error)})") from error

    def read(self, config: str) -> pa.Table:
        """A small config whole, as an Arrow table.

        Raises:
            ReleaseError: a file is missing or damaged.
        """
        files = self.files(config)
        if not files:
            splits = self.load(config)
            return pa.concat_tables(split.with_format("arrow")[:] for split in splits.values())
        return pa.concat_tables(_read_parquet(file) for file in files)

    def find(self, config: str, fingerprint: str, columns: Sequence[str]) -> list[dict[str, Any]]:
        """The rows of a fingerprint, in any split; only the row groups that may have them are read.

        Args:
            config: one with a column `fingerprint`.
            fingerprint: of an architecture.
            columns: what is wanted of the rows; `fingerprint` comes with it.

        Raises:
            ReleaseError: a file is missing or damaged.
        """
        wanted = [("fingerprint", "==", fingerprint)]
        columns = list(dict.fromkeys(("fingerprint", *columns)))
        files = self.files(config)
        if files:
            tables = (_read_parquet(file, columns=columns, filters=wanted) for file in files)
            return list(chain.from_iterable(table.to_pylist() for table in tables))
        splits = self._load_dataset(config, streaming=True, columns=columns, filters=wanted)
        return list(chain.from_iterable(splits.values()))

    def _load_dataset(self, config: str, **options: Any) -> Any:
        return datasets.load_dataset(str(self.source), config, revision=self.revision, **options)


def open_release(source: str | Path, revision: str | None = None) -> Release:
    """Read and check the card of a release.

    Args:
        source: a release directory, or the id of a Hub dataset repository such as `org/younger`.
        revision: the repository's branch, tag or commit.

    Raises:
        ReleaseError: there is no such release, or its card is missing or of another schema version.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        card = path / "README.md"
        if not card.is_file():
            raise ReleaseError(f"{card} is missing: {path} is no release, or an incomplete one")
        return Release(path, None, _read_card(card))
    if path.exists() or not _REPO_ID.fullmatch(str(source)):
        raise ReleaseError(
            f"there is no release directory {source}: build one with `younger-hf build`, "
            "or name a repository on the Hub as organisation/name"
        )
    return Release(str(source), revision, _read_card(_download_card(str(source), revision)))


def _read_card(card: Path) -> dict[str, dict[str, tuple[str, ...]]]:
    try:
        front = _FRONT_MATTER.match(card.read_text(encoding="utf-8"))
        front_matter = yaml.safe_load(front[1]) if front else None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ReleaseError(f"{card} has no readable YAML front matter ({_reason(error)})") from error
    if not isinstance(front_matter, dict) or SCHEMA_VERSION_KEY not in front_matter:
        raise ReleaseError(f"{card} does not say {SCHEMA_VERSION_KEY}: it is not the card of a release")
    version = front_matter[SCHEMA_VERSION_KEY]
    if version != SCHEMA_VERSION:
        raise ReleaseError(
            f"{card} is of schema version {version}, and this younger-hf reads version {SCHEMA_VERSION}: "
            "install the younger-hf that goes with it, or load another revision"
        )
    try:
        return {
            entry["config_name"]: {
                files["split"]: (files["path"],) if isinstance(files["path"], str) else tuple(files["path"])
                for files in entry["data_files"]
            }
            for entry in front_matter["configs"]
        }
    except (KeyError, TypeError) as error:
        raise ReleaseError(f"{card} does not list the splits and files of its configs") from error


def _download_card(repo_id: str, revision: str | None) -> Path:
    try:
        return Path(hf_hub_download(repo_id, "README.md", repo_type="dataset", revision=revision))
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
        raise ReleaseError(f"{repo_id} cannot be read from the Hub ({_reason(error)})") from error


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


def _check_readable(file: Path) -> None:
    with _unreadable(file), pq.ParquetFile(file) as parquet:
        for group in range(parquet.num_row_groups):
            parquet.read_row_group(group)


def _read_parquet(file: Path, **options: Any) -> pa.Table:
    with _unreadable(file):
        return pq.read_table(file, **options)


@contextmanager
def _unreadable(file: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise ReleaseError(f"{file} is damaged ({_reason(error)}): fetch or build it again") from error


@contextmanager
def _quiet_off_terminal() -> Iterator[None]:
    quiet = not sys.stderr.isatty() and not datasets.are_progress_bars_disabled()
    if quiet:
        datasets.disable_progress_bars()
    try:
        yield
    finally:
        if quiet:
            datasets.enable_progress_bars()


def _reason(error: BaseException) -> str:
    """The first line of the innermost error, which is the one that says what happened."""
    while error.__cause__ is not None:
        error = error.__cause__
    return shorten((str(error).strip() or type(error).__name__).splitlines()[0], 300)

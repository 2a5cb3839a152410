"""Contributions for the next release: the files that wait in a release's repository go in, `ModelRef` come out.

In: `contributions:ORG/NAME`, a dataset repository, or `contributions:DIRECTORY`, a release; every Parquet file in the
folder `contributions` is one model. What is in a pull request that nobody has merged is not there. Out: one page, the
models named as their files name them. A file that is no contribution is a model that says why it is refused. Only the
provenance is read here; what the skeleton is, is seen where it is converted: in a child process with limits.

The files are gone from their repository once a release has them, from which a new ledger takes them over like every
other model. They are kept in the directory that the query names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from builders.crawl.source import Page, Query, Source
from builders.model_ref import ModelRef
from younger_hf.errors import UsageError, YoungerError
from younger_hf.text import plain
from younger_hf.whole_files import write_whole

if TYPE_CHECKING:
    from younger_hf.release import Release

_Found = Mapping[str, tuple[int, Callable[[], bytes]]]
"""By name: how many bytes a file has, as far as that is known, and what reads it."""

_FILE: Final = re.compile(r"[0-9a-f]{32}-[0-9a-f]{8}\.parquet")
_LONGEST_NAME: Final = 80


def pages(query: Query) -> Iterator[Page]:
    """The contributions in the release directory or the Hub repository that is selected.

    Raises:
        UsageError: nothing is selected, or there is no ledger to keep their files.
        ReleaseError: there is no such release, or the Hub does not answer.
        YoungerError: a file cannot be read or kept.
    """
    from builders.contribution import FOLDER
    from younger_hf.release import open_release

    if not query.selection or query.directory is None:
        raise UsageError(f"{query.source} needs a release, {query.source}:ORG/NAME, and a ledger to keep its files")
    kept = query.directory
    release = open_release(query.selection)
    files = _waiting(release, FOLDER)
    yield Page(tuple(_model(query.source, name, *files[name], kept) for name in sorted(files)))


SOURCE: Final = Source(pages, "ORG/NAME or DIRECTORY", converter="contribution")


def _waiting(release: Release, folder: str) -> _Found:
    """Those that wait to be taken in."""
    from huggingface_hub import HfFileSystem

    from younger_hf.parquet_files import unreadable

    if isinstance(release.source, Path):
        here = [file for file in (release.source / folder).glob("*.parquet") if file.is_file()]
        return {file.name: (file.stat().st_size, file.read_bytes) for file in here}
    hub = HfFileSystem(skip_instance_cache=True)  # another may remember a listing from before a merge
    with unreadable(f"{folder} of {release.source}"):
        found: Any = hub.glob(f"datasets/{release.source}/{folder}/*.parquet", detail=True)

    def read(path: str) -> bytes:
        with unreadable(path):
            return bytes(hub.cat_file(path))

    return {PurePosixPath(path).name: (int(info["size"]), partial(read, path)) for path, info in found.items()}


def _model(source: str, name: str, size: int, read: Callable[[], bytes], kept: Path) -> ModelRef:
    """The model of one file, which is kept; or why there is none."""
    from builders.contribution import MOST_BYTES, InvalidContributionError, read_contribution

    nobody = ModelRef(source, plain(name, _LONGEST_NAME), origin="contributed")
    if not _FILE.fullmatch(name):
        return replace(nobody, refused="its file is not named as contributions are")
    if size > MOST_BYTES:
        return replace(nobody, refused=f"its file has {size:,} bytes, and at most {MOST_BYTES:,} are taken")
    stamp = ""
    try:
        content = read()
        stamp = blake2b(content, digest_size=16).hexdigest()
        file = kept.resolve() / name
        write_whole(file, content)
        model = read_contribution(file).model
    except InvalidContributionError as error:
        return replace(nobody, refused=f"its file {error}", stamp=stamp)
    except OSError as error:
        raise YoungerError(f"the contribution {name} cannot be read ({error.strerror})") from error
    return replace(model, location=str(file), stamp=stamp)

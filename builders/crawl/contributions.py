"""Contributions that wait in a release's repository for the next release: files there go in, `ModelRef` come out.

In: `contributions:ORG/NAME`, a dataset repository, or `contributions:DIRECTORY`, a release; every Parquet file in the
folder `contributions` is one model. What is in a pull request that nobody has merged is not there. Out: one page, the
models named as their files name them. A file that is no contribution is a model that says why it is refused. Only the
provenance is read here; what the skeleton is, is seen where it is converted: in a child process with limits.

Files are kept in the ledger's directory, since their repository loses them once a release has them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import Any, Final

from builders.crawl.model_ref import ModelRef
from builders.crawl.page import Page, Query
from younger_hf.errors import UsageError, YoungerError
from younger_hf.text import plain

_FILE: Final = re.compile(r"[0-9a-f]{32}-[0-9a-f]{8}\.parquet")
_LONGEST_NAME: Final = 80


def models(query: Query) -> Iterator[Page]:
    """The contributions in the release directory or the Hub repository that is selected.

    Raises:
        UsageError: nothing is selected, or there is no ledger to keep their files.
        ReleaseError: there is no such release, or the Hub does not answer.
        YoungerError: a file cannot be read or kept.
    """
    from builders.contribution import FOLDER

    if not query.selection or query.work is None:
        raise UsageError(f"{query.source} needs a release, {query.source}:ORG/NAME, and a ledger to keep its files")
    kept = query.work / FOLDER
    files = _files(query.selection, FOLDER)
    yield Page(tuple(_model(query.source, name, *files[name], kept) for name in sorted(files)))


def _files(source: str, folder: str) -> Mapping[str, tuple[int, Callable[[], bytes]]]:
    """The size of each file by its name, and what reads it."""
    from huggingface_hub import HfFileSystem

    from younger_hf.parquet_files import unreadable
    from younger_hf.release import open_release

    release = open_release(source)
    if isinstance(release.source, Path):
        here = [file for file in (release.source / folder).glob("*.parquet") if file.is_file()]
        return {file.name: (file.stat().st_size, file.read_bytes) for file in here}
    hub = HfFileSystem(skip_instance_cache=True)  # another may remember a listing from before a merge
    with unreadable(f"{folder} of {source}"):
        found: Any = hub.glob(f"datasets/{source}/{folder}/*.parquet", detail=True)

    def reader(path: str) -> Callable[[], bytes]:
        def read() -> bytes:
            with unreadable(path):
                return bytes(hub.cat_file(path))

        return read

    return {PurePosixPath(path).name: (int(info["size"]), reader(path)) for path, info in found.items()}


def _model(source: str, name: str, size: int, read: Callable[[], bytes], kept: Path) -> ModelRef:
    """The model of one file, which is kept; or why there is none."""
    from builders.contribution import MOST_BYTES, InvalidContributionError, read_contribution

    nobody = ModelRef(source, plain(name, _LONGEST_NAME), origin="contributed")
    if not _FILE.fullmatch(name):
        return replace(nobody, refused="its file is not named as contributions are")
    if size > MOST_BYTES:
        return replace(nobody, refused=f"its file has {size:,} bytes, and at most {MOST_BYTES:,} are taken")
    try:
        content = read()
        kept.mkdir(parents=True, exist_ok=True)
        unfinished = kept / "unfinished"
        unfinished.write_bytes(content)
        file = unfinished.replace(kept.resolve() / name)
    except OSError as error:
        raise YoungerError(f"the contribution {name} cannot be read or kept ({error.strerror})") from error
    stamp = blake2b(content, digest_size=16).hexdigest()
    try:
        model = read_contribution(file, skeleton=False).model
    except InvalidContributionError as error:
        return replace(nobody, refused=f"its file {error}", stamp=stamp)
    return replace(model, location=str(file), stamp=stamp)

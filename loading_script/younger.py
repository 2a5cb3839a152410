"""Younger as a `datasets.DatasetBuilder`: a script for `datasets` 3, and a class to use directly with any version.

    load_dataset("loading_script/younger.py", "graphs", data_dir="younger", trust_remote_code=True)  # datasets 3
    Younger(config_name="graphs", repo_id="org/younger").as_streaming_dataset("train")
    Younger(config_name="graphs", work="work").download_and_prepare()

In goes where a release is, or the work directory of a ledger, which is assembled first; out come its configs and
splits as its card lists them. A release needs none of this (`load_dataset("younger", "graphs")` reads it), and on the
Hub this file must not be: `datasets` refuses a repository that has it.
"""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import Any

import datasets
from datasets.packaged_modules.parquet.parquet import Parquet, ParquetConfig

from younger_hf import __version__
from younger_hf.errors import MissingExtraError, UsageError
from younger_hf.release import open_release
from younger_hf.schema import CONFIGS, DEFAULT_CONFIG


class Younger(Parquet):  # type: ignore[misc] # `datasets` has no types
    """A config of a release. Its files are Parquet, so that `columns` and `filters` work as they do there.

    Args:
        config_name: one of `younger_hf.schema.CONFIGS`.
        data_dir: a release directory; `younger` where no other place is given.
        repo_id: or the id of a dataset repository on the Hub.
        repo_revision: the repository's branch, tag or commit; `load_dataset` keeps the name `revision` for itself.
        work: or the work directory of a ledger. The release that it makes is kept in the cache.
        cache_dir: as for `datasets.DatasetBuilder`.
        options: whatever else `datasets.DatasetBuilder` takes.

    Raises:
        UsageError: there is no such config, or more than one place is given.
        ReleaseError: there is no such release, or it is damaged or of another schema version.
        MissingExtraError: a ledger is given, and the pipeline's packages are not installed.
        YoungerError: nothing can be assembled from the ledger.
    """

    BUILDER_CONFIGS = [ParquetConfig(name=config) for config in CONFIGS]  # noqa: RUF012 - as `datasets` declares it
    DEFAULT_CONFIG_NAME = DEFAULT_CONFIG

    def __init__(
        self,
        *,
        config_name: str | None = None,
        data_dir: str | None = None,
        repo_id: str | None = None,
        repo_revision: str | None = None,
        work: str | None = None,
        cache_dir: str | None = None,
        **options: Any,
    ) -> None:
        if options.get("data_files") or sum(place is not None for place in (data_dir, repo_id, work)) > 1:
            raise UsageError("give one place: data_dir, repo_id or work; the files are those that its card lists")
        if work is not None:
            data_dir = str(_assembled(Path(work), Path(cache_dir or datasets.config.HF_DATASETS_CACHE).expanduser()))
        release = open_release(repo_id or data_dir or "younger", repo_revision)
        config = config_name or DEFAULT_CONFIG
        release.splits(config)
        found = datasets.load_dataset_builder(str(release.source), config, revision=repo_revision)
        if options.get("filters") is not None:
            found.info.splits = None  # the card counts the rows without filters
        # Files that are named are what the cache tells rows by that were prepared before.
        options |= {"info": found.info, "data_files": found.config.data_files, "repo_id": found.repo_id}
        super().__init__(config_name=config, cache_dir=cache_dir, **options)


def _assembled(work: Path, cache: Path) -> Path:
    """The release of a ledger, assembled anew when the ledger has changed or this package has."""
    try:
        from builders.assemble import assemble
        from builders.ledger import Ledger
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "build") from error
    with Ledger(work, read_only=True) as ledger:
        files = [file for file in (ledger.path, ledger.path.with_name(f"{ledger.path.name}-wal")) if file.exists()]
        state = [__version__, *((str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files)]
        release = cache / "younger-assembled" / blake2b(repr(state).encode(), digest_size=16).hexdigest() / "younger"
        if not release.exists():
            release.parent.mkdir(parents=True, exist_ok=True)
            assemble(ledger, release)
    return release

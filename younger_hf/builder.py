"""Younger as a `datasets.DatasetBuilder`, for those who need the class itself.

    from younger_hf.builder import Younger

    Younger(config_name="graphs", data_dir="younger").as_streaming_dataset("train")
    Younger(config_name="graphs", repo_id="organisation/younger").download_and_prepare()

In goes where a release is; out come its configs and splits as its card lists them. Reading a release needs none of
this: `datasets.load_dataset("younger", "graphs")` and `younger_hf.load` do.
"""

from __future__ import annotations

from typing import Any

import datasets
from datasets.packaged_modules.parquet.parquet import Parquet, ParquetConfig

from younger_hf.errors import UsageError
from younger_hf.release import open_release
from younger_hf.schema import CONFIGS, DEFAULT_CONFIG


class Younger(Parquet):  # type: ignore[misc] # `datasets` has no types
    """A config of a release. Its files are Parquet, so that `columns` and `filters` work as they do there.

    Args:
        config_name: one of `younger_hf.schema.CONFIGS`.
        data_dir: a release directory; `younger` where no repository is given either.
        repo_id: or the id of a dataset repository on the Hub.
        repo_revision: the repository's branch, tag or commit; `load_dataset` keeps the name `revision` for itself.
        options: whatever else `datasets.DatasetBuilder` takes.

    Raises:
        UsageError: there is no such config, or more than one place is given.
        ReleaseError: there is no such release, or it is damaged or of another schema version.
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
        **options: Any,
    ) -> None:
        if options.get("data_files") or (data_dir is not None and repo_id is not None):
            raise UsageError("give one place: data_dir or repo_id; the files are those that its card lists")
        release = open_release(repo_id or data_dir or "younger", repo_revision)
        config = config_name or DEFAULT_CONFIG
        release.splits(config)
        found = datasets.load_dataset_builder(str(release.source), config, revision=repo_revision)
        if options.get("filters") is not None:
            found.info.splits = None  # the card counts the rows without filters
        # Files that are named are what the cache tells rows by that were prepared before; without a name of its own,
        # `datasets` would call the dataset after this module.
        named = {"dataset_name": options.get("dataset_name") or "younger"}
        options |= {**named, "info": found.info, "data_files": found.config.data_files, "repo_id": found.repo_id}
        super().__init__(config_name=config, **options)

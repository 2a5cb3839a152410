"""`YoungerDataset`: a config as a dataset of PyTorch Geometric that fetches itself and knows its splits.

In goes a directory, a config and what is to be learned; out come all rows of the config as `ArchitectureData`, and the
positions of each split.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Final

import datasets
import numpy as np

from younger_hf.choices import check_choice
from younger_hf.dataset import load
from younger_hf.errors import MissingExtraError
from younger_hf.labels import check_classes_are_shared
from younger_hf.local_copy import fetch_release
from younger_hf.schema import DEFAULT_CONFIG, SPLITS

try:
    import torch
except ImportError as error:
    raise MissingExtraError(error.name or "torch", "pyg") from error

from younger_hf.interop.pyg import ArchitectureDataset, Transform
from younger_hf.interop.targets import Names

_INDEX_NAMES: Final = {"train": "train", "validation": "valid", "test": "test", "unseen": "unseen"}
"""The splits as OGB has them."""
_VOCABULARY_CONFIG: Final = "operators"


class YoungerDataset(ArchitectureDataset):
    """All rows of a config as `ArchitectureData`, fetched on first use, with the positions of each split.

        dataset = YoungerDataset("data", "graphs", target="task", split_scheme="stratified")
        split = dataset.get_idx_split()
        DataLoader(dataset[split["train"]], batch_size=32, shuffle=True)

    Args:
        root: the directory for what is fetched and for the Arrow files that `datasets` makes of it.
        config: one whose rows are graphs.
        source: the release: the id of a Hub dataset repository, of which the config is fetched to `root` once, or a
            release directory, which is read where it is.
        revision: the repository's branch, tag or commit.
        split_scheme: as for `load`.
        vocabulary: the ids in `x`: "operator" or "variant".
        target: the column or columns that become `y`, as for `to_pyg`. Rows without it are left out.
        transform: applied to each `ArchitectureData` on access.
        force_reload: look up what the repository has now, and fetch what changed.
        filters: filters of `load`, such as `max_nodes=1000`.

    Attributes:
        release: the release directory that is read.
        vocabulary_size, num_classes, classes: as for `to_pyg(dataset)`.

    Raises:
        UsageError: no such config, split scheme or column; or families are to be learned in the family scheme, where
            no class is in two splits.
        ReleaseError: there is no such release, it cannot be fetched, or it is damaged.
    """

    def __init__(
        self,
        root: str | Path,
        config: str = DEFAULT_CONFIG,
        *,
        source: str | Path = "younger",
        revision: str | None = None,
        split_scheme: str = "family",
        vocabulary: str = "operator",
        target: Names = None,
        transform: Transform | None = None,
        force_reload: bool = False,
        **filters: Any,
    ) -> None:
        columns = [target] if isinstance(target, str) else list(target or ())
        if split_scheme == "family":
            for column in columns:
                check_classes_are_shared(column, "validation+test")
        root = Path(root).expanduser()
        # Classes are those of the default config, and ids are what config `operators` says.
        needed = dict.fromkeys((config, _VOCABULARY_CONFIG, *([DEFAULT_CONFIG] if columns else [])))
        release = fetch_release(root, source, revision, list(needed), force=force_reload)
        loaded = load(config, None, release.source, split_scheme=split_scheme, cache_dir=root / "arrow", **filters)
        parts = {split: _having(loaded[split], columns) for split in SPLITS if split in loaded}
        bounds = pairwise(accumulate((len(part) for part in parts.values()), initial=0))
        self._bounds = dict(zip(parts, bounds, strict=True))
        rows = datasets.concatenate_datasets(list(parts.values()))
        super().__init__(rows, vocabulary, transform, target, release.source)
        self.root = str(root)
        self.config, self.split_scheme, self.release = config, split_scheme, Path(release.source)

    def get_idx_split(self) -> dict[str, torch.Tensor]:
        """The positions of the rows of each split, as OGB's datasets give them.

        Returns:
            int64 [R] each, by "train", "valid", "test" and, in the family scheme, "unseen": rows with an operator that
            train does not have. Empty for a split without rows.
        """
        names = [split for split in SPLITS if split in self._bounds or split != "unseen"]
        return {_INDEX_NAMES[split]: torch.arange(*self._bounds.get(split, (0, 0))) for split in names}


def _having(rows: datasets.Dataset, columns: list[str]) -> datasets.Dataset:
    """The rows that have a value in every column."""
    for column in columns:
        check_choice("column", column, rows.column_names)
        missing = np.array([value is None for value in rows[column]], dtype=bool)
        if missing.any():
            rows = rows.select(np.flatnonzero(~missing))
    return rows

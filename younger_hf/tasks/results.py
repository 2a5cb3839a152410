"""Targets that stand in configs `measurements` and `evaluations`: how long a graph takes, and what it reaches.

In go rows of `graphs` and their release; out come the same rows with a column of the target, null where nothing is
known.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any, Final

from younger_hf.errors import UsageError
from younger_hf.release import Release

RESULTS: Final = ("latency", "top1", "top5")
"""Seconds of a forward pass, in the setting (device, processor, threads, runtime and version) that most graphs were
measured in; and published accuracies in per cent, on the dataset and split that most graphs have one of, of several
weights and image sizes the highest."""

_SETTING: Final = ("device", "processor", "threads", "runtime", "version")


def with_result(rows: Any, release: Release, target: str) -> Any:
    """Rows of `graphs`, with attributes or without, and a column of a target.

    Args:
        rows: a `datasets.Dataset` of R rows.
        release: that of the rows.
        target: one of `RESULTS`.

    Raises:
        UsageError: the release has no such results.
        ReleaseError: a file is missing or damaged.
    """
    config = "measurements" if target == "latency" else "evaluations"
    if config not in release.configs:
        command = "younger-hf measure" if target == "latency" else "younger-hf import-results"
        raise UsageError(f"{release.source} has no {config}: {command} makes them, for a build to take in")
    known = _latencies(release) if target == "latency" else _highest(release, target)
    names = "fingerprints" if "fingerprints" in rows.column_names else "fingerprint"
    column = rows.with_format(None)[names]
    graphs = column if names == "fingerprints" else ([name] for name in column)
    values = [next((known[name] for name in of_row if name in known), None) for of_row in graphs]
    # Typed, since a split may have none.
    from datasets import Value

    return rows.add_column(target, values, feature=Value("float64"))


def _latencies(release: Release) -> Mapping[str, float]:
    by_setting: dict[tuple[str, ...], dict[str, float]] = defaultdict(dict)
    for _, table in release.row_groups("measurements", ["fingerprint", *_SETTING, "median"]):
        for row in table.to_pylist():
            if row["median"] is not None:
                by_setting[tuple(str(row[name]) for name in _SETTING)][row["fingerprint"]] = row["median"]
    return _most(by_setting)


def _highest(release: Release, metric: str) -> Mapping[str, float]:
    by_dataset: dict[tuple[str, ...], dict[str, float]] = defaultdict(dict)
    for _, table in release.row_groups("evaluations", ["fingerprint", "dataset", "split", "metric", "value"]):
        for row in table.to_pylist():
            if row["metric"] == metric:
                of_dataset = by_dataset[str(row["dataset"]), str(row["split"])]
                of_dataset[row["fingerprint"]] = max(row["value"], of_dataset.get(row["fingerprint"], 0.0))
    return _most(by_dataset)


def _most(by_setting: Mapping[tuple[str, ...], dict[str, float]]) -> Mapping[str, float]:
    """What the setting has that has most; of two the first by name."""
    counts = Counter({setting: len(values) for setting, values in by_setting.items()})
    if not counts:
        return {}
    return by_setting[min(counts, key=lambda setting: (-counts[setting], setting))]

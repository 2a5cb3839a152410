"""Whether a directory may be published as a release: complete, of this schema, without weights, and nothing besides.

In goes a directory; out come the paths of its files. What is wrong is told of the first file that has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from builders.assemble.write.features import arrow_schema, card_features
from builders.assemble.write.swap import BESIDE
from builders.contribution import FOLDER
from builders.removals import REMOVALS
from younger_hf.errors import ReleaseError
from younger_hf.extract.weightless import find_weights
from younger_hf.parquet_files import unreadable
from younger_hf.release import Release, open_release, read_front_matter
from younger_hf.schema import CONFIGS, DEFAULT_CONFIG, features
from younger_hf.vocabulary import Vocabulary

CARD: Final = "README.md"

NOT_PUBLISHED: Final = (".gitattributes", ".cache/huggingface/*", REMOVALS, f"{FOLDER}/*")
"""What may lie in the directory and is the repository's own, or this machine's: notes of downloads.

What is to be removed is published where it is more than the repository knows, see `builders.publish.removed_models`.
"""

_NECESSARY: Final = (DEFAULT_CONFIG, "operators")


def check_release(directory: Path) -> tuple[str, ...]:
    """Check a release before it is published.

    Args:
        directory: the release.

    Returns:
        The paths of the files that make it up, below the directory, sorted.

    Raises:
        ReleaseError: it is not a release, not complete, contradicts its card, or holds what must not be published.
    """
    if not directory.is_dir():
        raise ReleaseError(f"there is no release directory {directory}: build one with `younger-hf build`")
    release = open_release(directory)
    front_matter = read_front_matter(directory / CARD)
    _check_configs(release, front_matter)
    operators = Vocabulary.load(directory).operators
    described = {entry.get("config_name"): entry for entry in listed(front_matter, "dataset_info")}
    parts = {config: release.split_files(config) for config in release.configs}
    for config, splits in parts.items():
        _check_config(directory, config, splits, described.get(config), operators)
    files = {file.relative_to(directory).as_posix() for of in parts.values() for part in of.values() for file in part}
    files |= {CARD, *_find_beside(directory, files)}
    if "skeletons" in release.configs:
        _check_weightless(release)
    return tuple(sorted(files))


def _check_configs(release: Release, front_matter: dict[str, Any]) -> None:
    card = f"{release.source}/{CARD}"
    for config in _NECESSARY:
        if config not in release.configs:
            raise ReleaseError(f"{card} does not list config {config}: the release is incomplete")
    if foreign := sorted(set(release.configs) - set(CONFIGS)):
        raise ReleaseError(f"{card} lists config {foreign[0]}, which is none of Younger's")
    default = [entry["config_name"] for entry in listed(front_matter, "configs") if entry.get("default")]
    if default != [DEFAULT_CONFIG]:
        raise ReleaseError(f"{card} must have `default: true` at config {DEFAULT_CONFIG} and at no other")


def _check_config(
    directory: Path, config: str, splits: dict[str, list[Path]], described: Any, operators: tuple[str, ...]
) -> None:
    """The files of a config against its features and against what the card says of it."""
    card = directory / CARD
    expected = features(config, operators)
    if not isinstance(described, dict) or described.get("features") != card_features(expected):
        raise ReleaseError(f"{card} does not give the features of config {config} as this younger-hf writes them")
    counts = {entry.get("name"): entry.get("num_examples") for entry in listed(described, "splits")}
    if set(counts) != set(splits):
        raise ReleaseError(f"{card} does not give the same splits of config {config} as files and as sizes")
    for split, files in splits.items():
        rows = sum(_count_rows(file, arrow_schema(expected)) for file in files)
        if rows != counts[split]:
            raise ReleaseError(f"{files[0]} has {rows:,} rows with its shards, and {card} says {counts[split]}")
    size = sum(file.stat().st_size for files in splits.values() for file in files)
    if described.get("download_size") != size:
        raise ReleaseError(
            f"the files of config {config} have {size:,} bytes, and {card} says {described.get('download_size')}: "
            "they are not of one build"
        )


def _count_rows(file: Path, schema: pa.Schema) -> int:
    with unreadable(file), pq.ParquetFile(file) as parquet:
        found = parquet.schema_arrow
        if not found.equals(schema) or found.metadata != schema.metadata:
            raise ReleaseError(f"{file} does not have the columns of its config, or another vocabulary")
        return int(parquet.metadata.num_rows)


def _find_beside(directory: Path, files: set[str]) -> Iterator[str]:
    """The files that are not Parquet; anything that is not a release's is refused."""
    for file in sorted(directory.rglob("*")):
        path = file.relative_to(directory).as_posix()
        if file.is_dir() or path in files or path == CARD or _matches(path, NOT_PUBLISHED):
            continue
        if file.suffix == ".py":
            raise ReleaseError(f"{file} must not be published: `datasets` refuses a repository with a loading script")
        if not _matches(path, BESIDE):
            raise ReleaseError(f"{file} is no part of the release: move it away")
        yield path


def _check_weightless(release: Release) -> None:
    """Every skeleton, a row group in memory at a time."""
    columns = ["skeleton_fingerprint", "onnx"]
    with tqdm(desc="check skeletons", unit="skeleton", disable=None) as progress:
        for _, part in release.row_groups("skeletons", columns):
            for fingerprint, skeleton in zip(*(part.column(column) for column in columns), strict=True):
                if found := find_weights(skeleton.as_buffer().to_pybytes()):
                    raise ReleaseError(f"skeleton {fingerprint} of {release.source} {found}: it must not be published")
                progress.update()


def _matches(path: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def listed(mapping: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """A list of mappings out of YAML, where anything may stand."""
    value = mapping.get(name)
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []

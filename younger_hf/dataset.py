"""A release as a plain `datasets.Dataset`, and its rows as `OperatorGraph`s and back.

`load` takes the name of a config and gives what `datasets.load_dataset` gives; `to_graph` takes a row of it;
`to_columns` gives the columns of a row that are the graph itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Final, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from younger_hf.choices import check_choice
from younger_hf.conventions import DEFAULT_CONFIG
from younger_hf.errors import UsageError
from younger_hf.filters import Names, column_conditions, having_operators, operator_ids
from younger_hf.graph import GraphMetadata, InvalidGraphError, OperatorGraph
from younger_hf.release import Condition, Release, open_release
from younger_hf.vocabulary import Vocabulary

SCHEME_COLUMNS: Final = {"paper": "paper_split", "stratified": "stratified_split"}
"""The split schemes beside that by family, and the column that has the split of each row by it."""
SPLIT_SCHEMES: Final = ("family", *SCHEME_COLUMNS)

_SCHEME_SPLITS: Final = ("train", "validation", "test")


def load(
    config: str = DEFAULT_CONFIG,
    split: str | None = None,
    source: str | Path = "younger",
    *,
    revision: str | None = None,
    streaming: bool = False,
    split_scheme: str = "family",
    name: Names = None,
    hub: Names = None,
    task: Names = None,
    family: Names = None,
    backbone: Names = None,
    origin: Names = None,
    license: Names = None,  # noqa: A002 - the name of the column
    min_nodes: SupportsIndex | None = None,
    max_nodes: SupportsIndex | None = None,
    operators: Names = None,
    all_operators: Names = None,
    cache_dir: str | Path | None = None,
) -> Any:
    """Load a config of a release, or the rows that pass filters.

        load("graphs", "train", max_nodes=300, task=["image-classification", "object-detection"])
        load("graphs", "train", all_operators=["Conv", "Softmax"], streaming=True)

    A row is loaded if it passes every filter. A filter by name takes one name or a list of alternatives, and compares
    them with the row's column of that name, which describes its representative model. All filters except those by
    operator are pushed down to the Parquet files, so that only row groups that can match are read; for the number of
    nodes these are few, because rows are sorted by size.

    The result is an ordinary dataset. To push it to the Hub, name each config, the default first:
    `load("graphs").push_to_hub("me/mine", "graphs", set_default=True)`, then the others without `set_default`.
    (`datasets` up to 5.2 forgets the default when that config is pushed again; push it a second time.
    `younger-hf publish` replaces a whole release at once.)

    Args:
        config: "graphs", "graphs-no-attributes", "sample", "operators", "skeletons", or another config listed in
            the release's card.
        split: "train", "validation", "test" or "unseen"; with the family scheme also slices and unions as in
            `datasets`, such as "train[:10%]" or "train+test" (a percentage refers to the rows that pass the filters
            by column). None loads all splits, as a dictionary.
        source: a release directory, or the id of a Hub dataset repository such as `org/younger`. The default is the
            directory `younger`, or where there is none what the environment variable YOUNGER_RELEASE names.
        revision: the repository's branch, tag or commit.
        streaming: read rows on demand, without storing them. Otherwise `datasets` caches the rows, separately for
            each combination of filters by column.
        split_scheme: "family", where no model family or backbone is in two splits; "stratified", where every family of
            validation and test is in train too (column `stratified_split`), which is for learning families; or
            "paper", the scheme of the paper (column `paper_split`), whose splits share families by chance.
        name: the id of the model at its source: "resnet18", …
        hub: where the model comes from (column `source`): "torchvision", "huggingface", …
        task: the task of the model: "image-classification", …
        family: the architecture family, in any source's spelling: "resnet", "MobileNet_V2", …
        backbone: the family of the model that it is built upon, as "resnet" of detectors; as for `family`.
        origin: "published", "published-configuration", "registry", "default-configuration", "composed" or
            "contributed".
        license: the licence identifier of the model: "apache-2.0", …
        min_nodes: the smallest number of operators in a graph.
        max_nodes: the largest number of operators in a graph.
        operators: operator types of which the graph has at least one: "Conv", "com.microsoft::Gelu", …
        all_operators: operator types all of which the graph has.
        cache_dir: where `datasets` keeps the rows; None for its own cache.

    Returns:
        `datasets.Dataset`, or `DatasetDict` if split is None; with streaming, their iterable counterparts. If no
        row passes, it is empty, with the features of the config.

    Raises:
        UsageError: no such config, split or scheme, or a name that no row of the config has; the message suggests
            close matches.
        ReleaseError: the release is missing, incomplete, damaged, or of another schema version.
    """
    check_choice("split scheme", split_scheme, SPLIT_SCHEMES)
    release = open_release(source, revision)
    release.splits(config)
    names = {
        "name": name,
        "hub": hub,
        "task": task,
        "family": family,
        "backbone": backbone,
        "origin": origin,
        "license": license,
    }
    conditions = column_conditions(release, config, names, min_nodes, max_nodes)
    some, every = operator_ids(release, config, operators), operator_ids(release, config, all_operators)
    if split_scheme == "family":
        split = None if split is None else str(split)
        rows = release.load(config, split, streaming=streaming, conditions=conditions, cache_dir=cache_dir)
    else:
        rows = _load_by_column(
            release, config, split, split_scheme, conditions, streaming=streaming, cache_dir=cache_dir
        )
    return having_operators(rows, some, every)


def to_graph(row: Mapping[str, Any], vocabulary: Vocabulary | None = None) -> OperatorGraph:
    """The graph of a row.

    Args:
        row: a row of config `graphs`, `sample` or `graphs-no-attributes`, in any format of `datasets`. A row
            without `node_variant` gives operators without attributes.
        vocabulary: the release's; None reads it from the release directory `younger`.

    Raises:
        UsageError: it is no row, or lacks a column of the graph; the message says what to call instead.
        VocabularyError: an id is not in the vocabulary.
        InvalidGraphError: the row is no operator graph.
    """
    check_row("to_graph", row)
    kind = "variant" if "node_variant" in row else "operator"
    for column in (f"node_{kind}", "edge_index", "edge_slot", "node_scope"):
        check_choice("column", column, row)
    vocabulary = vocabulary or Vocabulary.load()
    return OperatorGraph(
        vocabulary.decode(as_numbers(row[f"node_{kind}"], f"node_{kind}"), kind),
        as_pairs(row["edge_index"], "edge_index"),
        as_pairs(row["edge_slot"], "edge_slot"),
        as_numbers(row["node_scope"], "node_scope"),
        GraphMetadata(
            opset_imports=(("", int(row["opset"])),) if row.get("opset") else (),
            num_parameters=int(row.get("num_parameters") or 0),
        ),
    )


def to_columns(graph: OperatorGraph, vocabulary: Vocabulary) -> dict[str, Any]:
    """The columns that hold a graph: the inverse of `to_graph`.

    Args:
        graph: N operators and E data flows.
        vocabulary: operators missing from it get id 0.

    Returns:
        `node_operator`, `node_variant`, `node_scope`: int64 [N]; `edge_index`, `edge_slot`: two int64 [E].
    """
    return {
        "node_operator": vocabulary.encode(graph, "operator"),
        "node_variant": vocabulary.encode(graph, "variant"),
        "node_scope": graph.scope,
        "edge_index": list(graph.edge_index),
        "edge_slot": list(graph.edge_slot),
    }


def check_row(function: str, given: Any) -> None:
    """Refuse what is no row of a release.

    Args:
        function: what was called, for the message.
        given: what it was called with.

    Raises:
        UsageError: it is no row; the message says how to make of it what the function takes.
    """
    kind, module = type(given).__name__, type(given).__module__
    if kind in ("DatasetDict", "IterableDatasetDict"):
        advice = f"load one of its splits, {', '.join(given)}, and give it a row"
    elif isinstance(given, Mapping):
        return
    elif kind in ("Dataset", "IterableDataset") and module.startswith("datasets."):
        advice = f"for each row of it, {function}(row)"
    elif isinstance(given, str | bytes | PathLike) or kind == "ModelProto":
        advice = "from_onnx makes a graph of an ONNX file"
    elif module.startswith("torch_geometric.") or kind == "ArchitectureData":
        advice = "from_pyg makes a graph of it"
    elif module.startswith("networkx."):
        advice = "from_networkx makes a graph of it"
    else:
        advice = "such as load(…)[0]"
    raise UsageError(f"{function} takes a row of a release, not {kind}: {advice}")


def as_numbers(cell: Any, name: str) -> NDArray[np.int64]:
    """A cell of a row as int64 [N], whether it comes as a list, an array or a tensor.

    Raises:
        InvalidGraphError: it is no list of integers; the message names the column.
    """
    try:
        numbers = np.asarray(cell, dtype=np.int64)
    except (TypeError, ValueError, OverflowError):
        numbers = np.empty((0, 0), dtype=np.int64)
    if numbers.ndim != 1:
        raise InvalidGraphError(f"{name} of the row is no list of integers")
    return numbers


def as_pairs(cell: Any, name: str) -> NDArray[np.int64]:
    """A 2xE cell of a row as int64 [2, E], whether it comes as lists, arrays or tensors.

    Raises:
        InvalidGraphError: it is not two lists of one length; the message names the column.
    """
    try:
        first, second = (as_numbers(part, name) for part in cell)
    except (TypeError, ValueError):
        raise InvalidGraphError(f"{name} of the row is not two lists") from None
    if first.shape != second.shape:
        raise InvalidGraphError(f"{name} of the row is two lists of {len(first)} and of {len(second)}")
    return np.stack((first, second))


def _load_by_column(
    release: Release, config: str, split: str | None, scheme: str, conditions: Sequence[Condition], **options: Any
) -> Any:
    """The rows by a split scheme that is a column."""
    if split is not None:
        check_choice(f"split of the {scheme} scheme", str(split), _SCHEME_SPLITS)
    import datasets

    column = SCHEME_COLUMNS[scheme]
    if column not in release.columns(config):
        raise UsageError(f"config {config} of {release.source} has no splits of the {scheme} scheme")
    parts = {}
    for name in _SCHEME_SPLITS if split is None else (str(split),):
        by_family = release.load(config, conditions=[*conditions, (column, "==", name)], **options)
        parts[name] = datasets.concatenate_datasets(list(by_family.values()))
    if split is not None:
        return parts[str(split)]
    return datasets.IterableDatasetDict(parts) if options["streaming"] else datasets.DatasetDict(parts)

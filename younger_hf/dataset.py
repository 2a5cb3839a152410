"""A release as a plain `datasets.Dataset`, and its rows as `OperatorGraph`s and back.

`load` takes the name of a config and gives what `datasets.load_dataset` gives; `to_graph` takes a row of it;
`to_columns` gives the columns of a row that are the graph itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import datasets
import numpy as np
from numpy.typing import NDArray

from younger_hf.choices import check_choice
from younger_hf.errors import UsageError
from younger_hf.graph import GraphMetadata, OperatorGraph
from younger_hf.release import open_release
from younger_hf.schema import DEFAULT_CONFIG
from younger_hf.vocabulary import Vocabulary

SPLIT_SCHEMES: Final = ("family", "paper")

_PAPER_SPLITS: Final = ("train", "validation", "test")


def load(
    config: str = DEFAULT_CONFIG,
    split: str | None = None,
    source: str | Path = "younger",
    *,
    revision: str | None = None,
    streaming: bool = False,
    split_scheme: str = "family",
) -> Any:
    """Load a config of a release.

    Args:
        config: "graphs", "graphs-no-attributes", "sample", "operators", "skeletons", or what else the
            release's card lists.
        split: "train", "validation", "test" or "unseen"; with the family scheme also what `datasets` makes of
            them, such as "train[:10%]" or "train+test". None for all, as a dictionary.
        source: a release directory, or the id of a Hub dataset repository such as `org/younger`.
        revision: the repository's branch, tag or commit.
        streaming: read rows as they are asked for, and keep nothing on disk.
        split_scheme: "family", where no model family is on two sides, or "paper", the scheme of the paper
            (column `paper_split`), whose splits share families.

    Returns:
        `datasets.Dataset`, or `DatasetDict` if split is None; with streaming, their iterable counterparts.

    Raises:
        UsageError: no such config, split or scheme; the message gives the nearest names.
        ReleaseError: no such release, or one that is incomplete, damaged, or of another schema version.
    """
    check_choice("split scheme", split_scheme, SPLIT_SCHEMES)
    release = open_release(source, revision)
    if split_scheme == "family":
        return release.load(config, None if split is None else str(split), streaming=streaming)
    if split is not None:
        check_choice("split of the paper's scheme", str(split), _PAPER_SPLITS)
    return _by_paper_split(release.load(config, streaming=streaming), config, split)


def to_graph(row: Mapping[str, Any], vocabulary: Vocabulary | None = None) -> OperatorGraph:
    """The graph of a row.

    Args:
        row: a row of config `graphs`, `sample` or `graphs-no-attributes`, in any format of `datasets`. Rows
            without `node_variant` give operators without attributes.
        vocabulary: the release's; None reads it from the release directory `younger`.

    Raises:
        UsageError: the row lacks a column that makes up a graph.
        VocabularyError: an id that the vocabulary does not have.
    """
    kind = "variant" if "node_variant" in row else "operator"
    for column in (f"node_{kind}", "edge_index", "edge_slot", "node_scope"):
        check_choice("column", column, row)
    vocabulary = vocabulary or Vocabulary.load()
    return OperatorGraph(
        vocabulary.decode(row[f"node_{kind}"], kind),
        as_pairs(row["edge_index"]),
        as_pairs(row["edge_slot"]),
        np.asarray(row["node_scope"], dtype=np.int64),
        GraphMetadata(
            opset_imports=(("", int(row["opset"])),) if row.get("opset") else (),
            num_parameters=int(row.get("num_parameters") or 0),
        ),
    )


def to_columns(graph: OperatorGraph, vocabulary: Vocabulary) -> dict[str, Any]:
    """The columns that hold a graph: the inverse of `to_graph`.

    Args:
        graph: N operators and E data flows.
        vocabulary: an operator that it does not have gets id 0.

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


def as_pairs(column: Any) -> NDArray[np.int64]:
    """A 2xE cell of a row as int64 [2, E], whether it comes as lists, arrays or tensors."""
    return np.stack([np.asarray(part, dtype=np.int64) for part in column])


def _by_paper_split(splits: Any, config: str, split: str | None) -> Any:
    rows = datasets.concatenate_datasets(list(splits.values()))
    if "paper_split" not in rows.features:
        raise UsageError(f"config {config} has no splits of the paper's scheme")
    wanted = _PAPER_SPLITS if split is None else (str(split),)
    if isinstance(rows, datasets.IterableDataset):
        streams = {name: rows.filter(_is_in, input_columns="paper_split", fn_kwargs={"split": name}) for name in wanted}
        return streams[str(split)] if split is not None else datasets.IterableDatasetDict(streams)
    column = rows.select_columns("paper_split").with_format("arrow")[:]["paper_split"]
    names = np.array(column.to_pylist(), dtype=object)
    selected = {name: rows.select(np.flatnonzero(names == name)) for name in wanted}
    if split is not None:
        return selected[str(split)]
    return datasets.DatasetDict({name: part for name, part in selected.items() if len(part)})


def _is_in(paper_split: str | None, split: str) -> bool:
    return paper_split == split

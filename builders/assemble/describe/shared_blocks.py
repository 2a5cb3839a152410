"""The building blocks that most graphs of a release share, for its card.

In go the files of config `blocks`; out come the blocks of some size that occur in the most graphs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from builders.measure.facts import count_types, summarize
from younger_hf.vocabulary import Vocabulary

LEAST_SHOWN: Final = 5
"""Operators of the smallest block that is listed: of less is a layer with its activation, which says little."""
_MOST_SHOWN: Final = 10
_OPERATORS_SHOWN: Final = 6
_COLUMNS: Final = ("class_name", "fingerprint", "num_graphs", "num_nodes", "num_occurrences", "node_operator")


@dataclass(frozen=True)
class SharedBlock:
    """A block of a release.

    Attributes:
        name: its class without the packages, or None where no library is known.
        library: the package of its class, "" where that is not known.
        operators: the most frequent ones with their counts.
        num_nodes: operators.
        num_graphs: graphs that it occurs in.
        num_occurrences: modules that it is of.
    """

    name: str | None
    library: str
    operators: str
    num_nodes: int
    num_graphs: int
    num_occurrences: int


def shared_blocks(paths: Iterable[Path], vocabulary: Vocabulary) -> list[SharedBlock]:
    """The blocks of at least LEAST_SHOWN operators that occur in the most graphs, most first, ties by fingerprint."""
    found = []
    for path in paths:
        rows = pq.read_table(path, columns=list(_COLUMNS)).to_pylist()
        found += [row for row in rows if row["num_nodes"] >= LEAST_SHOWN]
    found.sort(key=lambda row: (-row["num_graphs"], row["fingerprint"]))
    return [
        SharedBlock(
            (row["class_name"] or "").rpartition(".")[2] or None,
            (row["class_name"] or "").partition(".")[0],
            summarize(
                count_types(Counter(map(vocabulary.operators.__getitem__, row["node_operator"]))), _OPERATORS_SHOWN
            ),
            row["num_nodes"],
            row["num_graphs"],
            row["num_occurrences"],
        )
        for row in found[:_MOST_SHOWN]
    ]

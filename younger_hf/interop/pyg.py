"""Rows and datasets as PyTorch Geometric objects, and back.

A row becomes an `ArchitectureData`. A `datasets.Dataset` becomes a `torch_geometric.data.Dataset` that cuts its
items out of the Arrow memory, and a streaming one a `torch.utils.data.IterableDataset`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import accumulate, islice
from pathlib import Path
from typing import Any, Final

import datasets
import fsspec.asyn  # type: ignore[import-untyped]
import numpy as np
import pyarrow as pa

from younger_hf.dataset import check_row, to_columns
from younger_hf.errors import MissingExtraError, UsageError
from younger_hf.graph import OperatorGraph
from younger_hf.vocabulary import Vocabulary

try:
    import torch
    import torch_geometric.data
except ImportError as error:
    raise MissingExtraError(error.name or "torch", "pyg") from error

from younger_hf.interop.architecture import ArchitectureData, ColumnPlan, Piece, row_to_batch
from younger_hf.interop.targets import Names, check_all_known, find_targets

Transform = Callable[[Any], Any]

_STREAM_BATCH: Final = 64


class _Labelled:
    """What a model that learns on some architectures needs to know of them: how many ids and classes there are."""

    _plan: ColumnPlan
    _source: str | Path
    _operators: int | None

    @property
    def vocabulary_size(self) -> int:
        """How many values `x` can take, `__UNK__` and `__MASK__` among them: the rows of an embedding of operators."""
        if self._plan.vocabulary == "operator" and self._operators:
            return self._operators
        vocabulary = Vocabulary.load(self._source)
        return len(vocabulary.operators if self._plan.vocabulary == "operator" else vocabulary.variants)

    @property
    def classes(self) -> Any:
        """What the numbers in `y` stand for, None where they are numbers; of several targets, by column."""
        found = {target.column: target.classes for target in self._plan.targets}
        return next(iter(found.values()), None) if self._plan.is_single else found

    @property
    def num_classes(self) -> Any:
        """How many classes `y` has, 0 without a target; of several targets, by column, those that have classes.

        Raises:
            UsageError: the one target is a number.
        """
        found = {target.column: len(target.classes) for target in self._plan.targets if target.classes}
        if not self._plan.is_single:
            return found
        if self._plan.targets and not found:
            raise UsageError(f"{self._plan.targets[0].column} is a number and has no classes")
        return next(iter(found.values()), 0)


class ArchitectureDataset(_Labelled, torch_geometric.data.Dataset):  # type: ignore[misc]
    """The rows of a `datasets.Dataset` as `ArchitectureData`, read from its Arrow memory on access.

    It stores no graphs itself; the tensors of an item are copies and may be modified. `num_features` is 1, the id of
    an operator, of which there are `vocabulary_size`.
    """

    def __init__(
        self,
        dataset: datasets.Dataset,
        vocabulary: str = "operator",
        transform: Transform | None = None,
        target: Names = None,
        source: str | Path = "younger",
    ) -> None:
        super().__init__(transform=transform)
        features = dataset.features
        self._plan = _plan(features.arrow_schema, vocabulary, target, source, features, dataset.split)
        self._source, self._operators = source, _num_operators(features)
        self.dataset = dataset.select_columns(list(self._plan.columns))
        for each in self._plan.targets:
            check_all_known(each, self.dataset.data.table.column(each.column), self._positions)

    def len(self) -> int:
        """The number of architectures."""
        return len(self.dataset)

    def get(self, idx: int) -> ArchitectureData:
        """The architecture at a position of the dataset."""
        if self._positions is not None:
            idx = int(self._positions[idx])
        number = bisect_right(self._starts, idx) - 1
        piece = self._pieces[number]
        if isinstance(piece, pa.RecordBatch):
            piece = self._pieces[number] = Piece(piece, self._plan)
        return piece.cut(idx - self._starts[number])

    @cached_property
    def _positions(self) -> np.ndarray[Any, Any] | None:
        """Where `dataset` was filtered, shuffled or selected: the positions of its rows in the Arrow table."""
        indices = self.dataset._indices
        return None if indices is None else indices.column(0).to_numpy()

    @cached_property
    def _pieces(self) -> list[pa.RecordBatch | Piece]:
        """The contiguous pieces that the table consists of; each is opened when it is first needed."""
        return list(self.dataset.data.table.select(list(self._plan.columns)).to_batches())

    @cached_property
    def _starts(self) -> list[int]:
        return list(accumulate((len(piece) for piece in self._pieces), initial=0))

    def __getstate__(self) -> dict[str, Any]:
        # What is a view of memory is opened anew on the other side.
        return {
            name: value for name, value in self.__dict__.items() if name not in ("_positions", "_pieces", "_starts")
        }


class ArchitectureStream(_Labelled, torch.utils.data.IterableDataset[ArchitectureData]):
    """The rows of a `datasets.IterableDataset` as `ArchitectureData`; workers share its files among them."""

    def __init__(
        self,
        dataset: datasets.IterableDataset,
        vocabulary: str = "operator",
        transform: Transform | None = None,
        target: Names = None,
        source: str | Path = "younger",
    ) -> None:
        features = dataset.features
        if features is None:
            first = next(iter(dataset.with_format("arrow").iter(batch_size=1)))
            schema = first.schema
        else:
            schema = features.arrow_schema
        self.transform = transform
        self._plan = _plan(schema, vocabulary, target, source, features, dataset.split)
        self._source, self._operators = source, _num_operators(features)
        self._schema = pa.schema([schema.field(name) for name in self._plan.columns])
        self.dataset = dataset.select_columns(list(self._plan.columns)).with_format("arrow")

    def set_epoch(self, epoch: int) -> None:
        """Reshuffle a shuffled stream for the next pass over it."""
        self.dataset.set_epoch(epoch)

    def __iter__(self) -> Iterator[ArchitectureData]:
        dataset = self.dataset
        worker = torch.utils.data.get_worker_info()
        if worker is not None:
            # A lock that was held while the process forked would never be released here.
            fsspec.asyn.reset_lock()
            if dataset.n_shards < worker.num_workers and hasattr(dataset, "reshard"):
                dataset = dataset.reshard()
            if worker.id >= dataset.n_shards:
                return
            shards = min(worker.num_workers, dataset.n_shards)
            dataset = dataset.shard(num_shards=shards, index=worker.id, contiguous=False)
        # Row by row: what a filter or a map hands on from Python has types by its values, and tables of different
        # types, as one of nulls alone is, cannot be joined.
        rows = iter(dataset.iter(batch_size=1))
        while tables := [row.cast(self._schema) for row in islice(rows, _STREAM_BATCH)]:
            for batch in pa.concat_tables(tables).combine_chunks().to_batches():
                piece = Piece(batch, self._plan)
                for number in range(len(batch)):
                    data = piece.cut(number)
                    yield data if self.transform is None else self.transform(data)


def to_pyg(
    row_or_dataset: Any,
    vocabulary: str = "operator",
    transform: Transform | None = None,
    target: Names = None,
    *,
    source: str | Path = "younger",
) -> Any:
    """Turn a row, a graph, a dataset or a stream of architectures into PyTorch Geometric's objects.

        to_pyg(load("graphs", "train"), target="task").num_classes
        to_pyg(from_onnx("model.onnx"))

    Args:
        row_or_dataset: a row (of `graphs`, `graphs-no-attributes`, `sample`, or a subgraph config), an
            `OperatorGraph`, or a `datasets.Dataset` or `datasets.IterableDataset` of such rows.
        vocabulary: the ids in `x`: "operator" (types) or "variant" (types with attributes).
        transform: applied to each `ArchitectureData` on access.
        target: the column that becomes `y`: a number, such as "num_parameters", a boolean, or one whose texts are
            classes, such as "task" (`younger_hf.labels.CLASS_COLUMNS`), numbered as in `class_names`. A list of
            columns gives a dictionary.
        source: the release of the rows, a directory or the id of a Hub dataset repository: its classes are taken and,
            for an `OperatorGraph`, its ids; an operator that it does not have becomes id 0.

    Returns:
        `ArchitectureData`, `ArchitectureDataset` or `ArchitectureStream`; the latter two have `vocabulary_size`,
        `num_classes` and `classes`.

    Raises:
        UsageError: a column is missing or cannot be a target, a `ClassLabel` is not that of the release, or families
            are the target of rows that are held out by family.
        YoungerError: a row has no target.
        ReleaseError: classes or ids are needed, and there is no release at `source`.
    """
    if isinstance(row_or_dataset, datasets.Dataset):
        return ArchitectureDataset(row_or_dataset, vocabulary, transform, target, source)
    if isinstance(row_or_dataset, datasets.IterableDataset):
        return ArchitectureStream(row_or_dataset, vocabulary, transform, target, source)
    if isinstance(row_or_dataset, (datasets.DatasetDict, datasets.IterableDatasetDict)):
        splits = ", ".join(row_or_dataset)
        raise UsageError(f"to_pyg takes one split at a time: load one of {splits}")
    if isinstance(row_or_dataset, OperatorGraph):
        batch = row_to_batch(to_columns(row_or_dataset, Vocabulary.load(source)))
    else:
        check_row("to_pyg", row_or_dataset)
        batch = row_to_batch(row_or_dataset)
    data = Piece(batch, _plan(batch.schema, vocabulary, target, source)).cut(0)
    return data if transform is None else transform(data)


def _plan(
    schema: pa.Schema,
    vocabulary: str,
    target: Names,
    source: str | Path,
    features: datasets.Features | None = None,
    split: object = None,
) -> ColumnPlan:
    targets = find_targets(target, schema, source, features, None if split is None else str(split))
    return ColumnPlan.of(schema, vocabulary, targets, is_single=target is None or isinstance(target, str))


def _num_operators(features: datasets.Features | None) -> int | None:
    """How many operators the rows' own column names."""
    column = (features or {}).get("node_operator")
    return getattr(getattr(column, "feature", None), "num_classes", None) or None


def from_pyg(data: torch_geometric.data.Data, vocabulary: Vocabulary) -> OperatorGraph:
    """Restore the graph that a `Data` was made from.

    Args:
        data: `x`, `edge_index`, `edge_attr` and, for graphs with control flow, `scope`, as in `ArchitectureData`;
            nodes in topological order. Unless `data.vocabulary` says otherwise, `x` holds variant ids.
        vocabulary: of the release that the ids belong to.

    Returns:
        With variant ids, a graph with the same fingerprint; with operator ids, one without attributes.

    Raises:
        UsageError: it is a batch, or no data at all.
        InvalidGraphError: the data is not an operator graph.
        VocabularyError: an id is not in the vocabulary.
    """
    if isinstance(data, torch_geometric.data.Batch):
        raise UsageError("from_pyg takes one graph at a time: from_pyg(batch[0], vocabulary)")
    if not isinstance(data, torch_geometric.data.Data):
        raise UsageError(f"from_pyg takes a Data of torch-geometric, not {type(data).__name__}")
    kind = data.to_dict().get("vocabulary", "variant")
    scope = getattr(data, "scope", None)
    operators = vocabulary.decode(data.x.cpu().numpy(), kind)
    return OperatorGraph(
        operators,
        data.edge_index.cpu().numpy(),
        data.edge_attr.cpu().numpy().T,
        np.full(len(operators), -1) if scope is None else scope.cpu().numpy(),
    )

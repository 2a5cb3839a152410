"""Rows and datasets as PyTorch Geometric objects, and back.

A row becomes an `ArchitectureData`. A `datasets.Dataset` becomes a `torch_geometric.data.Dataset` that cuts its
items out of the Arrow memory, and a streaming one a `torch.utils.data.IterableDataset`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from itertools import accumulate
from typing import Any, Final

import datasets
import fsspec.asyn  # type: ignore[import-untyped]
import numpy as np
import pyarrow as pa

from younger_hf.errors import MissingExtraError, UsageError
from younger_hf.graph import OperatorGraph
from younger_hf.vocabulary import Vocabulary

try:
    import torch
    import torch_geometric.data
except ImportError as error:
    raise MissingExtraError(error.name or "torch", "pyg") from error

from younger_hf.interop.architecture import ArchitectureData, ColumnPlan, Piece, row_to_batch

Transform = Callable[[Any], Any]

_STREAM_BATCH: Final = 64


class ArchitectureDataset(torch_geometric.data.Dataset):  # type: ignore[misc]
    """The rows of a `datasets.Dataset` as `ArchitectureData`, read from its Arrow memory on access.

    It stores no graphs itself; the tensors of an item are copies and may be modified.
    """

    def __init__(
        self,
        dataset: datasets.Dataset,
        vocabulary: str = "operator",
        transform: Transform | None = None,
        target: str | None = None,
    ) -> None:
        super().__init__(transform=transform)
        self._plan = ColumnPlan.of(dataset.features.arrow_schema, vocabulary, target)
        self.dataset = dataset.select_columns(list(self._plan.columns))

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


class ArchitectureStream(torch.utils.data.IterableDataset[ArchitectureData]):
    """The rows of a `datasets.IterableDataset` as `ArchitectureData`; workers share its files among them."""

    def __init__(
        self,
        dataset: datasets.IterableDataset,
        vocabulary: str = "operator",
        transform: Transform | None = None,
        target: str | None = None,
    ) -> None:
        if dataset.features is None:
            first = next(iter(dataset.with_format("arrow").iter(batch_size=1)))
            schema = first.schema
        else:
            schema = dataset.features.arrow_schema
        self.transform = transform
        self._plan = ColumnPlan.of(schema, vocabulary, target)
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
        for table in dataset.iter(batch_size=_STREAM_BATCH):
            for batch in table.to_batches():
                piece = Piece(batch, self._plan)
                for number in range(len(batch)):
                    data = piece.cut(number)
                    yield data if self.transform is None else self.transform(data)


def to_pyg(
    row_or_dataset: Any,
    vocabulary: str = "operator",
    transform: Transform | None = None,
    target: str | None = None,
) -> Any:
    """Turn a row, a dataset or a stream of architectures into PyTorch Geometric's objects.

    Args:
        row_or_dataset: a row (of `graphs`, `graphs-no-attributes`, `sample`, or a subgraph config), a
            `datasets.Dataset` or a `datasets.IterableDataset` of such rows.
        vocabulary: the ids in `x`: "operator" (types) or "variant" (types with attributes).
        transform: applied to each `ArchitectureData` on access.
        target: a numeric column, such as "num_parameters", that becomes `y`.

    Returns:
        `ArchitectureData`, `ArchitectureDataset` or `ArchitectureStream`.

    Raises:
        UsageError: a column is missing or not numeric; the message suggests close matches.
    """
    if isinstance(row_or_dataset, datasets.Dataset):
        return ArchitectureDataset(row_or_dataset, vocabulary, transform, target)
    if isinstance(row_or_dataset, datasets.IterableDataset):
        return ArchitectureStream(row_or_dataset, vocabulary, transform, target)
    if isinstance(row_or_dataset, (datasets.DatasetDict, datasets.IterableDatasetDict)):
        splits = ", ".join(row_or_dataset)
        raise UsageError(f"to_pyg takes one split at a time: load one of {splits}")
    if not isinstance(row_or_dataset, Mapping):
        raise UsageError(f"to_pyg takes a row or a dataset, not {type(row_or_dataset).__name__}")
    batch = row_to_batch(row_or_dataset)
    data = Piece(batch, ColumnPlan.of(batch.schema, vocabulary, target)).cut(0)
    return data if transform is None else transform(data)


def from_pyg(data: torch_geometric.data.Data, vocabulary: Vocabulary) -> OperatorGraph:
    """Restore the graph that a `Data` was made from.

    Args:
        data: `x`, `edge_index`, `edge_attr` and, for graphs with control flow, `scope`, as in `ArchitectureData`;
            nodes in topological order. Unless `data.vocabulary` says otherwise, `x` holds variant ids.
        vocabulary: of the release that the ids belong to.

    Returns:
        With variant ids, a graph with the same fingerprint; with operator ids, one without attributes.

    Raises:
        UsageError: the data is a batch.
        InvalidGraphError: the data is not an operator graph.
        VocabularyError: an id is not in the vocabulary.
    """
    if isinstance(data, torch_geometric.data.Batch):
        raise UsageError("from_pyg takes one graph at a time: from_pyg(batch[0], vocabulary)")
    kind = data.to_dict().get("vocabulary", "variant")
    scope = getattr(data, "scope", None)
    operators = vocabulary.decode(data.x.cpu().numpy(), kind)
    return OperatorGraph(
        operators,
        data.edge_index.cpu().numpy(),
        data.edge_attr.cpu().numpy().T,
        np.full(len(operators), -1) if scope is None else scope.cpu().numpy(),
    )

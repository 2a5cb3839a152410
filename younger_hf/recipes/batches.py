"""Batches: graphs as tensors, and which of them each training step sees.

In goes a `GraphUnion`, which NumPy has made of Arrow memory; out comes a `GraphBatch` on a device.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from younger_hf.graph import IntArray
from younger_hf.tasks.graph_table import GraphUnion


@dataclass(frozen=True)
class GraphBatch:
    """The disjoint union of B graphs: N operators, E data flows.

    Attributes:
        x: int64 [N], vocabulary ids.
        edge_index: int64 [2, E]: producer, consumer, as positions in `x`.
        edge_attr: int64 [E, 2]: output slot of the producer, input slot of the consumer.
        ptr: int64 [B + 1]: graph i is nodes ptr[i] up to ptr[i + 1].
        boundary: int64 [T], of subgraphs: the positions in `x` of the nodes outside the community; else empty.
    """

    x: Tensor
    edge_index: Tensor
    edge_attr: Tensor
    ptr: Tensor
    boundary: Tensor

    @classmethod
    def of(cls, graphs: GraphUnion) -> GraphBatch:
        """The same graphs as tensors on the CPU, which share their memory."""
        arrays = (graphs.x, graphs.edge_index, graphs.edge_slot.T, graphs.ptr, graphs.boundary)
        return cls(*map(torch.from_numpy, arrays))

    @property
    def num_nodes(self) -> int:
        """N."""
        return len(self.x)

    @property
    def num_graphs(self) -> int:
        """B."""
        return len(self.ptr) - 1

    @property
    def batch(self) -> Tensor:
        """int64 [N]: the graph that each node is of."""
        graphs = torch.arange(self.num_graphs, device=self.ptr.device)
        return graphs.repeat_interleave(self.ptr.diff(), output_size=self.num_nodes)

    def to(self, device: torch.device | str) -> GraphBatch:
        """The batch on another device."""
        return GraphBatch(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    def tensor(self, array: NDArray[np.generic]) -> Tensor:
        """An array as a tensor on the device of the batch."""
        return torch.from_numpy(array).to(self.x.device)


def in_parts(batch: GraphBatch, most_nodes: int) -> Iterator[GraphBatch]:
    """The graphs of a batch in their order, in batches of so many nodes at most, or of one graph that has more."""
    ptr = batch.ptr.tolist()
    first = 0
    while first < batch.num_graphs:
        last = max(first + 1, bisect_right(ptr, ptr[first] + most_nodes) - 1)
        start, end = ptr[first], ptr[last]
        edges, boundary = ((ends >= start) & (ends < end) for ends in (batch.edge_index[0], batch.boundary))
        yield GraphBatch(
            batch.x[start:end],
            batch.edge_index[:, edges] - start,
            batch.edge_attr[edges],
            batch.ptr[first : last + 1] - start,
            batch.boundary[boundary] - start,
        )
        first = last


class ShuffledRows:
    """Which rows each training step sees: a fresh order an epoch, a function of the seed and the step alone.

    Args:
        num_rows: of the split.
        batch_size: rows a step; an epoch's last step may have fewer.
        seed: of the orders.
    """

    def __init__(self, num_rows: int, batch_size: int, seed: int) -> None:
        self._num_rows, self._batch_size, self._seed = num_rows, batch_size, seed
        self.steps_per_epoch = -(-num_rows // batch_size)
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def __getitem__(self, step: int) -> IntArray:
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, np.random.default_rng([self._seed, epoch]).permutation(self._num_rows)
        return self._order[position * self._batch_size : (position + 1) * self._batch_size]

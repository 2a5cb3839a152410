"""Slotted graphs as sequences of decisions, in batches: what an autoregressive generator learns.

A sequence is an operator, then a decision for each of its input slots, then the next operator, and the end. In go
`SlottedGraph`s in the order that the sequences have; out come tensors, padded to the longest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import torch
from torch import Tensor

from younger_hf.graph import IntArray
from younger_hf.tasks.generation.slotted import KINDS, SlottedGraph

END: Final = 0
"""The choice that ends a sequence; 1 and on are what `KINDS` lists, and behind these stand the operators."""
FIRST_OPERATOR: Final = 1 + len(KINDS)
MOST_TASKS: Final = 128
"""Numbers of tasks that a generator can be told, 0 among them, which says nothing."""


@dataclass(frozen=True)
class DecisionBatch:
    """B sequences of at most T decisions, of graphs of at most N nodes.

    Attributes:
        choice: int64 [B, T]: END, a kind, an operator, or `num_fixed` plus the node that feeds the slot; -1 is padding.
        output: int64 [B, T]: which output of that node.
        node: int64 [B, T]: the node that was placed last before the decision, -1 for none.
        slot: int64 [B, T]: how many of its slots are decided.
        operator: int64 [B, N]: the operators; 0 is padding.
        ends: int64 [B, N]: the decision before which all slots of a node are decided; 0 is padding.
        size: int64 [B]: how many nodes there will be, 0 where that is not said.
        task: int64 [B]: what the network is for, 0 where that is not said.
    """

    choice: Tensor
    output: Tensor
    node: Tensor
    slot: Tensor
    operator: Tensor
    ends: Tensor
    size: Tensor
    task: Tensor

    @classmethod
    def of(cls, graphs: Sequence[SlottedGraph], num_fixed: int, size: IntArray, task: IntArray) -> DecisionBatch:
        """The sequences of graphs, with what is said of each beforehand."""
        longest = max(graph.num_nodes + len(graph.source) for graph in graphs) + 1
        most = max(graph.num_nodes for graph in graphs)
        choice = np.full((len(graphs), longest), -1)
        output, slot = (np.zeros((len(graphs), longest), np.int64) for _ in range(2))
        node = np.full((len(graphs), longest), -1)
        operator, ends = (np.zeros((len(graphs), most), np.int64) for _ in range(2))
        for row, graph in enumerate(graphs):
            numbers = np.arange(graph.num_nodes)
            places = numbers + graph.first[:-1]
            at = graph.consumer + 1 + np.arange(len(graph.source))
            choice[row, places] = graph.operator + FIRST_OPERATOR
            choice[row, at] = np.where(graph.source >= 0, graph.source + num_fixed, -graph.source)
            output[row, at] = graph.output
            last = graph.num_nodes + len(graph.source)
            choice[row, last] = END
            node[row, places], node[row, at], node[row, last] = numbers - 1, graph.consumer, graph.num_nodes - 1
            lengths = np.diff(graph.first)
            slot[row, at] = graph.slot
            slot[row, np.append(places[1:], last)] = lengths
            operator[row, : graph.num_nodes] = graph.operator
            ends[row, : graph.num_nodes] = numbers + 1 + graph.first[1:]
        arrays = (choice, output, node, slot, operator, ends, size, task)
        return cls(*map(torch.from_numpy, arrays))

    def to(self, device: torch.device | str) -> DecisionBatch:
        """The batch on another device."""
        return DecisionBatch(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})

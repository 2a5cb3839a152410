"""The graphs that a generator learns from: in another random order each time, with what is said of them beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from younger_hf.dataset import load
from younger_hf.errors import UsageError
from younger_hf.graph import IntArray
from younger_hf.recipes.config import RecipeConfig
from younger_hf.tasks.generation.slotted import SlottedGraph, random_order, rows_of, slotted_graphs
from younger_hf.tasks.graph_table import GraphTable

_SHARE_SAID: Final = 0.5  # of the graphs in training of which size, and task, are said beforehand


@dataclass(frozen=True, eq=False)
class TrainingGraphs:
    """What a generator learns from.

    Attributes:
        graphs: M of them.
        task: int64 [M], the number of what each is for; 0 is unknown.
        tasks: the names of the numbers from 1 on.
    """

    graphs: list[SlottedGraph]
    task: IntArray
    tasks: tuple[str, ...]

    @classmethod
    def of(cls, table: GraphTable, config: RecipeConfig, max_nodes: int, most_tasks: int) -> TrainingGraphs:
        """The rows of a split that a generator learns from.

        Raises:
            UsageError: there is none.
        """
        rows = rows_of(table, max_nodes)
        if not len(rows):
            raise UsageError(
                f"train of {config.release} has no row of 2 to {max_nodes} operators without control "
                "flow: raise --max-nodes"
            )
        names = tasks_of(table, config)
        of_rows = [names[row] for row in rows.tolist()]
        counts: dict[str, int] = {}
        for name in of_rows:
            if name:
                counts[name] = counts.get(name, 0) + 1
        tasks = tuple(sorted(sorted(counts), key=lambda name: -counts[name])[: most_tasks - 1])
        numbers = {name: number for number, name in enumerate(tasks, 1)}
        task = np.array([numbers.get(name or "", 0) for name in of_rows])
        return cls(list(slotted_graphs(table, rows.tolist())), task, tasks)

    def drawn(self, rows: IntArray, generator: np.random.Generator) -> tuple[list[SlottedGraph], IntArray, IntArray]:
        """Some graphs in random orders, and of each the size and the task that are said of it, 0 where none is."""
        graphs = [self.graphs[row] for row in rows.tolist()]
        graphs = [graph.reordered(random_order(graph, generator)) for graph in graphs]
        said = generator.random((2, len(rows))) < _SHARE_SAID
        sizes = np.array([graph.num_nodes for graph in graphs])
        return graphs, np.where(said[0], sizes, 0), np.where(said[1], self.task[rows], 0)


def tasks_of(table: GraphTable, config: RecipeConfig) -> list[str | None]:
    """What the network of each row of a split is for; of a subgraph, the first network that it is a part of."""
    if table.has("task"):
        return list(table.column("task").to_pylist())
    key = config.graph_key
    rows = load(config.in_form("graphs"), source=config.release, revision=config.revision)
    task = {name: each for split in rows.values() for name, each in zip(split[key], split["task"], strict=True)}
    return [task.get(names[0]) if names else None for names in table.column("graphs").to_pylist()]

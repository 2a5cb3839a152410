"""What generators have to beat: a count-based autoregressive model, and random graphs of operator bigrams.

Both count in the training graphs, in one random order each, and train nothing. `counts` decides as the autoregressive
model does: the next operator by the two before, what is in a slot by operator and slot, and which node feeds it by how
far back it stands, how often it is used and by the two operators. `bigrams` draws operators by their frequency, and
lets earlier nodes feed them by how often train has an edge between the two operators.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from math import log
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from younger_hf.recipes.rules import Rule
from younger_hf.recipes.wish import Wish
from younger_hf.tasks.generation.draft import Draft, Rulebook
from younger_hf.tasks.generation.operator_rules import FREE
from younger_hf.tasks.generation.slotted import (
    KINDS,
    MOST_OUTPUTS,
    OUTSIDE,
    SlottedGraph,
    random_order,
    rows_of,
    slotted_graphs,
)
from younger_hf.tasks.generation.task import evaluation_graphs
from younger_hf.tasks.graph_table import GraphTable

_END: Final = -1  # as an operator: the graph ends; as what is in a slot: there is none
_NODE: Final = len(KINDS)  # what is in a slot: an output of a node
_FARTHEST: Final = 24
_MOST_USES: Final = 3
_PRIOR: Final = 0.05  # how often a node that could be chosen is, before anything is counted
_STRENGTH: Final = 2.0  # of that, in counts
_NO_OPERATOR: Final = -2

Context = tuple[int, ...]


class Counted:
    """Counts of symbols by context, with longer and longer contexts interpolated (Witten and Bell, 1991)."""

    def __init__(self, num_symbols: int) -> None:
        self.num_symbols = num_symbols
        self.counts: defaultdict[Context, dict[int, int]] = defaultdict(dict)

    def add(self, contexts: list[Context], symbol: int) -> None:
        """Count a symbol in each of its contexts."""
        for context in contexts:
            of_context = self.counts[context]
            of_context[symbol] = of_context.get(symbol, 0) + 1

    def probability(self, contexts: list[Context], symbol: int) -> float:
        """Of a symbol, in contexts from the shortest to the longest."""
        found = 1 / self.num_symbols
        for context in contexts:
            of_context = self.counts.get(context)
            if of_context:
                total, kinds = sum(of_context.values()), len(of_context)
                found = (of_context.get(symbol, 0) + kinds * found) / (total + kinds)
        return found

    def draw(self, contexts: list[Context], generator: np.random.Generator, symbols: range) -> int:
        """A symbol of these, by its probability."""
        weights = np.array([self.probability(contexts, symbol) for symbol in symbols])
        return symbols[int(generator.choice(len(symbols), p=weights / weights.sum()))]


class CountModel:
    """The counts of `counts`: of the next operator, of what is in a slot, of outputs, and of nodes that were chosen."""

    def __init__(self, num_operators: int) -> None:
        self.num_operators = num_operators
        self.book = Rulebook([FREE] * num_operators)
        self.operator = Counted(num_operators + 1)
        self.slot = Counted(len(KINDS) + 2)
        self.output = Counted(MOST_OUTPUTS)
        # Of what tells of a candidate: how often one was there, and how often it was chosen.
        self.there: defaultdict[Context, int] = defaultdict(int)
        self.chosen: defaultdict[Context, int] = defaultdict(int)

    def fit(self, graph: SlottedGraph) -> None:
        """Count the decisions of a graph."""
        for draft, source, output, operator in _decisions(graph, self.book):
            if operator is not None:
                if draft.num_nodes:
                    self.slot.add(_slot_contexts(draft), _END)
                self.operator.add(_operator_contexts(draft), operator)
                continue
            self.slot.add(_slot_contexts(draft), -1 - source if source < 0 else _NODE)
            if source < 0:
                continue
            self.output.add([(), (draft.operator[source],)], output)
            for node in range(draft.num_nodes - 1):
                for context in _candidate_contexts(draft, node):
                    self.there[context] += 1
                    self.chosen[context] += node == source

    def nll(self, graph: SlottedGraph) -> float:
        """The negative log-likelihood of a graph, in nats."""
        found = 0.0
        for draft, source, output, operator in _decisions(graph, self.book):
            if operator is not None:
                if draft.num_nodes:
                    found -= log(self.slot.probability(_slot_contexts(draft), _END))
                found -= log(self.operator.probability(_operator_contexts(draft), operator))
                continue
            kind = -1 - source if source < 0 else _NODE
            found -= log(self.slot.probability(_slot_contexts(draft), kind))
            if source >= 0:
                weights = self._weights(draft)
                found -= log(weights[source] / weights.sum())
                found -= log(self.output.probability([(), (draft.operator[source],)], output))
        return found

    def sample(self, wish: Wish, most_nodes: int) -> list[SlottedGraph]:
        """Draw graphs; their size is what comes."""
        generator = np.random.default_rng(wish.seed)
        return [
            self._sample(Draft(wish.book, most_nodes, masked=False), generator, most_nodes) for _ in range(wish.num)
        ]

    def _sample(self, draft: Draft, generator: np.random.Generator, most_nodes: int) -> SlottedGraph:
        while True:
            first = _END + 1 if not draft.num_nodes else _END
            operator = self.operator.draw(_operator_contexts(draft), generator, range(first, self.num_operators))
            if operator == _END or draft.num_nodes == most_nodes:
                return draft.graph()
            draft.place(operator)
            while draft.num_slots < 64:
                kind = self.slot.draw(_slot_contexts(draft), generator, range(_END, _NODE + (draft.num_nodes > 1)))
                if kind == _END:
                    break
                if kind < _NODE:
                    draft.fill(-1 - kind)
                    continue
                weights = self._weights(draft)
                source = int(generator.choice(len(weights), p=weights / weights.sum()))
                made_by = [(), (draft.operator[source],)]
                draft.fill(source, self.output.draw(made_by, generator, range(MOST_OUTPUTS)))

    def _weights(self, draft: Draft) -> NDArray[np.float64]:
        """How likely each node before the last is to feed the next slot, up to a factor."""
        weights = np.ones(draft.num_nodes - 1)
        for node in range(draft.num_nodes - 1):
            for context in _candidate_contexts(draft, node):
                rate = self.chosen.get(context, 0) + _STRENGTH * _PRIOR
                weights[node] *= rate / (self.there.get(context, 0) + _STRENGTH)
        return weights

    def tables(self) -> dict[str, dict[Context, dict[int, int]]]:
        """The counts by name, each by context and symbol."""
        candidates = {context: {0: count, 1: self.chosen[context]} for context, count in self.there.items()}
        return {
            "operator": self.operator.counts,
            "slot": self.slot.counts,
            "output": self.output.counts,
            "node": candidates,
        }

    @classmethod
    def of(cls, table: pa.Table, num_operators: int) -> CountModel:
        """The model whose counts a table holds."""
        model = cls(num_operators)
        for name, context, symbol, count in _read(table):
            if name == "node":
                (model.chosen if symbol else model.there)[context] = count
            else:
                getattr(model, name).counts[context][symbol] = count
        return model


def _decisions(graph: SlottedGraph, book: Rulebook) -> Iterator[tuple[Draft, int, int, int | None]]:
    """What stands before each decision, and the decision: source and output of a slot, or an operator."""
    draft = Draft(book, graph.num_nodes, masked=False)
    for node in range(graph.num_nodes):
        yield draft, 0, 0, int(graph.operator[node])
        draft.place(int(graph.operator[node]))
        for at in range(graph.first[node], graph.first[node + 1]):
            source, output = int(graph.source[at]), int(graph.output[at])
            yield draft, source, output, None
            draft.fill(source, output)
    yield draft, 0, 0, _END


def _operator_contexts(draft: Draft) -> list[Context]:
    last = (draft.operator[-1] if draft.num_nodes else _NO_OPERATOR,)
    before = (draft.operator[-2] if draft.num_nodes > 1 else _NO_OPERATOR, *last)
    return [(), last, before]


def _slot_contexts(draft: Draft) -> list[Context]:
    operator, slot = draft.operator[-1], draft.num_slots
    last = draft.sources[-1][-1] if slot else _NO_OPERATOR
    return [(), (operator,), (operator, slot), (operator, slot, _NODE if last >= 0 else last)]


def _candidate_contexts(draft: Draft, node: int) -> tuple[Context, Context, Context]:
    back = min(draft.num_nodes - 1 - node, _FARTHEST)
    return (
        (0, back),
        (1, min(draft.uses[node], _MOST_USES)),
        (2, draft.operator[node], draft.operator[-1], min(draft.num_slots, _MOST_USES)),
    )


class BigramModel:
    """The counts of `bigrams`: sizes, operators, what is in the slots of an operator, and edges between operators."""

    def __init__(self, num_operators: int) -> None:
        self.num_operators = num_operators
        self.book = Rulebook([FREE] * num_operators)
        self.size = Counted(1 << 10)
        self.operator = Counted(num_operators)
        self.slot = Counted(len(KINDS) + 2)
        self.edge: defaultdict[Context, dict[int, int]] = defaultdict(dict)

    def fit(self, graph: SlottedGraph) -> None:
        """Count a graph."""
        self.size.add([()], graph.num_nodes)
        for draft, source, _, operator in _decisions(graph, self.book):
            if operator is not None:
                if draft.num_nodes:
                    self.slot.add(_slot_contexts(draft), _END)
                if operator != _END:
                    self.operator.add([()], operator)
                continue
            self.slot.add(_slot_contexts(draft), -1 - source if source < 0 else _NODE)
            if source >= 0:
                edges = self.edge[(draft.operator[source],)]
                edges[draft.operator[-1]] = edges.get(draft.operator[-1], 0) + 1

    def nll(self, graph: SlottedGraph) -> float:
        """The negative log-likelihood of a graph, in nats; outputs are not told apart."""
        found = -log(self.size.probability([()], graph.num_nodes))
        for draft, source, _, operator in _decisions(graph, self.book):
            if operator is not None:
                if draft.num_nodes:
                    found -= log(self.slot.probability(_slot_contexts(draft), _END))
                if operator != _END:
                    found -= log(self.operator.probability([()], operator))
                continue
            found -= log(self.slot.probability(_slot_contexts(draft), -1 - source if source < 0 else _NODE))
            if source >= 0:
                weights = self._weights(draft)
                found -= log(weights[source] / weights.sum())
        return found

    def sample(self, wish: Wish, most_nodes: int) -> list[SlottedGraph]:
        """Draw graphs."""
        generator = np.random.default_rng(wish.seed)
        sizes = range(2, most_nodes + 1)
        graphs = []
        for _ in range(wish.num):
            draft = Draft(wish.book, most_nodes, masked=False)
            for _ in range(min(wish.size or self.size.draw([()], generator, sizes), most_nodes)):
                draft.place(self.operator.draw([()], generator, range(self.num_operators)))
                while draft.num_slots < 64:
                    kind = self.slot.draw(_slot_contexts(draft), generator, range(_END, _NODE + 1))
                    if kind == _END:
                        break
                    if kind < _NODE or draft.num_nodes == 1:
                        draft.fill(-1 - kind if kind < _NODE else OUTSIDE)
                        continue
                    weights = self._weights(draft)
                    draft.fill(int(generator.choice(len(weights), p=weights / weights.sum())))
            graphs.append(draft.graph())
        return graphs

    def _weights(self, draft: Draft) -> NDArray[np.float64]:
        consumer = draft.operator[-1]
        counts = [self.edge.get((operator,), {}).get(consumer, 0) for operator in draft.operator[:-1]]
        return np.array(counts, dtype=np.float64) + 0.1

    def tables(self) -> dict[str, dict[Context, dict[int, int]]]:
        """The counts by name, each by context and symbol."""
        return {
            "size": self.size.counts,
            "operator": self.operator.counts,
            "slot": self.slot.counts,
            "edge": self.edge,
        }

    @classmethod
    def of(cls, table: pa.Table, num_operators: int) -> BigramModel:
        """The model whose counts a table holds."""
        model = cls(num_operators)
        for name, context, symbol, count in _read(table):
            (model.edge if name == "edge" else getattr(model, name).counts)[context][symbol] = count
        return model


def _write(tables: dict[str, dict[Context, dict[int, int]]]) -> pa.Table:
    rows = [
        (name, list(context), symbol, count)
        for name, counts in tables.items()
        for context, symbols in sorted(counts.items())
        for symbol, count in sorted(symbols.items())
    ]
    names, contexts, symbols, counts = zip(*rows, strict=True)
    columns = {
        "counts": pa.array(names),
        "context": pa.array(contexts, pa.list_(pa.int64())),
        "symbol": pa.array(symbols, pa.int64()),
        "count": pa.array(counts, pa.int64()),
    }
    return pa.table(columns)


def _read(table: pa.Table) -> Iterator[tuple[str, Context, int, int]]:
    columns = (table[name].to_pylist() for name in ("counts", "context", "symbol", "count"))
    for name, context, symbol, count in zip(*columns, strict=True):
        yield name, tuple(context), symbol, count


def _rule(kind: Callable[[int], Any]) -> Rule:
    def fit(table: GraphTable, run: Any) -> pa.Table:
        model = kind(len(run.labels))
        generator = np.random.default_rng(run.config.seed)
        for graph in slotted_graphs(table, rows_of(table, run.config.max_nodes).tolist()):
            model.fit(graph.reordered(random_order(graph, generator)))
        return _write(model.tables())

    def predict(counted: pa.Table, table: GraphTable, run: Any) -> dict[str, Any]:
        model = kind.of(counted, len(run.labels))  # type: ignore[attr-defined]
        scored = [
            (row, graph.num_nodes, model.nll(graph)) for row, graph in evaluation_graphs(table, run.config.max_nodes)
        ]
        rows, sizes, values = (np.array(column) for column in zip(*scored, strict=True))
        return {"row": rows, "y_true": sizes, "y_pred": values.astype(np.float64)}

    def sample(counted: pa.Table, run: Any, wish: Wish) -> list[SlottedGraph]:
        model = kind.of(counted, len(run.labels))  # type: ignore[attr-defined]
        return model.sample(wish, run.config.max_nodes)  # type: ignore[no-any-return]

    return Rule(fit, predict, sample)


COUNTS: Final = _rule(CountModel)
BIGRAMS: Final = _rule(BigramModel)

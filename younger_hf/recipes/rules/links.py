"""Data flow design by rules: what order, open slots and pairs of operators give away, without a model.

Each gives pairs a probability; what counts for AUC and AP is the order of these, and for F1 what is above 0.5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from younger_hf.graph import IntArray
from younger_hf.recipes.dataflow import held_out_share
from younger_hf.recipes.rules import Rule
from younger_hf.recipes.run import Run
from younger_hf.tasks.graph_table import GraphTable, GraphUnion
from younger_hf.tasks.links import Links, evaluation_links

_Score = Callable[[pa.Table, GraphUnion, Links], NDArray[np.float32]]


def _predict_by(score: _Score) -> Callable[[pa.Table, GraphTable, Run], dict[str, Any]]:
    def predict(counted: pa.Table, table: GraphTable, run: Run) -> dict[str, Any]:
        parts = []
        for row, graph, links in _links(table, run):
            parts.append((np.full(len(links.y), row), *links.pairs, links.y, score(counted, graph, links)))
        names = ("row", "producer", "consumer", "y_true", "y_pred")
        return dict(zip(names, map(np.concatenate, zip(*parts, strict=True)), strict=True))

    return predict


def _links(table: GraphTable, run: Run) -> Iterator[tuple[int, GraphUnion, Links]]:
    """Each graph, and what is to be predicted of it."""
    share, seed = held_out_share(run.config), run.config.evaluation_seed
    for row, fingerprint in enumerate(table.fingerprints.to_pylist()):
        graph = table.union(np.array([row]))
        yield row, graph, evaluation_links(graph, fingerprint, share, seed)


def fit_order(table: GraphTable, run: Run) -> pa.Table:
    """`distance`, one row: where F1 is best in train if all pairs that are nearer are data flows."""
    distances, labels = [], []
    for _, _, links in _links(table, run):
        distances.append(_distance(links.pairs))
        labels.append(links.y)
    distance, y = np.concatenate(distances), np.concatenate(labels)
    order = np.argsort(distance, kind="stable")
    found = np.cumsum(y[order])
    f1 = 2 * found / (np.arange(1, len(y) + 1) + y.sum())
    return pa.table({"distance": [float(distance[order][np.argmax(f1)]) + 0.5]})


def order(counted: pa.Table, _: GraphUnion, links: Links) -> NDArray[np.float32]:
    """A producer stands before its consumer, and most likely close to it."""
    half = counted["distance"][0].as_py()
    return np.asarray(half / (half + _distance(links.pairs)), np.float32)


def _distance(pairs: IntArray) -> NDArray[np.float64]:
    """How far the second stands after the first; infinity where it stands before."""
    producer, consumer = pairs
    return np.where(producer < consumer, consumer - producer, np.inf)


def open_slots(_: pa.Table, graph: GraphUnion, links: Links) -> NDArray[np.float32]:
    """A consumer that lacks an input, and a producer whose output nothing uses, as far as messages tell.

    An input is lacking where a slot below one that is fed is not, or none is.
    """
    producer, consumer = graph.edge_index[:, links.is_message]
    slots = graph.edge_slot[1, links.is_message]
    fed = np.zeros((2, graph.num_nodes), np.int64)
    pairs = np.unique(np.stack((consumer, slots)), axis=1)
    np.add.at(fed[0], pairs[0], 1)
    np.maximum.at(fed[1], consumer, slots + 1)
    lacks = (fed[0] == 0) | (fed[0] < fed[1])
    unused = np.bincount(producer, minlength=graph.num_nodes) == 0
    found = lacks[links.pairs[1]].astype(np.int64) + unused[links.pairs[0]]
    return np.asarray(np.array([0.1, 0.4, 0.9])[found], np.float32)


def fit_pairs(table: GraphTable, run: Run) -> pa.Table:
    """Count pairs of operators: `producer`, `consumer`, `count`; a producer of -1 counts the operators themselves."""
    num = len(run.labels)
    pairs, nodes = [], np.zeros(num, np.int64)
    for part in table.parts(1 << 9):
        graphs = table.union(part)
        producer, consumer = graphs.x[graphs.edge_index]
        pairs.append(producer * num + consumer)
        nodes += np.bincount(graphs.x, minlength=num)
    codes, count = np.unique(np.concatenate(pairs), return_counts=True)
    alone = np.flatnonzero(nodes)
    return pa.table(
        {
            "producer": np.concatenate((codes // num, np.full(len(alone), -1))),
            "consumer": np.concatenate((codes % num, alone)),
            "count": np.concatenate((count, nodes[alone])),
        }
    )


def pairs(counted: pa.Table, graph: GraphUnion, links: Links) -> NDArray[np.float32]:
    """How much more often two operators are joined in train than two nodes drawn at random are these operators."""
    producer, consumer, count = (counted[name].to_numpy() for name in ("producer", "consumer", "count"))
    alone = producer < 0
    size = int(max(graph.x.max(), consumer.max())) + 1
    nodes = np.full(size, 0.5)  # an operator that train lacks is rare
    nodes[consumer[alone]] += count[alone]
    shares = nodes / nodes.sum()
    codes, joined = producer[~alone] * size + consumer[~alone], count[~alone]
    first, second = graph.x[links.pairs]
    wanted = first * size + second
    at = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
    chance = shares[first] * shares[second]
    present = (np.where(codes[at] == wanted, joined[at], 0) + chance) / (joined.sum() + 1)
    return np.asarray(present / (present + chance), np.float32)


ORDER: Final = Rule(fit_order, _predict_by(order))
OPEN_SLOTS: Final = Rule(lambda _, __: pa.table({"nothing": pa.array([], pa.int64())}), _predict_by(open_slots))
NGRAM: Final = Rule(fit_pairs, _predict_by(pairs))

"""The building blocks of one network: the subgraphs of its modules, each with the slots by which it is wired in.

In go a skeleton and its module tree, or their number in the spool; out come `Block`s, each as often as the network
has it. A block is what the calls of a module run, its inner modules included. Not blocks are the whole network, a
module of fewer than `LEAST_NODES` or more than `MOST_NODES` operators or deeper than `MOST_DEPTH` in the tree, and a
module that only wraps another, which stands for both.

Two blocks are one where their graphs are isomorphic and wired in alike: the same input slots are fed from outside, by
as many values, and the same output slots are used outside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np
import onnx

from builders.measure.cut import ROUNDS, SEARCH_BUDGET, Int32s
from builders.measure.facts import Identity
from younger_hf.extract.flatten import flatten
from younger_hf.extract.operator_graph import open_slots, operator_graph
from younger_hf.graph import IntArray, OperatorGraph
from younger_hf.identity.batch import Batch, label_digests
from younger_hf.identity.canonical import canonical_forms
from younger_hf.module_tree import ModuleTree
from younger_hf.work import Work

LEAST_NODES: Final = 2
MOST_NODES: Final = 512
MOST_DEPTH: Final = 32  # so that what is cut is in proportion to the network

_OUTSIDE: Final = -1  # in the place of a node: a value from outside
_OUTSIDE_DIGEST: Final = np.frombuffer(blake2b(b"a value from outside", digest_size=16).digest(), dtype="<i8")

_Ends = Sequence[tuple[int, int]]


@dataclass(frozen=True, eq=False)
class Block:
    """A block of N nodes and E edges, with I input slots that are fed from outside and O output slots used there.

    Two that have one key are equal array for array.

    Attributes:
        key: its fingerprint.
        exact: whether the search for its canonical form came to an end.
        kinds: the class of each module that is this block.
        depths: how deep each of them is in the tree, 1 for the modules that the network itself calls.
        labels: the distinct labels of its nodes.
        node: int32 [N], positions in `labels`.
        scope: int32 [N], positions of owners within the block, or -1.
        edge_index: int32 [2, E].
        edge_slot: int32 [2, E].
        open_input: int32 [2, I], node and input slot.
        open_value: int32 [I], which of the values from outside feeds the slot, numbered from 0.
        open_output: int32 [2, O], node and output slot.
    """

    key: str
    exact: bool
    kinds: list[str]
    depths: list[int]
    labels: list[str]
    node: Int32s
    scope: Int32s
    edge_index: Int32s
    edge_slot: Int32s
    open_input: Int32s
    open_value: Int32s
    open_output: Int32s


def find_blocks(skeleton: bytes, tree: ModuleTree) -> list[Block]:
    """The distinct blocks of a network, in the order of their first call.

    Args:
        skeleton: as `builders.measure.facts.measure` returns it.
        tree: the modules of its nodes; none are found if it is of another number of nodes.

    The canonical forms of all blocks share a budget: those for which nothing is left of it are not exact, and so are
    merged with no other.
    """
    flat = flatten(onnx.load_model_from_string(skeleton), "the skeleton")
    graph = operator_graph(flat)
    if len(tree.node) != graph.num_nodes:
        return []
    cutter = _Cutter(graph, *open_slots(flat))
    found: dict[bytes, tuple[_Piece, list[str], list[int]]] = {}
    for nodes, kind, depth in _modules(tree):
        piece = cutter.cut(nodes)
        # Repeated modules are written alike, as a rule: what is equal as it stands is searched once.
        _, kinds, depths = found.setdefault(piece.content, (piece, [], []))
        kinds.append(kind)
        depths.append(depth)
    blocks: dict[str, Block] = {}
    work = Work(SEARCH_BUDGET + ROUNDS * sum(len(piece.nodes) + piece.edges.shape[1] for piece, _, _ in found.values()))
    for piece, kinds, depths in found.values():
        block = cutter.block(piece, kinds, depths, work)
        same = blocks.setdefault(block.key, block)
        if same is not block:
            same.kinds.extend(kinds)
            same.depths.extend(depths)
    return list(blocks.values())


def find_blocks_in(made: tuple[bytes, bytes]) -> list[Block]:
    """As `find_blocks`, for a skeleton with its module tree, serialised; empty where there is none."""
    skeleton, modules = made
    if not modules:
        return []
    try:
        tree = ModuleTree.from_json(modules)
    except (ValueError, RecursionError):  # of a ledger that was written to by hand: its graph stays
        return []
    return find_blocks(skeleton, tree)


def _modules(tree: ModuleTree) -> Iterator[tuple[list[int], str, int]]:
    """The nodes, class and depth of each module that is a block."""
    modules = tree.modules
    depth: list[int] = []
    for module in modules:
        depth.append(0 if module.parent < 0 else depth[module.parent] + 1)
    sizes = np.bincount(tree.node[tree.node >= 0], minlength=len(modules)).tolist()
    for position in reversed(range(len(modules))):
        if modules[position].parent >= 0:
            sizes[modules[position].parent] += sizes[position]
    wraps: set[int] = set()
    whole: list[bool] = []
    for position, module in enumerate(modules):
        alike = module.parent >= 0 and sizes[position] == sizes[module.parent]
        whole.append(module.parent < 0 or (alike and whole[module.parent]) or sizes[position] == len(tree.node))
        if alike:
            wraps.add(module.parent)
    nodes: dict[int, list[int]] = {
        position: []
        for position in range(len(modules))
        if LEAST_NODES <= sizes[position] <= MOST_NODES
        and depth[position] <= MOST_DEPTH
        and not whole[position]
        and position not in wraps
    }
    for node, module in enumerate(tree.node.tolist()):
        while module >= 0 and sizes[module] <= MOST_NODES:
            if module in nodes:
                nodes[module].append(node)
            module = modules[module].parent
    return ((nodes[position], modules[position].kind, depth[position]) for position in nodes)


@dataclass(frozen=True, eq=False)
class _Piece:
    """The nodes of a module, preceded by a node for each value that comes from outside.

    Attributes:
        nodes: int64 [n], positions in the graph, `_OUTSIDE` for a value.
        edges: int64 [4, e]: producer, consumer, output slot, input slot, positions within the piece.
        scope: int64 [n].
        used: for each node, which of its output slots are used outside, ascending.
        digests: int64 [n, 2].
        content: what tells it from pieces that differ as they stand.
    """

    nodes: IntArray
    edges: IntArray
    scope: IntArray
    used: list[tuple[int, ...]]
    digests: IntArray
    content: bytes


class _Cutter:
    """Cuts pieces out of one graph.

    Args:
        graph: what is cut.
        fed: node, input slot and value of each slot that a graph input feeds.
        given: node and output slot of each graph output.
    """

    def __init__(self, graph: OperatorGraph, fed: Sequence[tuple[int, int, int]], given: _Ends) -> None:
        self.graph = graph
        self.digests = label_digests(graph.operator)
        self.scope = graph.scope.tolist()
        self.fed: list[list[tuple[int, int]]] = [[] for _ in range(graph.num_nodes)]
        self.given: list[list[int]] = [[] for _ in range(graph.num_nodes)]
        self.into: list[list[tuple[int, int, int]]] = [[] for _ in range(graph.num_nodes)]
        self.out: list[list[tuple[int, int]]] = [[] for _ in range(graph.num_nodes)]
        for node, slot, value in fed:
            self.fed[node].append((slot, value))
        for node, slot in given:
            self.given[node].append(slot)
        table = np.concatenate((graph.edge_index, graph.edge_slot)).T.tolist()
        for producer, consumer, output_slot, input_slot in table:
            self.into[consumer].append((producer, output_slot, input_slot))
            self.out[producer].append((consumer, output_slot))

    def cut(self, nodes: list[int]) -> _Piece:
        """Cut out some nodes, ascending."""
        inside = {node: position for position, node in enumerate(nodes)}
        values: dict[tuple[int, int], int] = {}
        edges: list[tuple[int, int, int, int]] = []
        open_edges: list[tuple[int, int, int, int]] = []
        used = []
        for position, node in enumerate(nodes):
            for producer, output_slot, input_slot in self.into[node]:
                if producer in inside:
                    edges.append((inside[producer], position, output_slot, input_slot))
                else:
                    value = values.setdefault((producer, output_slot), len(values))
                    open_edges.append((value, position, 0, input_slot))
            for input_slot, fed_by in self.fed[node]:
                value = values.setdefault((_OUTSIDE, fed_by), len(values))
                open_edges.append((value, position, 0, input_slot))
            outside = {slot for consumer, slot in self.out[node] if consumer not in inside}
            used.append(tuple(sorted(outside.union(self.given[node]))))
        shift = len(values)
        own = np.array(edges, dtype=np.int64).reshape(-1, 4) + np.array([shift, shift, 0, 0])
        opened = np.array(open_edges, dtype=np.int64).reshape(-1, 4) + np.array([0, shift, 0, 0])
        owners = [inside[self.scope[node]] + shift if self.scope[node] in inside else -1 for node in nodes]
        digests = self.digests[nodes]
        for position, slots in enumerate(used):
            if slots:
                wired = digests[position].astype("<i8").tobytes() + np.array(slots, dtype="<i8").tobytes()
                digests[position] = np.frombuffer(blake2b(wired, digest_size=16).digest(), dtype="<i8")
        digests = np.concatenate((np.tile(_OUTSIDE_DIGEST, (shift, 1)), digests))
        table = np.concatenate((opened, own))
        scope = np.array([-1] * shift + owners, dtype=np.int64)
        content = b"".join(
            part.astype("<i8").tobytes() for part in (np.array([shift, len(nodes)]), digests, scope, table)
        )
        return _Piece(
            np.array([_OUTSIDE] * shift + nodes, dtype=np.int64),
            np.ascontiguousarray(table.T),
            scope,
            [()] * shift + used,
            digests,
            content,
        )

    def block(self, piece: _Piece, kinds: list[str], depths: list[int], work: Work) -> Block:
        """The piece in canonical order, as far as there is work left to find it."""
        ends = np.array([len(piece.nodes)]), np.array([piece.edges.shape[1]])
        batch = Batch(piece.digests, piece.scope, piece.edges[:2], piece.edges[2:], *ends)
        forms = canonical_forms(batch, work)
        batch, order = batch.reordered(forms.order), forms.order
        evidence = "" if forms.exact[0] else blake2b(piece.content, digest_size=16).hexdigest()
        is_node = piece.nodes[order] != _OUTSIDE
        # Where each node, and each value, stands among its like.
        place = np.where(is_node, np.cumsum(is_node), np.cumsum(~is_node)) - 1
        producer, consumer = batch.edge_index
        own = is_node[producer]
        operators = [self.graph.operator[node].label for node in piece.nodes[order][is_node].tolist()]
        labels = {label: number for number, label in enumerate(dict.fromkeys(operators))}
        scope = batch.scope[is_node]
        outputs = [
            (position, slot) for position, node in enumerate(order[is_node].tolist()) for slot in piece.used[node]
        ]
        return Block(
            key=Identity(forms.fingerprints[0], evidence).key,
            exact=forms.exact[0],
            kinds=kinds,
            depths=depths,
            labels=list(labels),
            node=np.array([labels[label] for label in operators], dtype=np.int32),
            scope=np.where(scope >= 0, place[scope], -1).astype(np.int32),
            edge_index=place[batch.edge_index[:, own]].astype(np.int32),
            edge_slot=batch.edge_slot[:, own].astype(np.int32),
            open_input=np.stack((place[consumer[~own]], batch.edge_slot[1, ~own])).astype(np.int32),
            open_value=place[producer[~own]].astype(np.int32),
            open_output=np.array(outputs, dtype=np.int32).reshape(-1, 2).T,
        )

"""Names for the nodes of a skeleton, which has none: operator type and position, and the module where that is known.

In goes a ModelProto that its caller may change; its nodes are named in place. No name is part of an identity.
"""

from __future__ import annotations

from onnx import ModelProto

from younger_hf.extract import node_names
from younger_hf.interop.parameters import graphs_of
from younger_hf.module_tree import ModuleTree


def name_nodes(model: ModelProto, modules: ModuleTree | None = None) -> None:
    """Name every node, so that a viewer shows something to read: `layer1.0.conv1/Conv_4`, or `Conv_4`.

    Args:
        model: a skeleton; its nodes are numbered in the order of the file, those of bodies after the node's own graph.
        modules: of the same skeleton. Nodes that it does not know, such as constants, have no module in their name.
    """
    nodes = [node for graph in graphs_of(model.graph) for node in graph.node]
    for number, node in enumerate(nodes):
        node.name = f"{node.op_type}_{number}"
    if modules is None:
        return
    extracted = [name.partition("/")[0] for name in node_names(model)]
    if len(extracted) != len(modules.node):  # of another skeleton
        return
    paths = [modules.modules[at].path if at >= 0 else "" for at in modules.node.tolist()]
    path_of = dict(zip(extracted, paths, strict=True))
    for node in nodes:
        if path := path_of.get(node.name):
            node.name = f"{path}/{node.name}"

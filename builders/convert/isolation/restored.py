"""Skeletons and module trees that a release has, as this younger-hf would have made them.

A child looks at many at once. What somebody published is as little believed as what a converting process answers: a
skeleton is parsed and stripped again, so that nothing can hide in it and a rule that has changed since holds for it
too; of its module tree only names are kept that a library could have.
"""

from __future__ import annotations

import onnx

from builders.convert.conversion import Outcome
from builders.convert.isolation.answer import Answer, Parts, pack, unpack
from builders.convert.isolation.known_names import plausible_names
from builders.convert.module_tree import ModuleTree
from younger_hf.errors import YoungerError
from younger_hf.extract import extract, strip
from younger_hf.extract.weightless import find_weights


def restore(payload: bytes) -> Answer:
    """Look at skeletons with their module trees.

    Args:
        payload: packed.

    Returns:
        For each, packed in the place of a skeleton: the two as they are kept, or nothing and why it is refused.
    """
    return Answer(Outcome.OK, skeleton=pack(map(_restored, unpack(payload))))


def _restored(parts: Parts) -> Parts:
    skeleton, modules = parts
    try:
        if found := find_weights(skeleton):
            raise ValueError(found)
        model = strip(onnx.load_model_from_string(skeleton))
        tree = ModuleTree.from_json(modules) if modules else None
        graph = extract(model)
        if graph.num_edges == 0:
            raise ValueError("no operator feeds another")
        if tree is not None and len(tree.node) != graph.num_nodes:
            raise ValueError("its module tree is of another graph")
    except Exception as error:  # whatever is wrong with it, the others are looked at
        return b"", (str(error) if isinstance(error, YoungerError | ValueError) else type(error).__name__).encode()
    return model.SerializeToString(deterministic=True), plausible_names(tree).to_json() if tree else b""

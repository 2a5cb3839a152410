"""What a child has answered is not believed: a second child, in which no model ever was, looks at it. `check`.

In go the skeleton and the module tree as they came; out comes an `Answer` that says whether they may go into the
ledger. The skeleton has to be one that `younger_hf.extract.strip` makes, to the byte, so that nothing hides in it, and
one that assembly can measure. Of the tree only names are kept that the installed libraries have.

Protobuf and JSON of a stranger are parsed here, which is why this too runs behind walls and under limits.
"""

from __future__ import annotations

import onnx
from google.protobuf.message import DecodeError

from builders.convert.conversion import ConversionError, Outcome
from builders.convert.isolation.answer import Answer
from builders.convert.isolation.known_names import known_names
from builders.convert.module_tree import ModuleTree
from builders.measure.facts import measure
from younger_hf.extract import extract, strip
from younger_hf.extract.weightless import find_weights

_MOST_TREE = 64 << 20  # bytes of a module tree

# What measuring compiles is compiled when this is imported: once, and by a process that may keep it on the disk, as a
# child may not. The two crossed pairs are alike in every way that colours see, so that the search has to run too.
measure(
    onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17]> g (float[2] x) => (float[2] u, float[2] v) {
            y = Abs (x)
            a = Relu (y)
            b = Relu (y)
            u = Sub (a, b)
            v = Sub (b, a)
        }"""
    ).SerializeToString()
)


def check(skeleton: bytes, modules: bytes, *, published_code: bool) -> Answer:
    """Look at what a child has answered.

    Args:
        skeleton: a ModelProto, it says.
        modules: the module tree of its nodes, it says; may be empty.
        published_code: whether code of the model's publisher was run, which may have made either of them.

    Returns:
        The outcome, with the opset and the tree as it may be kept; the skeleton is not repeated.

    Raises:
        ConversionError: it is not what it should be.
        InvalidModelError: its graph is not sound.
    """
    if found := find_weights(skeleton):
        raise ConversionError(Outcome.INVALID_ONNX, f"its skeleton {found}")
    try:
        model = onnx.load_model_from_string(skeleton)
    except DecodeError as error:
        raise ConversionError(Outcome.INVALID_ONNX, "its skeleton cannot be parsed") from error
    if strip(model).SerializeToString(deterministic=True) != skeleton:
        raise ConversionError(Outcome.INVALID_ONNX, "its skeleton is not as strip makes it: something is hidden in it")
    graph = extract(model)
    if graph.num_edges == 0:
        return Answer(Outcome.TRIVIAL, "no operator feeds another")
    measure(skeleton)
    if not modules:
        return Answer(Outcome.OK, opset=graph.metadata.opset)
    try:
        if len(modules) > _MOST_TREE:
            raise ValueError("it is too large")
        tree = ModuleTree.from_json(modules)
        if len(tree.node) != graph.num_nodes:
            raise ValueError("it is of another graph")
    except (ValueError, RecursionError) as error:
        raise ConversionError(Outcome.INVALID_ONNX, f"its module tree cannot be read: {error}") from error
    return Answer(
        Outcome.OK, opset=graph.metadata.opset, modules=known_names(tree, published_code=published_code).to_json()
    )

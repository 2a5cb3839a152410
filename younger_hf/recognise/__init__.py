"""Recognise: the same network whatever exported it, and the nearest ones without training.

network, flat, proto       a model that rules can rewrite; from and to the forms that others read
shapes, opset, order       shapes of values, one opset, one order of commutative operands
rules, matching, fixpoint  the rules, what they ask about values, and the driver that applies them
normal                     the normal form and its fingerprint
sketch, nearest            a signature of a normal form, and the rows of a release that are near
alignment, difference      which nodes of two normal forms are the same, and what tells them apart
blocks                     the same, block by block
"""

from younger_hf.errors import MissingExtraError

try:
    import onnx  # noqa: F401 - so that it is missed here, and by name
except ModuleNotFoundError as error:
    raise MissingExtraError(error.name or "onnx", "inspect") from error

from younger_hf.recognise.blocks import BlockChange
from younger_hf.recognise.difference import Change, ModelDifference, diff_models
from younger_hf.recognise.nearest import Neighbour, nearest
from younger_hf.recognise.normal import normal_fingerprint, normal_graph, normalize

__all__ = [
    "BlockChange",
    "Change",
    "ModelDifference",
    "Neighbour",
    "diff_models",
    "nearest",
    "normal_fingerprint",
    "normal_graph",
    "normalize",
]

"""Weightless reading of ONNX: a file or ModelProto becomes an `OperatorGraph`, or a skeleton without weights.

The rooms, in the order in which a model passes through them:

    reader                     a file, here or on a web server -> ModelProto without weights
    remote, ranges             a file on a web server as bytes, by HTTP range requests
    public_addresses           the same for an address that a stranger names
    parse, allow_list          bytes -> ModelProto at protobuf's own speed, reduced to what is structure
    walk, rules, wire          the same field by field: over what is large, and to say where bytes make no sense
    columns, plain             the same bytes as arrays, where a model is plain, and all that is read off these
    compiled_wire              the wire format once more, for the compiled code of `columns`
    clear                      the values that no skeleton keeps, taken out of a ModelProto
    flatten, order             ModelProto -> FlatModel (flat_model): functions inlined, names resolved, bodies linked
    node_operators             FlatModel -> the operator of each of its nodes
    operators, operator_rules  NodeProto <-> Operator: attributes completed, stripped, canonical; the tables
    attribute_values           the value of one attribute <-> canonical JSON
    constants                  which tensors are structure and keep their values
    operator_graph             FlatModel -> OperatorGraph
    skeleton                   FlatModel -> weightless ModelProto
    modules                    FlatModel -> the modules that its nodes say they came from
    weightless                 the proof that a skeleton holds no weights
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from younger_hf.errors import MissingExtraError

try:
    from onnx import ModelProto
except ModuleNotFoundError as error:
    raise MissingExtraError(error.name or "onnx", "inspect") from error

from younger_hf.extract.errors import InvalidModelError
from younger_hf.extract.flat_model import FlatModel
from younger_hf.extract.flatten import flatten
from younger_hf.extract.operator_graph import annotated_graph, operator_graph
from younger_hf.extract.reader import load_plainly, load_weightless, read_structure, shown
from younger_hf.extract.skeleton import skeleton, skeleton_nodes
from younger_hf.graph import OperatorGraph
from younger_hf.work import WORK_LIMIT, Work

__all__ = ["InvalidModelError", "annotate", "extract", "node_metadata", "node_names", "read_structure", "strip"]

ModelOrPath = ModelProto | str | os.PathLike[str]


def extract(model_or_path: ModelOrPath, *, work_limit: int = WORK_LIMIT) -> OperatorGraph:
    """The operator graph of a model, nodes in topological order.

    Args:
        model_or_path: a ModelProto, with or without weights, or an ONNX file of any size, here or at an http(s) URL,
            read weightlessly.
        work_limit: steps that reading may take: bytes and fields parsed, nodes, slots and calls, functions inlined.
            The default is enough for some millions of nodes; a small file that needs more was made to waste time.

    Raises:
        InvalidModelError: the file does not parse, or the model is not structurally sound. The ONNX checker is no
            gate: what parses and is sound is extracted.
        WorkLimitError: it takes more steps than `work_limit`.
        YoungerError: there is no such file.
    """
    work = Work(work_limit)
    if isinstance(model_or_path, ModelProto):
        return operator_graph(flatten(model_or_path, work=work))
    model = load_plainly(model_or_path, work, work)
    if isinstance(model, ModelProto):
        return operator_graph(flatten(model, _file_name(model_or_path), work))
    return model.graph() or operator_graph(flatten(model.model(), _file_name(model_or_path)))


def strip(model_or_path: ModelOrPath, *, work_limit: int = WORK_LIMIT) -> ModelProto:
    """The skeleton of a model: a weightless ModelProto rebuilt from an allow-list.

    Its parameters are initializers with element type and shape and no data; `younger_hf.to_onnx` makes it run.
    Extracting it gives the fingerprint and the skeleton_fingerprint of the model.

    Raises:
        InvalidModelError: as `extract`.
        WorkLimitError: as `extract`.
    """
    return skeleton(_flat(model_or_path, work_limit))


def annotate(model_or_path: ModelOrPath, *, work_limit: int = WORK_LIMIT) -> OperatorGraph:
    """The operator graph with what feeds each open input slot in its labels: what a skeleton's identity is read off.

    Raises:
        InvalidModelError: as `extract`.
        WorkLimitError: as `extract`.
    """
    return annotated_graph(_flat(model_or_path, work_limit))


def node_metadata(model: ModelProto) -> list[Mapping[str, str]]:
    """What a model says of its nodes in their metadata, node by node of `extract(strip(model))`.

    A node of a local function has what the model says of the call; the skeleton itself has no metadata.

    Raises:
        InvalidModelError: as `extract`.
    """
    return [node.metadata for node in skeleton_nodes(flatten(model))]


def node_names(model_or_path: ModelOrPath) -> list[str]:
    """What a model calls each node of `extract(model_or_path)`: its name or, where it has none, its first output's.

    A node of a local function has the names of the call and of itself, with a slash between them. Names need not be
    unique.

    Raises:
        InvalidModelError: as `extract`.
    """
    return [node.name for node in _flat(model_or_path).nodes]


def _flat(model_or_path: ModelOrPath, work_limit: int = WORK_LIMIT) -> FlatModel:
    work = Work(work_limit)
    if isinstance(model_or_path, ModelProto):
        return flatten(model_or_path, work=work)
    return flatten(load_weightless(model_or_path, work), _file_name(model_or_path), work)


def _file_name(path: str | os.PathLike[str]) -> str:
    return Path(shown(path)).name


class _CallableModule(ModuleType):
    """This package, which can be called: `younger_hf.extract("model.onnx")`.

    A package and the function that it is there for share a name, and importing any module of the package sets
    `younger_hf.extract` to the package. As both are one object, it does not matter who comes first.
    """

    def __call__(self, model_or_path: ModelOrPath, *, work_limit: int = WORK_LIMIT) -> OperatorGraph:
        return extract(model_or_path, work_limit=work_limit)


_CallableModule.__call__.__doc__ = extract.__doc__
sys.modules[__name__].__class__ = _CallableModule

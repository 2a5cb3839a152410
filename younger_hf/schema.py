"""The columns of every config of a release: the single place where a column is declared.

A column is added here and filled in `builders.assemble.write.rows`; everything else (the Parquet schema, the card,
what `younger_hf.load` returns) follows from these `datasets.Features`.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Names
from functools import partial
from typing import Final

from datasets import ClassLabel, Features, Image, Sequence, Value

SCHEMA_VERSION: Final = 1

CONFIGS: Final = (
    "graphs",
    "graphs-no-attributes",
    "subgraphs",
    "subgraphs-no-attributes",
    "sample",
    "operators",
    "skeletons",
)
DEFAULT_CONFIG: Final = "graphs"
SPLITS: Final = ("train", "validation", "test", "unseen")

UNKNOWN: Final = "__UNK__"
MASK: Final = "__MASK__"

# Sequence of a mapping means a mapping of lists; a list of mappings is spelt [..], which every generation reads.
_MODELS: Final = [
    {
        "source": Value("string"),
        "id": Value("string"),
        "revision": Value("string"),
        "component": Value("string"),
        "retrieved": Value("string"),
        "origin": Value("string"),
        "task": Value("string"),
        "license": Value("string"),
        "num_parameters": Value("int64"),
        "downloads": Value("int64"),
        "likes": Value("int64"),
        "tags": Sequence(Value("string")),
    }
]
_EVALUATIONS: Final = [
    {
        "model": Value("string"),
        "task": Value("string"),
        "dataset": Value("string"),
        "split": Value("string"),
        "metric": Value("string"),
        "value": Value("float64"),
    }
]


def _structure(operators: Names[str], *, attributes: bool) -> dict[str, object]:
    """The columns that are the graph itself: N nodes, E edges."""
    return {
        "node_operator": Sequence(ClassLabel(names=list(operators))),
        **({"node_variant": Sequence(Value("int64"))} if attributes else {}),
        "node_scope": Sequence(Value("int64")),
        "edge_index": Sequence(Sequence(Value("int64")), length=2),
        "edge_slot": Sequence(Sequence(Value("int64")), length=2),
    }


def _scalars() -> dict[str, object]:
    """The flat columns to browse and filter by; those of a model are the representative's."""
    return {
        "name": Value("string"),
        "source": Value("string"),
        "origin": Value("string"),
        "task": Value("string"),
        "family": Value("string"),
        "library": Value("string"),
        "license": Value("string"),
        "exporter": Value("string"),
        "opset": Value("int64"),
        "num_nodes": Value("int64"),
        "num_edges": Value("int64"),
        "depth": Value("int64"),
        "num_operator_types": Value("int64"),
        "num_parameters": Value("int64"),
        "num_skeletons": Value("int64"),
        "num_models": Value("int64"),
        "downloads": Value("int64"),
        "has_control_flow": Value("bool"),
        "is_quantized": Value("bool"),
        "summary": Value("string"),
    }


def _graphs(operators: Names[str]) -> dict[str, object]:
    return {
        "fingerprint": Value("string"),
        "exact": Value("bool"),
        "type_fingerprint": Value("string"),
        "wl_hash": Value("string"),
        **_scalars(),
        "preview": Image(),
        **_structure(operators, attributes=True),
        "models": _MODELS,
        "evaluations": _EVALUATIONS,
        "paper_split": Value("string"),
    }


def _graphs_no_attributes(operators: Names[str]) -> dict[str, object]:
    return {
        "type_fingerprint": Value("string"),
        "exact": Value("bool"),
        "wl_hash": Value("string"),
        **_scalars(),
        **_structure(operators, attributes=False),
        "fingerprints": Sequence(Value("string")),
        "paper_split": Value("string"),
    }


def _subgraphs(operators: Names[str], *, attributes: bool) -> dict[str, object]:
    return {
        "fingerprint": Value("string"),
        "exact": Value("bool"),
        "graphs": Sequence(Value("string")),
        "num_graphs": Value("int64"),
        "num_nodes": Value("int64"),
        "num_edges": Value("int64"),
        "num_boundary": Value("int64"),
        **_structure(operators, attributes=attributes),
        "boundary": Sequence(Value("int64")),
        "paper_split": Value("string"),
    }


def _operators(_: Names[str]) -> dict[str, object]:
    return {
        "kind": Value("string"),
        "id": Value("int64"),
        "label": Value("string"),
        "domain": Value("string"),
        "op_type": Value("string"),
        "attributes": Value("string"),
        "operator_id": Value("int64"),
        "num_nodes": Value("int64"),
        "num_graphs": Value("int64"),
    }


def _skeletons(_: Names[str]) -> dict[str, object]:
    return {
        "skeleton_fingerprint": Value("string"),
        "fingerprint": Value("string"),
        "num_parameters": Value("int64"),
        "opset": Value("int64"),
        "exporter": Value("string"),
        "models": _MODELS,
        "onnx": Value("binary"),
    }


_FEATURES: Final[dict[str, Callable[[Names[str]], dict[str, object]]]] = {
    "graphs": _graphs,
    "graphs-no-attributes": _graphs_no_attributes,
    "subgraphs": partial(_subgraphs, attributes=True),
    "subgraphs-no-attributes": partial(_subgraphs, attributes=False),
    "sample": _graphs,
    "operators": _operators,
    "skeletons": _skeletons,
}


def features(config: str, operators: Names[str] = ()) -> Features:
    """The features of a config.

    Args:
        config: one of `CONFIGS`.
        operators: the operator vocabulary in id order; the class names of `node_operator`.
    """
    return Features(_FEATURES[config](operators))

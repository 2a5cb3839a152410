"""The configs of a release and their columns: the single place where either is declared.

A column is one entry here, its type beside its meaning, and one value in `builders.assemble.write.rows`. Everything
else follows: the Parquet schema, the features and the table of columns in the card, the fields of `croissant.json`,
which column identifies a row, and what `younger_hf.load` returns.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Names
from dataclasses import dataclass
from typing import Any, Final

from datasets import ClassLabel, Features, Image, Sequence, Value

from younger_hf.conventions import DEFAULT_CONFIG as DEFAULT_CONFIG
from younger_hf.conventions import MASK as MASK
from younger_hf.conventions import SCHEMA_VERSION as SCHEMA_VERSION
from younger_hf.conventions import SPLITS as SPLITS
from younger_hf.conventions import UNKNOWN as UNKNOWN

MOST_GRAPHS: Final = 100
"""How many of the graphs that a subgraph occurs in are named in its row."""


@dataclass(frozen=True)
class Column:
    """A column of a config.

    Attributes:
        feature: its type, as `datasets` has it; `_OPERATOR_IDS` stands for ids of operators, whose names a release has.
        meaning: a line of Markdown for the card.
    """

    feature: Any
    meaning: str


@dataclass(frozen=True)
class Config:
    """A config of a release.

    Attributes:
        row: what a row is; a line of Markdown for the card.
        key: the columns that tell one row from all others.
        columns: by name, in their order.
        splits: those that it may have; one without rows is left out.
    """

    row: str
    key: tuple[str, ...]
    columns: Mapping[str, Column]
    splits: tuple[str, ...] = ("train",)


_STRING: Final = Value("string")
_INTEGER: Final = Value("int64")
_BOOL: Final = Value("bool")
_INTEGERS: Final = Sequence(_INTEGER)
_STRINGS: Final = Sequence(_STRING)
_PAIRS: Final = Sequence(Sequence(_INTEGER), length=2)
_OPERATOR_IDS: Final = object()

# Sequence of a mapping means a mapping of lists; a list of mappings is spelt [..], which every generation reads.
_MODELS: Final = [
    {
        "source": _STRING,
        "id": _STRING,
        "revision": _STRING,
        "component": _STRING,
        "retrieved": _STRING,
        "origin": _STRING,
        "task": _STRING,
        "license": _STRING,
        "num_parameters": _INTEGER,
        "downloads": _INTEGER,
        "likes": _INTEGER,
        "tags": _STRINGS,
    }
]
_EVALUATION: Final = {
    "task": _STRING,
    "dataset": _STRING,
    "split": _STRING,
    "metric": _STRING,
    "value": Value("float64"),
}
_EVALUATIONS: Final = [{"model": _STRING, **_EVALUATION}]
_EVALUATIONS_OF_MODEL: Final = [_EVALUATION]

_FINGERPRINT: Final = Column(
    _STRING, "identity of the graph with attributes: equal exactly where graphs are isomorphic; the key of `graphs`"
)
_TYPE_FINGERPRINT: Final = Column(
    _STRING,
    "identity of the graph with operators told apart by type alone; the key of `graphs-no-attributes`",
)
_EXACT: Final = Column(
    _BOOL, "false where the search for the canonical form ran out of budget, so that the row may have a twin"
)
_NUM_SEARCHED: Final = Column(
    _INTEGER, "colourings that the search for the canonical form tried: 0 where colours alone tell the nodes apart"
)
_WL_HASH: Final = Column(
    _STRING, "Weisfeiler-Lehman hash as in the paper, for comparison; equal to networkx's (3.5 and later)"
)
_NORMAL_FINGERPRINT: Final = Column(
    _STRING,
    "identity of the normal form: equal for one network by another exporter, opset or library; it merges no rows",
)
_EXPORTER: Final = Column(_STRING, "what made the ONNX model that the skeleton was taken from")
_OPSET: Final = Column(_INTEGER, "version of ONNX's default operator set in the skeleton")
_NUM_PARAMETERS: Final = Column(_INTEGER, "elements of all parameters of the skeleton")
_COSTS: Final = {
    "macs": Column(
        _INTEGER,
        "multiply-accumulates of a forward pass, see below; of the representative's skeleton, or null if not known",
    ),
    "activations": Column(_INTEGER, "elements of the outputs of the operators that `macs` counts, or null"),
}
_NUM_NODES: Final = Column(_INTEGER, "operators of the graph")
_NUM_EDGES: Final = Column(_INTEGER, "data flows of the graph")
_OF_A_MODEL: Final = (
    "its `source`, its `id` there, the `component` of it, the day on which it was `retrieved`, and what its source "
    "says of it"
)
_PAPER_SPLIT: Final = Column(_STRING, "the split by the paper's scheme, or null where the paper drops the row")
_STRATIFIED_SPLIT: Final = Column(
    _STRING, "a split, 8:1:1, by which every family of validation and test is in train too: to learn families"
)

_SCALARS: Final = {
    "name": Column(_STRING, "id of the representative model"),
    "source": Column(_STRING, "where the representative model is from"),
    "origin": Column(
        _STRING,
        "how its source has it: `published`, `published-configuration` (its sizes, without weights), `registry`, "
        "`default-configuration`, `composed` (parts that a library combines, and nobody published), `contributed`",
    ),
    "task": Column(_STRING, "what the representative model is for, in the words of its source"),
    "family": Column(_STRING, "the family of architectures that it belongs to, in one spelling for all sources"),
    "backbone": Column(
        _STRING, "the family of the model that it is built upon, or several joined by `+`; null where there is none"
    ),
    "library": Column(_STRING, "the library that it is made with"),
    "license": Column(_STRING, "identifier of the licence of the representative model"),
    "exporter": _EXPORTER,
    "opset": _OPSET,
    "num_nodes": _NUM_NODES,
    "num_edges": _NUM_EDGES,
    "depth": Column(_INTEGER, "operators on the longest path"),
    "num_operator_types": Column(_INTEGER, "distinct operator types"),
    "num_parameters": _NUM_PARAMETERS,
    **_COSTS,
    "num_skeletons": Column(_INTEGER, "skeletons that have this graph"),
    "num_models": Column(_INTEGER, "models that have this graph"),
    "downloads": Column(_INTEGER, "of the representative model"),
    "has_control_flow": Column(_BOOL, "whether it has If, Loop, Scan or SequenceMap"),
    "is_quantized": Column(_BOOL, "whether it has operators of quantisation"),
    "summary": Column(_STRING, "the most frequent operators, with their counts"),
}
"""The flat columns to browse and filter by; those of a model are the representative's."""

_NODE_OPERATOR: Final = Column(_OPERATOR_IDS, "per node: the id of its operator type")
_NODE_VARIANT: Final = Column(_INTEGERS, "per node: the id of its operator with attributes")
_WIRING: Final = {
    "node_scope": Column(_INTEGERS, "per node: the control-flow node whose body holds it, or -1"),
    "edge_index": Column(_PAIRS, "per edge: producer and consumer"),
    "edge_slot": Column(_PAIRS, "per edge: output slot of the producer and input slot of the consumer"),
}
_UNFED: Final = {
    "unfed_slot": Column(_PAIRS, "per input slot that no node of the row feeds: node and input slot"),
    "unfed_kind": Column(
        _INTEGERS,
        "what is in it: 0 a graph input, 1 a parameter or constant, 2 nothing, 3 what a subgraph leaves out",
    ),
}
"""The columns that say what feeds slots besides nodes; `younger_hf.graph.Unfed` names the numbers."""
_STRUCTURE: Final = {"node_operator": _NODE_OPERATOR, "node_variant": _NODE_VARIANT, **_WIRING}
"""The columns that are the graph itself: N nodes, E edges."""
_TYPE_STRUCTURE: Final = {"node_operator": _NODE_OPERATOR, **_WIRING}

_GRAPHS: Final = {
    "fingerprint": _FINGERPRINT,
    "exact": _EXACT,
    "num_searched": _NUM_SEARCHED,
    "type_fingerprint": _TYPE_FINGERPRINT,
    "normal_fingerprint": _NORMAL_FINGERPRINT,
    "wl_hash": _WL_HASH,
    **_SCALARS,
    "preview": Column(Image(), "a thumbnail, see below"),
    **_STRUCTURE,
    **_UNFED,
    "sketch": Column(
        _INTEGERS, "counts of hashed features of the normal form, to find near rows by: `younger_hf.nearest`"
    ),
    "minhash": Column(
        _INTEGERS, "a MinHash of the same features: rows have as much in common as they share equal numbers"
    ),
    "models": Column(_MODELS, f"every model with this graph: {_OF_A_MODEL}"),
    "evaluations": Column(_EVALUATIONS, "the results that the publishers of the models report, unverified"),
    "paper_split": _PAPER_SPLIT,
    "stratified_split": _STRATIFIED_SPLIT,
}


def _subgraphs(structure: Mapping[str, Column]) -> dict[str, Column]:
    return {
        "fingerprint": Column(
            _STRING, "of a subgraph: its identity, in which the boundary counts as part of the label"
        ),
        "exact": _EXACT,
        "graphs": Column(
            _STRINGS,
            f"the first {MOST_GRAPHS} rows of `graphs` (of `graphs-no-attributes`) that a subgraph is part of",
        ),
        "num_graphs": Column(_INTEGER, "graphs that it occurs in"),
        "num_nodes": _NUM_NODES,
        "num_edges": _NUM_EDGES,
        "num_boundary": Column(_INTEGER, "nodes on the boundary of a subgraph"),
        **structure,
        **_UNFED,
        "boundary": Column(
            _INTEGERS,
            "the positions of a subgraph's nodes outside of its community, those whose operator is to be predicted",
        ),
        "paper_split": _PAPER_SPLIT,
    }


SCHEMA: Final[Mapping[str, Config]] = {
    "graphs": Config("a unique architecture, operators with attributes", ("fingerprint",), _GRAPHS, SPLITS),
    "graphs-no-attributes": Config(
        "a unique architecture, operators by type alone",
        ("type_fingerprint",),
        {
            "type_fingerprint": _TYPE_FINGERPRINT,
            "exact": _EXACT,
            "wl_hash": _WL_HASH,
            **_SCALARS,
            **_TYPE_STRUCTURE,
            **_UNFED,
            "fingerprints": Column(_STRINGS, "the rows of `graphs` that a row of `graphs-no-attributes` stands for"),
            "paper_split": _PAPER_SPLIT,
            "stratified_split": _STRATIFIED_SPLIT,
        },
        SPLITS,
    ),
    "subgraphs": Config(
        "a unique community of operators with its boundary, as part of one or more of `graphs`",
        ("fingerprint",),
        _subgraphs(_STRUCTURE),
        SPLITS,
    ),
    "subgraphs-no-attributes": Config(
        "the same, as part of `graphs-no-attributes`", ("fingerprint",), _subgraphs(_TYPE_STRUCTURE), SPLITS
    ),
    "sample": Config("a row of `graphs`, sizes and families well spread, for a first look", ("fingerprint",), _GRAPHS),
    "operators": Config(
        "an operator, or an operator with attributes (a variant)",
        ("kind", "id"),
        {
            "kind": Column(_STRING, "which of the two vocabularies: `operator` or `variant`"),
            "id": Column(_INTEGER, "the number that stands for it in `node_operator` or `node_variant`"),
            "label": Column(_STRING, "what the id means: operator type and, of a variant, attributes"),
            "domain": Column(_STRING, "the domain of the label, empty for ONNX's own"),
            "op_type": Column(_STRING, "the operator type of the label"),
            "attributes": Column(_STRING, "the attributes of the label, as JSON"),
            "operator_id": Column(_INTEGER, "the id of its operator type"),
            "num_nodes": Column(_INTEGER, "of an operator: nodes of all graphs that have it"),
            "num_graphs": Column(_INTEGER, "of an operator: graphs that have it"),
        },
    ),
    "skeletons": Config(
        "a unique skeleton as weightless ONNX",
        ("skeleton_fingerprint",),
        {
            "skeleton_fingerprint": Column(
                _STRING,
                "identity of the graph with the shapes of its parameters and its structural constants; the key of "
                "`skeletons`",
            ),
            "fingerprint": _FINGERPRINT,
            "normal_fingerprint": _NORMAL_FINGERPRINT,
            "num_parameters": _NUM_PARAMETERS,
            **_COSTS,
            "opset": _OPSET,
            "exporter": _EXPORTER,
            "models": Column(_MODELS, f"every model with this skeleton: {_OF_A_MODEL}"),
            "onnx": Column(Value("binary"), "the skeleton, a weightless ONNX model"),
            "modules": Column(
                _STRING,
                "the module tree as JSON: `modules`, each with its path, its class and the position of its parent, and "
                "`node`, for each node of the extracted skeleton the position of its module, or -1; null if unknown",
            ),
        },
    ),
    "shapes": Config(
        "the tensors that flow in a row of `graphs`, at example sizes",
        ("fingerprint",),
        {
            "fingerprint": _FINGERPRINT,
            "edge_shape": Column(
                _STRINGS,
                "per edge, in the order of `edge_index`: element type and shape of the tensor, as in "
                "`float[1,64,56,56]`; of the representative's skeleton, null where inference does not tell",
            ),
            "num_unknown": Column(_INTEGER, "edges of which the shape is not known"),
        },
    ),
    "architectures": Config(
        "a normal form, which the rows of `graphs` that are one network by several exporters share",
        ("normal_fingerprint",),
        {
            "normal_fingerprint": _NORMAL_FINGERPRINT,
            "name": Column(_STRING, "the id of the most prominent model, see below"),
            "graphs": Column(_STRINGS, "the rows of `graphs` that have the normal form, by fingerprint"),
            "num_graphs": Column(_INTEGER, "the number of `graphs`"),
            "exporters": Column(_STRINGS, "what made their ONNX models"),
            "num_models": Column(_INTEGER, "models that have one of the graphs"),
            "operators": Column(_STRINGS, "the operator types of the normal form, most frequent first"),
            "operator_counts": Column(_INTEGERS, "how many nodes of the normal form have each of `operators`"),
        },
    ),
    "blocks": Config(
        "a unique building block: what a module of a network runs, with the slots by which it is wired in",
        ("fingerprint",),
        {
            "fingerprint": Column(_STRING, "of a block: its identity, which includes how it is wired in"),
            "exact": _EXACT,
            "class_name": Column(_STRING, "the class that most of its modules have; null where no library is known"),
            "class_names": Column(_STRINGS, f"all such classes, most frequent first, at most {MOST_GRAPHS}"),
            "num_occurrences": Column(_INTEGER, "modules of all graphs that are this block"),
            "graphs": Column(_STRINGS, f"the first {MOST_GRAPHS} rows of `graphs` that a block is part of"),
            "num_graphs": Column(_INTEGER, "graphs that it occurs in"),
            "min_depth": Column(
                _INTEGER, "where it stands highest in a module tree; 1 is called by the network itself"
            ),
            "max_depth": Column(_INTEGER, "where it stands deepest in a module tree"),
            "num_nodes": _NUM_NODES,
            "num_edges": _NUM_EDGES,
            "num_inputs": Column(_INTEGER, "of a block: values that come from outside, parameters apart"),
            "num_outputs": Column(_INTEGER, "of a block: values that are used outside"),
            **_STRUCTURE,
            "open_input": Column(_PAIRS, "per slot that is fed from outside a block: node and input slot"),
            "open_value": Column(
                _INTEGERS, "per slot that is fed from outside: which of the `num_inputs` values feeds it"
            ),
            "open_output": Column(_PAIRS, "per value that is used outside a block: node and output slot"),
        },
    ),
    "conversions": Config(
        "a model that a source lists, with an attempt to convert it",
        ("source", "id", "revision", "component", "export_key", "attempt"),
        {
            "source": Column(_STRING, "of a conversion: where the model is from"),
            "id": Column(_STRING, "of a conversion: the model's name there"),
            "revision": Column(_STRING, "the commit, or the version of the package that the model is from"),
            "component": Column(_STRING, "the part of the model that was converted; null for the whole"),
            "export_key": Column(
                _STRING, "models with one key are guaranteed to give the same graph, and share their conversions"
            ),
            "attempt": Column(
                _INTEGER, "the attempt's place among those in the model's name, from 1; null if there was none"
            ),
            "outcome": Column(_STRING, "how the attempt ended: `ok`, `unsupported`, `timeout`, …; null without one"),
            "message": Column(_STRING, "what went wrong"),
            "exporter": Column(_STRING, "of a conversion: what was tried"),
            "versions": Column(_STRING, "the packages that took part and their versions, as JSON"),
            "asked_opset": Column(_INTEGER, "the opset that was asked for; 0 leaves it to the exporter"),
            "opset": Column(_INTEGER, "of a conversion: the opset of what came out, 0 where nothing did"),
            "seconds": Column(Value("float64"), "wall-clock time of the attempt"),
            "peak_memory": Column(_INTEGER, "bytes of resident memory that the attempt took at most"),
            "bytes_fetched": Column(_INTEGER, "bytes that came over the network for it"),
            "skeleton_fingerprint": Column(_STRING, "of a conversion: the row of `skeletons` that it gave"),
            "library": Column(_STRING, "the library that the model is made with"),
            "task": Column(_STRING, "of a conversion: what the model is for, in the words of its source"),
            "family": Column(_STRING, "of a conversion: the family of the model, in the words of its source"),
            "backbones": Column(
                _STRINGS, "of a conversion: what the configuration says that the model is built upon, in the same words"
            ),
            "license": Column(_STRING, "of a conversion: identifier of the licence of the model"),
            "origin": Column(_STRING, "of a conversion: how its source has the model"),
            "retrieved": Column(_STRING, "the day on which a hub listed the model"),
            "downloads": Column(_INTEGER, "of the model, as its hub counts them"),
            "likes": Column(_INTEGER, "of the model, as its hub counts them"),
            "size": Column(_INTEGER, "bytes of the published file or repository"),
            "gated": Column(_BOOL, "whether the files are only given to those who ask"),
            "refused": Column(_STRING, "why the model is not converted, where its source can tell"),
            "tags": Column(_STRINGS, "the hub's tags"),
            "evaluations": Column(_EVALUATIONS_OF_MODEL, "the results that the model's publisher reports, unverified"),
        },
    ),
    "measurements": Config(
        "what a forward pass of a row of `graphs` takes, measured on one machine with random parameters",
        ("fingerprint", "device", "processor", "threads", "runtime", "version"),
        {
            "fingerprint": _FINGERPRINT,
            "skeleton_fingerprint": Column(_STRING, "of a measurement: the skeleton that ran, the representative's"),
            "device": Column(_STRING, "of a measurement: `cpu` or `cuda`"),
            "processor": Column(_STRING, "what the device is called"),
            "threads": Column(_INTEGER, "that the runtime worked with"),
            "batch": Column(_INTEGER, "the first dimension of the model's first input, null if it has none"),
            "runtime": Column(_STRING, "of a measurement: `onnxruntime`"),
            "version": Column(_STRING, "that of the runtime"),
            "passes": Column(_INTEGER, "how many were timed, after one that was not"),
            "median": Column(Value("float64"), "seconds of a pass by the clock, null where it did not run"),
            "spread": Column(Value("float64"), "seconds between the quartiles of the passes"),
            "outcome": Column(_STRING, "how it ended: `ok`, `timeout`, `out_of_memory`, `crashed` or `error`"),
            "message": Column(_STRING, "what went wrong"),
        },
    ),
    "evaluations": Config(
        "a figure that somebody published of a model of a row of `graphs`, unverified",
        ("fingerprint", "model", "dataset", "split", "metric", "image_size", "device", "table"),
        {
            "fingerprint": _FINGERPRINT,
            "model": Column(_STRING, "of a figure: the model's name where it was published"),
            "dataset": Column(_STRING, "what it was evaluated on; null for a figure of speed"),
            "split": Column(_STRING, "that of the dataset"),
            "metric": Column(_STRING, "`top1`, `top5`, `infer_samples_per_sec`, `infer_step_time`"),
            "value": Column(Value("float64"), "the figure"),
            "unit": Column(_STRING, "of the figure: `%`, `1/s`, `ms`"),
            "image_size": Column(_INTEGER, "pixels of a side of the model's input"),
            "device": Column(_STRING, "what it ran on; null where that plays no part"),
            "table": Column(_STRING, "where it was published: the link of a table, or the name of its file"),
        },
    ),
}
"""Every config by name, in the order in which a card lists them."""

CONFIGS: Final = tuple(SCHEMA)

RESULTS: Final = ("measurements", "evaluations")
"""The configs that no ledger gives: what was measured of architectures, and what others publish of them."""


def features(config: str, operators: Names[str] = ()) -> Features:
    """The features of a config.

    Args:
        config: one of `CONFIGS`.
        operators: the operator vocabulary in id order; the class names of `node_operator`.
    """
    ids = Sequence(ClassLabel(names=list(operators)))
    columns = SCHEMA[config].columns
    return Features(
        {name: ids if column.feature is _OPERATOR_IDS else column.feature for name, column in columns.items()}
    )

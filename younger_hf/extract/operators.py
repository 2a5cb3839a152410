"""From a NodeProto to its `Operator`: attributes completed with defaults, stripped of data, written canonically.

`canonical_operator` reads an ONNX node, `attribute_protos` writes a canonical operator back as ONNX attributes, and
reading again what was written gives the same operator. DESIGN section 3, rule 4, says what is kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Final

import onnx
from onnx import AttributeProto

from younger_hf.extract.attribute_values import Json, attribute_of, attribute_type, canonical_json, canonical_value
from younger_hf.extract.operator_rules import (
    DENIED,
    DENIED_ANYWHERE,
    KERNEL_OPERATORS,
    MAX_ELEMENTS,
    MEANING_CHANGED,
    MEANING_CHANGED_IF_SAME_PADDED,
    MICROSOFT_ATTRIBUTES,
    MICROSOFT_DOMAIN,
    RECURRENT_ACTIVATIONS,
    UNREGISTERED_OPERATORS,
    WEIGHT_INPUT,
)
from younger_hf.extract.string_values import kept_text
from younger_hf.graph import Operator

DEFAULT_DOMAIN: Final = ""
ML_DOMAIN: Final = "ai.onnx.ml"
# Stands among the attributes of operators whose meaning changed; no ONNX operator has an attribute of this name.
SINCE_VERSION: Final = "since_version"

_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")
_DOMAIN = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
_MICROSOFT_TYPES: Final = {name: kind for kind, names in MICROSOFT_ATTRIBUTES.items() for name in names}

_MAX_OPSET: Final = 2**31 - 1  # what ONNX's registry can be asked for; files hold an int64

WeightShape = Callable[[int], Sequence[int] | None]


@dataclass(frozen=True)
class OperatorSchema:
    """An operator of a known set at one version: when it came, its fewest inputs, and its attributes by name."""

    since_version: int
    min_inputs: int
    types: Mapping[str, str]
    defaults: Mapping[str, Json]
    required: frozenset[str]


@cache
def operator_schema(domain: str, op_type: str, opset: int) -> OperatorSchema | None:
    """The schema that a model importing `opset` of `domain` means by `op_type`, or None if there is none."""
    if domain not in (DEFAULT_DOMAIN, ML_DOMAIN):
        return None
    opset = min(max(opset, 1), _MAX_OPSET)
    try:
        schema = onnx.defs.get_schema(op_type, max_inclusive_version=opset, domain=domain)
        if schema.deprecated:  # files that still use it mean its last version
            schema = onnx.defs.get_schema(op_type, schema.since_version - 1, domain)
    except onnx.defs.SchemaError:
        return None
    types = {name: str(attribute.type).rpartition(".")[2] for name, attribute in schema.attributes.items()}
    defaults = {
        name: canonical_value(attribute.default_value, types[name], partial(kept_text, domain, op_type, name))
        for name, attribute in schema.attributes.items()
        if attribute.default_value.name
    }
    required = frozenset(name for name, attribute in schema.attributes.items() if attribute.required)
    return OperatorSchema(schema.since_version, schema.min_input, types, defaults, required)


def normal_domain(domain: str) -> str:
    """The domain as it is written here: "" for ONNX's own, and a name that could hold a secret is replaced."""
    if domain in ("", "ai.onnx"):
        return DEFAULT_DOMAIN
    return domain if _DOMAIN.fullmatch(domain) else "unnamed"


def canonical_operator(
    domain: str,
    op_type: str,
    opset: int,
    attributes: Iterable[AttributeProto],
    weight_shape: WeightShape,
) -> Operator:
    """The operator that a node computes.

    Args:
        domain: the node's domain, normalised.
        op_type: the node's operator name.
        opset: the version of the domain that the model, or the function that the node comes from, imports.
        attributes: the node's attributes, references to a function's attributes resolved.
        weight_shape: gives the shape of the parameter behind an input slot, or None if it is not known.
    """
    schema = operator_schema(domain, op_type, opset)
    present = {attribute.name: attribute for attribute in attributes}
    kept: dict[str, Json]
    if schema is not None and domain == DEFAULT_DOMAIN:
        denied = DENIED_ANYWHERE | DENIED.get(op_type, frozenset())
        kept = {name: value for name, value in schema.defaults.items() if name not in denied}
        for name, attribute in present.items():
            kind = attribute_type(attribute)
            if name not in denied and schema.types.get(name) == kind:
                kept[name] = canonical_value(attribute, kind, partial(kept_text, domain, op_type, name))
        _complete(op_type, kept, schema, weight_shape)
        _mark_meaning(op_type, kept, schema)
    elif schema is not None:
        kept = {name: schema.types[name] for name in schema.defaults}
        for name, attribute in present.items():
            if schema.types.get(name) == attribute_type(attribute):
                kept[name] = schema.types[name]
    elif domain == MICROSOFT_DOMAIN:
        kept = {
            name: canonical_value(attribute, kind, partial(kept_text, domain, op_type, name))
            for name, attribute in present.items()
            if _MICROSOFT_TYPES.get(name) == (kind := attribute_type(attribute))
        }
        graphs = (name for name, attribute in present.items() if _bare_type(attribute) in ("GRAPH", "GRAPHS"))
        kept |= dict.fromkeys(body_names(graphs).values(), "graph")
    else:
        types = sorted(filter(None, map(_bare_type, present.values())))
        kept = {"attributes": types} if types else {}
    if schema is None:
        op_type = _foreign_name(domain, op_type)
    return Operator(domain, op_type, canonical_json(kept))


def _foreign_name(domain: str, op_type: str) -> str:
    """What an operator without a schema is called: its name as far as that can be no sentence.

    In ONNX's own domains a name that no version of ONNX knows is of unknown make.
    """
    if domain in (DEFAULT_DOMAIN, ML_DOMAIN) and op_type not in UNREGISTERED_OPERATORS | _registered(domain):
        return "Custom"
    return op_type if _NAME.fullmatch(op_type) else "Unnamed"


def _bare_type(attribute: AttributeProto) -> str | None:
    """The type of an attribute without a schema; a list of one graph is a graph, as the skeleton has it."""
    kind = attribute_type(attribute)
    if kind != "GRAPHS" or len(attribute.graphs) > 1:
        return kind
    return "GRAPH" if attribute.graphs else None


@cache
def _registered(domain: str) -> frozenset[str]:
    """Every operator that any version of ONNX has in one of its own domains."""
    return frozenset(schema.name for schema in onnx.defs.get_all_schemas_with_history() if schema.domain == domain)


def body_names(names: Iterable[str]) -> dict[str, str]:
    """What subgraph attributes of operators without a schema are called: g0, g1, … in the order of their names."""
    ordered = sorted(set(names))
    width = len(str(len(ordered) - 1))
    return {name: f"g{position:0{width}}" for position, name in enumerate(ordered)}


def _complete(op_type: str, kept: dict[str, Json], schema: OperatorSchema, weight_shape: WeightShape) -> None:
    """Fill in the defaults that ONNX documents in prose, so that saying one and leaving it out are equal."""
    name, slot = WEIGHT_INPUT.get(op_type, ("", 0))
    weight = weight_shape(slot) if name and name not in kept else None
    if op_type in KERNEL_OPERATORS:
        if weight is not None and len(weight) > 2:
            kept["kernel_shape"] = list(weight[2:])
        _complete_kernel(kept, schema)
    elif op_type in RECURRENT_ACTIVATIONS:
        directions = 2 if kept.get("direction") == "bidirectional" else 1
        kept.setdefault("activations", list(RECURRENT_ACTIVATIONS[op_type] * directions))
        if weight:
            kept["hidden_size"] = weight[-1]
    elif op_type == "ConstantOfShape":
        kept.setdefault("value", {"element": "FLOAT", "shape": [1], "value": 0.0})
    elif op_type == "Slice" and isinstance(kept.get("starts"), list):
        kept.setdefault("axes", list(range(len(kept["starts"]))))
    elif op_type == "Concat":
        kept.setdefault("axis", 1)
    # The rank decides these defaults and a file need not tell it, so here an explicit default is left out instead.
    elif op_type == "Transpose" and kept.get("perm") == _reversed_axes(kept.get("perm")):
        kept.pop("perm", None)
    elif op_type in ("Col2Im", "Scan"):
        for name, value in list(kept.items()):
            neutral = 1 if op_type == "Col2Im" and name in ("strides", "dilations") else 0
            if isinstance(value, list) and all(item == neutral for item in value):
                del kept[name]


def _reversed_axes(perm: Json) -> list[int] | None:
    return list(range(len(perm)))[::-1] if isinstance(perm, list) else None


def _complete_kernel(kept: dict[str, Json], schema: OperatorSchema) -> None:
    """Strides, dilations, pads and output_padding of convolutions and pools."""
    rank = next((len(kept[n]) for n in ("kernel_shape", "strides", "dilations") if isinstance(kept.get(n), list)), 0)
    if not rank and isinstance(kept.get("pads"), list):
        rank = len(kept["pads"]) // 2
    explicit_pads = kept.get("auto_pad", "NOTSET") == "NOTSET"
    if not explicit_pads:
        kept.pop("pads", None)  # they may not be used together, and auto_pad is what runtimes follow
    if not rank or rank > MAX_ELEMENTS:
        return
    for name, value in (("strides", 1), ("dilations", 1), ("output_padding", 0)):
        if name in schema.types:
            kept.setdefault(name, [value] * rank)
    if explicit_pads and "pads" in schema.types:
        pads = 2 * rank
        kept.setdefault("pads", [0] * pads if pads <= MAX_ELEMENTS else {"length": pads, "type": "INTS"})


def _mark_meaning(op_type: str, kept: dict[str, Json], schema: OperatorSchema) -> None:
    changed = MEANING_CHANGED.get(op_type)
    if str(kept.get("auto_pad", "")).startswith("SAME"):
        changed = MEANING_CHANGED_IF_SAME_PADDED.get(op_type, changed)
    if changed is not None:
        kept[SINCE_VERSION] = changed if schema.since_version >= changed else 1


def attribute_protos(operator: Operator, opset: int) -> list[AttributeProto]:
    """The operator's attributes as ONNX, in name order, without its subgraphs.

    What was reduced to a type and length or shape comes back as zeros of that length, or as a tensor without data;
    an attribute that ONNX requires and that was denied comes back with a placeholder.
    """
    kept: dict[str, Json] = json.loads(operator.attributes)
    schema = operator_schema(operator.domain, operator.op_type, opset)
    if schema is None and operator.domain != MICROSOFT_DOMAIN:
        types = kept.get("attributes", [])
        return [attribute_of(f"a{i}", kind, None) for i, kind in enumerate(types) if kind not in ("GRAPH", "GRAPHS")]
    known = _MICROSOFT_TYPES if schema is None else schema.types
    denied = DENIED_ANYWHERE | DENIED.get(operator.op_type, frozenset())
    demanded = frozenset() if schema is None else schema.required & denied
    protos = []
    for name in sorted(kept.keys() | demanded):
        kind = known.get(name, "UNDEFINED")
        if name == SINCE_VERSION or kind in ("GRAPH", "GRAPHS", "UNDEFINED"):
            continue
        hidden = operator.domain == ML_DOMAIN or name not in kept
        protos.append(attribute_of(name, kind, None if hidden else kept[name]))
    return protos

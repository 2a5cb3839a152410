"""From a NodeProto to its `Operator`: attributes completed with defaults, stripped of data, written canonically.

`canonical_operator` reads an ONNX node, `attribute_protos` writes a canonical operator back as ONNX attributes, and
reading again what was written gives the same operator. DESIGN section 3, rule 4, says what is kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, TypeProto

from younger_hf.extract.operator_rules import (
    DENIED,
    DENIED_ANYWHERE,
    KERNEL_OPERATORS,
    MAX_ELEMENTS,
    MAX_STRING_BYTES,
    MEANING_CHANGED,
    MEANING_CHANGED_IF_SAME_PADDED,
    MICROSOFT_ATTRIBUTES,
    MICROSOFT_DOMAIN,
    RECURRENT_ACTIVATIONS,
    WEIGHT_INPUT,
)
from younger_hf.graph import Operator

DEFAULT_DOMAIN: Final = ""
ML_DOMAIN: Final = "ai.onnx.ml"
# Stands among the attributes of operators whose meaning changed; no ONNX operator has an attribute of this name.
SINCE_VERSION: Final = "since_version"

# Not UTF-8, so that a placeholder never reads back as a value.
_UNREADABLE: Final = b"\xff"
_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")
_DOMAIN = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
_TYPE_NAMES: Final[dict[int, str]] = {number: name for name, number in AttributeProto.AttributeType.items()}
_MICROSOFT_TYPES: Final = {name: kind for kind, names in MICROSOFT_ATTRIBUTES.items() for name in names}

_MAX_OPSET: Final = 2**31 - 1  # what ONNX's registry can be asked for; files hold an int64

Json = Any
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
        name: _canonical_value(attribute.default_value, types[name])
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
                kept[name] = _canonical_value(attribute, kind)
        _complete(op_type, kept, schema, weight_shape)
        _mark_meaning(op_type, kept, schema)
    elif schema is not None:
        kept = {name: schema.types[name] for name in schema.defaults}
        for name, attribute in present.items():
            if schema.types.get(name) == attribute_type(attribute):
                kept[name] = schema.types[name]
    elif domain == MICROSOFT_DOMAIN:
        kept = {
            name: _canonical_value(attribute, attribute_type(attribute))
            for name, attribute in present.items()
            if _MICROSOFT_TYPES.get(name) == attribute_type(attribute)
        }
        kept |= {name: "graph" for name, a in present.items() if attribute_type(a) == "GRAPH" and _NAME.fullmatch(name)}
    else:
        types = sorted(attribute_type(attribute) for attribute in present.values())
        kept = {"attributes": types} if types else {}
    if schema is None and not _NAME.fullmatch(op_type):
        op_type = "Unnamed"
    return Operator(domain, op_type, canonical_json(kept))


def canonical_json(value: Json) -> str:
    """JSON in one spelling: ASCII, sorted keys, no spaces."""
    return json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False)


def attribute_type(attribute: AttributeProto) -> str:
    """The attribute's type by name, found from its fields where an old writer left the type out."""
    if attribute.type:
        return _TYPE_NAMES.get(attribute.type, "UNDEFINED")
    for field, kind in (("f", "FLOAT"), ("i", "INT"), ("s", "STRING"), ("t", "TENSOR"), ("g", "GRAPH")):
        if attribute.HasField(field):
            return kind
    for kind in ("floats", "ints", "strings", "tensors", "graphs"):
        if getattr(attribute, kind):
            return kind.upper()
    return "UNDEFINED"


def _canonical_value(attribute: AttributeProto, kind: str) -> Json:
    """The attribute's value as JSON; what is too long or is data becomes its type and length, or its shape."""
    if kind == "INT":
        return attribute.i
    if kind == "FLOAT":
        return _canonical_float(attribute.f)
    if kind == "STRING":
        text = _canonical_string(attribute.s)
        return {"length": len(attribute.s), "type": kind} if text is None else text
    if kind in ("INTS", "FLOATS", "STRINGS"):
        values = getattr(attribute, kind.lower())
        if len(values) <= MAX_ELEMENTS:
            items = [_CONVERT[kind](value) for value in values]
            if None not in items:
                return items
        return {"length": len(values), "type": kind}
    if kind == "TENSOR":
        return _canonical_tensor(attribute.t)
    if kind == "SPARSE_TENSOR":
        tensor = attribute.sparse_tensor
        return {"element": element_name(tensor.values.data_type), "shape": list(tensor.dims), "sparse": True}
    if kind == "TYPE_PROTO":
        return _canonical_type(attribute.tp)
    if kind == "GRAPH":
        return "graph"
    return {"length": len(getattr(attribute, kind.lower(), ())), "type": kind}


def _canonical_float(value: float) -> Json:
    """The shortest decimal that reads back as the same float32; NaN and infinities as strings."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return float(str(np.float32(value)))


def _canonical_string(value: bytes) -> str | None:
    try:
        return value.decode("utf-8") if len(value) <= MAX_STRING_BYTES else None
    except UnicodeDecodeError:
        return None


_CONVERT: Final[Mapping[str, Callable[[Any], Json]]] = {
    "INTS": int,
    "FLOATS": _canonical_float,
    "STRINGS": _canonical_string,
}


def element_name(data_type: int) -> str:
    """The name of a tensor element type, such as FLOAT."""
    try:
        return str(TensorProto.DataType.Name(data_type))
    except ValueError:
        return "UNDEFINED"


def _canonical_tensor(tensor: TensorProto) -> Json:
    """Element type and shape, and the value where there is one element: ConstantOfShape's fill."""
    result: dict[str, Json] = {"element": element_name(tensor.data_type), "shape": list(tensor.dims)}
    value = single_element(tensor)
    if value is not None:
        result |= {"shape": [1], "value": value}
    return result


def single_element(tensor: TensorProto) -> Json | None:
    """The value of a one-element tensor as JSON, or None if there are more or it is not in the file."""
    if tensor.data_type == TensorProto.STRING or any(dim != 1 for dim in tensor.dims):
        return None
    if tensor.data_location == TensorProto.EXTERNAL:
        return None
    try:
        item = onnx.numpy_helper.to_array(tensor).reshape(-1)[0]
    except (ValueError, TypeError, IndexError, KeyError):
        return None
    if tensor.data_type in INTEGERS:
        return int(item)
    if tensor.data_type in (TensorProto.COMPLEX64, TensorProto.COMPLEX128):
        return None
    if tensor.data_type == TensorProto.DOUBLE and np.isfinite(item):
        return float(item)
    return _canonical_float(float(item))


INTEGERS: Final = frozenset(
    getattr(TensorProto, name) for name in "BOOL INT8 INT16 INT32 INT64 UINT8 UINT16 UINT32 UINT64 INT4 UINT4".split()
)


def _canonical_type(proto: TypeProto) -> Json:
    """A type as nested JSON: {"tensor": element, "shape": dims}, {"sequence": …}, {"optional": …}, {"map": …}."""
    for kind in ("tensor_type", "sparse_tensor_type"):
        if proto.HasField(kind):
            tensor = getattr(proto, kind)
            result: dict[str, Json] = {kind.removesuffix("_type"): element_name(tensor.elem_type)}
            if tensor.HasField("shape"):
                dims = [d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim]
                result["shape"] = dims[:MAX_ELEMENTS]
            return result
    for kind in ("sequence_type", "optional_type"):
        if proto.HasField(kind):
            return {kind.removesuffix("_type"): _canonical_type(getattr(proto, kind).elem_type)}
    if proto.HasField("map_type"):
        key, value = proto.map_type.key_type, proto.map_type.value_type
        return {"map": [element_name(key), _canonical_type(value)]}
    return {}


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
        kept.setdefault("pads", [0] * (2 * rank))


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
        return [_attribute(f"a{i}", kind, None) for i, kind in enumerate(types) if kind not in ("GRAPH", "GRAPHS")]
    known = _MICROSOFT_TYPES if schema is None else schema.types
    denied = DENIED_ANYWHERE | DENIED.get(operator.op_type, frozenset())
    demanded = frozenset() if schema is None else schema.required & denied
    protos = []
    for name in sorted(kept.keys() | demanded):
        kind = known.get(name, "UNDEFINED")
        if name == SINCE_VERSION or kind in ("GRAPH", "GRAPHS", "UNDEFINED"):
            continue
        hidden = operator.domain == ML_DOMAIN or name not in kept
        protos.append(_attribute(name, kind, None if hidden else kept[name]))
    return protos


def _attribute(name: str, kind: str, value: Json) -> AttributeProto:
    """An AttributeProto of a canonical value; a value of None leaves the type alone."""
    proto = AttributeProto(name=name, type=kind)
    length = value["length"] if isinstance(value, dict) and "length" in value else None
    if kind == "INT":
        proto.i = value or 0
    elif kind == "FLOAT":
        proto.f = float(value or 0.0)
    elif kind == "STRING":
        proto.s = _UNREADABLE * length if length is not None else (value or "").encode()
    elif kind == "INTS":
        proto.ints.extend([0] * length if length is not None else value or [])
    elif kind == "FLOATS":
        proto.floats.extend([0.0] * length if length is not None else map(float, value or []))
    elif kind == "STRINGS":
        proto.strings.extend([_UNREADABLE] * length if length is not None else [text.encode() for text in value or []])
    elif kind == "TENSOR" and value is not None:
        proto.t.CopyFrom(_tensor(value))
    elif kind == "SPARSE_TENSOR" and value is not None:
        proto.sparse_tensor.dims.extend(value["shape"])
        proto.sparse_tensor.values.data_type = TensorProto.DataType.Value(value["element"])
    elif kind == "TYPE_PROTO" and value is not None:
        proto.tp.CopyFrom(_type_proto(value))
    return proto


def _tensor(value: Json) -> TensorProto:
    data_type = TensorProto.DataType.Value(value["element"])
    if "value" not in value:
        return TensorProto(data_type=data_type, dims=value["shape"])
    dtype = onnx.helper.tensor_dtype_to_np_dtype(data_type)
    item = float(value["value"]) if isinstance(value["value"], str) else value["value"]
    return onnx.numpy_helper.from_array(np.array([item]).astype(dtype))


def _type_proto(value: Json) -> TypeProto:
    proto = TypeProto()
    for kind in ("tensor", "sparse_tensor"):
        if kind in value:
            tensor = getattr(proto, f"{kind}_type")
            tensor.elem_type = TensorProto.DataType.Value(value[kind])
            if "shape" in value:
                tensor.shape.SetInParent()
                for dim in value["shape"]:
                    entry = tensor.shape.dim.add()
                    if dim is not None:
                        entry.dim_value = dim
    for kind in ("sequence", "optional"):
        if kind in value:
            getattr(proto, f"{kind}_type").elem_type.CopyFrom(_type_proto(value[kind]))
    if "map" in value:
        key, item = value["map"]
        proto.map_type.key_type = TensorProto.DataType.Value(key)
        proto.map_type.value_type.CopyFrom(_type_proto(item))
    return proto

"""What the schema of an operator says of its slots and element types, whatever the opset.

In go the labels of a vocabulary; out come `OperatorRules`. Of an operator that changed, the widest of all versions
counts, since a subgraph does not say of which opset it is. An operator without a schema allows everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from younger_hf.errors import MissingExtraError
from younger_hf.graph import Operator

try:
    from onnx import defs
except ModuleNotFoundError as error:
    raise MissingExtraError("onnx", "inspect") from error

_MOST_SLOTS: Final = 1 << 15
_OPTION: Final = defs.OpSchema.FormalParameterOption


@dataclass(frozen=True)
class OperatorRules:
    """What an operator allows.

    Attributes:
        least_inputs: input slots that it has at least.
        most_inputs: and at most.
        most_outputs: output slots at most.
        required: the input slots that may not be empty; the last one stands for all that follow where it is variadic.
        inputs: of each input slot the type variable, as text; None where every input has one of its own.
        outputs: the same of output slots.
        types: of each type variable the element types that are allowed, such as "tensor(float)".
        is_variadic: whether the last input repeats.
        has_bodies: whether it has bodies, whose results are slots that no schema knows.
    """

    least_inputs: int
    most_inputs: int
    most_outputs: int
    required: tuple[bool, ...]
    inputs: tuple[str | None, ...]
    outputs: tuple[str | None, ...]
    types: dict[str, frozenset[str]]
    is_variadic: bool
    has_bodies: bool

    def is_required(self, slot: int) -> bool:
        """Whether an input slot may not be empty."""
        return bool(self.required) and self.required[min(slot, len(self.required) - 1)] and slot < self.most_inputs

    def input_type(self, slot: int) -> str | None:
        """The type variable of an input slot; None where nothing is known."""
        return _at(self.inputs, slot)

    def output_type(self, slot: int) -> str | None:
        """The type variable of an output slot; None where nothing is known."""
        return _at(self.outputs, slot)


FREE: Final = OperatorRules(0, _MOST_SLOTS, _MOST_SLOTS, (), (), (), {}, is_variadic=True, has_bodies=False)
"""What is allowed where there is no schema."""


def _at(variables: tuple[str | None, ...], slot: int) -> str | None:
    return variables[min(slot, len(variables) - 1)] if variables else None


def rules_of(labels: Sequence[str]) -> list[OperatorRules]:
    """The rules of each label of a vocabulary, with attributes or without."""
    return [operator_rules(label.partition("{")[0]) for label in labels]


def operator_of(label: str) -> Operator:
    """The operator that a label of a vocabulary stands for, with attributes or without."""
    if "{" in label:
        return Operator.from_label(label)
    domain, _, op_type = label.rpartition("::")
    return Operator(domain, op_type)


@cache
def _schemas() -> dict[tuple[str, str], list[defs.OpSchema]]:
    found: dict[tuple[str, str], list[defs.OpSchema]] = {}
    for schema in defs.get_all_schemas_with_history():
        found.setdefault((schema.domain, schema.name), []).append(schema)
    return found


@cache
def operator_rules(type_label: str) -> OperatorRules:
    """The rules of an operator type, such as `Conv` or `com.microsoft::Gelu`."""
    domain, _, name = type_label.rpartition("::")
    versions = sorted(_schemas().get((domain, name), []), key=lambda schema: schema.since_version)
    if not versions:
        return FREE
    newest = next((schema for schema in reversed(versions) if not schema.deprecated), versions[-1])
    widest = max((schema for schema in versions if schema.inputs), key=lambda schema: schema.max_input, default=newest)
    required = tuple(
        each.option == _OPTION.Single or (each.option == _OPTION.Variadic and place < newest.min_input)
        for place, each in enumerate(newest.inputs)
    )
    # What one version of an operator leaves out, any may.
    required = tuple(flag and place < min(s.min_input for s in versions) for place, flag in enumerate(required))
    inputs = tuple(_variable(each) for each in (widest if len(widest.inputs) > len(newest.inputs) else newest).inputs)
    outputs = tuple(_variable(each) for each in newest.outputs)
    types: dict[str, frozenset[str]] = {}
    for schema in versions:
        for constraint in schema.type_constraints:
            allowed = frozenset(constraint.allowed_type_strs)
            types[constraint.type_param_str] = types.get(constraint.type_param_str, frozenset()) | allowed
    for variable in (*inputs, *outputs):
        if variable is not None and variable not in types:
            types[variable] = frozenset((variable,))
    is_variadic = any(each.option == _OPTION.Variadic for schema in versions for each in schema.inputs)
    has_bodies = any(each.type == defs.OpSchema.AttrType.GRAPH for each in newest.attributes.values())
    return OperatorRules(
        min(schema.min_input for schema in versions),
        _MOST_SLOTS if has_bodies else max(schema.max_input for schema in versions),
        max(schema.max_output for schema in versions),
        required,
        inputs,
        outputs,
        types,
        is_variadic,
        has_bodies,
    )


def _variable(formal: defs.OpSchema.FormalParameter) -> str | None:
    if formal.option == _OPTION.Variadic and not formal.is_homogeneous:
        return None
    return formal.type_str

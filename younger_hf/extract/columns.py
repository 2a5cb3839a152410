"""Where everything stands in the bytes of a plain model, as arrays: `count` and `read_columns`, compiled with numba.

In: a serialised ModelProto. Out: a `Columns`, its nodes and values by number, or nothing where the model is not plain.
Plain are nearly all: values have one name each and are made before they are used, no node has a body, no attribute is
anything but a number, a text, a list of these or a tensor, and there are no sparse initializers. Functions, which this
does not look at, are not plain either. Whatever is in doubt is not plain: `flatten` reads it, or says what is wrong.

The bytes may be anything. No read goes past the end of the message that it is in, and the time is in proportion to the
bytes: names are looked up in an open hash table, and one that somebody has crowded makes a model that is not plain.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from younger_hf.compiled import compiled
from younger_hf.extract.compiled_wire import Bytes, Ints, field, find, hash_table, says, value_name
from younger_hf.extract.rules import MAX_ELEMENTS, MAX_RANK
from younger_hf.extract.walk import MAX_VALUES
from younger_hf.graph import MAX_SLOT

# Tags, field number << 3 | wire type, and field numbers, as onnx.proto has them.
_GRAPH: Final = 7 << 3 | 2
_NODE, _INITIALIZER, _INPUT, _OUTPUT, _SPARSE = 1 << 3 | 2, 5 << 3 | 2, 11 << 3 | 2, 12 << 3 | 2, 15 << 3 | 2
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _OP_TYPE = 1 << 3 | 2, 2 << 3 | 2, 3 << 3 | 2, 4 << 3 | 2
_ATTRIBUTE, _DOMAIN, _OVERLOAD = 5 << 3 | 2, 7 << 3 | 2, 8 << 3 | 2
_NAME, _FLOAT, _INT, _STRING, _TENSOR = 1 << 3 | 2, 2 << 3 | 5, 3 << 3, 4 << 3 | 2, 5 << 3 | 2
_FLOATS, _INTS, _STRINGS, _TYPE = 7 << 3 | 5, 8 << 3, 9 << 3 | 2, 20 << 3
_DIMS, _DATA_TYPE, _TENSOR_NAME, _LOCATION = 1 << 3, 2 << 3, 8 << 3 | 2, 14 << 3
_FIRST_DATA, _LAST_DATA = 4, 11  # fields of a tensor that hold values, and its name among them
_MOST_TYPES: Final = 9  # FLOAT to STRINGS; GRAPH is 5

_CONSTANT: Final = np.frombuffer(b"Constant", np.uint8)
_ONNX: Final = np.frombuffer(b"ai.onnx", np.uint8)
_VALUE, _VALUE_INT, _VALUE_FLOAT, _VALUE_INTS, _VALUE_FLOATS = (
    np.frombuffer(name, np.uint8) for name in (b"value", b"value_int", b"value_float", b"value_ints", b"value_floats")
)

FLOAT, INT64 = 1, 7  # element types

_UNSURE: Final = 8  # bytes: a tensor without name or type is counted by `reduce_tensor` with a few more
_PROBES: Final = 8  # per name: more than a table half full takes, on the average of a model

# Rows of `Columns.tensors`.
START, END, DATA_TYPE, ELEMENTS, RANK, VALUES, HAS_LOCATION, OWNER = range(8)


class Counts(NamedTuple):
    """What is in a model; all 0 where it is not plain.

    Attributes:
        graph: its tag, its first byte and the byte behind it.
        sizes: int64 [7]: nodes, their inputs, outputs and attributes, initializers, graph inputs, graph outputs.
    """

    tag: int
    start: int
    end: int
    sizes: Ints


class Columns(NamedTuple):
    """A plain model: N nodes (without Constants), I inputs of nodes, O outputs, K kinds, T tensors, V values.

    Values are numbered: initializers first, then graph inputs, then what nodes make, in the order of the file. Inputs
    and outputs that are left out are -1; inputs that are left out at the end of a node are not counted.

    Attributes:
        kind: int64 [N]. Nodes of one kind have the same bytes from the operator's name on.
        position: int64 [N], where each node stands among the graph's nodes.
        input_ends: int64 [N + 1], from 0 on.
        inputs: int64 [I], values.
        output_ends: int64 [N + 1], from 0 on.
        outputs: int64 [O], values.
        kinds: int64 [K, 2], from which byte to which a node of each kind says what it computes.
        maker: int64 [V], the node that makes the value, or -1.
        slot: int64 [V], which of its outputs it is.
        tensor: int64 [V], the tensor behind it, or -1.
        tensors: int64 [T, 8]: where the TensorProto stands, -1 twice for the number or list of a Constant; element
            type, number of elements, rank; bytes that its values take up; 1 if it says where they are; the Constant's
            position among the graph's nodes, or -1 - the position of the initializer.
        graph_inputs: how many there are that are not initializers.
        graph_outputs: int64 [number of graph outputs], values.
    """

    kind: Ints
    position: Ints
    input_ends: Ints
    inputs: Ints
    output_ends: Ints
    outputs: Ints
    kinds: Ints
    maker: Ints
    slot: Ints
    tensor: Ints
    tensors: Ints
    graph_inputs: int
    graph_outputs: Ints


@compiled
def _is_constant(content: Bytes, op_type: int, op_type_end: int, domain: int, domain_end: int) -> bool:
    return says(content, op_type, op_type_end, _CONSTANT) and (
        domain_end == domain or says(content, domain, domain_end, _ONNX)
    )


@compiled
def count(content: Bytes) -> Counts:
    """Count what is in a model, so that what reading it takes is known before anything is allocated."""
    sizes = np.zeros(7, np.int64)
    tag_at = start = end = np.int64(0)
    at = np.int64(0)
    while at < content.shape[0]:
        tag, _, value, after = field(content, at, content.shape[0])
        if after < 0 or (tag == _GRAPH and end):
            return Counts(0, 0, 0, np.zeros(7, np.int64))
        if tag == _GRAPH:
            tag_at, start, end = at, value, after
        at = after
    at = start
    while at < end:
        tag, _, inner, after = field(content, at, end)
        if after < 0 or tag == _SPARSE:
            return Counts(0, 0, 0, np.zeros(7, np.int64))
        if tag == _NODE:
            sizes[0] += 1
            while inner < after:
                tag, _, _, next_inner = field(content, inner, after)
                if next_inner < 0:
                    return Counts(0, 0, 0, np.zeros(7, np.int64))
                sizes[1] += tag == _NODE_INPUT
                sizes[2] += tag == _NODE_OUTPUT
                sizes[3] += tag == _ATTRIBUTE
                inner = next_inner
        elif tag == _INITIALIZER:
            sizes[4] += 1
        elif tag == _INPUT:
            sizes[5] += 1
        elif tag == _OUTPUT:
            sizes[6] += 1
        at = after
    return Counts(tag_at, start, end, sizes)


@compiled
def _read_tensor(content: Bytes, start: int, end: int, row: Ints) -> tuple[int, int, bool]:
    """Read a TensorProto into a row of `Columns.tensors`; where its name stands, and whether it is plain."""
    row[:] = 0
    row[START], row[END], row[ELEMENTS] = start, end, 1
    name, name_end = np.int64(0), np.int64(0)
    has_none = False
    while start < end:
        tag, number, value, after = field(content, start, end)
        if after < 0:
            return 0, 0, False
        if tag == _DIMS:
            row[RANK] += 1
            if number < 0 or row[RANK] > MAX_RANK or (number and row[ELEMENTS] > MAX_ELEMENTS // number):
                return 0, 0, False
            has_none |= number == 0
            row[ELEMENTS] *= max(number, 1)
        elif tag == _DATA_TYPE:
            if number < 0 or number >> 31:
                return 0, 0, False
            row[DATA_TYPE] = number
        elif tag == _TENSOR_NAME:
            name, name_end = value, after
        elif tag == _LOCATION:
            row[HAS_LOCATION] = 1
            if number < 0 or number > 1:
                return 0, 0, False
        elif _FIRST_DATA <= tag >> 3 <= _LAST_DATA:
            row[VALUES] += after - start
        else:
            return 0, 0, False
        start = after
    if has_none:
        row[ELEMENTS] = 0
    if abs(row[VALUES] - MAX_VALUES) <= _UNSURE:
        return 0, 0, False
    return name, name_end, True


@compiled
def _read_attribute(content: Bytes, start: int, end: int, row: Ints) -> bool:
    """Read an attribute; of a Constant's, what tensor it is, into a row of `Columns.tensors`.

    Returns:
        Whether it is plain. The row's rank is -1 where it is no value of a Constant.
    """
    name, name_end, kind, of = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    values = np.int64(0)
    row[:] = 0
    row[START], row[END], row[ELEMENTS] = -1, -1, 1
    while start < end:
        tag, number, value, after = field(content, start, end)
        if after < 0:
            return False
        if tag == _NAME:
            name, name_end = value, after
        elif tag == _TYPE:
            kind = number
        elif tag == _TENSOR:
            if of or not _read_tensor(content, value, after, row)[2]:
                return False
            of = tag
        elif tag in (_FLOAT, _INT, _STRING, _FLOATS, _INTS, _STRINGS):
            values += 1
            of = tag if of in (0, tag) else -1
        else:
            return False
        start = after
    if kind < 1 or kind >= _MOST_TYPES or kind == 5:  # that it has a body, or that its type has to be guessed
        return False
    if of in (_INT, _INTS, _FLOAT, _FLOATS):
        row[DATA_TYPE] = INT64 if of in (_INT, _INTS) else FLOAT
    is_value = (
        (of == _TENSOR and kind == 4 and says(content, name, name_end, _VALUE))
        or (of == _INT and kind == 2 and says(content, name, name_end, _VALUE_INT))
        or (of == _FLOAT and kind == 1 and says(content, name, name_end, _VALUE_FLOAT))
    )
    if (of == _INTS and kind == 7 and says(content, name, name_end, _VALUE_INTS)) or (
        of == _FLOATS and kind == 6 and says(content, name, name_end, _VALUE_FLOATS)
    ):
        is_value = True
        row[RANK], row[ELEMENTS] = 1, values
    if not is_value:
        row[RANK] = -1
    return True


@compiled
def read_columns(content: Bytes, counts: Counts) -> tuple[Columns, bool]:
    """Read a plain model.

    Args:
        content: a serialised ModelProto.
        counts: what is in it.

    Returns:
        The columns, and whether the model is plain; if it is not, what is in them means nothing.
    """
    sizes = counts.sizes
    most_values = sizes[4] + sizes[5] + sizes[2]
    maker = np.full(most_values, -1, np.int64)
    slot = np.zeros(most_values, np.int64)
    tensor = np.full(most_values, -1, np.int64)
    names = np.empty((most_values, 2), np.int64)
    table = hash_table(most_values)
    kinds = np.empty((sizes[0], 2), np.int64)
    kind_table = hash_table(sizes[0])
    tensors = np.empty((sizes[4] + sizes[0], 8), np.int64)
    kind = np.empty(sizes[0], np.int64)
    position = np.empty(sizes[0], np.int64)
    input_ends = np.zeros(sizes[0] + 1, np.int64)
    inputs = np.empty(sizes[1], np.int64)
    output_ends = np.zeros(sizes[0] + 1, np.int64)
    outputs = np.empty(sizes[2], np.int64)
    graph_outputs = np.empty(sizes[6], np.int64)
    row = np.empty(8, np.int64)
    values = num_tensors = num_kinds = num_nodes = graph_inputs = given = 0
    probes_left = _PROBES * (most_values + sizes[0] + sizes[1] + sizes[5] + sizes[6]) + (1 << 10)
    plain = True

    # Nodes stand before what they are fed with: inputs and initializers are looked for first.
    for wanted in (_INITIALIZER, _INPUT):
        at = counts.start
        while at < counts.end and plain:
            tag, _, start, after = field(content, at, counts.end)
            if after < 0:
                plain = False
            elif tag == wanted:
                is_tensor = wanted == _INITIALIZER
                if is_tensor:
                    start, end, plain = _read_tensor(content, start, after, tensors[num_tensors])
                else:
                    start, end = value_name(content, start, after)
                place, probes = find(content, start, max(start, end), table, names)
                probes_left -= probes
                known = table[place]
                if end <= start or probes_left < 0 or (known >= 0 and (is_tensor or tensor[known] < 0)):
                    plain = False
                elif known < 0:  # below version 4 of the file format a parameter is listed as an input as well
                    table[place] = values
                    names[values, 0], names[values, 1] = start, end
                    if is_tensor:
                        tensors[num_tensors, OWNER] = -1 - num_tensors
                        tensor[values] = num_tensors
                        num_tensors += 1
                    else:
                        graph_inputs += 1
                    values += 1
            at = after

    at = counts.start
    proto = -1
    while at < counts.end and plain:
        tag, _, start, end = field(content, at, counts.end)
        at = end
        if end < 0:
            plain = False
        if tag != _NODE or not plain:
            continue
        proto += 1
        first_input = num_inputs = input_ends[num_nodes]
        first_output = num_outputs = output_ends[num_nodes]
        does, place = end, np.int64(-1)
        op_type, op_type_end, domain, domain_end = start, start, start, start
        attributes = 0
        row[RANK] = -1
        last = 0
        while start < end and plain:
            tag, _, value, after = field(content, start, end)
            if after < 0 or tag < last:
                plain = False
                break
            last = tag
            if tag > _NODE_NAME and does == end:
                does = start
                place, probes = find(content, does, end, kind_table, kinds)
                probes_left -= probes
                if kind_table[place] >= 0:
                    break
            if tag == _NODE_INPUT:
                inputs[num_inputs] = -1
                if after > value:
                    found, probes = find(content, value, after, table, names)
                    probes_left -= probes
                    inputs[num_inputs] = table[found]
                    plain = table[found] >= 0
                num_inputs += 1
            elif tag == _NODE_OUTPUT:
                outputs[num_outputs] = -1
                if after > value:
                    found, probes = find(content, value, after, table, names)
                    probes_left -= probes
                    plain = table[found] < 0
                    table[found] = values
                    names[values, 0], names[values, 1] = value, after
                    maker[values], slot[values] = num_nodes, num_outputs - first_output
                    outputs[num_outputs] = values
                    values += 1
                num_outputs += 1
            elif tag == _OP_TYPE:
                op_type, op_type_end = value, after
            elif tag == _ATTRIBUTE:
                attributes += 1
                plain = _read_attribute(content, value, after, row)
            elif tag == _DOMAIN:
                domain, domain_end = value, after
            elif tag != _NODE_NAME and tag != _OVERLOAD:
                plain = False
            start = after
        while num_inputs > first_input and inputs[num_inputs - 1] < 0:
            num_inputs -= 1
        if place < 0 or probes_left < 0 or max(num_inputs - first_input, num_outputs - first_output) > MAX_SLOT + 1:
            plain = False
        if not plain:
            break
        if _is_constant(content, op_type, op_type_end, domain, domain_end):
            made = outputs[first_output] if num_outputs == first_output + 1 else -1
            if made < 0 or attributes != 1 or row[RANK] < 0:
                plain = False
            else:
                maker[made] = -1
                tensor[made] = num_tensors
                tensors[num_tensors] = row
                tensors[num_tensors, OWNER] = proto
                num_tensors += 1
            continue
        if kind_table[place] < 0:
            kind_table[place] = num_kinds
            kinds[num_kinds, 0], kinds[num_kinds, 1] = does, end
            num_kinds += 1
        kind[num_nodes], position[num_nodes] = kind_table[place], proto
        num_nodes += 1
        input_ends[num_nodes], output_ends[num_nodes] = num_inputs, num_outputs

    at = counts.start
    while at < counts.end and plain:
        tag, _, start, after = field(content, at, counts.end)
        if after < 0:
            plain = False
        elif tag == _OUTPUT:
            start, end = value_name(content, start, after)
            place, probes = find(content, start, max(start, end), table, names)
            probes_left -= probes
            plain = end > start and table[place] >= 0 and probes_left >= 0
            graph_outputs[given] = table[place]
            given += 1
        at = after

    return Columns(
        kind[:num_nodes],
        position[:num_nodes],
        input_ends[: num_nodes + 1],
        inputs[: input_ends[num_nodes]],
        output_ends[: num_nodes + 1],
        outputs[: output_ends[num_nodes]],
        kinds[:num_kinds],
        maker[:values],
        slot[:values],
        tensor[:values],
        tensors[:num_tensors],
        graph_inputs,
        graph_outputs[:given],
    ), plain

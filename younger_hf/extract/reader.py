"""Read an ONNX file without its weights: `read_structure`.

In: a file of any size, here or on a web server. Out: a `ModelProto` with the structure (graphs, nodes, attributes,
functions, the inputs and outputs of the graphs, opsets; of a tensor the name, dims and type) and with only those tensor
values that could be structure: inline, at most 64 elements. The walk steps over every other payload; external data is
neither opened nor named in the result. Everything that is kept is checked, so that an error names the byte where it
occurs.
"""

from __future__ import annotations

import math
import mmap
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

import onnx
from google.protobuf.message import DecodeError

from younger_hf.errors import YoungerError
from younger_hf.extract.constants import clear_values
from younger_hf.extract.errors import InvalidModelError
from younger_hf.extract.layout import LAYOUTS, MODEL, Layout, read_dims
from younger_hf.extract.wire import BYTES, VARINT, Source, WireError, encode_varint, fields

MAX_ELEMENTS: Final = 64  # a tensor with more loses its values
MAX_VALUES: Final = 704  # bytes that 64 elements take at most: varints of ten bytes, each with its tag
MAX_DEPTH: Final = 100  # messages within messages: protobuf parses no more; a body takes three
MAX_STRUCTURE: Final = 1 << 29  # bytes that are kept of one model
MAX_MESSAGES: Final = 1 << 25  # messages in one model: 5 million nodes with their attributes

_RELEASE_EVERY: Final = 1 << 23  # bytes; a page that is touched can bring two mapped MiB with it

_TENSOR: Final = LAYOUTS["TensorProto"]
_SPARSE_TENSOR: Final = LAYOUTS["SparseTensorProto"]
_TENSOR_FIELDS: Final = onnx.TensorProto.DESCRIPTOR.fields_by_name
_DIMS: Final = _TENSOR_FIELDS["dims"].number
_DATA_LOCATION: Final = _TENSOR_FIELDS["data_location"].number << 3 | VARINT
_VALUES: Final = {described.number for name, described in _TENSOR_FIELDS.items() if name.endswith("_data")}


def read_structure(path: str | os.PathLike[str]) -> onnx.ModelProto:
    """Read an ONNX file without its weights.

    Args:
        path: a local file, which is mapped into memory, or an http(s) URL, which is read by range requests. Of large
            tensors only the headers are touched.

    Returns:
        What `onnx.load(path, load_external_data=False)` returns, without doc strings, metadata_props, producer,
        value_info, quantization_annotation, training_info, external_data, unknown fields, functions that nothing
        calls, and all values of tensors but the structural constants that a skeleton keeps.

    Raises:
        InvalidModelError: the file is no ONNX model, from the byte on that the error names.
        YoungerError: there is no such file, or it cannot be read; a `RemoteError` for a URL.
    """
    model = load_weightless(path)
    clear_values(model, shown(path))
    return model


def load_weightless(path: str | os.PathLike[str]) -> onnx.ModelProto:
    """Read an ONNX file without its weights; inline tensors of at most 64 elements keep their values.

    Raises:
        InvalidModelError: as `read_structure`.
        YoungerError: as `read_structure`.
    """
    name = os.fspath(path)
    if _is_url(name):
        from younger_hf.extract.remote import RemoteFile  # who reads local files needs no HTTP client

        with RemoteFile(name) as remote:
            return parse_weightless(remote, shown(name))
    try:
        mode = Path(path).stat().st_mode
        if stat.S_ISDIR(mode):
            raise YoungerError(f"{name} is a directory: name the model file in it")
        if not stat.S_ISREG(mode):  # to open a pipe would be to wait for its writer
            raise YoungerError(f"{name} is not a regular file: name a model file")
        with Path(path).open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                return parse_weightless(b"", name)  # an empty file cannot be mapped
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                mapped.madvise(mmap.MADV_RANDOM)
                return parse_weightless(mapped, name, release=lambda: mapped.madvise(mmap.MADV_DONTNEED))
    except FileNotFoundError:
        raise YoungerError(f"{name} does not exist: name a model file") from None
    except OSError as error:
        raise YoungerError(f"{name} cannot be read: {error.strerror}") from error


def shown(path: str | os.PathLike[str]) -> str:
    """What an error calls a file: its path, or its URL without the query, which may hold a signature."""
    name = os.fspath(path)
    return name.partition("?")[0] if _is_url(name) else name


def _is_url(name: str) -> bool:
    return name.lower().startswith(("http://", "https://"))


def parse_weightless(source: Source, name: str, release: Callable[[], None] = lambda: None) -> onnx.ModelProto:
    """Parse the structure of the model in `source`; tensors of at most 64 elements keep their values.

    Args:
        source: the bytes of an ONNX file.
        name: what an error calls the file.
        release: called every 8 MiB of `source`: what stands before is not read again and need not stay in memory.

    Raises:
        InvalidModelError: the bytes are no ONNX model.
    """
    end = len(source)
    try:
        structure = _Walk(source, release).message(MODEL, 0, end)
    except WireError as error:
        raise InvalidModelError(name, error.offset, error.reason) from None
    try:
        model: onnx.ModelProto = onnx.ModelProto.FromString(source[:end] if structure is None else bytes(structure))
    except DecodeError as error:
        raise InvalidModelError(name, 0, f"protobuf does not parse it ({error})") from None
    model.DiscardUnknownFields()  # values of an enum that this onnx does not know
    if not model.HasField("graph"):
        raise InvalidModelError(name, end, "it ends without a graph")
    return model


class _Walk:
    """One walk over a model. It counts what it keeps, so that no input makes it allocate without bound."""

    def __init__(self, source: Source, release: Callable[[], None]) -> None:
        self._source = source
        self._release = release
        self._messages = 0
        self._kept = 0
        self._released = 0

    def message(self, layout: Layout, start: int, end: int, depth: int = 0) -> bytearray | None:
        """Reduce the message in `source[start:end]` to its structure; None if it is nothing else."""
        self._count(start, depth)
        source, rules, once = self._source, layout.rules, layout.once
        reduced = bytearray()
        copied = start  # what stands before this byte is in `reduced`
        seen = set()
        for tag, at, value, after in fields(source, start, end):
            rule = rules.get(tag)
            replacement: bytes | None = None
            if isinstance(rule, Layout):
                if tag in once:
                    if tag in seen:
                        raise WireError(f"a second {rule.name} where there can be one", at)
                    seen.add(tag)
                if rule is _TENSOR:
                    body: bytearray | None = self._tensor(value, after, depth + 1, layout is not _SPARSE_TENSOR)
                else:
                    body = self.message(rule, value, after, depth + 1)
                if body is not None:
                    replacement = encode_varint(tag) + encode_varint(len(body)) + body
            elif rule is None:
                replacement = b""
            elif not rule(source, value, after):
                replacement = encode_varint(tag) + encode_varint(0)
            if replacement is not None:
                reduced += self._copy(copied, at)
                reduced += replacement
                copied = after
        if copied == start:
            return None
        reduced += self._copy(copied, end)
        return reduced

    def _tensor(self, start: int, end: int, depth: int, inline: bool) -> bytearray:
        """Reduce a TensorProto to dims, type, name and, if it is `inline` and small, its values."""
        self._count(start, depth)
        source = self._source
        reduced = bytearray()
        values = bytearray()
        dims: list[int] = []
        for tag, at, value, after in fields(source, start, end):
            rule = _TENSOR.rules.get(tag)
            number = tag >> 3
            if tag == _DATA_LOCATION:
                inline = inline and source[value:after] == b"\0"
            elif rule is None or isinstance(rule, Layout):
                continue
            elif number in _VALUES:
                inline = inline and len(values) + after - at <= MAX_VALUES
                if inline and rule(source, value, after):
                    values += source[at:after]
            else:
                if number == _DIMS:
                    if dims:
                        raise WireError("a second shape of one tensor", at)
                    dims = read_dims(source, value, after, packed=tag & 7 == BYTES)
                else:
                    rule(source, value, after)
                reduced += self._copy(at, after)
        if inline and math.prod(dims) <= MAX_ELEMENTS:
            reduced += values
        return reduced

    def _copy(self, start: int, end: int) -> bytes:
        self._kept += end - start
        if self._kept > MAX_STRUCTURE:
            raise WireError(f"more than {MAX_STRUCTURE} bytes besides the tensors", start)
        return self._source[start:end]

    def _count(self, start: int, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise WireError("messages nested deeper than protobuf parses", start)
        self._messages += 1
        if self._messages > MAX_MESSAGES:
            raise WireError(f"more than {MAX_MESSAGES} messages", start)
        if start - self._released > _RELEASE_EVERY:
            self._release()
            self._released = start

"""Read an ONNX file without its weights: `read_structure`.

In: a file of any size, here or on a web server. Out: a `ModelProto` with the structure (graphs, nodes, attributes,
functions, the inputs and outputs of the graphs, opsets; of a tensor the name, dims and type) and with only those tensor
values that could be structure: inline, at most 64 elements. Every other payload is stepped over; external data is
neither opened nor named in the result. Everything that is kept is checked, so that an error names the byte where it
occurs.
"""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from onnx import ModelProto

from younger_hf.errors import YoungerError
from younger_hf.extract.clear import clear_values
from younger_hf.extract.parse import parse_weightless
from younger_hf.extract.wire import ByteSource
from younger_hf.work import WORK_LIMIT, Work

if TYPE_CHECKING:
    from younger_hf.extract.plain import PlainModel

_Model = TypeVar("_Model")


def read_structure(path: str | os.PathLike[str]) -> ModelProto:
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
    model = load_plainly(path, Work(WORK_LIMIT), Work(WORK_LIMIT))
    if not isinstance(model, ModelProto):
        return model.structure()
    clear_values(model, shown(path))
    return model


def load_weightless(path: str | os.PathLike[str], work: Work | None = None, *, metadata: bool = False) -> ModelProto:
    """Read an ONNX file without its weights; inline tensors of at most 64 elements keep their values.

    Args:
        path: as in `read_structure`.
        work: what reading it may take; `WORK_LIMIT` steps if left out.
        metadata: keep the metadata of nodes, too, which takes longer.

    Raises:
        InvalidModelError: as `read_structure`.
        WorkLimitError: the work, `WORK_LIMIT` steps if it is left out, is spent.
        YoungerError: as `read_structure`.
    """
    return _parsed(path, partial(parse_weightless, work=work, metadata=metadata))


def load_plainly(path: str | os.PathLike[str], work: Work, wiring: Work) -> PlainModel | ModelProto:
    """Read an ONNX file without its weights, as a `PlainModel` where it is one.

    Args:
        path: as in `read_structure`.
        work: what reading it may take.
        wiring: what telling its nodes and values apart may take, if it is plain. It may be the same work.

    Raises:
        InvalidModelError: as `read_structure`.
        WorkLimitError: either work is spent.
        YoungerError: as `read_structure`.
    """
    from younger_hf.extract.plain import parse_plainly  # numba takes a moment, and not all who read need it

    return _parsed(path, partial(parse_plainly, work=work, wiring=wiring))


def _parsed(path: str | os.PathLike[str], parse: Callable[[ByteSource, str, Callable[[], None]], _Model]) -> _Model:
    name = os.fspath(path)
    if _is_url(name):
        from younger_hf.extract.remote import RemoteSource  # who reads local files needs no HTTP client

        with RemoteSource(name) as remote:
            return parse(remote, shown(name), _keep)
    try:
        mode = Path(path).stat().st_mode
        if stat.S_ISDIR(mode):
            raise YoungerError(f"{name} is a directory: name the model file in it")
        if not stat.S_ISREG(mode):  # to open a pipe would be to wait for its writer
            raise YoungerError(f"{name} is not a regular file: name a model file")
        with Path(path).open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                return parse(b"", name, _keep)  # an empty file cannot be mapped
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                mapped.madvise(mmap.MADV_RANDOM)
                return parse(mapped, name, lambda: mapped.madvise(mmap.MADV_DONTNEED))
    except FileNotFoundError:
        raise YoungerError(f"{name} does not exist: name a model file") from None
    except OSError as error:
        raise YoungerError(f"{name} cannot be read: {error.strerror}") from error


def _keep() -> None:
    """Nothing is mapped that could be let go."""


def shown(path: str | os.PathLike[str]) -> str:
    """What an error calls a file: its path, or its URL without the query, which may hold a signature."""
    name = os.fspath(path)
    return name.partition("?")[0] if _is_url(name) else name


def _is_url(name: str) -> bool:
    return name.lower().startswith(("http://", "https://"))

"""Younger: a dataset of real neural-network architectures.

`load` reads a release; `to_pyg`, `to_networkx` and `to_onnx` convert its rows for other libraries; `Evaluator` scores
predictions made from them. `draw` shows one. `extract` reads the architecture of an ONNX file without its weights;
`fingerprint` identifies it. Names are imported on first use, so that `import younger_hf` is cheap; one that needs an
extra which is not installed says so when it is called.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

from younger_hf.errors import MissingExtraError

if TYPE_CHECKING:
    from younger_hf.dataset import load, to_graph
    from younger_hf.errors import YoungerError
    from younger_hf.extract import extract, read_structure, strip
    from younger_hf.graph import Operator, OperatorGraph
    from younger_hf.identity import fingerprint, is_isomorphic, wl_hash
    from younger_hf.interop.drawing import draw
    from younger_hf.interop.networkx import from_networkx, to_networkx
    from younger_hf.interop.onnx import example_inputs, from_onnx, to_onnx
    from younger_hf.interop.pyg import from_pyg, to_pyg
    from younger_hf.interop.text_form import from_text, to_text
    from younger_hf.interop.younger_dataset import YoungerDataset
    from younger_hf.labels import class_names
    from younger_hf.recipes.pretrained import load_encoder
    from younger_hf.recognise import nearest, normal_fingerprint, normalize
    from younger_hf.tasks.evaluator import Evaluator
    from younger_hf.vocabulary import Vocabulary

__version__ = "0.1.0"

_HOMES = {
    "Evaluator": "tasks.evaluator",
    "Operator": "graph",
    "OperatorGraph": "graph",
    "Vocabulary": "vocabulary",
    "YoungerDataset": "interop.younger_dataset",
    "YoungerError": "errors",
    "class_names": "labels",
    "draw": "interop.drawing",
    "example_inputs": "interop.onnx",
    "fingerprint": "identity",
    "from_networkx": "interop.networkx",
    "from_onnx": "interop.onnx",
    "from_pyg": "interop.pyg",
    "from_text": "interop.text_form",
    "is_isomorphic": "identity",
    "load": "dataset",
    "load_encoder": "recipes.pretrained",
    "diff_models": "recognise",
    "nearest": "recognise",
    "normal_fingerprint": "recognise",
    "normalize": "recognise",
    "read_structure": "extract",
    "strip": "extract",
    "to_graph": "dataset",
    "to_networkx": "interop.networkx",
    "to_onnx": "interop.onnx",
    "to_pyg": "interop.pyg",
    "to_text": "interop.text_form",
    "wl_hash": "identity",
}

__all__ = [  # noqa: RUF022 - in the order in which a user meets them
    "load",
    "to_graph",
    "to_pyg",
    "from_pyg",
    "YoungerDataset",
    "class_names",
    "to_networkx",
    "from_networkx",
    "to_onnx",
    "from_onnx",
    "example_inputs",
    "to_text",
    "from_text",
    "draw",
    "extract",
    "read_structure",
    "strip",
    "fingerprint",
    "wl_hash",
    "is_isomorphic",
    "normalize",
    "normal_fingerprint",
    "nearest",
    "diff_models",
    "load_encoder",
    "Evaluator",
    "Operator",
    "OperatorGraph",
    "Vocabulary",
    "YoungerError",
]


class _Missing:
    """Stands for a name that needs an extra, so that `from younger_hf import *` and `dir` work without it."""

    def __init__(self, name: str, error: MissingExtraError) -> None:
        self.__name__, self.__doc__ = name, str(error)
        self._error = error

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        raise MissingExtraError(self._error.package, self._error.extra) from self._error

    __mro_entries__ = __call__  # as a base class

    def __repr__(self) -> str:
        return f"<{self.__name__}: {self.__doc__}>"


def __getattr__(name: str) -> Any:
    if name != "extract" and name not in _HOMES:
        raise AttributeError(f"module 'younger_hf' has no attribute {name!r}")
    try:
        if name == "extract":
            return import_module("younger_hf.extract")  # a package that can be called, as it says itself
        value = getattr(import_module(f"younger_hf.{_HOMES[name]}"), name)
    except MissingExtraError as error:
        return _Missing(name, error)  # not kept: the extra may be installed meanwhile
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

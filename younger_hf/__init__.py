"""Younger: a dataset of real neural-network architectures.

`load` reads a release; `to_pyg`, `to_networkx` and `to_onnx` convert its rows for other libraries; `Evaluator` scores
predictions made from them. `extract` reads the architecture of an ONNX file without its weights; `fingerprint`
identifies it. Names are imported on first use, so that `import younger_hf` is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from younger_hf.dataset import load, to_graph
    from younger_hf.errors import YoungerError
    from younger_hf.extract import extract, read_structure, strip
    from younger_hf.graph import Operator, OperatorGraph
    from younger_hf.identity import fingerprint, is_isomorphic, wl_hash
    from younger_hf.interop.networkx import from_networkx, to_networkx
    from younger_hf.interop.onnx import example_inputs, to_onnx
    from younger_hf.interop.pyg import from_pyg, to_pyg
    from younger_hf.tasks.evaluator import Evaluator
    from younger_hf.vocabulary import Vocabulary

__version__ = "0.1.0"

_HOMES = {
    "Evaluator": "tasks.evaluator",
    "Operator": "graph",
    "OperatorGraph": "graph",
    "Vocabulary": "vocabulary",
    "YoungerError": "errors",
    "example_inputs": "interop.onnx",
    "fingerprint": "identity",
    "from_networkx": "interop.networkx",
    "from_pyg": "interop.pyg",
    "is_isomorphic": "identity",
    "load": "dataset",
    "read_structure": "extract",
    "strip": "extract",
    "to_graph": "dataset",
    "to_networkx": "interop.networkx",
    "to_onnx": "interop.onnx",
    "to_pyg": "interop.pyg",
    "wl_hash": "identity",
}

__all__ = [  # noqa: RUF022 - in the order in which a user meets them
    "load",
    "to_graph",
    "to_pyg",
    "from_pyg",
    "to_networkx",
    "from_networkx",
    "to_onnx",
    "example_inputs",
    "extract",
    "read_structure",
    "strip",
    "fingerprint",
    "wl_hash",
    "is_isomorphic",
    "Evaluator",
    "Operator",
    "OperatorGraph",
    "Vocabulary",
    "YoungerError",
]


def __getattr__(name: str) -> Any:
    if name == "extract":
        return import_module("younger_hf.extract")  # a package that can be called, as it says itself
    if name not in _HOMES:
        raise AttributeError(f"module 'younger_hf' has no attribute {name!r}")
    value = getattr(import_module(f"younger_hf.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

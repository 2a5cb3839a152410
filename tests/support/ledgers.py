"""Ledgers of real models, filled through their own interface: `from support.ledgers import fill`."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import onnx
import torch
import torchvision

from builders.convert import Conversion, Outcome
from builders.convert.module_tree import module_tree, set_modules
from builders.ledger import Ledger
from builders.model_ref import ModelRef
from younger_hf.extract import read_structure, strip

Attempt = tuple[ModelRef, Conversion]


def conversion(model: onnx.ModelProto | Path, exporter: str = "onnx") -> Conversion:
    """A conversion that went well; with the module tree that torch's older exporter tells in the names of nodes."""
    skeleton = strip(model).SerializeToString(deterministic=True)
    tree = _tree(read_structure(model)) if exporter == "torchscript" and isinstance(model, Path) else b""
    return Conversion(Outcome.OK, exporter=exporter, skeleton=skeleton, modules=tree)


def _tree(model: onnx.ModelProto) -> bytes:
    """The module tree that names such as /layer1/layer1.0/conv1/Conv tell, without classes."""
    for node in model.graph.node:
        scopes = ["", *node.name.strip("/").split("/")[:-1]]
        set_modules(node, scopes, ["torchvision.models.Network", *scopes[1:]])
    tree = module_tree(model)
    assert tree is not None
    return tree.to_json()


def export_torchvision(directory: Path, name: str, opset: int = 17, **options: Any) -> Path:
    """A torchvision model as an ONNX file, by the exporter that takes a second."""
    network = torchvision.models.get_model(name, weights=None, **options).eval()
    path = directory / f"{name}.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, (torch.zeros(1, 3, 224, 224),), str(path), dynamo=False, opset_version=opset)
    return path


def fill(directory: Path, attempts: Iterable[Attempt]) -> Ledger:
    """A ledger with these attempts, in this order."""
    attempts = list(attempts)
    ledger = Ledger(directory)
    ledger.record(model for model, _ in attempts)
    for model, converted in attempts:
        ledger.finish(model, converted)
    return ledger

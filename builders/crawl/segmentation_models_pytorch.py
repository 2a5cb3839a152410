"""What segmentation_models_pytorch composes: each of its decoders on each encoder, read from its source text.

An encoder is one of the library's own, or `tu-` and the name of an architecture of timm. Such a model is supported by a
maintained library and published by nobody: its origin is `composed`, and its family the encoder's.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from builders.crawl import timm
from builders.crawl.installed import installed
from builders.crawl.source import registry
from builders.model_ref import ModelRef
from younger_hf.errors import MissingExtraError

_OF_TIMM: Final = "tu-"  # what it puts before a name of timm's
_ON_TIMM_ALONE: Final = {"dpt"}  # the decoders that take none of its own encoders


def models() -> Iterator[ModelRef]:
    """Every encoder with every decoder, first the library's own encoders; sorted by encoder and decoder.

    Raises:
        MissingExtraError: segmentation_models_pytorch is not installed.
    """
    package = installed("segmentation_models_pytorch", extra="zoos")
    decoders = sorted(_decoders(package.directory / "__init__.py"))
    encoders = [*sorted(_encoders(package.directory / "encoders")), *_encoders_of_timm()]
    for encoder, family in encoders:
        for decoder in decoders:
            if decoder in _ON_TIMM_ALONE and not encoder.startswith(_OF_TIMM):
                continue
            yield ModelRef(
                source="segmentation-models-pytorch",
                id=encoder,
                revision=package.version,
                component=decoder,
                library="segmentation-models-pytorch",
                task="image-segmentation",
                family=family,
                origin="composed",
            )


SOURCE = registry(models, license="mit")


def _decoders(init: Path) -> Iterator[str]:
    """The names that `create_model` takes: those of the classes in a list, in lower case."""
    for line in ast.parse(init.read_text(encoding="utf-8")).body:
        if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "_MODEL_ARCHITECTURES":
            assert isinstance(line.value, ast.List)  # noqa: S101
            yield from (ast.unparse(name).lower() for name in line.value.elts)


def _encoders(directory: Path) -> Iterator[tuple[str, str]]:
    """(name, family) of the library's own encoders: the keys of `resnet_encoders = {…}` in `resnet.py`.

    Those that it calls `timm-` are old names; many of them are timm's by now.
    """
    for module in sorted(directory.glob("[a-z]*.py")):
        for line in ast.parse(module.read_text(encoding="utf-8")).body:
            if not isinstance(line, ast.Assign) or not isinstance(line.value, ast.Dict):
                continue
            if ast.unparse(line.targets[0]).endswith("_encoders"):
                for key in filter(None, line.value.keys):
                    yield ast.literal_eval(key), module.stem.removeprefix("timm_")


def _encoders_of_timm() -> Iterator[tuple[str, str]]:
    """(name, family) of timm's architectures as encoders; none without timm."""
    try:
        for model in timm.models():
            if not model.component:
                yield _OF_TIMM + model.id, model.family
    except MissingExtraError:
        return

"""pytorchcv's models, read from its source text: the table behind `pytorchcv.model_provider.get_model`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from builders.crawl.installed import installed
from builders.crawl.source import registry
from builders.model_ref import ModelRef

# A module named after the data set that its variants are made for: resnet_cifar, simplepose_coco.
_DATA_SETS: Final = re.compile(r"_(cifar|cifar10|cub|coco|cmupan)$")

# What the other modules than those of image classifiers are for, in the Hub's words where it has any.
_TASKS: Final = {
    **dict.fromkeys(
        "alphapose_coco centernet ibppose_coco lwopenpose_cmupan simplepose_coco simpleposemobile_coco".split(),
        "keypoint-detection",
    ),
    **dict.fromkeys(
        "bisenet cgnet contextnet dabnet danet deeplabv3 edanet enet erfnet esnet espcnet fastscnn fcn8sd fpenet icnet "
        "lednet linknet pspnet segnet sinet sqnet unet".split(),
        "image-segmentation",
    ),
    **dict.fromkeys("jasper jasperdr quartznet".split(), "automatic-speech-recognition"),
    "lffd": "object-detection",
    **dict.fromkeys("propainter propainter_ip propainter_rfc".split(), "video-inpainting"),
    "raft": "optical-flow",
    "superpointnet": "keypoint-detection",
    **dict.fromkeys("nvpattexp pfpcnet prnet visemenet voca".split(), "face-animation"),
}


def models() -> Iterator[ModelRef]:
    """Every model, sorted by name; its family is the module that defines it, without a data set at its end.

    Raises:
        MissingExtraError: pytorchcv is not installed.
    """
    pytorchcv = installed("pytorchcv", extra="zoos")
    provider = ast.parse((pytorchcv.directory / "model_provider.py").read_text(encoding="utf-8"))
    modules = {
        name.name: line.module.rpartition(".")[2]
        for line in provider.body
        if isinstance(line, ast.ImportFrom) and line.module
        for name in line.names
    }
    for name, constructor in sorted(_table(provider).items()):
        module = modules[constructor]
        yield ModelRef(
            source="pytorchcv",
            id=name,
            revision=pytorchcv.version,
            library="pytorchcv",
            task=_TASKS.get(module, "image-classification"),
            family=_DATA_SETS.sub("", module),
            origin="registry",
        )


SOURCE = registry(models, license="mit")


def _table(provider: ast.Module) -> dict[str, str]:
    """The name of the constructor by a model's name: `_models = {"resnet18": resnet18, …}`."""
    for line in provider.body:
        if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "_models":
            assert isinstance(line.value, ast.Dict)  # noqa: S101
            keys = (ast.literal_eval(key) for key in line.value.keys if key)
            return dict(zip(keys, map(ast.unparse, line.value.values), strict=True))
    return {}

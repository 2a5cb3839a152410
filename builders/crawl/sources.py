"""The table of sources, and what a specification on the command line stands for: `list_pages`, `list_models`.

A specification is a name, or a name and a selection: `torchvision`, `torchvision:resnet18,vit_b_16`, `onnx:PATH`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from builders.crawl.source import Page, Query, Source
from builders.model_ref import ModelRef
from younger_hf.errors import UsageError
from younger_hf.extensions import Extensions

SOURCES: Final = Extensions[Source](
    kind="source",
    group="younger_hf.sources",
    type=Source,
    built_in={
        "onnx": "builders.crawl.onnx_files:SOURCE",
        "onnx-package": "builders.crawl.onnx_package:SOURCE",
        "python-packages": "builders.crawl.python_packages:SOURCE",
        "torchvision": "builders.crawl.torchvision:SOURCE",
        "timm": "builders.crawl.timm:SOURCE",
        "pytorchcv": "builders.crawl.pytorchcv:SOURCE",
        "pretrainedmodels": "builders.crawl.pretrainedmodels:SOURCE",
        "open-clip": "builders.crawl.open_clip:SOURCE",
        "litgpt": "builders.crawl.litgpt:SOURCE",
        "torchaudio": "builders.crawl.torchaudio:SOURCE",
        "monai": "builders.crawl.monai:SOURCE",
        "segmentation-models-pytorch": "builders.crawl.segmentation_models_pytorch:SOURCE",
        "transformers": "builders.crawl.transformers:SOURCE",
        "published-configurations": "builders.crawl.published:SOURCE",
        "diffusers": "builders.crawl.diffusers:SOURCE",
        "keras": "builders.crawl.keras:SOURCE",
        "pytorch-hub": "builders.crawl.pytorch_hub:SOURCE",
        "huggingface": "builders.crawl.huggingface:SOURCE",
        "onnx-model-zoo": "builders.crawl.onnx_model_zoo:SOURCE",
        "kaggle": "builders.crawl.kaggle:SOURCE",
        "contributions": "builders.crawl.contributions:SOURCE",
    },
)


def check_spec(spec: str) -> None:
    """Refuse a specification that makes no sense, as far as it shows without a network and without the frameworks.

    Raises:
        UsageError: there is no such source, or no such model in a registry.
        MissingExtraError: the package whose registry is asked for is not installed.
    """
    name, source, selection = _parse(spec)
    if source.is_registry and selection:
        next(iter(source.pages(Query(name, selection))))


def list_pages(
    spec: str,
    cursor: str = "",
    has_config: Callable[[str, str], bool] = lambda *_: False,
    directory: Path | None = None,
) -> Iterator[Page]:
    """What a source specification stands for, page by page.

    Args:
        spec: `SOURCE` or `SOURCE:SELECTION`, as on the command line.
        cursor: where an interrupted crawl goes on: the cursor of the last page that was recorded.
        has_config: whether the configuration of this id and revision is on record already, and need not be fetched.
        directory: where the source may keep files for good.

    Raises:
        UsageError: there is no such source, model or path, or the directory holds no model.
        MissingExtraError: the package whose registry is asked for is not installed.
        YoungerError: the hub does not answer.
    """
    name, source, selection = _parse(spec)
    yield from source.pages(Query(name, selection, cursor, has_config, directory))


def list_models(spec: str, limit: int | None = None) -> Iterator[ModelRef]:
    """The models that a source specification stands for, at most `limit`, in the source's own order.

    Raises:
        YoungerError: as `list_pages`.
    """
    return islice((model for page in list_pages(spec) for model in page.models), limit)


def _parse(spec: str) -> tuple[str, Source, str]:
    name, colon, selection = spec.partition(":")
    source = SOURCES.find(name)
    if colon and not selection.strip():
        raise UsageError(f"the source {spec!r} names nothing after its colon: write {name}:{source.selection}")
    return name, source, selection

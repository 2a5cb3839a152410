"""Crawl: what models a source has. A specification goes in, `ModelRef` come out; no weight is fetched.

A source is a module here that yields pages of `ModelRef`, and a line in `SOURCES`. Its name and what follows the
colon are as on the command line: `torchvision`, `torchvision:resnet18,vit_b_16`, `onnx:PATH`. A registry is one
page; a hub has many, and its crawl goes on from the cursor of the last one that was recorded.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from builders.crawl import (
    contributions,
    diffusers,
    huggingface,
    kaggle,
    keras,
    local,
    onnx_model_zoo,
    pytorch_hub,
    timm,
    torchvision,
    transformers,
)
from builders.crawl.page import Page, Query
from builders.model_ref import Evaluation, ModelRef
from younger_hf.errors import UsageError

__all__ = ["SOURCES", "Evaluation", "ModelRef", "Page", "Query", "list_models", "list_pages"]

Source = Callable[[Query], Iterable[Page]]


def _registry(models: Callable[[], Iterable[ModelRef]]) -> Source:
    """A source that takes names, `registry:A,B` or `registry:A/PART`, and without them gives the whole registry."""

    def select(query: Query) -> Iterator[Page]:
        listed = tuple(models())
        by_name: dict[str, list[ModelRef]] = {}
        for model in listed:
            by_name.setdefault(model.id, []).append(model)
            if model.component:
                by_name.setdefault(f"{model.id}/{model.component}", []).append(model)
        for name in query.terms:
            if name not in by_name:
                raise UsageError(f"{query.source} has no model {name!r}{_nearest(name, by_name)}")
        chosen = (model for name in query.terms for model in by_name[name])
        yield Page(tuple(dict.fromkeys(chosen)) if query.terms else listed)

    return select


SOURCES: dict[str, Source] = {
    # onnx:PATH, a file or a directory of them
    "onnx": local.onnx_files,
    # NAME or NAME:MODEL,MODEL
    "onnx-package": _registry(local.onnx_package),
    "torchvision": _registry(torchvision.registry),
    # pytorch-hub, the same; or pytorch-hub:OWNER/REPOSITORY@COMMIT and pytorch-hub:OWNER/REPOSITORY@COMMIT/ENTRY
    "pytorch-hub": pytorch_hub.models,
    "timm": _registry(timm.registry),
    "diffusers": _registry(diffusers.registry),
    "keras": _registry(keras.applications),
    # transformers, transformers:MODEL_TYPE or transformers:MODEL_TYPE/TASK, and more after commas
    "transformers": _registry(transformers.model_types),
    # huggingface, huggingface:ORG/NAME or huggingface:task=NAME,library=NAME,author=NAME,license=NAME,search=WORDS,TAG
    "huggingface": huggingface.models,
    # onnx-model-zoo or onnx-model-zoo:NAME
    "onnx-model-zoo": onnx_model_zoo.models,
    # kaggle, kaggle:OWNER/MODEL or kaggle:owner=NAME,search=WORDS,framework=NAME
    "kaggle": kaggle.models,
    # contributions:ORG/NAME or contributions:DIRECTORY, a release; `build --previous` asks by itself
    "contributions": contributions.models,
}


def list_pages(
    spec: str,
    cursor: str = "",
    known: Callable[[str, str], bool] = lambda *_: False,
    work: Path | None = None,
) -> Iterator[Page]:
    """What a source specification stands for, page by page.

    Args:
        spec: `SOURCE` or `SOURCE:SELECTION`, as on the command line.
        cursor: where an interrupted crawl goes on: the cursor of the last page that was recorded.
        known: whether the configuration of this id and revision is on record already, and need not be fetched.
        work: the directory of the ledger, where a source may keep files.

    Raises:
        UsageError: there is no such source, model or path, or the directory holds no model.
        MissingExtraError: the package whose registry is asked for is not installed.
        YoungerError: the hub does not answer.
    """
    source, colon, selection = spec.partition(":")
    if source not in SOURCES:
        raise UsageError(f"there is no source {source!r}{_nearest(source, SOURCES)}")
    if colon and not selection.strip():
        raise UsageError(f"the source {spec!r} names nothing after its colon")
    yield from SOURCES[source](Query(source, selection, cursor, known, work))


def list_models(spec: str, limit: int | None = None) -> Iterator[ModelRef]:
    """The models that a source specification stands for, at most `limit`, in the source's own order.

    Raises:
        YoungerError: as `list_pages`.
    """
    return islice((model for page in list_pages(spec) for model in page.models), limit)


def _nearest(name: str, known: Iterable[str]) -> str:
    """The end of the sentence that says `name` is unknown."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5) or (names if len(names) <= 10 else [])
    return f"; did you mean {' or '.join(near)}?" if near else f"; it has {len(names)} others"

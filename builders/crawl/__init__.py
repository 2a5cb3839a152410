"""Crawl: what models a source has. A specification goes in, `ModelRef` come out; no weight is fetched.

A source is a module here that yields `ModelRef`, and a line in `SOURCES`. Its name and what follows the colon
are as on the command line: `torchvision`, `torchvision:resnet18,vit_b_16`, `onnx:PATH`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from builders.crawl import keras, local, torchvision
from builders.crawl.model_ref import Evaluation, ModelRef
from younger_hf.errors import UsageError

__all__ = ["SOURCES", "Evaluation", "ModelRef", "list_models"]


def _by_name(registry: Callable[[], Iterable[ModelRef]]) -> Callable[[str, str], Iterator[ModelRef]]:
    """A source that takes names, `registry:A,B`, and without them gives the whole registry."""

    def select(source: str, names: str) -> Iterator[ModelRef]:
        models = {model.id: model for model in registry()}
        wanted = [name.strip() for name in names.split(",") if name.strip()]
        for name in wanted:
            if name not in models:
                raise UsageError(f"{source} has no model {name!r}{_nearest(name, models)}")
        yield from (models[name] for name in dict.fromkeys(wanted or models))

    return select


SOURCES: dict[str, Callable[[str, str], Iterable[ModelRef]]] = {
    # onnx:PATH, a file or a directory of them
    "onnx": local.onnx_files,
    # NAME or NAME:MODEL,MODEL
    "onnx-package": _by_name(local.onnx_package),
    "torchvision": _by_name(torchvision.registry),
    "keras": _by_name(keras.applications),
}


def list_models(spec: str, limit: int | None = None) -> Iterator[ModelRef]:
    """The models that a source specification stands for.

    Args:
        spec: `SOURCE` or `SOURCE:SELECTION`, as on the command line.
        limit: at most so many models, in the source's own order.

    Raises:
        UsageError: there is no such source, model or path, or the directory holds no model.
        MissingExtraError: the package whose registry is asked for is not installed.
    """
    source, colon, selection = spec.partition(":")
    if source not in SOURCES:
        raise UsageError(f"there is no source {source!r}{_nearest(source, SOURCES)}")
    if colon and not selection.strip():
        raise UsageError(f"the source {spec!r} names nothing after its colon")
    return islice(SOURCES[source](source, selection), limit)


def _nearest(name: str, known: Iterable[str]) -> str:
    """The end of the sentence that says `name` is unknown."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5) or (names if len(names) <= 10 else [])
    return f"; did you mean {' or '.join(near)}?" if near else f"; it has {len(names)} others"

"""Releases of some of the onnx package's zoo models, made in a second: `from support.light import built`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import onnx

from builders.assemble import assemble
from builders.convert import Conversion, Outcome
from builders.ledger import Ledger
from builders.model_ref import ModelRef
from younger_hf.extract import strip

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def built(
    directory: Path, names: Iterable[str] | Mapping[str, str], previous: str | Path | None = None, **options: Any
) -> Path:
    """A release of zoo models, which are here without being converted by another process.

    Args:
        directory: where the release `younger` and its ledger are made.
        names: the models; with names of their own, these by id.
        previous: as for `assemble`.
        options: of `assemble`.
    """
    with Ledger(directory / "work") as ledger:
        record(ledger, names)
        assemble(ledger, directory / "younger", previous=previous, **options)
    return directory / "younger"


def record(ledger: Ledger, names: Iterable[str] | Mapping[str, str]) -> None:
    """Enter zoo models and their conversions."""
    for model_id, name in (names if isinstance(names, Mapping) else {name: name for name in names}).items():
        family = name.rstrip("0123456789")
        model = ModelRef("onnx-package", model_id, "1", library="onnx", family=family, task="image-classification")
        skeleton = strip(LIGHT / f"light_{name}.onnx").SerializeToString(deterministic=True)
        ledger.record([model])
        ledger.finish(model, Conversion(Outcome.OK, exporter="onnx", skeleton=skeleton))

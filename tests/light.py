"""Releases of some of the onnx package's zoo models, made in a second: `from light import built`."""

from __future__ import annotations

from pathlib import Path

import onnx

from builders.assemble import assemble
from builders.convert import Conversion, Outcome
from builders.crawl.model_ref import ModelRef
from builders.extract import strip
from builders.ledger import Ledger

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def built(directory: Path, names: tuple[str, ...], previous: Path | None = None) -> Path:
    """A release of zoo models, which are here without being converted by another process."""
    with Ledger(directory / "work") as ledger:
        for name in names:
            model = ModelRef("onnx-package", name, "1", library="onnx", family=name.rstrip("0123456789"))
            skeleton = strip(LIGHT / f"light_{name}.onnx").SerializeToString(deterministic=True)
            ledger.record([model])
            ledger.finish(model, Conversion(Outcome.OK, exporter="onnx", skeleton=skeleton))
        assemble(ledger, directory / "younger", previous=previous)
    return directory / "younger"

"""A skeleton that cannot be measured is left out of a release, with a sentence, and stops nothing."""

from __future__ import annotations

import logging
from pathlib import Path

import onnx
import pytest
from support.ledgers import conversion, fill
from support.releases import every_row

from builders.assemble import assemble
from builders.convert import Conversion, Outcome
from builders.model_ref import ModelRef
from younger_hf.errors import YoungerError

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
BAD = [
    (ModelRef("onnx-package", f"bad{number}\x1b[2J", library="onnx"), Conversion(Outcome.OK, skeleton=skeleton))
    for number, skeleton in enumerate((b"", b"junk" * 100, b"\xff"))
]


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_others_are_released(tmp_path, caplog, jobs):
    good = [
        (ModelRef("onnx-package", name, library="onnx"), conversion(LIGHT / f"light_{name}.onnx"))
        for name in ("squeezenet", "resnet50")
    ]
    with fill(tmp_path / "work", [BAD[0], good[0], *BAD[1:], good[1]]) as ledger, caplog.at_level(logging.WARNING):
        assemble(ledger, tmp_path / "younger", jobs=jobs)
    assert {row["name"] for row in every_row(tmp_path / "younger", "graphs")} == {"squeezenet", "resnet50"}
    left_out = [line for line in caplog.messages if "is left out" in line]
    assert len(left_out) == 3
    assert all("\x1b" not in line and "bad" in line for line in left_out)


def test_where_none_is_left_there_is_no_release(tmp_path):
    with fill(tmp_path / "work", BAD) as ledger, pytest.raises(YoungerError, match=r"no skeleton .* can be measured"):
        assemble(ledger, tmp_path / "younger")
    assert not (tmp_path / "younger").exists()

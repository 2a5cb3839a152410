"""A skeleton that cannot be measured is left out of a release, with a sentence, and stops nothing."""

from __future__ import annotations

import logging
from pathlib import Path

import onnx.parser
import pytest
from support.ledgers import conversion, fill
from support.releases import every_row

from builders.assemble import assemble
from builders.convert import Conversion, Outcome
from builders.model_ref import ModelRef
from younger_hf.errors import YoungerError
from younger_hf.extract import strip

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
BAD = [
    (ModelRef("onnx-package", f"bad{number}\x1b[2J", library="onnx"), Conversion(Outcome.OK, skeleton=skeleton))
    for number, skeleton in enumerate((b"", b"junk" * 100, b"\xff"))
]


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
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


def test_a_skeleton_that_an_earlier_version_stripped_is_released_as_this_one_strips_it(tmp_path):
    text = (
        '<ir_version: 8, opset_import: ["" : 17]> g (float[2,2] x) => (float[N,M] y) '
        "{ p = Constant <value_ints = [0, 1, 0, 1]>() h = Relu(x) y = Pad <mode = 'MODE'> (h, p) }"
    ).replace("'", '"')
    stored = [strip(onnx.parser.parse_model(text.replace("MODE", "edge"))) for _ in range(2)]
    (mode,) = stored[0].graph.node[1].attribute
    mode.s = b"ada@example.org"
    skeletons = [model.SerializeToString(deterministic=True) for model in stored]
    attempts = [
        (ModelRef("onnx-package", f"model{number}", library="onnx"), Conversion(Outcome.OK, skeleton=skeleton))
        for number, skeleton in enumerate(skeletons)
    ]
    with fill(tmp_path / "work", attempts) as ledger:
        assemble(ledger, tmp_path / "younger")
    released = [row["onnx"] for row in every_row(tmp_path / "younger", "skeletons")]
    assert len(released) == 2
    assert skeletons[1] in released
    assert skeletons[0] not in released
    assert not any(b"ada@" in path.read_bytes() for path in (tmp_path / "younger").rglob("*") if path.is_file())

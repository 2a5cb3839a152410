"""The ONNX files that installed packages carry: listed by package and path, converted without their weights."""

from __future__ import annotations

import onnx
import pytest

from builders.convert.conversion import ConversionError, Outcome, Request
from builders.convert.python_packages import export
from builders.crawl import list_models
from builders.model_ref import ModelRef
from younger_hf.errors import UsageError
from younger_hf.extract import strip


def test_a_file_has_its_package_s_version_and_licence():
    (pitch,) = list_models("python-packages:swift-f0")
    assert (pitch.component, pitch.license, pitch.family) == ("model.onnx", "mit", "swift_f0")
    assert pitch.revision


def test_paddle_s_models_are_of_one_family_whichever_package_carries_them():
    families = {model.family for model in list_models("python-packages:rapidocr")}
    assert families == {"ppocr_det", "ppocr_rec", "ppocr_cls"}


@pytest.mark.parametrize("name", ["swift-f0", "silero-vad/data/silero_vad.onnx"])
def test_what_is_converted_is_the_file(name):
    (model,) = list_models(f"python-packages:{name}")
    file = export(Request(model)).onnx
    assert file.stat().st_size == model.size
    operators = [node.op_type for node in onnx.load(file).graph.node if node.op_type != "Constant"]
    assert [node.op_type for node in strip(file).graph.node if node.op_type != "Constant"] == operators


@pytest.mark.parametrize(("package", "file"), [("swift-f0", "gone.onnx"), ("nudenet", "320n.onnx")])
def test_a_file_that_is_gone_is_not_found(package, file):
    gone = ModelRef("python-packages", package, component=file, library="onnx")
    with pytest.raises(ConversionError, match=file) as raised:
        export(Request(gone))
    assert raised.value.outcome is Outcome.NOT_FOUND


def test_a_package_that_is_not_in_the_table_is_refused():
    with pytest.raises(UsageError, match="nudenet"):
        list(list_models("python-packages:nudenet"))

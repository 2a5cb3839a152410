"""A model of each library of the extra [zoos] becomes a graph."""

from __future__ import annotations

from importlib import import_module

import pytest

from builders.convert import ConversionError, Outcome, Request, exporters_for
from builders.crawl import list_models
from builders.model_ref import ModelRef
from younger_hf.extract import extract, strip

pytestmark = pytest.mark.slow  # imports five libraries

SMALL = {
    "pytorchcv:squeezenet_v1_1": {"Conv": 26},
    "pretrainedmodels:bninception": {"Conv": 69, "Gemm": 1},
    "open-clip:RN50/image": {"Conv": 55},
    "open-clip:ViT-S-32-alt/text": {"LayerNormalization": 21},
    "litgpt:pythia-14m": {"LayerNormalization": 13},
    "torchaudio:Wav2Letter": {"Conv": 12},
    "monai:BasicUNet/2d": {"Conv": 19, "ConvTranspose": 4},
    "segmentation-models-pytorch:resnet18/unet": {"Conv": 31},
}


def export(model):
    (exporter, *_) = exporters_for(model)
    return import_module(exporter.module).export(Request(model))


@pytest.mark.parametrize("name", SMALL)
def test_a_model_has_the_layers_that_its_library_gives_it(name):
    (model,) = list_models(name)
    done = export(model)
    assert done.exporter == "torch"
    operators = [operator.op_type for operator in extract(strip(done.onnx)).operator]
    assert {kind: operators.count(kind) for kind in SMALL[name]} == SMALL[name]


@pytest.mark.parametrize("library", ["pytorchcv", "pretrainedmodels", "open-clip", "litgpt", "torchaudio", "monai"])
def test_a_name_that_the_library_does_not_have_is_said(library):
    with pytest.raises(ConversionError, match="no_such_model") as raised:
        export(ModelRef(library, "no_such_model", component="image", library=library))
    assert raised.value.outcome is Outcome.NOT_FOUND


def test_what_cannot_be_composed_is_said():
    model = ModelRef("segmentation-models-pytorch", "resnet18", component="dpt", library="segmentation-models-pytorch")
    with pytest.raises(ConversionError, match="dpt cannot be put on resnet18") as raised:
        export(model)
    assert raised.value.outcome is Outcome.UNSUPPORTED

"""The ONNX Model Zoo on the Hub: what the names of its repositories and folders tell."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hub.listed import BERT, repository
from hub.server import Hub, hub
from huggingface_hub import constants

from builders.crawl import list_models, list_pages, onnx_model_zoo
from builders.model_ref import ModelRef
from younger_hf.errors import UsageError

REGISTRIES = {
    "timm": [
        ModelRef("timm", "resnet50", task="image-classification", family="resnet"),
        ModelRef("timm", "convnext_base", task="image-classification", family="convnext"),
    ],
    "torchvision": [ModelRef("torchvision", "fcn_resnet50", task="image-segmentation", family="fcn")],
}
MODEL_TYPES = ("bert", "blenderbot", "blenderbot-small", "gpt2", "m2m_100", "openai-gpt", "t5")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The zoo, and the registries that its models came from, as far as the tests need them."""
    for name, models in REGISTRIES.items():
        monkeypatch.setattr(getattr(onnx_model_zoo, name), "models", lambda models=models: models)
    monkeypatch.setattr(onnx_model_zoo.transformers, "architectures", lambda: {key: {} for key in MODEL_TYPES})
    legacy = dict.fromkeys((*VALIDATED, "validated/vision/classification/resnet/model/resnet50-v1-7.tar.gz"), b"")
    named = {f"onnxmodelzoo/{name}": {f"{name.rsplit('_', 1)[0]}.onnx": b"onnx", "README.md": b""} for name in EXPORTED}
    with hub(
        repository("onnxmodelzoo/legacy_models", {**legacy, "README.md": b""}, downloads=5),
        *(repository(name, files) for name, files in named.items()),
        repository("onnxmodelzoo/carded", {"a.onnx": b"", "config.json": BERT}, {"pipeline_tag": "fill-mask"}),
        repository("elsewhere/resnet50_Opset17_timm", {"a.onnx": b""}),
    ) as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.endpoint)
        onnx_model_zoo._registered.cache_clear()
        onnx_model_zoo._model_types.cache_clear()
        yield server
        onnx_model_zoo._registered.cache_clear()
        onnx_model_zoo._model_types.cache_clear()


VALIDATED = {
    "validated/text/machine_comprehension/bert-squad/model/bertsquad-12-int8.onnx": (
        "question-answering",
        "bert-squad",
    ),
    "validated/text/machine_comprehension/gpt2-bs/model/gpt2-lm-head-bs-12.onnx": ("text-generation", "gpt2-bs"),
    "validated/text/machine_comprehension/roberta/model/roberta-base-11.onnx": ("", "roberta"),
    "validated/vision/body_analysis/age_gender/models/gender_googlenet.onnx": ("image-classification", "age_gender"),
    "validated/vision/classification/inception_and_googlenet/googlenet/model/googlenet-7.onnx": (
        "image-classification",
        "googlenet",
    ),
    "validated/vision/classification/resnet/model/resnet50-v1-7.onnx": ("image-classification", "resnet"),
    "validated/vision/object_detection_segmentation/fcn/model/fcn-resnet50-11.onnx": ("image-segmentation", "fcn"),
    "validated/vision/object_detection_segmentation/yolov4/model/yolov4.onnx": ("object-detection", "yolov4"),
    "validated/vision/style_transfer/fast_neural_style/model/udnie-9.onnx": ("image-to-image", "fast_neural_style"),
    "Computer_Vision/resnet50_Opset16_timm/resnet50_Opset16.onnx": ("image-classification", "resnet"),
    "Computer_Vision/skip/fcn_resnet50_Opset16_torch_hub/fcn_resnet50_Opset16.onnx": ("image-segmentation", "fcn"),
    "Graph_Machine_Learning/sageconv_Opset17_graph_convolutions/sageconv_Opset17.onnx": ("graph-ml", "sageconv"),
    "loose.onnx": ("", ""),
}
EXPORTED = {
    "resnet50_Opset17_timm": ("image-classification", "resnet"),
    "convnext_base_384_in22ft1k_Opset18_timm": ("image-classification", "convnext"),
    "unheard_of_Opset18_timm": ("image-classification", ""),
    "fcn_resnet50_Opset17_torch_hub": ("image-segmentation", "fcn"),
    "unheard_of_Opset16_torch_hub": ("", ""),
    "blenderbotsmall_Opset17_transformers": ("", "blenderbot-small"),
    "gpt2lmhead_Opset16_transformers": ("", "gpt2"),
    "m2m100_Opset16_transformers": ("", "m2m_100"),
    "openaigptdoubleheads_Opset16_transformers": ("", "openai-gpt"),
    "auto_Opset16_transformers": ("", ""),
}


def test_the_older_tree_is_read_by_its_folders(served):
    found = {model.component: (model.task, model.family) for model in list_models("onnx-model-zoo:legacy_models")}
    assert found == VALIDATED


def test_a_repository_is_read_by_the_registry_it_came_from(served):
    found = {
        model.id.partition("/")[2]: (model.task, model.family)
        for model in list_models("onnx-model-zoo:" + ",".join(EXPORTED))
    }
    assert found == EXPORTED


def test_the_zoo_is_the_onnx_files_of_its_organisation(served, monkeypatch):
    monkeypatch.setattr("builders.crawl.huggingface.PAGE_SIZE", 4)
    pages = list(list_pages("onnx-model-zoo"))
    models = [model for page in pages for model in page.models]
    assert len(pages) == 3
    assert len(models) == len(VALIDATED) + len(EXPORTED) + 1
    assert {(model.source, model.library, model.origin, model.config) for model in models} == {
        ("onnx-model-zoo", "onnx", "published", "")
    }
    assert {model.id.partition("/")[0] for model in models} == {"onnxmodelzoo"}
    assert list(list_pages("onnx-model-zoo", pages[0].cursor)) == pages[1:]


def test_a_card_knows_better_than_a_name(served):
    (model,) = list_models("onnx-model-zoo:carded")
    assert (model.task, model.family, model.component) == ("fill-mask", "bert", "a.onnx")


def test_a_repository_that_the_zoo_does_not_have_is_said(served):
    with pytest.raises(UsageError, match="the Hub has no model onnxmodelzoo/resnet_50"):
        list(list_models("onnx-model-zoo:resnet_50"))

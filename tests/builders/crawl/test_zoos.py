"""The libraries of the extra [zoos]: what each lists, read from its source text."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from builders.crawl import list_models
from younger_hf.errors import MissingExtraError

SOURCES = ("pytorchcv", "pretrainedmodels", "open-clip", "litgpt", "torchaudio", "monai", "segmentation-models-pytorch")


def only(name):
    (model,) = list_models(name)
    return model


@pytest.fixture(scope="module")
def listed():
    return {source: list(list_models(source)) for source in SOURCES}


def test_listing_imports_no_framework():
    code = (
        "import sys; from builders.crawl import list_models\n"
        f"for source in {SOURCES}: assert list(list_models(source))\n"
        "print(sorted({'torch', 'timm', 'lightning', 'pytorchcv', 'open_clip', 'litgpt'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow  # imports every library
def test_the_listings_are_what_the_libraries_themselves_list(listed):
    code = (
        "import litgpt.config, open_clip, pretrainedmodels, pytorchcv.model_provider\n"
        "import segmentation_models_pytorch as smp\n"
        "for names in (pytorchcv.model_provider._models, pretrainedmodels.model_names, open_clip.list_models(),\n"
        "              litgpt.config.name_to_config, smp.encoders.encoders, smp.MODEL_ARCHITECTURES_MAPPING):\n"
        "    print(*names)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    cv, pretrained, clip, lit, encoders, decoders = (set(line.split()) for line in done.stdout.splitlines()[-6:])
    ids = {source: {model.id for model in listed[source]} for source in SOURCES}
    assert ids["pytorchcv"] == cv
    assert ids["pretrainedmodels"] < pretrained
    assert ids["open-clip"] == clip
    assert ids["litgpt"] == lit
    composed = listed["segmentation-models-pytorch"]
    assert {model.id for model in composed if not model.id.startswith("tu-")} == encoders
    assert {model.component for model in composed} == decoders


def test_no_model_is_listed_twice(listed):
    for models in listed.values():
        assert max(Counter((model.id, model.component) for model in models).values()) == 1
        assert all(model.family and model.task and model.revision for model in models)


def test_a_family_is_an_architecture_and_not_a_data_set():
    assert only("pytorchcv:resnet20_cifar10").family == "resnet"
    assert only("pytorchcv:fcn8sd_resnetd101b_voc").task == "image-segmentation"
    assert only("litgpt:Llama-3.1-8B").family == only("litgpt:tiny-llama-1.1b").family == "llama"
    assert only("open-clip:coca_ViT-B-32/text").family == "clip"
    assert only("open-clip:convnext_base/image").family == "convnext"
    assert only("torchaudio:wav2vec2_large_lv60k").family == only("torchaudio:wav2vec2_xlsr_1b").family == "wav2vec2"


def test_a_network_for_medical_images_is_listed_by_dimensions():
    assert [model.component for model in list_models("monai:UNet")] == ["2d", "3d"]
    assert only("monai:UNet/3d").origin == "default-configuration"


def test_a_text_tower_whose_configuration_is_on_the_hub_is_left_out(listed):
    towers = {(model.id, model.component) for model in listed["open-clip"]}
    assert ("roberta-ViT-B-32", "image") in towers
    assert ("roberta-ViT-B-32", "text") not in towers


def test_a_composed_model_is_called_so_and_is_of_its_encoders_family():
    own, of_timm = (only(f"segmentation-models-pytorch:{name}/unet") for name in ("resnet34", "tu-convnext_tiny"))
    assert (own.origin, own.family, own.task) == ("composed", "resnet", "image-segmentation")
    assert (of_timm.origin, of_timm.family) == ("composed", "convnext")


@pytest.mark.parametrize("source", SOURCES)
def test_a_missing_package_is_named_with_its_extra(monkeypatch, source):
    monkeypatch.setattr("builders.crawl.installed.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'younger-hf\[zoos\]'"):
        list(list_models(source))

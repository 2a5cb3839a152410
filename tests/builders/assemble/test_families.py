"""What must be on one side with a model: its family and its backbones, whatever source it is from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from builders.assemble.families import model_backbones, model_family, split_families
from builders.crawl import keras, onnx_package, timm, torchvision
from builders.ledger import Ledger
from builders.model_ref import ModelRef

REGISTERED = {
    (model.source, model.id): model for source in (torchvision, timm, keras, onnx_package) for model in source.models()
}


@pytest.mark.parametrize(
    "names",
    [
        [("keras", "MobileNetV2"), ("torchvision", "mobilenet_v2"), ("timm", "mobilenetv2_100")],
        [("torchvision", "googlenet"), ("onnx-package", "inception_v1"), ("keras", "InceptionV3")],
        [("torchvision", "vit_b_16"), ("timm", "vit_base_patch16_224"), ("timm", "deit_tiny_patch16_224")],
        [("torchvision", "vgg16"), ("keras", "VGG19"), ("onnx-package", "vgg19"), ("timm", "vgg16")],
        [("torchvision", "mnasnet0_5"), ("timm", "mnasnet_100")],
        [("torchvision", "shufflenet_v2_x1_0"), ("onnx-package", "shufflenet")],
    ],
)
def test_a_family_is_one_in_all_registries(names: list[tuple[str, str]]) -> None:
    assert len({model_family(REGISTERED[name]) for name in names}) == 1


@pytest.mark.parametrize(
    "name",
    [
        "lraspp_mobilenet_v3_large",
        "ssdlite320_mobilenet_v3_large",
        "fasterrcnn_mobilenet_v3_large_320_fpn",
        "deeplabv3_mobilenet_v3_large",
    ],
)
def test_what_is_built_upon_a_mobilenet_shares_its_family(name: str) -> None:
    model = REGISTERED["torchvision", name]
    assert model_backbones(model) == ("mobilenetv3",)
    assert split_families(model) > split_families(REGISTERED["torchvision", "mobilenet_v3_large"])


def test_a_classifier_is_built_upon_nothing_else() -> None:
    assert model_backbones(REGISTERED["torchvision", "wide_resnet50_2"]) == ()
    assert model_backbones(REGISTERED["timm", "inception_resnet_v2"]) == ()


def test_a_name_that_someone_gave_decides_nothing() -> None:
    model = ModelRef("hub", "someone/resnet50-beats-vit", family="bert")
    assert split_families(model) == {"family bert"}


def test_a_model_without_a_family_is_a_family_by_itself() -> None:
    assert split_families(ModelRef("hub", "a/x")) != split_families(ModelRef("hub", "a/y"))
    assert split_families(ModelRef("hub", "a/x", "1")) == split_families(ModelRef("hub", "a/x", "2"))


def test_a_default_configuration_has_the_backbones_that_its_library_gives_it() -> None:
    assert model_backbones(ModelRef("transformers", "detr", family="detr")) == ("resnet",)
    assert model_backbones(ModelRef("transformers", "llava", family="llava")) == ("clip", "llama")


@pytest.mark.parametrize(
    ("config", "backbones"),
    [
        ({"model_type": "detr", "backbone": "resnet101"}, ("resnet",)),
        (
            {
                "model_type": "vision-text-dual-encoder",
                "text_config": {"model_type": "bert"},
                "vision_config": {"model_type": "clip_vision_model"},
            },
            ("bert", "clip"),
        ),
        ({"model_type": "bert", "label2id": {"model_type": 3}}, ()),
        ([], ()),
        ({"model_type": "detr", "backbone_config": {"model_type": "x" * 100}}, ("resnet",)),
    ],
)
def test_a_published_configuration_says_what_its_model_is_built_upon(
    config: object, backbones: tuple[str, ...], tmp_path: Path
) -> None:
    family = config["model_type"] if isinstance(config, dict) else ""
    with Ledger(tmp_path) as ledger:
        ledger.record([ModelRef("hub", "a/x", family=family, config=json.dumps(config))])
        ledger.record([ModelRef("hub", "a/x", family=family)])  # listed again, without reading it
        ((number, _),) = ledger.unconverted()
        assert model_backbones(ledger.request(number, 0).model) == backbones

"""Families of architectures: one spelling for all sources, and what the installed registries say of themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from builders.crawl.installed import installed
from builders.crawl.transformers import architectures
from younger_hf.families import USUAL_BACKBONES, families_in, family_of, named_family


@pytest.mark.parametrize(
    ("family", "spellings"),
    {
        "resnet": ["ResNet", "resnet", "res-net", "Res_Net", "resnet_v2", "senet"],
        "mobilenetv2": ["mobilenet_v2", "mobilenetv2", "MobileNet-V2"],
        "inception": ["googlenet", "inception_v1", "inception_v3", "inception"],
        "vit": ["vision_transformer", "vit", "deit", "vit_mae"],
        "clip": ["clip", "clip_vision_model", "clip_text_model"],
        "swin": ["swin_transformer", "swinv2", "maskformer-swin"],
        "vits": ["vits"],
        "speechtotext": ["speech_to_text"],
        "": ["", " - "],
    }.items(),
)
def test_a_family_has_one_spelling(family: str, spellings: list[str]) -> None:
    assert {family_of(name) for name in spellings} == {family}


@pytest.mark.parametrize("name", [*USUAL_BACKBONES, "mobilenet_v3", "vision_transformer", "kosmos-2.5"])
def test_a_family_of_a_family_is_itself(name: str) -> None:
    assert family_of(family_of(name)) == family_of(name)


@pytest.mark.parametrize(
    ("model", "families"),
    [
        ("lraspp_mobilenet_v3_large", ("mobilenetv3",)),
        ("fasterrcnn_resnet50_fpn_v2", ("resnet",)),
        ("ssd300_vgg16", ("vgg",)),
        ("vit_base_resnet50d_224", ("vit", "resnet")),
        ("inception_resnet_v2", ("inceptionresnet",)),
        ("org/unet", ()),
    ],
)
def test_a_name_of_a_model_names_families(model: str, families: tuple[str, ...]) -> None:
    assert families_in(model) == families


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("wide_resnet50_2", "resnet"),
        ("EfficientNetV2B0", "efficientnet"),
        ("NASNetLarge", "nasnet"),
        ("tf_mobilenetv3_large", "mobilenetv3"),
        ("microsoft/resnet-50", "resnet"),
        ("fcn_resnet50", ""),
        ("vitamin_base_224", ""),
    ],
)
def test_a_name_of_a_model_begins_with_its_family(model: str, family: str) -> None:
    assert named_family(model) == family


def test_the_usual_backbones_are_those_of_the_installed_transformers() -> None:
    missing = {
        (model_type, backbone)
        for model_type, backbone in _configured_parts()
        if family_of(backbone) not in (*USUAL_BACKBONES.get(family_of(model_type), ()), family_of(model_type))
        and not family_of(backbone).startswith(family_of(model_type))
    }
    assert missing == set()


def _configured_parts() -> Iterator[tuple[str, str]]:
    """(model type, the type of a part) of every `CONFIG_MAPPING["resnet"](…)` in the source of a configuration."""
    models = Path(installed("transformers", extra="transformers").directory, "models")
    names: dict[str, str] = {}
    for line in ast.parse((models / "auto" / "configuration_auto.py").read_text(encoding="utf-8")).body:
        if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "CONFIG_MAPPING_NAMES":
            assert isinstance(line.value, ast.Call)
            names = {cls: kind for kind, cls in ast.literal_eval(line.value.args[0])}
    wanted = architectures()
    for file in models.glob("*/configuration_*.py"):
        for declared in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(declared, ast.ClassDef) and (kind := names.get(declared.name)) in wanted:
                for node in ast.walk(declared):
                    is_part = isinstance(node, ast.Subscript) and ast.unparse(node.value) == "CONFIG_MAPPING"
                    if is_part and isinstance(node.slice, ast.Constant):
                        yield str(kind), str(node.slice.value)

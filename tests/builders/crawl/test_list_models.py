"""Sources: what a specification on the command line stands for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from builders.crawl import list_models
from builders.model_ref import Evaluation, ModelRef
from younger_hf.errors import MissingExtraError, UsageError


def test_the_listing_is_what_torchvision_itself_registers():
    # In another process: torch costs seconds and memory that the other tests need not carry.
    code = "import torchvision.models as m; print(*m.list_models())"
    registered = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [model.id for model in list_models("torchvision")] == registered.stdout.split()


def test_listing_imports_no_framework():
    code = (
        "import sys; from builders.crawl import list_models\n"
        "for spec in ('torchvision', 'keras', 'onnx-package', 'python-packages'): assert list(list_models(spec))\n"
        "print(sorted({'torch', 'torchvision', 'keras', 'tensorflow', 'onnx'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_torchvision_models_carry_task_and_family():
    found = {model.id: (model.task, model.family) for model in list_models("torchvision")}
    assert found["resnet18"] == ("image-classification", "resnet")
    assert found["vit_b_16"] == ("image-classification", "vision_transformer")
    assert found["deeplabv3_resnet50"] == ("image-segmentation", "deeplabv3")
    assert found["fasterrcnn_resnet50_fpn"] == ("object-detection", "faster_rcnn")
    assert found["maskrcnn_resnet50_fpn"] == ("image-segmentation", "mask_rcnn")
    assert found["keypointrcnn_resnet50_fpn"] == ("keypoint-detection", "keypoint_rcnn")
    assert found["swin3d_t"] == ("video-classification", "swin_transformer")
    assert found["raft_small"] == ("optical-flow", "raft")
    assert all(task and family for task, family in found.values())


def test_keras_applications_are_listed_with_their_family():
    found = {model.id: model for model in list_models("keras") if not model.component}
    assert found["ResNet50V2"].family == "resnet_v2"
    assert found["MobileNetV2"].family == "mobilenet_v2"
    assert found["MobileNetV2"].origin == "registry"
    assert len(found) >= 30


def test_the_zoo_of_the_onnx_package_has_nine_models():
    families = {model.id: model.family for model in list_models("onnx-package")}
    assert families == {
        "bvlc_alexnet": "alexnet",
        "densenet121": "densenet",
        "inception_v1": "inception",
        "inception_v2": "inception",
        "resnet50": "resnet",
        "shufflenet": "shufflenet",
        "squeezenet": "squeezenet",
        "vgg19": "vgg",
        "zfnet512": "zfnet",
    }


def test_names_select_in_the_order_given_and_once():
    chosen = [model.id for model in list_models("torchvision:vit_b_16, resnet18,vit_b_16")]
    assert chosen == ["vit_b_16", "resnet18"]


def test_a_limit_takes_the_first():
    assert [model.id for model in list_models("onnx-package", limit=2)] == ["bvlc_alexnet", "densenet121"]


def test_a_directory_gives_its_onnx_files_by_relative_path(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("b.onnx", "a.onnx", "sub/a.onnx", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    models = list(list_models(f"onnx:{tmp_path}"))
    assert [model.id for model in models] == ["a", "b", "sub/a"]
    assert models[2].location == str((tmp_path / "sub/a.onnx").resolve())
    assert {model.origin for model in models} == {"contributed"}


def test_a_changed_file_has_another_stamp(tmp_path):
    file = tmp_path / "m.onnx"
    file.write_bytes(b"x")
    (before,) = list_models(f"onnx:{file}")
    file.write_bytes(b"xy")
    (after,) = list_models(f"onnx:{file}")
    assert before.id == after.id == "m"
    assert before.stamp != after.stamp


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("torchvison", "torchvision"),
        ("torchvision:resnet81", "resnet18"),
        ("keras:MobileNetv2", "MobileNetV2"),
        ("onnx", "onnx:PATH"),
        ("keras:", "after its colon"),
        ("onnx:no/such/place", "no/such/place"),
    ],
)
def test_what_is_not_there_is_said_in_one_sentence(spec, says):
    with pytest.raises(UsageError, match=says) as raised:
        list(list_models(spec))
    assert "\n" not in str(raised.value)


def test_a_directory_without_models_is_named(tmp_path):
    with pytest.raises(UsageError, match=str(tmp_path)):
        list(list_models(f"onnx:{tmp_path}"))


@pytest.mark.parametrize("source", ["torchvision", "keras", "onnx-package"])
def test_a_missing_package_is_named_with_its_extra(monkeypatch, source):
    monkeypatch.setattr("builders.crawl.installed.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'younger-hf\["):
        list(list_models(source))


def test_a_reference_survives_json():
    model = ModelRef(
        "huggingface",
        "org/model",
        tags=("a", "b"),
        evaluations=(Evaluation("image-classification", "imagenet-1k", "validation", "accuracy", 0.8),),
    )
    assert ModelRef.from_json(model.to_json()) == model


def test_a_registry_s_models_have_the_licence_of_the_package_that_defines_them():
    licenses = {model.license for spec in ("timm", "torchvision", "keras") for model in list_models(spec)}
    assert licenses == {"apache-2.0", "bsd-3-clause"}


def test_keras_applications_are_listed_without_their_classifier_too():
    whole, features = list_models("keras:ResNet50,ResNet50/features")
    assert (whole.task, features.task) == ("image-classification", "image-feature-extraction")

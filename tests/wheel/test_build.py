"""`pip install 'younger-hf[build]'`, and an extra for each framework: from models to a release that loads."""

from __future__ import annotations

import os

import datasets

MODELS = {
    "build": "onnx-package:resnet50",
    "torchvision": "torchvision:squeezenet1_0",
    "timm": "timm:resnet18",
    "keras": "keras:MobileNetV2",
}


def test_a_release_is_built_and_loads(younger_hf_command, tmp_path):
    model = MODELS[os.environ["YOUNGER_EXTRA"]]
    done = younger_hf_command("build", "--source", model, "--work", "work", "--output", "younger")
    assert done.returncode == 0, done.stderr
    assert [row["name"] for row in datasets.load_dataset(str(tmp_path / "younger"), split="train")] == [
        model.partition(":")[2]
    ]
    assert younger_hf_command("status", "--work", "work").returncode == 0

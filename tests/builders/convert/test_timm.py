"""timm's architectures, by name and by the configuration of a published model."""

from __future__ import annotations

import json

import onnx
import pytest
import timm
import torch

from builders.convert import ConversionError, Outcome, Request
from builders.convert.module_tree import ModuleTree
from builders.convert.timm import export
from builders.crawl import list_models
from builders.model_ref import ModelRef
from younger_hf.extract import extract, strip
from younger_hf.identity import fingerprint

SMALL = "test_vit"


def published(**entries):
    return ModelRef("huggingface", "someone/model", library="timm", config=json.dumps(entries))


def skeleton_of(model):
    return strip(export(Request(model)).onnx)


def input_shape(skeleton):
    (image,) = skeleton.graph.input
    return [dim.dim_value for dim in image.type.tensor_type.shape.dim]


def classes(skeleton):
    (output,) = skeleton.graph.output
    return output.type.tensor_type.shape.dim[1].dim_value


def test_an_architecture_becomes_a_skeleton_with_its_modules(converted):
    (model,) = list_models(f"timm:{SMALL}")
    done = converted(model)
    assert (done.outcome, done.exporter) == (Outcome.OK, "torch"), done.message
    assert {"timm", "torch"} <= set(done.versions)
    skeleton = onnx.load_from_string(done.skeleton)
    network = timm.create_model(SMALL)
    assert input_shape(skeleton) == [1, *network.pretrained_cfg["input_size"]]
    tree = ModuleTree.from_json(done.modules)
    assert len(tree.node) == extract(skeleton).num_nodes
    assert {module.path for module in tree.modules} <= set(dict(network.named_modules()))
    assert (tree.node >= 0).mean() > 0.95
    operators = [operator.op_type for operator in extract(skeleton).operator]
    multiplied = {
        tree.modules[position].path
        for position, operator in zip(tree.node, operators, strict=True)
        if operator in ("Gemm", "MatMul")
    }
    linears = {path for path, module in network.named_modules() if isinstance(module, torch.nn.Linear)}
    assert len(linears) > 10
    assert linears <= multiplied


@pytest.mark.slow
def test_features_come_stage_by_stage_and_an_embedding_without_the_classifier():
    whole, features, embedding = (
        skeleton_of(model)
        for name in ("test_resnet", "test_resnet/features", "test_resnet/embedding")
        for model in list_models(f"timm:{name}")
    )
    network = timm.create_model("test_resnet", features_only=True)
    assert len(features.graph.output) == len(network.feature_info.channels()) > 1
    assert classes(embedding) == timm.create_model("test_resnet").num_features
    assert len({fingerprint(extract(skeleton)) for skeleton in (whole, features, embedding)}) == 3


def test_a_published_configuration_gives_classes_and_arguments():
    plain = skeleton_of(published(architecture=SMALL))
    assert classes(plain) == timm.create_model(SMALL).num_classes
    config = {
        "architecture": SMALL,
        "num_classes": 7,
        "pretrained_cfg": {"input_size": [3, 160, 160], "fixed_input_size": True},
    }
    own = skeleton_of(published(**config, model_args={"depth": 2, "img_size": 64}))
    assert classes(own) == 7
    assert input_shape(own) == [1, 3, 64, 64]
    assert extract(own).num_nodes < extract(plain).num_nodes


def test_weights_are_never_asked_for(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("weights were asked for")

    monkeypatch.setattr("timm.models._builder.load_pretrained", refuse)
    monkeypatch.setattr("timm.models._factory.load_checkpoint", refuse)
    config = {"url": "https://example.org/weights.bin", "file": "/etc/passwd", "hf_hub_id": "a/b"}
    assert skeleton_of(published(architecture=SMALL, pretrained_cfg=config)).graph.node


@pytest.mark.parametrize(
    ("model", "outcome", "says"),
    [
        (ModelRef("timm", "resnet1"), Outcome.NOT_FOUND, "resnet1"),
        (published(architecture="hf-hub:someone/else"), Outcome.NOT_FOUND, "hf-hub"),
        (published(architecture="local-dir:/etc"), Outcome.NOT_FOUND, "local-dir"),
        (published(model_type="bert"), Outcome.UNSUPPORTED, "names no timm architecture"),
        (ModelRef("huggingface", "a/b", config="{"), Outcome.UNSUPPORTED, "names no timm architecture"),
        (published(architecture=["resnet18"]), Outcome.UNSUPPORTED, "names no timm architecture"),
        (published(architecture=SMALL, pretrained_cfg={}, model_args={"no_such": 1}), Outcome.UNSUPPORTED, "no_such"),
        (
            published(architecture=SMALL, pretrained_cfg={}, model_args={"pretrained": True}),
            Outcome.UNSUPPORTED,
            "pretrained",
        ),
    ],
)
def test_what_timm_cannot_build_is_said(model, outcome, says):
    with pytest.raises(ConversionError, match=says) as raised:
        export(Request(model))
    assert raised.value.outcome is outcome

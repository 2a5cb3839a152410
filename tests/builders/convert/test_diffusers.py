"""diffusers' models, by class and by the configuration of a published model."""

from __future__ import annotations

import json

import diffusers
import onnx
import pytest

from builders.convert import ConversionError, Outcome, Request
from builders.convert.diffusers import export
from builders.convert.module_tree import ModuleTree
from builders.crawl import list_models
from builders.model_ref import ModelRef
from younger_hf.extract import extract, strip

pytestmark = pytest.mark.slow

# Of each kind of input one: an image, a prompt, tokens with positions, a clip, a class.
TINY_UNET = {
    "block_out_channels": [32, 64],
    "layers_per_block": 1,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    "cross_attention_dim": 24,
    "sample_size": 16,
    "norm_num_groups": 8,
}
TINY_TRANSFORMER = {"num_layers": 1, "num_attention_heads": 2, "attention_head_dim": 16}
TINY = {
    "UNet2DConditionModel": TINY_UNET,
    "AutoencoderKL": {"block_out_channels": [32], "norm_num_groups": 8},
    "DiTTransformer2DModel": {**TINY_TRANSFORMER, "sample_size": 8, "num_embeds_ada_norm": 10},
    "FluxTransformer2DModel": {
        **TINY_TRANSFORMER,
        "num_single_layers": 1,
        "joint_attention_dim": 24,
        "pooled_projection_dim": 12,
        "axes_dims_rope": [4, 6, 6],
        "guidance_embeds": True,
    },
    "WanTransformer3DModel": {**TINY_TRANSFORMER, "text_dim": 24, "freq_dim": 16, "ffn_dim": 32},
}


def published(name, **entries):
    config = json.dumps({"_class_name": name, "_diffusers_version": "0.30.0", **entries})
    return ModelRef("huggingface", "someone/model", component="unet", library="diffusers", config=config)


def inputs(skeleton):
    return [[dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in skeleton.graph.input]


@pytest.mark.parametrize("name", TINY)
def test_a_published_configuration_becomes_a_graph(name, monkeypatch):
    monkeypatch.setattr(
        "builders.convert.torch._through_torchscript", lambda *_: pytest.fail("it went through TorchScript")
    )
    done = export(Request(published(name, **TINY[name])))
    assert extract(strip(done.onnx)).num_nodes > 50


def test_the_inputs_are_as_the_configuration_says():
    added = {"addition_embed_type": "text_time", "addition_time_embed_dim": 8}
    added["projection_class_embeddings_input_dim"] = 6 * 8 + 20
    skeleton = strip(export(Request(published("UNet2DConditionModel", **TINY_UNET, **added))).onnx)
    assert inputs(skeleton) == [[1, 4, 16, 16], [1], [1, 77, 24], [1, 20], [1, 6]]


def test_a_class_of_the_registry_becomes_a_skeleton_with_its_modules(converted):
    (model,) = list_models("diffusers:AutoencoderTiny")
    done = converted(model)
    assert (done.outcome, done.exporter) == (Outcome.OK, "torch"), done.message
    skeleton = onnx.load_from_string(done.skeleton)
    tree = ModuleTree.from_json(done.modules)
    assert len(tree.node) == extract(skeleton).num_nodes
    named = dict(diffusers.AutoencoderTiny().named_modules(remove_duplicate=False))  # a ReLU has many names
    assert {module.path for module in tree.modules} <= set(named)
    assert tree.modules[0].kind == "diffusers.models.autoencoders.autoencoder_tiny.AutoencoderTiny"
    assert (tree.node >= 0).mean() > 0.95


@pytest.mark.parametrize(
    ("model", "outcome", "says"),
    [
        (ModelRef("diffusers", "UNet3DModel"), Outcome.NOT_FOUND, "UNet3DModel"),
        (published("StableDiffusionPipeline"), Outcome.NOT_FOUND, "StableDiffusionPipeline"),
        (published("os.system"), Outcome.NOT_FOUND, "os.system"),
        (published("__loader__"), Outcome.NOT_FOUND, "__loader__"),
        (published(["UNet2DModel"]), Outcome.NOT_FOUND, "UNet2DModel"),
        (ModelRef("huggingface", "a/b", config="[]"), Outcome.UNSUPPORTED, "holds no configuration"),
        (ModelRef("huggingface", "a/b", config="{"), Outcome.UNSUPPORTED, "holds no configuration"),
        (ModelRef("diffusers", "Cosmos3OmniTransformer"), Outcome.UNSUPPORTED, "input_ids"),
    ],
)
def test_what_diffusers_cannot_build_is_said(model, outcome, says):
    with pytest.raises(ConversionError, match=says) as raised:
        export(Request(model))
    assert raised.value.outcome is outcome

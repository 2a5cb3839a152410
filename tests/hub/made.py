"""Real repositories, made on the spot: tiny models with random weights, saved as their libraries save them.

`made(directory)` makes them in another process, so that the frameworks are not in that of the tests; each is a
directory `org/name` there. `hub.listed` has repositories that need no framework.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hub.repositories import Repository

CARD = "---\nlibrary_name: {library}\npipeline_tag: {task}\nlicense: apache-2.0\n---\n# {name}\n"

_TEXT = {"vocab_size": 99, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
_ENCODER = {**_TEXT, "intermediate_size": 64, "max_position_embeddings": 64}
_IMAGE = {"image_size": 32, "patch_size": 8, "num_channels": 3}
_DECODERS = {"encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2, "decoder_attention_heads": 2}

# By model type: the class, the task, and what makes it tiny.
TRANSFORMERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "bart": (
        "BartForConditionalGeneration",
        "text2text-generation",
        {"vocab_size": 99, "d_model": 32, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, **_DECODERS},
    ),
    "bert": ("BertForMaskedLM", "fill-mask", _ENCODER),
    "convnext": (
        "ConvNextForImageClassification",
        "image-classification",
        {"image_size": 32, "depths": [1, 1], "hidden_sizes": [16, 32], "num_stages": 2},
    ),
    "distilbert": (
        "DistilBertForSequenceClassification",
        "text-classification",
        {"vocab_size": 99, "dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 2, "max_position_embeddings": 64},
    ),
    "gpt2": ("GPT2LMHeadModel", "text-generation", {"vocab_size": 99, "n_embd": 32, "n_layer": 2, "n_head": 2}),
    "llama": ("LlamaForCausalLM", "text-generation", {**_ENCODER, "num_key_value_heads": 2}),
    "roberta": ("RobertaForTokenClassification", "token-classification", _ENCODER),
    "t5": (
        "T5ForConditionalGeneration",
        "text2text-generation",
        {"vocab_size": 99, "d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2},
    ),
    "vit": ("ViTForImageClassification", "image-classification", {**_ENCODER, **_IMAGE}),
}


GATED = "refused/gated"


def made(directory: Path) -> list[Repository]:
    """Make every repository in a directory, which takes some ten seconds."""
    # Keras has a backend that is needed anyway, and transformers need not look for another.
    settings = {"KERAS_BACKEND": "torch", "USE_TF": "0", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "hub.made", str(directory.absolute())]
    subprocess.run(command, cwd=Path(__file__).parents[1], env={**os.environ, **settings}, check=True, timeout=300)
    return [
        Repository.of_directory(name, folder, gated="manual" if name == GATED else False)
        for folder in sorted(directory.glob("*/*"))
        if (name := folder.relative_to(directory).as_posix())
    ]


def _transformers(directory: Path) -> None:
    """Of each model type config.json and safetensors."""
    import transformers

    for model_type, (architecture, task, sizes) in TRANSFORMERS.items():
        folder = _folder(directory, f"transformers/tiny-{model_type}", "transformers", task)
        config = transformers.CONFIG_MAPPING[model_type](**sizes)
        getattr(transformers, architecture)(config).save_pretrained(folder)


def _timm(directory: Path) -> None:
    """A small ResNet."""
    import timm

    model = timm.create_model("test_resnet", pretrained=False, num_classes=5)
    folder = _folder(directory, "timm/tiny", "timm", "image-classification")
    timm.models.save_for_hf(model, str(folder), safe_serialization=True)


def _keras(directory: Path) -> None:
    """A convolutional network in one `.keras` file."""
    import keras

    layers = [keras.layers.Conv2D(4, 3), keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")]
    folder = _folder(directory, "keras/tiny", "keras", "image-classification")
    keras.Sequential([keras.Input((8, 8, 3)), *layers]).save(folder / "tiny.keras")


def _onnx(directory: Path) -> None:
    """A perceptron whose weights are in a file beside it."""
    import numpy as np
    import onnx

    text = """<ir_version: 8, opset_import: ["" : 17]> perceptron (float[1, 64] x) => (float[1, 64] y) {
        hidden = MatMul (x, weight)
        y = Relu (hidden)
    }"""
    model = onnx.parser.parse_model(text)
    weight = np.random.default_rng(0).random((64, 64), dtype=np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weight, "weight"))
    file = _folder(directory, "onnx/external", "onnx", "other") / "model.onnx"
    onnx.save(model, file, save_as_external_data=True, location="model.onnx_data", size_threshold=0)


def _refused(directory: Path) -> None:
    """What cannot be had: a model that is gated, one that is nothing but a pickle, one with code of its own."""
    import torch
    import transformers

    bert = transformers.BertModel(transformers.BertConfig(**_ENCODER))
    bert.save_pretrained(_folder(directory, GATED, "transformers", "feature-extraction"))
    pickled = _folder(directory, "refused/pickled", "transformers", "feature-extraction")
    torch.save(bert.state_dict(), pickled / "pytorch_model.bin")
    remote = _folder(directory, "refused/remote-code", "transformers", "feature-extraction")
    config = {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"}}
    (remote / "config.json").write_text(json.dumps(config))
    (remote / "own.py").write_text("raise SystemExit('the code of a repository ran')\n")


def _folder(directory: Path, name: str, library: str, task: str) -> Path:
    """The directory of a repository, with its card."""
    folder = directory / name
    folder.mkdir(parents=True)
    (folder / "README.md").write_text(CARD.format(library=library, task=task, name=name))
    return folder


if __name__ == "__main__":
    for make in (_transformers, _timm, _keras, _onnx, _refused):
        make(Path(sys.argv[1]))

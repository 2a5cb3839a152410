"""Repositories as the Hub has them, small, one of each kind that a crawl meets: what its API and its files say.

The weights are a few bytes: a crawl does not open them. `hub.made` has real ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml
from hub.repositories import Repository

BERT = {"architectures": ["BertForMaskedLM"], "hidden_size": 32, "model_type": "bert"}
UNET = {"_class_name": "UNet2DConditionModel", "block_out_channels": [32, 64], "sample_size": 8}
VAE = {"_class_name": "AutoencoderKL", "latent_channels": 4}
CLIP = {"architectures": ["CLIPTextModel"], "model_type": "clip_text_model"}
PIPELINE = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.35.0",
    "feature_extractor": ["transformers", "CLIPImageProcessor"],
    "requires_safety_checker": True,
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
    "scheduler": ["diffusers", "PNDMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "vae_encoder": [None, None],
}
MODEL_INDEX = [
    {
        "name": "bert-tiny",
        "results": [
            {
                "task": {"type": "fill-mask", "name": "Masked language modelling"},
                "dataset": {"type": "glue", "name": "GLUE", "config": "mnli", "split": "validation"},
                "metrics": [
                    {"type": "accuracy", "value": 0.5, "name": "Accuracy"},
                    {"type": "perplexity", "value": float("nan")},
                    {"type": "loss", "value": "unknown"},
                ],
            }
        ],
    }
]


def repository(name: str, files: Mapping[str, Any], card: Mapping[str, Any] | None = None, **facts: Any) -> Repository:
    """A repository with one commit: values that are no bytes are written as JSON, the card as README.md."""
    fields = {field: facts.pop(field) for field in ("gated", "private", "readers") if field in facts}
    made = Repository(name, facts=facts, **fields)
    contents = {
        path: value if isinstance(value, bytes) else json.dumps(value).encode() for path, value in files.items()
    }
    if card:
        contents["README.md"] = f"---\n{yaml.safe_dump(dict(card))}---\n# {name}\n".encode()
    made.commit(contents)
    return made


def listed() -> list[Repository]:
    """Most downloaded first, as the Hub lists them."""
    return [
        repository(
            "google/bert-tiny",
            {"config.json": BERT, "model.safetensors": b"weights"},
            {
                "library_name": "transformers",
                "license": "apache-2.0",
                "model-index": MODEL_INDEX,
                "pipeline_tag": "fill-mask",
                "tags": ["tiny"],
            },
            downloads=900,
            likes=7,
        ),
        repository(
            "acme/two-in-one",
            {
                "config.json": BERT,
                "onnx/model.onnx": b"onnx",
                "onnx/model_q4.onnx": b"onnx",
                "onnx/model.onnx_data": b"",
            },
            {"library_name": "transformers", "license": ["mit", "other"]},
            downloads=800,
        ),
        repository(
            "acme/pickle-only",
            {"config.json": {"model_type": "gpt2"}, "pytorch_model.bin": b"\x80\x02."},
            downloads=700,
        ),
        repository(
            "acme/remote-code",
            {
                "config.json": {"auto_map": {"AutoModel": "modeling.Own"}, "model_type": "own"},
                "modeling.py": b"import os",
            },
            downloads=600,
        ),
        repository(
            "meta/gated-llama",
            {"config.json": {"model_type": "llama"}, "model.safetensors": b"weights"},
            {"license": "llama3", "pipeline_tag": "text-generation"},
            gated="manual",
            readers=frozenset({"ada"}),
            downloads=500,
        ),
        repository(
            "acme/no-config", {"model.safetensors": b"weights"}, {"library_name": "transformers"}, downloads=400
        ),
        repository(
            "acme/diffusion",
            {
                "model_index.json": PIPELINE,
                "safety_checker/config.json": {"model_type": "clip"},
                "scheduler/scheduler_config.json": {},
                "text_encoder/config.json": CLIP,
                "tokenizer/tokenizer_config.json": {},
                "unet/config.json": UNET,
                "vae/config.json": VAE,
            },
            {"library_name": "diffusers", "pipeline_tag": "text-to-image", "license": "openrail"},
            downloads=300,
        ),
        repository(
            "acme/controlnet",
            {"config.json": {"_class_name": "ControlNetModel"}, "diffusion_pytorch_model.safetensors": b""},
            {"library_name": "diffusers"},
            downloads=290,
        ),
        repository("acme/lora", {"lora.safetensors": b""}, {"library_name": "diffusers"}, downloads=280),
        repository(
            "timm/vit_tiny_patch16_224.augreg_in21k",
            {"config.json": {"architecture": "vit_tiny_patch16_224", "num_classes": 3}, "model.safetensors": b""},
            {"library_name": "timm", "license": "apache-2.0"},
            downloads=200,
        ),
        repository(
            "sentence-transformers/tiny",
            {"modules.json": [], "0_Transformer/config.json": BERT},
            {"library_name": "sentence-transformers", "pipeline_tag": "sentence-similarity", "tags": ["transformers"]},
            downloads=190,
        ),
        repository(
            "keras/three",
            {"config.json": {"class_name": "Functional"}, "metadata.json": {}, "model.weights.h5": b""},
            {"library_name": "keras"},
            downloads=180,
        ),
        repository("keras/files", {"a.keras": b"", "b.h5": b""}, {"library_name": "keras"}, downloads=170),
        repository(
            "keras/saved",
            {"saved_model.pb": b"", "variables/variables.index": b"", "sub/saved_model.pb": b""},
            {"library_name": "tf-keras"},
            downloads=160,
        ),
        repository("acme/only-onnx", {"model.onnx": b"onnx"}, {"tags": ["vision"], "license": "mit"}, downloads=150),
        repository("acme/adapter", {"adapter_config.json": {}}, {"library_name": "peft"}, downloads=140),
        repository("ada/private", {"config.json": BERT}, private=True, readers=frozenset({"ada"}), downloads=999),
    ]

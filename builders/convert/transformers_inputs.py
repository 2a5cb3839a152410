"""What a transformers model is called with: one example of every input that it has, by name.

optimum's table of ONNX configurations comes first, which knows the peculiarities of 151 model types. For the others
the names in the signature of `forward` say what is wanted, and the configuration says how large it is.
"""

from __future__ import annotations

from builders.convert.transformers_models import parts  # first, since it says how transformers is to be imported

# isort: split
import inspect
import random
import traceback
from typing import Any, Final, cast

import numpy as np
import optimum.exporters.onnx.model_configs  # noqa: F401  # fills the table
import torch
from optimum.exporters.onnx import OnnxConfig
from optimum.exporters.tasks import TasksManager
from transformers import PretrainedConfig

# One example in a batch: a classifier of text takes more only if it has a padding token.
_BATCH: Final = 1
TOKENS: Final = 16  # of a text
_CHOICES: Final = 4
_PIXELS: Final = 224  # a side, of models that take any
_PATCHES: Final = 256
_SAMPLES: Final = 16_000  # of a waveform: one second
_FRAMES: Final = 1024  # of a spectrogram

# By the name of an argument of `forward`: its sizes, each a number or as `_sizes` names it, and its type.
_SHAPES: Final[dict[str, tuple[str, torch.dtype]]] = {
    "input_ids": ("batch choices tokens", torch.int64),
    "attention_mask": ("batch choices tokens", torch.int64),
    "token_type_ids": ("batch choices tokens", torch.int64),
    "decoder_input_ids": ("batch tokens", torch.int64),
    "decoder_attention_mask": ("batch tokens", torch.int64),
    "bbox": ("batch tokens 4", torch.int64),
    "pixel_values": ("batch images channels height width", torch.float32),
    "pixel_values_videos": ("batch images channels height width", torch.float32),
    "flattened_patches": ("batch patches patch", torch.float32),
    "input_values": ("batch samples", torch.float32),
    "input_features": ("batch frames bins", torch.float32),
    "decoder_input_values": ("batch frames bins", torch.float32),
    "past_values": ("batch past features", torch.float32),
    "past_time_features": ("batch past times", torch.float32),
    "past_observed_mask": ("batch past features", torch.float32),
    "future_values": ("batch future features", torch.float32),
    "future_time_features": ("batch future times", torch.float32),
}

# Of the others only what `forward` cannot do without is given.
_ALWAYS: Final = {
    *("input_ids", "attention_mask", "decoder_input_ids", "bbox"),
    *("pixel_values", "flattened_patches", "input_values", "input_features", "decoder_input_values"),
    *("future_values", "future_time_features"),
}

# Without it the mask that these make for themselves is one column too wide.
_ALSO: Final = dict.fromkeys(
    ("bart", "bigbird_pegasus", "m2m_100", "mbart", "nllb-moe", "pegasus_x"), ("decoder_attention_mask",)
)


def onnx_config(config: PretrainedConfig, task: str) -> OnnxConfig | None:
    """The description that optimum has of such a model, be it for another task; None if it has none."""
    by_task = TasksManager._SUPPORTED_MODEL_TYPE.get(config.model_type, {}).get("onnx", {})
    constructor = by_task.get(task) or next(iter(by_task.values()), None)
    described: OnnxConfig | None = constructor(config) if constructor else None
    if described and "monolith" in described.VARIANTS:
        described.variant = "monolith"  # or the encoder of images would be a model of its own
    return described


def example_inputs(module: torch.nn.Module, task: str) -> dict[str, Any]:
    """Inputs for a model of transformers by name, the same at every call, in the order of its signature."""
    random.seed(0)
    np.random.seed(0)  # optimum's generators draw from it
    torch.manual_seed(0)
    config = cast(PretrainedConfig, module.config)
    arguments = inspect.signature(module.forward).parameters
    made = _by_optimum(config, task)
    complete = bool(made)
    sizes = _sizes(config, task)
    for name, argument in arguments.items():
        needed = argument.default is inspect.Parameter.empty or (name in _ALWAYS and not complete)
        needed = needed or name in _ALSO.get(config.model_type, ())
        if name in _SHAPES and name not in made and needed:
            shape, dtype = _SHAPES[name]
            made[name] = torch.ones([size for word in shape.split() for size in sizes[word]], dtype=dtype)
    if not complete and "input_ids" not in made:
        made.pop("attention_mask", None)  # all of a waveform or a series is looked at
    return {name: made[name] for name in arguments if name in made}


def _by_optimum(config: PretrainedConfig, task: str) -> dict[str, Any]:
    """The inputs that optimum's description makes; none where there is no description, or it wants more than it has."""
    try:
        described = onnx_config(config, task)
        if described is None:
            return {}
        made = described.generate_dummy_inputs("pt", **optimum_sizes(config))
        renamed: dict[str, Any] = described.rename_ambiguous_inputs(made)
        return renamed
    except Exception:  # each generator fails in a way of its own
        traceback.print_exc()
        return {}


def optimum_sizes(config: PretrainedConfig) -> dict[str, int]:
    """The sizes that optimum's generators of inputs take from their caller."""
    given = {
        "batch_size": _BATCH,
        "sequence_length": TOKENS,
        "num_choices": _CHOICES,
        "width": _PIXELS,
        "height": _PIXELS,
        "audio_sequence_length": _SAMPLES,
    }
    if bins := _first(config, "num_mel_bins"):
        given["feature_size"] = bins
    return given


def _sizes(config: PretrainedConfig, task: str) -> dict[str, tuple[int, ...]]:
    """What the words in `_SHAPES` stand for; no number at all where the model has no such axis."""
    image = _first(config, "image_size", "img_size", "input_size") or _PIXELS
    if isinstance(image, dict):
        image = image.get("height", _PIXELS), image.get("width", _PIXELS)
    height, width = image[-2:] if isinstance(image, list | tuple) else (image, image)
    patch = _first(config, "patch_size")
    patch = patch if isinstance(patch, int) else 16
    images = getattr(config, "num_frames", None) or getattr(config, "frames_per_clip", None)
    features = getattr(config, "num_input_channels", None) or getattr(config, "input_size", None)
    context, lags = getattr(config, "context_length", 1), getattr(config, "lags_sequence", None)
    return {
        "batch": (_BATCH,),
        "choices": (_CHOICES,) if task == "multiple-choice" else (),
        "tokens": (TOKENS,),
        "4": (4,),
        "images": (images,) if images else (),
        "channels": (_first(config, "num_channels", "in_channels", "in_chans") or 3,),
        "height": (height,),
        "width": (width,),
        "patches": (_PATCHES,),
        "patch": (2 + 3 * patch * patch,),  # its row and column come first
        "samples": (_SAMPLES,),
        "frames": (_FRAMES,),
        "bins": (_first(config, "num_mel_bins", "input_feat_per_channel", "feature_size") or 80,),
        "past": (context + max(lags or [0]),),
        "future": (getattr(config, "prediction_length", None) or 1,),
        "features": (features,) if isinstance(features, int) and features > 1 else (),
        "times": (getattr(config, "num_time_features", 0),),
    }


def _first(config: PretrainedConfig, *names: str) -> Any:
    """The value of the first of these fields that the configuration, or a part of it, has."""
    return next((value for part in parts(config) for name in names if (value := getattr(part, name, None))), None)

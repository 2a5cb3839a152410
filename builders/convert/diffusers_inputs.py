"""What diffusers' models are called with: arguments by name, their shapes read off the configuration.

diffusers gives the same thing the same name in most `forward` methods, and its sizes the same few names in most
configurations. `_ARGUMENTS` says what an argument is, for every model; `_EXCEPTIONS` where a model means another
thing by the name, or has an argument of its own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Final

import torch

from builders.convert.conversion import ConversionError, Outcome

_LATENTS: Final = 32  # height and width where the configuration has none
_PIXELS: Final = 256
_FRAMES: Final = 9  # of a clip: one, and eight more that autoencoders compress in time
_TOKENS: Final = 77  # of a prompt, as CLIP has it
_AUDIO: Final = 1024  # latents; an autoencoder takes 64 times as many samples

# By what names a configuration gives the channels of the sample, and the width of the prompt's embedding.
_CHANNELS: Final = (
    *("in_channels", "encoder_in_channels", "input_channels", "num_channels", "audio_channels", "in_visual_dim"),
    "latent_dim",
)
_TEXT_WIDTHS: Final = (
    *("encoder_hid_dim", "text_in_dim", "text_dim", "text_embed_dim", "text_hidden_dim"),
    *("in_text_dim", "dit_text_dim", "llm_features_dim", "caption_channels", "cross_attention_input_dim"),
    *("joint_attention_dim", "cap_feat_dim", "context_in_dim"),
    *("encoder_hidden_size", "cross_attention_dim", "embedding_dim", "hidden_size"),
)


def example_inputs(module: torch.nn.Module) -> dict[str, Any]:
    """One example of what the model takes, by argument, a batch of one.

    Raises:
        ConversionError: it demands an argument that no rule is about.
    """
    name = type(module).__name__
    rules = _ARGUMENTS | _EXCEPTIONS.get(name, {})
    config: Any = module.config
    sizes = _Sizes(name, module, config)
    arguments = {}
    for argument, parameter in inspect.signature(module.forward).parameters.items():
        if argument in rules:
            value = rules[argument](sizes)
            if value is not None:
                arguments[argument] = value
        elif parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD:
            raise ConversionError(Outcome.UNSUPPORTED, f"nothing is known of the argument {argument!r} of a {name}")
    return arguments


@dataclass(frozen=True)
class _Sizes:
    """The sizes of a model's inputs, as its class and configuration have them."""

    name: str
    module: torch.nn.Module
    config: Mapping[str, Any]

    def first(self, *names: str, default: Any = None) -> Any:
        """The first of these entries that the configuration has and that is not None."""
        return next((self.config[name] for name in names if self.config.get(name) is not None), default)

    @property
    def channels(self) -> int:
        return int(self.first(*_CHANNELS, default=4))

    @property
    def area(self) -> tuple[int, int]:
        """Height and width of the sample."""
        if height := self.first("sample_height"):
            return height, self.first("sample_width", default=height)
        size = self.first("sample_size", "encoder_input_size", default=_PIXELS if self.is_autoencoder else _LATENTS)
        return (size, size) if isinstance(size, int) else tuple(size)

    @property
    def is_autoencoder(self) -> bool:
        return "Autoencoder" in self.name or self.name.endswith(("VAE", "Vae", "VQModel", "T2IAdapter", "Tokenizer"))

    @property
    def dimensions(self) -> int:
        """1 for audio, 2 for images, 3 for video."""
        if self.is_autoencoder:  # as its first convolution
            kinds = {torch.nn.Conv1d: 1, torch.nn.Conv2d: 2, torch.nn.Conv3d: 3}
            layers = self.module.modules()
            return next((kinds[kind] for layer in layers for kind in kinds if isinstance(layer, kind)), 2)
        if "3D" in self.name or "Video" in self.name:
            return 3
        return 1 if "Audio" in self.name or "1D" in self.name else 2

    @property
    def is_sequence(self) -> bool:
        """Whether the sample comes as tokens: a linear layer of the model itself takes its channels."""
        linears = (layer for layer in self.module.children() if isinstance(layer, torch.nn.Linear))
        return any(layer.in_features == self.channels for layer in linears)

    @property
    def grid(self) -> tuple[int, int, int]:
        """Frames, height and width of a sample that comes as tokens."""
        return (_FRAMES if self.dimensions == 3 else 1), 16, 16

    @property
    def sample(self) -> tuple[int, ...]:
        """Shape of the sample: channels first, unless it comes as tokens."""
        if self.is_sequence:
            return 1, prod(self.grid), self.channels
        if self.dimensions == 1:
            length = _AUDIO * (64 if self.is_autoencoder else 1)
            return 1, self.channels, self.first("sample_size", default=length)
        return (1, self.channels, *((_FRAMES,) if self.dimensions == 3 else ()), *self.area)

    @property
    def tokens(self) -> int:
        """Length of the prompt."""
        return int(self.first("max_text_seq_length", "text_len", "num_embeddings", default=_TOKENS))

    @property
    def text(self) -> tuple[int, int, int]:
        """Shape of the prompt's embedding."""
        return 1, self.tokens, self.first(*_TEXT_WIDTHS, default=768)

    @property
    def axes(self) -> int:
        """Number of coordinates of a token's position."""
        return len(self.first("axes_dims_rope", "axes_dim", "rope_axes_dim", default=(0, 0, 0)))


def _ones(*shape: int) -> torch.Tensor:
    return torch.ones(shape, dtype=torch.int64)


def _added_conditions(sizes: _Sizes) -> dict[str, torch.Tensor] | None:
    """What PixArt and the Stable Diffusion XL family take besides the prompt."""
    if sizes.name == "PixArtTransformer2DModel":
        return {"resolution": torch.rand(1, 2), "aspect_ratio": torch.rand(1, 1)}
    width = sizes.first("addition_time_embed_dim", default=256)
    match sizes.first("addition_embed_type"):
        case "text_time":
            embedded = sizes.config["projection_class_embeddings_input_dim"] - 6 * width
            return {"text_embeds": torch.rand(1, embedded), "time_ids": torch.rand(1, 6)}
        case "image":
            return {"image_embeds": torch.rand(1, sizes.first("encoder_hid_dim", default=1280))}
        case "text_image":
            pooled = sizes.config["cross_attention_dim"]
            return {"text_embeds": torch.rand(1, pooled), "image_embeds": torch.rand(1, pooled)}
    if str(sizes.first("encoder_hid_dim_type", default="")).startswith(("image_proj", "text_image_proj")):
        return {"image_embeds": torch.rand(1, sizes.config["encoder_hid_dim"])}
    return None


def _class_labels(sizes: _Sizes) -> torch.Tensor | None:
    kind = sizes.first("class_embed_type")
    if kind in ("projection", "simple_projection"):
        return torch.rand(1, sizes.config["projection_class_embeddings_input_dim"])
    asked = sizes.name == "DiTTransformer2DModel" or sizes.first("num_class_embeds") or kind
    return _ones(1) if asked else None


def _condition_image(sizes: _Sizes) -> torch.Tensor:
    """What a ControlNet is steered by: pixels for latents an eighth as wide."""
    channels = sizes.first("conditioning_channels", "ctrl_conditioning_channels", default=3)
    return torch.rand(1, channels, *(8 * side for side in sizes.area))


def _condition_latents(sizes: _Sizes) -> torch.Tensor:
    """What a ControlNet of latents is steered by: others, perhaps with more channels."""
    extra = sizes.first("extra_conditioning_channels", "extra_condition_channels", default=0)
    shape = list(sizes.sample)
    shape[-1 if sizes.is_sequence else 1] += extra
    return torch.rand(shape)


def _frames_first(sizes: _Sizes) -> torch.Tensor:
    frames = _FRAMES
    if "sample_frames" in sizes.config:  # another number is traced through what torch.export cannot
        frames = (sizes.config["sample_frames"] - 1) // sizes.config["temporal_compression_ratio"] + 1
    return torch.rand(1, frames, sizes.channels, *sizes.area)


def _clip(sizes: _Sizes, channels: str | int = 0) -> torch.Tensor:
    """Frames of latents with so many channels, a number or an entry of the configuration."""
    count = sizes.config[channels] if isinstance(channels, str) else channels
    return torch.rand(1, count or sizes.channels, _FRAMES, *sizes.area)


def _image_embedding(sizes: _Sizes) -> torch.Tensor | None:
    width = sizes.first("image_embed_dim", "image_proj_dim")
    return torch.rand(1, sizes.tokens, width) if width else None


def _embedding(sizes: _Sizes, width: str) -> torch.Tensor | None:
    return torch.rand(1, 1, sizes.config[width]) if sizes.config[width] else None


def _latents(sizes: _Sizes, channels: str) -> torch.Tensor | None:
    return torch.rand(1, sizes.config[channels], *sizes.area) if sizes.config[channels] else None


def _time_condition(sizes: _Sizes) -> torch.Tensor | None:
    width = sizes.first("time_cond_proj_dim")
    return torch.rand(1, width) if width else None


Rule = Callable[[_Sizes], Any]

_ARGUMENTS: Final[dict[str, Rule]] = {
    **dict.fromkeys(("return_dict", "sample_posterior"), lambda _: False),
    # The sample, and how noisy it is.
    **dict.fromkeys(("sample", "hidden_states", "x"), lambda sizes: torch.rand(sizes.sample)),
    **dict.fromkeys(("timestep", "timesteps", "r_timestep", "timestep_ratio", "t"), lambda _: torch.ones(1)),
    "timestep_r": lambda sizes: torch.ones(1) if sizes.first("use_meanflow", default=True) else None,
    "timestep_cond": _time_condition,
    "guidance": lambda sizes: torch.ones(1) if sizes.first("guidance_embeds") else None,
    "num_frames": lambda sizes: sizes.grid[0],
    "height": lambda sizes: sizes.grid[1],
    "width": lambda sizes: sizes.grid[2],
    "img_shapes": lambda sizes: [sizes.grid],
    # The prompt.
    "encoder_hidden_states": lambda sizes: torch.rand(sizes.text),
    **dict.fromkeys(
        ("encoder_attention_mask", "encoder_hidden_states_mask"),
        lambda sizes: torch.ones(1, sizes.tokens, dtype=torch.bool),
    ),
    "encoder_hidden_states_2": lambda sizes: torch.rand(1, sizes.tokens, sizes.first("text_embed_2_dim", default=1472)),
    "encoder_attention_mask_2": lambda sizes: torch.ones(1, sizes.tokens, dtype=torch.bool),
    "text_embedding_mask": lambda sizes: _ones(1, sizes.tokens),
    "pooled_projections": lambda sizes: torch.rand(
        1, sizes.first("pooled_projection_dim", "in_text_dim2", default=768)
    ),
    # Where each token is.
    "img_ids": lambda sizes: torch.rand(prod(sizes.grid), sizes.axes),
    "txt_ids": lambda sizes: torch.rand(sizes.tokens, sizes.axes),
    # What else steers it.
    "class_labels": _class_labels,
    "added_cond_kwargs": _added_conditions,
    "controlnet_cond": _condition_image,
    "conditioning_scale": lambda _: 1.0,
    "image_embeds": _image_embedding,
    **dict.fromkeys(("original_size", "target_size", "crop_coords"), lambda _: torch.rand(1, 2)),
    "padding_mask": lambda sizes: torch.zeros(1, 1, *sizes.area),
    "fps": lambda _: None,
}

# A model of images, with layers over time put in: every frame has its prompt.
_ANIMATED: Final[dict[str, Rule]] = {
    "sample": _clip,
    "encoder_hidden_states": lambda sizes: torch.rand(_FRAMES, *sizes.text[1:]),
}
_ANY_FLOW: Final[dict[str, Rule]] = {
    "hidden_states": _frames_first,
    **dict.fromkeys(("timestep", "r_timestep"), lambda _: torch.ones(1, _FRAMES)),
}

_EXCEPTIONS: Final[dict[str, dict[str, Rule]]] = {
    "AceStepTransformer1DModel": {
        "hidden_states": lambda sizes: torch.rand(1, _AUDIO, sizes.config["audio_acoustic_hidden_dim"]),
        "context_latents": lambda sizes: torch.rand(
            1, _AUDIO, sizes.channels - sizes.config["audio_acoustic_hidden_dim"]
        ),
    },
    "AnimaTextConditioner": {
        "source_hidden_states": lambda sizes: torch.rand(1, sizes.tokens, sizes.config["source_dim"]),
        "target_input_ids": lambda sizes: _ones(1, sizes.tokens),
    },
    "AnyFlowTransformer3DModel": _ANY_FLOW,
    "AnyFlowFARTransformer3DModel": {**_ANY_FLOW, "chunk_partition": lambda _: [_FRAMES]},
    "AutoencoderKLLTX2Audio": {
        "sample": lambda sizes: torch.rand(1, sizes.channels, _AUDIO, sizes.config["mel_bins"]),
    },
    "AutoencoderKLMochi": {"sample": lambda sizes: torch.rand(1, sizes.config["out_channels"], 7, *sizes.area)},
    "AutoencoderKLTemporalDecoder": {
        "sample": lambda sizes: torch.rand(_FRAMES, sizes.channels, *sizes.area),
        "num_frames": lambda _: _FRAMES,
    },
    "BriaFiboTransformer2DModel": {
        "text_encoder_layers": lambda sizes: [
            torch.rand(1, sizes.tokens, sizes.config["text_encoder_dim"])
            for _ in range(sizes.config["num_layers"] + sizes.config["num_single_layers"])
        ],
    },
    "CogVideoXTransformer3DModel": {"hidden_states": _frames_first},
    "ConsisIDTransformer3DModel": {"hidden_states": _frames_first},
    "Cosmos3AVAEAudioTokenizer": {
        "sample": lambda sizes: torch.rand(1, sizes.config["dec_out_channels"], 64 * _AUDIO),
    },
    "ErnieImageTransformer2DModel": {
        "text_bth": lambda sizes: torch.rand(sizes.text),
        "text_lens": lambda sizes: torch.tensor([sizes.tokens]),
    },
    "FluxControlNetModel": {"controlnet_cond": _condition_latents},
    "GlmImageTransformer2DModel": {
        "prior_token_id": lambda sizes: _ones(1, prod(sizes.area) // sizes.config["patch_size"] ** 2),
        "prior_token_drop": lambda sizes: torch.zeros(
            1, prod(sizes.area) // sizes.config["patch_size"] ** 2, dtype=torch.bool
        ),
    },
    "HunyuanVideoFramepackTransformer3DModel": {"indices_latents": lambda _: torch.arange(_FRAMES)[None]},
    "I2VGenXLUNet": {
        "sample": _clip,
        "image_latents": _clip,
        "fps": lambda _: _ones(1),
        "image_embeddings": lambda sizes: torch.rand(1, sizes.config["cross_attention_dim"]),
    },
    "Ideogram4Transformer2DModel": {
        "encoder_hidden_states": lambda sizes: torch.rand(1, prod(sizes.grid), sizes.text[-1]),
        "position_ids": lambda sizes: _ones(1, prod(sizes.grid), 3),
        "segment_ids": lambda sizes: _ones(1, prod(sizes.grid)),
        "indicator": lambda sizes: _ones(1, prod(sizes.grid)),
    },
    "Kandinsky5Transformer3DModel": {
        "hidden_states": lambda sizes: torch.rand(1, _FRAMES, *sizes.area, sizes.channels),
        "visual_rope_pos": lambda sizes: [
            torch.arange(side) for side in (_FRAMES, *(side // 2 for side in sizes.area))
        ],
        "text_rope_pos": lambda sizes: torch.arange(sizes.tokens),
    },
    "Krea2Transformer2DModel": {
        "encoder_hidden_states": lambda sizes: torch.rand(
            1, sizes.tokens, sizes.config["num_text_layers"], sizes.config["text_hidden_dim"]
        ),
        "position_ids": lambda sizes: _ones(sizes.tokens + prod(sizes.grid), 3),
        "encoder_attention_mask": lambda _: None,
    },
    "LTX2VideoTransformer3DModel": {
        "audio_hidden_states": lambda sizes: torch.rand(1, _TOKENS, sizes.config["audio_in_channels"]),
        "audio_encoder_hidden_states": lambda sizes: torch.rand(sizes.text),
        "audio_num_frames": lambda _: _TOKENS,
    },
    "LongCatAudioDiTTransformer": {
        "hidden_states": lambda sizes: torch.rand(1, _AUDIO, sizes.channels),
    },
    "PriorTransformer": {
        "hidden_states": lambda sizes: torch.rand(1, sizes.config["embedding_dim"]),
        "proj_embedding": lambda sizes: torch.rand(1, sizes.first("embedding_proj_dim", "embedding_dim")),
    },
    "QwenImageControlNetModel": {"controlnet_cond": _condition_latents},
    "SD3ControlNetModel": {"controlnet_cond": _condition_latents},
    "SanaControlNetModel": {"controlnet_cond": _condition_latents},
    "SparseControlNetModel": {
        **_ANIMATED,
        "controlnet_cond": lambda sizes: _clip(sizes, "conditioning_channels"),
        "conditioning_mask": lambda sizes: _clip(sizes, 1),
    },
    "StableAudioDiTModel": {
        "hidden_states": lambda sizes: torch.rand(1, sizes.channels, sizes.config["sample_size"]),
        "global_hidden_states": lambda sizes: torch.rand(1, 1, sizes.config["global_states_input_dim"]),
        "encoder_attention_mask": lambda _: None,
    },
    "StableCascadeUNet": {
        "clip_text_pooled": lambda sizes: torch.rand(1, 1, sizes.config["clip_text_pooled_in_channels"]),
        "clip_text": lambda sizes: _embedding(sizes, "clip_text_in_channels"),
        "clip_img": lambda sizes: _embedding(sizes, "clip_image_in_channels"),
        "effnet": lambda sizes: _latents(sizes, "effnet_in_channels"),
    },
    "T5FilmDecoder": {
        "encodings_and_masks": lambda sizes: [(torch.rand(1, _TOKENS, sizes.config["d_model"]), _ones(1, _TOKENS))],
        "decoder_input_tokens": lambda sizes: torch.rand(1, sizes.config["targets_length"], sizes.config["input_dims"]),
        "decoder_noise_time": lambda _: torch.ones(1),
    },
    "UNet2DConditionModel": {"encoder_attention_mask": lambda _: None},
    "UNetMotionModel": _ANIMATED,
    "UNetSpatioTemporalConditionModel": {
        "sample": _frames_first,
        "added_time_ids": lambda sizes: torch.rand(
            1, sizes.config["projection_class_embeddings_input_dim"] // sizes.config["addition_time_embed_dim"]
        ),
    },
    "UVit2DModel": {
        "input_ids": lambda sizes: _ones(1, *sizes.area),
        "pooled_text_emb": lambda sizes: torch.rand(1, sizes.config["cond_embed_dim"]),
        "micro_conds": lambda _: torch.ones(1, 5),
    },
    "WanAnimateTransformer3DModel": {
        "pose_hidden_states": lambda sizes: torch.rand(1, sizes.config["latent_channels"], _FRAMES - 1, *sizes.area),
        "face_pixel_values": lambda _: torch.rand(1, 3, 4 * _FRAMES - 7, 512, 512),
    },
    "WanVACETransformer3DModel": {
        "control_hidden_states": lambda sizes: _clip(sizes, "vace_in_channels"),
    },
    "ZImageTransformer2DModel": {
        "x": lambda sizes: [torch.rand(sizes.channels, 1, *sizes.area)],
        "cap_feats": lambda sizes: [torch.rand(sizes.text[1:])],
    },
}

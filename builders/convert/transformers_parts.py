"""Parts of transformers' models, as they are deployed to generate: an encoder, a decoder, a step with a cache.

In go a whole model and the name of the part; out come the module to export and what it is called with. A decoder is
called with what its encoder gave. A step takes one token, and the keys and values of those before it; its outputs are
the model's, with the keys and values of one token more. `builders.crawl.transformers` lists the parts.
"""

from __future__ import annotations

from builders.convert.transformers_inputs import TOKENS, example_inputs  # first: how transformers is to be imported

# isort: split
from collections.abc import Sequence
from typing import Any, Final

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import PreTrainedModel
from transformers.cache_utils import DynamicCache, EncoderDecoderCache

from builders.convert.conversion import ConversionError, Outcome
from builders.crawl.transformers import DECODER, DECODER_WITH_PAST, ENCODER, WITH_PAST

# Of one layer: keys and values of the tokens before; of a decoder also those of what was encoded.
Past = Sequence[tuple[torch.Tensor, ...]]

_WITH_PAST: Final = {WITH_PAST, DECODER_WITH_PAST}


def take_part(model: PreTrainedModel, part: str) -> torch.nn.Module:
    """The module that computes this part of a model; the model itself for the whole of it (""), and for a decoder.

    Raises:
        ConversionError: the model has no such part.
    """
    if part == ENCODER:
        get_encoder: Any = getattr(model, "get_encoder", lambda: None)
        encoder: torch.nn.Module | None = get_encoder()
        if encoder is None or encoder is model:
            raise ConversionError(Outcome.UNSUPPORTED, f"{type(model).__name__} has no encoder of its own")
        return encoder
    if part == DECODER:
        model.register_forward_hook(lambda *call: call[-1][0])  # what was encoded is given back as it came
    if part in _WITH_PAST:
        model.register_forward_pre_hook(_take_past, with_kwargs=True)
        model.register_forward_hook(_give_past)
    return model


def part_inputs(module: torch.nn.Module, task: str, part: str) -> dict[str, Any]:
    """What the part is called with, by name.

    Raises:
        ConversionError: the model keeps no cache of keys and values.
    """
    inputs = example_inputs(module, task)
    if part in (DECODER, DECODER_WITH_PAST):
        inputs = _of_decoder(module, inputs)
    if part not in _WITH_PAST:
        return inputs
    past = _past(module, inputs)
    length = past[0][0].shape[-2] + 1
    for name in ("input_ids", "decoder_input_ids", "token_type_ids"):
        if name in inputs and not (name == "input_ids" and part == DECODER_WITH_PAST):
            inputs[name] = inputs[name][:, -1:]
    if "position_ids" in inputs:
        inputs["position_ids"] = torch.tensor([[length - 1]])
    mask = "decoder_attention_mask" if part == DECODER_WITH_PAST else "attention_mask"
    if mask in inputs:
        inputs[mask] = torch.ones(1, length, dtype=torch.int64)
    return {**inputs, "past_key_values": past, "use_cache": True}


def _of_decoder(module: torch.nn.Module, inputs: dict[str, Any]) -> dict[str, Any]:
    """The inputs with what was encoded in place of what is to be."""
    config: Any = module.config
    kept = {name: value for name, value in inputs.items() if name.startswith("decoder_")}
    if "input_ids" in inputs and "attention_mask" in inputs:
        kept["attention_mask"] = inputs["attention_mask"]
    length = inputs["input_ids"].shape[1] if "input_ids" in inputs else TOKENS
    return {**kept, "encoder_outputs": (torch.rand(1, length, config.hidden_size),)}


def _past(module: torch.nn.Module, inputs: dict[str, Any]) -> Past:
    """Keys and values as a call with these inputs would leave them: the shapes are computed, and nothing else."""
    hooks = module._forward_pre_hooks, module._forward_hooks
    module._forward_pre_hooks, module._forward_hooks = type(hooks[0])(), type(hooks[1])()
    try:
        with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
            cache = getattr(module(**inputs, use_cache=True), "past_key_values", None)
    finally:
        module._forward_pre_hooks, module._forward_hooks = hooks
    if not isinstance(cache, DynamicCache | EncoderDecoderCache) or not len(cache):
        raise ConversionError(Outcome.UNSUPPORTED, f"{type(module).__name__} keeps no cache of keys and values")
    return [tuple(torch.rand(tensor.shape) for tensor in layer) for layer in cache.to_legacy_cache()]


def _take_past(_module: torch.nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Before a call: tensors become the object that the model takes."""
    past = kwargs["past_key_values"]
    kind = EncoderDecoderCache if len(past[0]) > 2 else DynamicCache
    return args, {**kwargs, "past_key_values": kind.from_legacy_cache(past)}


def _give_past(_module: torch.nn.Module, _args: Any, output: Any) -> tuple[torch.Tensor, ...]:
    """After a call: what the model gives, and tensors again. What was encoded has not changed."""
    cache = output.past_key_values
    own = cache.self_attention_cache if isinstance(cache, EncoderDecoderCache) else cache
    return output[0], *(tensor for layer in own.to_legacy_cache() for tensor in layer)

"""Export keys: what they leave out changes no export, and everything else keeps two models apart."""

from __future__ import annotations

import inspect
import json
import re

import pytest

from builders.convert import Request
from builders.convert.transformers import export
from builders.export_key import IRRELEVANT, export_key
from builders.model_ref import ModelRef
from younger_hf.extract import annotate, strip
from younger_hf.identity import fingerprint

BERT = {"model_type": "bert", "architectures": ["BertForMaskedLM"], "hidden_size": 32, "vocab_size": 99}


def model(config, library="transformers", **fields):
    return ModelRef("huggingface", "a/b", "sha", library=library, config=json.dumps(config), **fields)


def test_a_fine_tune_has_the_key_of_what_it_comes_from():
    tuned = {"transformers_version": "4.9", **BERT, "_name_or_path": "me/mine", "torch_dtype": "float16"}
    other = ModelRef("kaggle", "c/d", "1", library="transformers", task="fill-mask", config=json.dumps(tuned))
    assert export_key(other) == export_key(model(BERT))


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_size": 64},
        {"vocab_size": 100},
        {"architectures": ["BertModel"]},
        {"field_that_nobody_knows": 1},
        {"id2label": {"0": "a", "1": "b"}},
        {"quantization_config": {"bits": 4}},
    ],
)
def test_everything_else_keeps_models_apart(change):
    assert export_key(model({**BERT, **change})) != export_key(model(BERT))


def test_of_labels_only_the_number_counts():
    ab, cd, three = ({"id2label": {str(i): name for i, name in enumerate(names)}} for names in ("ab", "cd", "abc"))
    assert export_key(model({**BERT, **ab})) == export_key(model({**BERT, **cd, "label2id": {"c": 0, "d": 1}}))
    assert export_key(model({**BERT, **ab})) != export_key(model({**BERT, **three}))


def test_fields_are_left_out_at_any_depth():
    a, b = ({"model_type": "clip", "text_config": {"hidden_size": 8, "dropout": rate}} for rate in (0.0, 0.5))
    assert export_key(model(a)) == export_key(model(b))


def test_the_task_counts_only_where_no_class_is_named():
    headless = {"model_type": "bert"}
    assert export_key(model(BERT, task="a")) == export_key(model(BERT, task="b"))
    assert export_key(model(headless, task="a")) != export_key(model(headless, task="b"))


@pytest.mark.parametrize("config", ["", "[]", "null", "{", "[" * 100_000, '{"a":' * 900 + "1" + "}" * 900])
def test_without_a_configuration_a_model_has_a_key_of_its_own(config):
    a, b = (ModelRef("huggingface", name, "sha", library="transformers", config=config) for name in "ab")
    assert export_key(a) != export_key(b)
    assert export_key(a) == export_key(a)


def test_a_library_without_a_rule_shares_nothing():
    a, b = (ModelRef("kaggle", name, library="keras", config=json.dumps(BERT)) for name in "ab")
    assert export_key(a) != export_key(b)


# Small models of kinds that differ, each with a class of its own for a task.
SMALL = {
    "bert": ("BertForSequenceClassification", {"num_hidden_layers": 2}),
    "gpt2": ("GPT2LMHeadModel", {"n_layer": 2, "n_embd": 16, "n_head": 2}),
    "t5": ("T5ForConditionalGeneration", {"num_layers": 2, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_heads": 2}),
    "bart": ("BartForConditionalGeneration", {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1,
             "encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}),
    "swin": ("SwinForImageClassification", {"embed_dim": 8, "depths": [1, 2], "num_heads": [1, 2], "image_size": 32,
             "window_size": 4, "patch_size": 2}),
    "wav2vec2": ("Wav2Vec2ForCTC", {"num_hidden_layers": 1, "conv_dim": [16, 16], "conv_stride": [5, 2],
                 "conv_kernel": [10, 3], "num_feat_extract_layers": 2, "num_conv_pos_embedding_groups": 2}),
    "clip": ("CLIPModel", {part: {"num_hidden_layers": 1, "hidden_size": 16, "intermediate_size": 32,
                                  "num_attention_heads": 2} for part in ("text_config", "vision_config")}),
    "llama": ("LlamaForCausalLM", {"num_hidden_layers": 1, "num_key_value_heads": 2}),
}  # fmt: skip
SIZES = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "vocab_size": 64}


def changed(value):
    """Another value of the same kind; a field that is not set stays so."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 0.25 if isinstance(value, float) else value + 1
    return value and "single_label_classification"  # the only text that a type checks


def differently(fields):
    """A configuration that differs in every field that is left out, also in the configurations within it."""
    others = {"top_k": 7, "do_sample": True, "repetition_penalty": 1.5, "torch_dtype": "float16", "top_p": 0.5}
    for name, value in fields.items():
        if name in IRRELEVANT["transformers"]:
            others[name] = changed(value)
        else:
            others[name] = differently(value) if name.endswith("_config") else value
    return others


@pytest.mark.slow
@pytest.mark.parametrize("model_type", SMALL)
def test_models_that_share_a_key_export_alike(model_type):
    """In fingerprint, and with shapes of parameters and constants: each field is proved irrelevant by export."""
    from transformers import CONFIG_MAPPING

    architecture, sizes = SMALL[model_type]
    written = CONFIG_MAPPING[model_type](**{**SIZES, **sizes}).to_dict()
    base = {**written, "architectures": [architecture], "transformers_version": "4.0"}
    if model_type != "clip":
        base |= {"forced_eos_token_id": 2, "problem_type": "regression"}
    other = differently(base)
    assert sum(base.get(name) != value for name, value in other.items()) > 8
    twins = [model(base, task="a"), model(other, task="b")]
    assert export_key(twins[0]) == export_key(twins[1])
    identities = []
    for twin in twins:
        skeleton = strip(export(Request(twin)).onnx)
        identities.append((fingerprint(annotate(skeleton)), len(skeleton.graph.node)))
    assert identities[0] == identities[1]


def test_no_model_type_means_something_of_its_own_by_a_field_of_generation():
    """All of these generate text, and by these fields only."""
    from transformers import CONFIG_MAPPING

    own = {
        name
        for model_type in CONFIG_MAPPING
        for name in inspect.signature(CONFIG_MAPPING[model_type].__init__).parameters
        if name in IRRELEVANT["transformers"] and not re.search("drop|initializer|use_cache", name)
    }
    assert own == {
        *("early_stopping", "length_penalty", "forced_eos_token_id"),  # fsmt, bart and its like
        *("begin_suppress_tokens", "suppress_tokens"),  # whisper
        "encoder_no_repeat_ngram_size",  # blenderbot
    }

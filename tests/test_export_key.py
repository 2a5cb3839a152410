"""Export keys: what they leave out changes no export, and everything else keeps two models apart."""

from __future__ import annotations

import json

import pytest

from builders.crawl.model_ref import ModelRef
from builders.export_key import export_key

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

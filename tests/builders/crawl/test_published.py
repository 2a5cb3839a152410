"""The table of published sizes, and what is listed of it."""

from __future__ import annotations

import json
import re

import pytest

from builders.crawl import list_models
from builders.crawl.published import TABLE
from builders.crawl.transformers import architectures
from builders.export_key import export_key

ENTRIES = json.loads(TABLE.read_text())


@pytest.fixture(scope="module")
def listed():
    return list(list_models("published-configurations"))


def test_every_entry_says_where_it_was_read():
    assert len(ENTRIES) > 500
    for entry in ENTRIES:
        assert re.match(r"(litgpt|paddlenlp|transformers) [\d.]+, [\w/]+\.py$", entry["source"])
        assert entry["id"]
    names = [entry["id"] for entry in ENTRIES]
    assert names == sorted(set(names), key=str.lower)


def test_the_table_holds_sizes_and_nothing_of_training_or_files():
    def names(config):
        for name, value in config.items():
            yield name
            if isinstance(value, dict):
                yield from names(value)

    found = {name for entry in ENTRIES for name in names(entry["config"])}
    assert not [name for name in found if re.search(r"drop|token_id|path|initializer_range|label", name)]


def test_a_checkpoint_has_the_sizes_that_are_known_of_it():
    known = {entry["id"]: entry["config"] for entry in ENTRIES}
    llama, bert = known["meta-llama/Llama-2-70b-hf"], known["bert-large-uncased"]
    assert (llama["model_type"], llama["num_hidden_layers"], llama["hidden_size"]) == ("llama", 80, 8192)
    assert (llama["num_key_value_heads"], llama["intermediate_size"], llama["vocab_size"]) == (8, 28672, 32000)
    assert (bert["num_hidden_layers"], bert["hidden_size"], bert["num_attention_heads"]) == (24, 1024, 16)
    assert not known["tiiuae/falcon-7b"]["new_decoder_architecture"]
    assert known["tiiuae/falcon-40b"]["num_kv_heads"] == 8
    assert known["dinov2_vitl14"]["num_hidden_layers"] == 24


def test_a_checkpoint_is_listed_for_what_it_is_made_for_and_by_its_parts(listed):
    found = {name: [model.component for model in listed if model.id == name] for name in ("t5-base", "roberta-base")}
    llama = [model for model in listed if model.id == "meta-llama/Llama-2-7b-hf"]
    assert found["t5-base"] == [
        "text2text-generation",
        *(f"text2text-generation/{part}" for part in ("encoder", "decoder", "decoder-with-past")),
        "feature-extraction",
    ]
    assert [model.component for model in llama] == [
        "text-generation",
        "text-generation/with-past",
        "feature-extraction",
    ]
    assert [model.part for model in llama] == ["", "with-past", ""]
    assert {model.origin for model in listed} == {"published-configuration"}
    assert {model.family for model in listed} <= architectures().keys()


def test_checkpoints_of_the_same_sizes_are_converted_once_and_parts_apart(listed):
    keys = {
        (model.id, model.component): export_key(model)
        for model in listed
        if model.id in ("meta-llama/Llama-2-7b-hf", "meta-llama/Llama-2-7b-chat-hf")
    }
    assert len(keys) == 6
    assert len(set(keys.values())) == 3

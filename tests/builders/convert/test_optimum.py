"""Small transformers configurations through optimum; what it has no memory or description for is refused."""

from __future__ import annotations

import json

import pytest
from support.runtime import is_finite, run

from builders.convert import ConversionError, Outcome, Request, exporters_for
from builders.convert.optimum import export
from builders.model_ref import ModelRef
from younger_hf.extract import extract, strip
from younger_hf.identity import fingerprint
from younger_hf.interop.onnx import example_inputs, to_onnx

BERT = {
    "model_type": "bert",
    "architectures": ["BertForSequenceClassification"],
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "vocab_size": 99,
}
T5 = {
    "model_type": "t5",
    "architectures": ["T5ForConditionalGeneration"],
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 64,
    "num_layers": 1,
    "num_heads": 4,
    "vocab_size": 99,
}


def published(config):
    return ModelRef("huggingface", "someone/model", library="transformers", config=json.dumps(config))


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    """Exports leave their file in the working directory."""
    monkeypatch.chdir(tmp_path)


def exported(config, opset=0):
    return strip(export(Request(published(config), opset)).onnx)


def refusal(config):
    with pytest.raises(ConversionError) as raised:
        export(Request(published(config)))
    return raised.value.outcome, str(raised.value)


def test_optimum_comes_after_torch():
    assert [exporter.name for exporter in exporters_for(published(BERT))] == ["torch", "optimum"]


def test_an_encoder_has_its_inputs_and_no_values_and_runs():
    skeleton = exported(BERT)
    assert len(skeleton.graph.input) == 3  # tokens, mask, token types
    assert skeleton.ByteSize() < 15_000  # its parameters have 150,000
    model = to_onnx(skeleton, parameters="random")
    assert fingerprint(extract(model)) == fingerprint(extract(skeleton))
    assert all(map(is_finite, run(model, example_inputs(skeleton))))


def test_encoder_and_decoder_are_one_graph_and_the_same_bytes_each_time():
    first, second = exported(T5), exported(T5)
    assert len(first.graph.input) == 3  # tokens, mask, tokens of the decoder
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)


def test_the_opset_is_the_one_asked_for():
    assert [entry.version for entry in exported(BERT, 17).opset_import if not entry.domain] == [17]


def test_what_does_not_fit_into_memory_is_refused_before_it_is_made():
    outcome, message = refusal({**BERT, "intermediate_size": 10_000_000})
    assert (outcome, "has 1,300," in message) == (Outcome.TOO_LARGE, True)


def test_a_model_type_that_optimum_does_not_know_is_refused():
    outcome, message = refusal({**BERT, "model_type": "ernie", "architectures": ["ErnieModel"]})
    assert (outcome, "'ernie'" in message) == (Outcome.UNSUPPORTED, True)

"""transformers' configurations become skeletons, whatever their size; what is not to be built is refused."""

from __future__ import annotations

import json
from collections import Counter
from math import prod

import onnx
import pytest
from support.runtime import is_finite, run
from transformers import SamConfig, SamModel

from builders.convert import ConversionError, Outcome, Request
from builders.convert.isolation import Limits
from builders.convert.transformers import export
from builders.convert.transformers_inputs import example_inputs
from builders.convert.transformers_models import architecture, build, configuration
from builders.model_ref import ModelRef
from younger_hf.extract import extract, strip
from younger_hf.identity import fingerprint
from younger_hf.interop.onnx import example_inputs as example_arrays
from younger_hf.interop.onnx import to_onnx

TEXT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "vocab_size": 99}
VISION = {**TEXT, "image_size": 32, "patch_size": 16}
TINY = {
    "bert": {**TEXT, "model_type": "bert", "architectures": ["BertForMaskedLM"]},
    "gpt2": {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "n_embd": 32,
        "n_layer": 2,
        "n_head": 2,
        "n_positions": 64,
        "vocab_size": 99,
    },
    "t5": {
        "model_type": "t5",
        "architectures": ["T5ForConditionalGeneration"],
        "d_model": 32,
        "d_kv": 8,
        "d_ff": 64,
        "num_layers": 2,
        "num_heads": 4,
        "vocab_size": 99,
    },
    "qwen3_moe": {
        **TEXT,
        "model_type": "qwen3_moe",
        "architectures": ["Qwen3MoeForCausalLM"],
        "num_hidden_layers": 1,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "moe_intermediate_size": 16,
        "num_experts": 4,
        "num_experts_per_tok": 2,
    },
    "vit": {**VISION, "model_type": "vit", "architectures": ["ViTForImageClassification"]},
    "wav2vec2": {
        **TEXT,
        "model_type": "wav2vec2",
        "architectures": ["Wav2Vec2ForCTC"],
        "conv_dim": [32, 32],
        "conv_kernel": [10, 3],
        "conv_stride": [5, 2],
        "num_feat_extract_layers": 2,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
    },
    "clip": {
        "model_type": "clip",
        "architectures": ["CLIPModel"],
        "projection_dim": 16,
        "text_config": TEXT,
        "vision_config": VISION,
    },
}


def published(config, **fields):
    text = config if isinstance(config, str) else json.dumps(config)
    return ModelRef("huggingface", "someone/model", library="transformers", config=text, **fields)


def exported(config, **fields):
    return strip(export(Request(published(config, **fields))).onnx)


def parameters(model):
    return [tensor for tensor in model.graph.initializer if not tensor.raw_data]


def refusal(config, **fields):
    with pytest.raises(ConversionError) as raised:
        export(Request(published(config, **fields)))
    message = str(raised.value)
    assert "\n" not in message
    return raised.value.outcome, message


@pytest.fixture(scope="module")
def skeletons():
    return {name: exported(config) for name, config in TINY.items()}


@pytest.mark.slow
def test_every_input_is_there(skeletons):
    ranks = {
        name: [len(value.type.tensor_type.shape.dim) for value in model.graph.input]
        for name, model in skeletons.items()
    }
    assert ranks == {
        "bert": [2, 2, 2],  # tokens, mask, token types
        "gpt2": [2, 2, 2],  # tokens, mask, positions
        "t5": [2, 2, 2],  # tokens, mask, tokens of the decoder
        "qwen3_moe": [2, 2, 2],  # as of gpt2
        "vit": [4],
        "wav2vec2": [2],
        "clip": [2, 4, 2],  # tokens, pixels, mask
    }


@pytest.mark.parametrize("name", TINY)
def test_every_parameter_is_there_and_none_has_a_value(skeletons, name):
    model = published(TINY[name])
    config = configuration(model)
    expected = build(architecture(model, config)[0], config).num_parameters()
    counted = sum(prod(tensor.dims) for tensor in parameters(skeletons[name]))
    # Masks and other constants, which are not structure, are without values too.
    assert expected <= counted < expected + 2_000
    assert skeletons[name].ByteSize() < 10_000


@pytest.mark.parametrize("name", TINY)
def test_the_skeleton_runs_with_random_parameters(skeletons, name):
    model = to_onnx(skeletons[name], parameters="random")
    assert fingerprint(extract(model)) == fingerprint(extract(skeletons[name]))
    assert all(map(is_finite, run(model, example_arrays(skeletons[name]))))


@pytest.mark.slow
def test_the_same_configuration_gives_the_same_bytes(skeletons):
    again = exported(TINY["t5"])
    assert again.SerializeToString(deterministic=True) == skeletons["t5"].SerializeToString(deterministic=True)


def test_what_says_how_a_model_is_run_changes_nothing(skeletons):
    config = {
        **TINY["bert"],
        "torch_dtype": "float16",
        "use_cache": True,
        "output_attentions": True,
        "torchscript": True,
        "attn_implementation": "flash_attention_2",
        "_name_or_path": "/home/someone",
        # Known to transformers: its own class is taken.
        "auto_map": {"AutoModelForMaskedLM": "modeling.Mine"},
    }
    assert exported(config) == skeletons["bert"]


@pytest.mark.parametrize("task", ["", "text-generation", "multiple-choice", "no such task"])
def test_where_a_class_is_named_the_word_for_the_task_decides_nothing(task):
    model = published(TINY["bert"], task=task)
    chosen, decided = architecture(model, configuration(model))
    assert (chosen.__name__, decided) == ("BertForMaskedLM", "fill-mask")


def test_the_encoder_of_images_is_part_of_the_model():
    given = example_inputs(SamModel(SamConfig(vision_config={"num_hidden_layers": 1})), "mask-generation")
    assert list(given) == ["pixel_values", "input_points", "input_labels"]


@pytest.mark.slow
def test_depth_of_the_configuration_is_depth_of_the_graph(skeletons):
    deeper = exported({**TINY["bert"], "num_hidden_layers": 3})
    operators = [Counter(node.op_type for node in model.graph.node) for model in (skeletons["bert"], deeper)]
    assert [counted["Softmax"] for counted in operators] == [2, 3]


def test_the_class_is_the_one_that_the_configuration_names_or_else_the_tasks(skeletons):
    unnamed = {name: value for name, value in TINY["bert"].items() if name != "architectures"}
    assert exported(unnamed, task="fill-mask") == skeletons["bert"]
    assert exported({**TINY["bert"], "architectures": ["TFBertForMaskedLM"]}) == skeletons["bert"]
    assert exported({**TINY["bert"], "architectures": ["BertModel"]}) != skeletons["bert"]


def test_code_from_a_repository_is_never_run():
    outcome, message = refusal({"model_type": "mine", "auto_map": {"AutoModel": "modeling.Mine"}})
    assert (outcome, "code from its repository" in message) == (Outcome.UNSUPPORTED, True)
    # A name of something in transformers that is no model of this type is not taken for one.
    for name in ("pipeline", "GPT2LMHeadModel", "os.system", "BertTokenizer", "TrainingArguments", "BertForWorld"):
        outcome, message = refusal({**TINY["bert"], "architectures": [name]})
        assert (outcome, name in message) == (Outcome.UNSUPPORTED, True)


def test_quantised_weights_are_another_graph():
    outcome, message = refusal({**TINY["bert"], "quantization_config": {"quant_method": "gptq", "bits": 4}})
    assert (outcome, "gptq" in message) == (Outcome.UNSUPPORTED, True)


def test_a_configuration_without_sense_is_refused_in_one_sentence():
    bert = TINY["bert"]
    assert refusal({**bert, "num_hidden_layers": 10**9})[0] is Outcome.TOO_LARGE
    for config in (
        "",
        "[]",
        "{",
        "[" * 100_000,
        {"model_type": ["bert"]},
        {**bert, "hidden_size": -32},
        {**bert, "hidden_size": "32"},
        {**bert, "num_hidden_layers": "2"},
        {**bert, "num_attention_heads": 0},
        {**bert, "vocab_size": None},
        {**bert, "hidden_act": "exec"},
        {**TINY["clip"], "text_config": 7},
    ):
        assert refusal(config)[0] in {Outcome.UNSUPPORTED, Outcome.NOT_FOUND}


@pytest.mark.slow
def test_a_width_that_no_memory_holds_ends_the_attempt_and_nothing_else(converted):
    done = converted(
        published({**TINY["bert"], "hidden_size": 10**12, "num_attention_heads": 1}), limits=Limits(seconds=120)
    )
    assert done.outcome in {Outcome.OUT_OF_MEMORY, Outcome.UNSUPPORTED, Outcome.TOO_LARGE}
    assert done.message


@pytest.mark.slow
def test_seven_billion_parameters_take_no_memory(converted):
    llama = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": 4096,
        "vocab_size": 32_000,
        "intermediate_size": 200_000,
        "num_hidden_layers": 2,
        "num_attention_heads": 32,
    }
    done = converted(published(llama))
    assert (done.outcome, done.exporter) == (Outcome.OK, "torch")
    elements = sum(prod(tensor.dims) for tensor in parameters(onnx.load_from_string(done.skeleton)))
    assert elements > 5_000_000_000
    assert done.peak_memory < 2_000_000_000


def part(config, component):
    model = published(config, origin="published-configuration", component=component, task=component.partition("/")[0])
    return strip(export(Request(model)).onnx)


def shapes(values):
    return [tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim) for value in values]


def test_a_step_takes_a_token_and_the_cache_and_gives_the_cache_of_one_token_more():
    config = {name: value for name, value in TINY["gpt2"].items() if name != "architectures"}
    step = part(config, "text-generation/with-past")
    assert shapes(step.graph.input).count((1, 2, 16, 16)) == 4
    assert (1, 1) in shapes(step.graph.input)
    assert shapes(step.graph.output) == [(1, 1, 99), *4 * [(1, 2, 17, 16)]]


@pytest.mark.slow
def test_encoder_and_decoder_are_graphs_of_their_own():
    config = {name: value for name, value in TINY["t5"].items() if name != "architectures"}
    whole = exported(TINY["t5"])
    encoder, decoder, step = (
        part(config, f"text2text-generation/{name}") for name in ("encoder", "decoder", "decoder-with-past")
    )
    assert shapes(encoder.graph.output) == [(1, 16, 32)]
    assert shapes(decoder.graph.output) == [(1, 16, 99)]
    assert (1, 16, 32) in shapes(decoder.graph.input)
    assert shapes(step.graph.input).count((1, 4, 16, 8)) == 8  # of two layers, keys and values of both attentions
    assert shapes(step.graph.output) == [(1, 1, 99), *4 * [(1, 4, 17, 8)]]
    assert len({fingerprint(extract(graph)) for graph in (whole, encoder, decoder, step)}) == 4


def test_what_keeps_no_cache_has_no_step():
    config = {**TEXT, "model_type": "bert"}
    with pytest.raises(ConversionError, match="keeps no cache of keys and values") as raised:
        part(config, "text-generation/with-past")
    assert raised.value.outcome is Outcome.UNSUPPORTED

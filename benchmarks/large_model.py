"""How long very large transformers configurations take to become skeletons, and in how much memory.

    python benchmarks/large_model.py

Each is converted in a child process as in a build. Nobody else exports these without their weights, and the weights
do not fit here, so their figures are absolute. The peer, optimum's TorchScript export, converts what fits: one layer
of Llama-2-7B at its full width. The ratio is of the seconds that it and the weightless way take for that.
"""

from __future__ import annotations

import json
from math import prod

import onnx

from builders.convert import Conversion, Outcome, Request, exporters_for
from builders.convert.isolation import convert
from builders.model_ref import ModelRef

# As published, but for the fields that no graph depends on.
MODELS = {
    "Llama-2-7B": {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "vocab_size": 32000,
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
    },
    "Falcon-7B": {
        "model_type": "falcon",
        "architectures": ["FalconForCausalLM"],
        "vocab_size": 65024,
        "hidden_size": 4544,
        "num_hidden_layers": 32,
        "num_attention_heads": 71,
        "alibi": False,
        "bias": False,
        "multi_query": True,
        "new_decoder_architecture": False,
        "parallel_attn": True,
    },
    "Qwen2.5-32B": {
        "model_type": "qwen2",
        "architectures": ["Qwen2ForCausalLM"],
        "vocab_size": 152064,
        "hidden_size": 5120,
        "intermediate_size": 27648,
        "num_hidden_layers": 64,
        "num_attention_heads": 40,
        "num_key_value_heads": 8,
    },
    "Llama-2-70B": {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "vocab_size": 32000,
        "hidden_size": 8192,
        "intermediate_size": 28672,
        "num_hidden_layers": 80,
        "num_attention_heads": 64,
        "num_key_value_heads": 8,
    },
}
SMALL = {**MODELS["Llama-2-7B"], "vocab_size": 4000, "num_hidden_layers": 1}


def converted(name: str, config: dict[str, object], exporter: int = 0) -> Conversion:
    model = ModelRef("huggingface", name, library="transformers", task="text-generation", config=json.dumps(config))
    done = convert(Request(model), exporters_for(model)[exporter])
    if done.outcome is not Outcome.OK:
        raise SystemExit(f"{name}: {done.outcome}: {done.message}")
    return done


def report(name: str, done: Conversion) -> None:
    graph = onnx.load_from_string(done.skeleton or b"").graph
    parameters = sum(prod(tensor.dims) for tensor in graph.initializer)
    print(
        f"{name:24} {done.exporter:8} {done.seconds:6.1f} s  {done.peak_memory / 1e9:5.2f} GB"
        f"  {len(graph.node):6,} nodes  {parameters / 1e9:6.2f} billion parameters",
        flush=True,
    )


def main() -> None:
    for name, config in MODELS.items():
        report(name, converted(name, config))
    ours, theirs = (converted("one layer", SMALL, exporter) for exporter in (0, 1))
    for done in (ours, theirs):
        report("one layer of Llama-2-7B", done)
    print(f"optimum takes {theirs.seconds / ours.seconds:.1f} times as long")


if __name__ == "__main__":
    main()

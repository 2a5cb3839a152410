"""Make `configurations.json`, the table of published sizes, from packages that have them.

    pip download --no-deps paddlenlp==2.8.1
    pip download --no-deps --no-binary transformers transformers==4.44.2
    python -m builders.crawl.published.collect paddlenlp-2.8.1-py3-none-any.whl transformers-4.44.2.tar.gz

The wheel and the archive are read as text; LitGPT and transformers have to be installed. Only what shapes a network is
kept: names, sizes, activations. Of transformers' scripts, which turn the checkpoints of a model's authors into its own,
the function that makes a configuration by a checkpoint's name is run, with nothing to read and nothing to fetch.
"""

from __future__ import annotations

import ast
import io
import json
import os
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from builders.crawl.installed import installed
from builders.crawl.litgpt import configurations, model_type
from builders.crawl.published import TABLE

Entry = dict[str, Any]

# LitGPT's names of what transformers calls otherwise.
_OF_LITGPT: Final = {
    "n_embd": "hidden_size",
    "n_layer": "num_hidden_layers",
    "n_head": "num_attention_heads",
    "n_query_groups": "num_key_value_heads",
    "head_size": "head_dim",
    "intermediate_size": "intermediate_size",
    "padded_vocab_size": "vocab_size",
    "block_size": "max_position_embeddings",
    "n_expert": "num_local_experts",
    "n_expert_per_token": "num_experts_per_tok",
    "moe_intermediate_size": "moe_intermediate_size",
}
_DEFAULTS_OF_LITGPT: Final = {"n_layer": 16, "n_embd": 4096, "n_head": 32, "block_size": 4096, "vocab_size": 50254}
# PaddleNLP's modules whose networks transformers has, by its model type.
_OF_PADDLENLP: Final = {
    **{
        name: name
        for name in (
            "albert bart bert blenderbot convbert ctrl deberta distilbert electra ernie fnet layoutlm luke mbart "
            "mobilebert nystromformer rembert roberta roformer squeezebert t5 xlm xlnet"
        ).split()
    },
    "blenderbot_small": "blenderbot-small",
    "deberta_v2": "deberta-v2",
    "gpt": "gpt2",
    "gptj": "gptj",
    "megatronbert": "megatron-bert",
    "tinybert": "bert",
}
_LAYERS: Final = {"num_encoder_layers": "encoder_layers", "num_decoder_layers": "decoder_layers"}
# By model type, its names of what transformers calls otherwise.
_RENAMED: Final = {
    **dict.fromkeys(("bart", "blenderbot", "blenderbot-small", "mbart"), _LAYERS),
    "gpt2": {"hidden_act": "activation_function", "intermediate_size": "n_inner"},
}
# What a script calls a table by checkpoint.
_TABLE_OF_FILES: Final = re.compile(
    r"_to_(checkpoint|url|name|repo|original|file)|^url_to|CONFIG_MAP|model_mapping|^checkpoint_mapping"
)
# What a configuration says of training, generation, tokens and files.
_NO_STRUCTURE: Final = re.compile(
    r"dropout|pdrop|droppath|^drop_|loss_|_cost$|matcher|denoising|noise|_prob$|^init|init_|_init|_ids?$|_tokens?$|lang|label|version|^use_cache|use_recompute|flash|fuse|dtype|^seed"
    r"|output_|summary_|task_specific|tokenizer|_name|return_dict|^architectures|^transformers|gradient|^problem"
    r"|beam|_penalty|no_repeat|max_length|min_length|^memory_len|^clamp_len|^reuse_len|causal|^n_langs"
)


def main(wheel: Path, archive: Path) -> None:
    """Write the table.

    Args:
        wheel: of PaddleNLP.
        archive: the source distribution of transformers.
    """
    found: dict[str, Entry] = {}
    for entry in (*_of_litgpt(), *_of_paddlenlp(wheel), *_of_transformers(archive)):
        found.setdefault(entry["id"], entry)
    entries = sorted(found.values(), key=lambda entry: entry["id"].lower())
    lines = ",\n".join(json.dumps(entry, sort_keys=True) for entry in entries)
    TABLE.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def _of_litgpt() -> Iterator[Entry]:
    """The checkpoints that LitGPT implements."""
    package = installed("litgpt", extra="zoos")
    for config in configurations(package.directory):
        published = config["hf_config"]
        name = published["name"]
        fields = {**_DEFAULTS_OF_LITGPT, **config}
        fields.setdefault("padded_vocab_size", fields["vocab_size"])
        made = {theirs: fields[ours] for ours, theirs in _OF_LITGPT.items() if fields.get(ours)}
        made["model_type"] = model_type(config["name"])
        _as_transformers_says(made, fields)
        yield {
            "id": f"{published['org']}/{name}",
            "source": f"litgpt {package.version}, litgpt/config.py",
            "config": made,
        }


def _as_transformers_says(made: Entry, fields: Mapping[str, Any]) -> None:
    """What is not the same number by another name."""
    match made["model_type"]:
        case "falcon":
            groups = made.pop("num_key_value_heads", None)
            made["new_decoder_architecture"] = groups not in (None, 1)
            made["num_kv_heads"] = groups or made["num_attention_heads"]
        case "gpt_neox":
            made["rotary_pct"] = fields.get("rotary_percentage", 0.25)
            made.setdefault("intermediate_size", 4 * made["hidden_size"])
        case "stablelm" | "phi" | "phi3":
            made["partial_rotary_factor"] = fields.get("rotary_percentage", 0.25)
        case "qwen3_moe":
            made["num_experts"] = made.pop("num_local_experts")
    if made["model_type"] == "stablelm":
        made["use_parallel_residual"] = fields["parallel_residual"]
    if made["model_type"].startswith(("gemma2", "gemma3")) and (window := fields.get("sliding_window_size")):
        made["sliding_window"] = window


def _of_paddlenlp(wheel: Path) -> Iterator[Entry]:
    """The tables `…_INIT_CONFIGURATION = {checkpoint: {field: value}}` in its modules."""
    with zipfile.ZipFile(wheel) as files:
        for module, kind in _OF_PADDLENLP.items():
            path = f"paddlenlp/transformers/{module}/configuration.py"
            for checkpoint, fields in _literal(files.read(path).decode(), r"_INIT_CONFIGURATION$").items():
                if "__internal_testing__" in checkpoint or "init_class" in fields:
                    continue
                renamed = _RENAMED.get(kind, {})
                kept = {
                    renamed.get(name, name): value for name, value in fields.items() if not _NO_STRUCTURE.search(name)
                }
                yield {
                    "id": checkpoint,
                    "source": f"paddlenlp {wheel.name.split('-')[1]}, {path}",
                    "config": {**kept, "model_type": kind},
                }


def _of_transformers(archive: Path) -> Iterator[Entry]:
    """The configurations that its conversion scripts make, by the names of checkpoints that they know."""
    with tarfile.open(archive) as files:
        for member in sorted(files.getmembers(), key=lambda member: member.name):
            path = member.name.partition("/src/")[2]
            if re.fullmatch(r"transformers/models/\w+/convert_\w+\.py", path) and (file := files.extractfile(member)):
                release = archive.name.removeprefix("transformers-").removesuffix(".tar.gz")
                for name, config in _run_script(file.read().decode()):
                    yield {"id": name, "source": f"transformers {release}, {path}", "config": config}


def _run_script(text: str) -> Iterator[tuple[str, Entry]]:
    """(checkpoint, configuration) of a script, without running the script itself."""
    script = ast.parse(text)
    makers = [
        node
        for node in script.body
        if isinstance(node, ast.FunctionDef)
        and re.fullmatch(r"get_\w*config", node.name)
        and len(node.args.args) - len(node.args.defaults) == 1
    ]
    if len(makers) != 1:
        return
    for name in dict.fromkeys(_checkpoints(script)):
        namespace = _namespace(script)
        functions = [node for node in script.body if isinstance(node, ast.FunctionDef) and not node.decorator_list]
        code = ast.Module(list(functions), [])
        try:
            exec(compile(code, "<script>", "exec"), namespace)  # noqa: S102  # of transformers itself
            made = namespace[makers[0].name](name)
            parts = made if isinstance(made, tuple) else (made,)
            config = _structure(next(part for part in parts if hasattr(part, "to_diff_dict")).to_diff_dict())
            short = name.rpartition("/")[2].removesuffix(".pth").removesuffix(".pt")
            yield short if len(short) > 3 else f"{config['model_type']}-{short}", config  # b0
        except Exception as error:  # a script of an older release may want what this one has not
            print(f"{name}: {type(error).__name__}: {str(error)[:100]}", file=sys.stderr)  # noqa: T201


def _checkpoints(script: ast.Module) -> Iterator[str]:
    """The names of checkpoints that a script knows: choices of its argument, and keys of its tables of files."""
    for node in ast.walk(script):
        names: list[Any] = []
        if isinstance(node, ast.keyword) and node.arg == "choices" and isinstance(node.value, ast.List):
            names = list(node.value.elts)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            names = node.value.keys if _TABLE_OF_FILES.search(ast.unparse(node.targets[0])) else []
        yield from (name.value for name in names if isinstance(name, ast.Constant) and isinstance(name.value, str))


def _namespace(script: ast.Module) -> dict[str, Any]:
    """What a script's functions may name: transformers' classes, a few of Python's modules, and its constants."""
    # Importing transformers would load TensorFlow, and a script may ask the Hub for parts.
    os.environ.update(USE_TF="0", USE_FLAX="0", HF_HUB_OFFLINE="1")
    import transformers

    class _Anything(dict):  # type: ignore[type-arg]
        """Stands for the labels of a data set, which are files of the Hub."""

        def __missing__(self, key: str) -> str:
            return ""

    namespace: dict[str, Any] = {
        "json": type("json", (), {"load": staticmethod(lambda _: _Anything()), "loads": staticmethod(lambda _: {})}),
        "re": re,
        "open": lambda *_: io.StringIO("{}"),
        "hf_hub_download": lambda *_, **__: "",
        "cached_download": lambda *_, **__: "",
        "hf_hub_url": lambda *_, **__: "",
        "Path": lambda *_: io.StringIO("{}"),
    }
    for node in script.body:
        if isinstance(node, ast.ImportFrom):
            for name in node.names:
                if found := getattr(transformers, name.name, None):
                    namespace[name.asname or name.name] = found
        elif isinstance(node, ast.Assign):
            try:
                namespace[ast.unparse(node.targets[0])] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return namespace


def _structure(fields: Mapping[str, Any]) -> Entry:
    """The fields, also of nested configurations, that shape a network."""
    kept = {
        name: _structure(value) if isinstance(value, dict) else value
        for name, value in fields.items()
        if name == "model_type" or not _NO_STRUCTURE.search(name)
    }
    return {name: value for name, value in kept.items() if value != {} and value is not None}


def _literal(text: str, pattern: str) -> dict[str, Any]:
    """The literal that is assigned to a name of this pattern; none where it is computed."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and re.search(pattern, ast.unparse(node.targets[0])):
            try:
                value = ast.literal_eval(node.value)
            except ValueError:
                continue
            if isinstance(value, dict):
                return value
    return {}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

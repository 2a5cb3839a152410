"""The export key: models with one key are sure to give the same graph, and are converted once.

Most of a hub is fine-tunes, which differ in their weights and in fields of the configuration that no operator depends
on. The key is a hash of the library, the configuration without those fields, the task where the configuration names
no class to build, and the part of the model where one is wanted. The rule is a list of what is left out, so that a
field nobody thought of keeps two models apart: that costs a conversion and merges nothing wrongly. Sizes stay, the
vocabulary's and the number of labels among them: they are shapes of parameters. tests/builders/test_export_key.py
proves the list by export.

What decides beside the model (exporter and its versions, opset, dtype) is no part of the key: the ledger keeps a
result for each opset, with what made it; models are exported in float32 whatever their weights were saved in.
A model without a configuration has a key of its own.
"""

from __future__ import annotations

import json
from contextlib import suppress
from hashlib import blake2b
from typing import Any, Final

from builders.model_ref import ModelRef

# Fields that no operator depends on, at any depth of a configuration.
_TRANSFORMERS: Final = frozenset(
    # where it comes from
    "_name_or_path name_or_path _commit_hash transformers_version "
    # what the weights were saved in
    "torch_dtype dtype "
    # training: an export is in eval mode
    "problem_type finetuning_task task_specific_params gradient_checkpointing initializer_range initializer_factor "
    "dropout hidden_dropout hidden_dropout_prob attention_dropout attention_probs_dropout_prob activation_dropout "
    "classifier_dropout classifier_dropout_prob resid_pdrop embd_pdrop attn_pdrop summary_first_dropout dropout_rate "
    "layerdrop encoder_layerdrop decoder_layerdrop drop_path_rate "
    # generation: an export is one forward pass. Not max_length, prefix or temperature, by which some types mean more.
    "use_cache do_sample early_stopping num_beam_groups diversity_penalty top_k top_p typical_p repetition_penalty "
    "length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size num_return_sequences bad_words_ids "
    "begin_suppress_tokens suppress_tokens forced_bos_token_id forced_eos_token_id".split()
)
_DIFFUSERS: Final = frozenset("_name_or_path _diffusers_version".split())
# Of the preprocessing that timm keeps beside an architecture only the size of the input reaches the graph.
_TIMM: Final = frozenset(
    "tag custom_load label_names label_descriptions mean std interpolation crop_pct crop_mode test_crop_pct license "
    "url file hf_hub_id hf_hub_filename source paper_ids paper_name notes origin_url description".split()
)

IRRELEVANT: Final[dict[str, frozenset[str]]] = {
    "transformers": _TRANSFORMERS,
    "sentence-transformers": _TRANSFORMERS,
    "diffusers": _DIFFUSERS,
    "timm": _TIMM,
}
"""By library: the fields that two models with one key may differ in."""


def export_key(model: ModelRef) -> str:
    """The key of a model, 128 bits in hex."""
    decisive = _decisive(model)
    if decisive is None:
        named = (model.source, model.id, model.revision, model.component, model.location, model.stamp, model.gated)
        decisive = json.dumps(named)
    return blake2b(decisive.encode(), digest_size=16).hexdigest()


def _decisive(model: ModelRef) -> str | None:
    """What decides the graph, as JSON; None where there is no configuration, or none that is known to decide it."""
    if not model.config or model.library not in IRRELEVANT:
        return None
    with suppress(ValueError, RecursionError):
        config = json.loads(model.config)
        if isinstance(config, dict):
            named = config.get("architectures") or config.get("_class_name") or config.get("architecture")
            task = "" if named else model.task
            decisive = [model.library, task, _relevant(config, IRRELEVANT[model.library])]
            return json.dumps([*decisive, model.part] if model.part else decisive, sort_keys=True)
    return None


def _relevant(value: Any, irrelevant: frozenset[str]) -> Any:
    """A configuration without the fields that are irrelevant, and of its labels only their number."""
    if isinstance(value, list):
        return [_relevant(item, irrelevant) for item in value]
    if not isinstance(value, dict):
        return value
    reduced = {name: _relevant(item, irrelevant) for name, item in value.items() if name not in irrelevant}
    for labels in ("id2label", "label2id"):
        if isinstance(names := reduced.pop(labels, None), dict):
            reduced["num_labels"] = len(names)
    return reduced

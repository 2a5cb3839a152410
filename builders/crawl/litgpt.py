"""LitGPT's models: the table of configurations in `litgpt/config.py`, each that of a published checkpoint.

That file makes the table with loops, so it is run; it needs no PyTorch, unlike the package that it is in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Final

from builders.crawl.installed import installed
from builders.crawl.source import registry
from builders.model_ref import ModelRef

# transformers' model type by how a checkpoint's name begins, the first that matches; what is not listed is a llama.
_MODEL_TYPES: Final = (
    (r"stablelm-(base|tuned)-alpha|stablecode|pythia", "gpt_neox"),
    (r"stablelm|stable-code", "stablelm"),
    (r"falcon-", "falcon"),
    (r"OLMo-2", "olmo2"),
    (r"OLMo", "olmo"),
    (r"Gemma-3", "gemma3_text"),
    (r"Gemma-2-", "gemma2"),
    (r"Gemma|CodeGemma", "gemma"),
    (r"phi-1|phi-2", "phi"),
    (r"phi-|Phi-", "phi3"),
    (r"Mixtral", "mixtral"),
    (r"Mistral|Mathstral", "mistral"),
    (r"Qwen3-.*-A", "qwen3_moe"),
    (r"Qwen3", "qwen3"),
    (r"Qwen2|QwQ", "qwen2"),
    (r"", "llama"),
)


def models() -> Iterator[ModelRef]:
    """Every configuration, sorted by name; its family is transformers' model type of the same network.

    Raises:
        MissingExtraError: LitGPT is not installed.
    """
    litgpt = installed("litgpt", extra="zoos")
    for name in sorted(config["name"] for config in configurations(litgpt.directory)):
        yield ModelRef(
            source="litgpt",
            id=name,
            revision=litgpt.version,
            library="litgpt",
            task="text-generation",
            family=model_type(name),
            origin="published-configuration",
        )


SOURCE = registry(models, license="apache-2.0")


def model_type(name: str) -> str:
    """What transformers calls the network of the checkpoint that LitGPT calls by this name."""
    return next(kind for pattern, kind in _MODEL_TYPES if re.match(pattern, name))


def configurations(package: Path) -> list[dict[str, Any]]:
    """The table, from the directory of the package: the arguments of `litgpt.Config` of every checkpoint."""
    spec = spec_from_file_location("litgpt.config", package / "config.py")
    assert spec is not None  # noqa: S101
    assert spec.loader is not None  # noqa: S101
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    configs: list[dict[str, Any]] = module.configs
    return configs

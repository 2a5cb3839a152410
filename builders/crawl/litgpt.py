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

# Of a name the word that says what it is a size or a fine-tune of, if it has one; else its first: Llama-3.1-8B.
_KNOWN: Final = re.compile(r"llama|gemma|mistral|mixtral|olmo|phi|pythia|qwen|stablelm", re.IGNORECASE)
_FIRST: Final = re.compile(r"[A-Za-z]+")


def models() -> Iterator[ModelRef]:
    """Every configuration, sorted by name; its family is a word of its name.

    Raises:
        MissingExtraError: LitGPT is not installed.
    """
    litgpt = installed("litgpt", extra="zoos")
    for name in sorted(config["name"] for config in configurations(litgpt.directory)):
        found = _KNOWN.search(name) or _FIRST.match(name)
        yield ModelRef(
            source="litgpt",
            id=name,
            revision=litgpt.version,
            library="litgpt",
            task="text-generation",
            family=found[0].lower() if found else "",
            origin="published-configuration",
        )


SOURCE = registry(models)


def configurations(package: Path) -> list[dict[str, Any]]:
    """The table, from the directory of the package: the arguments of `litgpt.Config` of every checkpoint."""
    spec = spec_from_file_location("litgpt.config", package / "config.py")
    assert spec is not None  # noqa: S101
    assert spec.loader is not None  # noqa: S101
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    configs: list[dict[str, Any]] = module.configs
    return configs

"""torchaudio's models, read from its source text: what its package exports and can be built without arguments.

Those are the functions that return a model of a published size (`hubert_base`), and the classes whose arguments all
have defaults (`Tacotron2`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from builders.crawl.installed import installed
from builders.crawl.source import registry
from builders.model_ref import ModelRef

_SIZE: Final = re.compile(r"_(base|large|xlarge|low|medium|high|pretrain|lv60k|xlsr|300m|1b|2b|objective|subjective).*")

# What is computed of a waveform, in the Hub's words where it has any, by the family.
_TASKS: Final = {
    "convtasnet": "audio-to-audio",
    "hdemucs": "audio-to-audio",
    "squim": "audio-classification",
    "tacotron2": "text-to-speech",
    "wav2letter": "automatic-speech-recognition",
}
# Two classes that a function of the package builds too, and what is trained with labels and masks drawn at random.
_LEFT_OUT: Final = re.compile(r"ConvTasNet|HDemucs|hubert_pretrain\w*")


def models() -> Iterator[ModelRef]:
    """Every such model, sorted by name; its family is its name without a size.

    Raises:
        MissingExtraError: torchaudio is not installed.
    """
    torchaudio = installed("torchaudio", extra="zoos")
    for name in sorted(_buildable(torchaudio.directory / "models")):
        family = _SIZE.sub("", name.lower()).replace("_", "")
        yield ModelRef(
            source="torchaudio",
            id=name,
            revision=torchaudio.version,
            library="torchaudio",
            task=_TASKS.get(family, "feature-extraction"),
            family=family,
            origin="registry",
        )


SOURCE = registry(models, license="bsd-2-clause")


def _buildable(package: Path) -> Iterator[str]:
    """Exported names that need no argument."""
    exported = {
        name.name
        for line in ast.parse((package / "__init__.py").read_text(encoding="utf-8")).body
        if isinstance(line, ast.ImportFrom)
        for name in line.names
    }
    for module in sorted(package.rglob("*.py")):
        for node in ast.parse(module.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name not in exported:
                continue
            if _LEFT_OUT.fullmatch(node.name):
                continue
            own = 0
            found: ast.FunctionDef | None = node if isinstance(node, ast.FunctionDef) else None
            if isinstance(node, ast.ClassDef):
                inits = (part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__")
                found, own = next(inits, None), 1  # self
            if found and len(found.args.args) - len(found.args.defaults) == own and None not in found.args.kw_defaults:
                yield node.name

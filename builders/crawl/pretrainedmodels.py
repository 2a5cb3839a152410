"""The models of the package pretrainedmodels, read from its source text.

Its modules each have a table `pretrained_settings = {"xception": {"imagenet": …}}`, whose keys are the names.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from builders.crawl.installed import installed
from builders.crawl.source import registry
from builders.model_ref import ModelRef

# Its own copies of torchvision's models are torchvision's graphs; its other two modules have no table in use.
_LEFT_OUT = {"torchvision_models", "vggm", "wideresnet", "utils"}


def models() -> Iterator[ModelRef]:
    """Every model that is not torchvision's, sorted by name; its family is the module that defines it.

    Raises:
        MissingExtraError: pretrainedmodels is not installed.
    """
    package = installed("pretrainedmodels", extra="zoos")
    found = {
        name: module.stem
        for module in (package.directory / "models").glob("*.py")
        if module.stem not in _LEFT_OUT
        for name in _names(ast.parse(module.read_text(encoding="utf-8")))
    }
    for name, module in sorted(found.items()):
        yield ModelRef(
            source="pretrainedmodels",
            id=name,
            revision=package.version,
            library="pretrainedmodels",
            task="image-classification",
            family=module.removesuffix("_mobile"),
            origin="registry",
        )


SOURCE = registry(models, license="bsd-3-clause")


def _names(module: ast.Module) -> Iterator[str]:
    for line in module.body:
        if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "pretrained_settings":
            assert isinstance(line.value, ast.Dict)  # noqa: S101
            yield from (ast.literal_eval(key) for key in line.value.keys if key)

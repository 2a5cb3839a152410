"""diffusers' model classes, read from its source text: those that can be built from their default configuration.

Importing diffusers costs seconds, and the list is all that is wanted here. A model is a public class with a
`forward`, whose constructor registers its arguments as the configuration and has defaults for all of them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from builders.crawl.installed import installed
from builders.crawl.source import registry
from builders.model_ref import ModelRef


def models() -> Iterator[ModelRef]:
    """Every such class, sorted by name; its family is its name.

    Raises:
        MissingExtraError: diffusers is not installed.
    """
    diffusers = installed("diffusers", extra="diffusers")
    for name in _buildable(diffusers.directory / "models"):
        yield ModelRef(
            source="diffusers",
            id=name,
            revision=diffusers.version,
            library="diffusers",
            family=name,
            origin="default-configuration",
        )


SOURCE = registry(models, license="apache-2.0")


def _buildable(package: Path) -> Iterator[str]:
    """Names of the classes that the package exports and that need no configuration."""
    classes = {}
    for module, names in _exports(package / "__init__.py"):
        source = (package / module).read_text(encoding="utf-8")
        for node in ast.parse(source).body:
            if isinstance(node, ast.ClassDef) and node.name in names:
                classes[node.name] = node
    for name in sorted(classes):
        init = _method(classes, name, "__init__")
        if init and _method(classes, name, "forward") and _needs_no_configuration(init):
            yield name


def _exports(init: Path) -> Iterator[tuple[str, list[str]]]:
    """(file, names) of every `_import_structure["unets.unet_2d"] = ["UNet2DModel"]`: diffusers imports lazily."""
    for node in ast.walk(ast.parse(init.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Assign):
            continue
        target = node.targets[0]
        if isinstance(target, ast.Subscript) and ast.unparse(target.value) == "_import_structure":
            yield ast.literal_eval(target.slice).replace(".", "/") + ".py", ast.literal_eval(node.value)


def _method(classes: dict[str, ast.ClassDef], name: str, method: str) -> ast.FunctionDef | None:
    """The method of a class or of the first of its bases that has it."""
    if name not in classes:
        return None
    own = (node for node in classes[name].body if isinstance(node, ast.FunctionDef) and node.name == method)
    inherited = (_method(classes, ast.unparse(base), method) for base in classes[name].bases)
    return next(own, None) or next(filter(None, inherited), None)


def _needs_no_configuration(init: ast.FunctionDef) -> bool:
    registered = "register_to_config" in map(ast.unparse, init.decorator_list)
    without_default = len(init.args.args) - len(init.args.defaults) - 1  # self
    return registered and without_default == 0 and None not in init.args.kw_defaults

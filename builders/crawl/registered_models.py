"""Model registries kept by a decorator: the functions under `@register_model`, read from a package's source text."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path


def registered_models(package: Path) -> Iterator[tuple[str, Path]]:
    """(name, module file) of every function below `package` that `@register_model` decorates.

    The name is the decorator's argument, `@register_model(name=…)`, or else the function's own.
    """
    for module in sorted(package.rglob("*.py")):
        source = module.read_text(encoding="utf-8")
        if "@register_model" not in source:
            continue
        for function in ast.parse(source).body:
            if not isinstance(function, ast.FunctionDef):
                continue
            for decorator in function.decorator_list:
                call = decorator if isinstance(decorator, ast.Call) else ast.Call(decorator, [], [])
                if ast.unparse(call.func).endswith("register_model"):
                    names = [ast.literal_eval(word.value) for word in call.keywords if word.arg == "name"]
                    names += [ast.literal_eval(value) for value in call.args]
                    yield (names or [function.name])[0], module

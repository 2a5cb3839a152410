"""Every module imports what the package, or the extra that the module is part of, declares; and no more is declared."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PACKAGES = ("younger_hf", "builders")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}

# The extras of a user; the others are what the repository is worked on with.
PROMISED = EXTRAS.keys() - {"dev", "docs"}

# The extra that a part of the package belongs to, the longest prefix first; what is not listed works without any.
PARTS = {
    "younger_hf.compiled": "inspect",
    "younger_hf.costs": "inspect",
    "younger_hf.extract": "inspect",
    "younger_hf.identity": "inspect",
    "younger_hf.communities": "inspect",
    "younger_hf.recognise": "inspect",
    "younger_hf.interop.onnx": "inspect",
    "younger_hf.interop.text_form": "inspect",
    "younger_hf.interop.drawing": "inspect",
    "younger_hf.interop.named_nodes": "inspect",
    "younger_hf.interop.inputs": "inspect",
    "younger_hf.interop.parameters": "inspect",
    "younger_hf.interop.networkx": "networkx",
    "younger_hf.interop.pyg": "pyg",
    "younger_hf.interop.architecture": "pyg",
    "younger_hf.interop.younger_dataset": "pyg",
    "younger_hf.explore": "explore",
    "younger_hf.plots": "plots",
    "younger_hf.plots.preview": "",
    "younger_hf.plots.folding": "inspect",
    "younger_hf.plots.layered": "inspect",
    "younger_hf.plots.module_frames": "",
    "younger_hf.tasks.evaluator": "evaluate",
    "younger_hf.tasks.intervals": "evaluate",
    "younger_hf.tasks.leaderboard": "evaluate",
    "younger_hf.tasks.generation": "generate",
    **dict.fromkeys((f"younger_hf.tasks.generation.{name}" for name in ("slotted", "task")), ""),
    "younger_hf.recipes": "train",
    **dict.fromkeys(
        (
            f"younger_hf.recipes.{name}"
            for name in ("beginnings", "generate", "generated_files", "generators", "rules.generation", "wish")
        ),
        "generate",
    ),
    **dict.fromkeys(
        (f"younger_hf.recipes.{name}" for name in ("config", "recipe", "dataflow", "operator", "generation", "run")), ""
    ),
    "builders": "build",
    "builders.convert.torch": "torchvision",
    "builders.convert.pytorch_hub": "torchvision",
    "builders.convert.torchvision": "torchvision",
    "builders.executor.ray": "ray",
    "builders.convert.timm": "timm",
    "builders.convert.optimum": "transformers",
    "builders.convert.transformers": "transformers",
    "builders.convert.transformers_inputs": "transformers",
    "builders.convert.transformers_models": "transformers",
    "builders.convert.transformers_parts": "transformers",
    "builders.convert.diffusers": "diffusers",
    "builders.convert.diffusers_inputs": "diffusers",
    **dict.fromkeys(
        (
            f"builders.convert.{name}"
            for name in (
                *("litgpt", "monai", "open_clip", "pretrainedmodels", "pytorchcv", "segmentation_models_pytorch"),
                "torchaudio",
            )
        ),
        "zoos",
    ),
    "builders.convert.keras_models": "keras",
    "builders.convert.saved_model": "keras",
    "builders.convert.through_tf2onnx": "keras",
    "builders.crawl.kaggle_client": "kaggle",
}

INSTALLED = packages_distributions()

# Declared and imported nowhere by name: what needs it is not our code.
BEHIND = {
    "explore": {"python-multipart"},  # Starlette reads forms by it
    "diffusers": {"transformers"},  # diffusers' pipelines have its text encoders
    # Some of MONAI's networks import einops; the others are not imported, what they carry is read.
    "zoos": {"einops", "magika", "rapidocr", "silero-vad", "swift-f0"},
}


def normal(name: str) -> str:
    """A distribution's name as PEP 503 compares it, without version and markers."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", name, maxsplit=1)[0]).lower()


@cache
def declared(extra: str) -> frozenset[str]:
    """The distributions that an extra, with what it includes, and the package itself declare."""
    found = {normal(name) for name in PROJECT["dependencies"]}
    for requirement in EXTRAS[extra] if extra else ():
        if of_ours := re.match(r"younger-hf\[([\w,]+)\]", requirement):
            found = found.union(*map(declared, of_ours[1].split(",")))
        else:
            found.add(normal(requirement))
    return frozenset(found)


def extra_of(module: str) -> str:
    """The extra of the innermost part that holds a module."""
    while module and module not in PARTS:
        module = module.rpartition(".")[0]
    return PARTS.get(module, "")


@cache
def imports(module: str) -> tuple[frozenset[str], frozenset[str]]:
    """What a module imports when it is imported, and what later or only for its types; modules by full name."""
    now: set[str] = set()
    later: set[str] = set()

    def visit(node: ast.AST, deferred: bool) -> None:
        if isinstance(node, ast.Import):
            (later if deferred else now).update(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module, "imports are absolute here"
            (later if deferred else now).update(
                full if (full := f"{node.module}.{name.name}") in MODULES else node.module for name in node.names
            )
        deferred = deferred or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        deferred = deferred or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
        for child in ast.iter_child_nodes(node):
            visit(child, deferred)

    visit(ast.parse(MODULES[module].read_text()), False)
    return frozenset(now), frozenset(later)


def reached(module: str) -> Iterator[tuple[str, str]]:
    """Each other package that comes with importing a module, and the module of ours that imports it."""
    waiting, seen = [module], set()
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        parents = [current.rsplit(".", depth)[0] for depth in range(1, current.count(".") + 1)]
        for name in [*parents, *imports(current)[0]]:
            if name in MODULES:
                waiting.append(name)
            elif (package := name.partition(".")[0]) not in sys.stdlib_module_names:
                yield package, current


def distributions(package: str) -> set[str]:
    """The distributions that may be meant by an imported name; itself, where none that is installed has it."""
    return {normal(name) for name in INSTALLED.get(package, [package])}


@pytest.mark.parametrize("module", MODULES)
def test_importing_a_module_needs_no_more_than_its_extra(module: str) -> None:
    missing = {
        f"{package} (in {importer})"
        for package, importer in reached(module)
        if not distributions(package) & declared(extra_of(module))
    }
    assert not missing, f"not in {extra_of(module) or 'the dependencies'}: {', '.join(sorted(missing))}"


def test_what_is_imported_later_is_declared_somewhere() -> None:
    anywhere = frozenset().union(*map(declared, PROMISED))
    later = {
        package
        for module in MODULES
        for name in imports(module)[1]
        if (package := name.partition(".")[0]) not in {*PACKAGES, *sys.stdlib_module_names}
    }
    assert {package for package in later if not distributions(package) & anywhere} == set()


def test_whatever_is_declared_is_imported() -> None:
    imported = {
        distribution
        for module in MODULES
        for name in frozenset().union(*imports(module))
        for distribution in distributions(name.partition(".")[0])
    }
    for extra in ["", *(PROMISED)]:
        own = PROJECT["dependencies"] if not extra else EXTRAS[extra]
        names = {normal(name) for name in own if not name.startswith("younger-hf[")}
        assert names - imported <= BEHIND.get(extra, set()), extra


def test_every_part_is_there() -> None:
    assert PARTS.keys() <= MODULES.keys()


def test_the_extras_include_all_that_is_developed() -> None:
    public = frozenset().union(*map(declared, PROMISED))
    assert public <= declared("dev")

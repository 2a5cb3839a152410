"""The table of converters: each names modules that are there, and a framework that is not is said before any child."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path

import pytest

from builders.convert import CONVERTERS, Conversion, Outcome
from builders.convert.converters import exporters_for, refusal
from builders.convert.memory import expected_memory
from builders.model_ref import ModelRef

EXPORTERS = {exporter.module: exporter for name in CONVERTERS.names for exporter in CONVERTERS.find(name).exporters}
LIMIT = 8 << 30


@pytest.mark.parametrize("module", EXPORTERS)
def test_an_exporter_is_a_module_with_what_it_says_it_has(module):
    # Read and not imported: one of them would tell TensorFlow what to do, another PyTorch.
    (directory,) = find_spec("builders").submodule_search_locations
    tree = ast.parse(Path(directory, *module.split(".")[1:]).with_suffix(".py").read_text())
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert "export" in functions
    assert ("fetch" in functions) == EXPORTERS[module].network


@pytest.mark.parametrize("name", list(CONVERTERS.built_in))
def test_a_converter_names_the_extra_that_installs_its_framework(name):
    converter = CONVERTERS.find(name)
    assert bool(converter.framework) == bool(converter.extra)
    assert not converter.framework or find_spec(converter.framework)


def test_a_source_may_have_its_own_converter_whatever_the_library():
    zoo = ModelRef("onnx-package", "resnet50", library="onnx")
    assert [exporter.module for exporter in exporters_for(zoo)] == ["builders.convert.onnx_package"]
    contributed = ModelRef("contributions", "ada/net", library="transformers")
    assert [exporter.module for exporter in exporters_for(contributed)] == ["builders.convert.submitted"]


def test_of_a_source_that_is_gone_the_library_decides():
    model = ModelRef("uninstalled", "net", library="timm")
    assert exporters_for(model) == CONVERTERS.find("timm").exporters


def test_without_the_framework_the_extra_is_named_and_nothing_is_tried(monkeypatch):
    model = ModelRef("timm", "resnet18", library="timm", origin="registry")
    assert refusal(model) is None
    monkeypatch.setattr("builders.convert.converters.find_spec", lambda name: None)
    message = "this needs the package timm: pip install 'younger-hf[timm]'"
    assert refusal(model) == Conversion(Outcome.ERROR, message)


@pytest.mark.parametrize(
    ("config", "least", "most"),
    [
        ('{"hidden_size": 768, "num_hidden_layers": 12, "vocab_size": 30522}', 1.5, 3.5),  # 110 million parameters
        ('{"hidden_size": 8192, "num_hidden_layers": 80, "intermediate_size": 28672}', 8, 8),
        ('{"hidden_size": "768", "num_hidden_layers": -1}', 8, 8),
        ("[" * 100_000, 8, 8),
        ("", 8, 8),
    ],
    ids=["base", "70 billion", "nonsense", "nested", "none"],
)
def test_memory_is_expected_by_the_size_of_a_configuration_and_at_most_the_limit(config, least, most):
    model = ModelRef("huggingface", "org/net", library="transformers", config=config)
    assert least * 2**30 <= expected_memory(model, LIMIT) <= most * 2**30


def test_memory_is_expected_by_the_size_of_a_file():
    small, large = (ModelRef("kaggle", "a/b/c/d", library="keras", size=size) for size in (10 << 20, 10 << 30))
    assert expected_memory(small, LIMIT) < 2 << 30
    assert expected_memory(large, LIMIT) == LIMIT

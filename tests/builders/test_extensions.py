"""A source and a converter of a package that is installed beside younger-hf: found by name, here and in the child."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from builders.convert import CONVERTERS
from builders.crawl import SOURCES, Source, list_models
from younger_hf.errors import UsageError
from younger_hf.extensions import ExtensionError

# What somebody writes: one module, and the entry points that name what is in it.
MODULE = """
from builders.convert import Converter, Export, Exporter
from builders.crawl import registry
from builders.model_ref import ModelRef


def models():
    for name in ("resnet50", "shufflenet"):
        yield ModelRef("atlas", name, revision="1.0", library="atlas", family="resnet", origin="registry")


SOURCE = registry(models)
CONVERTER = Converter((Exporter("atlas", "younger_atlas", ("younger-atlas", "onnx")),))


def export(request):
    from builders.convert.onnx_package import with_parameters, zoo_files
    from younger_hf.extract import read_structure

    return Export(with_parameters(read_structure(zoo_files()[request.model.id])), "atlas")
"""
ENTRY_POINTS = """
[younger_hf.sources]
atlas = younger_atlas:SOURCE
broken = younger_atlas:NOTHING
wrong = younger_atlas:models
timm = younger_atlas:SOURCE

[younger_hf.converters]
atlas = younger_atlas:CONVERTER
"""


def install(directory: Path, name: str, entry_points: str = ENTRY_POINTS) -> None:
    """As pip leaves a package behind."""
    information = directory / f"{name}-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(entry_points)
    (directory / f"{name}.py").write_text(MODULE)


@pytest.fixture
def site(tmp_path, monkeypatch):
    install(tmp_path / "site", "younger_atlas")
    monkeypatch.syspath_prepend(tmp_path / "site")
    yield tmp_path / "site"
    sys.modules.pop("younger_atlas", None)


def test_a_model_of_another_package_becomes_a_row_of_a_release(site, tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "younger_hf", "build", "--source", "atlas:resnet50"),
            *("--work", "work", "--output", "younger"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(site), *filter(None, sys.path)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    from younger_hf import load

    (row,) = load("graphs", source=tmp_path / "younger", split="train")
    assert (row["name"], row["source"], row["library"], row["exporter"]) == ("resnet50", "atlas", "atlas", "atlas")
    assert row["num_parameters"] == 25_610_152


def test_its_names_stand_beside_those_that_are_built_in(site):
    assert {"atlas", "torchvision", "contributions"} <= set(SOURCES.names)
    assert [model.id for model in list_models("atlas:shufflenet")] == ["shufflenet"]
    assert CONVERTERS.find("atlas").exporters[0].versions()["younger-atlas"] == "1.0"


def test_what_is_built_in_keeps_its_name(site):
    assert SOURCES.names.count("timm") == 1
    assert len(list(list_models("timm"))) > 1000


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("broken", "the source broken cannot be imported from younger_atlas:NOTHING"),
        ("wrong", "the source wrong is a function in younger_atlas:models, and has to be a Source"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_sentence(site, name, says):
    with pytest.raises(ExtensionError, match=says):
        list(list_models(name))


def test_two_packages_cannot_have_one_name(site, tmp_path, monkeypatch):
    install(tmp_path / "other", "younger_other", "[younger_hf.sources]\natlas = younger_other:SOURCE\n")
    monkeypatch.syspath_prepend(tmp_path / "other")
    with pytest.raises(ExtensionError, match="atlas is added by several packages"):
        SOURCES.get("atlas")


def test_a_name_that_is_not_there_is_answered_with_those_that_are_near(site):
    assert SOURCES.get("atlast") is None
    with pytest.raises(UsageError, match=r"no source 'atlast': did you mean atlas\?"):
        SOURCES.find("atlast")


@pytest.mark.parametrize("name", list(SOURCES.built_in))
def test_everything_in_the_table_of_sources_is_one(name):
    assert isinstance(SOURCES.find(name), Source)


def test_the_tables_import_no_framework_and_no_hub():
    code = (
        "import json, sys; from builders.convert import CONVERTERS; from builders.crawl import SOURCES\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "onnx", "numpy", "huggingface_hub", "kagglesdk", "requests", "builders.crawl.huggingface"}
    assert not heavy & set(json.loads(done.stdout))

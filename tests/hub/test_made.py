"""Real repositories on the tests' Hub: what the crawl makes of them, and that their configurations are real."""

from __future__ import annotations

import json

import pytest
from hub.made import TRANSFORMERS, made
from hub.server import hub
from huggingface_hub import constants

from builders.crawl import ModelRef, list_models


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, ModelRef], list[str]]:
    """The models of a crawl of everything, by id, and what was requested for it."""
    patch = pytest.MonkeyPatch()
    with hub(*made(tmp_path_factory.mktemp("made"))) as served:
        patch.setattr(constants, "ENDPOINT", served.endpoint)
        found = list(list_models("huggingface"))
        patch.undo()
        return {model.id: model for model in found}, [exchange.request for exchange in served.log]


@pytest.mark.parametrize("model_type", TRANSFORMERS)
def test_a_transformers_model_has_its_configuration(crawled, model_type):
    model = crawled[0][f"transformers/tiny-{model_type}"]
    architecture, task, sizes = TRANSFORMERS[model_type]
    config = json.loads(model.config)
    assert (model.library, model.family, model.task, model.license) == ("transformers", model_type, task, "apache-2.0")
    assert (config["model_type"], config["architectures"]) == (model_type, [architecture])
    assert {name: config[name] for name in sizes} == sizes


def test_models_of_other_libraries_are_found(crawled):
    found, _ = crawled
    assert json.loads(found["timm/tiny"].config)["architecture"] == "test_resnet"
    assert {(name, found[name].library, found[name].component) for name in ("keras/tiny", "onnx/external")} == {
        ("keras/tiny", "keras", "tiny.keras"),
        ("onnx/external", "onnx", "model.onnx"),
    }


def test_what_cannot_be_had_is_recorded(crawled):
    found, _ = crawled
    assert [
        (found[f"refused/{name}"].gated, bool(found[f"refused/{name}"].config)) for name in ("gated", "pickled")
    ] == [
        (True, False),
        (False, False),
    ]
    assert "auto_map" in json.loads(found["refused/remote-code"].config)


def test_nothing_but_configurations_is_fetched(crawled):
    files = [request.rpartition("/")[2] for request in crawled[1] if "/resolve/" in request]
    assert files
    assert set(files) == {"config.json"}

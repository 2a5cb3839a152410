"""Real repositories on the tests' Hub: what the crawl makes of them, and that their configurations are real."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hub.made import TRANSFORMERS, made
from hub.server import Hub, hub
from huggingface_hub import constants

from builders.convert import Outcome
from builders.crawl import list_models
from builders.ledger import Ledger
from builders.model_ref import ModelRef

pytestmark = pytest.mark.slow

PROGRAM = """
import sys
from builders.ledger import Ledger
from builders.pipeline import collect

with Ledger(sys.argv[2]) as ledger:
    collect(ledger, [sys.argv[1]])
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with hub(*made(tmp_path_factory.mktemp("made"))) as server:
        yield server


@pytest.fixture(scope="module")
def crawled(served: Hub) -> tuple[dict[str, ModelRef], list[str]]:
    """The models of a crawl of everything, by id, and what was requested for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "ENDPOINT", served.endpoint)
        found = list(list_models("huggingface"))
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


def test_a_crawl_becomes_graphs_and_what_cannot_is_said(crawled, served, tmp_path):
    served.log.clear()
    names = ("onnx/external", "timm/tiny", "refused/gated", "refused/pickled", "refused/remote-code")
    source = f"huggingface:{','.join(names)}"
    # In another process, since huggingface_hub reads where the Hub is when it is imported.
    environment = {**os.environ, "HF_ENDPOINT": served.endpoint, "HF_TOKEN": "hf_ada"}
    subprocess.run([sys.executable, "-c", PROGRAM, source, str(tmp_path)], env=environment, check=True, timeout=300)
    with Ledger(tmp_path) as ledger:
        outcomes = {name: ledger.result(crawled[0][name]) for name in names}
        assert {model.id for graph in ledger.architectures() for model in graph.models} == {
            "onnx/external",
            "timm/tiny",
        }
    assert outcomes == {
        "onnx/external": Outcome.OK,
        "timm/tiny": Outcome.OK,
        "refused/gated": Outcome.GATED,
        "refused/pickled": Outcome.NOT_FOUND,
        "refused/remote-code": Outcome.UNSUPPORTED,
    }
    files = {exchange.request.rpartition("/")[2]: exchange for exchange in served.log if exchange.sent}
    assert not {"model.onnx_data", "model.safetensors", "own.py", "pytorch_model.bin"} & files.keys()
    # The crawl may have a token, a conversion has none.
    assert files["config.json"].authorization == "Bearer hf_ada"
    assert files["model.onnx"].authorization == ""

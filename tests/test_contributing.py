"""A model of the Hub that has to be converted, from its id to a row of the next release, without its weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub.client import client
from hub.listed import repository
from hub.made import TRANSFORMERS
from hub.server import Hub, hub
from support.light import built
from support.releases import every_row

from builders.contribute import contribute
from builders.pipeline import build
from builders.publish import publish
from younger_hf import load, to_onnx

NAME = "org/younger"
MODEL = "dora/tiny-gpt2"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Hub]:
    architecture, task, sizes = TRANSFORMERS["gpt2"]
    config = {"model_type": "gpt2", "architectures": [architecture], **sizes}
    card = {"license": "mit", "library_name": "transformers", "pipeline_tag": task, "tags": ["dora@example.org"]}
    files = {"config.json": config, "model.safetensors": b"the weights"}
    with hub(repository(MODEL, files, card, downloads=10**9)) as server:
        server.users = {"hf_ada": "ada"}
        with client(server, tmp_path / "home", token="hf_ada"):
            yield server


@pytest.mark.slow
def test_a_model_goes_from_its_id_into_the_next_release(served, tmp_path):
    publish(built(tmp_path / "first", ("squeezenet",)), NAME)
    done = contribute(MODEL, NAME)
    assert (done.standing, done.url) == ("new graph", f"{served.endpoint}/datasets/{NAME}/discussions/1")
    assert not served.requests(f"GET *{MODEL}/resolve/*/model.safetensors")
    served.repositories[NAME].merge(1)
    release = tmp_path / "younger"
    build(["onnx-package:squeezenet"], release, tmp_path / "work", previous=NAME)
    publish(release, NAME)
    (row,) = (row for row in every_row(release, "graphs") if row["name"] == MODEL)
    assert (row["fingerprint"], row["exporter"], row["num_parameters"]) == (
        done.contribution.fingerprint,
        "torch",
        done.facts.num_parameters,
    )
    (model,) = row["models"]
    said = {
        name: model[name] for name in ("source", "id", "revision", "origin", "task", "license", "downloads", "tags")
    }
    assert said == {
        "source": "contributions",
        "id": MODEL,
        "revision": served.repositories[MODEL].sha,
        "origin": "contributed",
        "task": "text-generation",
        "license": "mit",
        "downloads": None,
        "tags": [],
    }
    assert (row["family"], row["library"]) == ("gpt2", "transformers")
    # What was contributed runs, as every other row does.
    (skeleton,) = (one for one in load("skeletons", "train", NAME) if one["fingerprint"] == row["fingerprint"])
    assert to_onnx(skeleton, "random").graph.node

"""A release on the Hub of the tests is read by every version of `datasets` and of its client."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hub.repositories import Repository
from hub.server import hub
from support.releases import ONNX_CONFIGS, every_row

KEYS = {
    "graphs-no-attributes": "type_fingerprint",
    "operators": "label",
    "skeletons": "skeleton_fingerprint",
    "conversions": "id",
    "architectures": "normal_fingerprint",
}

# In another process, since huggingface_hub reads where the Hub is when it is imported.
PROGRAM = """
import json, sys
import datasets, younger_hf

def column(splits, name):
    return [row[name] for rows in splits.values() for row in rows]

keys = json.loads(sys.argv[1])
found = {config: {
    "loaded": column(datasets.load_dataset("org/younger", config), key),
    "streamed": column(datasets.load_dataset("org/younger", config, streaming=True), key),
    "tagged": column(younger_hf.load(config, source="org/younger", revision="v1.0"), key),
} for config, key in keys.items()}
found["default"] = datasets.load_dataset_builder("org/younger").config.name
filters = dict(source="org/younger", max_nodes=100, family=["alexnet", "zfnet", "vgg"])
for streaming in (False, True):
    found[f"filtered {streaming}"] = column(younger_hf.load("graphs", streaming=streaming, **filters), "family")
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(release: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    keys = {config: KEYS.get(config, "fingerprint") for config in ONNX_CONFIGS}
    repository = Repository.of_directory("org/younger", release, "datasets")
    repository.tags["v1.0"] = repository.sha
    with hub(repository) as served:
        settings = {
            "HF_ENDPOINT": served.endpoint,
            "HF_HOME": str(tmp_path_factory.mktemp("home")),
            "HF_TOKEN": "",
            "HF_HUB_DISABLE_XET": "1",
        }
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, json.dumps(keys)],
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=300,
        )
    return json.loads(done.stdout)


@pytest.mark.parametrize("config", ONNX_CONFIGS)
@pytest.mark.parametrize("way", ["loaded", "streamed", "tagged"])
def test_every_config_comes_from_the_hub(release: Path, found: dict[str, Any], config: str, way: str) -> None:
    key = KEYS.get(config, "fingerprint")
    assert found[config][way] == [row[key] for row in every_row(release, config)]


def test_the_default_config_needs_no_name(found: dict[str, Any]) -> None:
    assert found["default"] == "graphs"


@pytest.mark.parametrize("streaming", [False, True])
def test_rows_are_filtered_from_the_hub(release: Path, found: dict[str, Any], streaming: bool) -> None:
    wanted = [
        row["family"]
        for row in every_row(release, "graphs")
        if row["num_nodes"] <= 100 and row["family"] in ("alexnet", "zfnet", "vgg")
    ]
    assert found[f"filtered {streaming}"] == wanted != []

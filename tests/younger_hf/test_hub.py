"""A release on the Hub: loaded by repository id from a Hub on this machine."""

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

from younger_hf.statistics import count_release
from younger_hf.statistics_report import to_json

# In another process, since huggingface_hub reads where the Hub is when it is imported.
PROGRAM = """
import json, sys
from younger_hf import Vocabulary, YoungerError, load
from younger_hf.release import open_release
from younger_hf.statistics import count_release
from younger_hf.statistics_report import to_json

def outcome(call):
    try:
        return call()
    except YoungerError as error:
        return f"{type(error).__name__}: {error}"

calls = json.loads(sys.argv[1])
print(json.dumps({
    "vocabulary": Vocabulary.load("org/younger").variants,
    "statistics": to_json(count_release("org/younger")),
    "found": open_release("org/younger").find("graphs", sys.argv[2], ["name", "node_scope"]),
    **{name: outcome(lambda: [row["name"] for row in load(**arguments)]) for name, arguments in calls.items()},
}))
"""

TEST = {"config": "graphs", "split": "test", "source": "org/younger"}
CALLS: dict[str, dict[str, Any]] = {
    "whole": TEST,
    "streamed": {**TEST, "streaming": True},
    "of a revision": {**TEST, "revision": "main"},
    "other repository": {**TEST, "source": "org/youngest"},
    "other revision": {**TEST, "revision": "v9"},
    "other config": {**TEST, "config": "graph"},
    "other split": {**TEST, "split": "tests"},
    "filtered": {**TEST, "split": "train", "family": ["squeezenet", "resnet"], "max_nodes": 300, "revision": "main"},
    "filtered stream": {**TEST, "split": "train", "operators": ["LRN"], "max_nodes": 100, "streaming": True},
    "filtered to nothing": {**TEST, "max_nodes": 3},
    "other family": {**TEST, "family": "shuflenet", "streaming": True},
    "other operator": {**TEST, "all_operators": ["Conv", "softmax"]},
}


@pytest.fixture(scope="module")
def outcomes(release: Path, rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = str(tmp_path_factory.mktemp("home"))
    with hub(Repository.of_directory("org/younger", release, "datasets")) as served:
        settings = {"HF_ENDPOINT": served.endpoint, "HF_HOME": home, "HF_TOKEN": "", "HF_HUB_DISABLE_XET": "1"}
        command = [sys.executable, "-c", PROGRAM, json.dumps(CALLS), rows[-1]["fingerprint"]]
        environment = {**os.environ, **settings}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=300)
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", ["whole", "streamed", "of a revision"])
def test_a_repository_is_loaded_by_its_id(outcomes, name):
    assert outcomes[name] == ["light_shufflenet"]


def test_the_vocabulary_comes_from_the_hub(outcomes, vocabulary):
    assert outcomes["vocabulary"] == list(vocabulary.variants)


def test_what_the_hub_does_not_have_is_said(outcomes):
    nothing = "ReleaseError: neither a directory nor a dataset on the Hub is named org/youngest"
    assert outcomes["other repository"] == nothing
    assert outcomes["other revision"] == "ReleaseError: org/younger has no revision 'v9'"
    assert outcomes["other config"].startswith("UsageError: no config 'graph': did you mean graphs")
    assert outcomes["other split"].startswith("UsageError: no split 'tests': did you mean test")


def test_a_row_is_found_by_its_fingerprint(outcomes, rows):
    row = rows[-1]
    assert outcomes["found"] == [
        {"fingerprint": row["fingerprint"], "name": row["name"], "node_scope": row["node_scope"].tolist()}
    ]


def test_filters_work_from_the_hub(outcomes):
    assert outcomes["filtered"] == ["light_squeezenet"]
    assert outcomes["filtered stream"] == ["light_bvlc_alexnet"]
    assert outcomes["filtered to nothing"] == []
    assert outcomes["other family"] == "UsageError: no family 'shuflenet': did you mean shufflenet or squeezenet?"
    assert outcomes["other operator"].startswith("UsageError: no operator 'softmax': did you mean Softmax")


def test_the_statistics_of_a_repository_are_those_of_its_directory(outcomes, release):
    assert outcomes["statistics"] == to_json(count_release(release))

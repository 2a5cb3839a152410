"""The Hub of the tests does to huggingface_hub, unmodified, what the real one does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub.faults import Fault
from hub.quota import Quota
from hub.repositories import Repository
from hub.server import Hub, hub
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import get_session

CARD = b"---\nlicense: mit\nlibrary_name: timm\npipeline_tag: image-classification\ntags: [vision]\n---\n# A model\n"
LARGE = 70 << 20


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Hub]:
    large = tmp_path / "model.onnx"
    with large.open("wb") as file:
        file.truncate(LARGE)
    model = Repository("org/model", facts={"downloads": 5, "likes": 2})
    model.commit({"README.md": CARD, "config.json": b'{"model_type": "vit"}', "onnx/model.onnx": large})
    data = Repository("org/data", "datasets")
    data.commit({"a/b/c.parquet": b"PAR1", "a/d.txt": b"d"})
    gated = Repository("org/gated", gated="manual", readers=frozenset({"ada"}))
    gated.commit({"config.json": b"{}"})
    private = Repository("org/private", private=True, readers=frozenset({"ada"}))
    private.commit({"config.json": b"{}"})
    with hub(model, data, gated, private) as server:
        server.users = {"hf_ada": "ada", "hf_bob": "bob"}
        yield server


@pytest.fixture
def api(served: Hub) -> HfApi:
    return HfApi(endpoint=served.endpoint, token=False)


def fetch(served: Hub, path: str, **headers: str):
    return get_session().get(served.endpoint + path, headers=headers, timeout=10)


def test_a_model_is_described_by_its_files(api):
    info = api.model_info("org/model", files_metadata=True)
    assert (info.library_name, info.pipeline_tag, info.downloads) == ("timm", "image-classification", 5)
    assert {"timm", "onnx", "vision", "vit", "license:mit"} <= set(info.tags)
    assert info.card_data.license == "mit"
    assert [(file.rfilename, file.size) for file in info.siblings][2] == ("onnx/model.onnx", LARGE)
    assert api.model_info("org/model", expand=["sha"]).downloads is None


def test_a_file_is_what_the_revision_says(served, api, tmp_path):
    repository = served.repositories["org/model"]
    first = repository.sha
    repository.tags["v1"] = first
    second = repository.commit({"config.json": b'{"model_type": "swin"}'})
    assert first != second == api.model_info("org/model").sha

    def config(revision: str) -> str:
        path = hf_hub_download(
            "org/model", "config.json", revision=revision, endpoint=served.endpoint, cache_dir=tmp_path
        )
        return Path(path).read_text()

    assert [config(revision) for revision in ("main", "v1", first)] == [
        '{"model_type": "swin"}',
        '{"model_type": "vit"}',
        '{"model_type": "vit"}',
    ]
    assert [tag.target_commit for tag in api.list_repo_refs("org/model").tags] == [first]


def test_a_large_file_is_downloaded_whole(served, tmp_path):
    path = hf_hub_download("org/model", "onnx/model.onnx", endpoint=served.endpoint, cache_dir=tmp_path, token=False)
    assert Path(path).stat().st_size == LARGE
    assert served.sent("GET /cdn/*") == LARGE


@pytest.mark.parametrize(
    ("part", "status", "length"),
    [
        ("bytes=10-19", 206, 10),
        (f"bytes={LARGE - 5}-", 206, 5),
        ("bytes=-7", 206, 7),
        (f"bytes={LARGE - 5}-{LARGE + 5}", 206, 5),
        (f"bytes={LARGE}-", 416, 0),
    ],
)
def test_a_part_of_a_file_is_all_that_is_sent(served, part, status, length):
    answer = fetch(served, "/org/model/resolve/main/onnx/model.onnx", Range=part)
    assert (answer.status_code, len(answer.content)) == (status, length)
    assert served.sent("GET *.onnx") == length
    assert answer.headers["Content-Range"].endswith(f"/{LARGE}")


def test_the_tree_is_listed_page_by_page(served, api):
    served.page_size = 2
    entries = list(api.list_repo_tree("org/data", recursive=True, repo_type="dataset"))
    assert [entry.path for entry in entries] == ["a", "a/b", "a/b/c.parquet", "a/d.txt"]
    assert [entry.path for entry in api.list_repo_tree("org/data", "a", repo_type="dataset")] == ["a/b", "a/d.txt"]
    infos = api.get_paths_info("org/data", ["a/d.txt", "a/b/c.parquet", "x"], repo_type="dataset")
    assert [(info.path, info.lfs is not None) for info in infos] == [("a/d.txt", False), ("a/b/c.parquet", True)]


def test_models_are_listed_page_by_page_in_order(served, api):
    for number in range(7):
        repository = Repository(f"org/m{number}", facts={"downloads": number % 3, "library_name": "keras"})
        repository.commit({"README.md": b"---\ntags: [many]\n---\n"})
        served.repositories[repository.id] = repository
    served.page_size = 3
    listed = [model.id for model in api.list_models(filter="many", sort="downloads")]
    assert listed == ["org/m5", "org/m2", "org/m4", "org/m1", "org/m6", "org/m3", "org/m0"]
    assert len(served.requests("GET /api/models?*")) == 3
    assert [model.id for model in api.list_models(author="org", search="MODEL")] == ["org/model"]
    assert [model.id for model in api.list_models(pipeline_tag="image-classification")] == ["org/model"]
    assert [model.id for model in api.list_models(gated=True)] == ["org/gated"]
    expanded = next(iter(api.list_models(filter="vit", expand=["sha", "siblings"])))
    assert (expanded.sha, len(expanded.siblings)) == (served.repositories["org/model"].sha, 3)


def test_what_is_not_there_or_not_allowed_is_said_by_code(served, api, tmp_path):
    def get(name: str, file: str = "config.json", revision: str = "main", token: str | bool = False) -> object:
        return hf_hub_download(name, file, revision=revision, token=token, endpoint=served.endpoint, cache_dir=tmp_path)

    with pytest.raises(RepositoryNotFoundError):
        api.model_info("org/absent")
    with pytest.raises(EntryNotFoundError):
        get("org/model", "absent.json")
    with pytest.raises(RevisionNotFoundError):
        get("org/model", revision="v9")
    for token in (False, "hf_bob"):
        with pytest.raises(GatedRepoError):
            get("org/gated", token=token)
        with pytest.raises(RepositoryNotFoundError):
            api.model_info("org/private", token=token)
    assert get("org/gated", token="hf_ada")
    assert api.model_info("org/private", token="hf_ada").private
    assert api.whoami("hf_ada")["name"] == "ada"
    assert [exchange.authorization for exchange in served.requests("GET /org/gated/*")][-1] == "Bearer hf_ada"


def test_the_quota_is_counted_in_headers_and_kept(served):
    served.quotas["api"] = Quota("api", limit=2, window=60)
    answers = [fetch(served, "/api/models/org/model") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["RateLimit"] for answer in answers] == [f'"api";r={r};t=60' for r in (1, 0, 0)]
    assert fetch(served, "/org/model/resolve/main/config.json").status_code == 200


def test_faults_come_when_and_as_often_as_they_are_asked_for(served):
    served.faults.add("GET */config.json", Fault(status=503, headers={"Retry-After": "1"}), times=2, after=1)
    answers = [fetch(served, "/org/model/resolve/main/config.json") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 503, 503, 200]
    assert answers[1].headers["Retry-After"] == "1"


def test_a_body_is_cut_a_range_ignored_a_page_spoilt(served):
    served.faults.add("GET *.onnx", Fault(cut=100))
    with pytest.raises(Exception, match=r"(?i)incomplete|peer closed"):
        fetch(served, "/org/model/resolve/main/onnx/model.onnx")
    assert served.sent("GET /cdn/*") == 100
    served.faults.add("GET */config.json", Fault(ignore_range=True))
    answer = fetch(served, "/org/model/resolve/main/config.json", Range="bytes=0-3")
    assert (answer.status_code, answer.content) == (200, b'{"model_type": "vit"}')
    served.faults.add("GET /api/models/*", Fault(body=b"<html>"))
    assert fetch(served, "/api/models/org/model").content == b"<html>"


def test_a_revision_changes_between_two_reads(served):
    repository = served.repositories["org/model"]
    served.faults.add("GET *", Fault(then=lambda: repository.commit({"config.json": b"[]"})))
    first, second = (fetch(served, "/org/model/resolve/main/config.json") for _ in range(2))
    assert (first.content, second.content) == (b'{"model_type": "vit"}', b"[]")
    assert first.headers["ETag"] != second.headers["ETag"]
    assert first.headers["X-Repo-Commit"] != second.headers["X-Repo-Commit"] == repository.sha


def test_a_hub_that_is_slow_is_waited_for_no_longer_than_one_wants(served):
    served.faults.add("GET *", Fault(stall=1.0))
    with pytest.raises(Exception, match=r"(?i)timed out"):
        get_session().get(f"{served.endpoint}/api/models/org/model", timeout=0.2)


def test_the_help_of_the_hub_starts_no_server():
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-m", "hub", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert (done.returncode, "export HF_ENDPOINT" in done.stdout) == (0, False)
    assert done.stdout.startswith("usage: python -m hub")

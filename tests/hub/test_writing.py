"""What huggingface_hub, unmodified, writes to the Hub of the tests is there as on the real one, or refused as there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub.faults import Fault
from hub.server import Hub, hub
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants
from huggingface_hub.errors import HfHubHTTPError

NAME = "org/data"
LARGE = b"PAR1" + bytes(range(256)) * 4000


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    with hub() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.endpoint)
        server.users = {"hf_ada": "ada", "hf_reader": "ada"}
        server.read_only = {"hf_reader"}
        yield server


@pytest.fixture
def api(served: Hub) -> HfApi:
    return HfApi(endpoint=served.endpoint, token="hf_ada")


def add(path: str, content: bytes) -> CommitOperationAdd:
    return CommitOperationAdd(path, content)


def commit(api: HfApi, *operations: object, **options: object):
    return api.create_commit(NAME, operations, commit_message="a change", repo_type="dataset", **options)


@pytest.fixture
def first(api: HfApi) -> str:
    api.create_repo(NAME, repo_type="dataset")
    return commit(api, add("README.md", b"---\nlicense: mit\n---\n"), add("a/x.parquet", LARGE)).oid


def read(served: Hub, revision: str = "main") -> dict[str, bytes]:
    return {path: content.open().read() for path, content in served.repositories[NAME].at(revision).files.items()}


def refusal(call) -> int:
    with pytest.raises(HfHubHTTPError) as caught:
        call()
    return caught.value.response.status_code


def test_a_repository_is_made_once(served, api):
    api.create_repo("org/secret", repo_type="dataset", private=True)
    assert refusal(lambda: api.create_repo("org/secret", repo_type="dataset")) == 409
    assert api.create_repo("org/secret", repo_type="dataset", exist_ok=True).repo_id == "org/secret"
    assert served.repositories["org/secret"].private
    assert api.repo_info("org/secret", repo_type="dataset").private
    assert [file.path for file in api.list_repo_tree("org/secret", repo_type="dataset")] == [".gitattributes"]


def test_large_files_are_uploaded_by_hash_and_small_ones_in_the_commit(served, api, first):
    assert read(served)["a/x.parquet"] == LARGE
    assert served.received("PUT *") == len(LARGE)
    assert served.received("POST *commit*") < 1000
    by_path = {file.path: file for file in api.list_repo_tree(NAME, repo_type="dataset", recursive=True)}
    assert (by_path["a/x.parquet"].lfs is None, by_path["README.md"].lfs is None) == (False, True)


def test_what_is_stored_is_not_sent_again(served, api, first):
    second = commit(api, add("b/copy.parquet", LARGE), CommitOperationDelete("a/", is_folder=True)).oid
    assert served.received("PUT *") == len(LARGE)
    assert set(read(served)) == {".gitattributes", "README.md", "b/copy.parquet"}
    assert set(read(served, first)) == {".gitattributes", "README.md", "a/x.parquet"}
    assert served.repositories[NAME].commits[second].parent == first


def test_a_commit_upon_a_state_that_is_gone_is_refused_whole(served, api, first):
    second = commit(api, add("b.txt", b"b")).oid
    assert refusal(lambda: commit(api, add("c.txt", b"c"), parent_commit=first)) == 412
    assert refusal(lambda: commit(api, add("c.txt", b"c"), CommitOperationDelete("none.txt"))) == 404
    assert served.repositories[NAME].sha == second


def test_the_client_merges_a_pull_request(served, api, first):
    commit(api, add("notes.txt", b"mine"), create_pr=True)
    assert refusal(lambda: HfApi(served.endpoint, "hf_reader").merge_pull_request(NAME, 1, repo_type="dataset")) == 403
    assert "notes.txt" not in read(served)
    api.merge_pull_request(NAME, 1, repo_type="dataset")
    assert read(served)["notes.txt"] == b"mine"


def test_a_pull_request_changes_main_when_it_is_merged(served, api, first):
    opened = commit(api, add("new.txt", b"new"), CommitOperationDelete("README.md"), create_pr=True)
    assert (opened.pr_num, opened.pr_revision) == (1, "refs/pr/1")
    later = commit(api, add("later.txt", b"later")).oid
    refs = api.list_repo_refs(NAME, repo_type="dataset", include_pull_requests=True)
    assert [(ref.ref, ref.target_commit) for ref in refs.pull_requests] == [("refs/pr/1", opened.oid)]
    assert [(ref.name, ref.target_commit) for ref in refs.branches] == [("main", later)]
    served.repositories[NAME].merge(1)
    assert set(read(served)) == {".gitattributes", "a/x.parquet", "new.txt", "later.txt"}


def test_anyone_may_open_a_pull_request_and_the_open_ones_are_listed(served, api, first):
    served.users["hf_bob"], served.organisations = "bob", set()
    bob = HfApi(served.endpoint, "hf_bob")
    assert refusal(lambda: commit(bob, add("x.parquet", b"PAR1"))) == 403
    for name in ("x.parquet", "y.txt"):
        opened = commit(bob, add(name, b"PAR1"), create_pr=True)
        assert opened.pr_url == f"{served.endpoint}/datasets/{NAME}/discussions/{opened.pr_num}"

    def open_ones() -> list[int]:
        listed = api.get_repo_discussions(NAME, repo_type="dataset", discussion_status="open")
        return [one.num for one in listed if one.is_pull_request and one.title and one.url]

    assert open_ones() == [2, 1]
    served.page_size = 1
    assert open_ones() == [2, 1]
    served.organisations = {"org"}
    api.merge_pull_request(NAME, 2, repo_type="dataset")
    assert open_ones() == [1]
    assert "x.parquet" not in read(served)


def test_branches_and_tags_are_made_once(served, api, first):
    api.create_tag(NAME, tag="v1", repo_type="dataset")
    assert refusal(lambda: api.create_tag(NAME, tag="v1", repo_type="dataset")) == 409
    api.create_branch(NAME, branch="next", repo_type="dataset")
    commit(api, add("b.txt", b"b"), revision="next")
    refs = api.list_repo_refs(NAME, repo_type="dataset")
    assert {ref.name: ref.target_commit == first for ref in refs.branches} == {"main": True, "next": False}
    assert [(ref.name, ref.target_commit) for ref in refs.tags] == [("v1", first)]


@pytest.mark.parametrize(("token", "status"), [("hf_wrong", 401), ("hf_reader", 403), (False, 401)])
def test_who_may_not_write_is_refused(served, api, first, token, status):
    other = HfApi(endpoint=served.endpoint, token=token)
    assert refusal(lambda: commit(other, add("b.txt", b"b"))) == status
    assert refusal(lambda: other.create_tag(NAME, tag="v1", repo_type="dataset")) == status
    assert refusal(lambda: other.create_repo("org/other", repo_type="dataset")) == status
    assert served.repositories[NAME].sha == first


def test_another_namespace_is_not_written_to(served, api):
    assert refusal(lambda: api.create_repo("others/data", repo_type="dataset")) == 403
    assert api.create_repo("ada/data", repo_type="dataset").repo_id == "ada/data"


def test_the_role_of_a_token_is_said(served, api):
    roles = [api.whoami(token)["auth"]["accessToken"]["role"] for token in ("hf_ada", "hf_reader")]
    assert roles == ["write", "read"]


def test_metadata_that_is_no_yaml_is_refused(api, first):
    with pytest.raises(ValueError, match="metadata"):
        commit(api, add("README.md", b"---\na: [\n---\n"))


@pytest.mark.parametrize("fault", [Fault(status=503), Fault(cut_request=1000)])
def test_an_upload_that_fails_is_tried_again(served, api, first, fault):
    served.faults.add("PUT *", fault)
    commit(api, add("b.parquet", LARGE[::-1]))
    sent = len(LARGE) + (1000 if fault.cut_request else len(LARGE))
    assert served.received("PUT *") == len(LARGE) + sent
    assert read(served)["b.parquet"] == LARGE[::-1]


def test_a_commit_that_fails_writes_nothing_and_one_whose_answer_is_lost_is_there(served, api, first):
    served.faults.add("POST *commit*", Fault(status=503))
    assert refusal(lambda: commit(api, add("b.txt", b"b"))) == 503
    assert served.repositories[NAME].sha == first
    served.faults.add("POST *commit*", Fault(lose_answer=True))
    with pytest.raises(Exception, match=r"(?i)disconnected|aborted|reset"):
        commit(api, add("b.txt", b"b"))
    assert read(served)["b.txt"] == b"b"


def test_a_hub_can_be_started_by_hand():
    command = [sys.executable, "-m", "hub"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            variables = dict(word.split("=", 1) for word in process.stdout.readline().split()[1:])
            api = HfApi(variables["HF_ENDPOINT"], variables["HF_TOKEN"])
            assert api.create_repo("me/younger", repo_type="dataset").repo_id == f"{api.whoami()['name']}/younger"
        finally:
            process.send_signal(signal.SIGINT)
    assert process.returncode == 0
    assert not Path(variables["HF_HOME"]).exists()

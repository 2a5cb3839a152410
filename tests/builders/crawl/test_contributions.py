"""The contributions of a release: merged files, named as they say; a bad one is a model that says why it is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hub.client import client
from hub.faults import Fault
from hub.repositories import Repository
from hub.server import Hub, hub
from support.contributions import contribution, rewritten

from builders import contribution as module
from builders.crawl import list_models, list_pages
from builders.model_ref import ModelRef
from younger_hf.errors import ReleaseError, UsageError

NAME = "org/younger"
CARD = b"---\nyounger_schema_version: 1\nconfigs: []\n---\n"
LARGE = "contributions/" + "1" * 32 + "-" + "2" * 8 + ".parquet"
GOOD = contribution()
FILES = {
    "README.md": CARD,
    "graphs/train-00000-of-00001.parquet": b"not looked at",
    "contributions/README.md": b"not looked at",
    GOOD.path: GOOD.to_parquet(),
    contribution("vgg19").path: rewritten(contribution("vgg19"), source="torchvision"),
    "contributions/mine \x1b[31m.parquet": b"x",
    LARGE: bytes(100_000),
}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Hub]:
    repository = Repository(NAME, "datasets")
    repository.commit(FILES)
    with hub(repository) as server, client(server, tmp_path / "home"):
        yield server


@pytest.fixture(params=["on disk", "on the Hub"])
def release(request: pytest.FixtureRequest, tmp_path: Path, served: Hub) -> str:
    if request.param == "on the Hub":
        return NAME
    for path, content in FILES.items():
        (tmp_path / "younger" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "younger" / path).write_bytes(content)
    return str(tmp_path / "younger")


def listed(release: str, work: Path) -> list[ModelRef]:
    (page,) = list_pages(f"contributions:{release}", directory=work)
    return list(page.models)


@pytest.fixture(autouse=True)
def _fifty_thousand_bytes_are_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 50_000)


def test_each_file_is_a_model_or_says_why_not(release, tmp_path):
    models = listed(release, tmp_path / "work")
    assert {model.id: model.refused for model in models} == {
        "ada/shufflenet": "",
        "mine [31m.parquet": "its file is not named as contributions are",
        Path(LARGE).name: "its file has 100,000 bytes, and at most 50,000 are taken",
        Path(contribution("vgg19").path).name: "its file has not the columns of a contribution, or another version of "
        "them",
    }
    assert {(model.source, model.origin) for model in models} == {("contributions", "contributed")}
    assert all(bool(model.location) != bool(model.refused) for model in models)


def test_a_model_is_as_its_file_says_and_the_file_is_kept(release, tmp_path):
    (model,) = (model for model in listed(release, tmp_path / "work") if not model.refused)
    kept = Path(model.location)
    assert kept.is_relative_to(tmp_path / "work")
    assert kept.read_bytes() == FILES[GOOD.path]
    assert replace(model, location="", stamp="") == GOOD.model
    assert listed(release, tmp_path / "work") == listed(release, tmp_path / "work")


def test_a_file_that_was_changed_is_the_same_model_with_another_stamp(served, tmp_path):
    (before,) = (model for model in listed(NAME, tmp_path) if not model.refused)
    corrected = replace(GOOD, model=replace(GOOD.model, license="apache-2.0"))
    served.repositories[NAME].commit({GOOD.path: corrected.to_parquet()})
    (after,) = (model for model in listed(NAME, tmp_path) if not model.refused)
    assert replace(after, license="mit", stamp=before.stamp) == before
    assert after.stamp != before.stamp


def test_what_is_large_or_badly_named_is_not_fetched(served, tmp_path):
    listed(NAME, tmp_path)
    fetched = {exchange.request.rpartition("/")[2] for exchange in served.requests("GET */resolve/*")}
    assert fetched == {"README.md", *(Path(path).name for path in (GOOD.path, contribution("vgg19").path))}


def test_a_repository_without_contributions_has_none(served, tmp_path):
    served.repositories["org/other"] = Repository("org/other", "datasets")
    served.repositories["org/other"].commit({"README.md": CARD})
    assert listed("org/other", tmp_path) == []


def test_a_release_must_be_named_and_there(served, tmp_path):
    for spec in ("contributions", f"contributions:{NAME}"):
        with pytest.raises(UsageError, match="contributions needs a release"):
            list(list_models(spec))
    with pytest.raises(ReleaseError, match="org/absent"):
        listed("org/absent", tmp_path)


def test_a_hub_that_fails_is_not_taken_for_one_without_contributions(served, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    served.faults.add("GET */tree/*", Fault(status=503), times=100)
    with pytest.raises(ReleaseError, match=f"contributions of {NAME} cannot be read from the Hub"):
        listed(NAME, tmp_path)

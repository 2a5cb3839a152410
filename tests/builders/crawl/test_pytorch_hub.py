"""PyTorch Hub as a source: torchvision's registry, and entry points of repositories at a commit."""

from __future__ import annotations

import pytest
from hub.github import COMMIT, HUBCONF, github

from builders.crawl import list_models, list_pages, pytorch_hub
from younger_hf.errors import UsageError, YoungerError


@pytest.fixture
def served(monkeypatch):
    with github({"org/nets": {"hubconf.py": HUBCONF}}) as server:
        monkeypatch.setattr(pytorch_hub, "GITHUB", server.endpoint)
        yield server


def test_by_itself_it_is_torchvision():
    assert list(list_models("pytorch-hub")) == list(list_models("torchvision"))


def test_entry_points_are_read_from_the_text_of_hubconf(served):
    found = list(list_models(f"pytorch-hub:org/nets@{COMMIT}"))
    assert [model.id for model in found] == [
        f"org/nets/{name}" for name in ("ears", "eyes", "greedy", "picky", "words")
    ]
    assert {(model.revision, model.library, model.origin) for model in found} == {(COMMIT, "pytorch-hub", "published")}


def test_a_named_entry_point_asks_nobody(served):
    (model,) = list_models(f"pytorch-hub:org/nets@{COMMIT}/eyes")
    assert model.id == "org/nets/eyes"
    assert served.log == []


def test_each_repository_is_a_page(served):
    pages = list(list_pages(f"pytorch-hub:org/nets@{COMMIT}/eyes,org/nets@{COMMIT}/ears"))
    assert [[model.id for model in page.models] for page in pages] == [["org/nets/eyes"], ["org/nets/ears"]]


@pytest.mark.parametrize("term", ["org/nets", "org/nets@main", f"org/nets@{COMMIT[:10]}", f"nets@{COMMIT}", "resnet18"])
def test_a_repository_without_a_whole_commit_is_refused(served, term):
    with pytest.raises(UsageError, match="40 hexadecimal digits"):
        list(list_models(f"pytorch-hub:{term}"))
    assert served.log == []


@pytest.mark.parametrize(
    ("repository", "hubconf", "error", "says"),
    [
        ("org/other", None, YoungerError, "no such file"),
        ("org/dynamic", "globals().update(models())", UsageError, "name one"),
        ("org/broken", "def (", YoungerError, "not Python that can be read"),
    ],
)
def test_what_cannot_be_read_is_said(served, repository, hubconf, error, says):
    if hubconf is not None:
        served.contents[repository] = {"hubconf.py": hubconf}
    with pytest.raises(error, match=says) as raised:
        list(list_models(f"pytorch-hub:{repository}@{COMMIT}"))
    assert "\n" not in str(raised.value)

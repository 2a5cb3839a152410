"""Kaggle Models: crawled with Kaggle's own client from a Kaggle on this machine."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import kagglehub
import pytest
import requests
from hub.faults import Fault
from hub.kaggle import Instance, Kaggle, Model, kaggle

from builders.crawl import kaggle_client, list_models, list_pages
from younger_hf.errors import MissingExtraError, UsageError, YoungerError

MOVENET = Model(
    "google/movenet",
    (
        Instance("tfLite", "lightning", {"3.tflite": b"12345"}),
        Instance("tensorFlow2", "thunder", {"saved_model.pb": b"123", "variables/variables.index": b"1"}, version=4),
    ),
    tags=("subject > people", "task > pose detection"),
    votes=7,
)
BERT = Model(
    "keras/bert",
    (
        Instance("keras", "tiny", {"config.json": b"{}", "model.weights.h5": b"12"}, license="CC0: Public Domain"),
        Instance("keras", "several", {"b/saved_model.pb": b"1", "b/assets/v.txt": b"", "a.keras": b"12", "c.h5": b"1"}),
        Instance("pyTorch", "pickled", {"pytorch_model.bin": b"1"}),
        Instance("onnx", "exported", {"onnx/model.onnx": b"1234"}),
    ),
)
GATED = Model("google/gemma", (Instance("keras", "2b", {"m.keras": b"1"}, gated=True),))


@pytest.fixture
def served(monkeypatch):
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "TEST")
    monkeypatch.setattr(kaggle_client, "BACKOFF", 0.01)
    with kaggle(MOVENET, BERT, GATED) as server:
        yield server


def test_a_model_carries_what_the_listing_says_of_it(served):
    lite, saved = list_models("kaggle:google/movenet")
    assert (lite.id, lite.revision, lite.component) == ("google/movenet/tfLite/lightning", "1", "3.tflite")
    assert (lite.library, lite.task, lite.license, lite.size) == ("tflite", "keypoint-detection", "apache-2.0", 5)
    assert (lite.likes, lite.downloads, lite.tags) == (7, None, ("people", "pose detection"))
    assert (lite.source, lite.origin, lite.gated) == ("kaggle", "published", False)
    assert lite.retrieved == datetime.now(timezone.utc).date().isoformat()
    assert (saved.library, saved.component, saved.revision, saved.size) == ("tensorflow", "", "4", 4)


def test_each_file_that_can_be_converted_is_a_model(served):
    found = [(model.id.split("/", 2)[2], model.component, model.library) for model in list_models("kaggle:keras/bert")]
    assert found == [
        ("keras/tiny", "", "keras"),
        ("keras/several", "a.keras", "keras"),
        ("keras/several", "b", "tensorflow"),
        ("keras/several", "c.h5", "keras"),
        ("pyTorch/pickled", "", "pytorch"),
        ("onnx/exported", "onnx/model.onnx", "onnx"),
    ]
    assert next(list_models("kaggle:keras/bert")).license == "cc0-1.0"


def test_a_gated_model_is_listed_as_such(served):
    (model,) = list_models("kaggle:google/gemma")
    assert model.gated


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ("owner=google", {"google/movenet/tfLite/lightning", "google/movenet/tensorFlow2/thunder"}),
        ("search=bert,framework=onnx", {"keras/bert/onnx/exported"}),
        ("google/movenet,framework=TFLite", {"google/movenet/tfLite/lightning"}),
    ],
)
def test_filters_choose(served, filters, ids):
    del served.models["google/gemma"]
    assert {model.id for model in list_models(f"kaggle:{filters}")} == ids


def test_a_crawl_goes_on_from_the_page_where_it_stopped(served):
    served.page_size = 1
    pages = list(list_pages("kaggle"))
    assert [{model.id.rsplit("/", 2)[0] for model in page.models} for page in pages] == [
        {"google/movenet"},
        {"keras/bert"},
        {"google/gemma"},
    ]
    assert list(list_pages("kaggle", cursor=pages[0].cursor)) == pages[1:]
    assert pages[-1].cursor == ""


def test_pages_without_end_are_noticed(served, monkeypatch):
    monkeypatch.setattr(Kaggle, "_page", lambda self, items, asked: (items, str(int(asked.get("pageToken", 0)) + 1)))
    monkeypatch.setattr(Kaggle, "_files", lambda self, instance, asked: served._list({"owner": "nobody"}))
    with pytest.raises(YoungerError, match="same page again"):
        list(list_models("kaggle"))


@pytest.mark.parametrize(
    "fault", [Fault(status=429, headers={"Retry-After": "1"}), Fault(status=429), Fault(status=503)]
)
def test_a_refusal_for_now_is_asked_again(served, fault):
    served.faults.add("POST */ListModels", fault, times=2)
    assert len(list(list_models("kaggle"))) == 9
    assert [exchange.status for exchange in served.requests("POST */ListModels")] == [fault.status, fault.status, 200]


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault(status=429), "fewer requests"),
        (Fault(status=500), "status 500"),
        (Fault(status=401), "KAGGLE_API_TOKEN"),
        (Fault(stall=2.0), "does not answer"),
        (Fault(cut=10), "does not answer"),
        (Fault(body=b"<html>"), "kagglesdk cannot read"),
        (Fault(body=b'{"models": [{"instances": [{"framework": "quantum"}]}]}'), "kagglesdk cannot read"),
    ],
)
def test_what_goes_wrong_is_said_in_one_sentence(served, monkeypatch, fault, says):
    monkeypatch.setattr(kaggle_client, "RETRIES", 1)
    monkeypatch.setattr(kaggle_client, "TIMEOUT", 0.2)
    served.faults.add("POST */ListModels", fault, times=5)
    with pytest.raises(YoungerError, match=says) as raised:
        list(list_models("kaggle"))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("selection", "says"),
    [
        ("google/nothing", "does not have the model google/nothing"),
        ("nothing", "OWNER/MODEL"),
        ("license=mit", "owner=…"),
        ("google/movenet,owner=google", "not both"),
    ],
)
def test_a_wrong_selection_is_said(served, selection, says):
    with pytest.raises(UsageError, match=says):
        list(list_models(f"kaggle:{selection}"))


def test_no_network_is_said(monkeypatch):
    def refuse(*_, **__):
        raise requests.ConnectionError("Name or service not known")

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", refuse)
    with pytest.raises(YoungerError, match="is there a network"):
        list(list_models("kaggle"))


def test_without_kaggles_client_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("builders.crawl.kaggle.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"younger-hf\[kaggle\]"):
        list(list_models("kaggle"))


def test_a_token_is_used_for_the_listing_and_kept_nowhere(served, monkeypatch):
    monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_secret")
    found = list(list_models("kaggle"))
    assert {exchange.authorization for exchange in served.log} == {"Bearer KGAT_secret"}
    assert "secret" not in "".join(model.to_json() for model in found)


def test_the_server_serves_kagglehub(served, tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "cache"))
    one = kagglehub.model_download("google/movenet/tfLite/lightning/1", path="3.tflite", output_dir=str(tmp_path))
    assert (tmp_path / "3.tflite").read_bytes() == b"12345"
    assert one == str(tmp_path / "3.tflite")
    whole = kagglehub.model_download("google/movenet/tensorFlow2/thunder", output_dir=str(tmp_path / "whole"))
    assert (tmp_path / "whole/variables/variables.index").read_bytes() == b"1"
    assert whole == str(tmp_path / "whole")


def test_the_server_serves_archives(served, tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "cache"))
    many = Instance("keras", "many", {f"d/{i}.txt": str(i).encode() for i in range(30)})
    served.models["a/many"] = Model("a/many", (many,))
    kagglehub.model_download("a/many/keras/many/1", output_dir=str(tmp_path / "out"))
    assert (tmp_path / "out/d/29.txt").read_bytes() == b"29"


def test_pages_that_stay_empty_end_the_crawl(served):
    for number in range(100):
        served.faults.add(
            "*/ListModels", Fault(body=json.dumps({"models": [], "nextPageToken": str(number + 1)}).encode())
        )
    with pytest.raises(YoungerError, match="does not end: 11 pages in a row are empty"):
        list(list_pages("kaggle"))
    assert len(served.requests("*/ListModels")) == 11

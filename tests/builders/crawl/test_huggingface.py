"""The crawl of the Hugging Face Hub, against a Hub on this machine that huggingface_hub takes for the real one."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from threading import get_ident
from typing import Any
from urllib.parse import quote

import pytest
from hub.faults import Fault
from hub.listed import BERT, CLIP, MODEL_INDEX, PIPELINE, UNET, VAE, listed, repository
from hub.quota import Quota
from hub.server import Hub, hub
from huggingface_hub import constants
from hypothesis import given
from hypothesis import strategies as st

from builders.crawl import Page, hub_client, hub_repository, huggingface, list_models, list_pages
from builders.model_ref import Evaluation, ModelRef
from younger_hf.errors import UsageError, YoungerError

LIST = "GET /api/models[?]*"
CONFIG = "GET */config.json"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(hub_client, "BACKOFF", 0.01)
    monkeypatch.setattr(huggingface, "PAGE_SIZE", 3)
    monkeypatch.setattr(hub_repository, "_timm_families", lambda: {"vit_tiny_patch16_224": "vision_transformer"})
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with hub(*listed()) as server:
        server.users = {"hf_ada": "ada"}
        monkeypatch.setattr(constants, "ENDPOINT", server.endpoint)
        yield server


def of(spec: str) -> dict[tuple[str, str], ModelRef]:
    """What a specification gives, by id and component."""
    return {(model.id, model.component): model for model in list_models(spec)}


def keys(pages: Iterator[Page]) -> list[tuple[str, str]]:
    return [(model.id, model.component) for page in pages for model in page.models]


# What a repository holds


def test_a_transformers_model_is_described_as_its_publisher_does(served):
    (model,) = of("huggingface:google/bert-tiny").values()
    assert json.loads(model.config) == BERT
    assert dataclasses.replace(model, config="", tags=()) == ModelRef(
        source="huggingface",
        id="google/bert-tiny",
        revision=served.repositories["google/bert-tiny"].sha,
        library="transformers",
        task="fill-mask",
        family="bert",
        license="apache-2.0",
        downloads=900,
        likes=7,
        origin="published",
        retrieved=datetime.now(timezone.utc).date().isoformat(),
        evaluations=(Evaluation("fill-mask", "glue/mnli", "validation", "accuracy", 0.5),),
    )
    assert {"tiny", "fill-mask", "safetensors", "license:apache-2.0"} <= set(model.tags)


def test_onnx_files_stand_beside_the_model_itself(served):
    found = of("huggingface:acme/two-in-one")
    assert {key[1]: (model.library, model.family, bool(model.config)) for key, model in found.items()} == {
        "": ("transformers", "bert", True),
        "onnx/model.onnx": ("onnx", "bert", False),
        "onnx/model_q4.onnx": ("onnx", "bert", False),
    }
    assert {model.license for model in found.values()} == {"mit"}


def test_a_pipeline_has_a_model_for_each_neural_component(served):
    found = of("huggingface:acme/diffusion")
    assert {key[1]: (model.library, model.family, json.loads(model.config)) for key, model in found.items()} == {
        "text_encoder": ("transformers", "clip_text_model", CLIP),
        "unet": ("diffusers", "UNet2DConditionModel", UNET),
        "vae": ("diffusers", "AutoencoderKL", VAE),
    }
    assert {model.task for model in found.values()} == {"text-to-image"}
    assert [(model.component, model.family) for model in list_models("huggingface:acme/controlnet")] == [
        ("", "ControlNetModel")
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("timm/vit_tiny_patch16_224.augreg_in21k", [("", "timm", "image-classification")]),
        ("sentence-transformers/tiny", [("", "sentence-transformers", "sentence-similarity")]),
        ("keras/three", [("", "keras", "")]),
        ("keras/files", [("a.keras", "keras", ""), ("b.h5", "keras", "")]),
        ("keras/saved", [("", "tensorflow", ""), ("sub", "tensorflow", "")]),
        ("acme/only-onnx", [("model.onnx", "onnx", "")]),
        ("acme/pickle-only", [("", "transformers", "")]),
        ("acme/lora", []),
        ("acme/adapter", []),
    ],
)
def test_each_library_has_its_parts(served, name, expected):
    assert [(model.component, model.library, model.task) for model in list_models(f"huggingface:{name}")] == expected


def test_the_configuration_of_a_sentence_transformer_is_its_transformers(served):
    (model,) = of("huggingface:sentence-transformers/tiny").values()
    assert (json.loads(model.config), model.family) == (BERT, "bert")


def test_the_family_of_a_timm_model_is_the_registrys(served):
    (model,) = of("huggingface:library=timm").values()
    assert model.family == "vision_transformer"


def test_remote_code_is_recorded_and_not_fetched(served):
    (model,) = of("huggingface:acme/remote-code").values()
    assert json.loads(model.config)["auto_map"]
    assert not served.requests("*.py")


@pytest.mark.parametrize(
    "content",
    [b"[1, 2]", b"{", b"\xff\xfe", b"[" * 200_000, b'{"a": "' + b"x" * huggingface.MAX_CONFIG + b'"}'],
    ids=["a list", "not JSON", "not text", "nested too deeply", "too large"],
)
def test_a_configuration_that_is_none_is_left_out(served, content):
    served.repositories["google/bert-tiny"].commit({"config.json": content})
    (model,) = of("huggingface:google/bert-tiny").values()
    assert model.config == ""
    assert served.sent(CONFIG) <= huggingface.MAX_CONFIG + (1 << 19)


# Which repositories, in which order


def test_all_that_can_be_converted_is_listed_once_library_by_library(served):
    found = keys(list_pages("huggingface"))
    assert len(found) == len(set(found))
    assert [name for name, _ in dict.fromkeys(found)] == [
        *("google/bert-tiny", "acme/two-in-one", "acme/two-in-one", "acme/two-in-one", "acme/pickle-only"),
        *("acme/remote-code", "meta/gated-llama", "acme/no-config", "sentence-transformers/tiny"),
        *("acme/diffusion", "acme/diffusion", "acme/diffusion", "acme/controlnet"),
        "timm/vit_tiny_patch16_224.augreg_in21k",
        *("keras/three", "keras/files", "keras/files", "keras/saved", "keras/saved", "acme/only-onnx"),
    ]


def test_a_limit_takes_the_most_downloaded(served):
    assert [model.id for model in list_models("huggingface:acme", 0)] == []
    assert [model.downloads for model in list_models("huggingface:author=acme", 4)] == [800, 800, 800, 700]


@pytest.mark.parametrize(
    ("terms", "names"),
    [
        ("library=timm", ["timm/vit_tiny_patch16_224.augreg_in21k"]),
        ("timm", ["timm/vit_tiny_patch16_224.augreg_in21k"]),
        ("task=fill-mask", ["google/bert-tiny"]),
        ("author=acme,license=mit", ["acme/only-onnx"]),
        ("author=acme,tag=vision", ["acme/only-onnx"]),
        ("search=BERT", ["google/bert-tiny"]),
        ("keras/three,google/bert-tiny,keras/three", ["keras/three", "google/bert-tiny"]),
        ("keras/three,task=fill-mask", ["keras/three", "google/bert-tiny"]),
        ("author=nobody", []),
    ],
)
def test_terms_select(served, terms, names):
    assert list(dict.fromkeys(name for name, _ in keys(list_pages(f"huggingface:{terms}")))) == names


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ("acme/absent", "the Hub has no model acme/absent, or not for this user"),
        ("stars=5", "huggingface does not know 'stars=5': it takes org/name, a tag, or author=…"),
        ("task=", "huggingface does not know 'task='"),
        ("../../etc/passwd", "huggingface cannot have a repository '../../etc/passwd': a name is org/name"),
        ("ada/private", "the Hub has no model ada/private"),
    ],
)
def test_what_cannot_be_selected_is_said(served, terms, message):
    with pytest.raises(UsageError, match=r"^" + message.replace("?", r"\?").replace(".", r"\.")):
        list(list_pages(f"huggingface:{terms}"))


# Resuming


def test_a_crawl_goes_on_from_every_page_without_asking_for_those_before(served):
    whole = list(list_pages("huggingface"))
    assert [page.cursor == "" for page in whole] == [False] * (len(whole) - 1) + [True]
    requests = len(served.requests(LIST))
    for i, page in enumerate(whole[:-1]):
        served.log.clear()
        assert list(list_pages("huggingface", page.cursor)) == whole[i + 1 :]
        assert len(served.requests(LIST)) == requests - i - 1


def test_what_joins_meanwhile_moves_nothing(served):
    pages = list_pages("huggingface:author=acme")
    first = next(pages)
    joined = repository("acme/new", {"config.json": BERT}, downloads=850)
    served.repositories[joined.id] = joined
    rest = keys(list_pages("huggingface:author=acme", first.cursor))
    assert rest == keys(pages)
    assert ("acme/new", "") not in rest


def test_a_cursor_of_another_crawl_is_refused(served):
    for cursor in ("nonsense", '["timm"]', '["other", ""]', "7"):
        with pytest.raises(YoungerError, match="no crawl of huggingface left the cursor"):
            list(list_pages("huggingface", cursor))


def test_configurations_on_record_are_not_fetched_again(served):
    whole = {(model.id, model.component): model for page in list_pages("huggingface") for model in page.models}
    served.log.clear()
    again = {
        (model.id, model.component): model
        for page in list_pages("huggingface", has_config=lambda name, revision: True)
        for model in page.models
    }
    assert list(again) == list(whole)
    assert not served.requests(CONFIG)
    assert {model.config for model in again.values()} == {""}


def test_what_is_known_is_asked_by_id_and_commit_in_the_thread_of_the_crawl(served):
    asked = []
    list(list_pages("huggingface:google/bert-tiny", has_config=lambda *key: bool(asked.append((*key, get_ident())))))
    assert asked == [("google/bert-tiny", served.repositories["google/bert-tiny"].sha, get_ident())]


def test_a_configuration_is_of_the_commit_that_was_listed(served):
    changed = served.repositories["google/bert-tiny"]
    listed_sha = changed.sha
    served.faults.add(LIST, Fault(then=lambda: changed.commit({"config.json": b'{"model_type": "other"}'})))
    (model,) = of("huggingface:search=bert-tiny").values()
    assert (model.revision, json.loads(model.config)) == (listed_sha, BERT)
    (model,) = of("huggingface:search=bert-tiny").values()
    assert (model.revision, json.loads(model.config)) == (changed.sha, {"model_type": "other"})


# Tokens


def test_gated_files_are_not_asked_for_without_a_token(served):
    (model,) = of("huggingface:meta/gated-llama").values()
    assert (model.gated, model.config, model.family) == (True, "", "llama")
    assert not served.requests("*/resolve/*")


@pytest.mark.parametrize(("token", "config"), [("hf_ada", {"model_type": "llama"}), ("hf_bob", None)])
def test_a_token_opens_what_its_user_may_read(served, monkeypatch, token, config):
    monkeypatch.setenv("HF_TOKEN", token)
    (model,) = of("huggingface:meta/gated-llama").values()
    assert model.gated
    assert (json.loads(model.config) if model.config else None) == config


def test_a_token_is_sent_and_never_kept_and_private_models_are_left_out(served, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_ada")
    pages = list(list_pages("huggingface"))
    assert {exchange.authorization for exchange in served.log} == {"Bearer hf_ada"}
    kept = [page.cursor for page in pages] + [model.to_json() for page in pages for model in page.models]
    assert not any("hf_ada" in text for text in kept)
    assert not any("ada/private" in text for text in kept)
    served.faults.add("*", Fault(status=503), times=-1)
    with pytest.raises(YoungerError) as raised:
        list(list_pages("huggingface"))
    assert "hf_ada" not in str(raised.value)


def test_a_repository_that_is_gated_after_it_was_listed_is_recorded_as_such(served):
    bert = served.repositories["google/bert-tiny"]
    served.faults.add(LIST, Fault(then=lambda: setattr(bert, "gated", "auto")))
    (model,) = of("huggingface:search=bert-tiny").values()
    assert (model.gated, model.config) == (True, "")


def test_a_repository_that_is_gone_after_it_was_listed_is_recorded_without_configuration(served):
    served.faults.add(LIST, Fault(then=lambda: served.repositories.pop("google/bert-tiny")))
    (model,) = of("huggingface:search=bert-tiny").values()
    assert (model.family, model.config) == ("bert", "")


# Faults

# What passes when it is waited out, and the seconds that takes at least.
PASSING: dict[str, tuple[Callable[[], Fault], float]] = {
    "429 with seconds": (lambda: Fault(status=429, headers={"Retry-After": "1"}), 1.0),
    "429 with a date": (lambda: Fault(status=429, headers={"Retry-After": in_two_seconds()}), 0.9),
    "429 with a window": (lambda: Fault(status=429, headers={"RateLimit": '"api";r=0;t=1'}), 1.0),
    "429 with neither": (lambda: Fault(status=429, headers={"RateLimit": ""}), 0.0),
    "503": (lambda: Fault(status=503), 0.0),
    "500": (lambda: Fault(status=500), 0.0),
    "a short body": (lambda: Fault(cut=10), 0.0),
    "a stall": (lambda: Fault(stall=0.6), 0.0),
}
SPOILT_PAGES: dict[str, bytes] = {
    "not JSON": b"<html>busy</html>",
    "no listing": b'{"error": "busy"}',
    "nested too deeply": b"[" * 100_000,
    "not text": b'["\xff"]',
}


def in_two_seconds() -> str:
    return format_datetime(datetime.now(timezone.utc) + timedelta(seconds=2))


@pytest.mark.parametrize("pattern", [LIST, CONFIG], ids=["page", "configuration"])
@pytest.mark.parametrize("name", PASSING)
def test_a_fault_that_passes_is_waited_out(served, monkeypatch, name, pattern):
    monkeypatch.setattr(hub_client, "TIMEOUT", 0.3)
    expected = of("huggingface:library=timm")
    fault, seconds = PASSING[name]
    served.faults.add(pattern, fault())
    served.log.clear()
    began = time.monotonic()
    assert of("huggingface:library=timm") == expected
    assert time.monotonic() - began >= seconds
    assert len(served.requests(pattern)) == 2


@pytest.mark.parametrize("name", SPOILT_PAGES)
def test_a_page_that_is_none_is_asked_for_again(served, name):
    expected = of("huggingface:library=timm")
    served.faults.add(LIST, Fault(body=SPOILT_PAGES[name]), times=2)
    assert of("huggingface:library=timm") == expected


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(status=503), "it answers with status 503"),
        (Fault(status=429), "it answers with status 429"),
        (Fault(cut=10), "it does not answer"),
        (Fault(body=b"<html>"), "its answer cannot be read"),
    ],
)
def test_a_fault_that_stays_ends_the_crawl_and_the_next_goes_on(served, monkeypatch, fault, reason):
    monkeypatch.setattr(hub_client, "RETRIES", 2)
    served.quotas["api"].window = 0.01  # so that a 429 is no reason to wait for long
    whole = list(list_pages("huggingface:author=acme"))
    served.log.clear()
    served.faults.add(LIST, fault, times=-1, after=2)
    found: list[Page] = []
    with pytest.raises(
        YoungerError, match=f"^the Hub at .* does not give /api/models: {reason}.*; run this again later$"
    ):
        found.extend(list_pages("huggingface:author=acme"))
    assert found == whole[:2]
    assert len(served.requests(LIST)) == 2 + 3
    served.faults.clear()
    served.log.clear()
    assert list(list_pages("huggingface:author=acme", found[-1].cursor)) == whole[2:]
    assert len(served.requests(LIST)) == len(whole) - 2


def test_a_configuration_that_stays_away_ends_the_crawl_soon(served, monkeypatch):
    monkeypatch.setattr(hub_client, "RETRIES", 2)
    monkeypatch.setattr(huggingface, "PAGE_SIZE", 100)
    served.faults.add(CONFIG, Fault(status=503), times=-1)
    with pytest.raises(YoungerError, match=r"does not give /.*/config.json: it answers with status 503"):
        list(list_pages("huggingface"))


def test_a_wait_that_is_too_long_is_left_to_the_user(served):
    served.faults.add(LIST, Fault(status=429, headers={"Retry-After": "100000"}))
    with pytest.raises(YoungerError, match="wants no requests for 100000 seconds: run this again after that"):
        list(list_pages("huggingface"))


def test_nothing_is_asked_for_while_a_quota_is_spent(served):
    served.quotas["api"] = Quota("api", limit=2, window=1.0)
    began = time.monotonic()
    assert len(list(list_pages("huggingface:author=acme"))) == 3
    assert time.monotonic() - began >= 1.0
    assert {exchange.status for exchange in served.log} == {200}


def test_a_hub_that_is_not_there_is_said(monkeypatch):
    monkeypatch.setattr(hub_client, "BACKOFF", 0.01)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(
        YoungerError, match=r"^the Hub at http://127.0.0.1:9 does not give /api/models: it does not answer"
    ):
        list(list_pages("huggingface"))


@pytest.mark.parametrize("to", ["itself", "an earlier page"])
def test_pages_that_go_round_in_circles_end_the_crawl(served, to):
    second, third = (page.cursor for page in list(list_pages("huggingface:author=acme"))[:2])
    back = json.loads(third if to == "itself" else second)[1]
    link = f'<{served.endpoint}/api/models?author=acme&cursor={back}>; rel="next"'
    served.faults.add(LIST, Fault(headers={"Link": link}), after=2)
    found = []
    with pytest.raises(YoungerError, match="does not end: a page leads back to one before it"):
        found.extend(list_pages("huggingface:author=acme"))
    assert len(found) == 2


def test_pages_that_stay_empty_end_the_crawl(served):
    for number in range(100):
        cursor = base64.b64encode(json.dumps([number, ""]).encode()).decode()
        link = f'<{served.endpoint}/api/models?author=acme&cursor={quote(cursor)}>; rel="next"'
        served.faults.add(LIST, Fault(body=b"[]", headers={"Link": link}))
    found = []
    with pytest.raises(YoungerError, match="does not end: 11 pages in a row are empty"):
        found.extend(list_pages("huggingface:author=acme"))
    assert (len(found), len(served.log)) == (10, 11)


@pytest.mark.parametrize(
    "link",
    [
        "https://elsewhere.example/api/models?cursor=abc",
        "{endpoint}/api/datasets?cursor=abc",
        "{endpoint}/api/models?p=2",
        "http://[nonsense/api/models?cursor=abc",
    ],
)
def test_a_next_page_elsewhere_is_not_asked_for(served, link):
    served.faults.add(LIST, Fault(headers={"Link": f'<{link.format(endpoint=served.endpoint)}>; rel="next"'}))
    with pytest.raises(YoungerError, match="its next page is elsewhere"):
        list(list_pages("huggingface:author=acme"))
    assert len(served.log) == 1


def test_a_mirror_may_name_the_hub_that_it_mirrors(served):
    whole = list(list_pages("huggingface:author=acme"))
    back = json.loads(whole[0].cursor)[1]
    link = f'<https://huggingface.co/api/models?author=acme&cursor={back}>; rel="next"'
    served.faults.add(LIST, Fault(headers={"Link": link}))
    assert list(list_pages("huggingface:author=acme")) == whole


def test_a_token_that_is_no_more_is_said(served):
    served.faults.add(LIST, Fault(status=401))
    with pytest.raises(
        YoungerError, match=r"^the Hub does not give /api/models: status 401, is the token still valid\?$"
    ):
        list(list_pages("huggingface"))


# What publishers write

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=3), values, max_size=3),
    max_leaves=8,
)
ENTRY = {
    "id": "acme/odd",
    "sha": "0" * 40,
    "library_name": "transformers",
    "siblings": [{"rfilename": "config.json"}, {"rfilename": "a.onnx"}],
    "tags": ["license:mit"],
    "cardData": {"license": "mit"},
    "model-index": MODEL_INDEX,
    "config": {"model_type": "bert"},
}


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(hub_repository.EXPAND, JSON)), JSON)
def test_whatever_is_in_an_entry_it_is_read(odd, config):
    repository = hub_repository.parse({**ENTRY, **odd}, "huggingface", "2026-01-01")
    if repository is not None:
        text = json.dumps(config if isinstance(config, dict) else {})
        for model in repository.models(lambda _: text, lambda _: json.dumps(PIPELINE)):
            assert ModelRef.from_json(model.to_json()) == model
            "".join((model.id, model.component, model.revision, model.license, model.family, *model.tags)).encode()


@pytest.mark.parametrize("entry", [None, 7, [], {}, {"id": "../x", "sha": "0"}, {"id": "a/b"}, {"id": 5, "sha": "0"}])
def test_an_entry_without_name_or_commit_is_left_out(served, entry):
    served.faults.add(LIST, Fault(body=json.dumps([entry, ENTRY]).encode()))
    assert keys(list_pages("huggingface:author=acme"))[:2] == [("acme/odd", ""), ("acme/odd", "a.onnx")]


def result(value: Any, **dataset: Any) -> list[Any]:
    return [{"results": [{"task": {"type": "t"}, "dataset": dataset, "metrics": [{"type": "m", "value": value}]}]}]


@pytest.mark.parametrize(
    ("index", "values"),
    [
        (result(0.5), [0.5]),
        (result(3), [3.0]),
        (result("0.5"), []),
        (result(True), []),
        (result(float("inf")), []),
        (result(float("nan")), []),
        (result(10**400), []),
        (result({"f1": 1}), []),
        (result(0.5) * 3, [0.5]),
        ({"results": []}, []),
        ("none", []),
        ([{"results": {"metrics": 5}}, None, {"results": [{"metrics": [None, {"value": 2}]}]}], [2.0]),
    ],
)
def test_results_are_finite_numbers(index, values):
    assert [found.value for found in hub_repository.evaluations(index)] == values


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        ({"type": "glue", "config": "mnli"}, "glue/mnli"),
        ({"type": "imdb", "config": "default"}, "imdb"),
        ({"type": "imdb", "config": "imdb"}, "imdb"),
        ({"name": "My data"}, "My data"),
        ({"type": ["x"], "name": 3}, ""),
    ],
)
def test_a_dataset_is_named_by_its_identifier(dataset, name):
    (found,) = hub_repository.evaluations(result(1.0, **dataset))
    assert found.dataset == name


# In the world as it is

PROGRAM = """
import json
from builders.crawl import list_pages
print(json.dumps([[model.id for model in page.models] for page in list_pages("huggingface:author=acme")]))
"""


def test_huggingface_hub_is_used_as_it_comes(served):
    environment = {**os.environ, "HF_ENDPOINT": served.endpoint, "HF_TOKEN": "hf_ada"}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=300)
    assert "acme/only-onnx" in json.loads(done.stdout)[0]
    # Besides, huggingface_hub 2 may ask the Hub what the names of other programs are.
    requests = [*served.requests(LIST), *served.requests("GET */resolve/*")]
    assert {exchange.authorization for exchange in requests} == {"Bearer hf_ada"}


def test_without_a_network_the_setting_is_named(served):
    environment = {**os.environ, "HF_ENDPOINT": served.endpoint, "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert "HF_HUB_OFFLINE is set: unset it to crawl the Hub" in done.stderr
    assert not served.log

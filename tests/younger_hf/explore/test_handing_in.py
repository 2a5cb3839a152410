"""Models that visitors hand in, read by the children that conversions run in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import onnx.parser
import pytest
from hub.client import client
from hub.repositories import Repository
from hub.server import hub
from support.explorer import Answer, ask, served

from builders.handed_in import HandedIn
from younger_hf.dataset import load
from younger_hf.explore.handing_in import MOST_BYTES
from younger_hf.explore.server import make_app
from younger_hf.explore.visitors import RateLimit
from younger_hf.interop.onnx import to_onnx
from younger_hf.interop.text_form import to_text
from younger_hf.release import open_release

from .conftest import PAYLOAD
from .test_server import check_harmless

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
RESNET = LIGHT / "light_resnet50.onnx"


@pytest.fixture(scope="module")
def squeezenet(zoo: Path) -> bytes:
    """A file of a model that the release has."""
    (row,) = load("graphs", "all", zoo / "younger", name="squeezenet")
    return bytes(to_onnx(row, source=zoo / "younger").SerializeToString())


def repository(name: str, **files: bytes) -> Repository:
    made = Repository(name)
    made.commit({f"{file}.onnx": content for file, content in files.items()})
    return made


BOUNDARY = "younger-boundary"


@pytest.fixture(scope="module")
def reader() -> Iterator[HandedIn]:
    with HandedIn() as made:
        yield made


@pytest.fixture(scope="module")
def address(zoo: Path, reader: HandedIn) -> Iterator[str]:
    many = RateLimit(at_once=1000, a_minute=0)
    with served(make_app(open_release(zoo / "younger"), reader, handing_in=many)) as where:
        yield where


@pytest.fixture(scope="module")
def shared_address(zoo: Path, reader: HandedIn) -> Iterator[str]:
    with served(make_app(open_release(zoo / "younger"), reader, shared=True)) as where:
        yield where


def hand_in(address: str, content: bytes, name: str = "file", file_name: str = "") -> Answer:
    """Post a form of one field, as a browser does."""
    named = f'; filename="{file_name}"' if file_name else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode()
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    return ask(f"{address}/known", head + content + f"\r\n--{BOUNDARY}--\r\n".encode(), Content_Type=kind)


def model(text: str) -> bytes:
    made = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> g {text}')
    return bytes(made.SerializeToString())


def test_a_file_that_the_release_has_is_known(address: str, squeezenet: bytes) -> None:
    page = hand_in(address, squeezenet, file_name="mine.onnx").page
    assert "mine.onnx is known: its graph is that of squeezenet" in page.text
    assert page.every("svg")


def test_another_export_is_known_by_its_normal_form(address: str) -> None:
    """This file makes its parameters by operators, which the release has taken for what they stand for."""
    assert "is known by another export" in hand_in(address, RESNET.read_bytes(), file_name="other.onnx").page.text


def test_of_a_new_model_there_is_what_is_near_and_unusual_and_how_to_contribute(address: str) -> None:
    new = model("(float[1,8] x) => (float[1,8] y) { a = Relu (x) b = Mish (a) y = Hardmax (b) }".replace("Mish", "Elu"))
    page = hand_in(address, new, file_name="new.onnx").page
    for said in ("No architecture of the release has the graph of new.onnx", "has Hardmax", "edits", "contribute"):
        assert said in page.text


def test_a_text_is_looked_up(address: str, squeezenet: bytes) -> None:
    text = to_text(onnx.load_model_from_string(squeezenet))
    assert "the text is known" in hand_in(address, text.encode(), "text").page.text
    broken = hand_in(address, b"graph opset=17\n" + PAYLOAD.encode(), "text")
    assert broken.status == 422
    check_harmless(broken)


def test_a_model_of_the_hub_is_read_by_ranges(address: str, squeezenet: bytes, tmp_path: Path) -> None:
    two, one = repository("org/two", resnet=squeezenet, vgg=squeezenet), repository("org/one", resnet=squeezenet)
    with hub(two, one) as served_hub, client(served_hub, tmp_path):
        assert "is known" in hand_in(address, b"org/one", "address").page.text
        several = hand_in(address, b"org/two", "address")
        assert [one["value"] for one in several.page.every("button") if "value" in one] == [
            "org/two/resnet.onnx",
            "org/two/vgg.onnx",
        ]
        assert "is known" in hand_in(address, b"org/two/vgg.onnx", "address").page.text
        assert "no model org/none" in hand_in(address, b"org/none", "address").page.text


def test_what_others_can_reach_asks_no_private_address(shared_address: str, squeezenet: bytes) -> None:
    with hub(repository("org/one", model=squeezenet)) as served_hub:
        url = f"{served_hub.endpoint}/org/one/resolve/main/model.onnx"
        answer = hand_in(shared_address, url.encode(), "address")
        assert answer.status == 422
        assert "is no public address" in answer.page.text
        assert not served_hub.log


def test_at_home_an_address_of_this_machine_is_read(address: str, squeezenet: bytes) -> None:
    with hub(repository("org/one", model=squeezenet)) as served_hub:
        url = f"{served_hub.endpoint}/org/one/resolve/main/model.onnx"
        assert "model.onnx is known" in hand_in(address, url.encode(), "address").page.text


@pytest.mark.parametrize("given", ["file:///etc/passwd", "ftp://example.org/a.onnx", "/etc/passwd", PAYLOAD, "a b/c"])
def test_nothing_but_http_and_the_hub_is_an_address(address: str, given: str) -> None:
    answer = hand_in(address, given.encode(), "address")
    assert answer.status == 422
    check_harmless(answer)


def test_rubbish_is_refused_in_a_sentence_without_a_path(address: str) -> None:
    answer = hand_in(address, b"rubbish", file_name=PAYLOAD.replace('"', ""))
    assert answer.status == 422
    assert "It cannot be looked at" in answer.page.text
    for path in ("/tmp", "/home", "convert-", "Traceback"):
        assert path not in answer.page.text
    check_harmless(answer)


def test_hostile_names_in_a_model_are_shown_as_text(address: str) -> None:
    made = onnx.load_model_from_string(
        model("(float[2] x) => (float[2] y) { a = Relu (x) y = Abs (a) }"), format="protobuf"
    )
    made.graph.name = made.producer_name = made.doc_string = PAYLOAD
    made.graph.node[0].name = made.graph.node[0].output[0] = made.graph.node[1].input[0] = PAYLOAD
    made.graph.node[1].op_type = made.graph.node[1].domain = PAYLOAD
    made.opset_import.add(domain=PAYLOAD, version=1)
    answer = hand_in(address, made.SerializeToString(), file_name="a.onnx")
    assert answer.status in (200, 422)
    check_harmless(answer)


def test_too_large_a_file_is_refused(zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("younger_hf.explore.known_page.MOST_BYTES", 1 << 20)
    with served(make_app(open_release(zoo / "younger"))) as address:
        answer = hand_in(address, bytes(3 << 20), file_name="large.onnx")
        assert answer.status == 413
        assert "more than 1 MiB" in answer.page.text
    assert MOST_BYTES == 64 << 20


def test_who_hands_in_much_has_to_wait(zoo: Path) -> None:
    with served(make_app(open_release(zoo / "younger"))) as address:
        statuses: list[Any] = [hand_in(address, b" ", "text").status for _ in range(12)]
    assert statuses[0] == 400
    assert statuses[-1] == 429

"""The explorer's pages, asked over HTTP as a browser asks."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from urllib.parse import quote

import networkx as nx
import onnx
import PIL.Image
import pytest
from support.explorer import Answer, ask, served

from younger_hf.explore.query import Query
from younger_hf.explore.server import make_app
from younger_hf.explore.visitors import RateLimit
from younger_hf.identity import fingerprint
from younger_hf.interop.networkx import from_networkx
from younger_hf.interop.onnx import from_onnx
from younger_hf.interop.text_form import from_text
from younger_hf.release import open_release

from .conftest import PAYLOAD


def of(catalogue, name: str) -> str:
    return catalogue.select(Query(q=name)).rows[0]["fingerprint"]


def check_harmless(answer: Answer) -> None:
    """No element, attribute or address is there that a template did not write."""
    for tag, attributes in answer.page.elements:
        assert tag != "script" or attributes["src"].startswith("/static/"), attributes
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        for name in ("href", "src", "action"):
            assert attributes.get(name, "/").startswith(("/", "#main", "https://huggingface.co/")), (tag, attributes)
    assert "49" not in answer.page.text.replace("{{ 7 * 7 }}", "").split()
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")


def test_browse_shows_the_rows_that_the_address_asks_for(address):
    answer = ask(f"{address}/?q=resnet&all_of=Conv")
    assert answer.status == 200
    assert "1 architecture passes" in answer.page.text
    assert [one["value"] for one in answer.page.every("input") if one.get("name") == "all_of"] == ["Conv"]
    check_harmless(answer)


def test_browse_has_no_column_of_which_nothing_is_known(address, catalogue):
    heads = [one["href"] for one in ask(address).page.every("a") if "sort=" in one["href"]]
    assert catalogue.is_known("macs") != catalogue.is_known("downloads")
    for column in ("macs", "downloads"):
        assert any(f"sort={column}" in head for head in heads) == catalogue.is_known(column)


def test_the_first_page_waits_for_no_library_that_it_does_not_need(zoo):
    """A server opens in a second or two because of this."""
    code = (
        "import sys\n"
        "from starlette.testclient import TestClient\n"
        "from builders.handed_in import HandedIn\n"
        "from younger_hf.explore.server import make_app\n"
        "from younger_hf.release import open_release\n"
        f"page = TestClient(make_app(open_release({str(zoo / 'younger')!r}))).get('/')\n"
        "assert 'resnet' in page.text\n"
        "heavy = {'datasets', 'huggingface_hub', 'igraph', 'matplotlib', 'networkx', 'numba', 'pandas', 'plotly', "
        "'scipy', 'sklearn', 'torch'}\n"
        "print(*heavy & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "\n", done.stderr


def test_a_page_can_be_read_without_eyes(address, catalogue):
    for path in ("/", f"/architecture/{of(catalogue, 'resnet50')}"):
        page = ask(f"{address}{path}").page
        assert page.every("html") == [{"lang": "en"}]
        assert all("alt" in image for image in page.every("img"))
        assert len(page.every("main")) == len(page.every("h1")) == 1
        assert all("scope" in head for head in page.every("th"))
        named = [one for one in page.every("input") if one.get("type") not in ("hidden",)]
        assert all("aria-label" in one for one in named if one.get("type") == "checkbox")


def test_an_architecture_has_its_facts_and_all_its_models(address, catalogue):
    page = ask(f"{address}/architecture/{of(catalogue, 'resnet50')}").page
    for said in (
        "resnet",
        "25.6 M parameters",
        "Fingerprint",
        of(catalogue, "resnet50"),
        "from younger_hf import load",
    ):
        assert said in page.text


def test_the_python_of_an_architecture_loads_it(address, catalogue, zoo, monkeypatch):
    page = ask(f"{address}/architecture/{of(catalogue, 'squeezenet')}").page
    code = page.text[page.text.index("from younger_hf import") :].split(" younger · ")[0].strip()
    lines = code.replace(" rows =", "\nrows =").replace(" row = ", "\nrow = ").replace(" model =", "\nmodel =")
    monkeypatch.chdir(zoo)
    made: dict = {}
    exec(lines, made)
    assert fingerprint(from_onnx(made["model"])) == of(catalogue, "squeezenet")


def test_every_download_is_the_architecture(address, catalogue):
    key = of(catalogue, "squeezenet")
    here = f"{address}/architecture/{key}"
    for name in ("weightless.onnx", "runnable.onnx"):
        answer = ask(f"{here}/{name}")
        assert fingerprint(from_onnx(answer.body)) == key
        assert "attachment" in answer.headers["content-disposition"]
    onnx.checker.check_model(onnx.load_model_from_string(ask(f"{here}/runnable.onnx").body))
    assert fingerprint(from_text(ask(f"{here}/graph.txt").text)) == key
    assert fingerprint(from_networkx(nx.read_graphml(io.BytesIO(ask(f"{here}/graph.graphml").body)))) == key
    given = json.loads(ask(f"{here}/graph.json").body)
    assert len(given["nodes"]) == given["num_nodes"]
    assert given["models"]


def test_a_preview_and_a_drawing_are_pictures(address, catalogue):
    here = f"{address}/architecture/{of(catalogue, 'resnet50')}"
    PIL.Image.open(io.BytesIO(ask(f"{here}/preview.png").body)).verify()
    folded, full = ask(f"{here}/drawing.svg"), ask(f"{here}/drawing.svg?full=1")
    assert folded.headers["content-type"] == full.headers["content-type"] == "image/svg+xml"
    assert len(folded.body) < len(full.body)
    assert ask(f"{here}/drawing.svg?module=0", Accept="*/*").text == "there is no such module"


def test_relatives_are_other_rows(address, catalogue):
    key = of(catalogue, "vgg19")
    links = [one["href"] for one in ask(f"{address}/architecture/{key}/relatives").page.every("a")]
    assert links
    assert f"/architecture/{key}" not in links


@pytest.mark.parametrize(
    "path", ["/architecture/0000", "/architecture/0000/drawing.svg", "/nothing", "/architecture/x/y"]
)
def test_what_is_not_there_is_said_in_a_sentence(address, zoo, path):
    answer = ask(f"{address}{path}")
    assert answer.status == 404
    assert str(zoo) not in answer.text
    assert "Traceback" not in answer.text


def test_no_page_tells_a_path_of_the_server(address, catalogue, zoo):
    key = of(catalogue, "resnet50")
    for path in ("/", f"/architecture/{key}", f"/architecture/{key}/graph.json", f"/architecture/{key}/relatives"):
        assert str(zoo) not in ask(f"{address}{path}").text


def test_hostile_texts_of_a_release_are_shown_as_text(hostile_address):
    key = quote(PAYLOAD.replace("/", ""), safe="")
    here = f"{hostile_address}/architecture/{key}"
    for path in (
        f"{hostile_address}/",
        here,
        f"{here}/modules",
        f"{here}/relatives",
        f"{hostile_address}/compare?with={key}",
    ):
        answer = ask(path)
        assert answer.status == 200, path
        check_harmless(answer)
    assert "<img src=x onerror=alert(1)>" in ask(here).page.text
    svg = ask(f"{here}/drawing.svg")
    assert svg.status == 200
    assert "script" not in {tag for tag, _ in svg.page.elements}
    assert "img" not in {tag for tag, _ in svg.page.elements}


def test_hostile_addresses_are_shown_as_text(address):
    for name in ("q", "family", "all_of", "sort"):
        check_harmless(ask(f"{address}/?{name}={quote(PAYLOAD)}"))
    check_harmless(ask(f"{address}/architecture/{quote(PAYLOAD.replace('/', ''), safe='')}"))


def test_a_client_that_asks_too_much_is_told_to_wait(zoo):
    app = make_app(open_release(zoo / "younger"), behind_proxy=True, limit=RateLimit(at_once=2, a_minute=0))
    with served(app) as address:
        path = f"{address}/architecture/0/preview.png"
        # What a client says of itself stands first, and does not count.
        assert [ask(path, X_Forwarded_For=f"{i}, 198.51.100.7").status for i in range(3)] == [404, 404, 429]
        assert ask(path, X_Forwarded_For="198.51.100.8").status == 404

"""What a trained encoder says on a page: operators for the place of one, and rows near by its vectors."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from support.explorer import Answer, ask, served

from younger_hf.dataset import load, to_graph
from younger_hf.errors import UsageError
from younger_hf.explore.aside import Aside
from younger_hf.explore.catalogue import Catalogue
from younger_hf.explore.embedded import Embedded
from younger_hf.explore.encoder import Encoder, vector, vectors, vectors_of_file
from younger_hf.explore.learned import Learned, check_embeddings, check_run
from younger_hf.explore.remembered import Remembered
from younger_hf.explore.server import make_app
from younger_hf.identity import canonicalize
from younger_hf.interop.text_form import from_text, to_text
from younger_hf.recipes.checkpoints import checkpoint_of, fresh_model
from younger_hf.recipes.embed_release import write_embeddings
from younger_hf.recipes.pretrained import save_encoder
from younger_hf.recipes.recipe import config_of
from younger_hf.recipes.run import Run
from younger_hf.recipes.suggest import suggest_operators
from younger_hf.release import open_release
from younger_hf.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def with_encoder(zoo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zoo's release, with an encoder whose parameters are as they were drawn."""
    directory = tmp_path_factory.mktemp("learned")
    release = Path(shutil.copytree(zoo / "younger", directory / "younger"))
    config = config_of("pretrain", {"release": str(release), "model": "gine"})
    run = Run.create(directory / "run", config, Vocabulary.load(release))
    run.start({})
    run.write("best.safetensors", checkpoint_of(fresh_model(run), 0))
    (run.directory / "best.json").write_text(json.dumps({"step": 0, "mean": 0.0}))
    save_encoder(run, release)
    return release


@pytest.fixture(scope="module")
def embeddings(with_encoder: Path) -> Path:
    """What `younger-hf embed --level graph` writes of it."""
    run, release = Run.open(with_encoder.parent / "run"), open_release(with_encoder)
    file, *_ = write_embeddings(run, "graph", with_encoder.parent / "embeddings", release)
    return file


@pytest.fixture(scope="module")
def address(with_encoder: Path) -> Iterator[str]:
    with served(make_app(open_release(with_encoder))) as where:
        yield where


@pytest.fixture(scope="module")
def row(zoo: Path) -> dict:
    (found,) = load("graphs", "all", zoo / "younger", name="squeezenet")
    return dict(found)


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which has imported PyTorch already."""
    monkeypatch.setattr(Aside, "__call__", lambda _, function, *arguments: function(*arguments))


def post(url: str, **fields: str) -> Answer:
    return ask(url, urlencode(fields).encode(), Content_Type="application/x-www-form-urlencoded")


def test_an_operator_of_a_row_has_the_suggestions_of_the_command(address: str, with_encoder: Path, row: dict) -> None:
    said = ask(f"{address}/architecture/{row['fingerprint']}/suggestions?node=3").page
    given = ask(f"{address}/architecture/{row['fingerprint']}/graph.json").body
    graph = from_text(ask(f"{address}/architecture/{row['fingerprint']}/graph.txt").text)
    run = Run.open(with_encoder.parent / "run")
    form = canonicalize(graph, attributes=False)
    expected = suggest_operators(run, form.graph, form.order.tolist().index(3))
    assert said.every("meter")[0]["value"] == str(expected[0][1])
    there = json.loads(given)["nodes"][3].partition("{")[0]
    rank = [label for label, _ in expected].index(there) + 1
    assert f"{there} operator 3" in said.text
    assert f"suggestion {rank} for its place" in said.text


def test_a_row_of_a_drawing_is_the_operator_that_it_says(address: str, row: dict) -> None:
    drawn = ask(f"{address}/architecture/{row['fingerprint']}/drawing.svg").page
    nodes = json.loads(ask(f"{address}/architecture/{row['fingerprint']}/graph.json").body)["nodes"]
    numbers = [int(one["data-node"]) for one in drawn.every("g") if "data-node" in one]
    assert numbers
    words = drawn.words
    assert all(nodes[number] in words for number in numbers)


def test_of_a_model_that_is_handed_in_the_page_sends_the_graph(address: str, row: dict, with_encoder: Path) -> None:
    text = to_text(to_graph(row, Vocabulary.load(with_encoder)))
    page = post(f"{address}/known", text=text).page
    kept = page.words[[tag for tag, _ in page.elements].index("textarea") :]
    assert any(from_text(words).num_nodes == row["num_nodes"] for words in kept if words.startswith("graph "))
    assert "operator 3" in post(f"{address}/known/suggestions", text=text, node="3").page.text
    assert post(f"{address}/known/suggestions", text=text, node="99999").status == 404
    assert post(f"{address}/known/suggestions", text="rubbish", node="0").status in (404, 502)


@pytest.mark.usefixtures("in_this_process")
def test_rows_are_near_by_the_vectors_that_embed_writes(with_encoder: Path, embeddings: Path, tmp_path: Path) -> None:
    release = open_release(with_encoder)
    catalogue, learned, cache = Catalogue.of(release), Learned(release), Remembered(tmp_path / "cache")
    made = [Embedded(catalogue, learned, given, cache) for given in (None, embeddings, None)]
    rows = load("graphs", "all", with_encoder)
    graphs = [to_graph(row, Vocabulary.load(with_encoder)) for row in rows.select(range(3))]
    for one in made:
        one.near(graphs[0], 1, "")
        one.wait()
    for graph, key in zip(graphs, rows["fingerprint"], strict=False):
        answers = [one.near(graph, 4, key) for one in made]
        assert answers[0] == answers[2]  # from the cache
        assert [near.row["fingerprint"] for near in answers[0] or []] == [
            near.row["fingerprint"] for near in answers[1] or []
        ]
        assert key not in [near.row["fingerprint"] for near in answers[0] or []]
        itself = made[0].near(graph, 1, "")
        assert itself is not None
        assert itself[0].cosine == pytest.approx(1, abs=1e-4)
    assert len(list((tmp_path / "cache").iterdir())) == 1
    assert vector(learned.encoder, graphs[0]).dtype.name == "float32"


def test_a_server_that_ends_leaves_nothing_at_work(
    with_encoder: Path, row: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    before = set(multiprocessing.active_children())
    with served(make_app(open_release(with_encoder))) as address:
        assert ask(f"{address}/architecture/{row['fingerprint']}/embedded").status == 202
    assert "vectors" not in [thread.name for thread in threading.enumerate()]
    assert not set(multiprocessing.active_children()) - before


def test_without_an_encoder_or_pytorch_pages_say_so_in_a_sentence(
    zoo: Path, with_encoder: Path, row: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(make_app(open_release(zoo / "younger"))) as address:
        page = ask(f"{address}/architecture/{row['fingerprint']}").page
        assert "The release brings no encoder that suggests operators" in page.text
        assert not [one for _, one in page.elements if one.get("data-part", "").endswith("embedded")]
        said = ask(f"{address}/architecture/{row['fingerprint']}/suggestions?node=1")
        assert (said.status, "brings no encoder" in said.text) == (200, True)
    monkeypatch.setattr("younger_hf.explore.learned.find_spec", lambda name: None if name == "torch" else name)
    with served(make_app(open_release(with_encoder))) as address:
        assert "needs PyTorch" in ask(f"{address}/architecture/{row['fingerprint']}").page.text


@pytest.mark.usefixtures("in_this_process")
def test_a_damaged_encoder_is_said_without_a_path(with_encoder: Path, tmp_path: Path, row: dict) -> None:
    release = Path(shutil.copytree(with_encoder, tmp_path / "younger"))
    (release / "encoder" / "best.safetensors").write_bytes(b"rubbish" * 10_000)
    with served(make_app(open_release(release))) as address:
        said = ask(f"{address}/architecture/{row['fingerprint']}/suggestions?node=1")
        assert said.page.text.strip() == "The encoder cannot be read, so that nothing is suggested."


def test_a_run_that_suggests_nothing_is_refused_at_the_start(with_encoder: Path, tmp_path: Path) -> None:
    check_run(with_encoder.parent / "run")
    config = config_of("slots", {"release": str(with_encoder), "model": "gine"})
    run = Run.create(tmp_path / "run", config, Vocabulary.load(with_encoder))
    run.start({})
    (run.directory / "best.json").write_text("{}")
    with pytest.raises(UsageError, match="suggests no operators"):
        check_run(run.directory)


@pytest.mark.usefixtures("in_this_process")
def test_a_release_needs_no_graphs_without_attributes(with_encoder: Path, embeddings: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(with_encoder, tmp_path / "younger"))
    shutil.rmtree(copy / "graphs-no-attributes")
    _, header, text = (copy / "README.md").read_text().split("---\n", 2)
    card = yaml.safe_load(header)
    card["configs"] = [one for one in card["configs"] if one["config_name"] != "graphs-no-attributes"]
    (copy / "README.md").write_text(f"---\n{yaml.safe_dump(card)}---\n{text}")
    release = open_release(copy)
    assert "graphs-no-attributes" not in release.configs
    made = vectors(Encoder(copy), Remembered(None))
    expected = vectors_of_file(embeddings, release)
    assert made.places.keys() == expected.places.keys() == Catalogue.of(release).positions.keys()
    for row, place in made.places.items():
        assert made.vectors[place] == pytest.approx(expected.vectors[expected.places[row]], abs=1e-6)


@pytest.mark.usefixtures("in_this_process")
def test_a_file_that_holds_no_vectors_is_refused_at_the_start(zoo: Path, tmp_path: Path) -> None:
    release, file = open_release(zoo / "younger"), tmp_path / "vectors.parquet"
    with pytest.raises(UsageError, match="there is no file"):
        check_embeddings(file, release)
    file.write_bytes(b"rubbish")
    with pytest.raises(UsageError, match="holds no embeddings"):
        check_embeddings(file, release)


@pytest.mark.usefixtures("in_this_process")
def test_vectors_are_of_this_release_or_refused_at_the_start(with_encoder: Path, embeddings: Path) -> None:
    release, table = open_release(with_encoder), pq.read_table(embeddings)
    assert check_embeddings(embeddings, release) == len(Catalogue.of(release))
    some, others = embeddings.with_name("some.parquet"), embeddings.with_name("others.parquet")
    pq.write_table(table.slice(0, 2), some)
    of_another = pa.array([f"{number:032x}" for number in range(len(table))])
    pq.write_table(table.set_column(0, "fingerprint", of_another), others)
    assert 2 <= check_embeddings(some, release) < len(Catalogue.of(release))
    with pytest.raises(UsageError, match=r"others\.parquet has vectors of another release"):
        check_embeddings(others, release)

"""Pretraining: masked operators of whole graphs, and the encoder that other runs, `suggest` and `embed` begin from."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hub.client import client
from hub.server import hub
from typer.testing import CliRunner, Result

import younger_hf
from builders.publish import publish
from younger_hf import Vocabulary, YoungerError, load, load_encoder, to_graph, to_onnx, to_pyg
from younger_hf.cli import app
from younger_hf.errors import ReleaseError, UsageError
from younger_hf.recipes.batches import GraphBatch
from younger_hf.recipes.checkpoints import fresh_model, load_best
from younger_hf.recipes.embed_release import known_ids
from younger_hf.recipes.encoders import MOST_BYTES
from younger_hf.recipes.pretrain import drop_edges, mask_at_random
from younger_hf.recipes.pretrained import encoder_of, initial_model, save_encoder
from younger_hf.recipes.recipe import config_of
from younger_hf.recipes.run import Run, RunError
from younger_hf.tasks.graph_table import GraphTable
from younger_hf.vocabulary import MASK_ID

FILES = ["best.json", "best.safetensors", "config.json", "vocabulary.json"]


def command(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture(scope="module")
def with_encoder(release, tmp_path_factory) -> Path:
    """A release with an encoder that was trained for some steps on it."""
    directory = tmp_path_factory.mktemp("pretrained")
    place = Path(shutil.copytree(release, directory / "younger"))
    options = ["--model", "gine", "--layers", 2, "--steps", 12, "--validate-every", 6, "--split-scheme", "paper"]
    done = command("pretrain", *options, "--release", place, "--run", directory / "run", "--save", "--device", "cpu")
    assert done.exit_code == 0, done.output
    assert f"wrote {place / 'encoder'}" in done.output
    return place


@pytest.fixture(scope="module")
def pretrained(with_encoder) -> Run:
    return Run.open(with_encoder.parent / "run")


def fresh_run(release: Path, directory: Path, recipe: str, **settings: object) -> Run:
    config = config_of(recipe, {"release": str(release), "split_scheme": "paper", **settings})
    return Run.create(directory, config, Vocabulary.load(release))


def test_the_encoder_of_a_published_release_is_read_from_the_hub(with_encoder, tmp_path):
    with hub() as server:
        server.users = {"hf_ada": "ada"}
        with client(server, tmp_path / "home", token="hf_ada"):
            publish(with_encoder, "ada/younger")
            ours, theirs = (load_encoder(source).state_dict() for source in (with_encoder, "ada/younger"))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_what_is_asked_for_is_masked_save_a_tenth(release):
    table = GraphTable(load("graphs-no-attributes", "train", release), "operator")
    batch = GraphBatch.of(table.union(np.arange(len(table))))
    masked, y = mask_at_random(batch, 0.15, np.random.default_rng(0))
    asked = masked.boundary
    assert torch.equal(y, batch.x[asked])
    changed = (masked.x != batch.x).nonzero().flatten()
    assert set(changed.tolist()) <= set(asked.tolist())
    assert (masked.x[changed] == MASK_ID).all()
    assert 0.8 < len(changed) / len(asked) < 1
    assert 0.05 < len(asked) / batch.num_nodes < 0.3


def test_dropped_edges_take_their_slots_along(release):
    batch = GraphBatch.of(GraphTable(load("graphs-no-attributes", "train", release), "operator").union(np.arange(7)))
    parted = drop_edges(batch, 0.3, np.random.default_rng(0))
    rows = torch.cat((batch.edge_index, batch.edge_attr.T)).T.tolist()
    left = torch.cat((parted.edge_index, parted.edge_attr.T)).T.tolist()
    assert left == [row for row in rows if row in left]
    assert 0.4 < len(left) / len(rows) < 1
    assert torch.equal(drop_edges(batch, 0.0, np.random.default_rng(0)).edge_index, batch.edge_index)


def test_a_release_brings_its_encoder_as_safetensors(with_encoder, pretrained):
    files = sorted((with_encoder / "encoder").iterdir())
    assert [file.name for file in files] == FILES
    assert sum(file.stat().st_size for file in files) < MOST_BYTES
    assert str(with_encoder) not in (with_encoder / "encoder" / "config.json").read_text()
    encoder = younger_hf.load_encoder(with_encoder)
    assert not encoder.training
    row = load("graphs-no-attributes", "train", with_encoder)[0]
    data = to_pyg(row)
    z = encoder(data.x, data.edge_index, data.edge_attr)
    assert z.shape == (data.num_nodes, 256)
    torch.testing.assert_close(z, load_best(pretrained).encoder(data.x, data.edge_index, data.edge_attr))
    graph = to_graph(row, Vocabulary.load(with_encoder))
    assert encoder.ids_of(graph).tolist() == data.x.tolist()
    assert encoder.embed(graph).shape == (256,)


def test_training_has_changed_the_encoder(pretrained):
    before, after = (encoder_of(make(pretrained)).state_dict() for make in (fresh_model, load_best))
    assert not torch.allclose(before["embedding.weight"], after["embedding.weight"])


@pytest.mark.parametrize("recipe", ["operator", "slots", "dataflow", "graph"])
def test_every_recipe_begins_from_it(with_encoder, pretrained, tmp_path, recipe):
    more = {"target": "num_nodes"} if recipe == "graph" else {}
    run = fresh_run(with_encoder, tmp_path / "run", recipe, model="gine", layers=2, init=str(with_encoder), **more)
    begun, fresh = (encoder_of(make(run)).state_dict() for make in (initial_model, fresh_model))
    learned = encoder_of(load_best(pretrained)).state_dict()
    same = {name for name, value in begun.items() if torch.equal(value, learned.get(name, torch.empty(0)))}
    outputs = {"output.1.weight", "output.1.bias"} if recipe == "operator" else set()
    assert same == set(begun) - outputs
    assert all(torch.equal(begun[name], fresh[name]) for name in outputs)


def test_operators_are_matched_by_their_labels(with_encoder, pretrained, tmp_path):
    run = fresh_run(with_encoder, tmp_path / "run", "slots", model="gine", layers=2, init=str(pretrained.directory))
    turned = replace(run, labels=(*run.labels[:2], *reversed(run.labels[2:]), "com.example::New"))
    begun = encoder_of(initial_model(turned)).embedding.weight
    learned = encoder_of(load_best(pretrained)).embedding.weight
    assert torch.equal(begun[2:-1], learned[2:].flip(0))
    assert torch.equal(begun[-1], encoder_of(fresh_model(turned)).embedding.weight[-1])


def test_a_resumed_run_does_not_begin_anew(with_encoder, tmp_path):
    options = ["--model", "gine", "--layers", 2, "--init", with_encoder, "--release", with_encoder, "--device", "cpu"]
    options += ["--split-scheme", "paper", "--validate-every", 2, "--batch-size", 8]
    runs = tmp_path / "whole", tmp_path / "resumed"
    for steps, run, more in ((4, runs[0], []), (2, runs[1], []), (4, runs[1], ["--resume"])):
        done = command("train", "operator", *options, "--steps", steps, "--run", run, *more)
        assert done.exit_code == 0, done.output
    assert runs[0].joinpath("best.safetensors").read_bytes() == runs[1].joinpath("best.safetensors").read_bytes()
    assert Run.open(runs[0]).config.title == "gine, layers 2, pretrained"


def test_another_model_is_not_begun_from_it(with_encoder, tmp_path):
    for settings in ({"model": "sage"}, {"model": "gine"}):
        run = fresh_run(with_encoder, tmp_path / "run", "slots", init=str(with_encoder), **settings)
        with pytest.raises(UsageError, match="was trained with --model gine, --layers 2: a run begins from the same"):
            initial_model(run)


def test_suggest_and_embed_use_it_where_no_run_is_named(with_encoder, tmp_path, monkeypatch):
    model = tmp_path / "model.onnx"
    onnx.save(to_onnx(load("skeletons", "train", with_encoder)[0]), model)
    monkeypatch.chdir(with_encoder.parent)
    suggested = command("suggest", model, "--node", 3, "--json")
    assert suggested.exit_code == 0, suggested.output
    assert len(json.loads(suggested.output)["suggestions"]) == 10
    named = command("suggest", model, "--node", 3, "--json", "--run", with_encoder.parent / "run")
    assert json.loads(named.output) == json.loads(suggested.output)
    embedded = command("embed", "--level", "graph", "--output", tmp_path / "vectors", "--release", with_encoder)
    assert embedded.exit_code == 0, embedded.output
    found = command("inspect", model, "--embeddings", tmp_path / "vectors" / "graph-embeddings.parquet", "--json")
    assert len(json.loads(found.output)["nearest"]) == 5


def test_a_later_release_is_embedded_though_it_has_operators_that_are_new(with_encoder, pretrained, tmp_path):
    fewer = replace(pretrained, labels=pretrained.labels[:-3])
    vocabulary = Vocabulary.load(with_encoder)
    fewer.check_vocabulary(vocabulary, may_have_more=True)
    with pytest.raises(RunError, match="was trained with another vocabulary"):
        fewer.check_vocabulary(vocabulary)
    turned = replace(pretrained, labels=(*fewer.labels[:2], *reversed(fewer.labels[2:])))
    with pytest.raises(RunError, match="was trained with another vocabulary"):
        turned.check_vocabulary(vocabulary, may_have_more=True)
    assert known_ids(np.arange(len(pretrained.labels)), fewer).tolist() == [*range(len(fewer.labels)), 0, 0, 0]


def test_a_release_without_an_encoder_says_so(release):
    with pytest.raises(ReleaseError, match=r"has no encoder/vocabulary\.json: name a run, or a release with"):
        younger_hf.load_encoder(release)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "evil.py:Model"}, "is no encoder by younger-hf pretrain with a built-in model"),
        ({"recipe": "operator"}, "is no encoder by younger-hf pretrain with a built-in model"),
        ({"layers": 10**9}, "is no encoder by younger-hf pretrain with a built-in model"),
        ({"model": "sage", "layers": None}, "holds the parameters of another model"),
        ({"layers": "many"}, "is damaged"),
    ],
)
def test_a_strangers_encoder_runs_no_code_and_takes_no_memory(with_encoder, tmp_path, change, message):
    place = Path(shutil.copytree(with_encoder, tmp_path / "younger"))
    file = place / "encoder" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises((ReleaseError, RunError), match=message):
        younger_hf.load_encoder(place)


def test_an_encoder_that_is_a_link_or_too_large_is_refused(with_encoder, tmp_path):
    place = Path(shutil.copytree(with_encoder, tmp_path / "younger"))
    file = place / "encoder" / "best.json"
    file.write_bytes(b" " * MOST_BYTES)
    with pytest.raises(ReleaseError, match="is larger than 20,000,000 bytes"):
        younger_hf.load_encoder(place)
    file.unlink()
    file.symlink_to(with_encoder / "encoder" / "best.json")
    with pytest.raises(ReleaseError, match="has a link"):
        younger_hf.load_encoder(place)


def test_a_release_takes_runs_of_pretraining_alone(trained, release):
    with pytest.raises(YoungerError, match="is no run of younger-hf pretrain"):
        save_encoder(trained["operator"], release)
    with pytest.raises(UsageError, match="organisation/younger is no release directory"):
        save_encoder(trained["operator"], Path("organisation/younger"))

"""`younger-hf train generation`, `generate` and `complete`: models learn; what they make is sound and repeatable."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from support.shared import made_once
from typer.testing import CliRunner

from younger_hf import Vocabulary, load, to_onnx
from younger_hf.cli import app
from younger_hf.dataset import to_graph
from younger_hf.errors import UsageError
from younger_hf.identity import fingerprint
from younger_hf.recipes.beginnings import beginning_of
from younger_hf.recipes.checkpoints import load_best
from younger_hf.recipes.decisions import DecisionBatch
from younger_hf.recipes.generate import Request, generate
from younger_hf.recipes.generated_files import write_generated
from younger_hf.recipes.generators import digress
from younger_hf.recipes.generators.dense import from_dense, is_exact, to_dense
from younger_hf.recipes.models.sequence_decoder import Cache, Inputs
from younger_hf.recipes.recipe import config_of
from younger_hf.recipes.rules import complete
from younger_hf.recipes.run import Run
from younger_hf.recipes.scoring import predict_split
from younger_hf.release import open_release
from younger_hf.tasks.generation.operator_rules import rules_of
from younger_hf.tasks.generation.slotted import SlottedGraph, rows_of, slotted_graphs
from younger_hf.tasks.generation.validity import fault_of_slots, fault_of_types
from younger_hf.tasks.graph_table import GraphTable

SMALL = {"channels": 32, "layers": 1, "batch_size": 8, "learning_rate": 3e-3, "max_nodes": 24, "device": "cpu"}


@pytest.fixture(scope="session")
def runs(release: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """A tiny run of each model, and of each rule."""

    def make(directory: Path) -> dict[str, Path]:
        for model, more in (
            ("autoregressive", {**SMALL, "steps": 60, "validate_every": 30}),
            ("digress", {**SMALL, "steps": 30, "validate_every": 15}),
            ("counts", {"max_nodes": 24}),
            ("bigrams", {"max_nodes": 24}),
        ):
            config = config_of("generation", {"model": model, "release": str(release), "split_scheme": "paper", **more})
            complete(Run.create(directory / model, config, Vocabulary.load(release)))
        return {model: directory / model for model in ("autoregressive", "digress", "counts", "bigrams")}

    return {model: Run.open(directory) for model, directory in made_once(tmp_path_factory, "generators", make).items()}


@pytest.fixture(scope="module")
def real(release: Path) -> list[SlottedGraph]:
    table = GraphTable(load("subgraphs-no-attributes", "train", release))
    return list(slotted_graphs(table, rows_of(table, 24).tolist()))


@pytest.mark.parametrize("model", ["autoregressive", "digress"])
def test_likelihood_rises_as_a_model_learns(runs, model):
    first, *_, last = runs[model].metrics()
    assert last["nll"] < first["nll"]
    assert last["loss"] < first["loss"]


def test_models_are_scored_on_the_same_graphs(runs, release):
    tables = [predict_split(run, open_release(release), "test").table for run in runs.values()]
    assert all(table.drop_columns("y_pred").equals(tables[0].drop_columns("y_pred")) for table in tables)
    assert runs["counts"].best()["nats_per_node"] < runs["bigrams"].best()["nats_per_node"]


@pytest.mark.parametrize("size", [None, 7, 24])
def test_what_the_decoder_draws_under_the_mask_is_sound(runs, size):
    run = runs["autoregressive"]
    graphs = generate(run, Request(12, size, seed=1), "cpu")
    rules = rules_of(run.labels)
    assert [fault_of_slots(graph, rules) for graph in graphs] == [None] * 12
    assert sum(fault_of_types(graph, rules) is None for graph in graphs) >= 9
    assert all(graph.num_nodes == size for graph in graphs if size)


@pytest.mark.parametrize("model", ["autoregressive", "digress", "counts", "bigrams"])
def test_the_same_seed_gives_the_same_graphs(runs, model):
    run = runs[model]
    asked = Request(4, None if model == "counts" else 9, seed=3, masked=False)
    one, again = (generate(run, asked, "cpu") for _ in range(2))
    other = generate(run, replace(asked, seed=4), "cpu")
    assert [graph.source.tolist() for graph in one] == [graph.source.tolist() for graph in again]
    assert [graph.source.tolist() for graph in one] != [graph.source.tolist() for graph in other]


def test_a_low_temperature_draws_what_is_likely(runs):
    run = runs["autoregressive"]

    def operators(temperature: float) -> int:
        graphs = generate(run, Request(8, 12, seed=1, temperature=temperature), "cpu")
        return len({operator for graph in graphs for operator in graph.operator.tolist()})

    assert operators(0.3) < operators(1.0) < operators(3.0)


def test_a_cache_changes_no_score(runs, real):
    """What decoding is told step by step is what training is told at once."""
    model = load_best(runs["autoregressive"])
    nothing = np.zeros(1, np.int64)
    batch = DecisionBatch.of(real[:1], model.num_fixed, nothing, nothing)
    with torch.no_grad():
        inputs, _ = model.inputs_of(batch)
        whole = model.encode(inputs)
        cache = Cache()
        steps = [
            model.encode(Inputs(**{name: value[:, at : at + 1] for name, value in vars(inputs).items()}), cache)
            for at in range(inputs.token.shape[1])
        ]
    torch.testing.assert_close(torch.cat(steps, dim=1), whole)


def test_the_probabilities_of_all_first_decisions_sum_to_one(runs, real):
    model = load_best(runs["autoregressive"])
    nothing = np.zeros(1, np.int64)
    batch = DecisionBatch.of(real[:1], model.num_fixed, nothing, nothing)
    with torch.no_grad():
        inputs, uses = model.inputs_of(batch)
        h = model.encode(inputs)
        keys = h.gather(1, batch.ends[..., None].expand(-1, -1, h.shape[-1]))
        scores = model.scores(h, keys, batch.node, uses)
    assert not torch.isnan(scores).any()
    assert torch.isinf(scores[0, 0, : model.num_fixed]).sum() == 6  # at first, only an operator
    pointers = torch.isfinite(scores[0, :, model.num_fixed :]).sum(-1)
    assert pointers.tolist() == batch.node[0].clamp(min=0).tolist()


def test_dense_classes_keep_almost_every_real_graph(real):
    assert np.mean([is_exact(graph) for graph in real]) > 0.9
    nodes, edges, mask = to_dense(real)
    back = from_dense(nodes[0], edges[0], mask[0])
    assert back.operator.tolist() == real[0].operator.tolist()


def test_the_bound_is_finite_and_twice_the_edges_cost_more(runs, real):
    model = load_best(runs["digress"])
    with torch.no_grad():
        once, twice = (digress.bound(model, real[:4], "cpu", edges_counted=count, draws=2) for count in (1, 2))
    assert torch.isfinite(once).all()
    assert (twice > once).all()


def test_a_step_back_from_noise_is_a_distribution_and_knows_the_start(runs):
    model = load_best(runs["digress"])
    classes = model.marginal(-1).shape[0]
    start = torch.nn.functional.one_hot(torch.arange(4) % classes, classes).float()[None]
    noised = torch.zeros(1, 4, dtype=torch.int64)
    for step in (2, 25, 50):
        back = digress._posterior(model, -1, start, noised, torch.tensor([step]))
        torch.testing.assert_close(back.sum(-1), torch.ones(1, 4))
    one_step = digress._posterior(model, -1, start, noised, torch.tensor([1]))
    torch.testing.assert_close(one_step, start, atol=1e-4, rtol=0)


def test_the_command_writes_rows_a_picture_and_a_summary(runs, release, tmp_path):
    output = tmp_path / "out"
    arguments = ["generate", str(runs["autoregressive"].directory), "--num", "6", "--nodes", "8", "--seed", "2"]
    result = CliRunner().invoke(app, [*arguments, "--output", str(output), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert "6 graphs" in result.output
    rows = pq.read_table(output / "graphs.parquet").to_pylist()
    vocabulary = Vocabulary.load(release)
    for row in rows:
        graph = to_graph(row, vocabulary)
        assert graph.num_nodes == 8
        assert fingerprint(graph, attributes=False) == row["type_fingerprint"]
    with Image.open(output / "samples.png") as picture:
        assert picture.width > 128


def test_whole_networks_with_attributes_are_written_as_onnx_where_they_run(release, tmp_path):
    settings = {"model": "counts", "level": "graph", "attributes": True, "max_nodes": 200, "release": str(release)}
    run = Run(tmp_path / "run", config_of("generation", settings), Vocabulary.load(release).variants)
    split = load("graphs", source=release, name="squeezenet")
    table = next(GraphTable(part, "variant") for part in split.values() if len(part))
    (graph,) = slotted_graphs(table, [0])
    written = write_generated(run, [graph], tmp_path / "out", "sample")
    assert (written.verdicts, written.num_onnx) == ([None], 1)
    onnx.checker.check_model(str(tmp_path / "out" / "sample-0000.onnx"), full_check=True)
    (row,) = pq.read_table(tmp_path / "out" / "graphs.parquet").to_pylist()
    assert row["fingerprint"] == table.fingerprints[0].as_py()


@pytest.fixture(scope="module")
def squeezenet(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    (row,) = (row for split in load("graphs", source=release).values() for row in split if row["name"] == "squeezenet")
    file = tmp_path_factory.mktemp("models") / "squeezenet.onnx"
    onnx.save(to_onnx(row, source=release), file)
    return file


def test_half_a_network_is_gone_on_with(runs, squeezenet, tmp_path):
    """What stands before the cut is kept, node for node."""
    run = runs["autoregressive"]
    output = tmp_path / "out"
    arguments = ["complete", str(squeezenet), "--run", str(run.directory), "--cut", "9"]
    result = CliRunner().invoke(app, [*arguments, "--num", "3", "--output", str(output), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    begun = beginning_of(run, squeezenet, "9")
    assert begun.num_nodes == 9
    going_on = generate(run, Request(3, 20), "cpu", begun)
    for graph in going_on:
        assert graph.operator[:9].tolist() == begun.operator.tolist()
        assert graph.num_nodes == 20


@pytest.mark.parametrize(
    ("model", "asked", "message"),
    [
        ("autoregressive", Request(1, 25), "of 2 to 24 operators, not of 25"),
        ("autoregressive", Request(1, task="image-clasification"), "no task in training"),
        ("counts", Request(1, task="image-classification"), "knows no tasks"),
        ("autoregressive", Request(0), "at least one"),
        ("autoregressive", Request(1, temperature=0.0), "above 0, not 0.0"),
        ("counts", Request(1, temperature=0.5), "has no temperature"),
    ],
)
def test_what_a_run_has_not_learned_is_one_sentence(runs, model, asked, message):
    with pytest.raises(UsageError, match=message):
        generate(runs[model], asked, "cpu")


def test_other_runs_and_unknown_operators_are_one_sentence(runs, release, squeezenet, tmp_path):
    other = config_of("operator", {"model": "sage", "release": str(release)})
    with pytest.raises(UsageError, match="generates nothing"):
        generate(Run.create(tmp_path / "run", other, Vocabulary.load(release)), Request(1), "cpu")
    run = runs["autoregressive"]
    ignorant = Run(run.directory, run.config, (*run.labels[:2], *(f"Other{i}" for i in range(len(run.labels) - 2))))
    with pytest.raises(UsageError, match="operator Conv, which is not in the vocabulary"):
        beginning_of(ignorant, squeezenet, "9")
    with pytest.raises(UsageError, match="nothing stands before"):
        beginning_of(run, squeezenet, "0")
    begun = beginning_of(run, squeezenet, "3")
    with pytest.raises(UsageError, match="autoregressive goes on"):
        generate(runs["digress"], Request(1), "cpu", begun)
    with pytest.raises(UsageError, match="operators up to there"):
        generate(run, Request(1), "cpu", beginning_of(run, squeezenet, "45"))


def test_tasks_are_told_by_name(runs):
    names = json.loads((runs["autoregressive"].directory / "tasks.json").read_text())
    if names:
        assert len(generate(runs["autoregressive"], Request(2, 6, task=names[0]), "cpu")) == 2

"""`younger-hf embed`, and what `inspect` finds nearest: vectors of operators, subgraphs and graphs."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from support.crafted_parquet import with_num_rows
from typer.testing import CliRunner, Result

from younger_hf import Vocabulary, YoungerError, load, to_graph, to_onnx
from younger_hf.cli import app
from younger_hf.recipes.batches import GraphBatch, in_parts
from younger_hf.recipes.checkpoints import load_best
from younger_hf.recipes.embed import embed_graph, embed_operators, embed_subgraphs
from younger_hf.recipes.embedding_files import GraphEmbeddings
from younger_hf.recipes.models import build_model
from younger_hf.recipes.operator import mask_boundary
from younger_hf.recipes.recipe import find_recipe
from younger_hf.recipes.subgraph_batches import subgraph_batch
from younger_hf.tasks.graph_table import GraphTable

LEVELS = ("node", "subgraph", "graph")
OPERATOR = find_recipe("operator")


def command(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture(scope="module")
def embeddings(trained, tmp_path_factory) -> Path:
    """The files of every level of the run of operator design."""
    output = tmp_path_factory.mktemp("embeddings")
    for level in LEVELS:
        done = command("embed", trained["operator"].directory, "--level", level, "--output", output)
        names = [output / f"{level}-embeddings.{kind}" for kind in ("parquet", "png")]
        assert done.output.splitlines() == [f"wrote {name}" for name in names]
    return output


@pytest.fixture(scope="module")
def subgraphs(release) -> GraphTable:
    return GraphTable(load("subgraphs-no-attributes", "train", release))


def collate(table: GraphTable, rows: np.ndarray) -> GraphBatch:
    return GraphBatch.of(table.union(rows))


def vectors(file: Path, column: str = "vector") -> np.ndarray:
    return np.array(pq.read_table(file)[column].to_pylist(), dtype=np.float32)


@pytest.mark.parametrize(("task", "layer"), [("operator", "embedding"), ("dataflow", "encoder.embedding")])
def test_an_operators_vectors_are_the_rows_of_the_embedding_layer(trained, task, layer):
    run = trained[task]
    before, after = embed_operators(run)
    assert torch.equal(torch.from_numpy(after), load_file(run.directory / "best.safetensors")[f"{layer}.weight"])
    torch.manual_seed(run.config.seed)
    settings = {"decoder": "directed"} if task == "dataflow" else {}
    fresh = build_model(task, run.config.model, len(run.labels), **settings).get_parameter(f"{layer}.weight")
    assert torch.equal(torch.from_numpy(before), fresh)
    assert not np.array_equal(before, after)


def test_the_file_of_operators_has_the_vocabulary_in_order(trained, release, embeddings):
    file = embeddings / "node-embeddings.parquet"
    before, after = embed_operators(trained["operator"])
    table = pq.read_table(file)
    assert tuple(table["label"].to_pylist()) == Vocabulary.load(release).operators
    assert np.array_equal(vectors(file, "before"), before)
    assert np.array_equal(vectors(file, "after"), after)
    assert table["num_nodes"][Vocabulary.load(release).operator_id("Conv")].as_py() > 100


def test_a_subgraphs_vector_is_the_mean_of_the_last_layer_with_its_boundary_masked(trained, subgraphs, embeddings):
    model = load_best(trained["operator"])
    found = vectors(embeddings / "subgraph-embeddings.parquet")
    fingerprints = pq.read_table(embeddings / "subgraph-embeddings.parquet")["fingerprint"].to_pylist()
    assert fingerprints[: len(subgraphs)] == subgraphs.fingerprints.to_pylist()
    for row in (0, 7, len(subgraphs) - 1):
        masked, _ = mask_boundary(collate(subgraphs, np.array([row])))
        with torch.no_grad():
            expected = model(masked.x, masked.edge_index, masked.edge_attr).mean(dim=0)
        assert found[row] == pytest.approx(expected.numpy(), abs=1e-5)


def test_the_operators_of_a_boundary_do_not_show(trained, subgraphs):
    model, batch = load_best(trained["operator"]), collate(subgraphs, np.arange(20))
    x = batch.x.clone()
    x[batch.boundary] = 5
    assert not torch.equal(x, batch.x)
    assert np.array_equal(
        embed_subgraphs(OPERATOR, model, batch), embed_subgraphs(OPERATOR, model, replace(batch, x=x))
    )


def test_parts_of_a_batch_are_its_graphs_in_order(subgraphs):
    rows = np.arange(30)
    parts = list(in_parts(collate(subgraphs, rows), 40))
    assert max(part.num_nodes for part in parts if part.num_graphs > 1) <= 40
    first = 0
    for part in parts:
        expected = collate(subgraphs, rows[first : first + part.num_graphs])
        for name in ("x", "edge_index", "edge_attr", "ptr", "boundary"):
            assert torch.equal(getattr(part, name), getattr(expected, name))
        first += part.num_graphs
    assert first == len(rows)


def test_a_graphs_samples_are_the_subgraphs_of_the_release(release, subgraphs):
    """Each sample of a graph is one of the rows that say they occur in it, up to the order of the nodes."""
    row = load("graphs-no-attributes", "train", release)[0]
    batch, node_of = subgraph_batch(to_graph(row, Vocabulary.load(release)), np.array(row["node_operator"]))
    assert torch.equal(torch.tensor(row["node_operator"])[node_of], batch.x)
    found = {
        (tuple(sorted(part.x.tolist())), part.edge_index.shape[1], len(part.boundary)) for part in in_parts(batch, 1)
    }
    rows = [
        subgraph
        for split in load("subgraphs-no-attributes", None, release).values()
        for subgraph in split
        if row["type_fingerprint"] in subgraph["graphs"]
    ]
    expected = {(tuple(sorted(r["node_operator"])), r["num_edges"], r["num_boundary"]) for r in rows}
    assert found == expected


def test_a_graphs_vector_is_the_mean_of_its_subgraphs(trained, release, embeddings):
    model, vocabulary = load_best(trained["operator"]), Vocabulary.load(release)
    table = pq.read_table(embeddings / "graph-embeddings.parquet")
    row = load("graphs-no-attributes", "train", release)[2]
    graph, ids = to_graph(row, vocabulary), np.array(row["node_operator"])
    batch, _ = subgraph_batch(graph, ids)
    expected = embed_subgraphs(OPERATOR, model, batch).mean(axis=0)
    vector, num_subgraphs = embed_graph(OPERATOR, model, graph, ids)
    assert num_subgraphs == batch.num_graphs == table["num_subgraphs"][2].as_py()
    assert vector == pytest.approx(expected)
    assert table["vector"][2].as_py() == pytest.approx(expected.tolist(), abs=1e-5)
    assert table["name"][2].as_py() == row["name"]


def test_the_same_run_gives_the_same_bytes(trained, embeddings, tmp_path):
    for level in LEVELS:
        # Where the run lies, seen from the file, is part of the file.
        output = embeddings.parent / f"again-{level}"
        command("embed", trained["operator"].directory, "--level", level, "--output", output)
        for file in output.iterdir():
            assert file.read_bytes() == (embeddings / file.name).read_bytes()


def test_pictures_are_pictures(embeddings):
    for level, width in (("node", 1728), ("subgraph", 1152), ("graph", 1152)):
        image = Image.open(io.BytesIO((embeddings / f"{level}-embeddings.png").read_bytes()))
        assert (image.format, image.width) == ("PNG", width)


def test_a_run_of_data_flow_design_embeds_subgraphs_as_they_are(trained, subgraphs):
    model, batch = load_best(trained["dataflow"]), collate(subgraphs, np.arange(3))
    with torch.no_grad():
        hidden = model.encode(batch.x, batch.edge_index, batch.edge_attr)
    expected = [hidden[batch.batch == graph].mean(dim=0).numpy() for graph in range(3)]
    assert np.allclose(embed_subgraphs(trained["dataflow"].recipe, model, batch), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["gcn", "gat", "sage", "gae", "vgae", "gine"])
def test_every_model_embeds_a_subgraph_by_itself_as_it_does_among_others(subgraphs, name):
    model = build_model("operator", name, 19).eval()
    together = embed_subgraphs(OPERATOR, model, collate(subgraphs, np.arange(10)))
    assert together.shape == (10, 512 if name in ("gae", "vgae") else 19)
    assert embed_subgraphs(OPERATOR, model, collate(subgraphs, np.array([4])))[0] == pytest.approx(
        together[4], abs=1e-5
    )


@pytest.fixture(scope="module")
def model(release, tmp_path_factory) -> Path:
    """A row of the release as an ONNX file."""
    row = next(row for row in load("skeletons", "train", release) if row["models"][0]["id"] == "resnet50")
    file = tmp_path_factory.mktemp("models") / "resnet50.onnx"
    onnx.save(to_onnx(row), file)
    return file


def test_an_architecture_of_the_release_is_nearest_to_itself(model, release, embeddings):
    done = command("inspect", model, "--embeddings", embeddings / "graph-embeddings.parquet")
    lines = [line for line in done.output.splitlines() if line.startswith("nearest")]
    assert lines[0] == "nearest 1         resnet50 (resnet, 1.000)"
    assert len(lines) == 5


def test_embeddings_of_a_run_that_has_changed_or_gone_are_refused(trained, embeddings, model, tmp_path):
    file = embeddings / "graph-embeddings.parquet"
    moved = tmp_path / "elsewhere" / file.name
    moved.parent.mkdir()
    moved.write_bytes(file.read_bytes())
    with pytest.raises(YoungerError, match=r"the run of .*graph-embeddings\.parquet is not where it was: there is no"):
        GraphEmbeddings.load(moved)
    best = trained["operator"].directory / "best.safetensors"
    content = best.read_bytes()
    try:
        best.write_bytes(content[:-1] + b"\0")
        error = command("inspect", model, "--embeddings", file).exception
        assert isinstance(error, YoungerError)
        assert "has been trained since" in str(error)
    finally:
        best.write_bytes(content)


def test_bad_input_is_one_sentence(trained, embeddings, model, tmp_path):
    (tmp_path / "text").write_text("no Parquet")
    run = trained["operator"].directory
    for arguments, sentence in (
        (
            ("inspect", model, "--embeddings", tmp_path / "text"),
            "text holds no embeddings: `younger-hf embed",
        ),
        (("inspect", model, "--embeddings", tmp_path / "none"), "is not there: write it with younger-hf embed"),
        (
            ("inspect", model, "--embeddings", embeddings / "node-embeddings.parquet"),
            "holds no embeddings of graphs: write",
        ),
        (("embed", run, "--level", "nodes", "--output", tmp_path), "no level 'nodes': did you mean node"),
        (("embed", tmp_path, "--level", "node", "--output", tmp_path), "there is no training run in"),
        (("embed", run, "--level", "node", "--output", tmp_path / "text"), "cannot be written"),
    ):
        error = command(*arguments).exception
        assert isinstance(error, YoungerError), arguments
        assert sentence in str(error)


def test_embeddings_of_a_stranger_are_not_believed(embeddings, model, tmp_path):
    known = pq.read_table(embeddings / "graph-embeddings.parquet")
    run = json.loads(known.schema.metadata[b"younger_embeddings"])["run"]
    about = {**json.loads(known.schema.metadata[b"younger_embeddings"]), "run": str((embeddings / run).resolve())}
    file = tmp_path / "made.parquet"

    def ends(table: pa.Table, change: Callable[[bytes], bytes] = bytes) -> str:
        pq.write_table(table.replace_schema_metadata({"younger_embeddings": json.dumps(about)}), file)
        file.write_bytes(change(file.read_bytes()))
        done = command("inspect", model, "--embeddings", file)
        assert isinstance(done.exception, YoungerError), done.output
        return str(done.exception)

    number = known.column_names.index("vector")
    wide = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(3 * known.num_rows, np.float32)), 3)
    assert "have vectors of 3 numbers" in ends(known.set_column(number, "vector", wide))
    assert "holds no embeddings of graphs" in ends(known.slice(0, 0))
    text = pa.FixedSizeListArray.from_arrays(pa.array(["x"] * known.num_rows), 1)
    assert "holds no embeddings of graphs" in ends(known.set_column(number, "vector", text))
    assert "holds no embeddings" in ends(known.slice(0, 1), lambda content: with_num_rows(content, 7))

"""V3: real networks, of which nothing is known but operators and slots, run with parameters that are solved forward."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from younger_hf import Vocabulary, fingerprint, from_onnx, load
from younger_hf.tasks.generation import runnable
from younger_hf.tasks.generation.runnable import runnable_model
from younger_hf.tasks.generation.slotted import PARAMETER, SlottedGraph, slotted_graphs
from younger_hf.tasks.graph_table import GraphTable


@pytest.fixture(scope="module")
def labels(zoo: Path) -> tuple[str, ...]:
    return Vocabulary.load(zoo / "younger").variants


@pytest.mark.parametrize("name", ["squeezenet", "bvlc_alexnet"])
def test_a_real_network_runs_and_is_the_same_graph(zoo, labels, name):
    for split in load("graphs", source=zoo / "younger").values():
        if name in split["name"]:
            row = split["name"].index(name)
            (graph,) = slotted_graphs(GraphTable(split, "variant"), [row])
            type_fingerprint = split[row]["type_fingerprint"]
    model = runnable_model(graph, labels)
    assert model is not None
    assert fingerprint(from_onnx(model), attributes=False) == type_fingerprint
    session = onnxruntime.InferenceSession(model.SerializeToString())
    shapes = {each.name: each.shape for each in session.get_inputs()}
    (output,) = session.run(None, {name: np.ones(shape, np.float32) for name, shape in shapes.items()})
    assert np.isfinite(output).all()


def test_what_no_shape_can_make_run_is_none(labels):
    """Two convolutions of which the second has no room left, and an operator of a domain that nobody knows."""
    conv = next(label for label in labels if label.startswith("Conv{") and '"kernel_shape":[11,11]' in label)
    chain = SlottedGraph(
        np.full(6, labels.index(conv)),
        np.arange(0, 13, 2),
        np.array([-1, PARAMETER, *(each for node in range(5) for each in (node, PARAMETER))]),
        np.zeros(12, np.int64),
    )
    assert runnable_model(chain, labels) is None
    assert runnable_model(chain, tuple(f"nobody::{label}" for label in labels)) is None


def test_a_network_that_doubles_what_it_is_fed_ends_before_memory_does(labels, monkeypatch):
    monkeypatch.setattr(runnable, "_MOST_BYTES", 1 << 20)
    concat = next(label for label in labels if label.startswith("Concat{"))

    def doubling(times: int) -> SlottedGraph:
        source = np.repeat(np.arange(-1, times - 1), 2)
        return SlottedGraph(
            np.full(times, labels.index(concat)), np.arange(0, 2 * times + 1, 2), source, np.zeros_like(source)
        )

    assert runnable_model(doubling(3), labels) is not None
    assert runnable_model(doubling(40), labels) is None

"""Existing ONNX files: read weightless, wherever they are."""

from __future__ import annotations

import onnx
import pytest
from hub.faults import Fault
from hub.kaggle import Instance, Model, kaggle
from hub.repositories import Repository
from hub.server import hub
from onnx import TensorProto, helper

from builders.convert import ConversionError, Outcome, Request
from builders.convert.onnx import export, fetch
from builders.crawl import list_models
from builders.model_ref import ModelRef
from younger_hf.extract import InvalidModelError, read_structure, strip


def saved(path, *nodes, inputs="x", outputs="y"):
    value = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in inputs + outputs}
    graph = helper.make_graph(list(nodes), "g", [value[n] for n in inputs], [value[n] for n in outputs])
    onnx.save(helper.make_model(graph), path)
    (model,) = list_models(f"onnx:{path}")
    return model


def test_a_file_is_converted_as_it_is(tmp_path, converted):
    nodes = helper.make_node("Relu", ["x"], ["h"]), helper.make_node("Neg", ["h"], ["y"])
    done = converted(saved(tmp_path / "m.onnx", *nodes))
    assert (done.outcome, done.exporter) == (Outcome.OK, "onnx")
    assert done.skeleton == strip(read_structure(tmp_path / "m.onnx")).SerializeToString(deterministic=True)
    assert done.opset == onnx.defs.onnx_opset_version()


def test_a_graph_without_a_data_flow_is_trivial(tmp_path, converted):
    done = converted(saved(tmp_path / "m.onnx", helper.make_node("Relu", ["x"], ["y"])))
    assert done.outcome is Outcome.TRIVIAL
    assert done.skeleton is None


def test_a_text_file_is_invalid_and_named(tmp_path, converted):
    file = tmp_path / "text.onnx"
    file.write_text("this is no model")
    done = converted(next(iter(list_models(f"onnx:{file}"))))
    assert done.outcome is Outcome.INVALID_ONNX
    assert "text.onnx" in done.message


def test_a_file_that_is_gone_is_not_found(tmp_path, converted):
    done = converted(ModelRef("onnx", "gone", library="onnx", location=str(tmp_path / "gone.onnx")))
    assert done.outcome is Outcome.NOT_FOUND
    assert "gone.onnx" in done.message


# Published files


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A Hub that has a file with weights, one with its weights beside it, and one that is no model."""
    weights = helper.make_tensor("w", TensorProto.FLOAT, [512, 2048], bytes(4 << 20), raw=True)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Relu", ["h"], ["y"])]
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", None]) for name in ("x", "y")]
    model = helper.make_model(helper.make_graph(nodes, "g", value[:1], value[1:], [weights]))
    onnx.save(model, tmp_path / "inline.onnx")
    onnx.save(model, tmp_path / "external.onnx", save_as_external_data=True, location="external.bin")
    files = {f"onnx/{path.name}": path for path in tmp_path.glob("*.*")}
    repository = Repository("org/model")
    repository.commit({**files, "text.onnx": b"this is no model"})
    with hub(repository) as served:
        monkeypatch.setenv("HF_ENDPOINT", served.endpoint)
        yield served


def on_hub(served, component, source="huggingface", **fields):
    sha = served.repositories["org/model"].sha
    return ModelRef(source, "org/model", component=component, library="onnx", **{"revision": sha, **fields})


@pytest.mark.parametrize("source", ["huggingface", "onnx-model-zoo"])
def test_of_a_published_file_only_the_structure_is_fetched(published, tmp_path, source):
    request = Request(on_hub(published, "onnx/inline.onnx", source), files=tmp_path / "files")
    fetched = fetch(request)
    assert fetched == published.sent() < 0.1 * (4 << 20)
    assert (request.files / "model.onnx").stat().st_size < 1024
    made = export(request)
    assert made.exporter == "onnx"
    assert strip(made.onnx) == strip(tmp_path / "inline.onnx")


def test_external_data_is_not_fetched(published, tmp_path):
    request = Request(on_hub(published, "onnx/external.onnx"), files=tmp_path / "files")
    fetch(request)
    assert not published.requests("*external.bin*")
    assert strip(export(request).onnx) == strip(tmp_path / "inline.onnx")


def test_a_file_on_kaggle_is_read_by_ranges_too(published, tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "TEST")
    files = {"model.onnx": tmp_path / "inline.onnx", "README.md": b"# a model"}
    with kaggle(Model("org/model", (Instance("onnx", "small", files),))) as served:
        (model,) = list_models("kaggle:org/model")
        request = Request(model, files=tmp_path / "files")
        assert fetch(request) < 0.1 * (4 << 20)
        _, *read = served.requests("GET /storage/*")
        assert read
        assert all(exchange.range for exchange in read)
        assert strip(export(request).onnx) == strip(tmp_path / "inline.onnx")


def test_a_published_file_is_converted_in_children_of_which_one_has_a_network(published, tmp_path, converted):
    done = converted(on_hub(published, "onnx/inline.onnx"))
    assert (done.outcome, done.exporter, done.message) == (Outcome.OK, "onnx", "")
    assert done.skeleton == strip(tmp_path / "inline.onnx").SerializeToString(deterministic=True)
    assert done.bytes_fetched == published.sent()


@pytest.mark.parametrize(
    ("component", "fields", "outcome"),
    [
        ("onnx/gone.onnx", {}, Outcome.NOT_FOUND),
        ("onnx/inline.onnx", {"revision": "f" * 40}, Outcome.NOT_FOUND),
        ("onnx/inline.onnx", {"id": "org/gone"}, Outcome.NOT_FOUND),
        ("", {}, Outcome.NOT_FOUND),
    ],
)
def test_a_published_file_that_is_gone_is_not_found(published, tmp_path, component, fields, outcome):
    model = on_hub(published, component)
    with pytest.raises(ConversionError) as caught:
        fetch(Request(ModelRef(**{**vars(model), **fields}), files=tmp_path))
    assert caught.value.outcome is outcome
    assert model.component in str(caught.value)


def test_a_published_file_for_those_who_ask_is_gated(published, tmp_path, converted):
    published.repositories["org/model"].gated = "auto"
    done = converted(on_hub(published, "onnx/inline.onnx"))
    assert done.outcome is Outcome.GATED
    assert "only given to those who have asked for access" in done.message


def test_a_large_file_on_a_server_without_ranges_is_too_large(published, tmp_path):
    published.faults.add("GET /cdn/*", Fault(ignore_range=True))
    with pytest.raises(ConversionError) as caught:
        fetch(Request(on_hub(published, "onnx/inline.onnx"), files=tmp_path))
    assert caught.value.outcome is Outcome.TOO_LARGE


def test_a_broken_answer_is_an_error(published, tmp_path):
    published.faults.add("GET /cdn/*", Fault(headers={"Content-Range": "bytes 5-6/7"}))
    with pytest.raises(ConversionError) as caught:
        fetch(Request(on_hub(published, "onnx/inline.onnx"), files=tmp_path))
    assert caught.value.outcome is Outcome.ERROR


def test_a_published_text_is_invalid(published, tmp_path):
    with pytest.raises(InvalidModelError, match=r"text\.onnx is not a valid ONNX model"):
        fetch(Request(on_hub(published, "text.onnx"), files=tmp_path))

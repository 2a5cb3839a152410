"""SavedModels and TFLite files: what is fetched of them, what is run of them, what is refused.

That they give the graph of the Keras model they come from is in test_keras.
"""

from __future__ import annotations

from contextlib import suppress

import pytest
from hub.faults import Fault
from hub.kaggle import Instance, Model, kaggle
from hub.repositories import Repository
from hub.server import hub

from builders.convert import ConversionError, Outcome, Request, saved_model, tensorflow
from builders.convert.tensorflow import fetch
from builders.crawl import kaggle_client, list_models
from builders.model_ref import ModelRef
from younger_hf.extract import extract

import tensorflow as tf  # isort: skip - after saved_model, which quiets it
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel  # isort: skip


class Scaled(tf.Module):
    """x * w + b, as a module that serves what it is asked to."""

    def __init__(self, shape=(4,)):
        super().__init__()
        self.w = tf.Variable(tf.ones(shape))
        self.b = tf.Variable(tf.zeros(shape))

    @tf.function(input_signature=[tf.TensorSpec([None, 4])])
    def serve(self, x):
        return {"y": tf.nn.relu(x * self.w + self.b)}


def saved(directory, module, **signatures):
    tf.saved_model.save(module, str(directory), signatures=signatures or None)
    return directory / "saved_model.pb"


@pytest.fixture
def served(monkeypatch):
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "TEST")
    monkeypatch.setattr(kaggle_client, "BACKOFF", 0.01)
    files = {"a/saved_model.pb": b"12345", "a/variables/variables.data-00000-of-00001": b"1" * 100}
    with kaggle(
        Model("org/m", (Instance("tensorFlow2", "s", files), Instance("tfLite", "l", {"m.tflite": b"123"})))
    ) as k:
        yield k


def test_of_a_saved_model_the_variables_stay_where_they_are(served, tmp_path):
    model, _ = list_models("kaggle:org/m")
    assert fetch(Request(model, files=tmp_path)) == served.sent("GET /storage/*") == 5
    assert (tmp_path / "a/saved_model.pb").read_bytes() == b"12345"


def test_a_saved_model_on_the_hub_is_fetched_too(tmp_path, monkeypatch):
    repository = Repository("org/model")
    repository.commit({"saved_model.pb": b"12345", "variables/variables.index": b"1"})
    with hub(repository) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        model = ModelRef("huggingface", "org/model", repository.sha, library="tensorflow")
        assert fetch(Request(model, files=tmp_path)) == 5
    assert (tmp_path / "saved_model.pb").read_bytes() == b"12345"


def test_a_file_over_the_limit_is_not_fetched(served, tmp_path, monkeypatch):
    monkeypatch.setattr(tensorflow, "MAX_FILE", 2)
    for model in list_models("kaggle:org/m"):
        with pytest.raises(ConversionError, match="at most") as raised:
            fetch(Request(model, files=tmp_path))
        assert raised.value.outcome is Outcome.TOO_LARGE
    assert served.sent("GET /storage/*") == 0


@pytest.mark.parametrize(
    ("call", "status", "outcome"),
    [
        ("ListModelInstanceVersionFiles", 403, Outcome.GATED),
        ("ListModelInstanceVersionFiles", 404, Outcome.NOT_FOUND),
        ("ListModelInstanceVersionFiles", 500, Outcome.ERROR),
        ("DownloadModelInstanceVersion", 418, Outcome.ERROR),
    ],
)
def test_what_kaggle_refuses_is_told_by_outcome(served, tmp_path, monkeypatch, call, status, outcome):
    monkeypatch.setattr(kaggle_client, "RETRIES", 0)
    model, _ = list_models("kaggle:org/m")
    served.faults.add(f"POST */{call}", Fault(status=status))
    with pytest.raises(ConversionError) as raised:
        fetch(Request(model, files=tmp_path))
    assert raised.value.outcome is outcome
    assert "\n" not in str(raised.value)


def test_a_signature_is_exported_with_its_parameters(tmp_path):
    file = saved(tmp_path, Scaled())
    export = saved_model.export(file, 17)
    assert [operator.op_type for operator in extract(export.onnx).operator] == ["Mul", "Add", "Relu"]
    assert [list(tensor.dims) for tensor in export.onnx.graph.initializer] == [[4], [4]]
    assert export.onnx.opset_import[0].version == 17


def test_the_default_signature_comes_before_others(tmp_path):
    module = Scaled()

    @tf.function(input_signature=[tf.TensorSpec([4])])
    def other(x):
        return {"y": tf.exp(tf.sin(x))}

    file = saved(tmp_path, module, another=other, serving_default=module.serve)
    assert "Relu" in {operator.op_type for operator in extract(saved_model.export(file, 0).onnx).operator}


def test_nothing_that_a_saved_model_would_do_is_done(tmp_path):
    victim = tmp_path / "victim"

    class Hostile(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([4])])
        def serve(self, x):
            tf.io.write_file(str(victim), "written")
            return {"y": tf.nn.relu(x) + tf.strings.to_number(tf.io.read_file("/proc/self/loginuid"))}

    file = saved(tmp_path / "model", Hostile())
    with pytest.raises(ConversionError, match="ReadFile") as raised:
        saved_model.export(file, 0)
    assert raised.value.outcome is Outcome.UNSUPPORTED
    assert not victim.exists()


@pytest.mark.parametrize("named", ["Variable", "Variable/Read/ReadVariableOp"])
def test_what_a_variable_waits_for_is_not_run(tmp_path, named):
    """A control dependency was: of a variable, and of what has the name by which it is read."""
    victim = tmp_path / "victim"
    module = Scaled()
    file = saved(tmp_path / "model", module, serving_default=module.serve)
    model = SavedModel()
    model.ParseFromString(file.read_bytes())
    graph = model.meta_graphs[0].graph_def
    with tf.Graph().as_default() as evil:
        tf.io.write_file(str(victim), "written", name="evil")
    for node in evil.as_graph_def().node:
        graph.node.add().CopyFrom(node)
    (waiting,) = (node for node in graph.node if node.name == named)
    waiting.input.append("^evil")
    file.write_bytes(model.SerializeToString())
    with suppress(ConversionError):
        saved_model.export(file, 0)
    assert not victim.exists()


@pytest.mark.parametrize("operator", ["DebugIdentity", "Print", "EagerPyFunc"])
def test_an_operator_that_reaches_outside_is_refused_though_its_inputs_are_constants(tmp_path, operator, capfd):
    """Translation folds constants, by running what they go into."""
    victim = tmp_path / "victim"

    def written(value):
        victim.write_text("written")
        return value

    class Hostile(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([4])])
        def serve(self, x):
            constant = tf.constant([1.0, 2.0, 3.0, 4.0])
            if operator == "DebugIdentity":
                urls = [victim.as_uri()]
                constant = tf.raw_ops.DebugIdentity(input=constant, tensor_name="a:0", debug_urls=urls)
            elif operator == "Print":
                constant = tf.raw_ops.Print(input=constant, data=[constant], message="written")
            else:
                constant = tf.py_function(written, [constant], tf.float32)
            return {"y": tf.nn.relu(x) + constant}

    with pytest.raises(ConversionError, match=f"it holds {operator}, which reaches outside"):
        saved_model.export(saved(tmp_path / "model", Hostile()), 0)
    assert not victim.exists()
    assert "written" not in capfd.readouterr().err


def lookup(tmp_path):
    vocabulary = tmp_path / "vocabulary.txt"
    vocabulary.write_text("a\nb\n")

    class Lookup(tf.Module):
        def __init__(self):
            super().__init__()
            initializer = tf.lookup.TextFileInitializer(
                str(vocabulary),
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
            )
            self.table = tf.lookup.StaticHashTable(initializer, -1)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def serve(self, words):
            return {"y": self.table.lookup(words) + 1}

    return saved(tmp_path / "model", Lookup())


def no_signature(tmp_path):
    module = tf.Module()
    module.v = tf.Variable(1.0)
    return saved(tmp_path, module)


def noise(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"noise" * 100)
    return tmp_path / "saved_model.pb"


def empty(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"")
    return tmp_path / "saved_model.pb"


def shapeless(tmp_path):
    class Shapeless(tf.Module):
        def __init__(self):
            super().__init__()
            self.v = tf.Variable(tf.ones(4), shape=tf.TensorShape(None))

        @tf.function(input_signature=[tf.TensorSpec([4])])
        def serve(self, x):
            return {"y": x + self.v}

    return saved(tmp_path, Shapeless())


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lookup, "no translation for|cannot freeze"),
        (no_signature, "no signature"),
        (noise, "protobuf does not parse"),
        (empty, "holds no graph"),
        (shapeless, "has no shape"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_one_sentence(tmp_path, make, says):
    with pytest.raises(ConversionError, match=says) as raised:
        saved_model.export(make(tmp_path), 0)
    assert raised.value.outcome is Outcome.UNSUPPORTED
    assert "\n" not in str(raised.value)


def test_too_many_parameters_are_refused_before_they_are_made(tmp_path, monkeypatch):
    monkeypatch.setattr(saved_model, "MAX_PARAMETERS", 16)
    with pytest.raises(ConversionError, match="more than") as raised:
        saved_model.export(saved(tmp_path, Scaled()), 0)
    assert raised.value.outcome is Outcome.TOO_LARGE


def test_what_is_no_tflite_file_is_refused(tmp_path):
    (tmp_path / "m.tflite").write_bytes(b"noise" * 100)
    model = ModelRef("kaggle", "a/b/tfLite/c", "1", component="m.tflite", library="tflite")
    with pytest.raises(ConversionError) as raised:
        tensorflow.export(Request(model, files=tmp_path))
    assert raised.value.outcome is Outcome.UNSUPPORTED


def test_an_instance_without_a_tflite_file_is_refused(tmp_path):
    model = ModelRef("kaggle", "a/b/tfLite/c", "1", library="tflite")
    with pytest.raises(ConversionError, match=r"no \.tflite file"):
        fetch(Request(model, files=tmp_path))

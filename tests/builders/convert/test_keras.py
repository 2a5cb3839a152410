"""Keras models through tf2onnx: applications, and published files of which only the configuration is fetched."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from math import prod

import h5py
import numpy as np
import onnx
import onnxruntime
import pytest
from hub.faults import Fault
from hub.kaggle import Instance, Kaggle, Model, kaggle
from hub.repositories import Repository
from hub.server import hub
from support import keras_files

from builders.convert import ConversionError, Outcome, Request, through_tf2onnx
from builders.convert.isolation.templates import Templates
from builders.convert.keras import export, fetch
from builders.convert.keras_configuration import checked
from builders.crawl import kaggle_client, list_models
from builders.model_ref import ModelRef
from younger_hf.extract import extract
from younger_hf.identity import fingerprint

WEIGHTS = 300 * 3000 * 2 * 4  # bytes of the files' weights, and some more


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    directory = tmp_path_factory.mktemp("keras")
    keras_files.make(directory)
    return directory


@pytest.fixture
def served(files, monkeypatch):
    """A Kaggle that has one model in all formats."""
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "TEST")
    monkeypatch.setattr(kaggle_client, "BACKOFF", 0.01)
    saved = {f"saved/{path.relative_to(files / 'saved')}": path for path in (files / "saved").rglob("*.*")}
    instances = (
        Instance("keras", "new", {"model.keras": files / "model.keras"}),
        Instance("keras", "old", {"model.h5": files / "model.h5"}),
        Instance("tensorFlow2", "saved", saved),
        Instance("tfLite", "lite", {"model.tflite": files / "model.tflite"}),
        Instance("keras", "preset", {"config.json": b"{}", "model.weights.h5": b"1"}),
    )
    with kaggle(Model("org/model", instances)) as server:
        yield server


@pytest.mark.slow
def test_every_format_of_one_model_gives_one_graph(served: Kaggle, converted):
    models = {model.id.rpartition("/")[2]: model for model in list_models("kaggle:org/model")}
    graphs, fetched = {}, {}
    with Templates() as templates:
        for name in ("new", "old", "saved", "lite"):
            done = converted(models[name], templates=templates)
            assert (done.outcome, done.message, done.exporter, done.opset) == (Outcome.OK, "", "tf2onnx", 18)
            graphs[name] = extract(onnx.load_from_string(done.skeleton))
            fetched[name] = done.bytes_fetched
    assert fingerprint(graphs["new"]) == fingerprint(graphs["old"]) == fingerprint(graphs["saved"])
    operators = Counter(operator.op_type for operator in graphs["new"].operator)
    assert operators["MatMul"] == 4
    assert operators["Conv"] == 1
    # A TFLite file has its own operators, FullyConnected for one; they are much the same in the end.
    assert Counter(operator.op_type for operator in graphs["lite"].operator)["Conv"] == 1
    assert max(fetched["new"], fetched["old"], fetched["saved"]) < WEIGHTS / 20
    assert fetched["lite"] == models["lite"].size
    assert not served.requests("*variables.data*")


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_of_a_file_on_the_hub_the_configuration_alone_is_fetched(files, tmp_path, monkeypatch, name):
    repository = Repository("org/model")
    repository.commit({f"sub/{name}": files / name})
    model = ModelRef("huggingface", "org/model", repository.sha, component=f"sub/{name}", library="keras")
    with hub(repository) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        fetched = fetch(Request(model, files=tmp_path / "files"))
        assert server.sent() < WEIGHTS / 20
        assert fetched <= server.sent()
    assert json.loads((tmp_path / "files/config.json").read_bytes())["class_name"] == "Functional"
    assert [path.name for path in (tmp_path / "files").iterdir()] == ["config.json"]


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [(Fault(status=404), Outcome.NOT_FOUND), (Fault(status=403), Outcome.GATED), (Fault(status=418), Outcome.ERROR)],
)
def test_what_the_hub_refuses_is_told_by_outcome(served, tmp_path, fault, outcome):
    model = next(list_models("kaggle:org/model"))
    served.faults.add("POST */DownloadModelInstanceVersion", fault)
    with pytest.raises(ConversionError) as raised:
        fetch(Request(model, files=tmp_path))
    assert raised.value.outcome is outcome


def test_files_without_an_architecture_are_refused(served, tmp_path):
    preset = next(model for model in list_models("kaggle:org/model") if model.id.endswith("preset"))
    with pytest.raises(ConversionError, match=r"no \.keras or \.h5 file") as raised:
        fetch(Request(preset, files=tmp_path))
    assert raised.value.outcome is Outcome.UNSUPPORTED
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file["weight"] = [1.0]
    with zipfile.ZipFile(tmp_path / "empty.keras", "w") as archive:
        archive.writestr("metadata.json", "{}")
    (tmp_path / "noise.keras").write_bytes(b"noise" * 1000)
    (tmp_path / "noise.h5").write_bytes(b"noise" * 1000)
    wrong = ("weights.h5", "empty.keras", "noise.keras", "noise.h5")
    served.models["a/b"] = Model("a/b", (Instance("keras", "c", {name: tmp_path / name for name in wrong}),))
    for model in list_models("kaggle:a/b"):
        with pytest.raises(ConversionError, match="holds no architecture") as raised:
            fetch(Request(model, files=tmp_path / "files"))
        assert raised.value.outcome is Outcome.UNSUPPORTED


@pytest.mark.parametrize(
    ("configuration", "says"),
    [
        (keras_files.layer("Lambda"), r"holds Python code \(Lambda\)"),
        (keras_files.layer("Dense", activation={"class_name": "__lambda__", "config": {}}), "holds Python code"),
        (keras_files.layer("TFOpLambda"), "a call of TensorFlow by name"),
        (keras_files.layer("TFSMLayer"), "a SavedModel in a layer"),
        (keras_files.layer("TorchModuleWrapper"), "a pickled PyTorch module"),
        (keras_files.layer("Popen", "subprocess"), "Popen of subprocess, which is not Keras' own"),
        (keras_files.layer("function", "keras.utils", config="get_file"), "not Keras' own"),
        (keras_files.layer("Dense", "keras_hub.layers"), "not Keras' own"),
        (keras_files.layer("Mine", None, registered_name="mine>Mine"), "mine>Mine, which is not Keras' own"),
        (keras_files.layer("Dense", registered_name="mine>Dense"), "mine>Dense, which is not Keras' own"),
        (keras_files.layer(["Dense"]), "by something that is no name"),
        ("{", "not JSON that can be read"),
        ("[" * 100_000, "not JSON that can be read"),
        ("[]", "not that of a Keras model"),
        ('{"model_type": "bert"}', "not that of a Keras model"),
    ],
)
def test_a_configuration_with_code_is_refused_before_keras_sees_it(tmp_path, configuration, says):
    model = ModelRef("huggingface", "org/model", library="keras", config=configuration)
    with pytest.raises(ConversionError, match=says) as raised:
        export(Request(model, files=tmp_path))
    assert raised.value.outcome is Outcome.UNSUPPORTED
    assert "\n" not in str(raised.value)


@pytest.mark.slow
def test_a_recurrent_network_of_keras_2_is_converted(converted):
    model = ModelRef("huggingface", "org/old", library="keras", config=json.dumps(keras_files.KERAS_2_SEQUENTIAL))
    done = converted(model)
    assert (done.outcome, done.message) == (Outcome.OK, "")
    operators = Counter(operator.op_type for operator in extract(onnx.load_from_string(done.skeleton)).operator)
    assert operators["LSTM"] == 1


def test_what_keras_2_wrote_is_put_as_keras_3_has_it():
    configuration = checked(json.dumps(keras_files.KERAS_2_FUNCTIONAL))
    assert configuration["module"] == "keras.src.models.functional"
    image, convolution, norm = configuration["config"]["layers"]
    assert image["config"]["batch_shape"] == [None, 16, 16, 3]
    assert convolution["config"] == {"name": "block_conv", "dtype": "float32", "kernel_size": [3, 3]}
    assert norm["config"]["axis"] == 3
    assert norm["inbound_nodes"] == [[["block_conv", 0, 0, {}]]]


def test_an_opset_that_tf2onnx_does_not_write_is_refused():
    with pytest.raises(ConversionError, match="opsets 14 to 18, and not 20") as raised:
        through_tf2onnx.translate(lambda opset: None, opset=20)
    assert raised.value.outcome is Outcome.UNSUPPORTED


@pytest.mark.parametrize(
    ("operators", "missing"),
    [("y = FooBar (x)", "FooBar"), ("y = If (x) <then_branch = a () => (float z) { z = CenterNet () }>", "CenterNet")],
)
def test_an_operator_without_translation_is_named(operators, missing):
    text = f'<ir_version: 8, opset_import: ["" : 18]> g (bool x) => (float y) {{ {operators} }}'
    with pytest.raises(ConversionError, match=f"no translation for {missing}") as raised:
        through_tf2onnx.translate(lambda opset: (onnx.parser.parse_model(text), None), opset=0)
    assert raised.value.outcome is Outcome.UNSUPPORTED


def test_what_a_convnext_is_made_of_is_computed_as_keras_does():
    from builders.convert import keras_models

    layers = [
        keras_models.keras.layers.Input((8, 8, 4), batch_size=1),
        keras_models.keras.layers.Conv2D(8, 3, groups=4),  # on a CPU a function of its own, which XLA compiles
        keras_models.keras.layers.Activation("gelu"),
    ]
    network = keras_models.keras.Sequential(layers)
    model = keras_models.export(network, 0).onnx
    image = np.random.default_rng(0).normal(size=(1, 8, 8, 4)).astype(np.float32)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (found,) = session.run(None, {session.get_inputs()[0].name: image})
    np.testing.assert_allclose(found, network(image).numpy(), atol=1e-5)


@pytest.mark.slow
def test_an_application_is_converted_without_published_weights(converted):
    (model,) = list_models("keras:MobileNetV2")
    done = converted(model)
    assert (done.outcome, done.exporter) == (Outcome.OK, "tf2onnx")
    assert {"keras", "tf2onnx"} <= set(done.versions)
    skeleton = onnx.load_from_string(done.skeleton)
    assert Counter(node.op_type for node in skeleton.graph.node)["Conv"] == 52
    parameters = [tensor for tensor in skeleton.graph.initializer if not tensor.raw_data]
    assert 3_400_000 < sum(prod(tensor.dims) for tensor in parameters) < 3_600_000

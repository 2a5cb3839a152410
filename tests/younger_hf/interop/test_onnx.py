"""From rows back to models: that they pass the checker, run in ONNX Runtime, and are the same architecture still."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import onnx
import pytest
import torch
import torchvision
import yaml
from hub.repositories import Repository
from hub.server import hub
from onnx import ModelProto, TensorProto
from onnx.backend.test.case.node import collect_testcases
from support.runtime import filled, is_finite, parse, run, session, weightless

from builders.convert.onnx_package import with_parameters
from younger_hf.errors import MissingExtraError, ReleaseError, UsageError, YoungerError
from younger_hf.extract import InvalidModelError, extract, read_structure, strip
from younger_hf.identity import canonicalize, fingerprint, skeleton_fingerprint
from younger_hf.interop.onnx import example_inputs, from_onnx, to_onnx
from younger_hf.release import SCHEMA_VERSION_KEY
from younger_hf.schema import SCHEMA_VERSION, features

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
# Those of the zoo models that are small; AlexNet, VGG and ZFNet have hundreds of megabytes of parameters.
ZOO = tuple(f"light_{name}" for name in ("densenet121", "inception_v1", "resnet50", "shufflenet", "squeezenet"))
TORCHVISION = ("resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5", "lraspp_mobilenet_v3_large", "vit")


@pytest.fixture(scope="session")
def skeleton(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], ModelProto]:
    """The skeleton of a real model, by name."""
    directory = tmp_path_factory.mktemp("models")
    made: dict[str, ModelProto] = {}

    def make(name: str) -> ModelProto:
        if name not in made:
            if name in TORCHVISION:
                path = directory / f"{name}.onnx"
                image = torch.zeros(1, 3, 224, 224)
                torch.onnx.export(torchvision_model(name).eval(), (image,), path, dynamo=False, opset_version=17)
                made[name] = strip(path)
            else:
                made[name] = strip(with_parameters(read_structure(LIGHT / f"{name}.onnx")))
        return made[name]

    return make


def torchvision_model(name: str) -> Any:
    if name == "vit":  # the registry's smallest has 86 million parameters
        return torchvision.models.VisionTransformer(224, 32, num_layers=4, num_heads=4, hidden_dim=64, mlp_dim=128)
    backbone = {"weights_backbone": None} if name.startswith("lraspp") else {}
    return torchvision.models.get_model(name, weights=None, **backbone)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
@pytest.mark.parametrize("name", [*ZOO, *TORCHVISION])
def test_a_real_model_runs_with_random_parameters(name: str, skeleton: Callable[[str], ModelProto]) -> None:
    row = {"onnx": skeleton(name).SerializeToString()}
    model = to_onnx(row, "random", seed=3)
    onnx.checker.check_model(model)
    outputs = run(model, example_inputs(row))
    again = run(to_onnx(row, "random", seed=3), example_inputs(row))
    assert is_finite(outputs)
    assert all(np.array_equal(one, other) for one, other in zip(outputs, again, strict=True))
    assert any(output.any() for output in outputs)


@pytest.mark.parametrize("name", ["light_densenet121", "mobilenet_v3_small", "vit"])
def test_a_real_model_runs_with_parameters_as_inputs(name: str, skeleton: Callable[[str], ModelProto]) -> None:
    stripped = skeleton(name)
    model = to_onnx(stripped)
    onnx.checker.check_model(model)
    inputs = example_inputs(stripped, seed=3, parameters=True)
    assert inputs.keys() == {proto.name for proto in model.graph.input}
    for one, other in zip(
        run(model, inputs), run(to_onnx(stripped, "random", 3), example_inputs(stripped, 3)), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["light_shufflenet", "lraspp_mobilenet_v3_large", "vit"])
def test_the_architecture_stays_the_same(name: str, skeleton: Callable[[str], ModelProto], tmp_path: Path) -> None:
    stripped = skeleton(name)
    graph, whole = fingerprint(extract(stripped)), skeleton_fingerprint(stripped)
    with_file = to_onnx(stripped, "splat", path=tmp_path / "zeros")
    for model in (to_onnx(stripped, "random"), with_file):
        assert fingerprint(extract(model)) == graph
        assert skeleton_fingerprint(model) == whole
        assert strip(model) == stripped
    assert fingerprint(extract(to_onnx(stripped))) == graph


NUMPY_TYPES = "BOOL DOUBLE FLOAT FLOAT16 INT16 INT32 INT64 INT8 STRING UINT16 UINT32 UINT64 UINT8".split()


def test_the_node_models_of_onnx_run() -> None:
    tried, failed = 0, []
    for case in collect_testcases(None)[::9]:
        types = [proto.type.tensor_type.elem_type for proto in (*case.model.graph.input, *case.model.graph.output)]
        if any(TensorProto.DataType.Name(data_type) not in NUMPY_TYPES for data_type in types):
            continue
        if not is_supported(case.model):
            continue
        stripped = strip(case.model)
        model = to_onnx(stripped, "random")
        onnx.checker.check_model(to_onnx(stripped))
        assert fingerprint(extract(model)) == fingerprint(extract(case.model))
        tried += 1
        try:
            assert is_finite(run(model, example_inputs(stripped)))
        except Exception:
            failed.append(case.name)
    # What fails needs values that go together: a shape to reshape to, sizes to split into, a trained table.
    assert tried > 100
    assert len(failed) <= 0.06 * tried, failed


def is_supported(model: ModelProto) -> bool:
    """Whether ONNX Runtime has a kernel for all of a model."""
    try:
        session(model)
    except Exception:
        return False
    return True


CONTROL_FLOW = """
g (float[4] x, bool go) => (float[4] y, float[4] z) {
    y = If (go) <
        then_branch = more () => (float[4] a) { w = Constant <value_floats = [9.0, 9.0, 9.0, 9.0]>() a = Add(x, w) },
        else_branch = fixed () => (float[4] b) { b = Constant <value_floats = [9.0, 9.0, 9.0, 9.0]>() }
    >
    trips = Constant <value_int = 3>()
    none = Constant <value_int = 1>()
    start = Cast <to = 9>(none)
    z = Loop (trips, start, x) <body = step (int64 i, bool keep, float[4] carried) => (bool on, float[4] next) {
        on = Constant <value = bool {1}>()
        w = Constant <value_floats = [9.0, 9.0, 9.0, 9.0]>()
        next = Mul(carried, w)
    }>
}
"""


def test_parameters_of_bodies_become_inputs_of_the_main_graph() -> None:
    stripped = strip(parse(CONTROL_FLOW))
    model = to_onnx(stripped)
    onnx.checker.check_model(model)
    inputs = example_inputs(stripped, parameters=True)
    assert inputs.keys() == {proto.name for proto in model.graph.input}
    assert len(inputs) > len(stripped.graph.input)
    for go in (True, False):
        for one, other in zip(
            run(model, {**inputs, stripped.graph.input[1].name: np.array(go)}),
            run(to_onnx(stripped, "random"), {**example_inputs(stripped), stripped.graph.input[1].name: np.array(go)}),
            strict=True,
        ):
            np.testing.assert_array_equal(one, other)


def test_a_node_under_another_opset_runs() -> None:
    m = parse(
        "g (float[2,3,4] x) => (float[2,3,4] y) { y = ext.soft(x) }",
        functions='<opset_import: ["" : 11], domain: "ext"> soft (a) => (b) { b = Softmax(a) }',
    )
    m.opset_import.add(domain="ext", version=1)
    stripped = strip(m)
    model = to_onnx(stripped, "random")
    assert [function.opset_import[0].version for function in model.functions] == [11]
    # ONNX Runtime takes the function's node for one of the model's opset, so the values are not compared.
    assert is_finite(run(model, example_inputs(stripped)))


def test_another_seed_gives_other_values(skeleton: Callable[[str], ModelProto]) -> None:
    first, second, again = (to_onnx(skeleton("resnet18"), "random", seed) for seed in (0, 1, 0))
    assert first == again
    assert first != second


def test_the_skeleton_is_not_changed(skeleton: Callable[[str], ModelProto]) -> None:
    stripped = skeleton("resnet18")
    before = stripped.SerializeToString(deterministic=True)
    to_onnx(stripped, "random")
    to_onnx(stripped)
    assert stripped.SerializeToString(deterministic=True) == before


def huge(gibibytes: int) -> ModelProto:
    return weightless(
        "g (float[1,1024] x) => (float[1,N] y) { m = MatMul(x, w) y = Add(m, b) }",
        ("w", "FLOAT", [1024, 2**18 * gibibytes]),
        ("b", "FLOAT", [1]),
    )


def test_more_than_two_gibibytes_ask_for_splat(tmp_path: Path) -> None:
    with pytest.raises(YoungerError, match=r"3\.0 GiB.*splat"):
        to_onnx(huge(3), "random")
    to_onnx(huge(3000), "splat", path=tmp_path / "zeros")
    assert (tmp_path / "zeros").stat().st_size == 3000 * 2**30
    assert (tmp_path / "zeros").stat().st_blocks == 0


def test_splat_loads_from_one_file_of_zeros(skeleton: Callable[[str], ModelProto], tmp_path: Path) -> None:
    stripped = skeleton("shufflenet_v2_x0_5")
    onnx.save(to_onnx(stripped, "splat", path=tmp_path / "zeros"), tmp_path / "model.onnx")
    assert (tmp_path / "zeros").stat().st_blocks == 0
    onnx.checker.check_model(tmp_path / "model.onnx")
    assert is_finite(run(tmp_path / "model.onnx", example_inputs(stripped)))


def test_symbolic_dimensions_agree_and_images_look_like_images() -> None:
    stripped = strip(
        parse(
            "g (float[N,3,H,W] image, int64[N,T] tokens, float[N,T,8] states, float[N,X,Y,3] last) => (int64[4] s) "
            "{ s = Shape(image) }"
        )
    )
    shapes = {name: value.shape for name, value in example_inputs(stripped).items()}
    assert shapes == {"in0": (1, 3, 224, 224), "in1": (1, 8), "in2": (1, 8, 8), "in3": (1, 224, 224, 3)}


def test_a_graph_is_made_of_a_file_its_bytes_its_model_and_its_address(tmp_path: Path) -> None:
    file = LIGHT / "light_squeezenet.onnx"
    graph = canonicalize(extract(file)).graph
    repository = Repository("org/models")
    repository.commit({file.name: file})
    with hub(repository) as served:
        url = f"{served.endpoint}/org/models/resolve/main/{file.name}"
        for model in (file, str(file), file.read_bytes(), onnx.load(file), url):
            made = from_onnx(model)
            assert made == graph
            assert made.metadata == graph.metadata


def test_what_is_no_model_makes_no_graph(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match="what these 11 bytes hold is not a valid ONNX model"):
        from_onnx(b"not a model")
    with pytest.raises(YoungerError, match=r"missing\.onnx does not exist"):
        from_onnx(tmp_path / "missing.onnx")
    with pytest.raises(UsageError, match="not dict"):
        from_onnx({"fingerprint": "f"})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (b"not a model", "11 bytes are no ONNX model"),
        (b"", "0 bytes are an ONNX model without a graph"),
        ({"fingerprint": "f", "boundary": [0]}, "a subgraph has no skeleton"),
        ({"name": "resnet18"}, "neither `onnx` nor `fingerprint`"),
        (3, "not int"),
    ],
)
def test_what_is_no_row_is_refused(row: Any, message: str) -> None:
    for call in (to_onnx, example_inputs):
        with pytest.raises(YoungerError, match=message):
            call(row)


def test_wrong_calls_are_refused(skeleton: Callable[[str], ModelProto], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean random"):
        to_onnx(skeleton("resnet18"), "randomly")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="needs path="):
        to_onnx(skeleton("resnet18"), "splat")
    with pytest.raises(YoungerError, match="cannot be written"):
        to_onnx(skeleton("resnet18"), "splat", path=tmp_path / "missing" / "zeros")


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A release of one graph in three skeletons, of which two are of the representative model."""

    def model(name: str, downloads: int | None) -> dict[str, Any]:
        blank = dict.fromkeys(features("skeletons")["models"].feature)
        return {**blank, "source": "s", "id": name, "downloads": downloads}

    def onnx_bytes(width: int) -> bytes:
        nodes = "{ t = MatMul(x, w) y = Relu(t) }"
        return weightless(
            f"g (float[1,N] x) => (float[1,M] y) {nodes}", ("w", "FLOAT", [width, width])
        ).SerializeToString()

    skeletons = {
        "c": (onnx_bytes(2), [model("popular", 9)]),
        "b": (onnx_bytes(3), [model("rare", 1), model("popular", 9)]),
        "a": (onnx_bytes(4), [model("new", None)]),
    }
    blank = dict.fromkeys(features("skeletons"))
    rows = [
        {**blank, "skeleton_fingerprint": name, "fingerprint": "f", "models": models, "onnx": content}
        for name, (content, models) in skeletons.items()
    ]
    datasets.Dataset.from_list(rows, features("skeletons")).to_parquet(str(tmp_path / "skeletons.parquet"))
    config = {"config_name": "skeletons", "data_files": [{"split": "train", "path": "skeletons.parquet"}]}
    (tmp_path / "README.md").write_text(
        f"---\n{yaml.safe_dump({SCHEMA_VERSION_KEY: SCHEMA_VERSION, 'configs': [config]})}---\n"
    )
    return tmp_path


def test_a_row_of_graphs_gives_the_skeleton_of_its_representative(release: Path) -> None:
    row = {"fingerprint": "f", "node_operator": [2, 3]}
    (weight,) = filled(to_onnx(row, "random", source=release)).values()
    assert weight.shape == (3, 3)
    assert example_inputs(row, parameters=True, source=release)["p0"].shape == (3, 3)


def test_a_row_of_another_release_is_refused(release: Path) -> None:
    with pytest.raises(ReleaseError, match="no skeleton of the graph 0123"):
        to_onnx({"fingerprint": "0123", "node_operator": []}, source=release)


def test_a_missing_onnx_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.delitem(sys.modules, "younger_hf.interop.onnx")
    with pytest.raises(MissingExtraError, match=r"younger-hf\[inspect\]"):
        importlib.import_module("younger_hf.interop.onnx")


def test_a_skeleton_that_somebody_has_tampered_with_is_refused(skeleton: Callable[[str], ModelProto]) -> None:
    tampered = ModelProto()
    tampered.CopyFrom(skeleton("resnet18"))
    tensor = tampered.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    for parameters in ("none", "random"):
        with pytest.raises(YoungerError, match="this is no skeleton of a release: it has the values of tensor"):
            to_onnx({"onnx": tampered.SerializeToString()}, parameters)
    with pytest.raises(YoungerError, match="this is no skeleton of a release"):
        example_inputs(tampered)


def test_nodes_are_named_by_type_and_position(skeleton):
    stored = skeleton("light_squeezenet").SerializeToString(deterministic=True)
    for model in (to_onnx(stored), to_onnx(stored, "random")):
        names = [node.name for node in model.graph.node]
        assert len(set(names)) == len(names)
        assert names == [f"{node.op_type}_{number}" for number, node in enumerate(model.graph.node)]
        assert fingerprint(extract(model)) == fingerprint(extract(onnx.load_model_from_string(stored)))
    assert {node.name for node in onnx.load_model_from_string(stored).graph.node} == {""}


def test_nodes_are_named_after_the_module_that_they_came_from(skeleton):
    model = skeleton("light_resnet50")
    num_nodes = extract(model).num_nodes
    modules = [["", "torchvision.models.resnet.ResNet", -1], ["layer1.0", "torchvision.models.resnet.Bottleneck", 0]]
    tree = json.dumps({"modules": modules, "node": [0] * (num_nodes - 5) + [1] * 5})
    named = to_onnx({"onnx": model.SerializeToString(), "modules": tree})
    inside = [node.name for node in named.graph.node if node.name.startswith("layer1.0/")]
    assert len(inside) == 5
    assert inside[-1] == f"layer1.0/{named.graph.node[-1].op_type}_{len(named.graph.node) - 1}"
    # A tree of something else names nothing.
    other = json.dumps({"modules": modules, "node": [1]})
    assert "/" not in to_onnx({"onnx": model.SerializeToString(), "modules": other}).graph.node[0].name

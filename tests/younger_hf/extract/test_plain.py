"""Reading a plain model as arrays gives the graph, the structure and the errors that `flatten` gives."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, parser

from younger_hf.compiled import INTERPRETED, runs_compiled
from younger_hf.errors import YoungerError
from younger_hf.extract import extract, read_structure
from younger_hf.extract.clear import clear_values
from younger_hf.extract.columns import count, read_columns
from younger_hf.extract.flatten import flatten
from younger_hf.extract.operator_graph import operator_graph
from younger_hf.extract.plain import PlainModel
from younger_hf.extract.reader import load_plainly, load_weightless
from younger_hf.graph import OperatorGraph
from younger_hf.work import WORK_LIMIT, Work, WorkLimitError

DATA = Path(onnx.__file__).parent / "backend/test/data"
LIGHT = sorted((DATA / "light").glob("*.onnx"))
FILES = [*LIGHT, *sorted((DATA / "simple").rglob("*.onnx")), *sorted((DATA / "pytorch-operator").rglob("*.onnx"))]


@pytest.fixture(autouse=True)
def there_is_enough_to_do() -> None:
    runs_compiled(INTERPRETED + 1)


def flat_graph(path: Path) -> OperatorGraph:
    return operator_graph(flatten(load_weightless(path), path.name))


def flat_structure(path: Path) -> ModelProto:
    model = load_weightless(path)
    clear_values(model, str(path))
    return model


def outcome(read: Callable[[Path], OperatorGraph | ModelProto], path: Path) -> object:
    """What reading gives, or says, in a form that can be compared."""
    try:
        found = read(path)
    except YoungerError as error:
        return type(error), str(error)
    if isinstance(found, ModelProto):
        return found.SerializeToString()
    arrays = found.edge_index.tolist(), found.edge_slot.tolist(), found.scope.tolist()
    return found.operator, arrays, found.metadata


def read_alike(path: Path) -> bool:
    return outcome(extract, path) == outcome(flat_graph, path) and (
        outcome(read_structure, path) == outcome(flat_structure, path)
    )


def is_plain(path: Path) -> bool:
    return isinstance(load_plainly(path, Work(WORK_LIMIT), Work(WORK_LIMIT)), PlainModel)


def saved(path: Path, text: str) -> Path:
    onnx.save(parser.parse_model('<ir_version: 8, opset_import: ["" : 17]> ' + text), path)
    return path


def test_real_models_are_read_alike() -> None:
    assert len(FILES) > 50
    assert [path.name for path in FILES if not read_alike(path)] == []
    assert all(map(is_plain, LIGHT))


def test_broken_models_are_refused_alike(tmp_path: Path) -> None:
    rng = random.Random(0)
    small = [path.read_bytes() for path in FILES if path.stat().st_size < 20_000]
    path = tmp_path / "broken.onnx"
    for _ in range(400):
        content = bytearray(rng.choice(small))
        if rng.random() < 0.2:
            del content[rng.randrange(len(content)) :]
        else:
            content[rng.randrange(len(content))] = rng.choice((0, 8, 10, 18, 127, 128, 255, rng.randrange(256)))
        path.write_bytes(content)
        assert read_alike(path), bytes(content).hex()


def test_whatever_the_bytes_are_columns_stay_within_them() -> None:
    rng = random.Random(1)
    small = [path.read_bytes() for path in FILES if path.stat().st_size < 20_000]
    plain = 0
    for _ in range(2000):
        content = bytearray(rng.choice(small))
        for _ in range(rng.choice((1, 3, 9))):
            content[rng.randrange(len(content))] = rng.randrange(256)
        array = np.frombuffer(bytes(content[: rng.randrange(len(content) // 2, 2 * len(content))]), np.uint8)
        counts = count(array)
        columns, is_plain = read_columns(array, counts)
        if is_plain and counts.tag:
            plain += 1
            assert columns.kinds.max(initial=0) <= len(array)
            assert columns.tensors[:, :2].max(initial=0) <= len(array)
            assert columns.inputs.max(initial=-1) < len(columns.maker)
    assert plain


@pytest.mark.parametrize(
    "body",
    [
        "g (float[2] x) => (float[2] y) { y = Add (z, x) z = Abs (x) }",  # not sorted
        "g (float[1, 1, 4] x, float[1, 1, 3] w) => (float[1, 1, 2] y) { y = Conv (x, w) }",  # a weight's shape is told
        "g (float[2] x, bool c) => (float[2] y) { y = If (c) <then_branch = t () => (float[2] p) { p = Abs (x) }, "
        "else_branch = e () => (float[2] q) { q = Neg (x) }> }",
        "g (float[2] x) => (float[2] y) { y, = Dropout (x) }",  # an output that is left out
        "g (float[2] x) => (float[2] y) { y = Clip (x, , ) }",  # inputs that are left out
        "g (float[2, 3] x) => (float[3, 2] y) { s = Constant <value_ints = [3, 2]> () y = Reshape (x, s) }",
        "g (float[2] x) => (float[2] y) { s = Constant <value_float = 3.0> () y = Mul (x, s) }",
        "g (float[2] x) => (float[2] y) { y = Mul (x, nothing) }",
        "g (float[2] x) => (float[2] x) { x = Abs (x) }",
    ],
)
def test_models_at_the_edge_of_what_is_plain_are_read_alike(tmp_path: Path, body: str) -> None:
    assert read_alike(saved(tmp_path / "m.onnx", body))


def test_names_that_crowd_the_table_cost_no_time(tmp_path: Path) -> None:
    crowded = [name for name in map("{:05d}".format, range(100_000)) if slot_of(name, 512) == 7][:180]
    nodes = [helper.make_node("Abs", [a], [b]) for a, b in zip(["x", *crowded], crowded, strict=False)]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])
    y = helper.make_tensor_value_info(crowded[-1], TensorProto.FLOAT, [2])
    path = tmp_path / "crowded.onnx"
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", [x], [y])), path)
    assert len(crowded) == 180
    assert not is_plain(path)
    assert read_alike(path)


def slot_of(name: str, size: int) -> int:
    key = 0xCBF29CE484222325
    for byte in name.encode():
        key = (key ^ byte) * 0x100000001B3 % (1 << 64)
    return (key ^ key >> 32) % size


def test_work_is_spent_as_by_flattening() -> None:
    for path in LIGHT[:3]:
        plain, flat = Work(WORK_LIMIT), Work(WORK_LIMIT)
        load_plainly(path, plain, plain)
        flatten(load_weightless(path, flat), path.name, flat)
        assert plain.spent == flat.spent
        with pytest.raises(WorkLimitError):
            extract(path, work_limit=flat.spent - 1)


def test_what_children_behind_walls_do_needs_nothing_compiled() -> None:
    code = (
        "import sys; from younger_hf.extract import extract, strip; "
        "from younger_hf.extract.reader import load_weightless; "
        f"extract(strip(load_weightless({str(LIGHT[0])!r}))); print('numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]

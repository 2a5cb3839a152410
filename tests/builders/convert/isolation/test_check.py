"""An answer of a child is believed only as far as another process finds it to be what it should be."""

from __future__ import annotations

import json
import subprocess
import sys

import onnx
import pytest
from onnx import helper, parser

from builders.convert.conversion import ConversionError, Outcome
from builders.convert.isolation.check import check
from builders.convert.isolation.known_names import known_names
from builders.convert.module_tree import Module, ModuleTree
from younger_hf.extract import InvalidModelError, extract, strip

MODEL = parser.parse_model(
    '<ir_version: 10, opset_import: ["" : 20]> g (float[2] x) => (float[2] y) { h = Relu (x) y = Abs (h) }'
)
GOOD = strip(MODEL).SerializeToString(deterministic=True)
TREE = {"modules": [["", "torch.nn.modules.container.Sequential", -1], ["0", "torch.nn.modules.linear.Linear", 0]]}


def changed(change):
    """The skeleton after a change of its message."""
    model = onnx.load_model_from_string(GOOD)
    change(model)
    return model.SerializeToString(deterministic=True)


def test_a_skeleton_as_strip_makes_it_is_taken_with_its_tree():
    tree = ModuleTree.from_json(json.dumps({**TREE, "node": [0, 1]}).encode())
    done = check(GOOD, tree.to_json(), published_code=False)
    assert (done.outcome, done.opset, done.modules) == (Outcome.OK, 20, tree.to_json())


@pytest.mark.parametrize(
    "skeleton",
    [
        *(b"", b"junk" * 100, b"\xff" * 50, GOOD + b"\x00", GOOD[:-3]),
        GOOD + b"\xfa\x3f\x04text",  # a field that nobody knows
        changed(lambda model: setattr(model, "doc_string", "root:x:0:0")),
        changed(lambda model: setattr(model.graph, "name", "root:x:0:0")),
        changed(lambda model: setattr(model.graph.node[0], "name", "root:x:0:0")),
        changed(lambda model: model.graph.node[0].output.__setitem__(0, "root:x:0:0")),
        changed(lambda model: model.metadata_props.add(key="k", value="root:x:0:0")),
        changed(lambda model: model.graph.initializer.append(helper.make_tensor("w", 1, [2], [1.0, 2.0]))),
        changed(lambda model: model.opset_import.add(domain="root:x:0:0", version=1)),
    ],
)
def test_what_strip_would_not_make_is_refused(skeleton):
    with pytest.raises((ConversionError, InvalidModelError)) as refused:
        check(skeleton, b"", published_code=True)
    assert getattr(refused.value, "outcome", Outcome.INVALID_ONNX) is Outcome.INVALID_ONNX


def test_a_skeleton_in_which_nothing_flows_is_trivial():
    single = parser.parse_model(
        '<ir_version: 10, opset_import: ["" : 20]> g (float[2] x) => (float[2] y) { y = Abs (x) }'
    )
    skeleton = strip(single).SerializeToString(deterministic=True)
    assert check(skeleton, b"", published_code=False).outcome is Outcome.TRIVIAL


@pytest.mark.parametrize(
    "tree",
    [
        *(b"junk", b"[" * 100_000, b"{}", b'{"modules": 1, "node": [0, 0]}', b"\xff"),
        json.dumps({**TREE, "node": [0]}).encode(),
        json.dumps({**TREE, "node": [0, 2]}).encode(),
        json.dumps({"modules": [["", "A", 0]], "node": [0, 0]}).encode(),
        json.dumps({**TREE, "node": [0, 1 << 70]}).encode(),
        b'{"modules": [], "node": [-1, -1]}' + b" " * (65 << 20),
    ],
)
def test_a_tree_that_is_not_the_skeletons_is_refused(tree):
    with pytest.raises(ConversionError, match="module tree cannot be read"):
        check(GOOD, tree, published_code=False)


def test_names_stay_that_the_libraries_have_and_others_become_numbers():
    tree = ModuleTree(
        (
            Module("", "torch.nn.modules.container.Sequential", -1),
            Module("0.attention", "torch.nn.modules.linear.NoSuchClass", 0),
            Module("0.root:x:0:0", "torch.root_x.Linear", 0),
            Module("1.attention", "somebody.Linear", 0),
            Module("1.norm", "#4", 0),
        ),
        extract(MODEL).edge_slot[:0],
    )
    honest, published = (known_names(tree, published_code=code) for code in (False, True))
    assert [module.kind for module in honest.modules] == [tree.modules[0].kind, "#0", "#1", "#2", "#3"]
    assert [module.path for module in honest.modules] == ["", "0.attention", "0.#0", "1.attention", "1.norm"]
    assert [module.path for module in published.modules] == ["", "0.#0", "0.#1", "1.#0", "1.#2"]
    assert known_names(honest, published_code=False).to_json() == honest.to_json()


def test_the_classes_of_the_libraries_are_known():
    torch = pytest.importorskip("torch")
    kinds = sorted({f"{each.__module__}.{each.__qualname__}" for each in torch.nn.Module.__subclasses__()})
    kinds = [kind for kind in kinds if kind.startswith("torch.nn.modules.")]
    tree = ModuleTree(tuple(Module("", kind, -1) for kind in kinds), extract(MODEL).edge_slot[:0])
    assert [module.kind for module in known_names(tree, published_code=False).modules] == kinds
    assert len(kinds) > 50


def test_nothing_is_left_to_compile_for_a_child_that_may_not_write():
    code = """
from importlib import import_module
from onnx import parser
from builders.convert.isolation.check import check
from younger_hf.compiled import Compiled
from younger_hf.extract import strip

def compiled():
    modules = [import_module(f"younger_hf.identity.{name}") for name in ("colours", "parts", "search", "wl")]
    functions = [value for module in modules for value in vars(module).values() if isinstance(value, Compiled)]
    return {function.__qualname__: function.dispatcher.signatures for function in functions}

before = {name: list(signatures) for name, signatures in compiled().items()}
crossed = "u{0} = Sub (a{0}, b{0})  v{0} = Sub (b{0}, a{0})"
for text in (
    "y = Abs (x) z = Neg (y)",
    "y = Abs (x) " + " ".join(f"a{i} = Relu (y) b{i} = Relu (y) {crossed.format(i)}" for i in range(3)),
    "y0 = Abs (x) " + " ".join(f"y{i + 1} = Relu (y{i})" for i in range(1200)) + " y = Abs (y1200)",
    "c = Less (x, x) y = If (c) <then_branch = t () => (float[2] p) { p = Abs (x) }, "
    "else_branch = e () => (float[2] q) { q = Abs (x) }>",
):
    model = parser.parse_model('<ir_version: 8, opset_import: ["" : 17]> g (float[2] x) => (float[2] y) {' + text + '}')
    print(check(strip(model).SerializeToString(deterministic=True), b"", published_code=False).outcome)
assert compiled() == before, (compiled(), before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["ok"] * 4, done.stderr
    assert not done.returncode, done.stderr

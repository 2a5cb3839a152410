"""What is marked `compiled` is Python until there is enough to do, and gives the same either way."""

from __future__ import annotations

import json
import subprocess
import sys

from support.light import LIGHT

from younger_hf.compiled import INTERPRETED, runs_compiled
from younger_hf.extract import extract
from younger_hf.identity import fingerprint, wl_hash

MODELS = [str(path) for path in sorted(LIGHT.glob("*.onnx")) if path.stat().st_size < 200_000]


def identities() -> list[tuple[str, str, str]]:
    graphs = [extract(path) for path in MODELS]
    return [(fingerprint(graph), fingerprint(graph, attributes=False), wl_hash(graph)) for graph in graphs]


def afterwards(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    ).stdout


def test_python_and_numba_give_the_same() -> None:
    assert len(MODELS) > 5
    assert runs_compiled(INTERPRETED + 1)
    code = f"""
import json, sys
import younger_hf.compiled
younger_hf.compiled.INTERPRETED = 1 << 30
from younger_hf.extract import extract
from younger_hf.identity import fingerprint, wl_hash
graphs = [extract(path) for path in {MODELS!r}]
print(json.dumps([(fingerprint(graph), fingerprint(graph, attributes=False), wl_hash(graph)) for graph in graphs]))
print("numba" in sys.modules)
"""
    found, has_numba = afterwards(code).splitlines()
    assert [tuple(each) for each in json.loads(found)] == identities()
    assert has_numba == "False"


def test_numba_comes_when_steps_add_up() -> None:
    code = f"""
import sys
from younger_hf.extract import extract
from younger_hf.identity import fingerprint
graph = extract({MODELS[0]!r})
fingerprint(graph)
print("numba" in sys.modules)
for _ in range({INTERPRETED} // graph.num_nodes + 1):
    fingerprint(graph)
print("numba" in sys.modules)
"""
    assert afterwards(code).split() == ["False", "True"]


def test_a_graph_that_takes_a_search_brings_numba() -> None:
    code = """
import sys
from onnx import parser
from younger_hf.extract import extract
from younger_hf.identity import canonicalize
crossed = "y = Abs (x) a = Relu (y) b = Relu (y) u = Sub (a, b) v = Sub (b, a)"
text = '<ir_version: 8, opset_import: ["" : 17]> g (float[2] x) => (float[2] u, float[2] v) {' + crossed + '}'
graph = extract(parser.parse_model(text))
print("numba" in sys.modules)
form = canonicalize(graph)
print("numba" in sys.modules, form.exact, form.num_searched > 0)
"""
    assert afterwards(code).split() == ["False", "True", "True", "True"]

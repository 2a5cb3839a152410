"""`import younger_hf` is light: what is heavy comes when it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.weightless import ALEXNET

import younger_hf

HEAVY = "torch torch_geometric sklearn onnx onnxruntime networkx datasets pyarrow pandas numpy matplotlib builders"


def run(code: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=check)


def modules_after(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    return set(run(code).stdout.split())


def test_importing_the_package_imports_nothing_heavy():
    assert modules_after("import younger_hf; younger_hf.__version__") & set(HEAVY.split()) == set()


def test_loading_and_graphs_need_neither_torch_nor_onnx():
    used = modules_after("from younger_hf import load, to_graph, Vocabulary, OperatorGraph, YoungerError")
    assert used & {"torch", "torch_geometric", "onnx", "networkx", "builders"} == set()


def test_statistics_need_no_plots():
    assert (
        modules_after("import younger_hf.cli, younger_hf.statistics_report") & {"matplotlib", "PIL", "torch"} == set()
    )


def test_the_command_needs_nothing_heavy_to_say_what_it_can_do():
    assert modules_after("import younger_hf.cli") & set(HEAVY.split()) == set()


def test_every_public_name_is_there():
    for name in younger_hf.__all__:
        assert getattr(younger_hf, name).__name__.rpartition(".")[2] == name
    assert set(younger_hf.__all__) <= set(dir(younger_hf))


def test_extract_is_a_function_whatever_of_its_package_was_imported_before():
    for first in ("", "import younger_hf.extract.reader", "from younger_hf.extract import extract"):
        code = f"import younger_hf\n{first}\nprint(younger_hf.extract({str(ALEXNET)!r}).num_nodes)"
        assert run(code).stdout.split() == ["40"]
    assert younger_hf.extract(ALEXNET) == younger_hf.extract.extract(ALEXNET)


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("onnx", "extract"),
        ("onnx", "read_structure"),
        ("numba", "fingerprint"),
        ("onnx", "strip"),
        ("numba", "wl_hash"),
    ],
)
def test_a_package_that_inspection_misses_is_named_with_its_extra(package: str, name: str):
    code = f"import sys; sys.modules[{package!r}] = None; import younger_hf; younger_hf.{name}()"
    assert f"this needs the package {package}: pip install 'younger-hf[inspect]'" in run(code, check=False).stderr


def test_every_name_is_there_without_any_extra():
    others = "torch torch_geometric onnx numba networkx sklearn".split()
    blocked = f"import sys; sys.modules.update(dict.fromkeys({others!r}))"
    code = f"{blocked}; from younger_hf import *; import younger_hf; print({{*younger_hf.__all__}} - {{*globals()}})"
    assert run(code).stdout == "set()\n"
    code = f"{blocked}; import younger_hf; help(younger_hf); print(repr(younger_hf.to_pyg))"
    assert "<to_pyg: this needs the package torch" in run(code).stdout
    code = f"{blocked}; import younger_hf\nclass Mine(younger_hf.Evaluator): pass"
    assert "this needs the package scikit-learn: pip install 'younger-hf[evaluate]'" in run(code, check=False).stderr


def test_inspect_needs_its_extra_alone():
    others = "torch torch_geometric sklearn networkx matplotlib PIL jinja2 psutil onnxruntime builders igraph datasets"
    blocked = f"import sys; sys.modules.update(dict.fromkeys({others.split()!r}))"
    code = f"{blocked}; sys.argv[1:] = ['inspect', {str(ALEXNET)!r}]; from younger_hf.cli import main; main()"
    assert run(code).stdout.startswith("fingerprint ")

"""`import younger_hf` is light: what is heavy comes when it is used."""

from __future__ import annotations

import subprocess
import sys

import younger_hf

HEAVY = "torch torch_geometric sklearn onnx onnxruntime networkx datasets pyarrow pandas numpy matplotlib builders"


def modules_after(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


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
        assert getattr(younger_hf, name).__name__ == name
    assert set(younger_hf.__all__) <= set(dir(younger_hf))

"""`younger-hf inspect`, and how the command ends when something is wrong."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import onnx
import pytest
from onnx import parser

from builders.crawl.onnx_package import zoo_files
from builders.pipeline import build
from younger_hf import __version__, load, to_onnx
from younger_hf.cli.inspect import _table
from younger_hf.extract import extract
from younger_hf.identity import fingerprint, wl_hash

KEYS = [
    "fingerprint",
    "type_fingerprint",
    "wl_hash",
    "num_nodes",
    "num_edges",
    "num_parameters",
    "opset",
    "operators",
    "in_release",
    "name",
]


def younger_hf(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "younger_hf", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=cwd)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release `younger` of two zoo models, a row of it as a file, and a model that it does not have."""
    directory = tmp_path_factory.mktemp("inspect")
    build(["onnx-package:squeezenet,resnet50"], directory / "younger", directory / "work")
    row = next(row for row in load("skeletons", "train", directory / "younger") if row["models"][0]["id"] == "resnet50")
    onnx.save(to_onnx(row), directory / "known.onnx")
    shutil.copy(zoo_files()["vgg19"], directory / "other.onnx")
    return directory


def test_json_has_the_promised_keys_and_says_what_the_library_says(directory: Path) -> None:
    done = younger_hf("inspect", directory / "known.onnx", "--release", directory / "younger", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    facts = json.loads(done.stdout)
    assert list(facts) == KEYS
    graph = extract(directory / "known.onnx")
    assert facts["fingerprint"] == fingerprint(graph)
    assert facts["type_fingerprint"] == fingerprint(graph, attributes=False)
    assert facts["wl_hash"] == wl_hash(graph)
    assert (facts["num_nodes"], facts["num_edges"], facts["opset"]) == (graph.num_nodes, graph.num_edges, 9)
    assert facts["operators"]["Conv"] == 53
    assert (facts["in_release"], facts["name"]) == (True, "resnet50")


def test_a_model_that_the_release_lacks_is_not_in_it(directory: Path) -> None:
    done = younger_hf("inspect", directory / "other.onnx", "--release", directory / "younger", "--json")
    facts = json.loads(done.stdout)
    assert (facts["in_release"], facts["name"], facts["same_network"]) == (False, None, [])
    assert {each["name"] for each in facts["relatives"]} == {"squeezenet", "resnet50"}
    assert all(each["difference"] and 0 <= each["similarity"] < 1 for each in facts["relatives"])


def test_a_known_network_by_another_export_is_said_to_be_one(directory: Path) -> None:
    row = next(row for row in load("skeletons", "train", directory / "younger") if row["models"][0]["id"] == "resnet50")
    model = onnx.load_model_from_string(row["onnx"])
    last = model.graph.node[-1]
    last.input[0], given = "passed on", last.input[0]
    model.graph.node.insert(len(model.graph.node) - 1, onnx.helper.make_node("Identity", [given], ["passed on"]))
    onnx.save(model, directory / "another.onnx")
    done = younger_hf("inspect", directory / "another.onnx", "--release", directory / "younger")
    assert "the same network as resnet50, by another export" in done.stdout


def test_without_a_release_nothing_is_said_of_one(directory: Path) -> None:
    facts = json.loads(younger_hf("inspect", directory / "other.onnx", "--json").stdout)
    assert (facts["in_release"], facts["name"]) == (None, None)


def test_the_table_is_for_people(directory: Path) -> None:
    done = younger_hf("inspect", directory / "known.onnx", "--release", directory / "younger")
    assert "operators         BatchNormalization×53  Conv×53  Relu×49" in done.stdout
    assert done.stdout.splitlines()[-1] == "in release        yes, as resnet50"


CYCLE = parser.parse_model(
    '<ir_version: 8, opset_import: ["" : 17]> g (float[2] x) => (float[2] y) { a = Add(x, b) b = Neg(a) y = Abs(b) }'
)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("missing.onnx", "missing.onnx does not exist: name a model file"),
        ("text.onnx", "text.onnx is not a valid ONNX model"),
        ("truncated.onnx", "at byte"),
        ("cycle.onnx", "cycle.onnx is not a valid ONNX model: its graph has a cycle"),
    ],
)
def test_bad_input_is_one_sentence(directory: Path, model: str, sentence: str) -> None:
    (directory / "text.onnx").write_text("this is no model")
    whole = zoo_files()["resnet50"].read_bytes()
    (directory / "truncated.onnx").write_bytes(whole[: len(whole) // 2])
    onnx.save(CYCLE, directory / "cycle.onnx")
    done = younger_hf("inspect", model, cwd=directory)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert sentence in done.stderr


def test_a_release_that_is_none_is_named(directory: Path) -> None:
    done = younger_hf("inspect", "known.onnx", "--release", "nowhere", cwd=directory)
    assert done.returncode == 1
    assert "there is no release directory nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_many_files_and_folders_are_identified_and_bad_ones_named(directory: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models" / "deep"
    folder.mkdir(parents=True)
    shutil.copy(directory / "known.onnx", folder / "b.onnx")
    (folder.parent / "a.onnx").write_text("this is no model")
    done = younger_hf("inspect", directory / "other.onnx", folder.parent, "--release", directory / "younger", "--json")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "a.onnx is not a valid ONNX model" in done.stderr
    facts = json.loads(done.stdout)
    assert [Path(one["file"]).name for one in facts] == ["other.onnx", "b.onnx"]
    assert [one["in_release"] for one in facts] == [False, True]
    # What the release does not have is looked for among its relatives besides.
    assert list(facts[0]) == ["file", *KEYS, "normal_fingerprint", "same_network", "relatives"]
    assert list(facts[1]) == ["file", *KEYS]
    table = younger_hf("inspect", folder).stdout
    assert table.splitlines()[0].split() == ["file", str(folder / "b.onnx")]
    done = younger_hf("inspect", directory / "work")
    assert (done.returncode, done.stderr) == (
        2,
        f"younger-hf: there is no .onnx file in the folder {directory / 'work'}\n",
    )


def test_two_models_are_compared(directory: Path) -> None:
    files = directory / "known.onnx", directory / "other.onnx"
    lines = younger_hf("diff-models", *files).stdout.splitlines()
    assert lines[0].split() == ["same", "network", "no"]
    assert max(map(len, lines)) <= 80
    found = json.loads(younger_hf("diff-models", *files, "--json").stdout)
    assert list(found) == ["same", "num_nodes", "num_common", "replaced", "removed", "added", "blocks"]
    assert "same network  yes" in younger_hf("diff-models", files[0], files[0]).stdout


def test_the_version_is_printed() -> None:
    assert younger_hf("--version").stdout == f"younger-hf {__version__}\n"


def test_the_help_is_readable_in_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for command in ([], ["build"], ["inspect"], ["contribute"], ["train", "operator"]):
        lines = younger_hf(*command, "--help").stdout.splitlines()
        assert max(map(len, lines)) <= 80
        assert not [line for line in lines if line.endswith("...") and "Usage" not in line]
        # No option is cut, and what it means is beside it in words, not in a column of them.
        assert sum(len(line.split()) >= 3 for line in lines) > len(lines) / 2


HEAVY = "torch torch_geometric sklearn onnx numba datasets pandas matplotlib PIL transformers"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["build", "--work", "w", "--source", "onnx-packages"], "no source 'onnx-packages': did you mean onnx-package"),
        (["crawl", "torchvision:resnet999", "--work", "w"], "no model of torchvision 'resnet999': did you mean resnet"),
        (["train", "operator", "--run", "."], ". is there already: resume it with --run . --resume"),
        (["suggest", "m.onnx", "--run", "."], "name one place with --node NAME, or two with --edge NAME NAME"),
        (["embed", ".", "--level", "nodes", "--output", "o"], "no level 'nodes': did you mean node"),
        (["evaluate", ".", "--split", "tests"], "no split 'tests': did you mean test"),
        (["inspect", "missing.onnx", "--release", "younger"], "missing.onnx does not exist: name a model file"),
        (["contribute", "m", "--repo-id", "a/b", "--yes", "--license", "apache2"], "did you mean apache-2.0"),
        (["contribute", "m", "--repo-id", "a/b", "--yes", "--task", "image-clasification"], "image-classification"),
    ],
)
def test_what_is_wrong_is_said_before_anything_heavy_is_imported(
    directory: Path, arguments: list[str], sentence: str
) -> None:
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({HEAVY.split()!r})); sys.argv[1:] = {arguments!r}; "
        "from younger_hf.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=directory)
    assert (done.returncode in (1, 2), done.stdout, done.stderr.count("\n")) == (True, "", 1)
    assert sentence in done.stderr


@pytest.mark.parametrize(("model", "said"), [("known.onnx", "yes, as resnet50"), ("other.onnx", "near 2")])
def test_a_release_is_looked_into_without_loading_it(directory: Path, model: str, said: str) -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from younger_hf.cli import app\n"
        f"done = CliRunner().invoke(app, ['inspect', {model!r}, '--release', 'younger'])\n"
        f"assert {said!r} in done.stdout, done.output\n"
        "heavy = {'datasets', 'huggingface_hub', 'igraph', 'matplotlib', 'networkx', 'numba', 'onnxruntime', "
        "'pandas', 'pyarrow.compute', 'pyarrow.dataset', 'scipy', 'torch'}\n"
        "print(*heavy & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=directory)
    assert done.stdout == "\n", done.stderr


def test_what_libraries_warn_programmers_of_is_not_on_the_screen() -> None:
    code = (
        "import sys, warnings; import younger_hf.cli as cli; sys.argv[1:] = ['stats']\n"
        "cli.app = lambda: warnings.warn('soon', FutureWarning)\n"
        "cli.main()"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr == ""
    loud = code.replace("'stats'", "'--debug'")
    assert "FutureWarning: soon" in subprocess.run([sys.executable, "-c", loud], capture_output=True, text=True).stderr


def test_debug_shows_the_traceback(directory: Path) -> None:
    assert "Traceback" in younger_hf("--debug", "inspect", "missing.onnx", cwd=directory).stderr


def test_wrong_usage_ends_with_2() -> None:
    assert younger_hf("inspekt").returncode == 2


@pytest.mark.slow
def test_a_crawl_is_converted_by_a_build_that_names_no_source(tmp_path: Path) -> None:
    done = younger_hf("crawl", "onnx-package", "--filter", "zfnet512", "--filter", "vgg19", "--work", "w", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "2 models of onnx-package; convert them with: younger-hf build --work w\n"
    assert "onnx-package  untried       2" in younger_hf("status", "--work", "w", cwd=tmp_path).stdout
    done = younger_hf("build", "--work", "w", cwd=tmp_path)
    assert done.stdout.startswith("younger: 2 architectures of 2 models, which took 2 conversions\n")
    status = json.loads(younger_hf("status", "--work", "w", "--json", cwd=tmp_path).stdout)
    assert [(ending["outcome"], ending["models"]) for ending in status["endings"]] == [("ok", 2)]


@pytest.mark.slow
def test_a_build_upon_a_release_keeps_what_that_promised(tmp_path: Path) -> None:
    """Alone, the model of the second build would number its operators in another order."""
    build(["onnx-package:bvlc_alexnet"], tmp_path / "first", tmp_path / "w1")
    arguments = ("--source", "onnx-package:shufflenet", "--work", "w2", "--previous", "first", "--output", "second")
    assert younger_hf("build", *arguments, cwd=tmp_path).returncode == 0
    first, second = (
        [(row["kind"], row["id"], row["label"]) for row in load("operators", "train", tmp_path / name)]
        for name in ("first", "second")
    )
    assert set(first) < set(second)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--retry", "timeouts"), "no outcome 'timeouts': did you mean timeout?"),
        (("--opset", "new"), "--opset takes comma-separated numbers, such as 17,20, not 'new'"),
        (("--source", "onnx-packages"), "no source 'onnx-packages': did you mean onnx-package"),
    ],
)
def test_wrong_options_of_a_build_are_one_sentence(tmp_path: Path, arguments: tuple[str, str], sentence: str) -> None:
    done = younger_hf("build", "--work", "w", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert sentence in done.stderr


def test_the_status_of_nothing_is_one_sentence(tmp_path: Path) -> None:
    done = younger_hf("status", "--work", "w", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "younger-hf: there is no ledger in w\n")


def test_an_interrupted_build_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "younger_hf", "build", "--source", "torchvision:vit_b_16", "--work", "w"]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    while not (tmp_path / "w" / "scratch").exists():
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=300)
    assert (running.returncode, errors) == (130, "younger-hf: interrupted; finished work is kept\n")


def test_what_strangers_named_cannot_act_on_the_terminal() -> None:
    facts = {"in_release": True, "name": "evil\x1b]0;title\x07", "operators": {"Add\x1b[2J": 1}}
    numbers = dict.fromkeys(("num_nodes", "num_edges", "num_parameters", "opset"), 1)
    names = dict.fromkeys(("fingerprint", "type_fingerprint", "wl_hash"), "0" * 32)
    shown = _table({**facts, **numbers, **names, "nearest": [{"name": "\x1b[2J", "family": "", "similarity": 1.0}]})
    assert all(line.isprintable() for line in shown.splitlines())
    assert "evil\\x1b]0;title\\x07" in shown

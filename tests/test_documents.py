"""What README.md, CONTRIBUTING.md, docs/ and the card tell a reader to type works, and prints what they show.

Every fenced block is run, in its order and where a release lies in `younger`: for README.md that of the repository,
for the others a small one. `me/younger` is on the tests' Hub:
`python` as it stands, or written to the file that is its `title`, `pycon` as doctest does it, and the lines of
`console` that begin with `$`. What a document
shows is compared with what is printed, `…` standing for anything, and any number or fingerprint for any other, since
these are of one release; in a block that is marked ```` ```pycon exact ````, for itself alone. Notebooks are run
from their first cell to their last. Each document has a directory and a Hub of its own.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import onnx
import pytest
import yaml
from hub.client import client
from hub.server import Hub, hub
from markdown_it import MarkdownIt
from markdown_it.token import Token
from nbclient import NotebookClient
from support.ledgers import export_torchvision
from support.light import record

from builders.assemble.describe.croissant import AUTHORS, CITATION, PAPER
from builders.ledger import Ledger
from builders.pipeline import build
from younger_hf import load, to_onnx
from younger_hf.cli import main

ROOT = Path(__file__).parents[1]
PAGES = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md"))
NOTEBOOKS = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.ipynb"))
DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "the card",
    *(page for page in PAGES if "```" in (ROOT / page).read_text()),
]
# What takes minutes on a loaded machine.
SLOW = {"docs/baselines.md", "docs/cluster.md", "docs/contributing-a-model.md"}

# What begins so is shown and not run here, and why.
NOT_RUN = {
    "make check": "runs for itself",
    "make docs": "builds a site in the working tree",
    "make demo": "assembles the release of the repository anew, in minutes; what it runs is tested for itself",
    "younger-hf build --previous younger --trust-previous": "does so too",
    "younger-hf explore": "serves until it is interrupted; tests/younger_hf/explore asks it",
    "make test": "runs this",
    "make ci": "runs this",
    "make wheel": "is a part of continuous integration by itself",
    "make compat": "is a part of continuous integration by itself",
    "make faults": "makes thousands; tests/faults makes a few of each",
    "make bench": "takes minutes, and a quiet machine",
    "pip install": "needs a network",
    "export RAY_AUTH_MODE": "is for such a cluster",
    "ray get-auth-token": "writes into the home directory",
    "ray up": "needs machines behind SSH; tests/test_examples.py holds the file against Ray's schema",
    "ray exec": "needs them too",
    "ray attach": "needs them too",
    "ray down": "needs them too",
    "kubectl": "needs a Kubernetes cluster",
    "ray start": "starts what goes on; tests/builders/executor/test_ray.py has a cluster of its own",
    "younger-hf build --executor ray --address auto": "needs such a cluster",
}
# What a block may be that nobody types.
NO_CODE = {"bibtex", "ebnf"}

# What somebody else does meanwhile: the maintainer merges what was proposed, before a command that begins so.
MEANWHILE: dict[str, Callable[[Hub], object]] = {
    "younger-hf build --work work --previous me/younger": lambda served: served.repositories["me/younger"].merge(1),
}

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class OfAnyRelease(doctest.OutputChecker):
    """Compares what is printed, but for numbers, hashes and spaces."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return super().check_output(*(re.sub(r"\b[0-9a-f]{8,}\b|\d[\d,.]*", "0", text) for text in (want, got)), FLAGS)


class Yes(io.StringIO):
    """A terminal at which somebody agrees, as it shows."""

    def isatty(self) -> bool:
        return True

    def readline(self, size: int | None = -1, /) -> str:
        sys.stdout.write("y\n")
        return "y\n"


def blocks(document: Path) -> list[Token]:
    """The fenced blocks of a document."""
    return [token for token in MarkdownIt().parse(document.read_text()) if token.type == "fence"]


def commands(block: Token) -> list[tuple[str, str]]:
    """The commands of a console, each with what it is shown to print; every line of an unnamed block is one."""
    text = block.content.replace("\\\n", "")
    if not block.info.startswith("console"):
        return [(line, "") for line in text.splitlines() if line.strip()]
    parts = [part.partition("\n") for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]]
    return [(command, output) for command, _, output in parts]


def run_command(command: str) -> str:
    """What a command prints; ours runs in this process, which is a client of the tests' Hub."""
    words = shlex.split(command, comments=True)
    if words[0] != "younger-hf":
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout
    printed, code = io.StringIO(), None
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(sys, "argv", words)
        patch.setattr(sys, "stdin", Yes())
        try:
            main()
        except SystemExit as end:
            code = end.code
    assert not code, f"{command} ends with {code}"
    return printed.getvalue()


def run_block(block: Token, document: str, names: dict[str, Any], served: Hub | None = None) -> None:
    """Run a block and compare what it prints; what it defines is there for the blocks behind it."""
    assert block.map is not None
    place = f"{document}, line {block.map[0] + 1}"
    language, *marks = block.info.split() or [""]
    checker = doctest.OutputChecker() if "exact" in marks else OfAnyRelease()
    titles = [mark.removeprefix("title=").strip('"') for mark in marks if mark.startswith("title=")]
    if titles:
        Path(titles[0]).write_text(block.content)
    elif language == "python":
        exec(compile(block.content, place, "exec"), names)
    elif language == "pycon":
        test = doctest.DocTestParser().get_doctest(block.content.replace("…", "..."), names, place, place, block.map[0])
        report = io.StringIO()
        runner = doctest.DocTestRunner(checker=checker, optionflags=FLAGS, verbose=False)
        assert not runner.run(test, out=report.write, clear_globs=False).failed, report.getvalue()
        names |= test.globs
    else:
        assert language in ("console", ""), f"{place} is in {language}: say how that is run"
        for command, shown in commands(block):
            for beginning, act in MEANWHILE.items():
                if served and command.startswith(beginning):
                    act(served)
            if not command.startswith(tuple(NOT_RUN)):
                example, printed = doctest.Example(command, shown.replace("…", "...")), run_command(command)
                same = not shown or checker.check_output(example.want, printed, FLAGS)
                assert same, f"{place}: {checker.output_difference(example, printed, FLAGS)}"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with what documents suppose to be there: a release, its ledger, and a model."""
    directory = tmp_path_factory.mktemp("documents")
    with Ledger(directory / "work") as ledger:
        record(ledger, ("bvlc_alexnet", "inception_v1", "shufflenet", "squeezenet", "vgg19", "zfnet512"))
    build(["torchvision:resnet18"], directory / "younger", directory / "work")
    shutil.copytree(ROOT / "younger" / "encoder", directory / "younger" / "encoder")
    row = load("graphs", "train", directory / "younger", family="resnet")[0]
    onnx.save(to_onnx(row, source=directory / "younger"), directory / "resnet18.onnx")
    export_torchvision(directory, "resnet34", opset=20)
    return directory


@pytest.fixture
def served(prepared: Path, tmp_path: Path) -> Iterator[Hub]:
    """A Hub, and a current directory that is a copy of what was prepared."""
    directory = tmp_path / "here"
    shutil.copytree(prepared, directory)
    with hub() as server, pytest.MonkeyPatch.context() as patch:
        server.users = {"hf_me": "me"}
        patch.chdir(directory)
        with client(server, tmp_path / "home", token="hf_me"):
            yield server


def slow(document: str) -> Any:
    return pytest.param(document, marks=[pytest.mark.slow] if document in SLOW else [])


@pytest.mark.parametrize("document", [slow(document) for document in DOCUMENTS])
def test_what_a_document_shows_is_so(served: Hub, document: str) -> None:
    file = Path("younger", "README.md") if document == "the card" else ROOT / document
    if document == "README.md":
        shutil.rmtree("younger")
        Path("younger").symlink_to(ROOT / "younger")
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(file):
        if block.info not in NO_CODE:
            run_block(block, document, names, served)


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_a_notebook_runs(served: Hub, notebook: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    NotebookClient(nbformat.read(ROOT / notebook, as_version=4), timeout=600).execute()


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_a_notebook_is_kept_with_short_output_that_names_no_machine(notebook: str) -> None:
    cells = [cell for cell in nbformat.read(ROOT / notebook, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    assert (ROOT / notebook).stat().st_size < 30_000
    assert not re.search(r"[\"' ]/(home|root|tmp|Users|work)/", (ROOT / notebook).read_text())


def test_the_sheet_of_architectures_is_drawn_of_any_release(served: Hub) -> None:
    draw = [sys.executable, str(ROOT / "examples/gallery.py"), "younger", "sheet.png"]
    subprocess.run([*draw, "resnet18", "vgg19"], check=True)
    named = Path("sheet.png").read_bytes()
    subprocess.run(draw, check=True)
    assert named[:4] == Path("sheet.png").read_bytes()[:4] == b"\x89PNG"
    assert named != Path("sheet.png").read_bytes()


def test_links_between_documents_lead_somewhere() -> None:
    for name in ("README.md", "CONTRIBUTING.md", *PAGES):
        text = re.sub(r"^```.*?^```$", "", (ROOT / name).read_text(), flags=re.DOTALL | re.MULTILINE)
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (ROOT / name).parent.joinpath(target).exists(), f"{name} links to {target}"


def test_every_page_is_in_the_site() -> None:
    pages = re.findall(r"(?<= )\S+\.(?:md|ipynb)$", (ROOT / "mkdocs.yml").read_text(), flags=re.MULTILINE)
    assert sorted(f"docs/{page}" for page in pages) == sorted([*PAGES, *NOTEBOOKS])


def test_readme_is_read_to_its_end() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 180  # with a table of results for each task


def test_the_citation_is_the_same_everywhere() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    paper = cited["preferred-citation"]
    assert tuple(f"{author['given-names']} {author['family-names']}" for author in paper["authors"]) == AUTHORS
    assert (cited["authors"], paper["url"]) == (paper["authors"], PAPER)
    assert CITATION in (ROOT / "docs/citing.md").read_text()


def test_what_is_not_run_is_shown_somewhere_and_a_goal_of_make_is_one() -> None:
    found = [block for name in ("README.md", "CONTRIBUTING.md", *PAGES) for block in blocks(ROOT / name)]
    shown = [command for block in found for command, _ in commands(block)]
    goals = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    for command in NOT_RUN:
        assert any(line.startswith(command) for line in shown)
        assert not command.startswith("make ") or command.removeprefix("make ") in goals


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```pycon\n>>> 'a' + 'b'\n'ac'\n```\n", r"Got:\s+'ab'"),
        ("```pycon exact\n>>> 1 + 1\n3\n```\n", r"Got:\s+2"),
        ("```console\n$ echo a \\\n  b\na c\n```\n", r"a document, line 1: Expected:\s+a c\s+Got:\s+a b"),
        ("```console\n$ younger-hf stats nowhere\n```\n", "younger-hf stats nowhere ends with 1"),
        ("```\nls nowhere\n```\n", "ls nowhere: "),
        ("```ruby\nputs 1\n```\n", "is in ruby"),
    ],
)
def test_what_is_not_so_is_found(text: str, message: str) -> None:
    (block,) = MarkdownIt().parse(text)
    with pytest.raises(AssertionError, match=message):
        run_block(block, "a document", {})


def test_numbers_and_what_is_left_out_may_differ() -> None:
    shown = "```console\n$ printf '12 rows\\nmuch\\nmore\\n3.5 s\\n'\n9,000 rows\n…\n0.1 s\n```\n"
    (block,) = MarkdownIt().parse(shown)
    run_block(block, "a document", {})

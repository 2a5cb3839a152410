"""Models that were asked to be removed: a release after a release is without them, and does not forget them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.light import built, record
from support.releases import LEDGER_CONFIGS, every_row, files
from typer.testing import CliRunner

from builders.assemble import assemble
from builders.ledger import Ledger
from younger_hf import Vocabulary
from younger_hf.cli import app
from younger_hf.errors import YoungerError

# By id: the architecture. Two models share one, which keeps its row.
MODELS = {
    "someone/resnet": "resnet50",
    "other/resnet": "resnet50",
    "someone/vgg": "vgg19",
    "other/squeezenet": "squeezenet",
    "third/shufflenet": "shufflenet",
}
ASKED = "# asked for in June\nsomeone/*\nThird/ShuffleNet\n"
KEPT = {"other/resnet", "other/squeezenet"}


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release with all models, whose directory then got the requests."""
    release = built(tmp_path_factory.mktemp("before"), MODELS)
    (release / "removals.txt").write_text(ASKED)
    return release


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory, before: Path) -> Path:
    return built(tmp_path_factory.mktemp("after"), MODELS, previous=before)


def test_no_file_of_the_release_names_them(before: Path, after: Path) -> None:
    assert {model["id"] for row in every_row(after, "graphs") for model in row["models"]} == KEPT
    for config in LEDGER_CONFIGS:
        for path in sorted((after / config).glob("*.parquet")):
            assert not [row for row in every_row(after, config) if "someone" in str(row) or "shufflenet" in str(row)], (
                path
            )
    beside = {path: content for path, content in files(after).items() if not path.endswith(".parquet")}
    assert beside.pop("removals.txt").decode() == ASKED
    assert not [path for path, content in beside.items() if b"someone/" in content or b"shufflenet" in content]


def test_a_row_goes_with_its_last_model_and_all_that_was_made_of_it(before: Path, after: Path) -> None:
    there, gone = ({row["fingerprint"] for row in every_row(release, "graphs")} for release in (after, before))
    gone -= there
    assert (len(there), len(gone)) == (2, 2)
    assert {row["fingerprint"] for row in every_row(after, "skeletons")} == there
    assert {row["fingerprint"] for row in every_row(after, "sample")} == there
    assert {graph for row in every_row(after, "graphs-no-attributes") for graph in row["fingerprints"]} == there
    assert {graph for row in every_row(after, "subgraphs") for graph in row["graphs"]} == there
    type_keys = {row["type_fingerprint"] for row in every_row(after, "graphs-no-attributes")}
    assert {graph for row in every_row(after, "subgraphs-no-attributes") for graph in row["graphs"]} == type_keys
    assert len(every_row(after, "subgraphs")) < len(every_row(before, "subgraphs"))


def test_ids_of_operators_stay_though_nothing_has_them_any_more(before: Path, after: Path) -> None:
    assert Vocabulary.load(after).operators == Vocabulary.load(before).operators
    assert Vocabulary.load(after).variants == Vocabulary.load(before).variants
    assert [row["label"] for row in every_row(after, "operators") if row["kind"] == "operator" and row["id"] > 1]


def test_a_release_after_that_does_not_bring_them_back(after: Path, tmp_path: Path) -> None:
    assert files(built(tmp_path, MODELS, previous=after)) == files(after)


def test_what_is_asked_of_a_release_holds_when_it_is_built_in_its_place(before: Path, tmp_path: Path) -> None:
    with Ledger(tmp_path / "work") as ledger:
        record(ledger, MODELS)
        shutil.copytree(before, tmp_path / "younger")
        report = assemble(ledger, tmp_path / "younger")
    assert {model["id"] for row in every_row(tmp_path / "younger", "graphs") for model in row["models"]} == KEPT
    assert (tmp_path / "younger" / "removals.txt").read_text() == ASKED
    assert (report.models, report.removed, report.conversions) == (2, 3, 2)
    assert "3 models left out, as removals.txt asks" in str(report)
    assert report.unmatched == []


def test_a_line_that_no_model_is_meant_by_is_named(before: Path, tmp_path: Path) -> None:
    with Ledger(tmp_path / "work") as ledger:
        record(ledger, MODELS)
        shutil.copytree(before, tmp_path / "younger")
        (tmp_path / "younger" / "removals.txt").write_text("someone/vgg\nsomone/*\nother/nothing\n")
        report = assemble(ledger, tmp_path / "younger")
    assert report.unmatched == ["other/nothing", "somone/*"]
    assert "removals.txt names what no model here is: other/nothing, somone/*" in str(report)


def test_the_command_says_which_line_makes_no_sense(before: Path, tmp_path: Path) -> None:
    release = Path(shutil.copytree(before, tmp_path / "younger"))
    (release / "removals.txt").write_text("https://huggingface.co/someone\n")
    command = [
        "build",
        "--work",
        str(tmp_path / "work"),
        "--output",
        str(tmp_path / "next"),
        "--previous",
        str(release),
    ]
    done = CliRunner().invoke(app, command)
    assert isinstance(done.exception, YoungerError)
    assert str(done.exception).startswith(f"line 1 of {release / 'removals.txt'} is 'https://huggingface.co/someone': ")
    assert not (tmp_path / "next").exists()
    assert not (tmp_path / "work").exists()  # it is said before the work


def test_where_nothing_is_left_there_is_no_release(before: Path, tmp_path: Path) -> None:
    with pytest.raises(YoungerError, match=r"removals\.txt asks to leave out every model that was converted"):
        built(tmp_path, {"someone/resnet": "resnet50"}, previous=before)
    assert not (tmp_path / "younger").exists()

"""An audit finds what is sound sound, what was tampered with not, and says it in the card."""

from __future__ import annotations

from dataclasses import replace
from shutil import copytree

import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from builders.audit import Audit, _term, audit, write_into_card
from builders.crawl import list_models
from builders.pipeline import build
from younger_hf.cli import app
from younger_hf.errors import YoungerError
from younger_hf.release import open_release


@pytest.fixture(scope="module")
def sound(zoo) -> Audit:
    return audit(open_release(zoo / "younger"), runs=3, conversions=2)


def test_a_sound_release_holds_what_it_promises(sound):
    assert (sound.skeletons, sound.with_content, sound.misnamed, sound.duplicates) == (9, 0, 0, 0)
    assert (sound.ran, sound.drawn_to_run) == (3, 3)
    assert sound.hours > 0
    # A published file is not made anew by an installed library.
    assert sound.drawn_to_convert == 0


def test_what_is_converted_again_is_listed_whichever_component_it_is():
    for source, name, component in (
        ("timm", "resnet18", "features"),
        ("timm", "resnet18", ""),
        ("open-clip", "RN50", "text"),
    ):
        listed = list_models(f"{source}:{_term(source, name, component)}")
        assert [(model.id, model.component) for model in listed] == [(name, component)]


@pytest.fixture
def copied(zoo, tmp_path):
    return copytree(zoo / "younger", tmp_path / "younger")


def change_skeleton(release, change):
    """The first skeleton after a change, which its row says nothing of."""
    (file,) = (release / "skeletons").glob("*.parquet")
    rows = pq.read_table(file)
    contents = rows["onnx"].to_pylist()
    model = onnx.load_model_from_string(contents[0])
    change(model)
    contents[0] = model.SerializeToString(deterministic=True)
    at = rows.column_names.index("onnx")
    pq.write_table(rows.set_column(at, rows.field("onnx"), pa.array(contents, pa.binary())), file)


def first(model, op_type):
    return next(node for node in model.graph.node if node.op_type == op_type)


def test_a_name_that_was_left_is_found(copied):
    change_skeleton(copied, lambda model: setattr(model.graph, "doc_string", "made by me"))
    assert audit(open_release(copied), runs=0, conversions=0).with_content == 1


def test_a_graph_of_another_row_is_found(copied):
    change_skeleton(copied, lambda model: setattr(first(model, "Relu"), "op_type", "Sigmoid"))
    assert audit(open_release(copied), runs=0, conversions=0).misnamed == 1


def test_the_command_says_it_in_the_card(copied):
    done = CliRunner().invoke(app, ["audit", str(copied), "--run", "2", "--convert", "0"], catch_exceptions=False)
    assert "2 of 2" in done.output
    card = (copied / "README.md").read_text()
    assert "| of these, with another graph than their row says | 0 |" in card
    assert "was not audited" not in card
    assert "## Statistics" in card


def test_a_later_audit_takes_the_place_of_an_earlier_one(copied, sound):
    write_into_card(copied, sound)
    once = (copied / "README.md").read_text()
    write_into_card(copied, replace(sound, ran=1))
    assert (copied / "README.md").read_text() == once.replace("3 of 3", "1 of 3")


def test_a_card_without_a_place_for_it_is_named(copied, sound):
    (copied / "README.md").write_text("a card")
    with pytest.raises(YoungerError, match="no place"):
        write_into_card(copied, sound)


@pytest.mark.slow
def test_models_are_converted_once_more(tmp_path):
    build(["torchvision:squeezenet1_1"], tmp_path / "younger", tmp_path / "work")
    found = audit(open_release(tmp_path / "younger"), runs=0, conversions=5)
    assert (found.same, found.drawn_to_convert) == (1, 1)

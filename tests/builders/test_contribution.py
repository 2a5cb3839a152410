"""The file of a contribution: the same bytes for the same model, nothing in it but what is shown, no trust in it."""

from __future__ import annotations

import io
import random
import resource
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.contributions import ADA, contribution, rewritten, saved, written
from support.crafted_parquet import bomb, with_num_rows

from builders import contribution as module
from builders.contribution import InvalidContributionError, contributed, read_contribution


def refused(tmp_path: Path, content: bytes, name: str = "") -> str:
    """Why a file is."""
    file = tmp_path / (name or Path(contribution().path).name)
    file.write_bytes(content)
    with pytest.raises(InvalidContributionError) as caught:
        read_contribution(file)
    return str(caught.value)


def test_what_is_read_is_what_was_written(tmp_path):
    file = saved(contribution(), tmp_path)
    assert read_contribution(file) == contribution()


def test_the_same_model_is_the_same_file():
    again = contribution.__wrapped__()
    assert again is not contribution()
    assert (again.path, again.to_parquet()) == (contribution().path, contribution().to_parquet())
    other_model, other_skeleton = contribution(revision="2"), contribution("vgg19")
    assert len({contribution().path, other_model.path, other_skeleton.path}) == 3


def test_a_file_is_small_and_for_everyone_to_read():
    content = contribution().to_parquet()
    assert len(content) < len(contribution().skeleton) / 2
    (row,) = pq.read_table(io.BytesIO(content)).to_pylist()
    assert row == {**contribution().texts, "onnx": contribution().skeleton}


def test_nothing_of_a_machine_or_a_hub_is_in_it(tmp_path):
    here = replace(ADA, location=str(tmp_path / "secret.onnx"), stamp="stamped", tags=("tagged",), downloads=5)
    model = contributed(here)
    assert (model.source, model.origin, model.downloads) == ("contributions", "contributed", None)
    content = replace(contribution(), model=model).to_parquet()
    for secret in (str(tmp_path), "secret", "stamped", "tagged", str(Path.cwd())):
        assert secret.encode() not in content


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "/home/ada/model",
            "../model",
            "a//b",
            "a/../b",
            "C:\\model",
            "~/model",
            "a b",
            "a\nb",
            "ada@example.org",
        ),
        *("<script>", "[link](x)", "`code`", "a|b", "\x1b[31m", "\u202eabc", "größe", "x" * 201, "a/", "-a", ".a"),
    ],
)
def test_texts_that_are_no_names_are_neither_written_nor_read(tmp_path, name):
    with pytest.raises(InvalidContributionError, match="has the id"):
        contributed(replace(ADA, id=name))
    message = refused(tmp_path, rewritten(contribution(), id=name))
    assert message.startswith("has the id '")
    assert message.isprintable()
    assert len(message) < 200


@pytest.mark.parametrize("column", ["task", "family", "license", "library", "revision", "component", "exporter"])
def test_every_text_is_looked_at(tmp_path, column):
    assert f"has the {column} 'a b'" in refused(tmp_path, rewritten(contribution(), **{column: "a b"}))


@pytest.mark.parametrize("name", ["org/model", "model", "org_1/Model-v1.0+x", "a/b/model_q4.onnx"])
def test_names_of_hubs_are_taken(tmp_path, name):
    made = replace(contribution(), model=replace(contribution().model, id=name))
    assert read_contribution(saved(made, tmp_path)).model.id == name


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda: b"", "is no readable Parquet file"),
        (lambda: b"PAR1 and nothing else PAR1", "is no readable Parquet file"),
        (lambda: rewritten(contribution(), source="torchvision"), "has not the columns of a contribution"),
        (lambda: rewritten(contribution(), downloads=10**9), "has not the columns of a contribution"),
        (lambda: rewritten(contribution(), onnx=None), "has not the columns of a contribution"),
        (lambda: written(pa.table({"onnx": [b"x"]})), "has not the columns of a contribution"),
        (lambda: rewritten(contribution(), fingerprint="a/../b"), "has the fingerprint 'a/../b'"),
        (lambda: rewritten(contribution(), id="ada/other"), "is not named as its content says"),
        (lambda: rewritten(contribution(), skeleton_fingerprint="0" * 32), "is not named as its content says"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    assert message in refused(tmp_path, content())


def test_a_file_has_one_row(tmp_path):
    table = pq.read_table(io.BytesIO(contribution().to_parquet()))
    assert refused(tmp_path, written(pa.concat_tables([table, table]))) == "has not one row"
    assert refused(tmp_path, written(table.slice(0, 0))) == "has not one row"


def test_what_is_small_packed_and_large_unpacked_is_refused_unread(tmp_path, monkeypatch):
    bomb = rewritten(contribution(), onnx=bytes(module.MOST_BYTES + 1))
    assert len(bomb) < 100_000
    assert "bytes, and at most 16,777,216 are taken" in refused(tmp_path, bomb)
    content = contribution().to_parquet()
    monkeypatch.setattr(module, "MOST_BYTES", 1000)
    assert "bytes, and at most 1,000 are taken" in refused(tmp_path, content)
    with pytest.raises(InvalidContributionError, match="at most 1,000"):
        contribution().to_parquet()


def test_a_footer_that_lies_about_sizes_takes_no_memory(tmp_path):
    """48 KB that unpack to 1.5 GB took 4.7 GB of the reader's."""
    row = {**contribution().texts, "onnx": b"x"}
    schema = pq.read_schema(io.BytesIO(contribution().to_parquet()))
    lying = bomb(schema, row, "exporter", 300 << 20)
    assert len(lying) < 100_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "it takes more than 256 MiB to decode" in refused(tmp_path, lying)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 << 10  # KiB


def test_a_footer_that_lies_about_its_rows_is_a_sentence(tmp_path):
    content = contribution().to_parquet()
    assert "it says that it has 2 rows, and has 1" in refused(tmp_path, with_num_rows(content, 2))
    assert "rows" in refused(tmp_path, with_num_rows(content, 0))


def test_a_spoilt_file_is_refused_or_says_the_same(tmp_path):
    """Whatever is changed in it: never a crash, and no text that may not be published."""
    content, chance = contribution("squeezenet").to_parquet(), random.Random(7)
    outcomes = set()
    for _ in range(16):
        spoilt = bytearray(content)
        for _ in range(chance.choice((1, 1, 8))):
            spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
        file = tmp_path / Path(contribution("squeezenet").path).name
        file.write_bytes(spoilt if chance.random() < 0.8 else spoilt[: chance.randrange(len(spoilt))])
        try:
            read_contribution(file).to_parquet()  # which refuses such texts
            outcomes.add("read")
        except InvalidContributionError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}

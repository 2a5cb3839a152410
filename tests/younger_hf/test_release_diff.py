"""`younger-hf diff`: what a release adds, removes and changes, on disk and on the Hub."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub.client import client
from hub.repositories import Repository
from hub.server import hub
from typer.testing import CliRunner

from younger_hf.cli import app
from younger_hf.errors import ReleaseError
from younger_hf.release import open_named
from younger_hf.release_diff import ReleaseDiff, compare_releases

Edit = Callable[[pa.Table], pa.Table]


def edited(release: Path, place: Path, *edits: tuple[str, Edit]) -> Path:
    """A copy of a release in which tables are edited, each named as `config/split`."""
    shutil.copytree(release, place)
    for name, edit in edits:
        for file in sorted(place.glob(f"{name}-*.parquet")):
            pq.write_table(edit(pq.read_table(file)), file)
    return place


def replaced(column: str, change: Callable[[list[Any]], list[Any]]) -> Edit:
    def edit(table: pa.Table) -> pa.Table:
        values = pa.array(change(table.column(column).to_pylist()), table.schema.field(column).type)
        return table.set_column(table.column_names.index(column), table.schema.field(column), values)

    return edit


def difference(old: Path, new: Path, **options: Any) -> ReleaseDiff:
    return compare_releases(open_named(str(old)), open_named(str(new)), **options)


def test_a_release_does_not_differ_from_itself(release, tmp_path):
    diff = difference(release, edited(release, tmp_path / "copy"))
    assert not diff.is_broken
    assert diff.summary() == "no row came or went"
    for config in diff.configs.values():
        assert config.before == config.after > 0
        assert len(config.added) == len(config.removed) == len(config.changed) == len(config.moved) == 0
        assert config.columns == ()


def test_rows_come_go_change_and_move(release, rows, tmp_path):
    unseen = next(row["fingerprint"] for row in rows if row["name"] == "nested_bodies")
    test = next(row["fingerprint"] for row in rows if row["name"] == "light_shufflenet")
    new = edited(release, tmp_path / "new", ("graphs/train-00000", replaced("downloads", lambda old: [7] * len(old))))
    changed = pq.read_table(new / "graphs" / "train-00000-of-00002.parquet", columns=["fingerprint"])
    shutil.copy(new / "graphs/test-00000-of-00001.parquet", new / "graphs/unseen-00000-of-00001.parquet")
    (new / "graphs/test-00000-of-00001.parquet").unlink()
    card = (new / "README.md").read_text()
    (new / "README.md").write_text(card.replace("  - path: graphs/test-*.parquet\n    split: test\n", ""))
    diff = difference(release, new)
    graphs = diff.configs["graphs"]
    assert (graphs.before, graphs.after) == (len(rows), len(rows) - 1)
    assert graphs.added.to_pylist() == []
    assert graphs.removed.to_pylist() == [unseen]
    assert sorted(graphs.changed.to_pylist()) == sorted(changed.column("fingerprint").to_pylist())
    assert test not in graphs.changed.to_pylist()
    assert graphs.moved == {("test", "unseen"): 1}
    assert diff.summary() == "graphs -1"
    back = difference(new, release)
    assert back.configs["graphs"].added.to_pylist() == [unseen]
    assert back.configs["graphs-no-attributes"].moved == {}
    text = str(diff)
    assert "graphs: 1 rows from test to unseen" in text
    assert text.splitlines()[0] == f"{release} -> {new}"
    quick = difference(release, new, contents=False)
    assert (quick.configs["graphs"].changed, quick.models_added) == (None, None)
    assert quick.configs["graphs"].removed.to_pylist() == [unseen]


def test_columns_and_configs_come_and_go(release, tmp_path):
    def other_columns(table: pa.Table) -> pa.Table:
        opset = table.column("opset").cast(pa.int32())
        return table.drop_columns(["depth", "opset"]).append_column("opset", opset).append_column("width", opset)

    new = edited(release, tmp_path / "new", ("graphs/*", other_columns))
    card = (new / "README.md").read_text()
    assert "config_name: graphs-no-attributes\n" in card
    (new / "README.md").write_text(card.replace("config_name: graphs-no-attributes\n", "config_name: sample\n"))
    for part in (new / "graphs-no-attributes").iterdir():
        part.write_bytes((new / "graphs" / "test-00000-of-00001.parquet").read_bytes())
    diff = difference(release, new)
    assert diff.configs["graphs"].columns == ("-depth", "+width", "opset: int64 -> int32")
    assert len(diff.configs["graphs"].changed) == 0
    assert (diff.configs["graphs-no-attributes"].after, diff.configs["sample"].before) == (0, 0)
    assert len(diff.configs["graphs-no-attributes"].removed) == diff.configs["graphs-no-attributes"].before > 0
    assert (
        diff.configs["sample"].added.unique().to_pylist()
        == pq.read_table(new / "graphs" / "test-00000-of-00001.parquet").column("fingerprint").to_pylist()
    )


def test_models_come_and_go(release, tmp_path):
    blank = {"revision": "1", "component": "", "retrieved": "", "origin": "", "task": "", "license": "", "tags": []}

    def models(*names: str) -> Edit:
        entries = [{**blank, "source": "hub", "id": name} for name in names]
        return replaced("models", lambda old: [entries] * len(old))

    old = edited(release, tmp_path / "old", ("graphs/test", models("a/kept", "a/gone")))
    new = edited(release, tmp_path / "new", ("graphs/test", models("a/come\x1b[31m", "a/kept")))
    diff = difference(old, new)
    assert diff.models_added.to_pylist() == ["hub a/come\x1b[31m"]
    assert diff.models_removed.to_pylist() == ["hub a/gone"]
    assert len(diff.configs["graphs"].changed) == 1
    assert "models removed: 1: hub a/gone" in str(diff)
    assert "\x1b" not in str(diff)


def test_ids_are_appended(release, operator_rows, tmp_path):
    entry = {**operator_rows[0], "kind": "operator", "label": "Brandnew", "id": 0}
    entry["id"] = entry["operator_id"] = sum(row["kind"] == "operator" for row in operator_rows)

    def append(table: pa.Table) -> pa.Table:
        return pa.concat_tables([table, pa.Table.from_pylist([entry], table.schema)])

    diff = difference(release, edited(release, tmp_path / "new", ("operators/train", append)))
    assert diff.vocabulary["operator"].appended == ("Brandnew",)
    assert diff.vocabulary["variant"].appended == ()
    assert not diff.is_broken


def test_an_id_that_changed_is_shouted_and_fails(release, tmp_path):
    def swap(labels: list[str]) -> list[str]:
        first, second = labels.index("Conv"), labels.index("Relu")
        labels[first], labels[second] = labels[second], labels[first]
        return labels

    new = edited(release, tmp_path / "new", ("operators/train", replaced("label", swap)))
    diff = difference(release, new)
    assert diff.is_broken
    assert [(old, now) for _, old, now in diff.vocabulary["operator"].broken] == [("Conv", "Relu"), ("Relu", "Conv")]
    done = CliRunner().invoke(app, ["diff", str(release), str(new)])
    assert done.exit_code == 1
    assert "ERROR: 2 operator ids have changed, which they must never do: " in done.stdout
    assert "was Conv and is Relu" in done.stdout
    assert json.loads(CliRunner().invoke(app, ["diff", str(new), str(release), "--json"]).stdout)["is_broken"]
    shorter = edited(release, tmp_path / "shorter", ("operators/train", lambda table: table.slice(0, len(table) - 1)))
    (lost,) = difference(release, shorter).vocabulary["variant"].broken
    assert lost[2] is None


def test_revisions_on_the_hub_are_compared(release, rows, tmp_path):
    repository = Repository.of_directory("org/younger", release, "datasets")
    repository.tags["v1"] = repository.sha
    file = tmp_path / "file.parquet"
    edit = replaced("downloads", lambda old: [5] * len(old))
    pq.write_table(edit(pq.read_table(release / "graphs" / "test-00000-of-00001.parquet")), file)
    repository.commit({"graphs/test-00000-of-00001.parquet": file})
    with hub(repository) as served, client(served, tmp_path):
        done = CliRunner().invoke(app, ["diff", "org/younger@v1", "org/younger", "--json"])
        assert done.exit_code == 0, done.output
        changed = json.loads(done.stdout)["configs"]["graphs"]["changed"]
        assert changed == [row["fingerprint"] for row in rows if row["name"] == "light_shufflenet"]
        fetched = served.sent("GET /cdn/*")
        quick = CliRunner().invoke(app, ["diff", "org/younger@v1", str(release), "--keys"])
        assert quick.exit_code == 0
        assert quick.stdout.startswith(f"org/younger@v1 -> {release}\n")
        assert served.sent("GET /cdn/*") - fetched < fetched
        with pytest.raises(ReleaseError, match="org/younger has no revision 'v9'"):
            open_named("org/younger@v9")


def test_what_is_no_release_is_said(tmp_path):
    with pytest.raises(ReleaseError, match="there is no release directory"):
        open_named(str(tmp_path / "a@b"))

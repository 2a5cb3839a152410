"""`younger-hf stats`: what it prints and writes, with and without the extra for figures."""

from __future__ import annotations

import json
import sys

import pytest
from typer.testing import CliRunner

from younger_hf.cli import app, main
from younger_hf.statistics import count_release
from younger_hf.statistics_report import to_json, to_text


def test_it_prints_a_table(large_release):
    result = CliRunner().invoke(app, ["stats", str(large_release)])
    assert result.exit_code == 0
    assert result.stdout == to_text(count_release(large_release)) + "\n"
    assert result.stderr == ""


def test_it_prints_and_writes_the_same_json(large_release, tmp_path):
    result = CliRunner().invoke(app, ["stats", str(large_release), "--json", "--output", str(tmp_path / "out")])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["graphs"] == 120
    assert result.stdout == (tmp_path / "out" / "statistics.json").read_text() == to_json(count_release(large_release))
    names = {"statistics.json", "sizes.png", "operators.png", "families.png"}
    assert {file.name for file in (tmp_path / "out").iterdir()} == names
    assert result.stderr.count("wrote ") == 4


def test_without_the_extra_there_are_no_figures_and_it_says_so(large_release, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "younger_hf.plots.figures", raising=False)
    result = CliRunner().invoke(app, ["stats", str(large_release), "--output", str(tmp_path / "out")])
    assert result.exit_code == 0
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["statistics.json"]
    assert "no figures: this needs the package matplotlib: pip install 'younger-hf[plots]'" in result.stderr


@pytest.mark.parametrize("content", [None, "# A project\n", "---\nyounger_schema_version: 7\n---\n"])
def test_what_is_no_release_is_one_sentence(content, tmp_path, monkeypatch, capsys):
    directory = tmp_path / "younger"
    if content is not None:
        directory.mkdir()
        (directory / "README.md").write_text(content)
    monkeypatch.setattr(sys, "argv", ["younger-hf", "stats", str(directory)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("younger-hf: ")
    assert str(directory) in told.err
    assert told.err.count("\n") == 1

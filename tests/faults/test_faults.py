"""A few of the faults that `make faults` makes by the hundred: no promise breaks."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = Path(__file__).with_name("suite.py")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "share", "tries"),
    [
        ("killed", 0.02, 4),
        ("disk", 0.1, 2),
        ("hub", 0.02, 13),
        ("builders", 0.1, 1),
        ("nodes", 0.1, 1),
        ("hostile", 0.05, 2),
        ("mutated", 0.005, 100),
    ],
)
def test_no_promise_breaks(fault, share, tries):
    done = subprocess.run(
        [sys.executable, str(SUITE), fault, "--times", str(share)], capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r"^\| [^|]+ \| ([\d,]+) \| ([^|]+) \| (\d+) \|$", done.stdout, re.MULTILINE)
    assert sum(int(row[0]) for row in rows) == tries
    assert all(row[2] == "0" for row in rows)


@pytest.mark.slow
def test_an_interrupted_run_goes_on_and_its_page_tells_how_much_of_the_suite_it_had(tmp_path):
    record, page = tmp_path / "record.jsonl", tmp_path / "page.md"
    rows = [
        {"kind": "mutated", "seconds": 600, "fault": "cut", "seed": seed, "ended": "as kept", "broken": ""}
        for seed in range(8)
    ]
    record.write_text("\n".join(map(json.dumps, rows)) + '\n{"kind": "muta')
    page.write_text("before\n<!-- faults: made by tests/faults/suite.py -->\nold\n<!-- end of faults -->\nafter\n")
    command = [sys.executable, str(SUITE), "mutated", "--times", "0.0005", "--jobs", "2"]
    subprocess.run([*command, "--record", str(record), "--write", str(page)], check=True, timeout=900)
    said = page.read_text()
    assert "| cut | 8 | 8 as kept | 0 |" in said
    assert "| ONNX file with bytes changed | 2 |" in said
    assert "of the whole suite's: 0 of 200 (killed), " in said
    assert re.search(r" 10 of 20,000 \(mutated\); 1\d minutes, 2 at once", said)
    assert said.startswith("before\n")
    assert said.endswith("\nafter\n")
    assert "old" not in said
    assert not record.exists()


def test_a_broken_promise_shows():
    sys.path.insert(0, str(SUITE.parent))
    from counted import Try, report

    table = report([Try("cut", 0, "done"), Try("cut", 1, "done", "a file left"), Try("kill", 0, "killed")])
    assert table.splitlines()[2:] == ["| cut | 2 | 2 done | 1 |", "| kill | 1 | 1 killed | 0 |"]

"""A few of the faults that `make faults` makes by the hundred: no promise breaks."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = Path(__file__).with_name("suite.py")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "share", "tries"),
    [("killed", 0.02, 4), ("disk", 0.1, 2), ("hub", 0.02, 13), ("builders", 0.1, 1), ("mutated", 0.005, 100)],
)
def test_no_promise_breaks(fault, share, tries):
    done = subprocess.run(
        [sys.executable, str(SUITE), fault, "--times", str(share)], capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r"^\| [^|]+ \| ([\d,]+) \| ([^|]+) \| (\d+) \|$", done.stdout, re.MULTILINE)
    assert sum(int(row[0]) for row in rows) == tries
    assert all(row[2] == "0" for row in rows)


def test_a_broken_promise_shows():
    sys.path.insert(0, str(SUITE.parent))
    from counted import Try, report

    table = report([Try("cut", 0, "done"), Try("cut", 1, "done", "a file left"), Try("kill", 0, "killed")])
    assert table.splitlines()[2:] == ["| cut | 2 | 2 done | 1 |", "| kill | 1 | 1 killed | 0 |"]

"""The benchmarks are run by hand; that what they import is still there is known without running them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.slow
def test_the_benchmarks_find_what_they_import():
    names = sorted(path.stem for path in BENCHMARKS.glob("*.py"))
    # In a process of their own, since names such as `publish` are those of packages of tests too.
    command = [sys.executable, "-W", "ignore", "-c", f"import {', '.join(names)}"]
    assert names
    done = subprocess.run(command, cwd=BENCHMARKS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

"""One ledger is one release: hash seeds and the number of processes do not show; `nox -s versions` has the rest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.light import record

from builders.ledger import Ledger

SCRIPT = Path(__file__).with_name("assemble.py")


@pytest.mark.slow
def test_hash_seeds_and_processes_do_not_show(tmp_path):
    with Ledger(tmp_path / "work") as ledger:
        record(ledger, ["resnet50", "shufflenet", "squeezenet"])
    seen = []
    for seed, jobs in (("0", "1"), ("1", "2"), ("4294967295", "8")):
        told = tmp_path / f"told-{seed}.json"
        subprocess.run(
            [sys.executable, str(SCRIPT), str(tmp_path / "work"), str(tmp_path / f"younger-{seed}"), str(told), jobs],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=True,
        )
        seen.append(json.loads(told.read_text()))
    assert seen[0] == seen[1] == seen[2]

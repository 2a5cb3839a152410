"""One ledger is one release: hash seeds, processes and the order of what was entered do not show in any byte.

That Ray does not show is tested with its executor; `nox -s versions` has other versions of Python and of libraries.
"""

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
MODELS = ("resnet50", "shufflenet", "squeezenet")


@pytest.mark.slow
def test_hash_seeds_processes_and_the_order_of_models_do_not_show(tmp_path):
    seen = []
    for number, (seed, jobs) in enumerate([("0", "1"), ("1", "2"), ("4294967295", "8")]):
        work, told = tmp_path / f"work-{number}", tmp_path / f"told-{number}.json"
        with Ledger(work) as ledger:
            record(ledger, MODELS[number:] + MODELS[:number])
        subprocess.run(
            [sys.executable, str(SCRIPT), str(work), str(tmp_path / f"younger-{number}"), str(told), jobs],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=True,
        )
        seen.append(json.loads(told.read_text()))
    assert seen[0]["bytes"]
    assert seen == [seen[0]] * len(seen)

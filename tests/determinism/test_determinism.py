"""One ledger is one release: hash seeds, processes, Ray and the order of what was entered do not show in any byte.

`nox -s versions` has other versions of Python and of libraries.
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

# Hash seed, processes, and the hash seed of Ray's workers where it is Ray that measures.
RUNS = [
    ("0", "1"),
    ("1", "2"),
    ("4294967295", "8"),
    ("0", "2", "1"),
    ("1", "2", "4294967295"),
    ("4294967295", "2", "0"),
]
SCRIPT = Path(__file__).with_name("assemble.py")
MODELS = ("resnet50", "shufflenet", "squeezenet")


@pytest.mark.slow
def test_hash_seeds_processes_and_the_order_of_models_do_not_show(tmp_path):
    seen = []
    for number, (seed, *jobs) in enumerate(RUNS):
        work, told = tmp_path / f"work-{number}", tmp_path / f"told-{number}.json"
        with Ledger(work) as ledger:
            record(ledger, MODELS[number % 3 :] + MODELS[: number % 3])
        subprocess.run(
            [sys.executable, str(SCRIPT), str(work), str(tmp_path / f"younger-{number}"), str(told), *jobs],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=True,
        )
        seen.append(json.loads(told.read_text()))
    hashes = [told.pop("hashes") for told in seen]
    assert hashes[:3] == [hashes[5], hashes[3], hashes[4]]
    assert seen[0]["bytes"]
    assert seen == [seen[0]] * len(seen)

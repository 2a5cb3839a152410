"""`pip install 'younger-hf[explore]'`: the explorer starts, without PyTorch, and answers."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path


def test_the_explorer_answers_and_ends_with_ctrl_c(release):
    command = [Path(sys.executable).with_name("younger-hf"), "explore", release, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            (address,) = re.findall(r"http://localhost:\d+", running.stdout.readline())

            def read(path: str) -> str:
                return urllib.request.urlopen(f"{address}{path}", timeout=60).read().decode()

            row = re.search(r'href="(/architecture/[0-9a-f]+)"', read("/"))[1]
            assert "younger-hf[train]" in read(row)  # which suggestions need
            for part in ("drawing.svg", "modules", "relatives", "weightless.onnx"):
                assert urllib.request.urlopen(f"{address}{row}/{part}", timeout=60).status == 200
            assert "no entries yet" in read("/release")
            running.send_signal(signal.SIGINT)
            assert running.wait(timeout=60) == 0
        finally:
            running.kill()

"""The explorer in front of a release on the Hub, of which only what is shown is fetched; and the command."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

from hub.client import client
from hub.repositories import Repository
from hub.server import hub
from support.explorer import ask, served

from younger_hf.explore.server import make_app
from younger_hf.release import open_release


def test_of_a_release_on_the_hub_only_what_is_shown_is_fetched(zoo: Path, tmp_path: Path) -> None:
    repository = Repository.of_directory("org/younger", zoo / "younger", kind="datasets")
    with hub(repository) as there, client(there, tmp_path), served(make_app(open_release("org/younger"))) as address:
        page = ask(f"{address}/?q=resnet").page
        assert "1 architecture passes" in page.text
        assert not there.sent("GET *skeletons*")
        (found,) = {one["href"] for one in page.every("a") if one["href"].startswith("/architecture/")}
        row = ask(f"{address}{found}")
        assert row.status == 200
        assert "'org/younger'" in row.page.text
        assert "brings no encoder" in row.page.text
        for part in ("preview.png", "drawing.svg", "modules", "relatives", "weightless.onnx"):
            assert ask(f"{address}{found}/{part}").status == 200, part


def test_the_command_serves_until_it_is_interrupted(zoo: Path) -> None:
    command = [sys.executable, "-m", "younger_hf", "explore", str(zoo / "younger"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            (address,) = re.findall(r"http://localhost:\d+", running.stdout.readline())
            assert ask(f"{address}/known").status == 200
            running.send_signal(signal.SIGINT)
            assert running.wait(timeout=60) == 0
        finally:
            running.kill()

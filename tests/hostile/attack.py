"""Run tries: `attack(attempt, templates, place) -> Finding`, or this file, which prints the table of them all.

    PYTHONPATH=. python tests/hostile/attack.py

A try got out if it ended otherwise than it may, if the secret or the word `got it` is in what it printed, or if it
left a file or a process.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "builders" / "convert" / "isolation")]

from tries import TRIES, Try

from builders.convert import Exporter, Request
from builders.convert.isolation import Limits, convert
from builders.convert.isolation.templates import Templates
from builders.model_ref import ModelRef

LIMITS = Limits(seconds=20, memory=700 << 20, processes=40, entries=5000)
HOSTILE = Exporter("hostile", "hostile", ())


@dataclass(frozen=True)
class Finding:
    """How a try ended.

    Attributes:
        outcome: of the conversion.
        message: its sentence.
        escaped: what got out, "" if nothing did.
        seconds: that it took.
    """

    outcome: str
    message: str
    escaped: str
    seconds: float


def attack(attempt: Try, templates: Templates, place: Path) -> Finding:
    """Let a child try it, with a file that holds a secret and a scratch directory in `place`."""
    secret, scratch = place / "secret", place / "scratch"
    secret.write_text("planted-secret")
    scratch.mkdir()
    name = f"younger-hostile-{os.getpid()}"
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as unix:
        if sys.platform == "linux":
            unix.bind(f"\0{name}")
            unix.listen()
        blanks = {"driver": os.getpid(), "secret": secret, "port": server.getsockname()[1], "socket": name}
        behaviour = attempt.behaviour
        for name, value in blanks.items():
            behaviour = behaviour.replace(f"{{{name}}}", str(value))
        exporter = replace(HOSTILE, network=attempt.step == "fetch", published_code=attempt.code)
        limits = replace(LIMITS, seconds=3 if attempt.ends == ("timeout",) else 60)
        request = Request(ModelRef("hostile", behaviour))
        started = time.monotonic()
        done = convert(request, exporter, limits=limits, scratch=scratch, templates=templates)
        seconds = time.monotonic() - started
    left = [path.name for path in scratch.iterdir() if not path.name.startswith("template-")]
    alive = [process for process in psutil.process_iter(["cmdline"]) if "hostile-suite" in str(process.info["cmdline"])]
    escaped = {
        f"it ended as {done.outcome}: {done.message}": str(done.outcome) not in attempt.ends,
        "it read the secret": "planted-secret" in done.log,
        "it changed a file": secret.read_text() != "planted-secret",
        "it got through a door": "got it" in done.log,
        f"it left {left[:3]}": bool(left),
        "it left a process": bool(alive),
    }
    return Finding(str(done.outcome), done.message, "; ".join(word for word, true in escaped.items() if true), seconds)


def main() -> int:
    """Print the table; 1 if anything got out."""
    escapes = 0
    with tempfile.TemporaryDirectory() as directory, Templates() as templates:
        walls = convert(Request(ModelRef("hostile", "behave")), HOSTILE, templates=templates).isolated
        if not walls:
            print("this system allows no namespaces: what they hold back is not tried")
        for number, attempt in enumerate(attempt for attempt in TRIES if walls or not attempt.walls):
            place = Path(directory, str(number))
            place.mkdir()
            found = attack(attempt, templates, place)
            escapes += bool(found.escaped)
            end = found.escaped or f"{found.outcome}: {found.message}"[:60]
            print(
                f"{'ESCAPED' if found.escaped else 'held':8}{attempt.what:52}{found.seconds:6.1f} s  {end}", flush=True
            )
    print(f"{escapes} of {len(TRIES)} got out")
    return 1 if escapes else 0


if __name__ == "__main__":
    sys.exit(main())

"""ONNX files with bytes changed, cut, doubled, moved or of another file, each read by a process of its own.

Each is read, or refused with one of this project's sentences, within two seconds of a processor and half a gibibyte.
"""

from __future__ import annotations

import random
import resource
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import onnx
from counted import Try
from processes import DONE, SAID, left, run_forked

import younger_hf
from younger_hf.identity import fingerprint

FAULT = "ONNX file with bytes changed"
_SECONDS: Final = 2.0
_BYTES: Final = 512 << 20
_LARGEST: Final = 200_000  # bytes of a file that is mutated
_TEST_DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"


def tries(seeds: Iterable[int], place: Path) -> Iterator[Try]:
    """Mutate a file of onnx's own tests for each seed, and read it."""
    place.mkdir(parents=True)
    originals = [path for path in sorted(_TEST_DATA.rglob("*.onnx")) if path.stat().st_size <= _LARGEST]
    for warm in originals[:1]:
        _read(warm)
    # What this process holds itself, its forks hold too.
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    for seed in seeds:
        drawn = random.Random(f"mutation {seed}")
        file = place / "mutated.onnx"
        file.write_bytes(mutate(drawn.choice(originals).read_bytes(), drawn.choice(originals), drawn))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        code = run_forked(lambda file=file: _bounded(file, place / "usage"), place / "printed")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        memory = int((place / "usage").read_text()) - held if code in (DONE, SAID) else 0
        ended = {DONE: "read", SAID: "refused with a sentence"}.get(code, f"ended with {code}")
        broken = "" if code in (DONE, SAID) else (place / "printed").read_text()[-300:] or ended
        if seconds > _SECONDS:
            broken = broken or f"{seconds:.1f} s"
        if memory > _BYTES:
            broken = broken or f"{memory >> 20} MiB"
        broken = broken or left()
        if broken:
            file.rename(place / f"seed-{seed}.onnx")
        (place / "printed").unlink(missing_ok=True)
        yield Try(FAULT, seed, ended, broken)


def mutate(content: bytes, other: Path, drawn: random.Random) -> bytes:
    """Change a file in one to three places, drawn by seed; every other change is one bit."""
    changed = bytearray(content)
    for _ in range(drawn.choice((1, 1, 2, 3))):
        if not changed:
            break
        at = drawn.randrange(len(changed))
        length = min(1 + int(drawn.expovariate(1 / 16)), len(changed) - at)
        kind = drawn.choices(range(7), (6, 2, 1, 1, 1, 1, 1))[0]
        if kind == 0:
            changed[at] ^= 1 << drawn.randrange(8)
        elif kind == 1:
            changed[at : at + length] = drawn.randbytes(length)
        elif kind == 2:
            del changed[at:]
        elif kind == 3:
            del changed[at : at + length]
        elif kind == 4:
            changed[at:at] = changed[at : at + length] * drawn.randint(1, 50)
        elif kind == 5:
            changed[at : at + 1] = b"\xff" * drawn.randint(1, 10)  # a length or a number that is huge
        else:
            part = other.read_bytes()
            start = drawn.randrange(len(part))
            changed[at:at] = part[start : start + drawn.randint(1, 4096)]
    return bytes(changed)


def _bounded(file: Path, usage: Path) -> None:
    try:
        _read(file)
    finally:
        usage.write_text(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))


def _read(file: Path) -> None:
    fingerprint(younger_hf.extract(file))

"""Every fault, many times, and a table of how it ended: `make faults`.

    PYTHONPATH=. python tests/faults/suite.py [--times SHARE] [--jobs N] [--record FILE] [--write PAGE] [FAULT ...]

Kinds of faults are shared out among processes of this file, each of which tells its tries as rows of JSON. With
`--record` an interrupted run goes on where it ended; remove the file to begin anew. It ends with 1 if a promise broke;
the directory that it names then is kept.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from tqdm import tqdm

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from counted import Try, extent, report


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Attributes:
        module: whose `tries` makes it.
        number: how many tries the whole suite has of it.
        alone: whether no two tries of it may be made at once.
    """

    module: str
    number: int
    alone: bool = False


FAULTS: Final = {
    "killed": Kind("killed", 200),
    "disk": Kind("full_disk", 20),
    "hub": Kind("failing_hub", 50 * 13),  # its ways take turns
    "builders": Kind("two_builders", 10),
    "nodes": Kind("lost_nodes", 6, alone=True),
    "hostile": Kind("hostile_models", 43, alone=True),
    "mutated": Kind("mutated_files", 20_000),
}
"""By the name that the command takes."""

_BEGIN: Final = "<!-- faults: made by tests/faults/suite.py -->"
_END: Final = "<!-- end of faults -->"


class _Record:
    """What was found, kept in a file if one is named, from which a later run takes it.

    Attributes:
        found: tries by kind, in the order of their seeds.
        seconds: that they took, by the clock, those of earlier runs included.
    """

    def __init__(self, file: Path | None) -> None:
        self.found: dict[str, dict[int, Try]] = {name: {} for name in FAULTS}
        self._before = 0.0
        if file and file.exists():
            for line in file.read_text().splitlines(keepends=True):
                if line.endswith("\n"):  # else it was cut by a kill
                    row = json.loads(line)
                    self._before = row["seconds"]
                    self.found[row["kind"]][row["seed"]] = Try(*(row[name] for name in Try.__dataclass_fields__))
        self._started = time.monotonic()
        self._file = file
        self._lock = threading.Lock()

    @property
    def seconds(self) -> float:
        return self._before + time.monotonic() - self._started

    def add(self, kind: str, one: Try) -> None:
        with self._lock:
            self.found[kind][one.seed] = one
            if self._file:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                with self._file.open("a") as file:
                    file.write(json.dumps({"kind": kind, "seconds": round(self.seconds), **asdict(one)}) + "\n")

    def tries(self) -> list[Try]:
        return [tries[seed] for tries in self.found.values() for seed in sorted(tries)]


def main() -> int:
    """Make faults, print the table, and say whether a promise broke."""
    parser = argparse.ArgumentParser()
    parser.add_argument("faults", nargs="*", choices=[*FAULTS, []], metavar="FAULT")
    parser.add_argument("--times", type=float, default=1.0, help="the share of the tries to make")
    parser.add_argument("--jobs", type=int, default=1, help="as many processes at once")
    parser.add_argument("--record", type=Path, help="a file that keeps what was found while it runs")
    parser.add_argument("--write", type=Path, help="a page to put the table into")
    asked = parser.parse_args()
    record = _Record(asked.record)
    place = Path(tempfile.mkdtemp(prefix="younger-faults-"))
    parts = list(_parts(asked.faults or list(FAULTS), asked.times, asked.jobs, record))
    total = sum(len(seeds) for _, seeds in parts)
    with (
        tqdm(desc="faults", total=total, unit="try", disable=None, smoothing=0) as bar,
        ThreadPoolExecutor(asked.jobs) as pool,
    ):

        def make(number: int, part: tuple[str, Sequence[int]]) -> None:
            kind, seeds = part
            for one in _made(kind, seeds, place / f"{kind}-{number}"):
                record.add(kind, one)
                bar.set_postfix_str(kind)
                bar.update()
                if one.broken:
                    tqdm.write(f"{one.fault}, seed {one.seed}: {one.broken}", file=sys.stderr)

        for _ in pool.map(make, range(len(parts)), parts):
            pass
    tries = record.tries()
    table = report(tries)
    print(table)
    if asked.write:
        made = {kind: len(found) for kind, found in record.found.items()}
        whole = {kind: fault.number for kind, fault in FAULTS.items()}
        sentence = extent(made, whole, record.seconds / 60, asked.jobs)
        before, rest = asked.write.read_text().split(_BEGIN, 1)
        asked.write.write_text(f"{before}{_BEGIN}\n\n{table}\n\n{sentence}\n\n{_END}{rest.split(_END, 1)[1]}")
    if asked.record:
        asked.record.unlink(missing_ok=True)
    if broken := sum(bool(one.broken) for one in tries):
        print(f"{broken} promises broken: see {place}", file=sys.stderr)
        return 1
    shutil.rmtree(place)
    return 0


def _parts(kinds: Sequence[str], share: float, jobs: int, record: _Record) -> Iterator[tuple[str, Sequence[int]]]:
    """What each process is to do: a kind, and which of its tries; those that take long and cannot be parted first."""
    for kind in sorted(kinds, key=lambda kind: not FAULTS[kind].alone):
        fault = FAULTS[kind]
        seeds = [seed for seed in range(max(1, round(fault.number * share))) if seed not in record.found[kind]]
        ways = 1 if fault.alone else jobs
        yield from ((kind, seeds[way::ways]) for way in range(ways) if seeds[way::ways])


def _made(kind: str, seeds: Sequence[int], place: Path) -> Iterator[Try]:
    """The tries that a process of its own makes; its end, where that was not to be, is one more."""
    place.mkdir()
    with (place / "errors").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("part.py")), FAULTS[kind].module, str(place / "tries")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        with process:
            assert process.stdin is not None
            assert process.stdout is not None
            json.dump(list(seeds), process.stdin)
            process.stdin.close()
            for line in process.stdout:
                yield Try(**json.loads(line))
    if process.returncode:
        yield Try(kind, -1, "the suite itself failed", (place / "errors").read_text()[-1000:])


if __name__ == "__main__":
    sys.exit(main())

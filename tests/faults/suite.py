"""Every fault, many times, and a table of how it ended: `make faults`.

    PYTHONPATH=. python tests/faults/suite.py [--times SHARE] [--write docs/reliability.md] [FAULT ...]

It ends with 1 if a promise broke; what is then in the directory that it names is kept.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from tqdm import tqdm

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import failing_hub
import full_disk
import killed
import mutated_files
import two_builders
from counted import Try, report

from builders.convert.isolation.system_calls import adopt_orphans

Tries = Callable[[Iterable[int], Path], Iterator[Try]]

FAULTS: Final[dict[str, tuple[Tries, int]]] = {
    "killed": (killed.tries, 200),
    "disk": (full_disk.tries, 20),
    "hub": (failing_hub.tries, 50 * len(failing_hub.WAYS)),
    "builders": (two_builders.tries, 10),
    "mutated": (mutated_files.tries, 20_000),
}
"""What makes a kind of fault, and how many tries the whole suite has of it."""

_BEGIN: Final = "<!-- faults: made by tests/faults/suite.py -->"
_END: Final = "<!-- end of faults -->"


def main() -> int:
    """Make faults, print the table, and say whether a promise broke."""
    parser = argparse.ArgumentParser()
    parser.add_argument("faults", nargs="*", choices=[*FAULTS, []], metavar="FAULT")
    parser.add_argument("--times", type=float, default=1.0, help="the share of the tries to make")
    parser.add_argument("--write", type=Path, help="a page to put the table into")
    asked = parser.parse_args()
    adopt_orphans()
    found: list[Try] = []
    place = Path(tempfile.mkdtemp(prefix="younger-faults-"))
    for name in asked.faults or FAULTS:
        tries, number = FAULTS[name]
        seeds = range(max(1, round(number * asked.times)))
        for one in tqdm(tries(seeds, place / name), desc=name, total=len(seeds), disable=None):
            found.append(one)
            if one.broken:
                print(f"{one.fault}, seed {one.seed}: {one.broken}", file=sys.stderr)
    table = report(found)
    print(table)
    if asked.write:
        before, rest = asked.write.read_text().split(_BEGIN, 1)
        asked.write.write_text(f"{before}{_BEGIN}\n\n{table}\n\n{_END}{rest.split(_END, 1)[1]}")
    return int(any(one.broken for one in found))


if __name__ == "__main__":
    sys.exit(main())

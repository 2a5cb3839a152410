"""A process of `suite`: seeds come in, as JSON; it makes the tries of a module, and tells each as a row of JSON.

Started as `python tests/faults/part.py MODULE DIRECTORY`.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from builders.convert.isolation.system_calls import adopt_orphans, die_with_parent


def main(module: str, place: str) -> None:
    """Make them."""
    adopt_orphans()
    die_with_parent()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what is printed meanwhile is no answer
    for one in import_module(module).tries(json.load(sys.stdin), Path(place)):
        print(json.dumps(asdict(one)), file=answers)


if __name__ == "__main__":
    main(*sys.argv[1:])

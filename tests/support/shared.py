"""What is made once a run, whichever of its workers asks first: `from support.shared import made_once`."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from filelock import FileLock

T = TypeVar("T")


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], T]) -> T:
    """What `make` gives, called by the first worker alone; the others wait for it.

    Args:
        tmp_path_factory: pytest's.
        name: of the directory, one of its kind among all tests.
        make: is given an empty directory that lives as long as the run, and gives something that can be pickled. Tests
            of several processes read it: none may change it.
    """
    root = tmp_path_factory.getbasetemp()
    directory = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / name
    made = directory.with_name(f"{name}.pickle")
    with FileLock(f"{directory}.lock"):
        if not made.exists():
            directory.mkdir()
            made.write_bytes(pickle.dumps(make(directory)))
        given: T = pickle.loads(made.read_bytes())
    return given

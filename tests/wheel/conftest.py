"""What an installed wheel promises, each extra alone; `nox -s wheel` makes an environment for each and names it.

Elsewhere nothing here is collected: the development environment has every extra.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import datasets
import pytest

import younger_hf

EXTRA = os.environ.get("YOUNGER_EXTRA")
collect_ignore_glob = [] if EXTRA else ["test_*.py"]

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session", autouse=True)
def _of_the_wheel() -> None:
    """The tree of the repository must not be what is imported."""
    assert Path(younger_hf.__file__).is_relative_to(sys.prefix)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("datasets"))
        yield


@pytest.fixture(scope="session")
def release(zoo: Path) -> Path:
    return zoo / "younger"


@pytest.fixture
def younger_hf_command(tmp_path: Path) -> Command:
    """Runs the command that was installed, in an empty directory."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [Path(sys.executable).with_name("younger-hf"), *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)

    return run

"""The class of the loading script, which is in no package, and a cache of the tests' own."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest

SCRIPT = Path(__file__).parents[2] / "loading_script" / "younger.py"


@pytest.fixture(scope="session")
def release(zoo: Path) -> Path:
    return zoo / "younger"


@pytest.fixture(scope="session")
def script() -> Path:
    return SCRIPT


@pytest.fixture(scope="session")
def younger() -> Any:
    """The class, imported from its file as a user does who has the repository."""
    spec = importlib.util.spec_from_file_location("younger", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["younger"] = module
    spec.loader.exec_module(module)
    return module.Younger


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("datasets"))
        patch.setattr(datasets.config, "HF_MODULES_CACHE", str(tmp_path_factory.mktemp("modules")))
        yield

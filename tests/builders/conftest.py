"""Two releases of real models, the second built upon the first, and a Hub to bring them to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub.client import client
from hub.server import Hub, hub
from support.light import built
from support.shared import made_once

FIRST = ("resnet50", "squeezenet", "vgg19")
SECOND = (*FIRST, "shufflenet")


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "first", lambda directory: built(directory, FIRST))


@pytest.fixture(scope="session")
def second(tmp_path_factory: pytest.TempPathFactory, first: Path) -> Path:
    return made_once(tmp_path_factory, "second", lambda directory: built(directory, SECOND, previous=first))


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Hub]:
    """A Hub without repositories, where ada is logged in."""
    with hub() as server:
        server.users = {"hf_ada": "ada", "hf_reader": "ada"}
        server.read_only = {"hf_reader"}
        with client(server, tmp_path / "home", token="hf_ada"):
            yield server

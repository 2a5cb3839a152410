"""What tests of the recipes train on: the zoo's subgraphs, split as the paper does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
from support.shared import made_once

from younger_hf import Vocabulary
from younger_hf.recipes.recipe import config_of
from younger_hf.recipes.run import Run


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("datasets"))
    yield
    patch.undo()


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tests run side by side, and threads of PyTorch that wait for each other are slower than one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def release(zoo: Path) -> Path:
    return zoo / "younger"


@pytest.fixture(scope="session")
def trained(release: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """A run of each recipe, trained for some steps, at the least that tells it from one that was not."""

    def make(directory: Path) -> dict[str, Path]:
        return {
            recipe: _train(directory / recipe, recipe, {"release": str(release), "device": "cpu", **more})
            for recipe, more in (
                ("operator", {"model": "sage", "epochs": 12, "validate_every": 6, "split_scheme": "paper"}),
                ("dataflow", {"model": "gine", "decoder": "directed", "epochs": 2}),
            )
        }

    return {recipe: Run.open(directory) for recipe, directory in made_once(tmp_path_factory, "trained", make).items()}


def _train(directory: Path, recipe: str, settings: dict[str, Any]) -> Path:
    config = config_of(recipe, settings)
    run = Run.create(directory, config, Vocabulary.load(config.release))
    run.recipe.train(run)
    return run.directory

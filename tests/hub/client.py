"""This process as a client of the tests' Hub, where it would else have to be told by the environment before imports.

with client(served, tmp_path, token="hf_ada"):
    huggingface_hub.HfApi().whoami()
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import datasets
import pytest
from hub.server import Hub
from huggingface_hub import HfFileSystem, constants, file_download

_FILE = "{repo_id}/resolve/{revision}/{filename}"


@contextmanager
def client(served: Hub, home: Path, token: str = "") -> Iterator[None]:
    """Talk to this Hub alone, with caches of its own below `home`, and without the storage that is not HTTP's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "ENDPOINT", served.endpoint)
        for module in (constants, file_download):
            patch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", f"{served.endpoint}/{_FILE}", raising=False)
        patch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
        patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        patch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
        patch.setattr(constants, "HF_STORED_TOKENS_PATH", str(home / "stored_tokens"))
        patch.setattr(datasets.config, "HF_ENDPOINT", served.endpoint)
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", home / "datasets")
        patch.setenv("HF_TOKEN", token)
        # File systems are kept, with the address that they were made with.
        HfFileSystem.clear_instance_cache()
        try:
            yield
        finally:
            HfFileSystem.clear_instance_cache()

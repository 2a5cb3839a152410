"""The loading script: what `datasets` 3 runs by its path, and later versions refuse."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import datasets
import pytest
from support.releases import ONNX_CONFIGS, table

SCRIPT = Path(__file__).parents[2] / "loading_script" / "younger.py"

if int(version("datasets").split(".")[0]) < 4:

    @pytest.mark.parametrize("streaming", [False, True])
    @pytest.mark.parametrize("config", ONNX_CONFIGS)
    def test_the_script_is_loaded_by_its_path(zoo: Path, config: str, streaming: bool) -> None:
        options = {"data_dir": str(zoo / "younger"), "streaming": streaming, "trust_remote_code": True}
        loaded = datasets.load_dataset(str(SCRIPT), config, **options)
        assert {split: sum(1 for _ in rows) for split, rows in loaded.items()} == {
            split: len(rows) for split, rows in table(zoo / "younger", config).items()
        }

else:

    def test_a_script_is_no_longer_loaded_by_its_path(zoo: Path) -> None:
        with pytest.raises(RuntimeError, match="scripts are no longer supported"):
            datasets.load_dataset(str(SCRIPT), "graphs", data_dir=str(zoo / "younger"))

"""What was made of a release and stays with it: entries of the leaderboard, and the encoder that was trained on it.

In go a release and the directory of the next one; out come copies of their files.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from huggingface_hub import snapshot_download

from younger_hf.recipes.encoders import FILES
from younger_hf.recipes.encoders import FOLDER as ENCODER
from younger_hf.release import quiet_off_terminal, reading_hub
from younger_hf.tasks.leaderboard import FOLDER as LEADERBOARD

KEPT: Final = (
    f"{LEADERBOARD}/*.yaml",
    f"{LEADERBOARD}/*.parquet",
    *(f"{ENCODER}/{name}" for name in FILES),
)
"""What a release holds that was made of it, and that the next one keeps: see `keep_beside`."""


def keep_beside(source: str | Path, directory: Path) -> None:
    """Copy what was made of a release and stays valid for the next: entries of the leaderboard, and the encoder.

    Args:
        source: the release before, a directory or the id of a Hub repository; nothing is kept where there is none.
        directory: where the next one is being written.

    Raises:
        ReleaseError: the repository cannot be read.
    """
    place = Path(source).expanduser()
    if not place.is_dir():
        if isinstance(source, Path):
            return
        with reading_hub(source, None), quiet_off_terminal():
            place = Path(snapshot_download(source, repo_type="dataset", allow_patterns=list(KEPT)))
    for file in sorted(found for pattern in KEPT for found in place.glob(pattern) if found.is_file()):
        copy = directory / file.relative_to(place)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)

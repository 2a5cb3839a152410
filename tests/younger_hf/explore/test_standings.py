"""The leaderboard on the page of the release."""

from __future__ import annotations

import shutil
from itertools import count
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from support.explorer import ask, served

from younger_hf.explore.server import make_app
from younger_hf.explore.standings import Standings
from younger_hf.release import open_release
from younger_hf.tasks.evaluation_set import EvaluationSet
from younger_hf.tasks.predictions import Predictions

from .conftest import PAYLOAD
from .test_server import check_harmless

CLAIM = {"model": PAYLOAD, "parameters": 12, "seed": 0, "code": "https://huggingface.co/org/guess", "license": "MIT"}


@pytest.fixture
def release(zoo: Path, tmp_path: Path) -> Path:
    """With an entry that knows all, one that does not fit, and one that is damaged."""
    directory = Path(shutil.copytree(zoo / "younger", tmp_path / "younger"))
    opened, board = open_release(directory), directory / "leaderboard"
    board.mkdir()
    of = EvaluationSet.of(opened, "operator", "train", attributes=False)
    labels = of.labels(opened)
    for name, rows in (("perfect", labels), ("short", labels.slice(1))):
        Predictions(of, name, rows.append_column("y_pred", pa.chunked_array(rows["y_true"]))).save(
            board / f"{name}.parquet"
        )
    (board / "damaged.parquet").write_bytes(b"rubbish")
    for name in ("perfect", "short", "damaged"):
        (board / f"{name}.yaml").write_text(yaml.safe_dump(CLAIM))
    return directory


def test_entries_are_scored_and_those_that_cannot_be_right_named(release: Path) -> None:
    app = make_app(open_release(release))
    app.state.explorer.standings.wait()
    with served(app) as address:
        assert "/release/leaderboard" in [one.get("data-part") for _, one in ask(f"{address}/release").page.elements]
        answer = ask(f"{address}/release/leaderboard")
    check_harmless(answer)
    assert "operator, subgraphs-no-attributes, split train" in answer.page.text
    assert "1.0000" in answer.page.text
    not_taken = answer.page.text.partition("Not taken")[2]
    assert "damaged :" in not_taken
    assert "short :" in not_taken
    assert "perfect" not in not_taken
    assert str(release.parent) not in answer.text


def test_when_time_is_over_no_further_entry_is_begun(release: Path) -> None:
    hours = count(step=3600)
    scored = Standings(open_release(release), lambda: float(next(hours))).wait()
    assert scored is not None
    assert scored.waiting == ["damaged", "perfect", "short"]


def test_a_release_without_entries_says_so(address: str) -> None:
    page = ask(f"{address}/release").page
    assert "The release has no entries yet" in page.text
    assert "train operator --model ngram --release younger" in page.text  # what an entry has to beat

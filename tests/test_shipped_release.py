"""The release that a clone has is whole, loads at once, and holds what it promises."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from datasets import load_dataset

from builders.audit import audit
from younger_hf.release import open_release
from younger_hf.statistics import count_release

SHIPPED = Path(__file__).parents[1] / "younger"
CARD = yaml.safe_load((SHIPPED / "README.md").read_text().split("\n---\n", 1)[0])
MOST_BYTES = 80_000_000


@pytest.mark.parametrize("info", CARD["dataset_info"], ids=lambda info: info["config_name"])
def test_every_config_has_the_rows_that_the_card_counts(info, tmp_path):
    rows = load_dataset(str(SHIPPED), info["config_name"], cache_dir=tmp_path)
    assert {name: of.num_rows for name, of in rows.items()} == {
        split["name"]: split["num_examples"] for split in info["splits"]
    }


def test_it_is_small_enough_for_a_repository():
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()) <= MOST_BYTES


def test_it_was_audited():
    card = (SHIPPED / "README.md").read_text()
    assert "was not audited" not in card
    assert "drawn at random, filled with random parameters and run by ONNX Runtime" in card


def test_its_statistics_are_of_real_models_from_several_sources():
    statistics = count_release(SHIPPED)
    assert len(statistics.catalogues["sources"]) >= 5
    assert len(statistics.families) >= 50


@pytest.mark.slow
def test_no_skeleton_holds_what_it_should_not():
    found = audit(open_release(SHIPPED), runs=0, conversions=0, jobs=2)
    assert found.skeletons > 0
    assert (found.with_content, found.misnamed, found.duplicates) == (0, 0, 0)

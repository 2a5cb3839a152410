"""The release that a clone has is whole, loads at once, and holds what it promises."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import yaml
from datasets import load_dataset

from younger_hf import load
from younger_hf.extract import extract, strip
from younger_hf.extract.weightless import find_weights
from younger_hf.identity import fingerprint, skeleton_fingerprint
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


@pytest.mark.parametrize(("config", "key"), [("graphs", "fingerprint"), ("graphs-no-attributes", "type_fingerprint")])
def test_no_two_rows_are_one_graph(config, key):
    rows = load(config, source=SHIPPED)
    names = [name for split in rows.values() for name in split[key]]
    assert len(set(names)) == len(names) > 0


@pytest.mark.slow
def test_no_skeleton_holds_what_it_should_not():
    """A tenth of them: `make release` audits all, which takes minutes."""
    rows = load("skeletons", split="all", source=SHIPPED)
    tenth = [row for row in rows if int(row["skeleton_fingerprint"], 16) % 10 == 0]
    assert len(tenth) > 100
    for row in tenth:
        model = onnx.load_model_from_string(row["onnx"])
        assert not find_weights(row["onnx"])
        assert strip(model).SerializeToString(deterministic=True) == row["onnx"]
        assert skeleton_fingerprint(model) == row["skeleton_fingerprint"]
        assert fingerprint(extract(model)) == row["fingerprint"]

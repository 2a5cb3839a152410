"""Two rows side by side."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from support.explorer import ask, served

from younger_hf.explore.catalogue import Catalogue
from younger_hf.explore.comparison import Comparison, Comparisons, Tallies
from younger_hf.explore.facts import Architectures
from younger_hf.explore.server import make_app
from younger_hf.release import open_release


@pytest.fixture
def pair(catalogue: Catalogue) -> list[str]:
    return [str((catalogue.named(name) or {})["fingerprint"]) for name in ("vgg19", "bvlc_alexnet")]


def test_both_are_drawn(address: str, pair: list[str]) -> None:
    page = ask(f"{address}/compare?with={pair[0]}&with={pair[1]}").page
    drawn = [one["data-drawing"] for one in page.every("section") if "data-drawing" in one]
    assert drawn == [f"/architecture/{one}/drawing.svg" for one in pair]


def test_rows_are_matched_operator_by_operator(catalogue: Catalogue, pair: list[str]) -> None:
    found = Comparisons(Architectures(catalogue)).of(*pair)
    assert isinstance(found, Comparison)
    assert 0 < found.share < 1
    assert found.changes["removed"] or found.changes["added"] or found.changes["replaced"]


def test_rows_too_large_to_be_matched_are_compared_by_counts(
    catalogue: Catalogue, pair: list[str], zoo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("younger_hf.explore.comparison.MOST_COMPARED", 20)
    architectures = Architectures(catalogue)
    found = Comparisons(architectures).of(*pair)
    assert isinstance(found, Tallies)
    first, second = (Counter(architectures.open(one).graph.operator_counts()) for one in pair)
    assert found.num_common == (first & second).total()
    assert {name: (a, b) for name, a, b in found.operators} == {
        name: (first[name], second[name]) for name in first | second if first[name] != second[name]
    }
    name, a, b = found.operators[0]
    with served(make_app(open_release(zoo / "younger"))) as address:
        answer = ask(f"{address}/compare/difference?with={pair[0]}&with={pair[1]}")
    assert answer.status == 200
    assert f"{name} {a} {b} {b - a:+,}" in answer.page.text
    assert "how many there are of each" in answer.page.text

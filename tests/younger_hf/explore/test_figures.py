"""The release as a whole."""

from __future__ import annotations

import json
from pathlib import Path

from support.explorer import ask

from younger_hf.explore.catalogue import Catalogue
from younger_hf.explore.figures import FIGURES, Atlas
from younger_hf.explore.relatives import Relatives
from younger_hf.explore.remembered import Remembered


def test_every_figure_counts_the_rows(address: str, catalogue: Catalogue) -> None:
    figures = {name: json.loads(ask(f"{address}/release/{name}.json").body) for name in FIGURES}
    (bars,) = figures["sizes"]["data"]
    assert sum(bars["y"]) == len(catalogue)
    (bars,) = figures["operators"]["data"]
    assert bars["x"][0] == len(catalogue)  # every one of these has a Conv
    (bars,) = figures["families"]["data"]
    opened = ask(f"{address}{bars['customdata'][0][0]}").page.text
    assert f"{bars['x'][0]} architecture" in opened


def test_the_map_has_every_row_and_is_remembered(catalogue: Catalogue, tmp_path: Path) -> None:
    figure = Atlas(catalogue, Relatives(catalogue), Remembered(tmp_path)).wait()
    assert figure is not None
    assert sum(len(trace["x"]) for trace in figure["data"]) == len(catalogue)
    assert [file.suffix for file in tmp_path.iterdir()] == [".npy"]
    again = Atlas(catalogue, Relatives(catalogue), Remembered(tmp_path)).wait()
    assert again == figure


def test_hostile_names_in_figures_are_text(hostile_address: str) -> None:
    for name in FIGURES:
        assert "<img" not in ask(f"{hostile_address}/release/{name}.json").text
    assert ask(f"{hostile_address}/release/map.json").status in (202, 404)
    assert ask(f"{hostile_address}/release/none.json").status == 404


def test_the_page_names_all_figures_and_its_own_scripts(address: str) -> None:
    page = ask(f"{address}/release").page
    plots = {found["data-plot"] for _, found in page.elements if "data-plot" in found}
    assert plots == {f"/release/{name}.json" for name in (*FIGURES, "map")}
    assert {one["src"].partition("?")[0] for one in page.every("script")} == {"/static/explore.js", "/static/plotly.js"}

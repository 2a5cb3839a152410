"""Pictures of rows, graphs and files: `younger_hf.draw`, and `younger-hf draw`."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from support.light import LIGHT, built
from support.releases import every_row
from typer.testing import CliRunner

from builders.convert.onnx_package import with_parameters
from younger_hf import draw, load
from younger_hf.cli import app
from younger_hf.errors import ReleaseError, UsageError, YoungerError
from younger_hf.extract import extract, read_structure, strip
from younger_hf.interop.onnx import from_onnx
from younger_hf.module_tree import ModuleTree
from younger_hf.plots.layered import draw_graph

RESNET = LIGHT / "light_resnet50.onnx"


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("drawn"), ("squeezenet", "shufflenet"))


def with_modules(file: Path) -> dict[str, Any]:
    """A row of config `skeletons` with a module for each block of its network, which ends where branches meet."""
    skeleton = strip(with_parameters(read_structure(file)))
    modules = [["", "torchvision.models.resnet.ResNet", -1], ["blocks.0", "torchvision.models.resnet.Bottleneck", 0]]
    node = []
    for operator in extract(skeleton).operator:
        node.append(len(modules) - 1)
        if operator.op_type in ("Sum", "Concat"):
            modules.append([f"blocks.{len(modules) - 1}", "torchvision.models.resnet.Bottleneck", 0])
    text = json.dumps({"modules": modules, "node": node})
    return {"onnx": skeleton.SerializeToString(), "modules": text, "models": [{"id": "org/resnet"}]}


def test_a_file_a_graph_and_a_row_of_it_are_one_picture(release: Path) -> None:
    row = next(row for split in load("graphs", source=release).values() for row in split if row["name"] == "squeezenet")
    of_row = draw(row, source=release)
    assert of_row.title.startswith("squeezenet: 105 operators")
    assert draw(from_onnx(LIGHT / "light_squeezenet.onnx"), title="squeezenet").to_svg() == of_row.to_svg()
    assert draw(LIGHT / "light_squeezenet.onnx", title="squeezenet").to_svg() == of_row.to_svg()


def test_rows_of_other_configs_are_drawn(release: Path) -> None:
    for config in ("graphs-no-attributes", "subgraphs", "skeletons"):
        row = next(iter(every_row(release, config)))
        assert len(draw(row, source=release).boxes) > 0


def test_modules_are_framed_and_named() -> None:
    row = with_modules(RESNET)
    drawing = draw(row)
    labels = {frame.label for frame in drawing.frames}
    assert "blocks.1 Bottleneck" in labels
    assert drawing.title.startswith("org/resnet: ")
    assert "blocks.1 Bottleneck" in drawing.to_svg()
    assert not {frame.label for frame in draw({**row, "modules": None}).frames} - {""}


@pytest.mark.parametrize("collapse", [True, False])
@pytest.mark.parametrize("file", ["resnet50", "inception_v1", "densenet121"])
def test_frames_are_nested_or_apart_and_no_box_is_on_a_border(file: str, collapse: bool) -> None:
    drawing = draw(with_modules(LIGHT / f"light_{file}.onnx"), collapse=collapse)
    assert len(drawing.frames) > 2 or not collapse
    places = [(frame.x, frame.y, frame.x + frame.width, frame.y + frame.height) for frame in drawing.frames]
    for number, (left, top, right, bottom) in enumerate(places):
        assert left >= 0
        assert right <= drawing.width
        for x, y, to_x, to_y in places[:number]:
            is_apart = right <= x or to_x <= left or bottom <= y or to_y <= top
            is_inside = x < left and right < to_x and y < top and bottom < to_y
            assert is_apart or is_inside
        for box in drawing.boxes:
            assert box.y + box.height <= top or bottom <= box.y or (top < box.y and box.y + box.height < bottom)


def test_a_picture_is_written_as_its_name_says(tmp_path: Path) -> None:
    draw(LIGHT / "light_squeezenet.onnx", tmp_path / "x.svg")
    draw(LIGHT / "light_squeezenet.onnx", str(tmp_path / "x.png"))
    assert ElementTree.fromstring((tmp_path / "x.svg").read_text()).tag.endswith("svg")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_another_ending_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"as \.svg or \.png, not as x\.pdf"):
        draw(tmp_path / "missing.onnx", "x.pdf")
    with pytest.raises(YoungerError, match=r"missing\.onnx does not exist"):
        draw(tmp_path / "missing.onnx")


def test_modules_of_something_else_are_refused() -> None:
    tree = ModuleTree.from_json(with_modules(RESNET)["modules"].encode())
    with pytest.raises(UsageError, match=r"these modules are of \d+ nodes, and the graph has"):
        draw_graph(extract(LIGHT / "light_squeezenet.onnx"), modules=tree)
    with pytest.raises(ReleaseError, match="modules of a skeleton cannot be read"):
        draw({**with_modules(RESNET), "modules": "{"})


def test_the_command_draws_a_file_or_a_row(release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["draw", str(RESNET)]).stdout == "wrote light_resnet50.svg\n"
    assert (tmp_path / "light_resnet50.svg").read_text().startswith("<svg")
    (row,) = (row for row in every_row(release, "graphs") if row["name"] == "squeezenet")
    arguments = ["draw", row["fingerprint"], "--release", str(release), "--output", "x.png", "--full"]
    assert CliRunner().invoke(app, arguments).stdout == "wrote x.png\n"
    assert (tmp_path / "x.png").is_file()
    missing = CliRunner().invoke(app, ["draw", "0" * 32, "--release", str(release)])
    assert str(missing.exception) == f"{release} has no architecture {'0' * 32}"

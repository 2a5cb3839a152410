"""From a row, a graph or an ONNX file to a picture of it: `younger_hf.draw`."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from younger_hf.dataset import to_graph
from younger_hf.extract import extract
from younger_hf.graph import OperatorGraph
from younger_hf.interop.onnx import from_onnx, skeleton_row, to_skeleton
from younger_hf.module_tree import ModuleTree, modules_of
from younger_hf.plots.drawing import Drawing, check_ending
from younger_hf.plots.layered import draw_graph
from younger_hf.release import open_release
from younger_hf.vocabulary import Vocabulary

if TYPE_CHECKING:
    from onnx import ModelProto


def draw(
    what: Mapping[str, Any] | OperatorGraph | str | PathLike[str] | bytes | ModelProto,
    path: str | PathLike[str] | None = None,
    *,
    collapse: bool = True,
    title: str | None = None,
    source: str | Path = "younger",
) -> Drawing:
    """Draw an architecture from input to output, as a drawing that a notebook shows and that can be saved.

        draw("model.onnx", "model.svg")
        draw(load("graphs", "train")[0])

    A row of a release shows its modules as frames, where the release knows them.

    Args:
        what: a row of config `graphs`, `graphs-no-attributes`, `sample`, `subgraphs` or `skeletons`; a graph; or an
            ONNX file, its URL or its bytes, of which weights are not read.
        path: where the drawing is written, `.svg` or `.png`; None writes nothing.
        collapse: draw what repeats once, with ×N, and sum up what is still too much, so that no more than 160 rows are
            drawn; without, every operator is drawn.
        title: what it is called; None calls a row by its name, and a file by its own.
        source: the release of the row, a directory or the id of a Hub dataset repository.

    Raises:
        UsageError: it is none of these, has no operator, or more than 20,000 that are not to be collapsed; or `path`
            has another ending.
        ReleaseError: the release cannot be read.
        InvalidModelError: the file is no ONNX model.
        YoungerError: there is no such file, or the drawing cannot be written.
    """
    if path is not None:
        check_ending(path)
    modules: ModuleTree | None = None
    name = ""
    if isinstance(what, Mapping):
        graph, modules = _of_row(what, source)
        models = what.get("models") or [{}]
        name = str(what.get("name") or models[0].get("id") or what.get("fingerprint") or "")
    elif isinstance(what, OperatorGraph):
        graph = what
    else:
        graph = from_onnx(what)
        name = Path(what).name if isinstance(what, (str, PathLike)) else ""
    drawing = draw_graph(graph, name if title is None else title, collapse=collapse, modules=modules)
    if path is not None:
        drawing.save(Path(path))
    return drawing


def _of_row(row: Mapping[str, Any], source: str | Path) -> tuple[OperatorGraph, ModuleTree | None]:
    """The graph of a row, and its modules node by node: those are known of a skeleton, in the order of its nodes."""
    if row.get("onnx") is None:
        release = open_release(source)
        of_graphs = row.get("fingerprint") is not None and "boundary" not in row and "node_variant" in row
        has_modules = "skeletons" in release.configs and "modules" in release.columns("skeletons")
        found = skeleton_row(row, source) if of_graphs and has_modules else {}
        if not found.get("modules"):
            return to_graph(row, Vocabulary.load(source)), None
        row = found
    return extract(to_skeleton(row)), modules_of(row)

"""Files of what was generated: rows, a sheet of pictures, and an ONNX model of each whole network that runs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import datasets
import pyarrow.parquet as pq
from PIL import Image
from tqdm import tqdm

from younger_hf.recipes.generate import row_of
from younger_hf.recipes.run import Run
from younger_hf.schema import SCHEMA, features
from younger_hf.tasks.generation.operator_rules import rules_of
from younger_hf.tasks.generation.slotted import SlottedGraph
from younger_hf.tasks.generation.validity import fault_of_slots, fault_of_types
from younger_hf.whole_files import write_whole

_MOST_PICTURES: Final = 24
_COLUMNS: Final = 6


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        files: all of them.
        verdicts: for each graph None where it is sound (V2), or what is wrong, in words.
        num_onnx: how many run as ONNX models; None where these are no whole networks with attributes.
    """

    files: list[Path]
    verdicts: list[str | None]
    num_onnx: int | None


def write_generated(run: Run, graphs: Sequence[SlottedGraph], output: Path, name: str) -> Written:
    """Write what a run has generated.

    Args:
        run: what made it.
        graphs: at least one.
        output: the directory, which is made.
        name: what they are called, followed by a number.

    Raises:
        YoungerError: a file cannot be written.
    """
    output.mkdir(parents=True, exist_ok=True)
    rules = rules_of(run.labels)
    verdicts = [fault_of_slots(graph, rules) or fault_of_types(graph, rules) for graph in graphs]
    attributes = run.config.attributes
    names = [f"{name}-{number:04d}" for number in range(len(graphs))]
    described = tqdm(zip(graphs, names, strict=True), desc="describe", total=len(graphs), unit="graph", disable=None)
    rows = [row_of(graph, run.labels, each, attributes) for graph, each in described]
    files = [output / "graphs.parquet", output / "samples.png"]
    write_whole(files[0], _parquet(rows, run))
    write_whole(files[1], picture_sheet([graph.to_graph(_operators(run)) for graph in graphs[:_MOST_PICTURES]]))
    num_onnx: int | None = None
    if run.config.level == "graph" and attributes:
        from younger_hf.tasks.generation.runnable import runnable_model

        num_onnx = 0

        for graph, verdict, each in tqdm(
            zip(graphs, verdicts, names, strict=True), desc="run", total=len(graphs), unit="graph", disable=None
        ):
            model = None if verdict else runnable_model(graph, run.labels)
            if model is not None:
                num_onnx += 1
                files.append(output / f"{each}.onnx")
                write_whole(files[-1], model.SerializeToString())
    return Written(files, verdicts, num_onnx)


def _operators(run: Run) -> list[Any]:
    from younger_hf.tasks.generation.operator_rules import operator_of

    return [operator_of(label) for label in run.labels]


def _parquet(rows: list[dict[str, Any]], run: Run) -> bytes:
    config = run.config.in_form("graphs")
    declared = features(config, () if run.config.attributes else run.labels)
    there = [name for name in SCHEMA[config].columns if name in rows[0]]
    table = datasets.Dataset.from_list(rows, datasets.Features({name: declared[name] for name in there}))
    buffer = io.BytesIO()
    pq.write_table(table.with_format("arrow")[:], buffer, compression="zstd")
    return buffer.getvalue()


def picture_sheet(graphs: Sequence[Any]) -> bytes:
    """Thumbnails of `OperatorGraph`s side by side, a PNG."""
    from younger_hf.plots.preview import PREVIEW_SIZE, preview

    step = PREVIEW_SIZE + 8
    lines = -(-len(graphs) // _COLUMNS)
    sheet = Image.new("RGB", (step * min(len(graphs), _COLUMNS) + 8, step * lines + 8), "#e8eaed")
    for number, graph in enumerate(graphs):
        line, column = divmod(number, _COLUMNS)
        picture = Image.open(io.BytesIO(preview(graph))).convert("RGB")
        sheet.paste(picture, (8 + column * step, 8 + line * step))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()

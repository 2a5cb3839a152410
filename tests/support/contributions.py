"""Contributions of the onnx package's zoo models: `from support.contributions import contribution, rewritten`."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from onnx import ModelProto
from support.light import LIGHT

from builders.contribution import Contribution, contributed
from builders.measure.facts import measure
from builders.model_ref import ModelRef
from younger_hf.extract import strip

ADA = ModelRef("onnx", "ada/shufflenet", library="onnx", task="image-classification", family="shuffle", license="mit")


@cache
def contribution(name: str = "shufflenet", **fields: str) -> Contribution:
    """That of a zoo model, as it is made; with fields of the model replaced."""
    return of_skeleton(strip(LIGHT / f"light_{name}.onnx"), **fields)


def of_skeleton(skeleton: ModelProto, **fields: str) -> Contribution:
    content = skeleton.SerializeToString(deterministic=True)
    facts = measure(content).facts
    model = contributed(replace(ADA, **fields))
    return Contribution(model, "onnx", facts.graph.fingerprint, facts.skeleton.fingerprint, content)


def saved(found: Contribution, directory: Path) -> Path:
    """Its file under its name."""
    file = directory / Path(found.path).name
    file.write_bytes(found.to_parquet())
    return file


def rewritten(found: Contribution, **columns: Any) -> bytes:
    """Its file with other values, made by hand: nothing of ours looks at them. None takes a column away."""
    table = pq.read_table(io.BytesIO(found.to_parquet()))
    for name, value in columns.items():
        position = table.column_names.index(name) if name in table.column_names else None
        if value is None:
            table = table.drop_columns([name])
        elif position is None:
            table = table.append_column(name, pa.array([value]))
        else:
            table = table.set_column(
                position, table.schema.field(position), pa.array([value], table.schema.types[position])
            )
    return written(table)


def written(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()

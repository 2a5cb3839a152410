"""The explorer in front of the zoo's release, and in front of one that a stranger made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml
from support.explorer import served

from younger_hf.dataset import to_columns
from younger_hf.explore.catalogue import Catalogue
from younger_hf.explore.server import make_app
from younger_hf.graph import Operator, make_graph
from younger_hf.recognise.sketch import MINHASH_LENGTH, SKETCH_LENGTH
from younger_hf.release import SCHEMA_VERSION_KEY, open_release
from younger_hf.schema import MASK, SCHEMA_VERSION, UNKNOWN, features
from younger_hf.vocabulary import Vocabulary

PAYLOAD = """"'><img src=x onerror=alert(1)><script>alert(2)</script>{{ 7 * 7 }}[x](javascript:alert(3))"""


@pytest.fixture(scope="session")
def catalogue(zoo: Path) -> Catalogue:
    return Catalogue.of(open_release(zoo / "younger"))


@pytest.fixture(scope="session")
def address(zoo: Path) -> Iterator[str]:
    with served(make_app(open_release(zoo / "younger"))) as where:
        yield where


@pytest.fixture(scope="session")
def hostile_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A row whose every text is a payload, operators and fingerprint included."""
    directory = tmp_path_factory.mktemp("hostile") / "younger"
    hostile = Operator(PAYLOAD.partition("{")[0], "X", '{"a":"<script>alert(4)</script>"}')
    graph = make_graph([hostile, Operator("", "Relu")], [(0, 1, 0, 0)])
    labels = {"operator": [hostile.type_label, "Relu"], "variant": [hostile.label, "Relu{}"]}
    operators = [
        {"kind": kind, "id": i, "label": label, "operator_id": i, "domain": "", "op_type": "", "attributes": "{}"}
        for kind, found in labels.items()
        for i, label in enumerate([UNKNOWN, MASK, *found])
    ]
    row: dict[str, Any] = {
        name: PAYLOAD if getattr(feature, "dtype", "") == "string" else None
        for name, feature in features("graphs").items()
    }
    model = dict.fromkeys(("source", "id", "revision", "component", "retrieved", "origin", "task", "license"), PAYLOAD)
    result = dict.fromkeys(("model", "task", "dataset", "split", "metric"), PAYLOAD)
    row |= {
        "fingerprint": PAYLOAD.replace("/", ""),
        "num_nodes": 2,
        "sketch": [0] * SKETCH_LENGTH,
        "minhash": [0] * MINHASH_LENGTH,
        "models": [{**model, "tags": [PAYLOAD], "num_parameters": 1, "downloads": 1, "likes": 1}],
        "evaluations": [{**result, "value": 1.0}],
        **to_columns(graph, Vocabulary.from_rows(operators)),
    }
    card: dict[str, Any] = {SCHEMA_VERSION_KEY: SCHEMA_VERSION, "configs": []}
    for config, rows in {"graphs": [row], "operators": operators}.items():
        names = features(config, [UNKNOWN, MASK, *labels["operator"]])
        columns = {name: [one.get(name) for one in rows] for name in names}
        datasets.Dataset.from_dict(columns, names).to_parquet(str(directory / config / "train-00000-of-00001.parquet"))
        files = [{"split": "train", "path": f"{config}/train-*.parquet"}]
        card["configs"].append({"config_name": config, "default": config == "graphs", "data_files": files})
    (directory / "README.md").write_text(f"---\n{yaml.safe_dump(card)}---\n# Younger\n")
    return directory


@pytest.fixture(scope="session")
def hostile_address(hostile_release: Path) -> Iterator[str]:
    with served(make_app(open_release(hostile_release))) as where:
        yield where

"""A small release of real graphs, written with the real schema: what the library's tests load."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import onnx
import onnx.parser
import pytest
import yaml

from builders.assemble.write.features import card_features
from builders.assemble.write.parquet import write_split
from younger_hf.dataset import to_columns
from younger_hf.extract import extract
from younger_hf.graph import OperatorGraph
from younger_hf.identity import fingerprint
from younger_hf.release import SCHEMA_VERSION_KEY
from younger_hf.schema import MASK, SCHEMA_VERSION, UNKNOWN, features
from younger_hf.vocabulary import Vocabulary

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"

# A Loop whose body holds an If: bodies in bodies, captured values, body outputs.
NESTED_BODIES = """
<ir_version: 8, opset_import: ["" : 17]>
nested (float[4] x, int64 trips, bool go) => (float[4] y) {
    start = Relu(x)
    y = Loop (trips, go, start) <body = step (int64 i, bool keep, float[4] carried) => (bool keep_out, float[4] next) {
        keep_out = Identity(keep)
        next = If (keep) <
            then_branch = grow () => (float[4] grown) { grown = Add(carried, start) },
            else_branch = shrink () => (float[4] shrunk) { half = Sub(carried, start) shrunk = Tanh(half) }
        >
    }>
}
"""

SPLIT_OF = {
    "light_vgg19": "validation",
    "light_zfnet512": "validation",
    "light_shufflenet": "test",
    "nested_bodies": "unseen",
}
PAPER_SPLIT_OF = {
    "light_bvlc_alexnet": "train",
    "light_densenet121": "train",
    "light_vgg19": "train",
    "light_resnet50": "validation",
    "light_shufflenet": "test",
}
# The only two of one family are the Inceptions.
STRATIFIED_SPLIT_OF = {"light_inception_v2": "test"}

# What the rows of the large release are labelled with in turn; lengths without a common factor give every pairing.
LABELS: dict[str, list[Any]] = {
    "task": ["image-classification", "image-segmentation", None],
    "source": ["torchvision", "huggingface"],
    "license": ["apache-2.0", "mit", None, "bsd-3-clause", None],
    "num_models": [1, 1, 1, 4],
    "origin": ["published", "registry", "default-configuration", "published", "published", "published", "contributed"],
    "paper_split": ["train", "train", "test", "train", "validation", "train", "train", "train", "train", None, "train"],
}


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    patch = pytest.MonkeyPatch()
    patch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("datasets"))
    yield
    patch.undo()


@pytest.fixture(scope="session")
def graphs() -> dict[str, OperatorGraph]:
    """The zoo models of the onnx package, and one with control flow."""
    models = {file.stem: extract(file) for file in sorted(LIGHT.glob("*.onnx"))}
    return {**models, "nested_bodies": extract(onnx.parser.parse_model(NESTED_BODIES))}


@pytest.fixture(scope="session")
def operator_rows(graphs: dict[str, OperatorGraph]) -> list[dict[str, Any]]:
    """The rows of config `operators`."""
    operators = [operator for graph in graphs.values() for operator in graph.operator]
    types = Counter(operator.type_label for operator in operators)
    variants = Counter(operator.label for operator in operators)
    home = {operator.label: operator for operator in operators}
    type_ids = {label: i for i, label in enumerate([UNKNOWN, MASK, *sorted(types)])}
    blank = {"domain": "", "op_type": "", "attributes": "{}", "num_nodes": 0, "num_graphs": 0}
    rows = [{**blank, "kind": "operator", "id": i, "label": label, "operator_id": i} for label, i in type_ids.items()]
    for i, label in enumerate([UNKNOWN, MASK, *sorted(variants)]):
        operator_id = i if i < 2 else type_ids[home[label].type_label]
        rows.append({**blank, "kind": "variant", "id": i, "label": label, "operator_id": operator_id})
    return rows


@pytest.fixture(scope="session")
def vocabulary(operator_rows: list[dict[str, Any]]) -> Vocabulary:
    return Vocabulary.from_rows(operator_rows)


@pytest.fixture(scope="session")
def rows(graphs: dict[str, OperatorGraph], vocabulary: Vocabulary) -> list[dict[str, Any]]:
    """The rows of config `graphs`."""
    names = list(features("graphs"))
    return [_row(names, name, graph, vocabulary) for name, graph in graphs.items()]


@pytest.fixture(scope="session")
def release(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[dict[str, Any]],
    operator_rows: list[dict[str, Any]],
    vocabulary: Vocabulary,
) -> Path:
    """A release directory: `graphs` in four splits (train in two files), `graphs-no-attributes`, `operators`."""
    directory = tmp_path_factory.mktemp("release") / "younger"
    directory.mkdir()
    configs: dict[str, dict[str, list[dict[str, Any]]]] = {
        "graphs": {},
        "graphs-no-attributes": {},
        "operators": {"train": operator_rows},
    }
    for row in rows:
        split = SPLIT_OF.get(row["name"], "train")
        configs["graphs"].setdefault(split, []).append(row)
        bare = {name: row.get(name) for name in features("graphs-no-attributes")}
        configs["graphs-no-attributes"].setdefault(split, []).append({**bare, "fingerprints": [row["fingerprint"]]})
    card: dict[str, Any] = {SCHEMA_VERSION_KEY: SCHEMA_VERSION, "configs": []}
    for config, splits in configs.items():
        for split, part in splits.items():
            shards = 2 if len(part) > 5 and config == "graphs" else 1
            for shard in range(shards):
                table = datasets.Dataset.from_list(part[shard::shards], features(config, vocabulary.operators))
                table.to_parquet(str(directory / config / f"{split}-{shard:05d}-of-{shards:05d}.parquet"))
        paths = [{"split": split, "path": f"{config}/{split}-*.parquet"} for split in splits]
        card["configs"].append({"config_name": config, "default": config == "graphs", "data_files": paths})
    (directory / "README.md").write_text(f"---\n{yaml.safe_dump(card)}---\n# Younger\n")
    return directory


@pytest.fixture(scope="session")
def large_release(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[dict[str, Any]],
    operator_rows: list[dict[str, Any]],
    vocabulary: Vocabulary,
) -> Path:
    """The graphs, each twelve times, as a build writes them: in order of size, in row groups, counted in the card."""
    directory = tmp_path_factory.mktemp("large") / "younger"
    by_size = sorted((row for row in rows for _ in range(12)), key=lambda row: (row["num_nodes"], row["fingerprint"]))
    graphs = [{**row, **{name: of[i % len(of)] for name, of in LABELS.items()}} for i, row in enumerate(by_size)]
    splits = {
        "train": [row for i, row in enumerate(graphs) if i % 10 < 7],
        "validation": graphs[7::10],
        "test": graphs[8::10],
        "unseen": graphs[9::10],
    }
    card: dict[str, Any] = {SCHEMA_VERSION_KEY: SCHEMA_VERSION, "configs": [], "dataset_info": []}
    for config, parts in {"graphs": splits, "operators": {"train": operator_rows}}.items():
        columns = features(config, vocabulary.operators)
        written = {
            split: write_split(directory / config, split, part, columns, rows_per_group=6, shard_bytes=40_000)
            for split, part in parts.items()
        }
        paths = [{"split": split, "path": f"{config}/{split}-*.parquet"} for split in parts]
        card["configs"].append({"config_name": config, "default": config == "graphs", "data_files": paths})
        counts = [
            {"name": split, "num_bytes": files.num_bytes, "num_examples": files.num_rows}
            for split, files in written.items()
        ]
        card["dataset_info"].append({"config_name": config, "features": card_features(columns), "splits": counts})
    (directory / "README.md").write_text(f"---\n{yaml.safe_dump(card, sort_keys=False)}---\n# Younger\n")
    return directory


def _row(names: list[str], name: str, graph: OperatorGraph, vocabulary: Vocabulary) -> dict[str, Any]:
    row = dict.fromkeys(names)
    row |= {
        "fingerprint": fingerprint(graph),
        "type_fingerprint": fingerprint(graph, attributes=False),
        "exact": True,
        "name": name,
        "family": name.removeprefix("light_").rstrip("0123456789"),
        "opset": graph.metadata.opset,
        "num_nodes": graph.num_nodes,
        "num_edges": graph.num_edges,
        "num_parameters": graph.metadata.num_parameters,
        "has_control_flow": bool((graph.scope >= 0).any()),
        "downloads": None if name == "light_vgg19" else len(name),
        "models": [],
        "evaluations": [],
        "paper_split": PAPER_SPLIT_OF.get(name),
        "stratified_split": STRATIFIED_SPLIT_OF.get(name, "train"),
        **to_columns(graph, vocabulary),
    }
    return row

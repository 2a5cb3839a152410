"""`croissant.json`: the release in the Croissant vocabulary (1.1), with what is asked of responsible AI (RAI 1.0).

In go the report, the files of every split and the rows of config `graphs`; out comes JSON-LD. It lies beside the files
that it describes, so that it holds wherever the release is copied to.
It is written as plain JSON: mlcroissant, which checks it in the tests, would bring pandas, rdflib and scipy to a build.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any, Final

from builders.assemble.describe.report import ReleaseReport
from builders.assemble.write.configs import Files
from builders.assemble.write.features import card_features
from younger_hf.schema import SCHEMA, SCHEMA_VERSION, SPLITS, features

Json = dict[str, Any]

AUTHORS: Final = (
    "Zhengxin Yang", "Wanling Gao", "Luzhou Peng", "Yunyou Huang", "Fei Tang", "Jianfeng Zhan",
)  # fmt: skip
PAPER: Final = "https://arxiv.org/abs/2406.15132"
CITATION: Final = """\
@article{yang2024younger,
  title   = {Younger: The First Dataset for Artificial Intelligence-Generated Neural Network Architecture},
  author  = {Yang, Zhengxin and Gao, Wanling and Peng, Luzhou and Huang, Yunyou and Tang, Fei and Zhan, Jianfeng},
  journal = {arXiv preprint arXiv:2406.15132},
  year    = {2024}
}"""
DESCRIPTION: Final = (
    "Architectures of neural networks: real models from public sources, converted to ONNX, stripped of every parameter "
    "value, and reduced to operator graphs, directed acyclic multigraphs in which a node is an operator and an edge a "
    "data flow. Architectures that are isomorphic are one row, which names every model that has it."
)

_CONTEXT: Final[Json] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    **{name: {"@container": "@language"} for name in ("description", "name")},
    **{name: {"@id": f"cr:{name}", "@type": "@json"} for name in ("data", "examples")},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "conformsTo": "dct:conformsTo",
    **{
        name: f"cr:{name}"
        for name in (
            *("arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field", "fileObject"),
            *("fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5"),
            *("parentField", "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate"),
            *("separator", "source", "subField", "transform"),
        )
    },
}
_TYPES: Final = {
    "string": "sc:Text",
    "binary": "sc:Text",
    "int64": "cr:Int64",
    "float64": "cr:Float64",
    "bool": "sc:Boolean",
    "image": "sc:ImageObject",
}
_RAI: Final[Json] = {
    "rai:dataCollectionType": ["Software Collection", "Web API"],
    "rai:dataCollectionRawData": (
        "Configurations, code of registries, and the structure of ONNX, Keras, SavedModel and TFLite files. Weights "
        "are not fetched where an architecture can be had without them, and are never kept."
    ),
    "rai:dataCollectionMissingData": (
        "What a source does not state (task, family, licence, downloads) is null. Models that are gated, need code of "
        "their own, are pickles, or could not be converted within limits of time and memory are not in the dataset; "
        "how many these are is in the card."
    ),
    "rai:dataPreprocessingProtocol": [
        "Models are converted to ONNX without their weights where possible, each in an isolated process.",
        "A skeleton is rebuilt from an allow-list of operators, structural attributes, and shapes of parameters.",
        "Attributes are completed with the defaults of the model's own opset, bodies of control flow are flattened, "
        "local functions inlined.",
        "Duplicates are merged where their canonical forms are equal, which is where graphs are isomorphic.",
    ],
    "rai:dataUseCases": [
        "Learning on graphs: prediction of operators and data flows, embeddings and generation of architectures.",
        "Study of how real neural networks are built, and search for architectures like a given one.",
        "Tests of compilers and runtimes with real structures.",
        "Not: use of the models themselves, whose weights are not here, and judgement of their publishers.",
    ],
    "rai:dataBiases": [
        "What public sources have, and can be exported to ONNX, is what is here; on hubs few families have very many "
        "models. That isomorphic graphs are one row weakens this; the models and downloads of each row are recorded, "
        "so that it can be weighted. The card counts rows and models by source, task, family and licence.",
        "Exporters leave their mark: the same network differs as a graph by exporter and opset, which each row names.",
        "Models that are closed, gated, or in frameworks without an exporter are absent.",
    ],
    "rai:dataLimitations": [
        "A graph has no parameter values and no training data: it says nothing of a model's quality.",
        "Families are as the sources state them, in one spelling; architectures of different families can be alike, "
        "so that a split by family is no proof that nothing similar was seen.",
        "The split of the paper, kept for comparison, has graphs of one family on both sides.",
        "Reported evaluations are the publishers' own and are not verified.",
    ],
    "rai:dataSocialImpact": (
        "Tools that design architectures may save computation; they may also favour what is common already. The "
        "dataset has no content that models were trained on or produce."
    ),
    "rai:personalSensitiveInformation": [
        "Ids of models on hubs contain the names of users and organisations, as published there. No other personal "
        "data is recorded: names inside of models, doc strings, metadata and paths are dropped, and so is data in "
        "attributes (vocabularies, trained trees).",
    ],
    "rai:dataReleaseMaintenancePlan": (
        "A release is built upon the one before: ids of operators and splits of rows stay. Owners ask for removal in "
        "the Community tab of the dataset's repository on the Hub; models named in removals.txt are left out of every "
        "later release."
    ),
}  # fmt: skip


def render_croissant(report: ReleaseReport, files: Files, days: Sequence[str]) -> str:
    """Describe a release for machines.

    Args:
        report: the counts.
        files: what was written, by config and split.
        days: on which hubs listed models, ascending.
    """
    sources = "; ".join(
        f"{one.source}: {one.listed:,} listed, {one.tried:,} tried, {one.converted:,} converted, in "
        f"{one.graphs:,} architectures"
        for one in report.collected.sources
    )
    content = blake2b("".join(digest for _, digest, _ in _digests(files)).encode(), digest_size=8).hexdigest()
    return json.dumps(
        {
            "@context": _CONTEXT,
            "@type": "sc:Dataset",
            "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
            "name": "Younger",
            "description": DESCRIPTION,
            "license": "https://spdx.org/licenses/Apache-2.0.html",
            "url": PAPER,
            "version": f"{SCHEMA_VERSION}.0.0+{content}",
            "citeAs": CITATION,
            "creator": [{"@type": "sc:Person", "name": name} for name in AUTHORS],
            "keywords": ["neural architecture", "graph learning", "ONNX", "operator graph"],
            "isLiveDataset": False,
            "rai:dataCollection": f"Models that public sources list were crawled, and converted once for all that are "
            f"sure to give the same graph. Models by source: {sources}.",
            **({"rai:dataCollectionTimeFrame": [days[0], days[-1]]} if days else {}),
            **_RAI,
            "distribution": [*_file_objects(files), *_file_sets(files)],
            "recordSet": [_splits(files), *(_record_set(config) for config in files)],
        },
        indent=2,
    ) + "\n"  # fmt: skip


def _digests(files: Files) -> Iterator[tuple[str, str, int]]:
    """Path, SHA-256 and size of every file."""
    for config, splits in files.items():
        for written in splits.values():
            for path, digest in zip(written.paths, written.digests, strict=True):
                yield f"{config}/{path.name}", digest, path.stat().st_size


def _file_objects(files: Files) -> Iterator[Json]:
    for path, digest, size in _digests(files):
        yield {
            "@type": "cr:FileObject",
            "@id": path,
            "name": path,
            "contentUrl": path,
            "contentSize": f"{size} B",
            "encodingFormat": "application/x-parquet",
            "sha256": digest,
        }


def _file_sets(files: Files) -> Iterator[Json]:
    for config in files:
        yield {
            "@type": "cr:FileSet",
            "@id": f"{config}-files",
            "description": f"The Parquet files of config {config}.",
            "encodingFormat": "application/x-parquet",
            "includes": f"{config}/*.parquet",
        }


def _splits(files: Files) -> Json:
    """The splits as a set of records that other sets refer to."""
    names = [split for split in SPLITS if any(split in of_config for of_config in files.values())]
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [{"@type": "cr:Field", "@id": "splits/name", "dataType": "sc:Text"}],
        "data": [{"splits/name": name} for name in names],
    }


def _record_set(config: str) -> Json:
    source = {"fileSet": {"@id": f"{config}-files"}}
    split = {
        "@type": "cr:Field",
        "@id": f"{config}/split",
        "description": "The split, which is the beginning of a file's name.",
        "dataType": "sc:Text",
        "source": {**source, "extract": {"fileProperty": "filename"}, "transform": {"regex": "^([a-z]+)"}},
        "references": {"field": {"@id": "splits/name"}},
    }
    return {
        "@type": "cr:RecordSet",
        "@id": config,
        "key": [{"@id": f"{config}/{column}"} for column in SCHEMA[config].key],
        "field": [split, *(_field(config, source, column) for column in card_features(features(config)))],
    }


def _field(config: str, source: Json, column: Json) -> Json:
    """A column; of a list of mappings each key is a field in it."""
    name = column["name"]
    identity = {
        "@type": "cr:Field",
        "@id": f"{config}/{name}",
        "description": SCHEMA[config].columns[name].meaning.replace("`", ""),
    }
    extract = {**source, "extract": {"column": name}}
    if "list" not in column:
        image = {"transform": {"jsonPath": "bytes"}} if column.get("dtype") == "image" else {}
        return {**identity, **_data_type(column), "source": {**extract, **image}}
    parts = [
        {
            "@type": "cr:Field",
            "@id": f"{config}/{name}/{part['name']}",
            **_data_type(part),
            "source": {**extract, "transform": {"jsonPath": part["name"]}},
        }
        for part in column["list"]
    ]
    return {**identity, "isArray": True, "arrayShape": "-1", "subField": parts}


def _data_type(column: Any) -> Json:
    """The type of a column as `card_features` describes it, lists unfolded into the shape of an array."""
    shape: list[str] = []
    while not isinstance(column, str) and "sequence" in column:
        shape.append(str(column.get("length", -1)))
        column = column["sequence"]
    kind = column if isinstance(column, str) else column["dtype"]
    array = {"isArray": True, "arrayShape": ",".join(shape)} if shape else {}
    return {"dataType": _TYPES[kind] if isinstance(kind, str) else "cr:Int64", **array}

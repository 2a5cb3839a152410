"""The features of a config, spelt so that `datasets` reads them from version 3.6 to the newest.

In go `datasets.Features`; out come the metadata of a Parquet file and the `features` of a card. Since version 4,
`datasets` itself spells every list `List`, which versions before do not know; all of them know `Sequence` for
lists of values, and a list of one mapping for lists of mappings.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
from datasets import Features

Json = Any


def arrow_schema(features: Features) -> pa.Schema:
    """The Arrow schema of a config, with the features in its metadata."""
    spelt = {name: _spell(feature) for name, feature in features.to_dict().items()}
    metadata = json.dumps({"info": {"features": spelt}})
    return pa.schema(list(features.arrow_schema)).with_metadata({"huggingface": metadata})


def card_features(features: Features) -> list[Json]:
    """The features of a config as `dataset_info` of a card lists them."""
    spelt = {name: _spell(feature) for name, feature in features.to_dict().items()}
    return [{"name": name, **_card_entry(feature)} for name, feature in spelt.items()]


def _spell(feature: Json) -> Json:
    """The feature's JSON in the older spelling."""
    if isinstance(feature, list):
        return [_spell(feature[0])]
    kind = feature.get("_type")
    if not isinstance(kind, str):
        return {name: _spell(field) for name, field in feature.items()}
    if kind not in ("List", "Sequence"):
        return feature
    inner = _spell(feature["feature"])
    if isinstance(inner.get("_type") if isinstance(inner, dict) else None, str):
        length = feature.get("length", -1)
        return {"feature": inner, **({"length": length} if length != -1 else {}), "_type": "Sequence"}
    return [inner]


def _card_entry(feature: Json) -> dict[str, Json]:
    if isinstance(feature, list):
        return {"list": [{"name": name, **_card_entry(field)} for name, field in feature[0].items()]}
    kind = feature["_type"]
    if kind == "Value":
        return {"dtype": feature["dtype"]}
    if kind == "ClassLabel":
        return {"dtype": {"class_label": {"names": {str(i): name for i, name in enumerate(feature["names"])}}}}
    if kind == "Sequence":
        inner = _card_entry(feature["feature"])
        plain = list(inner) == ["dtype"] and isinstance(inner["dtype"], str)
        length = {"length": feature["length"]} if "length" in feature else {}
        return {"sequence": inner["dtype"] if plain else inner, **length}
    return {"dtype": kind.lower()}

"""The encoders of nodes that recipes share, by name: the one table of them. Nothing here imports PyTorch.

An encoder is a model as `younger_hf.recipes.models` says. A recipe that has models of its own adds them to this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_MODELS: Final = "younger_hf.recipes.models"

ENCODERS: Final[Mapping[str, str]] = {
    "gcn": f"{_MODELS}.two_layers:gcn",
    "gat": f"{_MODELS}.two_layers:gat",
    "sage": f"{_MODELS}.two_layers:sage",
    "dir-gcn": f"{_MODELS}.two_layers:dir_gcn",
    "dir-sage": f"{_MODELS}.two_layers:dir_sage",
    "gine": f"{_MODELS}.gine:GINE",
    "dag-transformer": f"{_MODELS}.dag_transformer:DAGTransformer",
}
"""Where each is, `module:attribute`: the paper's three; two of them in both directions; and two that know slots."""

DIRECTIONS: Final = ("both", "forward")
"""Which way messages pass: along data flows and back, or along them alone."""

FOLDER: Final = "encoder"
"""Where a release has an encoder that was trained on it: see `younger_hf.recipes.pretrained`."""

FILES: Final = ("vocabulary.json", "best.json", "best.safetensors", "config.json")
"""What is in the folder."""

MOST_BYTES: Final = 20_000_000
"""Of all files together."""

OPTIONS: Final = ("layers", "direction", "slots", "norm", "residual")
"""The settings that are a model's own. Each goes to a model whose constructor takes it, and is refused for others."""

"""What every release has in common, whatever its configs; nothing heavy is imported for it."""

from __future__ import annotations

from typing import Final

SCHEMA_VERSION: Final = 1

SPLITS: Final = ("train", "validation", "test", "unseen")

UNKNOWN: Final = "__UNK__"
MASK: Final = "__MASK__"

DEFAULT_CONFIG: Final = "graphs"

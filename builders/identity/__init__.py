"""When are two architectures the same? Exact, canonical identity, and the paper's approximate one.

colours      64-bit colours of nodes, refined until stable
canonical    the canonical form, by colours and, for ties, by search
fingerprint  hashes of the canonical form, isomorphism, de-duplication
wl           the Weisfeiler-Lehman hash, equal to networkx's
"""

from __future__ import annotations

from builders.identity.canonical import CanonicalForm, canonicalize
from builders.identity.equality import (
    deduplicate,
    fingerprint,
    fingerprints,
    is_isomorphic,
    skeleton_fingerprint,
)
from builders.identity.wl import wl_hash

__all__ = [
    "CanonicalForm",
    "canonicalize",
    "deduplicate",
    "fingerprint",
    "fingerprints",
    "is_isomorphic",
    "skeleton_fingerprint",
    "wl_hash",
]

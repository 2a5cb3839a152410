"""When are two architectures the same? Exact, canonical identity, and the paper's approximate one.

The rooms, from the inside out:

    batch      many graphs as one set of arrays
    colours    64-bit colours of nodes, refined until stable
    search     the canonical order: by colours and, where ties remain, by search
    canonical  the canonical form and its hash
    equality   fingerprints, isomorphism
    wl         the Weisfeiler-Lehman hash, equal to networkx's
"""

from __future__ import annotations

from younger_hf.identity.canonical import CanonicalForm, canonicalize
from younger_hf.identity.equality import (
    fingerprint,
    fingerprints,
    is_isomorphic,
    skeleton_fingerprint,
)
from younger_hf.identity.wl import wl_hash

__all__ = [
    "CanonicalForm",
    "canonicalize",
    "fingerprint",
    "fingerprints",
    "is_isomorphic",
    "skeleton_fingerprint",
    "wl_hash",
]

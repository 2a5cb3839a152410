"""The families of a model: its own, and those of the backbones that it is built upon.

In goes a `ModelRef`; out come names. Models that share one are in one split, whatever source each is from.
"""

from __future__ import annotations

from builders.model_ref import ModelRef
from younger_hf.families import USUAL_BACKBONES, families_in, family_of, is_known, named_family


def model_family(model: ModelRef) -> str:
    """The family of a model in one spelling for all sources; "" where its source does not say.

    A module of a registry may hold several families: there the name of the model decides.
    """
    family = family_of(model.family)
    return (named_family(model.id) if model.origin == "registry" and is_known(family) else "") or family


def model_backbones(model: ModelRef) -> tuple[str, ...]:
    """The families of what a model is built upon: as its source says, as a registry names it, or as usual; sorted."""
    family = model_family(model)
    found = tuple(map(family_of, model.backbones))
    if not found and model.origin == "registry":
        found = families_in(model.id)
    if not found or found == (family,):
        found = USUAL_BACKBONES.get(family, ())
    return tuple(sorted({backbone for backbone in found if backbone and backbone != family}))


def split_families(model: ModelRef) -> frozenset[str]:
    """What must be on one side of a split with a model: names of families; a model without one is its own family."""
    family = model_family(model)
    own = f"family {family}" if family else f"model {model.source} {model.id}"
    return frozenset({own, *(f"family {backbone}" for backbone in model_backbones(model))})

"""Contributions as they wait in a repository: nothing is converted, but nothing is believed either.

The skeleton must be one that `younger_hf.extract.strip` makes, to the byte, so that nothing can hide in it; and what
the file says of its identity must be what is measured here. Assembly measures what the ledger has without a child and
without limits: a skeleton that cannot be measured ends here.
"""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import parser

from builders.contribution import InvalidContributionError, read_contribution
from builders.convert.conversion import ConversionError, Export, Outcome, Request
from builders.measure.facts import measure
from younger_hf.extract import strip
from younger_hf.extract.weightless import find_weights

# What measuring compiles is compiled when this is imported: once, and by a process that may keep it on the disk.
measure(
    parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> g (float[2] x) => (float[2] y) { h = Relu (x) y = Abs (h) }'
    ).SerializeToString()
)


def export(request: Request) -> Export:
    """The skeleton in the model's file, by the exporter that its contributor names.

    Raises:
        ConversionError: it is no skeleton as younger-hf makes it, or not the one that the file says it is.
        InvalidModelError: its graph is not sound.
    """
    try:
        contribution = read_contribution(Path(request.model.location))
    except InvalidContributionError as error:
        raise ConversionError(Outcome.ERROR, f"its file {error}") from error
    if found := find_weights(contribution.skeleton):
        raise ConversionError(Outcome.INVALID_ONNX, f"its skeleton {found}")
    model = onnx.load_model_from_string(contribution.skeleton)
    if strip(model).SerializeToString(deterministic=True) != contribution.skeleton:
        raise ConversionError(
            Outcome.INVALID_ONNX,
            "its skeleton is not as this younger-hf makes it: something is hidden in it, or another version made it",
        )
    facts = measure(contribution.skeleton).facts
    for name, stated, identity in (
        ("fingerprint", contribution.fingerprint, facts.graph),
        ("skeleton_fingerprint", contribution.skeleton_fingerprint, facts.skeleton),
    ):
        if stated != identity.fingerprint:
            raise ConversionError(Outcome.INVALID_ONNX, f"its {name} is {identity.fingerprint}, not {stated}")
    return Export(model, contribution.exporter)

"""The ONNX models that Python packages carry: read where they lie, without their weights."""

from __future__ import annotations

from builders.convert.conversion import ConversionError, Export, Outcome, Request
from builders.crawl.python_packages import packaged_file


def export(request: Request) -> Export:
    """The file of this package and path.

    Raises:
        ConversionError: the package is not installed, or carries no such file (`not_found`).
    """
    model = request.model
    file = packaged_file(model.id, model.component)
    if file is None:
        raise ConversionError(Outcome.NOT_FOUND, f"there is no {model.component} in an installed package {model.id}")
    return Export(file, "onnx")

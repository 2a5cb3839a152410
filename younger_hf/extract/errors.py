"""What goes wrong when a model is read: bytes, or a structure, that are not an ONNX model."""

from __future__ import annotations

from younger_hf.errors import YoungerError


class InvalidModelError(YoungerError):
    """The bytes are not an ONNX model, or only the beginning of one, or they parse and make no sound graph.

    Attributes:
        path: the file, as the caller named it.
        offset: the byte at which the content stops making sense, counted from the start of the file; None where
            the bytes are in order and the graph is not.
        reason: what is wrong.
    """

    def __init__(self, path: str, offset: int | None, reason: str) -> None:
        place = "" if offset is None else f" at byte {offset}"
        super().__init__(f"{path} is not a valid ONNX model: {reason}{place}")
        self.path = path
        self.offset = offset
        self.reason = reason

    def __reduce__(self) -> tuple[type[InvalidModelError], tuple[str, int | None, str]]:
        return InvalidModelError, (self.path, self.offset, self.reason)

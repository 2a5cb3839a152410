"""What a child process says at its end: a frame of a JSON header, the skeleton and the module tree. No pickle.

The child writes `Answer.frame()`, the driver reads it with `AnswerReader`. A model may have taken the child over, so
what is read is bounded, and an answer that is not well formed is refused.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from builders.convert import Outcome

_FRAME: Final = struct.Struct(">4sIQQ")  # a mark; the lengths of the header, the skeleton and the module tree
_MARK: Final = b"YHF2"
_MAX_HEADER: Final = 1 << 16  # bytes
_MAX_TEXT: Final = 500  # characters
_MAX_COUNT: Final = 1 << 53  # what any number stays below


Parts = tuple[bytes, bytes]
"""A skeleton and its module tree, which is empty where there is none; or nothing and why it is refused."""

_LENGTHS: Final = struct.Struct(">QQ")


@dataclass(frozen=True)
class Answer:
    """How one step of a conversion ended, as the child tells it.

    Attributes:
        outcome: the kind of end.
        message: one sentence on what went wrong.
        exporter: what made the ONNX.
        opset: the version of the default domain.
        bytes_fetched: bytes that came over the network.
        skeleton: the weightless ModelProto, serialised; of `restore` many, packed with their module trees.
        modules: the module tree of its nodes, serialised; empty where the exporter knows none.
        peak_memory: largest resident memory of the child itself, bytes.
    """

    outcome: Outcome
    message: str = ""
    exporter: str = ""
    opset: int = 0
    bytes_fetched: int = 0
    skeleton: bytes = b""
    modules: bytes = b""
    peak_memory: int = 0

    def frame(self) -> tuple[bytes, bytes, bytes]:
        """The bytes that say it, in three parts."""
        header = json.dumps(
            {
                "outcome": self.outcome.value,
                "message": self.message[:_MAX_TEXT],
                "exporter": self.exporter,
                "opset": self.opset,
                "bytes_fetched": self.bytes_fetched,
                "peak_memory": self.peak_memory,
            }
        ).encode()
        lengths = len(header), len(self.skeleton), len(self.modules)
        return _FRAME.pack(_MARK, *lengths) + header, self.skeleton, self.modules


class AnswerReader:
    """Puts an answer together from the bytes as they come."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._data += data

    @property
    def payload(self) -> int:
        """Bytes of skeleton and module tree that the frame announces, 0 before the frame is there."""
        mark, _, *payload = self._frame()
        return sum(payload) if mark == _MARK else 0

    @property
    def complete(self) -> bool:
        """Whether a whole answer has come, or one that cannot be right."""
        mark, *lengths = self._frame()
        return mark != _MARK or lengths[0] > _MAX_HEADER or len(self._data) >= _FRAME.size + sum(lengths)

    def answer(self) -> Answer:
        """The answer.

        Raises:
            ValueError: it is not well formed.
        """
        mark, *lengths = self._frame()
        if mark != _MARK or lengths[0] > _MAX_HEADER or len(self._data) != _FRAME.size + sum(lengths):
            raise ValueError("not an answer")
        body = _FRAME.size + lengths[0]
        try:
            fields = json.loads(self._data[_FRAME.size : body])
            return Answer(
                Outcome(fields["outcome"]),
                _text(fields["message"]),
                _text(fields["exporter"]),
                _count(fields["opset"]),
                _count(fields["bytes_fetched"]),
                bytes(self._data[body : body + lengths[1]]),
                bytes(self._data[body + lengths[1] :]),
                _count(fields["peak_memory"]),
            )
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise ValueError("not a header") from error

    def _frame(self) -> tuple[bytes, int, int, int]:
        """The mark and the lengths, 0 while they have not come."""
        if len(self._data) < _FRAME.size:
            return _MARK, 0, 0, 0
        mark, header, skeleton, modules = _FRAME.unpack_from(self._data)
        return mark, header, skeleton, modules


def pack(items: Iterable[Parts]) -> bytes:
    """Pairs of bytes as one."""
    return b"".join(_LENGTHS.pack(len(first), len(second)) + first + second for first, second in items)


def unpack(data: bytes) -> list[Parts]:
    """The pairs that `pack` made one of.

    Raises:
        ValueError: it did not.
    """
    items, place = [], 0
    while place < len(data):
        if len(data) - place < _LENGTHS.size:
            raise ValueError("this is no list of pairs")
        first, second = _LENGTHS.unpack_from(data, place)
        middle = place + _LENGTHS.size + first
        place = middle + second
        if place > len(data):
            raise ValueError("this is no list of pairs")
        items.append((data[middle - first : middle], data[middle:place]))
    return items


def _text(value: object) -> str:
    """A short string that every encoder takes and no terminal acts upon."""
    if not isinstance(value, str):
        raise TypeError("not a string")
    text = value[:_MAX_TEXT].encode(errors="replace").decode()
    return "".join(character if character.isprintable() else " " for character in text)


def _count(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value < _MAX_COUNT:
        raise ValueError("not a count")
    return value

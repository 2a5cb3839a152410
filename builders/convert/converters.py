"""The table of converters: by library, which exporters make ONNX of its models, and which of them comes first.

To look a converter up imports no framework. An exporter's module is named, and imported by the process that it runs in.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Final

from builders.convert.conversion import Conversion, Outcome
from builders.crawl import SOURCES
from builders.model_ref import ModelRef
from younger_hf.errors import MissingExtraError
from younger_hf.extensions import Extensions


@dataclass(frozen=True)
class Exporter:
    """A way to convert.

    Attributes:
        name: what it is called in a result.
        module: the name of a module with `export(request: Request) -> Export`.
        packages: those whose versions shape its result.
        network: whether the module has besides `fetch(request: Request) -> int`, which is run first for models whose
            files are on a hub.
        published_code: whether it runs code of the model's publisher, as nothing does unless the user names the model.
    """

    name: str
    module: str
    packages: tuple[str, ...]
    network: bool = False
    published_code: bool = False

    def versions(self) -> dict[str, str]:
        """The installed versions of the packages and of younger-hf, without importing them."""
        found = {}
        for package in (*self.packages, "younger-hf"):
            with suppress(PackageNotFoundError):  # tensorflow goes by several names
                found[package] = version(package)
        return found


@dataclass(frozen=True)
class Converter:
    """What makes ONNX of the models of a library.

    Attributes:
        exporters: the ways that it has, in the order in which they are tried until one succeeds.
        framework: the module without which none of them can do anything; "" where they need none.
        extra: the extra of younger-hf that installs it.
    """

    exporters: tuple[Exporter, ...]
    framework: str = ""
    extra: str = ""


def _torch(framework: str, *packages: str, others: tuple[Exporter, ...] = (), extra: str = "") -> Converter:
    """`builders.convert.FRAMEWORK`, which exports by way of `builders.convert.torch`."""
    versions = (*packages, "torch", "onnxscript", "onnx-ir", "onnx")
    exporter = Exporter("torch", f"builders.convert.{framework}", versions)
    return Converter((exporter, *others), framework, extra=extra or framework)


def _tensorflow(framework: str, *packages: str) -> Converter:
    """`builders.convert.FRAMEWORK`, which exports by way of tf2onnx."""
    versions = (*packages, "tensorflow", "tensorflow-cpu", "tf2onnx", "onnx")
    exporter = Exporter("tf2onnx", f"builders.convert.{framework}", versions, network=True)
    return Converter((exporter,), framework, extra="keras")


def _onnx(module: str, *, network: bool = False) -> Converter:
    """`builders.convert.MODULE`, which reads what is ONNX already."""
    return Converter((Exporter("onnx", f"builders.convert.{module}", ("onnx",), network),))


_OPTIMUM: Final = Exporter(
    "optimum", "builders.convert.optimum", ("optimum", "optimum-onnx", "transformers", "torch", "onnx")
)
_TRANSFORMERS: Final = _torch("transformers", "transformers", "optimum-onnx", others=(_OPTIMUM,))

CONVERTERS: Final = Extensions[Converter](
    kind="converter",
    group="younger_hf.converters",
    type=Converter,
    built_in={
        "onnx": _onnx("onnx", network=True),
        "torchvision": _torch("torchvision", "torchvision"),
        "timm": _torch("timm", "timm"),
        "pytorchcv": _torch("pytorchcv", "pytorchcv", extra="zoos"),
        "pretrainedmodels": _torch("pretrainedmodels", "pretrainedmodels", extra="zoos"),
        "open-clip": _torch("open_clip", "open_clip_torch", "timm", extra="zoos"),
        "litgpt": _torch("litgpt", "litgpt", extra="zoos"),
        "torchaudio": _torch("torchaudio", "torchaudio", extra="zoos"),
        "monai": _torch("monai", "monai", extra="zoos"),
        "segmentation-models-pytorch": _torch(
            "segmentation_models_pytorch", "segmentation_models_pytorch", "timm", extra="zoos"
        ),
        "diffusers": _torch("diffusers", "diffusers"),
        "transformers": _TRANSFORMERS,
        "sentence-transformers": _TRANSFORMERS,
        "pytorch-hub": Converter(
            (
                Exporter(
                    *("torch", "builders.convert.pytorch_hub", ("torch", "onnxscript", "onnx-ir", "onnx")),
                    network=True,
                    published_code=True,
                ),
            ),
            "torch",
            extra="torchvision",
        ),
        "keras": _tensorflow("keras", "keras"),
        "tensorflow": _tensorflow("tensorflow"),
        "tflite": _tensorflow("tensorflow"),
        # Of a source, whatever library its models are of.
        "onnx-package": _onnx("onnx_package"),
        "python-packages": _onnx("python_packages"),
        "contribution": _onnx("submitted"),
    },
)


def find_converter(model: ModelRef) -> Converter | None:
    """What converts models of this source or library; None where nothing does.

    Raises:
        ExtensionError: an installed package adds the source or the converter, and it cannot be used.
    """
    source = SOURCES.get(model.source)
    return CONVERTERS.get((source.converter if source else "") or model.library)


def exporters_for(model: ModelRef) -> tuple[Exporter, ...]:
    """The exporters for a model, the first choice first; none where nothing converts it."""
    converter = find_converter(model)
    return converter.exporters if converter else ()


def refusal(model: ModelRef) -> Conversion | None:
    """The end of an attempt that need not be made, since it is known before."""
    if model.refused:
        return Conversion(Outcome.ERROR, model.refused)
    if model.gated and not model.config:
        return Conversion(Outcome.GATED, "its files are only given to those who ask its owner")
    converter = find_converter(model)
    if converter is None:
        return Conversion(Outcome.UNSUPPORTED, f"nothing converts models of the library {model.library or 'unknown'}")
    if converter.framework and find_spec(converter.framework) is None:
        return Conversion(Outcome.ERROR, str(MissingExtraError(converter.framework, converter.extra)))
    return None

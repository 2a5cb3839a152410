"""Attempts at real models, and the release that is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import onnx
import pytest
from support.ledgers import Attempt, conversion, export_torchvision, fill
from support.shared import made_once

from builders.assemble import ReleaseReport, assemble
from builders.convert import Conversion, Outcome
from builders.model_ref import Evaluation, ModelRef

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"

# By id: the name of the architecture, and what else it is made with. Two widths are one graph and two skeletons.
TORCHVISION: dict[str, tuple[str, dict[str, Any]]] = {
    "squeezenet1_1": ("squeezenet1_1", {}),
    "squeezenet1_1-ten-classes": ("squeezenet1_1", {"num_classes": 10}),
    "mobilenet_v2": ("mobilenet_v2", {}),
    "shufflenet_v2_x1_0": ("shufflenet_v2_x1_0", {}),
    **{
        name: (name, {})
        for name in (
            *("efficientnet_b0", "mnasnet0_5", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf"),
            *("resnet18", "resnet34"),
        )
    },
}


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    patch = pytest.MonkeyPatch()
    patch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("datasets"))
    yield
    patch.undo()


@pytest.fixture(scope="session")
def attempts(tmp_path_factory: pytest.TempPathFactory) -> list[Attempt]:
    """The zoo models of the onnx package, torchvision exports, a fine-tune of one, and attempts that failed."""
    return made_once(tmp_path_factory, "attempts", _attempts)


def _attempts(directory: Path) -> list[Attempt]:
    found: list[Attempt] = []
    for file in sorted(LIGHT.glob("*.onnx")):
        name = file.stem.removeprefix("light_")
        model = ModelRef(
            source="onnx-package",
            id=name,
            revision="1",
            library="onnx",
            task="image-classification",
            family=name.rstrip("0123456789"),
            location=f"/secret/place/{name}.onnx",
            stamp="secret-stamp",
        )
        found.append((model, conversion(file)))
    for name, (architecture, options) in TORCHVISION.items():
        family = name.split("_")[0].rstrip("0123456789")
        model = ModelRef("torchvision", name, "0.29", library="torchvision", family=family, origin="registry")
        found.append((model, conversion(export_torchvision(directory, architecture, **options), "torchscript")))
    tuned = ModelRef(
        source="hub",
        id="someone/mobilenet-tuned",
        revision="abc",
        library="transformers",
        task="image-classification",
        family="MobileNet",
        license="mit",
        tags=("vision", "tuned"),
        downloads=1000,
        likes=7,
        retrieved="2026-11-01",
        evaluations=(Evaluation("image-classification", "flowers", "test", "accuracy", 0.93),),
    )
    mobilenet = next(converted for model, converted in found if model.id == "mobilenet_v2")
    found.append((tuned, mobilenet))
    found += [
        (ModelRef("hub", f"someone/{outcome}"), Conversion(outcome, "it did not work"))
        for outcome in (Outcome.TIMEOUT, Outcome.TRIVIAL)
    ]
    return found


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory, attempts: list[Attempt]) -> tuple[Path, ReleaseReport]:
    """A release directory, and what its assembly reported."""

    def make(directory: Path) -> tuple[Path, ReleaseReport]:
        with fill(directory / "work", attempts) as ledger:
            return directory / "younger", assemble(ledger, directory / "younger")

    return made_once(tmp_path_factory, "assembled", make)

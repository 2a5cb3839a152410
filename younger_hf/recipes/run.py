"""`Run`: the directory of a training run, which describes the run completely and contains no pickles.

    config.json         the recipe and every setting
    vocabulary.json     the operators that the model's ids stand for, in the order of the ids
    environment.json    versions and machine, one entry for each time that the run was started or resumed
    metrics.jsonl       one line a validation
    best.safetensors    the parameters with the best mean of the validation metrics, and best.json: which, and how good;
                        of a rule, rule.parquet is what it has counted
    state.safetensors   what `--resume` continues from: parameters, the optimizer's state and the position

Each file is written beside, brought to the disk and renamed, so that whatever ends the process, the directory can be
used. Randomness needs no state: what a step draws follows from the seed and the number of the step. Nothing here needs
PyTorch: `checkpoints` writes and reads parameters.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import numpy as np

from younger_hf.errors import YoungerError
from younger_hf.given_paths import check_unused
from younger_hf.graph import IntArray, OperatorGraph
from younger_hf.recipes.config import RecipeConfig
from younger_hf.recipes.recipe import Recipe, config_of, find_recipe
from younger_hf.vocabulary import UNKNOWN_ID, Vocabulary
from younger_hf.whole_files import write_whole

_PACKAGES: Final = ("younger-hf", "torch", "torch-geometric", "numpy", "datasets", "pyarrow", "scikit-learn")


class RunError(YoungerError):
    """A run directory is missing, damaged or of another vocabulary, or training has failed."""


@dataclass
class Position:
    """How far a run is.

    Attributes:
        phase: "train"; of an autoencoder "encoder", then "classifier".
        step: updates that were made in this phase.
        validated: the step of the last validation; 0 before the first.
        loss: the sum of the losses of the steps since.
        best: the best mean of the validation metrics so far, those of which less is better taken negative.
        stale: validations since.
        planned: the step where this phase ends at the latest.
        seconds: that all steps and validations took.
    """

    phase: str = ""
    step: int = 0
    validated: int = 0
    loss: float = 0.0
    best: float | None = None
    stale: int = 0
    planned: int = 0
    seconds: float = 0.0


@dataclass
class Run:
    """A training run.

    Attributes:
        directory: where it lies.
        config: what it was told.
        labels: of the operators, by their ids: V of them, `__UNK__` and `__MASK__` first.
        position: how far it is.
    """

    directory: Path
    config: Any
    labels: tuple[str, ...]
    position: Position = field(default_factory=Position)

    @classmethod
    def create(cls, directory: Path, config: RecipeConfig, vocabulary: Vocabulary) -> Run:
        """A new run, for a directory that is empty or not there; `start` writes the first of it.

        Raises:
            UsageError: something is there already.
        """
        check_unused(directory)
        return cls(directory, config, labels_of(vocabulary, config))

    @classmethod
    def open(cls, directory: Path) -> Run:
        """Open an existing run.

        Raises:
            RunError: there is none, or its files are damaged.
        """
        if not (directory / "config.json").is_file():
            raise RunError(f"there is no training run in {directory}: begin one with `younger-hf train`")
        settings, vocabulary = (_read_json(directory / name) for name in ("config.json", "vocabulary.json"))
        try:
            recipe = settings.pop("recipe", None) or settings.pop("task")  # as version 0.1 wrote it
            run = cls(directory, config_of(recipe, settings), tuple(map(str, vocabulary["labels"])))
            if run.state.is_file():
                run.position = Position(**json.loads(_header(run.state)["__metadata__"]["position"]))
        except (TypeError, ValueError, LookupError, AttributeError, RecursionError) as error:
            raise RunError(f"{directory} is damaged, or of another younger-hf ({error!r})") from error
        return run

    def check_vocabulary(self, vocabulary: Vocabulary, may_have_more: bool = False) -> None:
        """Refuse a release whose ids mean something else.

        Args:
            vocabulary: of the release.
            may_have_more: whether it may have ids that the run does not know, as a later release has.

        Raises:
            RunError: the message says where they differ.
        """
        theirs = labels_of(vocabulary, self.config)
        if theirs == self.labels or (may_have_more and theirs[: len(self.labels)] == self.labels):
            return
        both = enumerate(zip(self.labels, theirs, strict=False))
        number = next((i for i, (mine, other) in both if mine != other), min(len(self.labels), len(theirs)))
        mine, other = (labels[number] if number < len(labels) else "nothing" for labels in (self.labels, theirs))
        raise RunError(
            f"{self.directory} was trained with another vocabulary than this release's: "
            f"{self.config.vocabulary} {number} is {mine} there, and {other} here"
        )

    @property
    def recipe(self) -> Recipe:
        """The recipe that trains it."""
        return find_recipe(self.config.recipe)

    def ids_of(self, graph: OperatorGraph) -> IntArray:
        """The ids, int64 [N], of the operators of a graph; `__UNK__` for one that the run does not know."""
        ids = {label: number for number, label in enumerate(self.labels)}
        labels = (operator.label if self.config.attributes else operator.type_label for operator in graph.operator)
        return np.fromiter((ids.get(label, UNKNOWN_ID) for label in labels), np.int64, graph.num_nodes)

    def record(self, entry: Mapping[str, Any], metrics: Mapping[str, float], checkpoint: Callable[[], bytes]) -> None:
        """Add a line to metrics.jsonl; keep the parameters if the mean of the metrics is the best so far.

        Args:
            entry: what the line says beside phase, step and metrics.
            metrics: of the validation split.
            checkpoint: the parameters as a safetensors file.
        """
        line = {"phase": self.position.phase, "step": self.position.step, **entry, **metrics}
        self._write_metrics([*self.metrics(), line])
        self.position.validated, self.position.loss = self.position.step, 0.0
        losses = self.config.task.losses
        mean = float(np.mean([-value if name in losses else value for name, value in metrics.items()]))
        self.position.stale += 1
        if self.position.best is None or mean > self.position.best:
            self.position.best, self.position.stale = mean, 0
            self.write(self.checkpoint.name, checkpoint())
            self._write_json("best.json", {**line, "mean": mean})

    def forget_later(self) -> None:
        """Drop the lines of metrics.jsonl after the position: what was validated since is validated again."""
        here = self.position
        self._write_metrics(
            [line for line in self.metrics() if line["phase"] != here.phase or line["step"] <= here.validated]
        )

    def best(self) -> dict[str, Any]:
        """What best.json says: step, epoch, loss and metrics of the best validation.

        Raises:
            RunError: nothing has been validated yet.
        """
        file = self.directory / "best.json"
        if not file.is_file():
            raise RunError(f"{self.directory} has no checkpoint yet: nothing has been validated there")
        return dict(_read_json(file))

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl."""
        file = self.directory / "metrics.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []

    def start(self, environment: Mapping[str, Any]) -> None:
        """Write what the run is told, and add an entry to environment.json; all that a recipe needs is there.

        Args:
            environment: what the entry says beside versions and machine, such as the device.
        """
        self._write_json("vocabulary.json", {"kind": self.config.vocabulary, "labels": self.labels})
        file = self.directory / "environment.json"
        entries = _read_json(file) if file.is_file() else []
        entry = {
            "step": self.position.step,
            "python": platform.python_version(),
            "platform": platform.platform(),
            "cores": os.cpu_count(),
            **environment,
            "packages": _versions(),
        }
        self._write_json("environment.json", [*entries, entry])
        # Last: a directory that has it can be opened.
        self._write_json("config.json", self.config.to_dict())

    @property
    def checkpoint(self) -> Path:
        """The parameters of the best validation; of a rule, what it has counted."""
        return self.directory / ("rule.parquet" if self.config.is_rule else "best.safetensors")

    def digest(self) -> str:
        """What tells the parameters of the checkpoint from others."""
        return blake2b(self.checkpoint.read_bytes(), digest_size=16).hexdigest()

    @property
    def state(self) -> Path:
        """What the run goes on from."""
        return self.directory / "state.safetensors"

    def write(self, name: str, content: bytes) -> None:
        """Write a file of the run, whole or not at all."""
        write_whole(self.directory / name, content)

    def _write_json(self, name: str, value: Any) -> None:
        self.write(name, f"{json.dumps(value, indent=2)}\n".encode())

    def _write_metrics(self, lines: list[dict[str, Any]]) -> None:
        self.write("metrics.jsonl", "".join(f"{json.dumps(line)}\n" for line in lines).encode())


def labels_of(vocabulary: Vocabulary, config: RecipeConfig) -> tuple[str, ...]:
    """The labels of the ids that a run's graphs have, in the order of the ids."""
    return vocabulary.variants if config.vocabulary == "variant" else vocabulary.operators


def _versions() -> dict[str, str]:
    """Of the packages that a run may depend on, those that are installed: a rule needs few."""
    found = {}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def _header(file: Path) -> dict[str, Any]:
    """What a safetensors file says of itself: eight bytes of length, then JSON."""
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        header = opened.read(length) if length < file.stat().st_size else b""
    try:
        return dict(json.loads(header))
    except (TypeError, ValueError, RecursionError) as error:
        raise RunError(f"{file} is damaged ({error})") from error


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{file} is missing or damaged ({error})") from error

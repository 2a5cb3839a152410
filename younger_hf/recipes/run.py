"""`Run`: the directory of a training run, all that there is to know of it, and nothing that has to be unpickled.

    config.json         the task and every setting
    vocabulary.json     the operators that the model's ids stand for, in the order of the ids
    environment.json    versions and machine, one entry for each time that the run was started or resumed
    metrics.jsonl       one line a validation
    best.safetensors    the parameters with the best mean of the validation metrics, and best.json: which, and how good
    state.safetensors   what `--resume` goes on from: parameters, the optimizer's state and the position

Each file is written beside, brought to the disk and renamed, so that whatever ends the process, the directory can be
used. Randomness needs no state: what a step draws follows from the seed and the number of the step.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np

from younger_hf.errors import MissingExtraError, UsageError, YoungerError
from younger_hf.recipes.config import Config, config_of
from younger_hf.vocabulary import Vocabulary
from younger_hf.whole_files import write_whole

try:
    import safetensors
    import torch
    from safetensors.torch import save
except ImportError as error:
    raise MissingExtraError(error.name or "torch", "train") from error

from younger_hf.recipes.models import build_model

_PACKAGES: Final = ("younger-hf", "torch", "torch-geometric", "numpy", "datasets", "pyarrow", "scikit-learn")


class RunError(YoungerError):
    """A run directory that is missing, damaged, or of another vocabulary, or a training that went wrong."""


@dataclass
class Position:
    """How far a run is.

    Attributes:
        phase: "train"; of an autoencoder "encoder", then "classifier".
        step: updates that were made in this phase.
        validated: the step of the last validation; 0 before the first.
        loss: the sum of the losses of the steps since.
        best: the best mean of the validation metrics so far.
        seconds: that all steps and validations took.
    """

    phase: str = ""
    step: int = 0
    validated: int = 0
    loss: float = 0.0
    best: float = -1.0
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
    def create(cls, directory: Path, config: Config, vocabulary: Vocabulary) -> Run:
        """A new run, for a directory that is empty or not there; `start` writes the first of it.

        Raises:
            UsageError: something is there already.
        """
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            raise UsageError(
                f"{directory} is there already: resume it with --run {directory} --resume, or name another"
            )
        return cls(directory, config, labels_of(vocabulary, config))

    @classmethod
    def open(cls, directory: Path) -> Run:
        """A run that was begun.

        Raises:
            RunError: there is none, or its files are damaged.
        """
        if not (directory / "config.json").is_file():
            raise RunError(f"there is no training run in {directory}: begin one with `younger-hf train`")
        settings, vocabulary = (_read_json(directory / name) for name in ("config.json", "vocabulary.json"))
        try:
            run = cls(directory, config_of(settings["task"], settings), tuple(map(str, vocabulary["labels"])))
            if run._state.is_file():
                with _opened(run._state) as state:
                    run.position = Position(**json.loads(state.metadata()["position"]))
        except (TypeError, ValueError, LookupError) as error:
            raise RunError(f"{directory} is damaged, or of another younger-hf ({error!r})") from error
        return run

    def check_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Refuse a release whose ids mean something else.

        Raises:
            RunError: the message says where they differ.
        """
        theirs = labels_of(vocabulary, self.config)
        if theirs == self.labels:
            return
        both = enumerate(zip(self.labels, theirs, strict=False))
        number = next((i for i, (mine, other) in both if mine != other), min(len(self.labels), len(theirs)))
        mine, other = (labels[number] if number < len(labels) else "nothing" for labels in (self.labels, theirs))
        raise RunError(
            f"{self.directory} was trained with another vocabulary than this release's: "
            f"{self.config.vocabulary} {number} is {mine} there, and {other} here"
        )

    def build_model(self) -> torch.nn.Module:
        """The run's model with fresh parameters, a function of the seed."""
        torch.manual_seed(self.config.seed)
        decoder = getattr(self.config, "decoder", "dot")
        return build_model(self.config.task, self.config.model, len(self.labels), decoder)

    def load_best(self, device: torch.device | str = "cpu") -> torch.nn.Module:
        """The run's model with the parameters of the best validation, in evaluation mode.

        Raises:
            RunError: nothing has been validated yet, or the checkpoint is damaged.
        """
        self.best()
        file = self.directory / "best.safetensors"
        model = self.build_model()
        with _opened(file) as checkpoint:
            _load(model, _tensors(checkpoint), file)
        return model.to(device).eval()

    def record(self, model: torch.nn.Module, entry: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        """Add a line to metrics.jsonl; keep the parameters if the mean of the metrics is the best so far."""
        line = {"phase": self.position.phase, "step": self.position.step, **entry, **metrics}
        lines = [*self.metrics(), line]
        self._write("metrics.jsonl", "".join(f"{json.dumps(each)}\n" for each in lines).encode())
        self.position.validated, self.position.loss = self.position.step, 0.0
        mean = float(np.mean(list(metrics.values())))
        if mean > self.position.best:
            self.position.best = mean
            self._write("best.safetensors", save(_contiguous(model.state_dict()), {"step": str(line["step"])}))
            self._write_json("best.json", {**line, "mean": mean})

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

    def save_state(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Keep what `restore` needs, in one file."""
        tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
        for number, values in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": tensor for name, tensor in values.items()}
        self._write("state.safetensors", save(_contiguous(tensors), {"position": json.dumps(asdict(self.position))}))

    def restore(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer | None = None) -> None:
        """Put back what `save_state` kept; the optimizer's state only where one is given.

        Raises:
            RunError: the file is damaged, or of another model.
        """
        parameters: dict[str, torch.Tensor] = {}
        moments: dict[str, torch.Tensor] = {}
        with _opened(self._state) as state:
            for name, tensor in _tensors(state).items():
                kind, _, rest = name.partition(".")
                (parameters if kind == "model" else moments)[rest] = tensor
        _load(model, parameters, self._state)
        if optimizer is not None:
            by_number: dict[int, dict[str, torch.Tensor]] = {}
            for name, tensor in moments.items():
                number, _, moment = name.partition(".")
                by_number.setdefault(int(number), {})[moment] = tensor
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": by_number, "param_groups": groups})
        # What was validated after the state was kept is validated again.
        here = self.position
        kept = [line for line in self.metrics() if line["phase"] != here.phase or line["step"] <= here.validated]
        self._write("metrics.jsonl", "".join(f"{json.dumps(line)}\n" for line in kept).encode())

    def start(self, device: torch.device) -> None:
        """Write what the run is told, and add an entry to environment.json; all that a recipe needs is there."""
        self._write_json("vocabulary.json", {"kind": self.config.vocabulary, "labels": self.labels})
        file = self.directory / "environment.json"
        entries = _read_json(file) if file.is_file() else []
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor()
        entry = {
            "step": self.position.step,
            "python": platform.python_version(),
            "platform": platform.platform(),
            "device": f"{device} {name or platform.machine()}",
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "packages": {package: version(package) for package in _PACKAGES},
        }
        self._write_json("environment.json", [*entries, entry])
        # Last: a directory that has it can be opened.
        self._write_json("config.json", self.config.to_dict())

    @property
    def _state(self) -> Path:
        return self.directory / "state.safetensors"

    def _write_json(self, name: str, value: Any) -> None:
        self._write(name, f"{json.dumps(value, indent=2)}\n".encode())

    def _write(self, name: str, content: bytes) -> None:
        write_whole(self.directory / name, content)


def labels_of(vocabulary: Vocabulary, config: Config) -> tuple[str, ...]:
    """The labels of the ids that a run's graphs have, in the order of the ids."""
    return vocabulary.variants if config.vocabulary == "variant" else vocabulary.operators


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """A safetensors file; a `RunError` names one that is damaged."""
    try:
        with safetensors.safe_open(file, framework="pt") as tensors:
            yield tensors
    except (safetensors.SafetensorError, OSError) as error:
        raise RunError(f"{file} is damaged ({error})") from error


def _tensors(file: Any) -> dict[str, torch.Tensor]:
    names: list[str] = file.keys()
    return {name: file.get_tensor(name) for name in names}


def _load(model: torch.nn.Module, parameters: dict[str, torch.Tensor], file: Path) -> None:
    try:
        model.load_state_dict(parameters)
    except RuntimeError as error:
        raise RunError(f"{file} holds the parameters of another model than config.json says") from error


def _contiguous(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{file} is missing or damaged ({error})") from error

"""The parameters of a run: fresh ones, the best ones, and the state that `--resume` continues from.

In goes a `Run`; out come its model, and files of safetensors, which nothing has to be unpickled of.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from younger_hf.errors import MissingExtraError, UsageError
from younger_hf.recipes.run import Run, RunError

try:
    import safetensors
    import torch
    from safetensors.torch import save
except ImportError as error:
    raise MissingExtraError(error.name or "torch", "train") from error


def fresh_model(run: Run) -> torch.nn.Module:
    """The run's model with fresh parameters, a function of the seed.

    Raises:
        UsageError: a class of the user's own that is not there, or does not keep to the protocol of models.
    """
    torch.manual_seed(run.config.seed)
    return run.recipe.build(run.config, len(run.labels))  # type: ignore[no-any-return]


def load_best(run: Run, device: torch.device | str = "cpu") -> torch.nn.Module:
    """The run's model with the parameters of the best validation, in evaluation mode.

    Raises:
        RunError: nothing has been validated yet, or the checkpoint is damaged.
        UsageError: its model is a rule.
    """
    if run.config.is_rule:
        raise UsageError(f"{run.directory} is a run of the rule {run.config.model}, which has no parameters")
    run.best()
    model = fresh_model(run)
    with _opened(run.checkpoint) as checkpoint:
        _load(model, _tensors(checkpoint), run.checkpoint)
    return model.to(device).eval()


def checkpoint_of(model: torch.nn.Module, step: int) -> bytes:
    """The parameters of a model as a safetensors file that says after which step they are."""
    return save(_contiguous(model.state_dict()), {"step": str(step)})


def save_state(run: Run, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Keep what `restore` needs, in one file."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for number, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": tensor for name, tensor in values.items()}
    run.write(run.state.name, save(_contiguous(tensors), {"position": json.dumps(asdict(run.position))}))


def restore(run: Run, model: torch.nn.Module, optimizer: torch.optim.Optimizer | None = None) -> None:
    """Put back what `save_state` kept; the optimizer's state only where one is given.

    Raises:
        RunError: the file is damaged, or of another model.
    """
    parameters: dict[str, torch.Tensor] = {}
    moments: dict[str, torch.Tensor] = {}
    with _opened(run.state) as state:
        for name, tensor in _tensors(state).items():
            kind, _, rest = name.partition(".")
            (parameters if kind == "model" else moments)[rest] = tensor
    _load(model, parameters, run.state)
    if optimizer is not None:
        by_number: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in moments.items():
            number, _, moment = name.partition(".")
            by_number.setdefault(int(number), {})[moment] = tensor
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": by_number, "param_groups": groups})
    run.forget_later()


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

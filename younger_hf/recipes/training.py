"""The training loop that all recipes share: steps, validations, a progress bar, and a state to resume from.

What a step draws (dropout, negatives) follows from the seed and the step's number alone. So a run that was interrupted
anywhere and resumed ends in the same parameters and metrics as one that was not.
"""

from __future__ import annotations

import math
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from tqdm import tqdm

from younger_hf.errors import UsageError
from younger_hf.recipes.checkpoints import checkpoint_of, restore, save_state
from younger_hf.recipes.places import in_words
from younger_hf.recipes.run import Position, Run, RunError

LossOfStep: TypeAlias = Callable[[int, np.random.Generator], torch.Tensor]
"""The loss of a step, by its number from 0 and a generator of its own."""

_SECONDS_BETWEEN_STATES: Final = 60


def begin(run: Run, model: torch.nn.Module, loss_of_step: LossOfStep, device: torch.device) -> None:
    """Write what the run is told, after a model of the user's own has shown that it can take a step.

    Args:
        run: where everything is written.
        model: on its device.
        loss_of_step: of the recipe.
        device: for environment.json.

    Raises:
        UsageError: the model raises; nothing has been written.
    """
    if ":" in run.config.model:
        model.eval()
        try:
            with torch.no_grad():
                loss_of_step(0, np.random.default_rng(0))
        except Exception as error:
            raise UsageError(f"model {run.config.model} fails in the first step ({in_words(error)})") from error
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor()
    run.start({"device": f"{device} {name or platform.machine()}", "threads": torch.get_num_threads()})


def train_by_adam(
    run: Run,
    model: torch.nn.Module,
    loss_of_step: LossOfStep,
    steps_per_epoch: int,
    validate: Callable[[], Mapping[str, float]],
    device: torch.device,
) -> None:
    """Train all of a model to the end of its run, by Adam with the configuration's rate; arguments as for `fit`.

    Raises:
        UsageError: as `begin`.
        RunError: as `fit`.
        KeyboardInterrupt: as `fit`.
    """
    config = run.config
    begin(run, model, loss_of_step, device)
    optimizer = torch.optim.Adam(model.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    fit(run, model, optimizer, loss_of_step, config.num_steps(steps_per_epoch), steps_per_epoch, validate)


def fit(
    run: Run,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_of_step: LossOfStep,
    num_steps: int,
    steps_per_epoch: int,
    validate: Callable[[], Mapping[str, float]] | None = None,
    phase: str = "train",
) -> None:
    """Train from where the run stands up to a step, and validate as its configuration says.

    Args:
        run: where everything is written.
        model: on its device, with fresh parameters.
        optimizer: of the parameters that are trained.
        loss_of_step: what is minimised.
        num_steps: where to end at the latest: the configuration's patience may end it before.
        steps_per_epoch: for the bar, and for a configuration that validates each epoch.
        validate: the metrics of the model as it is; None validates nothing.
        phase: of the run; one that was in another phase begins this one.

    Raises:
        RunError: a loss or a parameter is not a number; the state on disk is from before.
        KeyboardInterrupt: the state has been written.
    """
    config, position = run.config, run.position
    if position.phase == phase:
        restore(run, model, optimizer)
    else:
        position = run.position = Position(phase, seconds=position.seconds)
        save_state(run, model, optimizer)
    position.planned = num_steps
    every = config.validate_every or steps_per_epoch
    saved = started = time.monotonic()
    seconds_before = position.seconds
    name = f"{config.recipe} {config.model}{'' if phase == 'train' else f' {phase}'}"
    bar = tqdm(total=num_steps, initial=position.step, desc=name, unit="step", disable=None)
    shown: dict[str, str] = {}
    try:
        while True:
            position.seconds = seconds_before + time.monotonic() - started
            is_due = position.step % every == 0 or position.step >= num_steps
            if validate is not None and is_due and position.step > position.validated:
                _check_parameters(run, model)
                model.eval()
                metrics = validate()
                entry = {
                    "epoch": position.step / steps_per_epoch,
                    "loss": position.loss / (position.step - position.validated),
                    "seconds": round(position.seconds, 1),
                }
                with uninterrupted():
                    run.record(entry, metrics, lambda: checkpoint_of(model, position.step))
                shown |= {metric: f"{value:.4f}" for metric, value in metrics.items()}
            if time.monotonic() - saved > _SECONDS_BETWEEN_STATES:
                _check_parameters(run, model)
                save_state(run, model, optimizer)
                saved = time.monotonic()
            if position.step >= num_steps or 0 < config.patience <= position.stale:
                break
            model.train()
            generator = np.random.default_rng([config.seed, position.step])
            torch.manual_seed(int(generator.integers(2**63)))
            optimizer.zero_grad()
            loss = loss_of_step(position.step, generator)
            value = loss.item()
            if not math.isfinite(value):
                raise _diverged(run, f"the loss is {value}")
            loss.backward()  # type: ignore[no-untyped-call]
            with uninterrupted():
                optimizer.step()
                position.step += 1
                position.loss += value
            bar.set_postfix({"epoch": position.step // steps_per_epoch, "loss": f"{value:.4f}", **shown}, refresh=False)
            bar.update()
        save_state(run, model, optimizer)
    except KeyboardInterrupt:
        save_state(run, model, optimizer)
        raise
    finally:
        bar.close()


def _check_parameters(run: Run, model: torch.nn.Module) -> None:
    """Refuse to judge or keep parameters that are spoilt."""
    if not all(parameter.isfinite().all() for parameter in model.parameters()):
        raise _diverged(run, "a parameter is not a number")


def _diverged(run: Run, verdict: str) -> RunError:
    return RunError(
        f"{run.directory} has diverged, {verdict} after {run.position.step:,} steps: "
        "begin a run with a smaller learning rate; what was validated here is kept"
    )


def find_device(name: str) -> torch.device:
    """Find a device by name; "auto" is a GPU if there is one.

    Raises:
        UsageError: there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        there = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
        there += ["mps"] if torch.backends.mps.is_available() else []
        raise UsageError(f"there is no device {name} here: there is {', '.join(there)}") from error
    return device


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ctrl-C within takes effect at the end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed: list[Any] = []
    before = signal.signal(signal.SIGINT, lambda *event: pressed.append(event))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt

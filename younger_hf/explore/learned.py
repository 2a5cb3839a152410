"""What a trained encoder says of the place of an operator: `Learned`.

In goes a run, or a release that brings an encoder along; out come suggestions. PyTorch is imported in a process beside
the server, when something is first asked; where it is missing, or there is no encoder, one sentence says so.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from younger_hf.errors import MissingExtraError, ReleaseError, UsageError, YoungerError
from younger_hf.explore.aside import Aside
from younger_hf.explore.encoder import Encoder, Suggested, UnreadableEncoderError, suggest, vectors_of_file
from younger_hf.graph import OperatorGraph
from younger_hf.parquet_files import list_on_hub
from younger_hf.recipes.encoders import FILES, FOLDER
from younger_hf.release import Release

_MOST_SHOWN: Final = 8
_NEEDED: Final = ("torch", "torch_geometric", "safetensors")


class NothingLearnedError(YoungerError):
    """There is no encoder to ask; the message is for whoever looks at the page, and names no path."""


class Learned:
    """An encoder, loaded when it is first asked; it answers one at a time.

    Args:
        release: whose encoder it is, where no run is named.
        run: a directory, of pretraining or of operator design.

    Attributes:
        encoder: where it lies.
        aside: the process that has it.
    """

    def __init__(self, release: Release, run: Path | None = None) -> None:
        self._release = release
        self._failed = ""
        self.encoder = Encoder(release.source, release.revision, run)
        self.aside = Aside()

    @property
    def why_not(self) -> str:
        """Why there is nothing to ask, in a sentence; "" where there is, as far as is known without loading it."""
        if self._failed:
            return self._failed
        if any(find_spec(name) is None for name in _NEEDED):
            return "What an encoder suggests needs PyTorch: pip install 'younger-hf[train]'."
        if self.encoder.run is None and not self._has_encoder:
            return "The release brings no encoder that suggests operators: younger-hf explore --run names one."
        return ""

    @cached_property
    def _has_encoder(self) -> bool:
        source, revision = self._release.source, self._release.revision
        if isinstance(source, Path):
            return all((source / FOLDER / name).is_file() for name in FILES)
        try:
            return bool(list_on_hub(source, revision, f"{FOLDER}/{FILES[0]}"))
        except ReleaseError:
            return False

    def suggest(self, graph: OperatorGraph, node: int) -> Suggested:
        """What could stand in the place of a node, as `younger_hf.recipes.suggest` says it.

        Args:
            graph: N operators, in any order.
            node: the position of the node.

        Raises:
            UsageError: there is no such node.
            NothingLearnedError: there is no encoder, or it is damaged.
        """
        if not 0 <= node < graph.num_nodes:
            raise UsageError(f"there is no operator {node:,}: they are numbered from 0 to {graph.num_nodes - 1:,}")
        if self.why_not:
            raise NothingLearnedError(self.why_not)
        try:
            found = self.aside(suggest, self.encoder, graph, node)
        except UnreadableEncoderError as error:
            self._failed = "The encoder cannot be read, so that nothing is suggested."
            raise NothingLearnedError(self._failed) from error
        return replace(found, suggestions=found.suggestions[:_MOST_SHOWN])


def check_run(directory: Path) -> None:
    """Refuse a run that suggests no operators, before a server starts with it.

    Raises:
        UsageError: it is of another task.
        RunError: there is no run, or it has no checkpoint.
        MissingExtraError: PyTorch is missing.
    """
    from younger_hf.recipes.run import Run
    from younger_hf.tasks.operator import TASK

    _check_extra()
    run = Run.open(directory)
    run.best()
    if run.config.task.name != TASK.name or run.config.is_rule:
        raise UsageError(f"{directory} suggests no operators: name a run of younger-hf pretrain or train operator")


def check_embeddings(file: Path, release: Release) -> int:
    """Refuse a file that holds no vectors of a release's graphs, before a server starts with it.

    Returns:
        How many rows of the release have a vector.

    Raises:
        UsageError: it holds none, or those of another release, or its run is not where it was, or has been trained
            further.
        MissingExtraError: PyTorch is missing.
    """
    _check_extra()
    aside = Aside()
    try:
        return len(aside(vectors_of_file, file, release).places)
    except YoungerError as error:
        raise UsageError(str(error)) from error
    finally:
        aside.stop()


def _check_extra() -> None:
    if missing := next((name for name in _NEEDED if find_spec(name) is None), None):
        raise MissingExtraError(missing, "train")

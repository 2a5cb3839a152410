"""What a trained encoder makes of graphs: operators for the place of a node, and vectors: `Learned`.

In goes a run, or a release that brings an encoder along; out come suggestions. PyTorch is imported when something is
first asked; where it is missing, or there is no encoder, one sentence says so.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from younger_hf.errors import MissingExtraError, ReleaseError, UsageError, YoungerError
from younger_hf.graph import OperatorGraph
from younger_hf.identity import canonicalize
from younger_hf.parquet_files import list_on_hub
from younger_hf.recipes.encoders import FILES, FOLDER
from younger_hf.release import Release

if TYPE_CHECKING:
    from younger_hf.recipes.run import Run
    from younger_hf.recipes.suggest import Place

_MOST_SHOWN: Final = 8
_NEEDED: Final = ("torch", "torch_geometric", "safetensors")


class NothingLearnedError(YoungerError):
    """There is no encoder to ask; the message is for whoever looks at the page, and names no path."""


class Learned:
    """An encoder, loaded when it is first asked; it answers one at a time.

    Args:
        release: whose encoder it is, where no run is named.
        run: a directory, of pretraining or of operator design.
    """

    def __init__(self, release: Release, run: Path | None = None) -> None:
        self._release = release
        self._directory = run
        self._lock = Lock()
        self._failed = ""

    @property
    def why_not(self) -> str:
        """Why there is nothing to ask, in a sentence; "" where there is, as far as is known without loading it."""
        if self._failed:
            return self._failed
        if any(find_spec(name) is None for name in _NEEDED):
            return "What an encoder suggests needs PyTorch: pip install 'younger-hf[train]'."
        if self._directory is None and not self._has_encoder:
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

    @property
    def run(self) -> Run:
        """The encoder's run.

        Raises:
            NothingLearnedError: there is none.
        """
        return self.opened()[0]

    def opened(self) -> tuple[Run, Any]:
        """The run, and its model in evaluation mode.

        Raises:
            NothingLearnedError: there is none, or it is damaged.
        """
        if self.why_not:
            raise NothingLearnedError(self.why_not)
        with self._lock:
            try:
                return self._opened
            except (YoungerError, ImportError) as error:
                self._failed = "The encoder cannot be read, so that nothing is suggested."
                raise NothingLearnedError(self._failed) from error

    @cached_property
    def _opened(self) -> tuple[Run, Any]:
        import torch

        from younger_hf.recipes.checkpoints import load_best
        from younger_hf.recipes.pretrained import open_encoder
        from younger_hf.recipes.run import Run

        # A server's threads are its visitors': beside them, PyTorch's own wait for each other most of the time.
        torch.set_num_threads(1)
        run = open_encoder(self._release) if self._directory is None else Run.open(self._directory)
        return run, load_best(run)

    def suggest(self, graph: OperatorGraph, node: int) -> Place:
        """What could stand in the place of a node, as `younger_hf.recipes.suggest` says it.

        Args:
            graph: N operators, in any order.
            node: the position of the node.

        Raises:
            UsageError: there is no such node.
            NothingLearnedError: there is no encoder.
        """
        if not 0 <= node < graph.num_nodes:
            raise UsageError(f"there is no operator {node:,}: they are numbered from 0 to {graph.num_nodes - 1:,}")
        run, model = self.opened()
        from younger_hf.recipes.suggest import suggest_place

        form = canonicalize(graph, run.config.attributes)
        with self._lock:
            found = suggest_place(run, form.graph, int(np.flatnonzero(form.order == node)[0]), model)
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

    if missing := next((name for name in _NEEDED if find_spec(name) is None), None):
        raise MissingExtraError(missing, "train")
    run = Run.open(directory)
    run.best()
    if run.config.task.name != TASK.name or run.config.is_rule:
        raise UsageError(f"{directory} suggests no operators: name a run of younger-hf pretrain or train operator")


def vector_of(opened: tuple[Run, Any], graph: OperatorGraph) -> NDArray[np.float32]:
    """The vector of a graph, float32 [C], as `younger-hf embed --level graph` writes it.

    Args:
        opened: a run and its model.
        graph: N operators, in any order.
    """
    from younger_hf.recipes.embed import embed_graph

    run, model = opened
    graph = canonicalize(graph, run.config.attributes).graph
    return embed_graph(run.recipe, model, graph, run.ids_of(graph))[0]

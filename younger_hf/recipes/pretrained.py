"""Encoders that were trained before: what a run begins from, and the one that a release brings along.

In go runs; out come models. The encoder of a release is in its folder `encoder`, a run directory without the state of
its training: `config.json`, `vocabulary.json`, `best.json` and `best.safetensors`, at most 20 MB. It is as untrusted as
the rest of a release: parameters are no pickle, and its model is one of ours.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from huggingface_hub import snapshot_download

from younger_hf.errors import MissingExtraError, ReleaseError, UsageError

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise MissingExtraError(error.name or "torch", "train") from error

from younger_hf.graph import IntArray, OperatorGraph
from younger_hf.recipes.checkpoints import fresh_model, load_best
from younger_hf.recipes.embed import embed_graph
from younger_hf.recipes.encoders import ENCODERS, FILES, FOLDER, MOST_BYTES
from younger_hf.recipes.run import Run, RunError
from younger_hf.release import Release, open_named, open_release, quiet_off_terminal, reading_hub
from younger_hf.whole_files import write_whole

_RECIPE: Final = "pretrain"
_MOST_LAYERS: Final = 64
_LEAST_BYTES: Final = 4 * 128  # of an operator's row in an embedding, where it is narrowest


class Encoder(nn.Module):
    """An encoder of operators that was trained before.

    Args:
        run: by which it was trained.

    Attributes:
        labels: of the operators, by their ids: V of them.
        attributes: whether operators that differ in attributes have ids of their own.
    """

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run
        self.model = load_best(run)
        self.labels = run.labels
        self.attributes: bool = run.config.attributes

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        """The encodings of nodes.

        Args:
            x: int64 [N], ids of operators, as `labels` has them: those of `to_pyg` for the same release.
            edge_index: int64 [2, E]: producer, consumer.
            edge_attr: int64 [E, 2]: output slot of the producer, input slot of the consumer.

        Returns:
            float32 [N, C].
        """
        return self.model.encode(x, edge_index, edge_attr)  # type: ignore[operator, no-any-return]

    def ids_of(self, graph: OperatorGraph) -> IntArray:
        """The ids, int64 [N], of the operators of a graph; `__UNK__` for one that is not in `labels`."""
        return self._run.ids_of(graph)

    @torch.no_grad()
    def embed(self, graph: OperatorGraph) -> Tensor:
        """One vector for a graph, float32 [C], as `younger-hf embed` writes it.

        Args:
            graph: N operators, in canonical order.
        """
        return torch.from_numpy(embed_graph(self._run.recipe, self.model, graph, self.ids_of(graph))[0])


def load_encoder(source: str | Path = "younger", revision: str | None = None) -> Encoder:
    """The encoder that a release brings along, in evaluation mode.

    It was trained to predict masked operators of the release's train split: see `younger-hf pretrain`.

        encoder = load_encoder()
        data = to_pyg(load("graphs-no-attributes", "test")[0])
        encoder(data.x, data.edge_index, data.edge_attr)  # float32 [N, 256]

    Args:
        source: a release directory, or the id of a Hub dataset repository.
        revision: the repository's branch, tag or commit.

    Raises:
        ReleaseError: there is no such release, or it has no encoder.
        RunError: the encoder is damaged.
    """
    return Encoder(open_encoder(open_release(source, revision))).eval()


def open_encoder(release: Release) -> Run:
    """The run of a release's encoder.

    Raises:
        ReleaseError: it has none, or one that is none of ours.
        RunError: it is damaged.
    """
    directory = _directory(release)
    missing = [name for name in FILES if not (directory / name).is_file()]
    if missing:
        raise ReleaseError(f"{release.source} has no {FOLDER}/{missing[0]}: name a run, or a release with an encoder")
    if sum((directory / name).stat().st_size for name in FILES) > MOST_BYTES:
        raise ReleaseError(f"{directory} is larger than {MOST_BYTES:,} bytes, which no encoder of a release is")
    if any((directory / name).resolve().parent != directory.resolve() for name in FILES) and _is_here(release):
        raise ReleaseError(f"{directory} has a link, which no encoder of a release has")
    _check_is_ours(directory)
    run = Run.open(directory)
    run.config = replace(run.config, release=str(release.source), revision=release.revision)
    return run


def save_encoder(run: Run, release: Path) -> Path:
    """Put the encoder of a run into a release, where `load_encoder`, `suggest` and `embed` find it.

    Args:
        run: of `younger-hf pretrain`, with a checkpoint.
        release: a directory, of the run's vocabulary.

    Returns:
        The folder.

    Raises:
        UsageError: it is no run of pretraining, has a model of the user's own, or is too large; or there is no such
            directory.
        RunError: the run has no checkpoint.
    """
    if not release.is_dir():
        raise UsageError(f"{release} is no release directory: an encoder is put into one, and published with it")
    opened = open_release(release)
    if run.config.recipe != _RECIPE or run.config.model not in ENCODERS:
        raise UsageError(f"{run.directory} is no run of younger-hf pretrain with a built-in model: no release takes it")
    best = run.best()
    config = replace(run.config, release=opened.name, revision=None, init=None).to_dict()
    contents = {
        "vocabulary.json": (run.directory / "vocabulary.json").read_bytes(),
        "best.json": _json(best),
        "best.safetensors": run.checkpoint.read_bytes(),
        "config.json": _json(config),
    }
    size = sum(map(len, contents.values()))
    if size > MOST_BYTES:
        raise UsageError(f"the encoder has {size:,} bytes, and a release takes {MOST_BYTES:,}: train a smaller model")
    folder = release / FOLDER
    for name in FILES:
        write_whole(folder / name, contents[name])
    return folder


def initial_model(run: Run) -> nn.Module:
    """A run's model before its first step: fresh, or with the encoder of the run or release that it begins from.

    Raises:
        UsageError: that run is of another model.
        ReleaseError: that release has no encoder.
        RunError: what it begins from is missing or damaged.
    """
    model = fresh_model(run)
    if run.config.init is not None and not run.position.phase:
        begin_from(model, run, find_encoder(run.config.init))
    return model


def find_encoder(name: str) -> Run:
    """The run of a name: a run's directory, or a release that has an encoder.

    Raises:
        ReleaseError: it is neither.
        RunError: it is damaged.
    """
    directory = Path(name).expanduser()
    return Run.open(directory) if (directory / "config.json").is_file() else open_encoder(open_named(name))


def begin_from(model: nn.Module, run: Run, source: Run) -> None:
    """Give the encoder of a model the parameters that the encoder of another run has.

    Operators are matched by their labels, so that the vocabularies may differ. What depends on the number of outputs,
    and operators that the source does not know, stay as they were drawn.

    Raises:
        UsageError: the source is of another model, or of other options of it.
        RunError: the source has no checkpoint.
    """
    mine, theirs = ((of.config.model, of.config.options, of.config.attributes) for of in (run, source))
    if mine != theirs:
        told = ", ".join(f"--{name} {value}" for name, value in [("model", theirs[0]), *theirs[1].items()])
        raise UsageError(
            f"{source.directory} was trained with {told}{' --attributes' * theirs[2]}: a run begins from the same"
        )
    target = encoder_of(model)
    learned = encoder_of(load_best(source)).state_dict()
    of_operators = {
        f"{name}.weight"
        for name, module in target.named_modules()
        if isinstance(module, nn.Embedding) and module.num_embeddings == len(run.labels)
    }
    number = {label: i for i, label in enumerate(source.labels)}
    known = [(i, number[label]) for i, label in enumerate(run.labels) if label in number]
    here, there = (torch.tensor(column) for column in zip(*known, strict=True))
    state = target.state_dict()
    for name, value in state.items():
        other = learned.get(name)
        if other is not None and name in of_operators and value.shape[1:] == other.shape[1:]:
            value[here] = other[there]
        elif other is not None and value.shape == other.shape:
            value.copy_(other)


def encoder_of(model: nn.Module) -> nn.Module:
    """The part of a recipe's model that encodes nodes: all of it where outputs are predicted from it at once."""
    encoder = getattr(model, "encoder", None)
    return encoder if isinstance(encoder, nn.Module) else model


def _is_here(release: Release) -> bool:
    return isinstance(release.source, Path)


def _directory(release: Release) -> Path:
    if isinstance(release.source, Path):
        return release.source / FOLDER
    patterns = [f"{FOLDER}/{name}" for name in FILES]
    with reading_hub(str(release.source), release.revision), quiet_off_terminal():
        copy = snapshot_download(
            str(release.source), repo_type="dataset", revision=release.revision, allow_patterns=patterns
        )
    return Path(copy) / FOLDER


def _check_is_ours(directory: Path) -> None:
    """Refuse a model that is code of someone's, or that would be larger than its file, before it is made."""
    try:
        said = json.loads((directory / "config.json").read_bytes())
        num_labels = len(json.loads((directory / "vocabulary.json").read_bytes())["labels"])
        is_ours = said["recipe"] == _RECIPE and said["model"] in ENCODERS
        size = (directory / "best.safetensors").stat().st_size
        is_ours &= num_labels * _LEAST_BYTES <= size and (said.get("layers") or 0) <= _MOST_LAYERS
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(f"{directory} is damaged ({error!r})") from error
    if not is_ours:
        raise ReleaseError(f"{directory} is no encoder by younger-hf pretrain with a built-in model")


def _json(value: Any) -> bytes:
    return f"{json.dumps(value, indent=2)}\n".encode()

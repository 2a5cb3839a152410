"""A file of predictions, which anyone can score: what a leaderboard entry is.

In goes what a model predicted for every label of a split; out comes a Parquet file that says which labels of which
release they are for. `check_labels` derives the labels from the release anew, so that a file can neither give labels of
its own nor leave out what was hard. A run writes its file by `younger-hf evaluate`; so can any other model:

    release = open_release("younger")
    of = EvaluationSet.of(release, "operator", "test")
    labels = of.labels(release)  # the subgraph and the node of each, and the operator that stands there
    Predictions(of, "my model", labels.append_column("y_pred", pa.array(ids))).save(Path("mine.parquet"))
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset
from numpy.typing import NDArray

from younger_hf.choices import check_choice
from younger_hf.dataset import load
from younger_hf.errors import MissingExtraError, UsageError, YoungerError
from younger_hf.list_columns import flatten_rows
from younger_hf.parquet_files import first_line
from younger_hf.release import Release
from younger_hf.schema import SPLITS
from younger_hf.vocabulary import Vocabulary
from younger_hf.whole_files import write_whole

CONFIGS: Final = {
    ("dataflow", True): "graphs",
    ("dataflow", False): "graphs-no-attributes",
    ("operator", True): "subgraphs",
    ("operator", False): "subgraphs-no-attributes",
}
"""The config of each task, with attributes and without."""

PROTOCOLS: Final = ("heldout", "paper")

_KEYS: Final = {"dataflow": ("fingerprint", "producer", "consumer"), "operator": ("fingerprint", "node")}
_SCHEMAS: Final = {
    "dataflow": pa.schema(
        [
            ("fingerprint", pa.string()),
            ("producer", pa.int64()),
            ("consumer", pa.int64()),
            ("y_true", pa.bool_()),
            ("y_pred", pa.float32()),
        ]
    ),
    "operator": pa.schema(
        [("fingerprint", pa.string()), ("node", pa.int64()), ("y_true", pa.int64()), ("y_pred", pa.int64())]
    ),
}
_METADATA: Final = b"younger_predictions"
_MOST_ROWS: Final = 1 << 27  # a file of a few bytes can say that it has any number of them


class PredictionsError(YoungerError):
    """A file that is no predictions file, or one that does not say what the release says."""


@dataclass(frozen=True)
class EvaluationSet:
    """What is to be predicted: the labels of a split of a release, all of them.

    Attributes:
        task: "dataflow" or "operator".
        release: the release's directory, by its name alone, or the id of its Hub repository.
        revision: the repository's branch, tag or commit, as it was asked for.
        content: what tells the config's content from that of other releases, as the card says.
        config: "graphs", "subgraphs", or one of both without attributes.
        split: "train", "validation", "test" or "unseen".
        split_scheme: "family" or "paper".
        protocol: for data flow design, "heldout" or "paper".
        held_out: the share of the edges that is to be predicted, under "heldout".
        seed: for data flow design, of the pairs without a data flow and, if held out, of those with one.
        vocabulary_size: how many ids the release has for the config's operators.
    """

    task: str
    release: str
    revision: str | None
    content: str
    config: str
    split: str
    split_scheme: str
    protocol: str | None
    held_out: float | None
    seed: int | None
    vocabulary_size: int

    def __post_init__(self) -> None:
        check_choice("task", self.task, _KEYS)
        configs = [CONFIGS[self.task, attributes] for attributes in (True, False)]
        check_choice(f"config of task {self.task}", self.config, configs)
        check_choice("split", self.split, SPLITS)
        if self.task == "dataflow":
            check_choice("protocol", str(self.protocol), PROTOCOLS)
            if self.seed is None or self.seed < 0:
                raise UsageError(f"the seed must be 0 or more, not {self.seed}")
            if self.protocol == "heldout" and not 0 < (self.held_out or 0) < 1:
                raise UsageError(f"held_out is a share between 0 and 1, not {self.held_out}")

    @property
    def attributes(self) -> bool:
        """Whether operators are told apart by their attributes."""
        return not self.config.endswith("-no-attributes")

    @classmethod
    def of(
        cls,
        release: Release,
        task: str,
        split: str,
        *,
        attributes: bool = True,
        split_scheme: str = "family",
        protocol: str = "heldout",
        held_out: float = 0.2,
        seed: int = 12345,
    ) -> EvaluationSet:
        """Describe the evaluation set of a release; protocol, share and seed are for data flow design alone.

        Raises:
            UsageError: there is no such task, split or protocol.
            ReleaseError: the release lacks a file.
        """
        check_choice("task", task, _KEYS)
        config = CONFIGS[task, attributes]
        vocabulary = Vocabulary.load(release.source, release.revision)
        return cls(
            task,
            release.name,
            release.revision,
            release.contents.get(config, ""),
            config,
            split,
            split_scheme,
            protocol if task == "dataflow" else None,
            held_out if task == "dataflow" and protocol == "heldout" else None,
            seed if task == "dataflow" else None,
            len(vocabulary.variants if attributes else vocabulary.operators),
        )

    def labels(self, release: Release) -> pa.Table:
        """Derive the labels from a release.

        Returns:
            `fingerprint` and, for data flow design, `producer`, `consumer`, `y_true` (bool); for operator design,
            `node` (a position in the subgraph), `y_true` (a vocabulary id); in the order of the release's rows.

        Raises:
            UsageError: the release has no such split, or there is no such split scheme.
            ReleaseError: the release lacks a file.
            MissingExtraError: data flow design needs PyTorch.
        """
        rows = load(self.config, self.split, release.source, revision=release.revision, split_scheme=self.split_scheme)
        names = _SCHEMAS[self.task].names[:-1]
        schema = pa.schema([_SCHEMAS[self.task].field(name) for name in names])
        parts = self._links(rows) if self.task == "dataflow" else self._boundaries(rows)
        tables = [pa.table(dict(zip(names, part, strict=True)), schema=schema) for part in parts]
        return pa.concat_tables([schema.empty_table(), *tables]).combine_chunks()

    def _links(self, rows: Dataset) -> Iterator[tuple[Any, ...]]:
        """The pairs of each graph that are to be predicted: keys, producers, consumers, labels."""
        try:
            from younger_hf.recipes.batches import GraphTable
            from younger_hf.recipes.dataflow import evaluation_links
        except ModuleNotFoundError as error:
            raise MissingExtraError(error.name or "torch", "train") from error

        table = GraphTable(rows, self._vocabulary)
        for fingerprint, batch in zip(table.fingerprints.to_pylist(), table.batches(1), strict=True):
            links = evaluation_links(batch, fingerprint, self.held_out, self.seed or 0)
            yield [fingerprint] * len(links.y), *links.pairs.numpy(), links.y.bool().numpy()

    def _boundaries(self, rows: Dataset) -> Iterator[tuple[Any, ...]]:
        """The nodes of each batch of subgraphs that are to be predicted: keys, positions, labels."""
        nodes = f"node_{self._vocabulary}"
        columns = rows.select_columns(["fingerprint", nodes, "boundary"]).with_format("arrow")
        for batch in columns[:].to_batches() if len(rows) else ():
            ids, ends = flatten_rows(batch.column(nodes), nodes)
            node, boundary_ends = flatten_rows(batch.column("boundary"), "boundary")
            node = node.to_numpy()[boundary_ends[0] : boundary_ends[-1]]
            row = np.repeat(np.arange(len(batch)), np.diff(boundary_ends))
            yield batch.column("fingerprint").take(pa.array(row)), node, ids.to_numpy()[ends[row] + node]

    @property
    def _vocabulary(self) -> str:
        return "variant" if self.attributes else "operator"


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model predicts for an evaluation set.

    Attributes:
        of: what it was to predict.
        model: what predicted it, in words.
        table: the labels as `EvaluationSet.labels` gives them, and `y_pred`: the probability of a data flow (float32),
            or the id of an operator (int64). Columns of other integers or floats are cast.

    Raises:
        UsageError: a column is missing.
    """

    of: EvaluationSet
    model: str
    table: pa.Table

    def __post_init__(self) -> None:
        schema = _SCHEMAS[self.of.task]
        for name in schema.names:
            check_choice("column of predictions", name, self.table.column_names)
        object.__setattr__(self, "table", self.table.select(schema.names).cast(schema).combine_chunks())

    def arrays(self) -> dict[str, NDArray[Any]]:
        """`y_true` and `y_pred` [M], as `Evaluator.evaluate` takes them."""
        return {name: self.table.column(name).to_numpy() for name in ("y_true", "y_pred")}

    def save(self, path: Path) -> None:
        """Write the Parquet file; the same predictions give the same bytes.

        Raises:
            YoungerError: it cannot be written.
        """
        about = json.dumps({**asdict(self.of), "model": self.model}, sort_keys=True)
        buffer = io.BytesIO()
        pq.write_table(self.table.replace_schema_metadata({_METADATA: about}), buffer, compression="zstd")
        write_whole(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> Predictions:
        """Read the Parquet file; its labels are as yet what it says they are.

        Raises:
            PredictionsError: it is no predictions file, or damaged.
        """
        try:
            with pq.ParquetFile(path) as file:
                schema, num_rows = file.schema_arrow, file.metadata.num_rows
                of, model = _read_about(path, schema.metadata or {})
                right = schema.remove_metadata().equals(_SCHEMAS[of.task]) and num_rows <= _MOST_ROWS
                table = file.read() if right else None
        except FileNotFoundError:
            raise PredictionsError(f"there is no file {path}") from None
        except (pa.ArrowException, OSError) as error:
            raise PredictionsError(f"{path} is no Parquet file, or damaged ({first_line(error)})") from error
        if table is None or any(column.null_count for column in table.columns):
            wanted = ", ".join(f"{field.name} ({field.type})" for field in _SCHEMAS[of.task])
            raise PredictionsError(f"{path} must have the columns {wanted}, at most {_MOST_ROWS:,} rows and no nulls")
        return cls(of, model, table)


def check_labels(predictions: Predictions, release: Release, path: Path) -> None:
    """Hold the labels of a file against those of a release.

    Args:
        predictions: what the file says.
        release: what is true.
        path: the file, for the message.

    Raises:
        PredictionsError: the file is about other rows than the release's, leaves some out, has some twice, or gives
            another label; the message says which.
    """
    of = predictions.of
    here = EvaluationSet.of(release, of.task, of.split, attributes=of.attributes)
    if (here.content, here.vocabulary_size) != (of.content, of.vocabulary_size):
        raise PredictionsError(
            f"{path} is about another release: {of.config} of {of.release} has content {of.content or 'unknown'} and "
            f"{of.vocabulary_size:,} ids, that of {release.source} {here.content or 'unknown'} and "
            f"{here.vocabulary_size:,}"
        )
    truth, given = of.labels(release), predictions.table.drop_columns("y_pred")
    columns = [(name, "ascending") for name in truth.column_names]
    if given.sort_by(columns).equals(truth.sort_by(columns)):
        return
    keys = list(_KEYS[of.task])
    for verdict, left, right, on in (
        ("leaves out", truth, given, keys),
        ("makes up", given, truth, keys),
        ("gives another label than the release to", given, truth, truth.column_names),
    ):
        odd = left.join(right, on, join_type="left anti")
        if odd.num_rows:
            first = ", ".join(f"{name} {value}" for name, value in odd.select(keys).slice(0, 1).to_pylist()[0].items())
            raise PredictionsError(
                f"{path} {verdict} {odd.num_rows:,} of the {truth.num_rows:,} labels of split {of.split}: {first}"
            )
    raise PredictionsError(f"{path} has some of its {given.num_rows:,} rows twice")


def _read_about(path: Path, metadata: Mapping[bytes, bytes]) -> tuple[EvaluationSet, str]:
    """What a file is about, and what model it is of."""
    if _METADATA not in metadata:
        raise PredictionsError(f"{path} is no predictions file: `younger-hf evaluate RUN` writes one")
    try:
        said: Mapping[str, Any] = json.loads(metadata[_METADATA])
        of = EvaluationSet(**{field.name: said[field.name] for field in fields(EvaluationSet)})
        kinds: dict[str, Any] = {
            "revision": str | None,
            "protocol": str | None,
            "held_out": float | None,
            "seed": int | None,
            "vocabulary_size": int,
        }
        for name, value in said.items():
            if not isinstance(value, kinds.get(name, str)):
                raise ValueError(f"{name} is {value!r}")
        return of, said["model"]
    except (ValueError, TypeError, KeyError, UsageError) as error:
        raise PredictionsError(f"{path} does not say what it is about ({error})") from error

"""A contribution: one model that somebody proposes for the dataset, and the small Parquet file that holds it.

In go a model's provenance, its skeleton and the identities of that; out come bytes that depend on nothing else, and
the same from such a file, which anybody may have written. What is not in the file cannot be claimed: a contribution is
of the source `contributions`, so that it never passes for a model of another, and has no downloads, so that it does
not come before one.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.parquet as pq

from builders.model_ref import ModelRef
from younger_hf.errors import YoungerError
from younger_hf.foreign_parquet import ForeignParquetError, read_foreign
from younger_hf.parquet_files import first_line
from younger_hf.text import plain

if TYPE_CHECKING:
    from younger_hf.release import Release

FOLDER: Final = "contributions"
"""Where contributions lie in a repository, one file each."""

SOURCE: Final = "contributions"
"""The source of every contributed model."""

MOST_BYTES: Final = 16 << 20
"""Of a contribution's file, and of the skeleton in it: some 400,000 operators."""

_FEW_ROWS: Final = 100
_MOST_UNPACKED: Final = MOST_BYTES + (1 << 20)
_MOST_MEMORY: Final = 256 << 20  # bytes to unpack one with

_VERSION: Final = "1"
_PROVENANCE: Final = ("id", "revision", "component", "library", "task", "family", "license")
_NECESSARY: Final = ("fingerprint", "skeleton_fingerprint", "id", "license", "exporter")
_SCHEMA: Final = pa.schema(
    [
        *((name, pa.string()) for name in ("fingerprint", "skeleton_fingerprint", *_PROVENANCE, "exporter")),
        ("onnx", pa.binary()),
    ],
    metadata={"younger_contribution": _VERSION},
)
_TEXTS: Final = [name for name in _SCHEMA.names if name != "onnx"]

_FINGERPRINT: Final = re.compile(r"[0-9a-f]{32}")
# No white space, no @ of an e-mail address, no path that leads anywhere, nothing that a card or a terminal acts upon.
_NAME: Final = re.compile(r"\w[\w.+-]*(/\w[\w.+-]*)*", re.ASCII)
_LONGEST_NAME: Final = 200


class InvalidContributionError(YoungerError):
    """A file is no contribution that can be taken in; the message is the end of a sentence about it."""


@dataclass(frozen=True)
class Contribution:
    """A model, and what is known of it.

    Attributes:
        model: who it is; of `contributions`, whatever source it was converted from.
        exporter: what made its ONNX, in the words of who contributes it.
        fingerprint: of its graph.
        skeleton_fingerprint: of its skeleton.
        skeleton: the weightless ModelProto, serialised.
    """

    model: ModelRef
    exporter: str
    fingerprint: str
    skeleton_fingerprint: str
    skeleton: bytes

    @property
    def path(self) -> str:
        """Where it lies in a repository: the same for the same model with the same skeleton, made whenever."""
        return contribution_path(self.skeleton_fingerprint, self.model.id, self.model.revision, self.model.component)

    @property
    def texts(self) -> dict[str, str]:
        """All that the file says but the skeleton, by column."""
        identities = {"fingerprint": self.fingerprint, "skeleton_fingerprint": self.skeleton_fingerprint}
        return {**identities, **{name: getattr(self.model, name) for name in _PROVENANCE}, "exporter": self.exporter}

    def to_parquet(self) -> bytes:
        """The file.

        Raises:
            InvalidContributionError: the provenance is none that may be published, or the skeleton is too large.
        """
        _check_texts(self.texts)
        _check_size(len(self.skeleton))
        table = pa.Table.from_pylist([{**self.texts, "onnx": self.skeleton}], schema=_SCHEMA)
        sink = io.BytesIO()
        # Statistics would hold the skeleton twice more.
        pq.write_table(table, sink, compression="zstd", use_dictionary=False, write_statistics=False)
        return sink.getvalue()


def contributed(model: ModelRef) -> ModelRef:
    """The model as a contribution names it: its provenance, and nothing else that a source or a machine says of it.

    Raises:
        InvalidContributionError: the provenance is none that may be published.
    """
    provenance = {name: getattr(model, name) for name in _PROVENANCE}
    _check_texts(provenance)
    return ModelRef(SOURCE, origin="contributed", **provenance)


def contribution_path(skeleton_fingerprint: str, model_id: str, revision: str, component: str) -> str:
    """The path of a contribution in a repository."""
    named = blake2b("\0".join((model_id, revision, component)).encode(), digest_size=4).hexdigest()
    return f"{FOLDER}/{skeleton_fingerprint}-{named}.parquet"


def published_contributions(release: Release) -> frozenset[str]:
    """The paths, in a repository, of the contributions that a release has taken in."""
    columns = ["skeleton_fingerprint", "models"]
    parts = release.row_groups("skeletons", columns) if "skeletons" in release.configs else ()
    return frozenset(
        # The key of a row has a suffix where it is not exact.
        contribution_path(key.partition("-")[0], model["id"], model["revision"] or "", model["component"] or "")
        for _, part in parts
        for key, models in zip(*(part.column(name).to_pylist() for name in columns), strict=True)
        for model in models
        if model["source"] == SOURCE
    )


def read_contribution(file: Path) -> Contribution:
    """Read a file that anybody may have written, in a process with limits.

    Args:
        file: under the name that the contribution gives it.

    Raises:
        InvalidContributionError: it is no Parquet file of the one schema with one row, it is too large, a text in it
            may not be published, or its name is another's.
    """
    try:
        _check_size(file.stat().st_size)
        with file.open("rb") as source:
            table = read_foreign(source, most_rows=_FEW_ROWS, most_bytes=_MOST_UNPACKED, memory=_MOST_MEMORY)
    except (ForeignParquetError, OSError) as error:
        raise InvalidContributionError(f"is no readable Parquet file ({plain(first_line(error), 120)})") from error
    if not table.schema.equals(_SCHEMA) or table.schema.metadata != _SCHEMA.metadata:
        raise InvalidContributionError("has not the columns of a contribution, or another version of them")
    if table.num_rows != 1:
        raise InvalidContributionError("has not one row")
    row = table.to_pylist()[0]
    _check_texts({name: row[name] for name in _TEXTS})
    skeleton = row["onnx"] or b""
    _check_size(len(skeleton))
    model = ModelRef(SOURCE, origin="contributed", **{name: row[name] for name in _PROVENANCE})
    found = Contribution(model, row["exporter"], row["fingerprint"], row["skeleton_fingerprint"], skeleton)
    if PurePosixPath(found.path).name != file.name:
        raise InvalidContributionError("is not named as its content says")
    return found


def _check_size(size: int) -> None:
    if size > MOST_BYTES:
        raise InvalidContributionError(f"has {size:,} bytes, and at most {MOST_BYTES:,} are taken")


def _check_texts(texts: Mapping[str, object]) -> None:
    """Only names may be published: short, without white space, paths and addresses."""
    for name, value in texts.items():
        pattern = _FINGERPRINT if name.endswith("fingerprint") else _NAME
        named = isinstance(value, str) and len(value) <= _LONGEST_NAME and pattern.fullmatch(value)
        if not named and (value != "" or name in _NECESSARY):
            shown = plain(value) if isinstance(value, str) else ""
            raise InvalidContributionError(
                f"has the {name} {shown!r}, and that must be letters, digits and . _ + - with / between them"
            )

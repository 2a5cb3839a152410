"""`younger-hf inspect`: what the architectures in ONNX files are, and whether a release has them.

In go files and folders; out comes a table or a JSON object for one file, and one for each of several.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from younger_hf.errors import UsageError, YoungerError
from younger_hf.given_paths import check_file
from younger_hf.text import escaped
from younger_hf.work import WORK_LIMIT

if TYPE_CHECKING:
    from younger_hf.graph import OperatorGraph
    from younger_hf.release import Release

_LONGEST_LINE = 20_000
_TEXT = b"graph opset="
_RELATIVES = 3
_COLUMNS = ("exporter", "family", "fingerprint", "name", "normal_fingerprint", "minhash", "num_nodes", "sketch")


def inspect(
    models: Annotated[
        list[Path],
        typer.Argument(metavar="MODEL…", help="ONNX files, folders of them, and texts by show; weights are not read."),
    ],
    release: Annotated[str | None, typer.Option(help="A release directory or Hub repository to search.")] = None,
    embeddings: Annotated[
        Path | None,
        typer.Option(help="graph-embeddings.parquet from younger-hf embed; lists the nearest architectures."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; of several files a list.")] = False,
    work_limit: Annotated[
        int, typer.Option(min=1, help="Steps that reading a file may take; raise it for a file that needs more.")
    ] = WORK_LIMIT,
) -> None:
    """Identify ONNX files, and look them up in a release.

    A file that cannot be read is named on stderr, the others go on, and the command ends with 1.
    """
    files = list(dict.fromkeys(_files(models)))
    if embeddings is not None and not embeddings.is_file():
        raise UsageError(f"{embeddings} is not there: write it with younger-hf embed")
    several = len(files) > 1 or any(path.is_dir() for path in models)
    _start_quickly()
    opened = _open(release)
    found, failures = [], 0
    for file in _progress(files):
        try:
            facts = _facts(file, opened, work_limit)
            if embeddings is not None:
                from younger_hf.recipes.embedding_files import nearest

                facts["nearest"] = nearest(file, embeddings)
        except YoungerError as error:
            if not several:
                raise
            failures += 1
            typer.echo(escaped(f"younger-hf: {error}", _LONGEST_LINE), err=True)
            continue
        found.append({"file": str(file), **facts} if several else facts)
    if as_json:
        typer.echo(json.dumps(found if several else found[0], indent=2))
    else:
        typer.echo("\n\n".join(map(_table, found)))
    if failures:
        raise typer.Exit(1)


def _start_quickly() -> None:
    """Leave out what libraries prepare and nothing here needs: together, as long as all the rest takes."""
    # OpenBLAS's threads wait busily for work.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from younger_hf.compiled import leave_out_scipy

    leave_out_scipy()


def _files(models: Iterable[Path]) -> Iterator[Path]:
    """The files, and those in folders by name."""
    for path in models:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*.onnx") if file.is_file())
            if not inside:
                raise UsageError(f"there is no .onnx file in the folder {path}")
            yield from inside
        else:
            check_file(path)
            yield path


def _progress(files: list[Path]) -> Iterable[Path]:
    if len(files) == 1:
        return files
    from tqdm import tqdm

    return tqdm(files, desc="inspect", unit="file", disable=None)


def _open(release: str | None) -> Release | None:
    if release is None:
        return None
    from younger_hf.foreign_release import check_foreign_release
    from younger_hf.release import open_named

    opened = open_named(release)
    check_foreign_release(opened, {"graphs": _COLUMNS})
    return opened


def _facts(model: Path, release: Release | None, work_limit: int) -> dict[str, Any]:
    from younger_hf.extract import extract
    from younger_hf.identity import fingerprint, wl_hash

    is_text = _is_text(model)
    graph = _graph_of_text(model) if is_text else extract(model, work_limit=work_limit)
    facts: dict[str, Any] = {
        "fingerprint": fingerprint(graph),
        "type_fingerprint": fingerprint(graph, attributes=False),
        "wl_hash": wl_hash(graph),
        "num_nodes": graph.num_nodes,
        "num_edges": graph.num_edges,
        "num_parameters": graph.metadata.num_parameters,
        "opset": graph.metadata.opset,
        "operators": graph.operator_counts(),
        "in_release": None,
        "name": None,
    }
    if release is not None:
        rows = release.find("graphs", facts["fingerprint"], ["name"])
        facts |= {"in_release": bool(rows), "name": rows[0]["name"] if rows else None}
        if not rows and not is_text and "sketch" in release.columns("graphs"):
            facts |= _relatives(model, release)
    return facts


def _is_text(model: Path) -> bool:
    """Whether a file is what `younger-hf show` prints."""
    with model.open("rb") as file:
        return file.read(len(_TEXT)) == _TEXT


def _graph_of_text(model: Path) -> OperatorGraph:
    from younger_hf.interop.text_form import from_text

    try:
        return from_text(model.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise YoungerError(f"{model} is no text in UTF-8") from None


def _relatives(model: Path, release: Release) -> dict[str, Any]:
    """The rows that are the same network by another exporter and, if there are none, those that are nearest."""
    from younger_hf.foreign_release import check_foreign_release
    from younger_hf.identity import fingerprint
    from younger_hf.recognise.nearest import DIFFERENCE_COLUMNS, SketchIndex, differences_from, same_network
    from younger_hf.recognise.normal import normal_graph
    from younger_hf.recognise.sketch import minhash, sketch

    graph = normal_graph(model)
    normal = fingerprint(graph)
    same = [
        {name: row[name] for name in ("name", "fingerprint", "exporter", "num_nodes")}
        for row in same_network(release, normal)
    ]
    if same:
        return {"normal_fingerprint": normal, "same_network": same, "relatives": []}
    nearest = SketchIndex.of(release).nearest(sketch(graph), _RELATIVES, minhash(graph))
    check_foreign_release(release, {"architectures": DIFFERENCE_COLUMNS})
    differences = differences_from(release, nearest, graph)
    relatives = [
        {
            "name": row.name,
            "family": row.family,
            "fingerprint": row.fingerprint,
            "similarity": round(row.similarity, 4),
            "overlap": None if row.overlap is None else round(row.overlap, 4),
            "difference": difference,
        }
        for row, difference in zip(nearest, differences, strict=True)
    ]
    return {"normal_fingerprint": normal, "same_network": [], "relatives": relatives}


def _found_otherwise(facts: dict[str, Any]) -> str:
    same = facts.get("same_network")
    if not same:
        return "no, and no other export of it" if same == [] else "no row has this graph"
    first = same[0]
    others = f", and {len(same) - 1:,} more" if len(same) > 1 else ""
    return (
        f"the same network as {first['name']}, by another export "
        f"({first['exporter']}, {first['num_nodes']:,} nodes, {first['fingerprint']}{others})"
    )


def _likeness(relative: dict[str, Any]) -> float:
    """What relatives are ordered by: the share of neighbourhoods in common or, where it is not known, the cosine."""
    likeness: float = relative["similarity"] if relative["overlap"] is None else relative["overlap"]
    return likeness


def _table(facts: dict[str, Any]) -> str:
    found = {None: "", True: f"yes, as {facts['name']}", False: _found_otherwise(facts)}[facts["in_release"]]
    operators = "  ".join(f"{name}×{count}" for name, count in facts["operators"].items())
    lines = {
        **({"file": facts["file"]} if "file" in facts else {}),
        "fingerprint": facts["fingerprint"],
        "type_fingerprint": facts["type_fingerprint"],
        "wl_hash": facts["wl_hash"],
        "nodes": f"{facts['num_nodes']:,}",
        "edges": f"{facts['num_edges']:,}",
        "parameters": f"{facts['num_parameters']:,}",
        "opset": facts["opset"],
        "operators": operators,
        **({"in release": found} if found else {}),
        **{
            f"near {rank}": f"{each['name']} ({_likeness(each):.3f}): {each['difference']}"
            for rank, each in enumerate(facts.get("relatives", ()), 1)
        },
        **{
            f"nearest {rank}": f"{each['name']} ({each['family'] or 'no family'}, {each['similarity']:.3f})"
            for rank, each in enumerate(facts.get("nearest", ()), 1)
        },
    }
    width = max(map(len, lines))
    return "\n".join(escaped(f"{name:<{width}}  {value}", _LONGEST_LINE) for name, value in lines.items())

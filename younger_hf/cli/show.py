"""`younger-hf show`: an ONNX file, or a row of a release, as text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from younger_hf.choices import check_choice
from younger_hf.errors import UsageError
from younger_hf.given_paths import check_file

if TYPE_CHECKING:
    from younger_hf.release import Release

FINGERPRINT: Final = re.compile(r"[0-9a-f]{32}(-[0-9a-f]+)?")


def show(
    model: Annotated[str, typer.Argument(help="An ONNX file; or the name or the fingerprint of a row of the release.")],
    release: Annotated[str, typer.Option(help="The release of the row: a directory or Hub repository.")] = "younger",
    attributes: Annotated[bool, typer.Option(help="Write the attributes of operators.")] = True,
    shapes: Annotated[
        bool, typer.Option("--shapes", help="Write shapes, at example sizes where they are open.")
    ] = False,
) -> None:
    """Show an architecture as text, one line an operator.

    younger_hf.from_text and younger-hf inspect read it.
    """
    what = given_model(model, release)
    from younger_hf.interop.text_form import to_text

    typer.echo(to_text(what, attributes=attributes, shapes=shapes, source=release), nl=False)


def given_model(model: str, release: str) -> Any:
    """A file as it is given, or else the skeleton of the row with this fingerprint, or of the first with this name."""
    given = Path(model)
    if given.suffix == ".onnx" or given.exists():
        check_file(given)
        return model
    from younger_hf.interop.onnx import skeleton_row
    from younger_hf.release import open_named

    opened = open_named(release)
    if not FINGERPRINT.fullmatch(model):
        model = _fingerprint_of(model, opened)
    elif not opened.find("graphs", model, ()):
        raise UsageError(f"{release} has no architecture {model}")
    return skeleton_row({"fingerprint": model}, release)


def _fingerprint_of(name: str, release: Release) -> str:
    names: dict[str, str] = {}
    for _, rows in release.row_groups("graphs", ["name", "fingerprint"]):
        for row in rows.to_pylist():
            names.setdefault(row["name"], row["fingerprint"])
    check_choice("architecture", name, names)
    return names[name]

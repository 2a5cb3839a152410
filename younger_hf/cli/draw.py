"""`younger-hf draw`: a picture of an ONNX file, or of a row of a release."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from younger_hf.cli.show import FINGERPRINT
from younger_hf.errors import UsageError
from younger_hf.given_paths import check_file


def draw(
    model: Annotated[str, typer.Argument(help="An ONNX file, or the fingerprint of a row of the release.")],
    output: Annotated[Path | None, typer.Option(help="The file, .svg or .png. [default: NAME.svg]")] = None,
    release: Annotated[str, typer.Option(help="The release of the row: a directory or Hub repository.")] = "younger",
    full: Annotated[bool, typer.Option("--full", help="Draw every operator; do not fold what repeats.")] = False,
) -> None:
    """Draw an architecture, from input to output.

    What repeats is drawn once, and modules are framed where the release knows them.
    """
    if output is not None and output.suffix not in (".svg", ".png"):
        raise UsageError(f"a drawing is written as .svg or .png, not as {output.name}")
    is_row = FINGERPRINT.fullmatch(model) is not None and not Path(model).exists()
    if not is_row:
        check_file(Path(model))
    from younger_hf.interop.drawing import draw as run

    path = output or Path(f"{model if is_row else Path(model).stem}.svg")
    if is_row:
        from younger_hf.foreign_release import check_foreign_release
        from younger_hf.release import open_named

        opened = open_named(release)
        check_foreign_release(opened, dict.fromkeys(("graphs", "operators", "skeletons")))
        rows = opened.find("graphs", model, ("name", "node_variant", "edge_index", "edge_slot", "node_scope"))
        if not rows:
            raise UsageError(f"{release} has no architecture {model}")
        run(rows[0], path, collapse=not full, source=release)
    else:
        run(model, path, collapse=not full)
    typer.echo(f"wrote {path}")

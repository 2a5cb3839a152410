"""`younger-hf explore`: a release in a browser."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from younger_hf.errors import MissingExtraError

if TYPE_CHECKING:
    from younger_hf.explore.login import Contributing, Proposed
    from younger_hf.release import Release


def explore(
    release: Annotated[str, typer.Argument(help="A release directory or Hub repository.")] = "younger",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to serve at; 0 takes a free one.")] = 7860,
    share: Annotated[
        bool, typer.Option("--share/--no-share", help="Let other machines open it; without, only this one can.")
    ] = False,
    run: Annotated[
        Path | None,
        typer.Option(help="A run of operator or pretrain, which suggests operators. Default: the release's encoder."),
    ] = None,
    embeddings: Annotated[
        Path | None,
        typer.Option(help="graph-embeddings.parquet from younger-hf embed. Default: what the release's encoder makes."),
    ] = None,
    behind_proxy: Annotated[
        bool,
        typer.Option("--behind-proxy", help="A proxy stands before it and adds to X-Forwarded-For, as on a Space."),
    ] = False,
) -> None:
    """Explore a release in a browser.

    Browse and search it, draw and compare architectures, and look a model of your own up.
    """
    try:
        from younger_hf.explore.learned import check_embeddings, check_run
        from younger_hf.explore.server import listen, make_app, serve
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "explore") from error
    from builders.handed_in import HandedIn
    from younger_hf.release import open_named

    if run is not None:
        check_run(run)
    opened_release = open_named(release)
    embedded = None if embeddings is None else check_embeddings(embeddings, opened_release)
    # 0.0.0.0 is what --share asks for.
    with listen("0.0.0.0" if share else "127.0.0.1", port) as opened, HandedIn() as reader:  # noqa: S104
        app = make_app(
            opened_release,
            reader,
            shared=share,
            behind_proxy=behind_proxy,
            run=run,
            embeddings=embeddings,
            contributing=_contributing(opened_release),
        )
        rows = len(app.state.explorer.catalogue)
        if embedded is not None and embedded < rows:
            typer.echo(
                f"{embeddings} has vectors of {embedded:,} of the {rows:,} architectures: others are never found near",
                err=True,
            )
        typer.echo(f"open http://localhost:{opened.getsockname()[1]} (Ctrl-C ends it)")
        serve(app, opened)


def _contributing(release: Release) -> Contributing | None:
    """How visitors of a Space contribute to the repository that it shows; None elsewhere."""
    from younger_hf.explore.login import Contributing, Provider

    provider = Provider.of_space(os.environ)
    if provider is None or isinstance(release.source, Path):
        return None
    return Contributing(provider, partial(contribute_to, release.source))


def contribute_to(repo_id: str, skeleton: bytes, said: Mapping[str, str], token: str) -> Proposed:
    """What a page of the explorer does for who is logged in."""
    from builders.contribute import Provenance, contribute_skeleton

    return contribute_skeleton(skeleton, repo_id, Provenance(**said), token)

"""PyTorch Hub: torchvision's registry, and repositories with a `hubconf.py` that the user names at a commit.

`pytorch-hub` is what the source `torchvision` has, row for row. `pytorch-hub:OWNER/REPOSITORY@COMMIT` gives every
entry point that the text of the repository's `hubconf.py` shows, and `…@COMMIT/ENTRY` the one of that name. Nothing of
a repository is run here; converting runs its code, in the child that has no network, and only what was named.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from builders.crawl import torchvision
from builders.crawl.source import Page, Query, Source
from builders.model_ref import ModelRef
from younger_hf.errors import UsageError, YoungerError

GITHUB: Final = "https://github.com"
MAX_HUBCONF: Final = 1 << 20  # bytes

_TERM: Final = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)@(?P<commit>[0-9a-f]{40})(?:/(?P<entry>[A-Za-z]\w*))?")


def pages(query: Query) -> Iterator[Page]:
    """The models of torchvision, or the entry points of the repositories that are named; a page for each.

    Raises:
        UsageError: a term names no repository at a whole commit, or one without a readable entry point.
        YoungerError: its `hubconf.py` cannot be had.
        MissingExtraError: torchvision is wanted and not installed.
    """
    if not query.terms:
        yield from torchvision.SOURCE.pages(query)
        return
    named = [(term, _TERM.fullmatch(term)) for term in query.terms]
    for term, match in named:
        if match is None:
            raise UsageError(
                f"{query.source} does not take {term!r}: since code is run, name a repository at a whole commit, "
                "OWNER/REPOSITORY@40 hexadecimal digits, and if you like one entry point after a slash"
            )
    for _, match in named:
        if match is not None:
            repository, commit, entry = match.group("repository", "commit", "entry")
            entries = (entry,) if entry else _entry_points(repository, commit)
            yield Page(tuple(_reference(query.source, repository, commit, name) for name in entries))


class _GitHubFiles:
    """The files of a repository at a commit; "" is an archive of all of them."""

    def address(self, model: ModelRef, path: str) -> str:
        repository = model.id.rpartition("/")[0]
        if path:
            return _raw(repository, model.revision, path)
        return f"{GITHUB}/{repository}/archive/{model.revision}.tar.gz"

    def download(self, model: ModelRef, path: str, directory: Path, limit: int) -> Path:
        from builders.crawl.download import download

        return download(self.address(model, path), directory / (path or "repository.tar.gz"), limit)


SOURCE: Final = Source(pages, "OWNER/REPOSITORY@COMMIT,OWNER/REPOSITORY@COMMIT/ENTRY", files=_GitHubFiles())


def _raw(repository: str, commit: str, path: str) -> str:
    return f"{GITHUB}/{repository}/raw/{commit}/{path}"


def _reference(source: str, repository: str, commit: str, entry: str) -> ModelRef:
    return ModelRef(source=source, id=f"{repository}/{entry}", revision=commit, library="pytorch-hub", family=entry)


def _entry_points(repository: str, commit: str) -> tuple[str, ...]:
    """The names that `hubconf.py` defines or imports as functions, sorted, as far as its text shows them."""
    from younger_hf.extract.ranges import RangedFile

    with RangedFile(_raw(repository, commit, "hubconf.py")) as file:
        source = file.read(0, MAX_HUBCONF)[:MAX_HUBCONF]
    try:
        statements = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError) as error:
        raise YoungerError(f"hubconf.py of {repository}@{commit} is not Python that can be read: {error}") from error
    names = {statement.name for statement in statements if isinstance(statement, ast.FunctionDef)}
    for statement in statements:
        if isinstance(statement, ast.ImportFrom) and _may_have_models(statement):
            names |= {alias.asname or alias.name for alias in statement.names}
    # PyTorch Hub's rule is: what can be called and has no underscore before it. Classes are no models yet.
    found = tuple(sorted(name for name in names if name[0].islower()))
    if not found:
        raise UsageError(
            f"hubconf.py of {repository} shows no entry point by its text: name one, {repository}@{commit}/ENTRY"
        )
    return found


def _may_have_models(statement: ast.ImportFrom) -> bool:
    package = (statement.module or "").partition(".")[0]
    return statement.level > 0 or package not in {"torch", "typing_extensions", *sys.stdlib_module_names}

"""What a source is: `Source`, which is asked with a `Query` and answers in `Page`s.

A hub yields pages of models as its listing goes on; `registry` makes a source of a function that knows them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

from builders.crawl.files import Files
from builders.model_ref import ModelRef
from younger_hf.choices import check_choice
from younger_hf.errors import YoungerError

Listed = TypeVar("Listed")

_MOST_EMPTY_PAGES: Final = 10
"""Pages of a hub's listing that may be empty one after the other: filters leave nothing of a page, not of so many."""


@dataclass(frozen=True)
class Query:
    """What is wanted of a source.

    Attributes:
        source: its name.
        selection: what follows the colon; "" for all that it has.
        cursor: where to go on, as a page said; "" to begin.
        has_config: whether the configuration of this id and revision is on record already, and need not be fetched.
        directory: where the source may keep files for good, made if need be; None where there is no such place.
    """

    source: str
    selection: str = ""
    cursor: str = ""
    has_config: Callable[[str, str], bool] = lambda *_: False
    directory: Path | None = None

    @property
    def terms(self) -> tuple[str, ...]:
        """The selection's parts, as commas part them."""
        return tuple(term for part in self.selection.split(",") if (term := part.strip()))


@dataclass(frozen=True)
class Page:
    """Some models of a source.

    Attributes:
        models: in the source's own order.
        cursor: where the next page begins; "" where there is none.
    """

    models: tuple[ModelRef, ...]
    cursor: str = ""


@dataclass(frozen=True)
class Source:
    """A hub, a registry, or another place that lists models.

    Attributes:
        pages: the models that are selected, page by page. It raises UsageError for a selection that makes no sense,
            MissingExtraError without a package that it needs, and YoungerError if a hub does not answer.
        selection: how what follows the colon is written, for people; "" where nothing may follow.
        files: how the models' files are had; None where they are on this machine, or made from a library.
        converter: what converts its models, whatever library they are of; "" leaves it to the library.
        is_registry: whether its one page is made from what is installed, at once.
    """

    pages: Callable[[Query], Iterable[Page]]
    selection: str = "MODEL,MODEL"
    files: Files | None = None
    converter: str = ""
    is_registry: bool = False


def until_empty(pages: Iterable[tuple[Sequence[Listed], str]], whose: str) -> Iterator[tuple[Sequence[Listed], str]]:
    """The pages of a hub's listing, each with the cursor behind it, as long as they are not empty one after the other.

    Raises:
        YoungerError: more than 10 in a row are; the message names whose listing it is.
    """
    empty = 0
    for listed, cursor in pages:
        empty = 0 if listed else empty + 1
        if empty > _MOST_EMPTY_PAGES:
            raise YoungerError(f"{whose} listing of models does not end: {empty} pages in a row are empty")
        yield listed, cursor


def registry(models: Callable[[], Iterable[ModelRef]], *, converter: str = "", license: str = "") -> Source:  # noqa: A002
    """A source of all the models that a function gives: one page, or the named ones of it.

    `license` is the package's, in the Hub's words: it is that of the code that defines the architectures, and is given
    to all of them that have none of their own.

    A name is a model's id or `id/component`. The id alone means the whole model, and all components of one that is
    listed by its components only.
    """

    def pages(query: Query) -> Iterator[Page]:
        listed = tuple(model if model.license else replace(model, license=license) for model in models())
        by_name: dict[str, list[ModelRef]] = {}
        whole = {model.id for model in listed if not model.component}
        for model in listed:
            if not model.component or model.id not in whole:
                by_name.setdefault(model.id, []).append(model)
            if model.component:
                by_name.setdefault(f"{model.id}/{model.component}", []).append(model)
        for name in query.terms:
            check_choice(f"model of {query.source}", name, by_name)
        chosen = (model for name in query.terms for model in by_name[name])
        yield Page(tuple(dict.fromkeys(chosen)) if query.terms else listed)

    return Source(pages, "MODEL,MODEL/COMPONENT", converter=converter, is_registry=True)

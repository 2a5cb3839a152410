"""The Hugging Face Hub: what its API says of every model, and the configurations; nothing else is fetched.

In: `huggingface`, for every repository of the libraries that something here converts and every one with ONNX files; or
`huggingface:TERM,TERM`, where a term is a repository (`org/name`), a filter (`task=fill-mask`, `library=timm`,
`author=`, `license=`, `search=`, `tag=`), or a tag by itself; the filters hold together. Out: a page of `ModelRef` for
each page of the Hub's listings, most downloaded first, so that a limited crawl has the models that are used. One whose
downloads change meanwhile may come twice, or only in the next crawl.

The listings stand in a fixed order, and a repository belongs to the first that has it. The cursor is the name of a
listing and the Hub's own cursor in it. Configurations are read at the commit that the listing names.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, Final

from huggingface_hub import HfApi, get_token, hf_hub_download, hf_hub_url
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

from builders.crawl.files import check_size
from builders.crawl.hub_client import HubClient, HubRefusedError
from builders.crawl.hub_repository import EXPAND, LIBRARIES, ModelRepository, parse
from builders.crawl.source import Page, Query, Source, until_empty
from builders.model_ref import ModelRef
from younger_hf.errors import UsageError, YoungerError
from younger_hf.unreachable import UNREACHABLE

PAGE_SIZE: Final = 100  # repositories
MAX_CONFIG: Final = 1 << 20  # bytes
THREADS: Final = 8

# What the API calls a filter, and what it puts before the value.
_FILTERS: Final = {
    "author": ("author", ""),
    "library": ("filter", ""),
    "license": ("filter", "license:"),
    "search": ("search", ""),
    "tag": ("filter", ""),
    "task": ("pipeline_tag", ""),
}


@dataclass(frozen=True)
class Listing:
    """One of the lists that a crawl goes through.

    Attributes:
        name: in cursors; of a single repository its id.
        filters: what the API is asked for; None for a single repository.
    """

    name: str
    filters: Mapping[str, list[str]] | None


def pages(query: Query) -> Iterator[Page]:
    """The models that are selected, or all that can be converted, page by page.

    Raises:
        UsageError: a term that is none, or a repository that the Hub does not have.
        YoungerError: the Hub does not answer, or its pages go round in circles or are empty; what came
            before stands.
    """
    yield from crawl(query, _listings(query))


class _HubFiles:
    """The files of a model repository, asked for without the user's token: what goes into a release all can have."""

    def address(self, model: ModelRef, path: str) -> str:
        return hf_hub_url(model.id, path, revision=model.revision or None, endpoint=_endpoint())

    def download(self, model: ModelRef, path: str, directory: Path, limit: int) -> Path:
        endpoint, revision = _endpoint(), model.revision or None
        with _refusals():
            info = HfApi(endpoint, token=False).model_info(model.id, revision=revision, files_metadata=True)
            check_size(model, path, {file.rfilename: file.size or 0 for file in info.siblings or ()}, limit)
            return Path(
                hf_hub_download(model.id, path, revision=revision, local_dir=directory, token=False, endpoint=endpoint)
            )


FILES: Final = _HubFiles()
SOURCE: Final = Source(
    pages,
    "ORG/NAME,task=NAME,library=NAME,author=NAME,license=NAME,search=WORDS,TAG",
    files=FILES,
)


def _endpoint() -> str | None:
    """Where the Hub is; None where it always is."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or None


@contextmanager
def _refusals() -> Iterator[None]:
    """Say of what huggingface_hub raises why there is no file."""
    from younger_hf.extract.ranges import RemoteError

    try:
        yield
    except GatedRepoError as error:
        raise RemoteError("its files are only given to those who ask its owner", "gated") from error
    except LocalEntryNotFoundError as error:  # an EntryNotFoundError, but it is the network that failed
        raise RemoteError(f"the hub failed: {error}") from error
    except (EntryNotFoundError, RepositoryNotFoundError) as error:
        raise RemoteError("there is no such file, or a private one", "not_found") from error
    except UNREACHABLE as error:
        raise RemoteError(f"the hub failed: {error}") from error


def crawl(query: Query, listings: list[Listing]) -> Iterator[Page]:
    """The models in some listings of the Hub, from the query's cursor on.

    Raises:
        YoungerError: as `pages`.
    """
    names = [listing.name for listing in listings]
    first, after = _parse_cursor(query, names)
    with HubClient() as hub, _pool() as pool:
        for i in range(first, len(listings)):
            following = _cursor(names[i + 1]) if i + 1 < len(names) else ""
            for entries, cursor in until_empty(_pages(hub, listings[i], after if i == first else ""), "the Hub's"):
                today = datetime.now(timezone.utc).date().isoformat()
                repositories = [
                    repository
                    for entry in entries
                    if (repository := parse(entry, query.source, today))
                    and not any(repository.listed_under(earlier) for earlier in names[:i])
                ]
                # Asked here, since a ledger answers only the thread that opened it.
                has_config = [query.has_config(found.model.id, found.model.revision) for found in repositories]
                # A task for a run of them, since most of a later crawl ask for nothing.
                pairs, length = list(zip(repositories, has_config, strict=True)), -(-PAGE_SIZE // THREADS)
                tasks = [pairs[at : at + length] for at in range(0, len(pairs), length)]
                page = tuple(model for models in pool.map(partial(_models_of, hub), tasks) for model in models)
                yield Page(page, _cursor(names[i], cursor) if cursor else following)


@contextmanager
def _pool() -> Iterator[ThreadPoolExecutor]:
    """Threads that begin nothing more once one has failed."""
    pool = ThreadPoolExecutor(THREADS)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _listings(query: Query) -> list[Listing]:
    """What the terms of a query ask for."""
    if not query.terms:
        return [Listing(tag, {"filter": [tag]}) for tag in (*LIBRARIES, "onnx")]
    repositories: list[Listing] = []
    filters: dict[str, list[str]] = {}
    for term in dict.fromkeys(query.terms):
        key, equals, value = term.partition("=")
        if not equals and "/" in term:
            repositories.append(Listing(_checked(query, term), None))
        elif not equals:
            filters.setdefault("filter", []).append(term)
        elif key in _FILTERS and value:
            parameter, prefix = _FILTERS[key]
            filters.setdefault(parameter, []).append(prefix + value)
        else:
            known = ", ".join(f"{name}=…" for name in _FILTERS)
            raise UsageError(f"{query.source} does not know {term!r}: it takes org/name, a tag, or {known}")
    return [*repositories, *([Listing("", filters)] if filters else [])]


def _checked(query: Query, name: str) -> str:
    try:
        validate_repo_id(name)
    except HFValidationError:
        raise UsageError(f"{query.source} cannot have a repository {name!r}: a name is org/name") from None
    return name


def _pages(hub: HubClient, listing: Listing, cursor: str) -> Iterator[tuple[list[Any], str]]:
    """(entries, the Hub's cursor of the page after) for each page of a listing from `cursor` on."""
    if listing.filters is None:
        try:
            yield [hub.model(listing.name, {"expand": EXPAND})], ""
        except HubRefusedError as error:
            raise UsageError(f"the Hub has no model {listing.name}, or not for this user") from error
        return
    parameters = {**listing.filters, "expand": EXPAND, "limit": str(PAGE_SIZE), "sort": "downloads"}
    seen = {cursor}
    while True:
        page = hub.models({**parameters, "cursor": cursor} if cursor else parameters)
        if page.cursor in seen - {""}:
            raise YoungerError("the Hub's listing of models does not end: a page leads back to one before it")
        yield page.entries, page.cursor
        cursor = page.cursor
        if not cursor:
            return
        seen.add(cursor)


def _models_of(hub: HubClient, repositories: Iterable[tuple[ModelRepository, bool]]) -> list[ModelRef]:
    return [model for repository, has_config in repositories for model in _models(hub, repository, has_config)]


def _models(hub: HubClient, repository: ModelRepository, has_config: bool) -> list[ModelRef]:
    """Everything in a repository that can be converted; its configurations are read unless they are on record."""
    name, revision, gated = repository.model.id, repository.model.revision, repository.model.gated
    may_read = not gated or get_token() is not None

    def read(path: str) -> str:
        nonlocal gated
        if not may_read:
            return ""
        try:
            content = hub.file(name, revision, path, MAX_CONFIG).decode()
            return content if isinstance(json.loads(content), dict) else ""
        except HubRefusedError as error:  # gone or hidden since it was listed, too large, or not for this user
            gated |= error.code == "GatedRepo"
        except (ValueError, RecursionError):
            pass
        return ""

    found = list(repository.models((lambda _: "") if has_config else read, read))
    return [replace(model, gated=gated) for model in found] if gated != repository.model.gated else found


def _cursor(listing: str, cursor: str = "") -> str:
    return json.dumps([listing, cursor])


def _parse_cursor(query: Query, names: Iterable[str]) -> tuple[int, str]:
    """The number of the listing where a crawl goes on, and the Hub's cursor in it."""
    if not query.cursor:
        return 0, ""
    try:
        listing, cursor = json.loads(query.cursor)
        return list(names).index(listing), str(cursor)
    except (ValueError, TypeError):
        raise YoungerError(f"no crawl of {query.source} left the cursor {query.cursor!r}: crawl it anew") from None

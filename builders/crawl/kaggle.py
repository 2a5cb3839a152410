"""Kaggle Models: what its listing says of every model, and the names and sizes of files; no file is fetched.

In: models by name (`kaggle:OWNER/MODEL,OWNER/MODEL`) or filters of the listing (`kaggle:owner=NAME,search=WORDS`), and
`framework=tfLite` with either. Out: a page of `ModelRef` for each page of the listing, whose token is the cursor.

A Kaggle model has instances, one for each framework and variation, and an instance has files. Each file, or directory
of a SavedModel, that can be converted is a model of its own; an instance without any is one that nothing converts.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builders.crawl.files import check_size
from builders.crawl.source import Page, Query, Source, until_empty
from builders.model_ref import ModelRef
from younger_hf.errors import MissingExtraError, UsageError, YoungerError

if TYPE_CHECKING:
    from kagglesdk.datasets.types.dataset_api_service import ApiCategory
    from kagglesdk.models.services.model_api_service import ModelApiClient
    from kagglesdk.models.types.model_api_service import ApiModel

_FILTERS: Final = ("owner", "search", "framework")

# The Hub's name of a task where Kaggle has another.
_TASKS: Final = {
    "audio-event-classification": "audio-classification",
    "image-feature-vector": "image-feature-extraction",
    "image-object-detection": "object-detection",
    "image-super-resolution": "image-to-image",
    "pose-detection": "keypoint-detection",
    "text-embedding": "feature-extraction",
}
_LICENSES: Final = {"cc0:-public-domain": "cc0-1.0", "gpl-2": "gpl-2.0", "gpl-3": "gpl-3.0"}


def pages(query: Query) -> Iterator[Page]:
    """The models that are selected, or all that Kaggle lists, page by page.

    Raises:
        UsageError: the selection is neither names nor filters, or names what Kaggle does not have.
        MissingExtraError: Kaggle's client is not installed.
        YoungerError: Kaggle does not answer, or gives the same page over and over.
    """
    if find_spec("kagglesdk") is None:
        raise MissingExtraError("kagglesdk", "kaggle")
    from builders.crawl import kaggle_client

    names, filters = _selection(query)
    framework = filters.pop("framework", "").lower()
    with kaggle_client.connection() as client:
        if names:
            try:
                named = [kaggle_client.get_model(client, name) for name in names]
            except kaggle_client.KaggleRefusedError as error:
                raise UsageError(str(error)) from error
            yield Page(tuple(_convertible(client, named, query.source, framework)))
        else:
            for listed, cursor in until_empty(_listing(client, filters, query.cursor), "Kaggle's"):
                yield Page(tuple(_convertible(client, listed, query.source, framework)), cursor)


class _KaggleFiles:
    """The files of one version of an instance, which is what the id and the revision of a model name."""

    def address(self, model: ModelRef, path: str) -> str:
        from builders.crawl import kaggle_client

        with _refusals(), kaggle_client.connection() as client:
            return kaggle_client.locate(client, model.id, model.revision, path)

    def download(self, model: ModelRef, path: str, directory: Path, limit: int) -> Path:
        import kagglehub

        from builders.crawl import kaggle_client

        with _refusals():
            with kaggle_client.connection() as client:
                sizes = kaggle_client.list_files(client, model.id, model.revision)
            check_size(model, path, sizes, limit)
            return Path(kagglehub.model_download(f"{model.id}/{model.revision}", path=path, output_dir=str(directory)))


SOURCE: Final = Source(pages, "OWNER/MODEL,owner=NAME,search=WORDS,framework=NAME", files=_KaggleFiles())


@contextmanager
def _refusals() -> Iterator[None]:
    """Say of what Kaggle's clients raise why there is no file."""
    import requests

    from builders.crawl.kaggle_client import KaggleRefusedError
    from younger_hf.extract.ranges import RemoteError

    try:
        yield
    except RemoteError:
        raise
    except KaggleRefusedError as error:
        raise RemoteError(str(error), "not_found" if error.status == 404 else "gated") from error
    except (YoungerError, requests.RequestException) as error:
        raise RemoteError(f"the hub failed: {error}") from error


def _selection(query: Query) -> tuple[list[str], dict[str, str]]:
    """The names of models, and the filters by name."""
    names, filters = [], {}
    for term in query.terms:
        key, equals, value = term.partition("=")
        if equals and key in _FILTERS and value:
            filters[key] = value
        elif re.fullmatch(r"[\w.-]+/[\w.-]+", term):
            names.append(term)
        else:
            known = ", ".join(f"{name}=…" for name in _FILTERS)
            raise UsageError(f"{query.source} does not know {term!r}: it takes OWNER/MODEL or {known}")
    if names and filters.keys() - {"framework"}:
        raise UsageError(f"{query.source} takes names of models or filters of its listing, not both")
    return list(dict.fromkeys(names)), filters


def _listing(client: ModelApiClient, filters: Mapping[str, str], cursor: str) -> Iterator[tuple[list[ApiModel], str]]:
    """(models, token of the page after) for each page of the listing from `cursor` on."""
    from builders.crawl import kaggle_client

    cursors, listed = {cursor}, set[str]()
    while True:
        page = kaggle_client.list_page(client, cursor, filters.get("owner"), filters.get("search"))
        cursor = page.next_page_token
        refs = {model.ref for model in page.models}
        if cursor in cursors - {""} or (cursor and refs and refs <= listed):
            raise YoungerError("Kaggle's listing of models does not end: it gives the same page again")
        yield page.models, cursor
        if not cursor:
            return
        cursors.add(cursor)
        listed |= refs


def _convertible(client: ModelApiClient, found: Iterable[ApiModel], source: str, framework: str) -> Iterator[ModelRef]:
    """Everything in the instances of some models, of one framework or all."""
    from builders.crawl.kaggle_client import KaggleRefusedError, framework_slug, list_files

    today = datetime.now(timezone.utc).date().isoformat()
    for model in found:
        for instance in model.instances:
            slug = framework_slug(instance.framework)
            if framework not in ("", slug.lower()):
                continue
            whole = ModelRef(
                source=source,
                id=f"{model.ref}/{slug}/{instance.slug}",
                revision=str(instance.version_number),
                library=slug.lower(),
                task=_task(model.tags),
                license=_license(instance.license_name),
                tags=tuple(tag.name for tag in model.tags if tag.name),
                likes=model.vote_count,
                size=int(instance.total_uncompressed_bytes) or None,
                retrieved=today,
            )
            try:
                files = list_files(client, whole.id, whole.revision)
            except KaggleRefusedError as error:
                yield replace(whole, gated=error.status != 404)
            else:
                yield from _components(whole, files) or [whole]


def _components(instance: ModelRef, files: Mapping[str, int]) -> list[ModelRef]:
    """What can be converted among an instance's files, given their sizes; in the order of their paths."""
    found = []
    for path, size in sorted(files.items()):
        directory, name = posixpath.split(path.lower())
        suffix = posixpath.splitext(name)[1]
        if name == "saved_model.pb":
            found.append(replace(instance, component=path[: len(directory)], library="tensorflow"))
        elif suffix == ".keras" or (suffix in (".h5", ".hdf5") and not name.endswith(f".weights{suffix}")):
            found.append(replace(instance, component=path, library="keras", size=size))
        elif suffix in (".tflite", ".onnx"):
            found.append(replace(instance, component=path, library=suffix[1:], size=size))
    return found


def _task(tags: Iterable[ApiCategory]) -> str:
    """The Hub's name of the first task among the tags, "" without one."""
    for tag in tags:
        kind, _, name = (tag.full_path or "").partition(" > ")
        if kind == "task" and name:
            task = name.rpartition(" > ")[2].strip().lower().replace(" ", "-")
            return _TASKS.get(task, task)
    return ""


def _license(name: str) -> str:
    """The Hub's identifier of a license by Kaggle's name: `Apache 2.0` is `apache-2.0`."""
    identifier = "-".join(name.lower().split())
    return _LICENSES.get(identifier, identifier)

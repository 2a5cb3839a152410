"""Kaggle's own client, made patient, and its answers and refusals as this project names them.

The client by itself waits for ever and gives up at the first refusal. Here a call takes at most `TIMEOUT` without a
byte, and one that is refused for now (429 and 5xx) is made again, when Kaggle says or after a growing pause. The client
finds a user's credentials as Kaggle documents it: KAGGLE_API_TOKEN, or KAGGLE_USERNAME and KAGGLE_KEY, or `~/.kaggle`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import requests
from kagglesdk.kaggle_client import KaggleClient
from kagglesdk.models.services.model_api_service import ModelApiClient
from kagglesdk.models.types.model_api_service import (
    ApiDownloadModelInstanceVersionRequest,
    ApiGetModelRequest,
    ApiListModelInstanceVersionFilesRequest,
    ApiListModelsRequest,
    ApiListModelsResponse,
    ApiModel,
)
from kagglesdk.models.types.model_enums import ModelFramework
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from younger_hf.errors import YoungerError

PAGE_SIZE: Final = 100  # models, or files
MAX_FILES: Final = 10_000  # of one instance; those after are not looked at
TIMEOUT: Final = 60.0  # seconds
RETRIES: Final = 6
BACKOFF: Final = 1.0  # seconds before the second try, and twice as many before each after it

_Request = TypeVar("_Request")
_Answer = TypeVar("_Answer")


class KaggleRefusedError(YoungerError):
    """Kaggle has no such thing (`status` 404), or does not give it to this user (401, 403)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@contextmanager
def connection() -> Iterator[ModelApiClient]:
    """Kaggle's client of models, which waits and tries again."""
    retry = Retry(
        total=RETRIES,
        status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=None,  # every call is a POST, and only asks
        backoff_factor=BACKOFF / 2,
        raise_on_status=False,
    )
    with KaggleClient(username=os.environ.get("KAGGLE_USERNAME"), password=os.environ.get("KAGGLE_KEY")) as client:
        session = client.http_client()._session
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Punctual(max_retries=retry))
        yield client.models.model_api_client


class _Punctual(HTTPAdapter):
    """Connections that do not wait for ever."""

    def send(self, *arguments: Any, **options: Any) -> requests.Response:
        return super().send(*arguments, **{**options, "timeout": TIMEOUT})


def list_page(client: ModelApiClient, cursor: str, owner: str | None, search: str | None) -> ApiListModelsResponse:
    """One page of the listing: `models` and `next_page_token`.

    Raises:
        YoungerError: Kaggle does not give it.
    """
    request = ApiListModelsRequest()
    request.page_size = PAGE_SIZE
    request.page_token = cursor or None
    request.owner, request.search = owner, search
    return _ask(client.list_models, request, "its listing of models")


def get_model(client: ModelApiClient, name: str) -> ApiModel:
    """The model `OWNER/MODEL` with its instances.

    Raises:
        KaggleRefusedError: there is no such model, or not for this user.
        YoungerError: Kaggle does not answer.
    """
    request = ApiGetModelRequest()
    request.owner_slug, request.model_slug = name.split("/")
    return _ask(client.get_model, request, f"the model {name}")


def list_files(client: ModelApiClient, instance: str, version: str) -> dict[str, int]:
    """Bytes by path of every file of one version of the instance `OWNER/MODEL/FRAMEWORK/INSTANCE`.

    Raises:
        KaggleRefusedError: there is no such version, or not for this user.
        YoungerError: Kaggle does not answer.
    """
    request = ApiListModelInstanceVersionFilesRequest()
    _name_instance(request, instance, version)
    request.page_size = PAGE_SIZE
    files: dict[str, int] = {}
    while True:
        answer = _ask(client.list_model_instance_version_files, request, f"the files of {instance}")
        known = len(files)
        files |= {file.name: int(file.size) for file in answer.files}
        request.page_token = answer.next_page_token
        if not request.page_token or len(files) == known or len(files) > MAX_FILES:
            return files


def locate(client: ModelApiClient, instance: str, version: str, path: str) -> str:
    """The address at which Kaggle's storage has a file's bytes, good for a while and for requests of ranges.

    Raises:
        KaggleRefusedError: there is no such file, or not for this user.
        YoungerError: Kaggle does not answer.
    """
    request = ApiDownloadModelInstanceVersionRequest()
    _name_instance(request, instance, version)
    request.path = path
    with _ask(client.download_model_instance_version, request, f"{path} of {instance}") as response:
        return str(response.url)


def framework_slug(framework: ModelFramework) -> str:
    """A framework as Kaggle's addresses write it: `tensorFlow2`, `tfLite`, `keras`."""
    first, *others = framework.name.removeprefix("MODEL_FRAMEWORK_").lower().split("_")
    return str(first + "".join(word.capitalize() for word in others))


def _name_instance(request: Any, instance: str, version: str) -> None:
    """Set the fields that name a version of an instance."""
    request.owner_slug, request.model_slug, framework, request.instance_slug = instance.split("/")
    request.framework = next(known for known in ModelFramework if framework_slug(known) == framework)
    request.version_number = int(version)


def _ask(call: Callable[[_Request], _Answer], request: _Request, what: str) -> _Answer:
    """Kaggle's answer; each way that it fails in one sentence."""
    try:
        return call(request)
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        if status == 404:
            raise KaggleRefusedError(status, f"Kaggle does not have {what}") from error
        if status in (401, 403):
            raise KaggleRefusedError(
                status, f"Kaggle does not give {what} to everyone: set KAGGLE_API_TOKEN to an account's token"
            ) from error
        if status == 429:
            raise YoungerError(f"Kaggle wants fewer requests and does not give {what} now: go on later") from error
        raise YoungerError(f"Kaggle cannot give {what}: it answers with status {status}; try again later") from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise YoungerError(
            f"this kagglesdk cannot read what Kaggle answers for {what} ({type(error).__name__}: {error}): "
            "is there a newer one?"
        ) from error
    except requests.RequestException as error:
        raise YoungerError(f"Kaggle does not answer when asked for {what}: is there a network?") from error

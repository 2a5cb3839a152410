"""A dataset repository on the Hub as it is now: its newest commit, the files of that, its tags.

In goes the id of a repository; out comes a `DatasetRepository`, or None. What the Hub refuses is said in one sentence.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, cast

from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import (
    HFValidationError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

from builders.removals import REMOVALS, Removals
from younger_hf.errors import ReleaseError, UsageError, YoungerError
from younger_hf.parquet_files import first_line
from younger_hf.unreachable import UNREACHABLE

REPO_TYPE: Final = "dataset"


MOST_FILES: Final = 100_000
"""Of a repository, contributions that wait included."""

_NONSENSE: Final = "the Hub's answer about {repo_id} makes no sense ({reason})"
_REFUSALS: Final[Mapping[int | None, str]] = {
    401: "the Hub does not know the token: make one with write access in the settings there, and `hf auth login`",
    403: "the token may not write to {repo_id}: make one with write access in the settings of the Hub",
    404: "the Hub has no dataset {repo_id}, or none that this token may see",
    412: "another commit to {repo_id} came first, twice: nothing of it has changed; run the command again",
    429: "the Hub wants fewer requests: nothing of {repo_id} has changed; run the command again later",
    None: "the Hub did not finish the work on {repo_id} ({reason}): it has all of the old release or all of the new; "
    "run the command again, which sends nothing twice",
}


@dataclass(frozen=True)
class CommittedFile:
    """A file of a commit.

    Attributes:
        size: in bytes.
        sha256: of the content, where the Hub keeps it as a large file.
        blob_id: the git object's id, which says what the content of any other file is.
    """

    size: int
    sha256: str | None
    blob_id: str


@dataclass(frozen=True)
class DatasetRepository:
    """A repository at its newest commit.

    Attributes:
        id: `organisation/name`.
        sha: the commit.
        private: whether it is hidden.
        files: by path.
        tags: the commit of each tag.
    """

    id: str
    sha: str
    private: bool
    files: Mapping[str, CommittedFile]
    tags: Mapping[str, str]

    def download(self, path: str) -> Path:
        """Fetch a file of the commit."""
        return Path(hf_hub_download(self.id, path, repo_type=REPO_TYPE, revision=self.sha))

    def removals(self) -> Removals:
        """The models that are to be left out of releases."""
        if REMOVALS not in self.files:
            return Removals()
        return Removals.parse(self.download(REMOVALS).read_bytes(), f"{REMOVALS} of {self.id}")


def find_repository(api: HfApi, repo_id: str) -> DatasetRepository | None:
    """Look at a repository; None if there is none, or none that the token may see."""
    try:
        info = api.repo_info(repo_id, repo_type=REPO_TYPE)
    except RepositoryNotFoundError:
        return None
    tree = api.list_repo_tree(repo_id, recursive=True, revision=info.sha, repo_type=REPO_TYPE)
    entries = list(islice(cast(Iterator[Any], tree), MOST_FILES + 1))
    files = {
        entry.path: CommittedFile(entry.size, entry.lfs.sha256 if entry.lfs else None, entry.blob_id)
        for entry in entries
        if hasattr(entry, "blob_id")
    }
    refs = api.list_repo_refs(repo_id, repo_type=REPO_TYPE)
    tags = {tag.name: tag.target_commit for tag in refs.tags}
    texts = [info.sha, *files, *tags, *tags.values()]
    if len(entries) > MOST_FILES or not all(isinstance(text, str) for text in texts):
        raise YoungerError(f"the Hub lists more than {MOST_FILES:,} files of {repo_id}, or such as have no names")
    return DatasetRepository(repo_id, str(info.sha), bool(info.private), files, tags)


def check_token(api: HfApi, repo_id: str) -> None:
    """Find out before the work whether the user's token can write at all.

    Raises:
        YoungerError: there is none, the Hub does not know it, or it is for reading alone.
    """
    said: Any = api.whoami()
    for name in ("auth", "accessToken", "role"):
        said = said.get(name) if isinstance(said, dict) else None
    if said == "read":
        raise YoungerError(_REFUSALS[403].format(repo_id=repo_id))


@contextmanager
def quiet_off_terminal() -> Iterator[None]:
    """No progress bars of huggingface_hub where nobody looks."""
    quiet = not sys.stderr.isatty() and not are_progress_bars_disabled()
    if quiet:
        disable_progress_bars()
    try:
        yield
    finally:
        if quiet:
            enable_progress_bars()


@contextmanager
def refusals(repo_id: str, sentences: Mapping[int | None, str] = _REFUSALS) -> Iterator[None]:
    """What the Hub refuses, or that it cannot be reached, becomes one sentence.

    Args:
        repo_id: what is worked on.
        sentences: by the status that the Hub answers with, None for any other or none; with `{repo_id}` and `{reason}`.
    """
    try:
        yield
    except LocalTokenNotFoundError as error:
        raise YoungerError("there is no token for the Hub: run `hf auth login`, or set HF_TOKEN") from error
    except OfflineModeIsEnabled as error:
        raise UsageError("HF_HUB_OFFLINE is set: unset it to publish") from error
    except HFValidationError as error:
        raise UsageError(f"{repo_id} is no name of a repository ({first_line(error)})") from error
    except RecursionError as error:
        raise YoungerError(_NONSENSE.format(repo_id=repo_id, reason="it is nested too deeply")) from error
    except UNREACHABLE as error:
        raise YoungerError(_sentence(repo_id, error, sentences)) from error
    except RuntimeError as error:
        # An upload's own error is wrapped in a RuntimeError that names the file: the Hub's answer, the end of the
        # connection, or what the HTTP client says where a stream cannot be sent a second time.
        if _is_ours(error):
            raise
        raise YoungerError(_sentence(repo_id, error.__cause__ or error, sentences)) from error
    except (ValueError, TypeError, LookupError, AttributeError, NameError) as error:
        if isinstance(error, ValueError) and "metadata" in str(error).lower():
            raise ReleaseError(f"the Hub does not take the card's YAML ({first_line(error)})") from error
        if _is_ours(error):
            raise
        raise YoungerError(_NONSENSE.format(repo_id=repo_id, reason=type(error).__name__)) from error


def _is_ours(error: BaseException) -> bool:
    """Whether an exception was raised here, and not where a library takes an answer apart."""
    frames = list(traceback.walk_tb(error.__traceback__))
    return str(frames[-1][0].f_globals.get("__name__")).partition(".")[0] in ("builders", "younger_hf")


def http_status(error: BaseException) -> int | None:
    """The status that the Hub answered with; None where no answer came."""
    return getattr(getattr(error, "response", None), "status_code", None)


def _sentence(repo_id: str, error: BaseException, sentences: Mapping[int | None, str]) -> str:
    answered = http_status(error)
    reason = f"status {answered}" if answered else type(error).__name__
    return sentences.get(answered, sentences[None]).format(repo_id=repo_id, reason=reason)

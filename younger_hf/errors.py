"""The exceptions of younger-hf: every one that it raises on purpose derives from `YoungerError`."""

from __future__ import annotations


class YoungerError(Exception):
    """The work failed. The message is one sentence that names the file or model (exit code 1)."""

    exit_code = 1


class UsageError(YoungerError):
    """The request does not make sense, so nothing was tried (exit code 2)."""

    exit_code = 2


class ReleaseError(YoungerError):
    """A release directory or repository is missing, incomplete, or of another schema version."""


class MissingExtraError(YoungerError):
    """The call needs an optional package that is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"this needs the package {package}: pip install 'younger-hf[{extra}]'")

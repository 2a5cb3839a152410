"""What goes wrong, by name: every exception that younger-hf raises on purpose derives from `YoungerError`."""

from __future__ import annotations


class YoungerError(Exception):
    """The work could not be done. The message is one sentence that names the file or model (exit code 1)."""

    exit_code = 1


class UsageError(YoungerError):
    """What was asked for does not make sense, so nothing was tried (exit code 2)."""

    exit_code = 2


class ReleaseError(YoungerError):
    """A release directory or repository is missing, incomplete, or of another schema version."""


class MissingExtraError(YoungerError):
    """An optional package that the call needs is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"this needs the package {package}: pip install 'younger-hf[{extra}]'")

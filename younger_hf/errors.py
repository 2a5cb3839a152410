"""The exceptions of younger-hf: every one that it raises on purpose derives from `YoungerError`."""

from __future__ import annotations

from typing import Final

from younger_hf.text import escaped

_LONGEST: Final = 2000  # characters of a message


class YoungerError(Exception):
    """The work failed. The message is one sentence that names the file or model (exit code 1).

    Messages quote names that strangers chose, so that text is shown with what a terminal would act upon escaped.
    """

    exit_code = 1

    def __str__(self) -> str:
        return escaped(super().__str__(), _LONGEST)


class UsageError(YoungerError):
    """The request does not make sense, so nothing was tried (exit code 2)."""

    exit_code = 2


class ReleaseError(YoungerError):
    """A release directory or repository is missing, incomplete, or of another schema version."""


class MissingExtraError(YoungerError):
    """The call needs an optional package that is not installed.

    Attributes:
        package: what is missing.
        extra: of younger-hf, which has it.
    """

    def __init__(self, package: str, extra: str) -> None:
        self.package, self.extra = package, extra
        super().__init__(f"this needs the package {package}: pip install 'younger-hf[{extra}]'")

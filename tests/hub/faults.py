"""What can go wrong with the answers of the tests' Hub: `Fault`, and when it does: `Faults`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from threading import Lock


@dataclass(frozen=True)
class Fault:
    """How an answer is spoilt; what is not given stays as it was.

    Attributes:
        status: sent instead, with `headers` and no body but `body`; what a request was to write is not written.
        headers: sent besides, in place of those of the same name.
        body: sent instead of the true one: malformed JSON, a page of a proxy.
        stall: seconds for which nothing is sent.
        cut: the connection ends after so many bytes of the body, whatever Content-Length has promised.
        cut_request: the connection ends once so many bytes of the request's own body have come, and nothing is written.
        lose_answer: what was asked for is done, and the connection ends without a word.
        ignore_range: the whole file is sent to one who asked for a part.
        then: called once the answer is made and before it is sent: a commit, so that the next read sees another.
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    stall: float = 0.0
    cut: int | None = None
    cut_request: int | None = None
    lose_answer: bool = False
    ignore_range: bool = False
    then: Callable[[], object] = lambda: None

    @property
    def spoils_a_body(self) -> bool:
        """Whether it can only show on an answer that has one, which a redirect has not."""
        return not self.status and (self.body is not None or self.cut is not None or self.ignore_range)


@dataclass
class _Planned:
    pattern: str
    fault: Fault
    times: int
    after: int


class Faults:
    """Which requests are answered wrongly."""

    def __init__(self) -> None:
        self._planned: list[_Planned] = []
        self._lock = Lock()

    def add(self, pattern: str, fault: Fault, times: int = 1, after: int = 0) -> None:
        """Spoil the answers to `times` requests whose `METHOD /path?query` fits a shell pattern, `after` so many."""
        self._planned.append(_Planned(pattern, fault, times, after))

    def clear(self) -> None:
        self._planned.clear()

    def take(self, request: str, has_body: bool) -> Fault:
        """The fault that the answer to this request meets; one without effect if it meets none."""
        return self._take(request, lambda fault: has_body or not fault.spoils_a_body)

    def take_refusal(self, request: str) -> Fault:
        """The fault for which this request is not even carried out; one without effect if it meets none."""
        reads = request.startswith(("GET ", "HEAD "))
        return self._take(request, lambda fault: fault.cut_request is not None or bool(fault.status and not reads))

    def _take(self, request: str, fits: Callable[[Fault], bool]) -> Fault:
        with self._lock:
            for planned in self._planned:
                if not planned.times or not fnmatchcase(request, planned.pattern) or not fits(planned.fault):
                    continue
                if planned.after:
                    planned.after -= 1
                    continue
                planned.times -= 1
                return planned.fault
        return Fault()

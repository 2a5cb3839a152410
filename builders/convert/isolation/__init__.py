"""Convert one model in child processes, watch them, and end them: `convert(request, exporter) -> Conversion`.

Whatever the model does (loop, allocate, fork, crash, print without end, lie), the caller gets a `Conversion` and
nothing of its children is left: they have limits on wall-clock time, memory, processes and files, an environment
without secrets, a home that is removed afterwards, and the walls of `sandbox`.

Each step is a child of its own. An exporter that needs files of a hub has first `fetch`, with the network. Then comes
`export`, without. What it answers is looked at by `check`, where no model ever was. The limits are those of all
together.

The driver's half: this module, `child` (one process) and `templates` (what they are forked from), `leftovers` (what
they leave). The other half: `template`, then `sandbox` (`view`, `refused_calls`), `worker`, `check` and `restored` in
what it forks. Between them `answer`.

`restore` has a child look at skeletons that a release has, before a ledger takes them in.
"""

from __future__ import annotations

import re
import selectors
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from io import RawIOBase
from pathlib import Path
from typing import Any, Final

from builders.convert import Conversion, Exporter, Outcome, Request
from builders.convert.isolation.answer import Answer, AnswerReader, Parts, pack, unpack
from builders.convert.isolation.child import Child
from builders.convert.isolation.leftovers import discard, fill
from builders.convert.isolation.templates import CHECK, Templates
from builders.convert.isolation.view import home_of_module
from builders.model_ref import ModelRef

_LOOK_EVERY: Final = 0.1  # seconds between two looks at the child's memory
_MAX_LOG: Final = 4096  # bytes, the last of what the children printed
_CHUNK: Final = 1 << 20  # bytes
_FETCHED: Final = "files"  # the directory below the home that fetch fills
_RESTORED: Final = "builders.convert.isolation.restored"
_EXPORTERS: Final = {"torch", "torchscript"}  # what may have made a skeleton where a publisher's code was run
_EXPORTER: Final = re.compile(r"[A-Za-z0-9][\w.+-]{0,63}", re.ASCII)
_ORPHANED: Final = Answer(Outcome.CRASHED, "the process that it was forked from died")


@dataclass(frozen=True)
class Limits:
    """What one conversion may use.

    Attributes:
        seconds: wall-clock time, the wait for a template included.
        memory: what the child and its descendants hold together, in bytes: resident memory, and files that they write.
            Address space is free: parameters are reserved and never touched.
        processes: the child and its descendants.
        entries: files and directories that it may make.
        answer: the serialised skeleton and module tree, in bytes.
    """

    seconds: float = 600.0
    memory: int = 8 << 30
    processes: int = 64
    entries: int = 1 << 16
    answer: int = 512 << 20


def convert(
    request: Request,
    exporter: Exporter,
    *,
    limits: Limits | None = None,
    scratch: Path | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    templates: Templates | None = None,
    allow_unisolated_code: bool = False,
) -> Conversion:
    """Convert one model in child processes of its own.

    Args:
        request: what to convert; its `files` is set here.
        exporter: how.
        limits: what it may use.
        scratch: where the children's home directory is made.
        cancelled: asked many times a second; once true, the child is killed.
        templates: where children come from that need not import the exporter's libraries; without, they do.
        allow_unisolated_code: run a publisher's code even where the system has no walls for it.

    Returns:
        How it ended; never an exception for anything that the model or its libraries do.
    """
    home = Path(tempfile.mkdtemp(prefix="convert-", dir=scratch)).resolve()
    try:
        with ExitStack() as stack:
            attempt = _Attempt(
                replace(request, files=home / _FETCHED),
                exporter,
                limits or Limits(),
                cancelled,
                templates or stack.enter_context(Templates(scratch, preload=False)),
                allow_unisolated_code,
            )
            attempt.request.files.mkdir()
            return attempt.run()
    finally:
        discard(home)


def restore(
    published: Sequence[Parts],
    *,
    limits: Limits | None = None,
    scratch: Path | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    templates: Templates,
) -> list[Parts]:
    """Look at skeletons that a release has, in a child process; one that ends it is found by looking at each alone.

    Args:
        published: skeletons with their module trees.
        limits: what the child may use.
        scratch: where its home directory is made.
        cancelled: asked many times a second; once true, the child is killed.
        templates: where it comes from.

    Returns:
        For each: the two as this younger-hf would have made them, or nothing and why it is refused.
    """
    home = Path(tempfile.mkdtemp(prefix="restore-", dir=scratch)).resolve()
    nobody = Request(ModelRef("release", "skeletons"), files=home / _FETCHED)
    try:
        nobody.files.mkdir()
        attempt = _Attempt(nobody, Exporter("release", _RESTORED, ()), limits or Limits(), cancelled, templates, False)
        answer = attempt.look_at(pack(published))
    finally:
        discard(home)
    with suppress(ValueError):
        found = unpack(answer.skeleton) if answer.outcome is Outcome.OK else []
        if len(found) == len(published):
            return found
    if len(published) == 1 or cancelled():
        return [(b"", (answer.message or "what was found of it cannot be read").encode())] * len(published)
    alone = partial(restore, limits=limits, scratch=scratch, cancelled=cancelled, templates=templates)
    return [found for one in published for found in alone([one])]


class _Attempt:
    """One conversion under way."""

    def __init__(
        self,
        request: Request,
        exporter: Exporter,
        limits: Limits,
        cancelled: Callable[[], bool],
        templates: Templates,
        allow_unisolated_code: bool,
    ) -> None:
        self.request = request
        self._exporter = exporter
        self._limits = limits
        self._cancelled = cancelled
        self._templates = templates
        self._unisolated = allow_unisolated_code
        self._home = request.files.parent
        self._oom_kills = _count_oom_kills()
        self._started = time.monotonic()
        self._peak_memory = 0
        self._log = b""
        self._isolated = True

    def run(self) -> Conversion:
        """Take the steps."""
        steps = ["fetch"] if self._exporter.network and self.request.model.has_remote_files else []
        fetched = 0
        for step in (*steps, "export"):
            answer = self._step(step, self._exporter.module)
            fetched += answer.bytes_fetched
            if answer.outcome is not Outcome.OK:
                break
        else:
            answer = self._checked(answer)
        good = answer.outcome is Outcome.OK
        return Conversion(
            answer.outcome,
            answer.message,
            answer.exporter or self._exporter.name,
            self._exporter.versions(),
            answer.opset,
            answer.skeleton if good else None,
            answer.modules if good and answer.modules else None,
            time.monotonic() - self._started,
            self._peak_memory,
            fetched,
            "" if good else self._log.decode(errors="replace"),
            self._isolated,
        )

    def look_at(self, published: bytes) -> Answer:
        """What is found of packed skeletons."""
        return self._step("restore", _RESTORED, Answer(Outcome.OK, skeleton=published))

    def _checked(self, answer: Answer) -> Answer:
        """An answer of `export` as far as it can be believed."""
        found = self._step("check", CHECK, answer)
        # A name, and no more: it is published with the skeleton.
        trusted = answer.exporter in _EXPORTERS or not self._exporter.published_code
        name = answer.exporter if trusted and _EXPORTER.fullmatch(answer.exporter) else ""
        return replace(found, exporter=name, skeleton=answer.skeleton)

    def _step(self, step: str, module: str, looked_at: Answer | None = None) -> Answer:
        """Run one step in a child of its own."""
        payload = (looked_at.skeleton, looked_at.modules) if looked_at else ()
        location = self.request.model.location
        request = {
            "step": step,
            "module": module,
            "model": self.request.model.to_json(),
            "opset": self.request.opset,
            "files": str(self.request.files),
            "skeleton": len(payload[0]) if payload else 0,
            "published_code": self._exporter.published_code,
            "unisolated": self._unisolated,
            "room": {
                "home": str(self._home),
                "files": str(self.request.files),
                "files_writable": step == "fetch",
                "shown": [*home_of_module(module), *([location] if step == "export" else [])],
                "size": self._limits.memory,
                "entries": self._limits.entries,
            },
        }
        for _ in range(2):
            with self._templates.lend(module, network=step == "fetch") as template:
                child = Child(template, request, payload)
                try:
                    answer = self._watch(child, writes_to_disk=step == "fetch")
                finally:
                    child.kill()
                    child.close()
                if answer is not None:
                    self._isolated &= child.walls.processes and child.walls.files
                    self._peak_memory = max(self._peak_memory, answer.peak_memory)
                    # It may have taken too much and ended between two looks.
                    return self._over_memory(answer.peak_memory) or answer
                template.lost = True
                if not template.proved:
                    self._templates.distrust(module)
        return Answer(Outcome.CRASHED, "no process could be started for it")

    def _watch(self, child: Child, *, writes_to_disk: bool) -> Answer | None:
        """Read until there is an answer, or another end; None if the template died before there was a child."""
        reader = AnswerReader()
        sources: dict[Any, Callable[[], bool]] = {
            child.channel: lambda: _take(child.channel, reader.feed),
            child.output: lambda: _take(child.output, self._keep),
            child.line: child.hear,
        }
        next_look = 0.0
        with selectors.DefaultSelector() as selector:
            for source, take in sources.items():
                selector.register(source, selectors.EVENT_READ, take)
            while True:
                for key, _ in selector.select(timeout=max(0.0, next_look - time.monotonic())):
                    if key.data():
                        continue
                    if key.fileobj is child.line:
                        return _ORPHANED if child.root is not None else None
                    selector.unregister(key.fileobj)
                if reader.payload > self._limits.answer:
                    return Answer(Outcome.TOO_LARGE, f"the skeleton is larger than {_size(self._limits.answer)}")
                if reader.complete:
                    return _answer(reader)
                now = time.monotonic()
                if now < next_look:
                    continue
                if child.has_ended():
                    return self._ended(child, reader)
                if end := self._over(child, now, writes_to_disk):
                    return end
                # On a machine with thousands of processes a look costs more: spend at most a fiftieth on it.
                spent = time.monotonic() - now
                next_look = now + max(_LOOK_EVERY, 50 * spent)

    def _over(self, child: Child, now: float, writes_to_disk: bool) -> Answer | None:
        """What ends the attempt though the child goes on, if anything."""
        memory, processes = child.measure()
        self._peak_memory = max(self._peak_memory, memory)
        if self._cancelled():
            return Answer(Outcome.ERROR, "the conversion was cancelled")
        if child.error:
            return Answer(Outcome.ERROR, f"no process could be started for it: {child.error}")
        if now - self._started > self._limits.seconds:
            return Answer(Outcome.TIMEOUT, f"it took longer than {self._limits.seconds:g} seconds")
        if too_much := self._over_memory(memory):
            return too_much
        if processes > self._limits.processes:
            return Answer(Outcome.CRASHED, f"it started more than {self._limits.processes} processes")
        if writes_to_disk or not child.walls.files:
            entries, size = fill(self._home, self._limits.entries)
            if entries > self._limits.entries:
                return Answer(Outcome.CRASHED, f"it made more than {self._limits.entries} files")
            if size > self._limits.memory:
                return Answer(Outcome.CRASHED, f"it wrote more than {_size(self._limits.memory)}")
        return None

    def _over_memory(self, memory: int) -> Answer | None:
        """What ends the attempt if so many resident bytes are too many."""
        if memory <= self._limits.memory:
            return None
        return Answer(Outcome.OUT_OF_MEMORY, f"it used more than {_size(self._limits.memory)} of resident memory")

    def _ended(self, child: Child, reader: AnswerReader) -> Answer:
        """The child is gone: what is left in the pipes, or why there is no answer."""
        child.kill()  # what it may have left behind writes no more
        _take(child.channel, reader.feed)
        _take(child.output, self._keep)
        if reader.complete:
            return _answer(reader)
        status = child.status()
        if status is None:
            return _ORPHANED
        killed_by = -status if status < 0 else status - 128
        if killed_by == signal.SIGKILL and _count_oom_kills() != self._oom_kills:  # not by the driver, which says so
            return Answer(Outcome.OUT_OF_MEMORY, "the process was killed by the system, most likely for want of memory")
        if killed_by == signal.SIGBUS and child.walls.files:  # a file in memory had no room, before a look could tell
            room = _size(self._limits.memory)
            return Answer(Outcome.OUT_OF_MEMORY, f"the process was killed by SIGBUS, as its files may have {room}")
        with suppress(ValueError):
            return Answer(Outcome.CRASHED, f"the process was killed by {signal.Signals(killed_by).name}")
        return Answer(Outcome.CRASHED, f"the process ended with status {status} and without an answer")

    def _keep(self, printed: bytes) -> None:
        self._log = (self._log + printed)[-_MAX_LOG:]


def _take(pipe: RawIOBase, feed: Callable[[bytes], None]) -> bool:
    """Hand on what is in a pipe; False at its end."""
    data = pipe.read(_CHUNK)
    feed(data or b"")
    return data != b""


def _answer(reader: AnswerReader) -> Answer:
    try:
        return reader.answer()
    except ValueError:
        return Answer(Outcome.CRASHED, "the child process sent an answer that cannot be read")


def _count_oom_kills() -> str:
    """How many processes the kernel has killed for want of memory; always the same where it does not say."""
    with suppress(OSError):
        return next(
            (line for line in Path("/proc/vmstat").read_text().splitlines() if line.startswith("oom_kill ")), ""
        )
    return ""


def _size(count: int) -> str:
    """Bytes for a sentence."""
    return f"{count / (1 << 30):.1f} GiB" if count >= 1 << 30 else f"{count / (1 << 20):.0f} MiB"

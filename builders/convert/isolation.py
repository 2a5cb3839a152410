"""Start a child process that converts one model, watch it, and end it: `convert(request, exporter) -> Conversion`.

Whatever the model does (loop, allocate, fork, crash, print without end), the caller gets a `Conversion` and
nothing of the child is left: it has its own session, limits on wall-clock time, resident memory and processes,
an environment without secrets, and a scratch directory for its home that is removed afterwards.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from io import RawIOBase
from pathlib import Path
from typing import Final, cast

import psutil

from builders.convert import Conversion, Exporter, Outcome, Request
from builders.convert.worker import FRAME, MARK

# The only variables that a child inherits. Tokens and keys are in none of them.
_INHERITED: Final = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")

_LOOK_EVERY: Final = 0.1  # seconds between two looks at the child's memory
_MAX_HEADER: Final = 1 << 20  # bytes
_MAX_LOG: Final = 4096  # bytes, the last of what the child printed
_CHUNK: Final = 1 << 20  # bytes


@dataclass(frozen=True)
class Limits:
    """What one conversion may use.

    Attributes:
        seconds: wall-clock time.
        memory: resident memory of the child and its descendants together, in bytes. Address space is free:
            parameters are reserved and never touched.
        processes: the child and its descendants.
        answer: the serialised skeleton, in bytes.
    """

    seconds: float = 600.0
    memory: int = 8 << 30
    processes: int = 64
    answer: int = 512 << 20


def convert(
    request: Request,
    exporter: Exporter,
    *,
    limits: Limits | None = None,
    scratch: Path | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Conversion:
    """Convert one model in a child process of its own.

    Args:
        request: what to convert.
        exporter: how.
        limits: what it may use.
        scratch: where the child's home directory is made.
        cancelled: asked many times a second; once true, the child is killed.

    Returns:
        How it ended; never an exception for anything that the model or its libraries do.
    """
    limits = limits or Limits()
    with tempfile.TemporaryDirectory(prefix="convert-", dir=scratch, ignore_cleanup_errors=True) as home:
        child = _Child(request, exporter, Path(home))
        try:
            end = child.watch(limits, cancelled)
        finally:
            child.kill()
        seconds = time.monotonic() - child.started
    if end is None:
        try:
            conversion = child.parse()
        except (ValueError, KeyError, TypeError):
            end = Outcome.CRASHED, "the child process sent an answer that cannot be read"
    if end is not None:
        conversion = Conversion(*end)
    return replace(
        conversion,
        exporter=conversion.exporter or exporter.name,
        versions=exporter.versions(),
        seconds=seconds,
        peak_memory=max(child.peak_memory, conversion.peak_memory),
        log="" if conversion.outcome is Outcome.OK else child.log.decode(errors="replace"),
    )


class _Child:
    """A worker process, and what has come from it so far."""

    def __init__(self, request: Request, exporter: Exporter, home: Path) -> None:
        self.answer = bytearray()
        self.log = b""
        self.peak_memory = 0
        self.started = time.monotonic()
        reading, writing = os.pipe()
        try:
            self.process = subprocess.Popen(  # noqa: S603
                [
                    *(sys.executable, "-X", "faulthandler", "-m", "builders.convert.worker"),
                    *(str(os.getpid()), str(writing)),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(writing,),
                cwd=home,
                env=_environment(home),
                start_new_session=True,
                bufsize=0,
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self.channel = os.fdopen(reading, "rb", buffering=0)
        self.output = cast(RawIOBase, self.process.stdout)
        # Stays open: a child that reads its end knows that the driver is gone.
        self.lifeline = cast(RawIOBase, self.process.stdin)
        os.set_blocking(self.channel.fileno(), False)
        os.set_blocking(self.output.fileno(), False)
        line = {"model": request.model.to_json(), "opset": request.opset, "module": exporter.module}
        with suppress(BrokenPipeError):
            self.lifeline.write(json.dumps(line).encode() + b"\n")

    def watch(self, limits: Limits, cancelled: Callable[[], bool]) -> tuple[Outcome, str] | None:
        """Read until the answer is there (None), or until something else ends the attempt (what it was)."""
        next_look = 0.0
        with selectors.DefaultSelector() as selector:
            selector.register(self.channel, selectors.EVENT_READ)
            selector.register(self.output, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select(timeout=max(0.0, next_look - time.monotonic())):
                    if not self._read(cast(RawIOBase, key.fileobj)):
                        selector.unregister(key.fileobj)
                if self._announced() > limits.answer:
                    return Outcome.TOO_LARGE, f"the skeleton is larger than {_size(limits.answer)}"
                if self._complete():
                    return None
                now = time.monotonic()
                if now < next_look:
                    continue
                if self.process.poll() is not None:
                    return self._ended()
                if end := self._over(limits, cancelled, now):
                    return end
                # On a machine with thousands of processes a look costs more: spend at most a fiftieth on it.
                spent = time.monotonic() - now
                next_look = now + max(_LOOK_EVERY, 50 * spent)

    def _over(self, limits: Limits, cancelled: Callable[[], bool], now: float) -> tuple[Outcome, str] | None:
        """What limit the child is over, if any."""
        memory, processes = self._measure()
        self.peak_memory = max(self.peak_memory, memory)
        if cancelled():
            return Outcome.ERROR, "the conversion was cancelled"
        if now - self.started > limits.seconds:
            return Outcome.TIMEOUT, f"it took longer than {limits.seconds:g} seconds"
        if memory > limits.memory:
            return Outcome.OUT_OF_MEMORY, f"it used more than {_size(limits.memory)} of resident memory"
        if processes > limits.processes:
            return Outcome.CRASHED, f"it started more than {limits.processes} processes"
        return None

    def _ended(self) -> tuple[Outcome, str] | None:
        """The process is gone: what is left in the pipes, or why there is no answer."""
        while self._read(self.channel) and not self._complete():
            pass
        self._read(self.output)
        if self._complete():
            return None
        code = self.process.returncode
        killed_by = -code if code < 0 else code - 128
        if killed_by == signal.SIGKILL:
            return Outcome.OUT_OF_MEMORY, "the process was killed by the system, most likely for want of memory"
        with suppress(ValueError):
            return Outcome.CRASHED, f"the process was killed by {signal.Signals(killed_by).name}"
        return Outcome.CRASHED, f"the process ended with status {code} and without an answer"

    def _read(self, pipe: RawIOBase) -> bool:
        """Take what is in a pipe; False at its end."""
        try:
            data = pipe.read(_CHUNK)
        except OSError:
            return False
        if pipe is self.output:
            self.log = (self.log + (data or b""))[-_MAX_LOG:]
        else:
            self.answer += data or b""
        return data != b""

    def _announced(self) -> int:
        """Bytes of the skeleton that the frame announces, 0 before the frame is there."""
        if len(self.answer) < FRAME.size or not self.answer.startswith(MARK):
            return 0
        return int(FRAME.unpack_from(self.answer)[2])

    def _complete(self) -> bool:
        """Whether a whole answer has come, or one that cannot be right."""
        if len(self.answer) < FRAME.size:
            return False
        mark, header, skeleton = FRAME.unpack_from(self.answer)
        malformed = mark != MARK or header > _MAX_HEADER
        return bool(malformed or len(self.answer) >= FRAME.size + header + skeleton)

    def parse(self) -> Conversion:
        """What the child says of the attempt.

        Raises:
            ValueError, KeyError, TypeError: it is not a well-formed answer.
        """
        mark, header, skeleton = FRAME.unpack_from(self.answer)
        body = FRAME.size + header
        if mark != MARK or len(self.answer) != body + skeleton:
            raise ValueError("not an answer")
        fields = json.loads(self.answer[FRAME.size : body])
        outcome = Outcome(fields["outcome"])
        return Conversion(
            outcome,
            str(fields["message"]),
            str(fields["exporter"]),
            opset=int(fields["opset"]),
            skeleton=bytes(self.answer[body:]) if outcome is Outcome.OK else None,
            peak_memory=int(fields["peak_memory"]),
            bytes_fetched=int(fields["bytes_fetched"]),
            isolated=bool(fields["isolated"]),
        )

    def _measure(self) -> tuple[int, int]:
        """Resident bytes and number of the child and its descendants."""
        memory = processes = 0
        for process in self._tree():
            with suppress(psutil.Error):
                memory += process.memory_info().rss
                processes += 1
        return memory, processes

    def _tree(self) -> list[psutil.Process]:
        """The child and its descendants."""
        with suppress(psutil.Error):
            root = psutil.Process(self.process.pid)
            return [root, *root.children(recursive=True)]
        return []

    def kill(self) -> None:
        """End the child, its session and its descendants, and wait until they are gone."""
        tree = self._tree()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        for process in tree:
            with suppress(psutil.Error):
                process.kill()
        self.process.wait()
        patience = time.monotonic() + 5.0
        while any(_alive(process) for process in tree) and time.monotonic() < patience:
            time.sleep(0.005)
        for pipe in (self.lifeline, self.output, self.channel):
            with suppress(OSError):
                pipe.close()


def _alive(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _environment(home: Path) -> dict[str, str]:
    """The child's whole environment.

    Its home is the scratch directory: no credentials file is found there, nor any user's settings that would
    shape the result. Hash seed and one thread make an export repeatable.
    """
    return {
        **{name: os.environ[name] for name in _INHERITED if name in os.environ},
        "HOME": str(home),
        "TMPDIR": str(home),
        "PYTHONPATH": os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path),
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }


def _size(count: int) -> str:
    """Bytes for a sentence."""
    return f"{count / (1 << 30):.1f} GiB" if count >= 1 << 30 else f"{count / (1 << 20):.0f} MiB"

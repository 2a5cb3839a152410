"""A child process as its driver sees it: pipes to read, a tree of processes to measure and to end.

The child's root is forked by a template (see `template`). Where there are namespaces, the root and their init only
wait, and everything of the model's is below the init; where there are none, the root is the model's own process.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from io import RawIOBase
from pathlib import Path
from typing import Any, Final, cast

import psutil

from builders.convert.isolation.sandbox import Walls
from builders.convert.isolation.templates import Template
from builders.convert.isolation.view import used_memory

_HELD: Final = re.compile(r"^Vm(?:RSS|Swap|PTE):\s+(\d+) kB$", re.MULTILINE)
_MOST_IN_SOCKET: Final = 256 << 10  # bytes; in whose buffers they are, the system does not say
_PATIENCE: Final = 5.0  # seconds for the kernel to end what has been killed


class Child:
    """One step's process, asked for on creation.

    Attributes:
        channel: what the answer comes from; never blocks.
        output: what the child prints; never blocks.
        line: what the template says of the child; never blocks.
        error: why there is no child, "" if none is known.
        walls: what is around it, as far as it has said.
        root: the process that the template forked, None before it is there.
    """

    def __init__(self, template: Template, request: Mapping[str, Any], payload: Iterable[bytes] = ()) -> None:
        self.error = ""
        self.walls = Walls()
        self._home = str(request["room"]["home"])
        self.root: psutil.Process | None = None
        self._init: int | None = None
        self._news = b""
        self._status: int | None = None
        self._template = template
        with ExitStack() as theirs, ExitStack() as ours:
            self.channel, channel = _pipe(ours, theirs)
            self.output, output = _pipe(ours, theirs)
            stdin, self._lifeline = os.pipe()  # stays open: a child that reads its end knows that the driver is gone
            theirs.callback(os.close, stdin)
            ours.callback(os.close, self._lifeline)
            self.line, line = (
                stack.enter_context(end) for stack, end in zip((ours, theirs), socket.socketpair(), strict=True)
            )
            self.line.setblocking(False)
            file = theirs.enter_context(tempfile.TemporaryFile())
            file.write(json.dumps(request).encode() + b"\n")
            file.writelines(payload)
            file.seek(0)
            with suppress(OSError):  # the template has died: the line says so, by ending
                template.fork(file.fileno(), stdin, output, channel, line.fileno())
            self._pipes = ours.pop_all()

    def hear(self) -> bool:
        """Take what the template says; False once it says no more."""
        try:
            news = self.line.recv(4096)
        except BlockingIOError:
            return True
        except OSError:
            return False
        *lines, self._news = (self._news + news).split(b"\n")
        for fields in map(json.loads, lines):
            self.error = fields.get("error", self.error)
            self._init = fields.get("init", self._init)
            self._status = fields.get("status", self._status)
            self.walls = Walls(**fields["walls"]) if "walls" in fields else self.walls
            if "root" in fields:
                self._template.proved = True
                self.root = psutil.Process(fields["root"])
        return news != b""

    def measure(self) -> tuple[int, int]:
        """Bytes that the model holds, with its sockets and with its files where those are memory; and its processes."""
        model = self._model()
        memory = sum(_held(process) for process in model)
        memory += _MOST_IN_SOCKET * len(set[str]().union(*map(_sockets, model)))
        if self._init and self.walls.files:
            memory += used_memory(self._init, self._home)
        return memory, len(model)

    def has_ended(self) -> bool:
        """Whether the root is dead."""
        return self.root is not None and not _is_alive(self.root)

    def status(self) -> int | None:
        """How the root, which has ended, did: its exit status, or minus a signal; None if the template has died too."""
        self.line.settimeout(_PATIENCE)
        with suppress(OSError):
            self.line.send(b"?")
            self.root = None  # from here on its number may be another's
            while self._status is None and self.hear():
                pass
        return self._status

    def kill(self) -> None:
        """End every process of the child, and wait until they are gone."""
        tree = self._tree()
        if self.root is not None and self.root in tree:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.root.pid, signal.SIGKILL)
        for process in tree:
            with suppress(psutil.Error):
                process.kill()
        patience = time.monotonic() + _PATIENCE
        while any(map(_is_alive, tree)) and time.monotonic() < patience:
            time.sleep(0.005)

    def close(self) -> None:
        """Close all pipes; the template then ends what is left."""
        self._pipes.close()

    def _tree(self) -> list[psutil.Process]:
        """The root and all below it."""
        return [self.root, *_below(self.root)] if self.root is not None else []

    def _model(self) -> list[psutil.Process]:
        """What the model is, or may have started; empty while the child is on its way into the sandbox."""
        if self._init is None:
            return []
        if self._init == 0:
            return self._tree()
        with suppress(psutil.Error):
            return _below(psutil.Process(self._init))
        return []


def _pipe(ours: ExitStack, theirs: ExitStack) -> tuple[RawIOBase, int]:
    """Our end to read from, and theirs to write to."""
    reading, writing = os.pipe()
    theirs.callback(os.close, writing)
    os.set_blocking(reading, False)
    return cast(RawIOBase, ours.enter_context(os.fdopen(reading, "rb", buffering=0))), writing


def _below(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return process.children(recursive=True)
    return []


def _held(process: psutil.Process) -> int:
    """Bytes that a process holds: resident, swapped out, and to map it all; 0 if it has ended."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except FileNotFoundError:  # another system, or it has ended
        with suppress(psutil.Error):
            return int(process.memory_info().rss)
        return 0
    except OSError:
        return 0
    return sum(int(kibibytes) << 10 for kibibytes in _HELD.findall(status))


def _sockets(process: psutil.Process) -> set[str]:
    """The sockets that a process has open, by their numbers; none where the system does not say."""
    names: set[str] = set()
    with suppress(OSError):
        for entry in Path(f"/proc/{process.pid}/fd").iterdir():
            with suppress(OSError):
                names.add(str(entry.readlink()))
    return {name for name in names if name.startswith("socket:")}


def _is_alive(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False

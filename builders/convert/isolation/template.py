"""The process that conversions are forked from, started by `templates`.

It has imported an exporter's libraries, which takes seconds, and then only forks: no model reaches it. A request is
one byte on its control socket with five descriptors: the child's request, stdin, output, channel, and a line. On the
line, JSON a row: `{"root": PID}` when the child is forked; `{"init": PID}` when it is in namespaces, 0 without;
`{"walls": …}` when it is about to begin; `{"status": N}` after the driver has written a byte, as it does when it sees
that the root has ended. Before that, or the line's closing by the driver, the root is not reaped, so that nothing
else can be taken for it.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import socket
import sys
import tempfile
import traceback
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Final, NoReturn

from builders.convert.isolation import sandbox, system_calls, worker
from builders.convert.isolation.view import Room

DESCRIPTORS: Final = 5
_REAP_EVERY: Final = 0.05  # seconds


def main() -> None:
    """Import the libraries, then fork until the driver closes the control socket or dies."""
    driver, control, options, module = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
    system_calls.die_with_parent()
    if os.getppid() != driver:
        os._exit(1)
    del sys.path[0]  # the working directory, where a conversion's files will appear
    if module and not _preload(module):
        # What is loaded now is half of it, or cannot be forked: begin again without.
        os.execv(sys.executable, [*sys.orig_argv[: -len(sys.argv) + 1], *sys.argv[1:4], ""])  # noqa: S606
    gc.collect()
    gc.freeze()  # no collection in a child touches, and so copies, what is here
    _Server(socket.socket(fileno=control), **json.loads(options)).serve()


def _preload(module: str) -> bool:
    """Import what every conversion needs; False if it cannot be, or if it has left threads, which a fork would lose."""
    try:
        for name in ("younger_hf.extract", module):
            import_module(name)
    except BaseException:  # a child will meet it again, and say it
        return False
    return len(list(Path("/proc/self/task").iterdir())) == 1


@dataclass
class _Server:
    """Forks on demand.

    Attributes:
        control: where requests come from.
        paths: what children see.
        network: whether children have a network.
        children: the root of each child, by its line.
        dying: roots that have been killed and not yet reaped.
    """

    control: socket.socket
    paths: list[str]
    network: bool
    children: dict[socket.socket, int] = field(default_factory=dict)
    dying: set[int] = field(default_factory=set)

    def serve(self) -> NoReturn:
        """Answer until the control socket is closed."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.control, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select(_REAP_EVERY if self.dying else None):
                    if key.fileobj is not self.control:
                        line = key.fileobj
                        assert isinstance(line, socket.socket)  # noqa: S101
                        if not self._attend(line):
                            selector.unregister(line)
                            line.close()
                        continue
                    data, descriptors, _, _ = socket.recv_fds(self.control, 1, DESCRIPTORS)
                    if not data:
                        os._exit(0)  # the children die with this process
                    line = socket.socket(fileno=descriptors[-1])
                    self._fork(line, *descriptors[:-1])
                    selector.register(line, selectors.EVENT_READ)
                self.dying = {child for child in self.dying if os.waitpid(child, os.WNOHANG)[0] == 0}

    def _fork(self, line: socket.socket, *descriptors: int) -> None:
        """Start a child, unless the driver has given it up meanwhile."""
        try:
            if _is_closed(line):
                return
            child = os.fork()
            if not child:
                self._become(line, *descriptors)
            self.children[line] = child
            _tell(line, root=child)
        except OSError as error:
            _tell(line, error=error.strerror)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _attend(self, line: socket.socket) -> bool:
        """The driver wants to know how a child ended; or, when False, no more of it."""
        wanted = line.recv(1)
        child = self.children.get(line, 0)
        if wanted and child:
            del self.children[line]
            _tell(line, status=os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        elif child:
            del self.children[line]
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            self.dying.add(child)
        return bool(wanted)

    def _become(self, line: socket.socket, request: int, stdin: int, output: int, channel: int) -> NoReturn:
        """Be the child: leave the template behind, go into the sandbox, work."""
        try:
            system_calls.die_with_parent()
            os.setsid()
            for other in (self.control, *self.children):
                other.close()
            for descriptor, target in ((stdin, 0), (output, 1), (output, 2)):
                os.dup2(descriptor, target)
            for descriptor in (stdin, output):
                os.close(descriptor)
            with os.fdopen(request, "rb") as file:
                wanted = json.loads(file.readline())
                payload = file.read()
            room = Room(**wanted.pop("room"), alias=str(Path.cwd()))
            os.environ.update(HOME=room.home, TMPDIR=room.home)
            tempfile.tempdir = None  # some library may have asked already
            walls = sandbox.enter(room, self.paths, network=self.network, report=lambda init: _tell(line, init=init))
            os.chdir(room.home)  # by its name once more: it is another mount now
            _tell(line, walls=asdict(walls))
            line.close()
            worker.work(wanted, payload, channel, walls)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)


def _is_closed(line: socket.socket) -> bool:
    with suppress(BlockingIOError):
        return not line.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    return False


def _tell(line: socket.socket, **what: object) -> None:
    with suppress(OSError):  # the driver may have gone on
        line.sendall(json.dumps(what).encode() + b"\n")


if __name__ == "__main__":
    main()

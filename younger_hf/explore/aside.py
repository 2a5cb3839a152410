"""A process beside the server, for what takes memory that the server would not give back: `Aside`.

In goes a function of a module and its arguments; out comes its result. PyTorch alone takes more memory than a whole
release, and keeps it; a process that has ended keeps none.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from threading import Lock, Timer
from typing import Any, Final, TypeVar

from younger_hf.errors import YoungerError

Result = TypeVar("Result")

_IDLE: Final = 300.0


class Aside:
    """Calls functions in a process of its own, one at a time; it begins with the first, and what it loads stays there.

    Args:
        idle: seconds after which it ends, if nobody has asked.
    """

    def __init__(self, idle: float = _IDLE) -> None:
        self._idle = idle
        self._turn = Lock()
        self._running: tuple[BaseProcess, Connection] | None = None
        self._timer: Timer | None = None
        self._is_stopped = False

    def __call__(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """A function's result; what it raises is raised here.

        Raises:
            YoungerError: the process has ended.
        """
        with self._turn:
            if self._is_stopped:
                raise YoungerError("the server ends")
            if self._timer is not None:
                self._timer.cancel()
            process, connection = self._running = self._running or _start()
            try:
                connection.send((function, arguments))
                is_result, answer = connection.recv()
            except (EOFError, OSError) as error:
                self._running = None
                process.join()
                raise YoungerError("the process of the encoder has ended: try again") from error
            self._timer = Timer(self._idle, self.rest)
            self._timer.daemon = True
            self._timer.start()
        if is_result:
            return answer  # type: ignore[no-any-return]
        raise answer

    def rest(self) -> None:
        """End the process once it has answered; the next call begins another."""
        with self._turn:
            if self._running is not None:
                process, connection = self._running
                self._running = None
                connection.close()
                process.join()

    def stop(self) -> None:
        """End the process now, and begin no other."""
        self._is_stopped = True
        if (running := self._running) is not None:
            running[0].terminate()
        self.rest()


def _start() -> tuple[BaseProcess, Connection]:
    context = get_context("spawn")  # a fork would inherit locks that threads of the server hold
    ours, theirs = context.Pipe()
    process = context.Process(target=_answer, args=(theirs,), name="encoder", daemon=True)
    process.start()
    theirs.close()
    return process, ours


def _answer(connection: Connection) -> None:
    """Answer until the other end is closed, or its process has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which then ends this one
    with suppress(EOFError, OSError):
        while True:
            function, arguments = connection.recv()
            try:
                answer = True, function(*arguments)
            except Exception as error:
                answer = False, error
            connection.send(answer)

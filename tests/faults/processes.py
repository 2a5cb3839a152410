"""Processes that are made to fail: `run_forked`, with all that they start; and `left`, what they have left behind.

A process of the suite adopts what a dead driver leaves, so that nothing escapes the count. Shared memory is the
machine's: what was not there when this process began, stays, and is mapped by no process that lives, counts as left.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from younger_hf.errors import YoungerError

DONE, SAID, FAILED = 0, 3, 4
"""Exit codes of `run_forked`: it was done; it ended with one of this project's sentences; it ended with a traceback."""

_PATIENCE = 20.0  # seconds for what a dead driver started to end
_SHARED_MEMORY = Path("/dev/shm")


def run_forked(action: Callable[[], object], output: Path) -> int:
    """Run an action in a fork of this process, which has no threads, and wait for its end.

    Args:
        action: what is done there.
        output: the file that takes what it prints.

    Returns:
        One of the exit codes above, or minus the number of the signal that ended it.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        code = FAILED
        try:
            with output.open("ab") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
            action()
            code = DONE
        except YoungerError as error:
            print(error)
            code = SAID
        except BaseException:
            traceback.print_exc()
        finally:
            with suppress(Exception):
                sys.stdout.flush()
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def kill_me() -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


def left(*places: Path) -> str:
    """What is left of processes that this one adopted, of shared memory, of temporary files; "" if nothing is."""
    deadline = time.monotonic() + _PATIENCE
    while (alive := _adopted()) and time.monotonic() < deadline:
        time.sleep(0.05)
    processes = [" ".join(_command(process))[:60] for process in alive]
    files = [path.name for place in places for path in place.iterdir()]
    said = (_said("processes", processes), shared_left(), _said("files", files))
    return "; ".join(filter(None, said))


def shared_left() -> str:
    """What shared memory is left, "" if none is."""
    deadline = time.monotonic() + _PATIENCE
    shared = _shared_memory() - _SHARED_BEFORE
    while (shared := {name for name in shared if not _is_mapped(name)}) and time.monotonic() < deadline:
        time.sleep(0.05)
        shared &= _shared_memory()
    return _said("shared memory", sorted(shared))


def _said(what: str, names: list[str]) -> str:
    return f"{what} left: {', '.join(names)}" if names else ""


def _adopted() -> list[psutil.Process]:
    """The processes below this one that have not ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:  # there is none, which is told more quickly than by looking through all of the system
        return []
    return [process for process in psutil.Process().children(recursive=True) if process.is_running()]


def _shared_memory() -> set[str]:
    return {path.name for path in _SHARED_MEMORY.iterdir()} if _SHARED_MEMORY.is_dir() else set()


def _is_mapped(name: str) -> bool:
    """Whether a process that lives uses this shared memory: what this one has started is counted as a process."""
    with suppress(OSError):
        inode = str((_SHARED_MEMORY / name).stat().st_ino)  # a semaphore is mapped by a name that it no longer has
        for process in Path("/proc").glob("[0-9]*/maps"):
            with suppress(OSError):
                mapped = (line.split(maxsplit=5) for line in process.read_text().splitlines())
                if any(len(each) == 6 and each[4] == inode and f"{_SHARED_MEMORY}/" in each[5] for each in mapped):
                    return True
    return False


_SHARED_BEFORE = _shared_memory()


def _command(process: psutil.Process) -> list[str]:
    with suppress(psutil.Error):
        return process.cmdline()
    return [str(process.pid)]

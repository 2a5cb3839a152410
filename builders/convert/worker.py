"""The child process that converts one model: `python -m builders.convert.worker DRIVER CHANNEL`.

The request is one line of JSON on stdin: the model, the opset, the exporter's module. The answer goes to the file
descriptor CHANNEL, since libraries print to stdout: a frame of a JSON header and the skeleton's bytes. Nothing
is pickled. The process dies with its driver (the process DRIVER), and where Linux allows it runs in namespaces
of its own: no network, and no process of its making outlives it.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import struct
import sys
import threading
import traceback
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final, NoReturn

from builders.convert import ConversionError, Outcome, Request
from builders.crawl.model_ref import ModelRef
from younger_hf.graph import InvalidGraphError

# Before each answer: a mark, the header's length, the skeleton's length, in bytes.
FRAME: Final = struct.Struct(">4sIQ")
MARK: Final = b"YHF1"

_MAX_FILE: Final = 16 << 30  # bytes of one temporary file
_MAX_MESSAGE: Final = 500  # characters

# linux/sched.h and linux/prctl.h
_CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


@dataclass(frozen=True)
class _Answer:
    outcome: Outcome
    message: str = ""
    exporter: str = ""
    opset: int = 0
    bytes_fetched: int = 0
    skeleton: bytes = b""


def main() -> None:
    """Read the request, convert, answer, and leave without waiting for any library's threads."""
    driver, channel = int(sys.argv[1]), int(sys.argv[2])
    _die_with_parent()
    if os.getppid() != driver:
        os._exit(1)
    request = json.loads(sys.stdin.buffer.readline())
    isolated = _isolate(channel)
    _follow_driver()
    for limit, value in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, _MAX_FILE)):
        with suppress(ValueError, OSError):  # a lower hard limit is already in force
            resource.setrlimit(limit, (value, value))
    answer = _answer(Request(ModelRef.from_json(request["model"]), request["opset"]), request["module"])
    _send(channel, answer, isolated)
    if not isolated:
        signal.pause()  # the driver kills it, and all that it still finds below it
    os._exit(0)


def _answer(request: Request, module: str) -> _Answer:
    """Convert, and turn every exception into an outcome."""
    from builders.extract import InvalidModelError

    try:
        return _convert(request, module)
    except ConversionError as error:
        return _Answer(error.outcome, _sentence(error))
    except (InvalidModelError, InvalidGraphError) as error:
        return _Answer(Outcome.INVALID_ONNX, _sentence(error))
    except MemoryError:
        return _Answer(Outcome.OUT_OF_MEMORY, "an allocation was refused")
    except BaseException as error:  # SystemExit too: a library may call sys.exit
        traceback.print_exc()
        return _Answer(Outcome.ERROR, f"{type(error).__name__}: {_sentence(error)}")


def _convert(request: Request, module: str) -> _Answer:
    """Export the model, strip it, and see that its graph has a data flow."""
    from builders.extract import extract, strip

    export = import_module(module).export(request)
    skeleton = strip(export.onnx)
    graph = extract(skeleton)
    trivial = graph.num_edges == 0
    return _Answer(
        Outcome.TRIVIAL if trivial else Outcome.OK,
        "no operator feeds another" if trivial else "",
        export.exporter,
        graph.metadata.opset,
        export.bytes_fetched,
        b"" if trivial else skeleton.SerializeToString(deterministic=True),
    )


def _sentence(error: BaseException) -> str:
    """The first line of an exception's text, bounded."""
    lines = str(error).strip().splitlines()
    return lines[0][:_MAX_MESSAGE] if lines else ""


def _send(channel: int, answer: _Answer, isolated: bool) -> None:
    """Write the answer as one frame."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    header = json.dumps(
        {
            "outcome": answer.outcome.value,
            "message": answer.message,
            "exporter": answer.exporter,
            "opset": answer.opset,
            "bytes_fetched": answer.bytes_fetched,
            "peak_memory": peak if sys.platform == "darwin" else peak * 1024,
            "isolated": isolated,
        }
    ).encode()
    with os.fdopen(channel, "wb") as file:
        file.write(FRAME.pack(MARK, len(header), len(answer.skeleton)) + header)
        file.write(answer.skeleton)


def _die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, however that ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _isolate(channel: int) -> bool:
    """Go on in new user, network and process namespaces; False where the platform does not allow it.

    A process namespace takes in only children. The first fork is its init: when that dies, the kernel kills all
    that is in it. An init ignores signals, so the work goes on in a second fork, which crashes as it should.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None)
    user, group = os.getuid(), os.getgid()
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWPID) != 0:
        # Orphans then come to this process, so that the driver still finds them below it.
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        return False
    with suppress(OSError):  # without the maps the process is merely nobody
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    for _ in ("init", "work"):
        if child := os.fork():
            os.close(channel)
            _end_as(child)
        _die_with_parent()
    return True


def _end_as(child: int) -> NoReturn:
    """Wait for the child, and exit with its status, or 128 and its signal as a shell would."""
    ended = status = 0
    while ended != child:
        ended, status = os.wait()
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def _follow_driver() -> None:
    """End the whole process group when the driver closes stdin, as it does by dying: for other systems."""
    lifeline = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    def wait() -> None:
        os.read(lifeline, 1)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    main()

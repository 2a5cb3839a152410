"""The child's work, one step of a conversion: a request goes in, an `Answer` comes out, a frame on the channel.

A request names the model, the opset, the exporter's module, the step (`fetch`, `export`, `check` or `restore`) and the
directory that fetch leaves to export. Libraries print to stdout, so the answer has a descriptor of its own.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NoReturn

from builders.convert import ConversionError, Outcome, Request
from builders.convert.isolation.answer import Answer
from builders.convert.isolation.sandbox import Walls
from builders.model_ref import ModelRef
from younger_hf.errors import YoungerError
from younger_hf.graph import InvalidGraphError

_LIMITS: Final = {
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_FSIZE: 16 << 30,  # bytes of one temporary file
    resource.RLIMIT_NOFILE: 512,  # each may be a socket, whose buffers are memory that no process is seen to hold
}
_NO_WALLS: Final = (
    "its publisher's code is not run, since this system does not let a process be shut in; "
    "--allow-unisolated-code runs it all the same, with all that you may do"
)


def work(request: Mapping[str, Any], payload: bytes, channel: int, walls: Walls) -> NoReturn:
    """Do a step, answer, and leave without waiting for any library's threads.

    Args:
        request: what to do.
        payload: what is to be looked at: a skeleton and its module tree, or many packed.
        channel: a descriptor to write the answer to.
        walls: what is around this process.
    """
    _follow_driver()
    for limit, value in _LIMITS.items():
        with suppress(ValueError, OSError):  # a lower hard limit is already in force
            resource.setrlimit(limit, (value, value))
    answer = _answer(request, payload, walls)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = replace(answer, peak_memory=peak if sys.platform == "darwin" else peak * 1024)
    with os.fdopen(channel, "wb") as file:
        file.writelines(answer.frame())
    if not walls.processes:
        signal.pause()  # the driver kills it, and all that it still finds below it
    os._exit(0)


def _answer(request: Mapping[str, Any], payload: bytes, walls: Walls) -> Answer:
    """Do the step, and turn every exception into an outcome."""
    from younger_hf.extract import InvalidModelError

    try:
        if request["step"] == "check":
            from builders.convert.isolation.check import check

            skeleton = payload[: request["skeleton"]]
            return check(skeleton, payload[len(skeleton) :], published_code=request["published_code"])
        if request["step"] == "restore":
            from builders.convert.isolation.restored import restore

            return restore(payload)
        wanted = Request(ModelRef.from_json(request["model"]), request["opset"], Path(request["files"]))
        if request["step"] == "fetch":
            return Answer(Outcome.OK, bytes_fetched=import_module(request["module"]).fetch(wanted))
        if request["published_code"] and not (request["unisolated"] or (walls.processes and walls.files)):
            raise ConversionError(Outcome.UNSUPPORTED, _NO_WALLS)
        return _convert(wanted, request["module"])
    except ConversionError as error:
        return Answer(error.outcome, _sentence(error))
    except (InvalidModelError, InvalidGraphError) as error:
        return Answer(Outcome.INVALID_ONNX, _sentence(error))
    except MemoryError:
        return Answer(Outcome.OUT_OF_MEMORY, "an allocation was refused")
    except BaseException as error:  # SystemExit too: a library may call sys.exit
        traceback.print_exc()
        return Answer(Outcome.ERROR, f"{type(error).__name__}: {_sentence(error)}")


def _convert(request: Request, module: str) -> Answer:
    """Export the model and strip it; whether that is what it should be, another child says."""
    from onnx import ModelProto

    from builders.convert.module_tree import module_tree
    from younger_hf.extract import strip

    export = import_module(module).export(request)
    skeleton = strip(export.onnx)
    tree = module_tree(export.onnx) if isinstance(export.onnx, ModelProto) else None
    return Answer(
        Outcome.OK,
        exporter=export.exporter,
        bytes_fetched=export.bytes_fetched,
        skeleton=skeleton.SerializeToString(deterministic=True),
        modules=tree.to_json() if tree else b"",
    )


def _sentence(error: BaseException) -> str:
    """The first line of an exception's text."""
    # As it was raised: shown, a YoungerError is one line already, with its line ends escaped.
    text = Exception.__str__(error) if isinstance(error, YoungerError) else str(error)
    lines = text.strip().splitlines()
    return lines[0] if lines else ""


def _follow_driver() -> None:
    """End the whole process group when the driver closes stdin, as it does by dying: for other systems."""
    lifeline = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    def wait() -> None:
        os.read(lifeline, 1)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()

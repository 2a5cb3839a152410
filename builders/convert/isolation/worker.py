"""The child's work, one step of a conversion: a request goes in, an `Answer` comes out, a frame on the channel.

A request names the model, the opset, the exporter's module, the step (`fetch` or `export`) and the directory that
the one leaves to the other. Libraries print to stdout, so the answer has a descriptor of its own.
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
from builders.model_ref import ModelRef
from younger_hf.graph import InvalidGraphError

_MAX_FILE: Final = 16 << 30  # bytes of one temporary file


def work(request: Mapping[str, Any], channel: int, isolated: bool) -> NoReturn:
    """Do a step, answer, and leave without waiting for any library's threads.

    Args:
        request: what to do.
        channel: a descriptor to write the answer to.
        isolated: whether this process is in namespaces of its own.
    """
    _follow_driver()
    for limit, value in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, _MAX_FILE)):
        with suppress(ValueError, OSError):  # a lower hard limit is already in force
            resource.setrlimit(limit, (value, value))
    answer = _answer(request)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = replace(answer, peak_memory=peak if sys.platform == "darwin" else peak * 1024)
    with os.fdopen(channel, "wb") as file:
        file.writelines(answer.frame())
    if not isolated:
        signal.pause()  # the driver kills it, and all that it still finds below it
    os._exit(0)


def _answer(request: Mapping[str, Any]) -> Answer:
    """Do the step, and turn every exception into an outcome."""
    from younger_hf.extract import InvalidModelError

    try:
        wanted = Request(ModelRef.from_json(request["model"]), request["opset"], Path(request["files"]))
        if request["step"] == "fetch":
            return Answer(Outcome.OK, bytes_fetched=import_module(request["module"]).fetch(wanted))
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
    """Export the model, strip it, and see that its graph has a data flow."""
    from onnx import ModelProto

    from builders.convert.module_tree import module_tree
    from younger_hf.extract import extract, strip

    export = import_module(module).export(request)
    skeleton = strip(export.onnx)
    graph = extract(skeleton)
    tree = module_tree(export.onnx) if isinstance(export.onnx, ModelProto) else None
    trivial = graph.num_edges == 0
    return Answer(
        Outcome.TRIVIAL if trivial else Outcome.OK,
        "no operator feeds another" if trivial else "",
        export.exporter,
        graph.metadata.opset,
        export.bytes_fetched,
        b"" if trivial else skeleton.SerializeToString(deterministic=True),
        tree.to_json() if tree and not trivial else b"",
    )


def _sentence(error: BaseException) -> str:
    """The first line of an exception's text."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else ""


def _follow_driver() -> None:
    """End the whole process group when the driver closes stdin, as it does by dying: for other systems."""
    lifeline = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    def wait() -> None:
        os.read(lifeline, 1)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()

"""An exporter that misbehaves as the model's id says; the tests alone know of it."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from onnx import TensorProto, helper

from builders.convert import ConversionError, Export, Outcome, Request


def export(request: Request) -> Export:
    behaviour, _, argument = request.model.id.partition(":")
    globals()[behaviour](argument)
    length = int(argument) if behaviour == "chain" else int(behaviour != "trivial")
    values = ["x", *(f"y{i}" for i in range(length)), "z"]
    nodes = [helper.make_node("Relu", [a], [b]) for a, b in pairwise(values)]
    x, z = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xz")
    graph = helper.make_graph(nodes, "g", [x], [z])
    return Export(helper.make_model(graph, opset_imports=[helper.make_opsetid("", request.opset or 20)]), "hostile")


def behave(_: str) -> None:
    """Do no harm."""


def chain(_: str) -> None:
    """Give every length a graph of its own."""


def trivial(_: str) -> None:
    """Give a graph without a data flow."""


def opset(_: str) -> None:
    """Give the opset that is asked for."""


def loop(_: str) -> None:
    while True:
        pass


def allocate(_: str) -> None:
    kept = []
    while True:
        kept.append(bytearray(os.urandom(1 << 20)) * 16)


def reserve(count: str) -> None:
    """Reserve so many times 2 GiB of address space and never touch it: this is allowed."""
    globals()["kept"] = [mmap.mmap(-1, 2 << 30) for _ in range(int(count))]


def segfault(_: str) -> None:
    ctypes.string_at(0)


def abort(_: str) -> None:
    os.abort()


def leave(_: str) -> None:
    os._exit(7)


def sys_exit(_: str) -> None:
    sys.exit(3)


def shout(size: str) -> None:
    """Write so many bytes to stderr, half of them from below Python."""
    block = b"no end to this\n" * 65536
    for _ in range(int(size) // len(block)):
        os.write(2, block)
    sys.stderr.write("the last word\n")
    raise ValueError("after shouting")


def fork_bomb(_: str) -> None:
    while True:
        os.fork()


def escape(path: str) -> None:
    """Leave a grandchild behind, in a session of its own, that would write to `path` for ever, and go on."""
    code = f"import time\nwhile True:\n    open({path!r}, 'a').write('alive\\n')\n    time.sleep(0.05)"
    subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    while not Path(path).exists():
        time.sleep(0.05)


def escape_and_wait(path: str) -> None:
    escape(path)
    time.sleep(600)


def environment(path: str) -> None:
    Path(path).write_text(json.dumps(dict(os.environ)))


def connect(port: str) -> None:
    socket.create_connection(("127.0.0.1", int(port)), timeout=5)


def forge(_: str) -> None:
    """Write something else to every descriptor that may be the channel."""
    for descriptor in range(3, 64):
        with suppress(OSError):
            os.write(descriptor, b"garbage" * 100)
    time.sleep(600)


def refuse(_: str) -> None:
    raise ConversionError(Outcome.UNSUPPORTED, "not this one\nand a second line")


def memory_error(_: str) -> None:
    raise MemoryError


def dump_core(path: str) -> None:
    Path(path).write_text(json.dumps([resource.getrlimit(resource.RLIMIT_CORE), str(Path.cwd())]))


def killed(_: str) -> None:
    """As the kernel does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


def slow(seconds: str) -> None:
    time.sleep(float(seconds))

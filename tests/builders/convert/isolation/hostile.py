"""An exporter that misbehaves as the model's id says; the tests alone know of it.

`export` does what the id names; an id that begins with `fetch-` is done by `fetch` instead.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from onnx import TensorProto, helper

from builders.convert import ConversionError, Export, Outcome, Request


def export(request: Request) -> Export:
    behaviour, _, argument = request.model.id.partition(":")
    if not behaviour.startswith("fetch-"):
        globals()[behaviour](argument)
    files = [file.read_text() for file in request.files.iterdir()]
    length = int(argument) if behaviour == "chain" else int(behaviour != "trivial")
    values = ["x", *(f"y{i}" for i in range(length)), "z"]
    nodes = [helper.make_node("Relu", [a], [b]) for a, b in pairwise(values)]
    x, z = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xz")
    opsets = [helper.make_opsetid("", request.opset or 20)]
    model = helper.make_model(helper.make_graph(nodes, "g", [x], [z]), opset_imports=opsets)
    return Export(model, "hostile", sum(map(len, files)))


def fetch(request: Request) -> int:
    behaviour, _, argument = request.model.id.partition(":")
    if behaviour.startswith("fetch-"):
        globals()[behaviour.removeprefix("fetch-")](argument)
    return (request.files / "fetched").write_text("what fetch wrote")


def tell(what: object) -> None:
    """Let the test know something."""
    sys.stdout.write(json.dumps(what))
    sys.stdout.flush()
    raise ConversionError(Outcome.UNSUPPORTED, "told")


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


def loop_in_c(_: str) -> None:
    """Never come back from C, nor let another thread run, nor listen to polite signals."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    ctypes.PyDLL(None).sleep(600)


def allocate(_: str) -> None:
    kept = []
    while True:
        kept.append(bytearray(os.urandom(1 << 20)) * 16)


def allocate_small(_: str) -> None:
    kept = []
    while True:
        kept.append(object())


def allocate_shared(_: str) -> None:
    kept = []
    while True:
        kept.append(mmap.mmap(-1, 16 << 20))
        kept[-1].write(b"x" * (16 << 20))


def allocate_in_children(_: str) -> None:
    """A little in each of many processes."""
    for _ in range(30):
        if not os.fork():
            kept = bytearray(b"x" * (30 << 20))
            time.sleep(600)
            del kept
    time.sleep(600)


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
    """Write so many bytes, half of them to stdout."""
    block = b"no end to this\n" * 65536
    for i in range(int(size) // len(block)):
        os.write(1 + i % 2, block)
    sys.stderr.write("the last word\n")
    raise ValueError("after shouting")


def fork_bomb(_: str) -> None:
    while True:
        os.fork()


def escape(marker: str) -> None:
    """Leave a process behind that would live on, twice forked, in a session of its own, and go on."""
    if not os.fork():
        os.setsid()
        subprocess.Popen(["sh", "-c", f"touch alive; sleep 600; : {marker}"], start_new_session=True)
        os._exit(0)
    os.wait()
    while not Path("alive").exists():
        time.sleep(0.02)


def escape_and_loop(marker: str) -> None:
    escape(marker)
    loop("")


def escape_and_crash(marker: str) -> None:
    escape(marker)
    os.abort()


def environment(_: str) -> None:
    initial = dict(line.partition("=")[::2] for line in Path("/proc/self/environ").read_text().split("\0"))
    tell({**initial, **os.environ})


def tokens(place: str) -> None:
    """Look for credentials where libraries keep them, and where a driver of this process may have them."""
    found = {}
    home = Path(place)
    driver, *paths = (home / "paths").read_text().splitlines()
    for file in (*(home / path for path in paths), Path(f"/proc/{driver}/environ"), Path(f"/proc/{driver}/mem")):
        found[file.name] = _read(file)
    tell(found)


def _read(file: Path) -> str | None:
    """The beginning of a file, or why it cannot be read."""
    try:
        with file.open("rb") as opened:
            return opened.read(20).decode(errors="replace")
    except OSError as error:
        return error.strerror


def connect(port: str) -> None:
    socket.create_connection(("127.0.0.1", int(port)), timeout=5)


def write(path: str) -> None:
    """Write where anything may be written, and then elsewhere."""
    for directory in (Path(), Path.cwd(), Path.home(), Path(tempfile.gettempdir()), Path("/dev/shm")):
        (directory / "written").write_text("fine")
        (directory / "written").unlink()
    Path(path).write_text("not fine")


def fill_shared_memory(_: str) -> None:
    with Path("/dev/shm/fill").open("wb") as file:
        while True:
            file.write(bytes(16 << 20))


def regain(_: str) -> None:
    """Undo what shuts this process in: as root of a namespace of its own, and by unmounting."""
    libc = ctypes.CDLL(None, use_errno=True)
    undone = [name for name in (b"/dev/shm", os.fsencode(Path.cwd())) if libc.umount2(name, 2) == 0]
    libc.unshare(0x10000000 | 0x20000)
    undone += [name for name in (b"/dev/shm", os.fsencode(Path.cwd())) if libc.umount2(name, 2) == 0]
    with suppress(OSError):
        Path("/dev/../regained").write_text("not fine")
        undone.append(b"/")
    tell([name.decode() for name in undone])


def close_all(_: str) -> None:
    os.closerange(0, 256)


def kill_parent(_: str) -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(0.5)


def raise_limits(_: str) -> None:
    raised = []
    for limit in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        with suppress(ValueError, OSError):
            resource.setrlimit(limit, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            raised.append(limit)
    tell({"raised": raised, "core": resource.getrlimit(resource.RLIMIT_CORE), "home": str(Path.cwd())})


def _write_to_all(data: bytes) -> None:
    """Write to every descriptor that may be the channel, and stay."""
    for descriptor in range(3, 64):
        with suppress(OSError):
            os.write(descriptor, data)
    time.sleep(600)


def forge(_: str) -> None:
    _write_to_all(b"garbage" * 100)


def forge_header(header: str) -> None:
    """An answer whose frame is right and whose header is not."""
    _write_to_all(struct.pack(">4sIQQ", b"YHF2", len(header), 0, 0) + header.encode())


def announce(size: str) -> None:
    """Promise an answer of that many bytes, and begin to send it."""
    _write_to_all(struct.pack(">4sIQQ", b"YHF2", 2, int(size), 0) + b"{}" + bytes(1000))


def flood(_: str) -> None:
    """Send without end what begins like an answer."""
    with suppress(OSError):
        _write_to_all_for_ever(struct.pack(">4sIQQ", b"YHF2", 2, 1 << 20, 0) + b"{}")


def _write_to_all_for_ever(data: bytes) -> None:
    while True:
        for descriptor in range(3, 64):
            with suppress(OSError):
                os.write(descriptor, data)
        data = bytes(1 << 16)


def refuse(_: str) -> None:
    raise ConversionError(Outcome.UNSUPPORTED, "not this one\nand a second line")


def surrogates(_: str) -> None:
    raise ValueError("a name that is no text: \udcff")


def memory_error(_: str) -> None:
    raise MemoryError


def killed(_: str) -> None:
    """As the kernel does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


def slow(seconds: str) -> None:
    time.sleep(float(seconds))

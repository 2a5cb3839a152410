"""An exporter that misbehaves as the model's id says; the tests alone know of it.

`export` does what the id names; an id that begins with `fetch-` is done by `fetch` instead.
"""

from __future__ import annotations

import ctypes
import errno
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
from collections.abc import Callable
from contextlib import suppress
from itertools import count, pairwise
from pathlib import Path

from onnx import GraphProto, TensorProto, helper

from builders.convert import ConversionError, Export, Outcome, Request
from younger_hf.extract import strip

KEPT = []
MAP_NORESERVE = 0x4000
DEVICES = ("kmsg", "fuse", "kvm", "loop-control", "net/tun", "tty", "mem", "vsock", "ptmx")


def export(request: Request) -> Export:
    behaviour, _, argument = request.model.id.partition(":")
    if not behaviour.startswith("fetch-"):
        globals()[behaviour](argument)
    files = [file.read_text() for file in request.files.iterdir()]
    length = int(argument) if behaviour == "chain" else int(behaviour != "trivial")
    opsets = [helper.make_opsetid("", request.opset or 20)]
    model = helper.make_model(_chain(length), opset_imports=opsets)
    return Export(model, "hostile", sum(map(len, files)))


def _chain(length: int) -> GraphProto:
    """A graph of one operator more than this."""
    values = ["x", *(f"y{i}" for i in range(length)), "z"]
    nodes = [helper.make_node("Relu", [a], [b]) for a, b in pairwise(values)]
    x, z = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xz")
    return helper.make_graph(nodes, "g", [x], [z])


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


def allocate_in_files(place: str) -> None:
    """Memory that is a file, mapped, unlinked and closed, so that nothing but the file system knows of it."""
    for number in count():
        file = Path(place) / f"memory{number}"
        with file.open("w+b") as opened:
            opened.truncate(16 << 20)
            held = mmap.mmap(opened.fileno(), 16 << 20)
            file.unlink()
        held.write(b"x" * (16 << 20))
        KEPT.append(held)
        if number % 2:
            held.madvise(mmap.MADV_DONTNEED)


def allocate_page_tables(_: str) -> None:
    """Read, and never write, one page of each of very many."""
    while True:
        held = mmap.mmap(-1, 64 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE)
        for start in range(0, 64 << 30, 2 << 20):
            held[start]
        KEPT.append(held)


def hidden_memory(_: str) -> None:
    """Ask for memory that no process is seen to hold."""
    libc = ctypes.CDLL(None, use_errno=True)
    tries = {
        "System V": lambda: libc.shmget(0, 1 << 20, 0o1600),
        "memfd": lambda: libc.memfd_create(b"hidden", 0),
        "a mapping": lambda: libc.mmap(None, ctypes.c_size_t(1 << 20), 3, 0x21, -1, 0),
        "/dev/zero": lambda: os.open("/dev/zero", os.O_RDWR),
    }
    tell({name: _ended(call) for name, call in tries.items()})


def fill_sockets(_: str) -> None:
    """Keep data in the buffers of sockets, which no process is seen to hold: at most 2 GB, lest it be for real."""
    for _ in range(11):
        if not os.fork():
            break
    for _ in range(200):
        pair = socket.socketpair()
        for end in pair:
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            end.setblocking(False)
            with suppress(OSError):
                for _ in range(20):
                    end.send(bytes(20_000))
        KEPT.append(pair)
    time.sleep(600)


def doors(_: str) -> None:
    """Try what leads out of a process: sockets, namespaces, keyrings, the kernel's log, its settings and devices."""
    libc = ctypes.CDLL(None, use_errno=True)
    tries = {
        "AF_VSOCK": lambda: socket.socket(40, socket.SOCK_STREAM).detach(),
        "large buffers": lambda: socket.socketpair()[0].setsockopt(1, socket.SO_SNDBUF, 1 << 20) or 0,
        "AF_ALG": lambda: socket.socket(38, socket.SOCK_SEQPACKET).detach(),
        "AF_PACKET": lambda: socket.socket(17, socket.SOCK_RAW).detach(),
        "a user namespace": lambda: libc.unshare(0x10000000),
        "clone into one": lambda: libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0),
        "clone3 into one": lambda: libc.syscall(435, struct.pack("Q60x", 0x10000000), 64),
        "a mount": lambda: libc.mount(b"none", os.fsencode(Path.cwd()), b"tmpfs", 0, b""),
        "a keyring": lambda: libc.syscall(250, 0, -4, 1),
        "the kernel's log": lambda: libc.klogctl(10, None, 0),
        "ptrace": lambda: libc.ptrace(0, 0, 0, 0),
        "io_uring": lambda: libc.syscall(425, 1, bytes(120)),
        "bpf": lambda: libc.syscall(321, 0, bytes(120), 120),
        "core_pattern": lambda: os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY),
        "sysrq": lambda: os.open("/proc/sysrq-trigger", os.O_WRONLY),
        **{name: lambda name=name: os.open(f"/dev/{name}", os.O_RDONLY) for name in DEVICES},
    }
    tell({name: _ended(call) for name, call in tries.items()})


def _ended(call: Callable[[], int]) -> str:
    """How a try ended: the name of an error, or `got it`."""
    try:
        result = call()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "got it" if result not in (-1, (1 << 64) - 1) else errno.errorcode[ctypes.get_errno()]


def look_around(place: str) -> None:
    """What there is to see."""
    tell(
        {
            "processes": [file.read_text() for file in Path("/proc").glob("[0-9]*/cmdline")],
            "devices": sorted(file.name for file in Path("/dev").iterdir()),
            "root": sorted(file.name for file in Path("/").iterdir()),
            "settings": sorted(file.name for file in Path("/etc").iterdir()),
            "place": _ended(lambda: len(list(Path(place).iterdir()))),
            "mounts": Path("/proc/self/mountinfo").read_text().count("\n"),
        }
    )


def nest(depth: str) -> None:
    """Make so many directories, each within the one before."""
    for _ in range(int(depth)):
        Path("d").mkdir()
        os.chdir("d")
    Path("closed").mkdir(0)


def litter(count: str) -> None:
    """Make so many files, and stay."""
    for number in range(int(count)):
        Path(f"file{number}").touch()
    time.sleep(600)


def answer_with(skeleton: str, exporter: str = "forged") -> None:
    """Answer with this skeleton, in hexadecimal, and with this module tree."""
    content, _, modules = skeleton.partition("/")
    data = bytes.fromhex(content)
    header = {"outcome": "ok", "message": "", "exporter": exporter, "opset": 17, "bytes_fetched": 0, "peak_memory": 0}
    head = json.dumps(header).encode()
    _write_to_all(struct.pack(">4sIQQ", b"YHF2", len(head), len(data), len(modules)) + head + data + modules.encode())


def most_processes(_: str) -> None:
    """Say how many processes the kernel allows."""
    raise RuntimeError(f"at most {Path('/proc/sys/kernel/pid_max').read_text().strip()}")


def hide_text(_: str) -> None:
    """Answer with a good skeleton that has the text of a file in a name."""
    model = helper.make_model(_chain(2), opset_imports=[helper.make_opsetid("", 20)])
    skeleton = strip(model)
    skeleton.graph.node[0].name = Path("/etc/passwd").read_text()
    answer_with(skeleton.SerializeToString(deterministic=True).hex())


def name_exporter(name: str) -> None:
    """Answer with a good skeleton by an exporter of this name."""
    model = helper.make_model(_chain(2), opset_imports=[helper.make_opsetid("", 20)])
    answer_with(strip(model).SerializeToString(deterministic=True).hex(), name)


def junk_tree(_: str) -> None:
    """Answer with a good skeleton and a module tree that is none."""
    model = helper.make_model(_chain(2), opset_imports=[helper.make_opsetid("", 20)])
    answer_with(strip(model).SerializeToString(deterministic=True).hex() + "/" + "[" * 100_000)


def killed_by_a_child(_: str) -> None:
    """Be killed by a process that this one has started."""
    if not os.fork():
        os.kill(os.getppid(), signal.SIGKILL)
        os._exit(0)
    time.sleep(600)


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
    KEPT.extend(mmap.mmap(-1, 2 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) for _ in range(int(count)))


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


def tokens(places: str) -> None:
    """Look for credentials in files, and where a driver of this process may have them."""
    driver, *files = places.split("|")
    tell({name: _read(Path(name)) for name in (*files, f"/proc/{driver}/environ", f"/proc/{driver}/mem")})


def _read(file: Path) -> str | None:
    """The beginning of a file, or why it cannot be read."""
    try:
        with file.open("rb") as opened:
            return opened.read(20).decode(errors="replace")
    except OSError as error:
        return error.strerror


def connect(port: str) -> None:
    socket.create_connection(("127.0.0.1", int(port)), timeout=5)


def connect_abstract(name: str) -> None:
    """Connect to a Unix socket that has no place in the file system."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(f"\0{name}")
    tell("got it")


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
    """Die as a process does that the kernel kills when memory runs out, though it is not the kernel."""
    os.kill(os.getpid(), signal.SIGKILL)


def slow(seconds: str) -> None:
    time.sleep(float(seconds))

"""What a model's process sees of the file system: `visible()` says it in the driver, `enter_view` makes it so.

The rest of the file system is not there: what a child needs is mounted, read-only, into an empty root. That is Python
and its packages, the system's libraries, a handful of devices, and the files of the request. It writes into its home
and /dev/shm alone, both memory, and both gone with the process.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from builders.convert.isolation import system_calls

_SYSTEM: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/gnu/store")
_SETTINGS: Final = (
    *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime", "timezone", "nsswitch.conf"),
    *("ssl", "pki", "ca-certificates", "host.conf", "gai.conf"),
)
_SETTINGS_OF_NETWORK: Final = ("resolv.conf", "hosts", "services", "protocols")
_CERTIFICATES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_HARDWARE: Final = "/sys/devices/system/cpu"  # how many processors there are
# Not /dev/zero: a shared mapping of it is memory that no process is seen to hold.
_DEVICES: Final = ("null", "full", "random", "urandom")
_PACKAGES: Final = {"site-packages", "dist-packages"}
_OWN_PACKAGES: Final = ("younger_hf", "builders")
_SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108
_MOST_PROCESSES: Final = 1024  # that the kernel allows; the driver's limit is lower, but takes a look to notice
_MOST_SHARED: Final = 256 << 20  # bytes of it


@dataclass(frozen=True)
class Room:
    """The places that a child has for its own, all of them absolute.

    Attributes:
        home: its home, empty at first.
        alias: a directory that becomes another name of `home`.
        files: a directory of the driver's within `home`.
        files_writable: whether it may write there.
        shown: files and directories to see besides.
        size: bytes that home can hold.
        entries: files and directories that home can hold.
    """

    home: str
    alias: str
    files: str
    files_writable: bool
    shown: tuple[str, ...]
    size: int
    entries: int


def visible(*, network: bool) -> list[str]:
    """What every child of a template sees, by its path: files, directories, and links."""
    environment = [os.environ[name] for name in _CERTIFICATES if network and os.environ.get(name)]
    libraries = [path for path in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if path]
    settings = (*_SETTINGS, *_SETTINGS_OF_NETWORK) if network else _SETTINGS
    return [
        *_SYSTEM,
        *(f"/etc/{name}" for name in settings),
        *dict.fromkeys(str(Path(path).absolute()) for path in (*_python(), *libraries, *environment)),
    ]


def _python() -> Iterator[str]:
    """Where Python is, and the packages that are installed; not what else is beside a source tree or a script."""
    yield from (sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix, os.path.realpath(sys.executable))
    yield from (entry for entry in sys.path if Path(entry).name in _PACKAGES)
    for package in _OWN_PACKAGES:
        yield from home_of_module(package)


def home_of_module(name: str) -> list[str]:
    """The file of a top-level module, or the directories of the package that this module is in; empty if unknown."""
    try:
        spec = find_spec(name.partition(".")[0])
    except (ImportError, ValueError):
        return []
    if spec is None:
        return []
    return list(spec.submodule_search_locations or ([spec.origin] if spec.has_location and spec.origin else []))


def enter_view(room: Room, paths: Iterable[str]) -> None:
    """See nothing but these paths and the room from here on; for the first process of new namespaces.

    Raises:
        OSError: the system does not allow it; some of it may have been done.
    """
    root = room.alias
    system_calls.mount("", "/", flags=system_calls.MS_REC | system_calls.MS_PRIVATE)
    _mount("tmpfs", root, "size=4m,mode=755")
    system_calls.mount("", root, flags=system_calls.MS_UNBINDABLE)  # so that no directory above it shows it again
    for path in (*paths, _HARDWARE, *room.shown):
        _show(path, root)
    _make_devices(root)
    _make_passwd(root, room.home)
    for place in (room.home, room.alias, "/proc"):
        _within(root, place).mkdir(parents=True, exist_ok=True)
    try:
        _mount("proc", root + "/proc")
        _limit_processes(root)
    except OSError:  # a container has veiled a part of its own, and may have no other: it names more processes
        system_calls.bind("/proc", root + "/proc")
    system_calls.make_readonly(root)
    _mount("tmpfs", root + room.home, f"mode=700,size={room.size},nr_inodes={room.entries}")
    _within(root, room.files).mkdir()
    system_calls.bind(room.files, root + room.files)
    if not room.files_writable:
        system_calls.make_readonly(root + room.files)
    system_calls.bind(root + room.home, root + room.alias)
    _mount("tmpfs", root + _SHARED_MEMORY, f"size={_MOST_SHARED},nr_inodes={room.entries}")
    system_calls.change_root(root)


def _limit_processes(root: str) -> None:
    """Have the kernel refuse processes that are far too many: a machine full of them leaves the driver no time to look.

    Since Linux 6.14 the setting is the process namespace's own; before, it is the whole system's and left alone.
    """
    release = re.match(r"(\d+)\.(\d+)", os.uname().release)
    if release and (int(release[1]), int(release[2])) >= (6, 14):
        with suppress(OSError):
            Path(root, "proc/sys/kernel/pid_max").write_text(str(_MOST_PROCESSES))


def used_memory(init: int, home: str) -> int:
    """Bytes in the home and the shared memory of the child whose namespace has this first process; 0 if unknown."""
    used = 0
    for place in (home, _SHARED_MEMORY):
        with suppress(OSError):
            found = os.statvfs(f"/proc/{init}/root{place}")
            used += (found.f_blocks - found.f_bfree) * found.f_frsize
    return used


def _mount(kind: str, target: str, options: str = "") -> None:
    """Mount a file system that is in memory."""
    system_calls.mount(kind, target, kind, system_calls.MS_NOSUID | system_calls.MS_NODEV, options)


def _show(path: str, root: str) -> None:
    """Have a path in the new root by this name; where it leads through a link, that too, and what it leads to."""
    shown = Path(path)
    if not shown.is_absolute() or not shown.exists():
        return
    for step in (*reversed(shown.parents), shown):
        if step.is_symlink():
            link = _within(root, step)
            if not link.exists() and not link.is_symlink():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(step.resolve())
            shown = shown.resolve()
            break
    target = _within(root, shown)
    if shown.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    system_calls.bind(str(shown), str(target))


def _make_devices(root: str) -> None:
    _within(root, _SHARED_MEMORY).mkdir(parents=True)
    for name in _DEVICES:
        _show(f"/dev/{name}", root)
    for name, descriptor in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        Path(f"{root}/dev/{name}").symlink_to(f"/proc/self/fd{descriptor}")


def _make_passwd(root: str, home: str) -> None:
    """The one user that there is: libraries ask for their user's name."""
    user, group = os.getuid(), os.getgid()
    Path(f"{root}/etc").mkdir(exist_ok=True)
    Path(f"{root}/etc/passwd").write_text(f"younger:x:{user}:{group}::{home}:/bin/sh\n")
    Path(f"{root}/etc/group").write_text(f"younger:x:{group}:\n")


def _within(root: str, path: str | Path) -> Path:
    """An absolute path, in the new root."""
    return Path(f"{root}{path}")

"""What a child process is cut off from, where Linux allows it, before a model is let into it.

In namespaces of its own it has no network (unless the step is there to fetch), sees and signals no process but its
own, and none of its making outlives it. Of the file system nothing is writable but its home and a small /dev/shm,
and files that hold credentials are empty; the rest can be read. It cannot look into the driver's environment, for
that is another user namespace's. It has no capabilities, and cannot gain any that would undo this.

Not kept from it: what the user can read besides, processor time within the limit, disk space in its home, and Unix
sockets that stand open in the file system. Where namespaces are not allowed (containers often forbid them, other
systems have none), it is an ordinary process of the user, with a bare environment and the driver's limits.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

# linux/sched.h, linux/prctl.h, linux/mount.h, linux/capability.h
_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = 0x20000, 0x10000000, 0x20000000, 0x40000000
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 36, 38
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_PRIVATE = 2, 4, 4096, 16384, 1 << 18
_SYS_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _MOUNT_ATTR_RDONLY = 442, -100, 0x8000, 1
_CAPABILITY_VERSION_3: Final = 0x20080522

_SHARED_MEMORY: Final = "size=256m"  # of /dev/shm: it is memory that no process is seen to hold


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, however that ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def enter(home: str, alias: str, hidden: Iterable[str], *, network: bool, report: Callable[[int], None]) -> bool:
    """Go on in new namespaces; False where the platform does not allow it.

    A process namespace takes in only children. The first fork is its init: when that dies, the kernel kills all
    that is in it. An init ignores signals, so the work goes on in a second fork, which crashes as it should.

    Args:
        home: the one directory that stays writable.
        alias: a directory that becomes another name of `home`.
        hidden: files and directories that become empty.
        network: whether the network stays.
        report: called once with the namespace's init as seen from outside, 0 if there is none; of all that is forked
            here, models run only below that init.
    """
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    user, group = os.getuid(), os.getgid()
    spaces = _CLONE_NEWUSER | _CLONE_NEWPID | _CLONE_NEWNS | (0 if network else _CLONE_NEWNET)
    if libc is None or libc.unshare(spaces) != 0:
        if libc is not None:  # orphans then come to this process, so that the driver still finds them below it
            libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        report(0)
        return False
    with suppress(OSError):  # without the maps the process is merely nobody
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    with suppress(OSError):  # a kernel before 5.12, or a policy against mounts: the rest still holds
        _confine(libc, home, alias, hidden)
    if init := os.fork():
        report(init)
        _end_as(init)
    die_with_parent()
    if child := os.fork():
        _end_as(child)
    die_with_parent()
    _drop_capabilities(libc)
    return True


def _confine(libc: ctypes.CDLL, home: str, alias: str, hidden: Iterable[str]) -> None:
    """Make all but `home` and /dev/shm read-only, and what is hidden empty.

    Raises:
        OSError: the system does not allow it; some of it may have been done.
    """

    def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
        if libc.mount(*(text.encode() for text in (source, target, kind)), ctypes.c_ulong(flags), options.encode()):
            raise OSError(ctypes.get_errno(), f"cannot mount {target}")

    def set_readonly(target: str, value: bool) -> None:
        attributes = (ctypes.c_uint64 * 4)(*((_MOUNT_ATTR_RDONLY, 0) if value else (0, _MOUNT_ATTR_RDONLY)))
        flags = _AT_RECURSIVE if value else 0
        if libc.syscall(_SYS_MOUNT_SETATTR, _AT_FDCWD, target.encode(), flags, attributes, ctypes.sizeof(attributes)):
            raise OSError(ctypes.get_errno(), f"cannot change the mount {target}")

    mount("", "/", flags=_MS_REC | _MS_PRIVATE)
    for path in hidden:
        mount(alias if Path(path).is_dir() else os.devnull, path, flags=_MS_BIND)
    set_readonly("/", True)
    mount(home, home, flags=_MS_BIND)
    set_readonly(home, False)
    mount(home, alias, flags=_MS_BIND)
    mount("tmpfs", "/dev/shm", "tmpfs", _MS_NOSUID | _MS_NODEV, _SHARED_MEMORY)  # noqa: S108


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Give up all that this process may do as the master of its namespaces, and whatever a program could give it."""
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    if libc.capset(header, (ctypes.c_uint32 * 6)()) != 0:
        raise OSError(ctypes.get_errno(), "cannot drop capabilities")


def _end_as(child: int) -> NoReturn:
    """Wait for the child, and exit with its status, or 128 and its signal as a shell would."""
    ended = status = 0
    while ended != child:
        ended, status = os.wait()
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)

"""The few calls of Linux that Python has no name for. Each raises OSError where the kernel refuses; Linux only."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import sys
from typing import Final

# linux/sched.h, linux/prctl.h, linux/mount.h, linux/capability.h
CLONE_NEWNS: Final = 0x20000
CLONE_NEWCGROUP: Final = 0x2000000
CLONE_NEWUTS: Final = 0x4000000
CLONE_NEWIPC: Final = 0x8000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_UNBINDABLE, MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 17, 1 << 18
_MNT_DETACH: Final = 2
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _MOUNT_ATTR_RDONLY = 442, -100, 0x8000, 1
_CAPABILITY_VERSION_3: Final = 0x20080522
_PIVOT_ROOT: Final = {"x86_64": 155, "aarch64": 41}

_libc: Final = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, however that ends; nothing on other systems."""
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of every process below this one whose own parent ends."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def stay_measurable() -> None:
    """Let the user's other processes look into this one, as a change of namespace forbids."""
    _libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)


def unshare(spaces: int) -> None:
    """Go into new namespaces."""
    _checked(_libc.unshare(spaces), "cannot make namespaces")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount a file system, bind a file or directory to a second place, or change how a mount propagates."""
    texts = (os.fsencode(text) for text in (source, target, kind))
    _checked(_libc.mount(*texts, ctypes.c_ulong(flags), options.encode()), f"cannot mount {target}")


def bind(source: str, target: str) -> None:
    """Have a file or directory, with all that is mounted below it, at a second place."""
    mount(source, target, flags=MS_BIND | MS_REC)


def make_readonly(target: str) -> None:
    """Forbid writing in a mount and in all below it; Linux 5.12 and later."""
    attributes = (ctypes.c_uint64 * 4)(_MOUNT_ATTR_RDONLY, 0, 0, 0)
    size = ctypes.sizeof(attributes)
    arguments = (_AT_FDCWD, os.fsencode(target), _AT_RECURSIVE, attributes, size)
    _checked(_libc.syscall(_MOUNT_SETATTR, *arguments), f"cannot make {target} read-only")


def change_root(root: str) -> None:
    """Make a mount the root of this mount namespace, and let go of the old one."""
    os.chdir(root)
    _checked(_libc.syscall(_PIVOT_ROOT.get(platform.machine(), -1), b".", b"."), "cannot change the root")
    _checked(_libc.umount2(b".", _MNT_DETACH), "cannot let go of the old root")
    os.chdir("/")


def drop_capabilities() -> None:
    """Give up all that this process may do as the master of its namespaces, and whatever a program could give it."""
    forbid_new_privileges()
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _checked(_libc.capset(header, (ctypes.c_uint32 * 6)()), "cannot drop capabilities")


def forbid_new_privileges() -> None:
    """Have no program give this process, or one below it, more rights."""
    _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "cannot forbid new privileges")


def filter_calls(program: bytes) -> None:
    """Have the kernel decide about every later system call with this BPF program."""
    instructions = ctypes.create_string_buffer(program, len(program))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))

    described = Program(len(program) // 8, ctypes.addressof(instructions))
    _checked(_libc.prctl(22, 2, ctypes.byref(described), 0, 0), "cannot filter system calls")  # PR_SET_SECCOMP, FILTER


def _checked(result: int, refused: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), refused)

"""The system calls that a model's process is refused: `refuse_calls()`.

A filter of the kernel's (seccomp) that cannot be taken off again. What it is for:

- memory that no process is seen to hold: System V segments, memfd, shared mappings without a file, large buffers of
  sockets;
- doors to the machine's other parts: sockets of other families than Unix, IP and netlink (AF_VSOCK leads to the host
  of a virtual machine, AF_ALG into the kernel), the kernel's keyrings and log;
- new namespaces, in which a process has rights again, and what needs such rights;
- parts of the kernel that exploits like and exporters do not need: BPF, io_uring, userfaultfd, perf, ptrace.

Linux on x86-64 and ARM64; elsewhere there is no filter.
"""

from __future__ import annotations

import errno
import platform
import socket
import struct
from functools import cache
from typing import Final

from builders.convert.isolation import system_calls

# Their numbers on x86-64 and on ARM64; asm/unistd.h.
_REFUSED: Final = """
    shmget             29 194    semget             64 190    msgget             68 186    mq_open           240 180
    memfd_create      319 279    memfd_secret      447 447
    keyctl            250 219    add_key           248 217    request_key       249 218    syslog            103 116
    unshare           272  97    setns             308 268    chroot            161  51    pivot_root        155  41
    mount             165  40    umount2           166  39    open_tree         428 428    move_mount        429 429
    fsopen            430 430    fsconfig          431 431    fsmount           432 432    fspick            433 433
    mount_setattr     442 442    name_to_handle_at 303 264    open_by_handle_at 304 265
    bpf               321 280    perf_event_open   298 241    userfaultfd       323 282    ptrace            101 117
    process_vm_readv  310 270    process_vm_writev 311 271
    io_uring_setup    425 425    io_uring_enter    426 426    io_uring_register 427 427
""".split()
# Its flags lie in memory, where a filter cannot look: without it, libraries take clone.
_CLONE3: Final = 435
_CLONE, _MMAP, _SOCKET, _SETSOCKOPT = (56, 220), (9, 222), (41, 198), (54, 208)

_MACHINES: Final = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column; linux/audit.h
_X32: Final = 0x40000000  # the bit of x86-64's second set of numbers
_FAMILIES: Final = (socket.AF_INET, socket.AF_INET6, 16)  # 16: AF_NETLINK, for getaddrinfo
# At SOL_SOCKET: SO_SNDBUF, SO_RCVBUF and the same with force, for larger buffers.
_SOL_SOCKET, _BUFFER_SIZES = 1, (7, 8, 32, 33)
_NAMESPACES: Final = (
    system_calls.CLONE_NEWNS
    | system_calls.CLONE_NEWCGROUP
    | system_calls.CLONE_NEWUTS
    | system_calls.CLONE_NEWIPC
    | system_calls.CLONE_NEWUSER
    | system_calls.CLONE_NEWPID
    | system_calls.CLONE_NEWNET
)
_SHARED_WITHOUT_FILE: Final = 0x21  # MAP_ANONYMOUS, and what MAP_SHARED and MAP_SHARED_VALIDATE have alone

# linux/bpf_common.h, linux/seccomp.h; offsets into struct seccomp_data
_LOAD, _AND, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16


def refuse_calls(*, network: bool) -> bool:
    """Refuse them to this process and all that come of it; False where the kernel has no such filter.

    Args:
        network: whether it has the machine's network: then Unix sockets without a place in the file system are in
            reach, services of the desktop and of containers, and it is refused such sockets.
    """
    program = _program(platform.machine(), network)
    if not program:
        return False
    try:
        system_calls.forbid_new_privileges()
        system_calls.filter_calls(program)
    except OSError:
        return False
    return True


@cache
def _program(machine: str, network: bool) -> bytes:
    """The filter for a machine, empty where it is not known."""
    if machine not in _MACHINES:
        return b""
    column, architecture = _MACHINES[machine]
    code = [*_load(_ARCHITECTURE), *_unless(_JUMP_EQUAL, architecture, _refuse(errno.EPERM)), *_load(_NUMBER)]
    if machine == "x86_64":
        code += _if(_JUMP_AT_LEAST, _X32, _refuse(errno.EPERM))
    code += _if(_JUMP_EQUAL, _CLONE3, _refuse(errno.ENOSYS))
    for number in _REFUSED[column + 1 :: 3]:
        code += _if(_JUMP_EQUAL, int(number), _refuse(errno.EPERM))
    code += _if(
        _JUMP_EQUAL,
        _CLONE[column],
        [*_load(_argument(0)), *_if(_JUMP_ANY, _NAMESPACES, _refuse(errno.EPERM)), *_ALLOWED],
    )
    code += _if(
        _JUMP_EQUAL,
        _MMAP[column],
        [
            *_load(_argument(3)),
            *_instruction(_AND, _SHARED_WITHOUT_FILE),
            *_if(_JUMP_EQUAL, _SHARED_WITHOUT_FILE, _refuse(errno.ENOMEM)),
            *_ALLOWED,
        ],
    )
    buffers = [one for option in _BUFFER_SIZES for one in _if(_JUMP_EQUAL, option, _refuse(errno.EPERM))]
    code += _if(
        _JUMP_EQUAL,
        _SETSOCKOPT[column],
        [*_load(_argument(1)), *_if(_JUMP_EQUAL, _SOL_SOCKET, [*_load(_argument(2)), *buffers]), *_ALLOWED],
    )
    allowed = _FAMILIES if network else (socket.AF_UNIX, *_FAMILIES)
    families = [one for family in allowed for one in _if(_JUMP_EQUAL, int(family), _ALLOWED)]
    code += _if(_JUMP_EQUAL, _SOCKET[column], [*_load(_argument(0)), *families, *_refuse(errno.EAFNOSUPPORT)])
    return b"".join([*code, *_ALLOWED])


def _instruction(operation: int, value: int, when_true: int = 0, when_false: int = 0) -> list[bytes]:
    return [struct.pack("=HBBI", operation, when_true, when_false, value)]


def _load(offset: int) -> list[bytes]:
    return _instruction(_LOAD, offset)


def _if(jump: int, value: int, then: list[bytes]) -> list[bytes]:
    return [*_instruction(jump, value, 0, len(then)), *then]


def _unless(jump: int, value: int, then: list[bytes]) -> list[bytes]:
    return [*_instruction(jump, value, len(then), 0), *then]


def _refuse(number: int) -> list[bytes]:
    return _instruction(_RETURN, _ERRNO | number)


def _argument(position: int) -> int:
    """Where the low half of an argument lies: both machines put it first."""
    return _ARGUMENTS + 8 * position


_ALLOWED: Final = _instruction(_RETURN, _ALLOW)

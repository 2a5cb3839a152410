"""What a child process is cut off from, where Linux allows it, before a model is let into it: `enter`.

In namespaces of its own it has no network (unless the step is there to fetch), no System V memory of others, sees and
signals no process but its own, and none of its making outlives it. Of the file system it sees what `view` shows. It
has no capabilities, cannot gain any, and is refused the system calls of `refused_calls`.

Not kept from it: processor time within the limit. Where namespaces are not allowed (containers often forbid them,
other systems have none), it is an ordinary process of the user, with a bare environment and the driver's limits.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from builders.convert.isolation import refused_calls, system_calls
from builders.convert.isolation.view import Room, enter_view


@dataclass(frozen=True)
class Walls:
    """Which walls stand around a process.

    Attributes:
        processes: it is in namespaces of its own: no network, no process but those of its making, and none that
            outlives it.
        files: it sees nothing but what it needs, and writes nowhere but into memory that goes with it.
        calls: the kernel refuses it what `refused_calls` lists.
    """

    processes: bool = False
    files: bool = False
    calls: bool = False


def enter(room: Room, paths: Iterable[str], *, network: bool, report: Callable[[int], None]) -> Walls:
    """Go on behind walls.

    A process namespace takes in only children. The first fork is its init: when that dies, the kernel kills all
    that is in it. An init ignores signals, so the work goes on in a second fork, which crashes as it should.

    Args:
        room: the child's own places.
        paths: what else it sees.
        network: whether the network stays.
        report: called once with the namespace's init as seen from outside, 0 if there is none; of all that is forked
            here, models run only below that init.

    Returns:
        What could be had of it.
    """
    if sys.platform != "linux":
        report(0)
        return Walls()
    user, group = os.getuid(), os.getgid()
    try:
        system_calls.unshare(
            system_calls.CLONE_NEWUSER
            | system_calls.CLONE_NEWPID
            | system_calls.CLONE_NEWNS
            | system_calls.CLONE_NEWIPC
            | system_calls.CLONE_NEWUTS
            | system_calls.CLONE_NEWCGROUP
            | (0 if network else system_calls.CLONE_NEWNET)
        )
    except OSError:
        system_calls.adopt_orphans()  # so that the driver still finds them below this process
        report(0)
        return Walls(calls=refused_calls.refuse_calls(network=network))
    with suppress(OSError):  # without the maps the process is merely nobody
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
        Path("/proc/sys/user/max_user_namespaces").write_text("0")  # of this namespace: none below it
    if init := os.fork():
        report(init)
        _end_as(init)
    system_calls.die_with_parent()
    files = True
    try:
        enter_view(room, paths)
    except OSError:  # a kernel before 5.12, or a policy against mounts: the rest still holds
        files = False
    system_calls.stay_measurable()
    if child := os.fork():
        _end_as(child)
    system_calls.die_with_parent()
    system_calls.drop_capabilities()
    return Walls(True, files, refused_calls.refuse_calls(network=network))


def _end_as(child: int) -> NoReturn:
    """Wait for the child, and exit with its status, or 128 and its signal as a shell would."""
    ended = status = 0
    while ended != child:
        ended, status = os.wait()
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)

"""How the process of a command keeps memory."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from typing import Final

# Of glibc's malloc.h.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_MAX: Final = -4


def keep_freed_memory() -> None:
    """Have the C library keep the memory of freed tensors for the next ones; where it is not glibc, nothing changes.

    By default glibc gives each large tensor back to the system, and the system clears the pages of the next one: on a
    CPU a good part of a step. It concerns the whole process, so that a command may ask for it, and a library not.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, -1)

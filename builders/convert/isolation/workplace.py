"""Where the conversions of a process run: `Workplace`, a scratch directory and the templates that children come of."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

from builders.convert.isolation.leftovers import discard, discard_leftovers
from builders.convert.isolation.templates import Templates

# A cluster ends its workers, and the children that they started, without asking: what removes the directory outlives
# them as a grandchild. It waits for the end of its input, which nobody but the worker holds open.
_REMOVE: Final = ("/bin/sh", "-c", 'exec 3<&0; (read -r _ <&3; sleep 1; rm -rf -- "$0") &')


class Workplace:
    """A scratch directory with templates, used in a `with` statement, which removes it.

    Sent to another process, it becomes that process's own: one for all that is sent there, in the directory for
    temporary files, until the process ends.

    Args:
        scratch: the directory; it is made, and what is there is discarded.
    """

    def __init__(self, scratch: Path) -> None:
        discard_leftovers(scratch.parent)  # a killed process leaves its own behind
        discard(scratch)
        scratch.mkdir()
        self.scratch = scratch
        self.templates = Templates(scratch)
        self.remover: subprocess.Popen[bytes] | None = None  # while it is held, its input is open

    def __enter__(self) -> Workplace:
        return self

    def __exit__(self, *exception: object) -> None:
        """End the templates, and remove the directory."""
        self.templates.__exit__(*exception)
        discard(self.scratch)

    def __reduce__(self) -> tuple[Callable[[], Any], tuple[()]]:
        return _of_this_process, ()


@cache
def _of_this_process() -> Workplace:
    """The workplace of a process that was sent one."""
    directory = tempfile.mkdtemp(prefix="younger-hf-")
    workplace = Workplace(Path(directory, "scratch"))
    workplace.remover = subprocess.Popen([*_REMOVE, directory], stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603
    return workplace

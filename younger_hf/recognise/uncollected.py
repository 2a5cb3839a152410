"""Long work on many small objects, without the collector of cycles."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Within, and in what this decorates, the collector of cycles does not run.

    A network's nodes and values refer to each other and live as long as it does. The collector looks at all of them
    again and again, which is a fifth of a normal form's time, and finds little.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()

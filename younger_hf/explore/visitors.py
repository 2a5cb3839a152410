"""How much a visitor may ask of a server that others use, too: `RateLimit`, by the token-bucket algorithm."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

_MOST_REMEMBERED: Final = 10_000


@dataclass
class RateLimit:
    """So many requests at once, and so many a minute from then on, for each client by itself.

    Attributes:
        at_once: the most that may come at once.
        a_minute: how many come free again in a minute.
        clock: seconds.
    """

    at_once: int
    a_minute: float
    clock: Callable[[], float] = time.monotonic
    _left: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def admits(self, client: str) -> bool:
        """Whether a client's request may be answered now; if so, it counts."""
        with self._lock:
            now = self.clock()
            left, since = self._left.pop(client, (float(self.at_once), now))
            left = min(self.at_once, left + (now - since) * self.a_minute / 60)
            is_admitted = left >= 1
            self._left[client] = (left - is_admitted, now)
            while len(self._left) > _MOST_REMEMBERED:
                self._left.popitem(last=False)
            return is_admitted

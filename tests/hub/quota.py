"""The Hub's rate limit: so many requests in a window of so many seconds, counted in headers."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from threading import Lock


@dataclass
class Quota:
    """A fixed window, which opens with the first request in it."""

    resource: str
    limit: int = 100_000
    window: float = 300.0
    _used: int = 0
    _end: float = 0.0
    _lock: Lock = field(default_factory=Lock)

    def take(self) -> tuple[bool, dict[str, str]]:
        """Whether one more request is allowed, and the headers that say so."""
        with self._lock:
            now = time.monotonic()
            if now >= self._end:
                self._used, self._end = 0, now + self.window
            self._used += 1
            remaining, reset = max(self.limit - self._used, 0), math.ceil(self._end - now)
            headers = {
                "RateLimit": f'"{self.resource}";r={remaining};t={reset}',
                "RateLimit-Policy": f'"fixed window";"{self.resource}";q={self.limit};w={math.ceil(self.window)}',
            }
            return self._used <= self.limit, headers

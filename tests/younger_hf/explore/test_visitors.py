"""How much a client may ask."""

from __future__ import annotations

from younger_hf.explore.visitors import RateLimit


def test_a_client_has_so_many_at_once_and_so_many_a_minute():
    now = 0.0
    limit = RateLimit(at_once=2, a_minute=6, clock=lambda: now)
    assert [limit.admits("a") for _ in range(3)] == [True, True, False]
    assert limit.admits("b")
    now = 10.0
    assert [limit.admits("a") for _ in range(2)] == [True, False]
    now = 1000.0
    assert [limit.admits("a") for _ in range(3)] == [True, True, False]

"""Results that are kept, and who waits for whom."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from younger_hf.explore.kept import Kept

WAIT = 60


def test_who_asks_for_the_same_at_once_shares_one_computation():
    made, asking = [], Barrier(8)

    def make(name: str) -> str:
        made.append(name)
        return name.upper()

    kept = Kept(make, 4)

    def ask() -> str:
        asking.wait(WAIT)
        return kept("a")

    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(ask) for _ in range(8)]
        assert {one.result(WAIT) for one in asked} == {"A"}
    assert made == ["a"]


def test_others_are_made_meanwhile():
    started, go = Event(), Event()

    def make(name: str) -> str:
        if name == "slow":
            started.set()
            assert go.wait(WAIT)
        return name

    kept = Kept(make, 4, at_once=2)
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(kept, "slow")
        assert started.wait(WAIT)
        assert kept("quick") == "quick"
        go.set()
        assert slow.result(WAIT) == "slow"


def test_the_latest_asked_for_are_kept_while_there_is_room():
    made = []

    def make(size: int) -> bytes:
        made.append(size)
        return bytes(size)

    kept = Kept(make, 10, len)
    for size in (4, 5, 4, 3, 4, 5):
        assert len(kept(size)) == size
    assert made == [4, 5, 3, 5]  # 5 had to go for 3, since 4 was asked for after it
    assert kept(20) == kept(20)  # more than there is room for, and alone
    assert made[4:] == [20]


def test_what_fails_is_tried_again():
    answers = iter([ValueError("first"), 7])

    def make() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    kept = Kept(make, 1)
    with pytest.raises(ValueError, match="first"):
        kept()
    assert kept() == 7

"""A process beside the server answers, says what went wrong, and ends."""

from __future__ import annotations

import operator
import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from younger_hf.errors import YoungerError
from younger_hf.explore.aside import Aside


@pytest.fixture
def aside() -> Iterator[Aside]:
    made = Aside()
    yield made
    made.stop()


def test_it_answers_in_one_process_that_is_not_this_one(aside: Aside) -> None:
    first = aside(os.getpid)
    assert first == aside(os.getpid) != os.getpid()
    assert aside(operator.add, 2, 3) == 5
    with pytest.raises(ZeroDivisionError):
        aside(operator.truediv, 1, 0)
    aside.rest()
    assert aside(os.getpid) != first


def test_a_process_that_is_killed_is_said_and_begun_anew(aside: Aside) -> None:
    with pytest.raises(YoungerError, match="has ended"):
        aside(os._exit, 1)
    assert aside(operator.neg, 1) == -1


def test_it_ends_when_nobody_asks() -> None:
    aside = Aside(idle=0.05)
    running = aside(os.getpid)
    for _ in range(600):
        try:
            os.kill(running, signal.SIG_DFL)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("the process goes on")


def test_it_is_stopped_in_the_middle_of_an_answer() -> None:
    aside = Aside()
    aside(os.getpid)
    said: list[Exception] = []

    def ask() -> None:
        try:
            aside(time.sleep, 600)
        except YoungerError as error:
            said.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.1)
    aside.stop()
    asking.join(60)
    assert said
    with pytest.raises(YoungerError, match="the server ends"):
        aside(os.getpid)

"""What takes long is made once, whoever asks, and nobody waits for it."""

from __future__ import annotations

from threading import Event

from younger_hf.explore.afterwards import Afterwards


def test_it_is_made_once_and_nobody_waits():
    begun, goes_on, made = Event(), Event(), []

    def make() -> str:
        made.append("once")
        begun.set()
        assert goes_on.wait(60)
        return "the map"

    figure = Afterwards(make, "map")
    assert figure.join() is None
    assert not made
    assert figure() is None
    assert begun.wait(60)
    assert figure() is None
    goes_on.set()
    assert figure.join() == figure() == "the map"
    assert made == ["once"]

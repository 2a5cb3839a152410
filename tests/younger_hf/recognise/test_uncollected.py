"""The collector of cycles rests within, and is afterwards as it was before."""

from __future__ import annotations

import gc

import pytest

from younger_hf.recognise.uncollected import uncollected


@uncollected()
def is_collecting(fails: bool = False) -> bool:
    if fails:
        raise ZeroDivisionError
    return gc.isenabled()


@pytest.fixture
def _stopped():
    gc.disable()
    yield
    gc.enable()


def test_it_rests_within():
    assert not is_collecting()
    assert gc.isenabled()


def test_it_goes_on_after_an_error():
    with pytest.raises(ZeroDivisionError):
        is_collecting(fails=True)
    assert gc.isenabled()


def test_it_goes_on_when_all_have_ended():
    with uncollected():
        assert not is_collecting()
        assert not gc.isenabled()
    assert gc.isenabled()


@pytest.mark.usefixtures("_stopped")
def test_what_others_have_stopped_stays_so():
    assert not is_collecting()
    assert not gc.isenabled()

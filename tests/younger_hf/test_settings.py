"""Settings are declared once: a subclass that changes a default keeps help, limits and choices."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from younger_hf.errors import UsageError
from younger_hf.settings import check_settings, declaration, setting, typed_settings


@dataclass(frozen=True, kw_only=True)
class Base:
    rate: float = setting("How fast.", above=0)
    decay: float = setting("How much.", 0.0, least=0)
    limit: int | None = setting("How many.", None, above=0)
    mode: str = setting("How.", "slow", choices=("slow", "fast"))

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True, kw_only=True)
class Quick(Base):
    rate: float = 0.5
    mode: str = "fast"


def test_a_subclass_changes_a_default_and_nothing_else():
    quick = Quick()
    assert (quick.rate, quick.mode, quick.limit) == (0.5, "fast", None)
    assert declaration(Quick, "rate") == declaration(Base, "rate")
    assert declaration(Quick, "mode").choices == ("slow", "fast")
    with pytest.raises(TypeError, match="rate"):
        Base()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"rate": 0.0}, "rate must be more than 0, not 0.0"),
        ({"rate": float("inf")}, "rate must be more than 0, not inf"),
        ({"decay": -1.0}, "decay must be 0 or more, not -1.0"),
        ({"limit": 0}, "limit must be more than 0, not 0"),
        ({"mode": "fas"}, "no mode 'fas': did you mean fast?"),
    ],
)
def test_a_value_outside_of_its_limits_is_named(values, sentence):
    with pytest.raises(UsageError) as refused:
        Quick(**values)
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"rate": "1"}, "rate is float, not '1'"),
        ({"rate": True}, "rate is float, not True"),
        ({"limit": 1.5}, "limit is int | None, not 1.5"),
        ({"mode": None}, "mode is str, not None"),
    ],
)
def test_a_value_of_another_type_is_named(values, sentence):
    with pytest.raises(UsageError) as refused:
        typed_settings(Quick, values)
    assert str(refused.value) == sentence


def test_a_whole_number_is_a_float_where_one_is_wanted():
    typed = typed_settings(Quick, {"rate": 1, "limit": None})
    assert typed == {"rate": 1.0, "limit": None}
    assert isinstance(typed["rate"], float)

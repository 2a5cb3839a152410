"""Of what a hostile model tries nothing gets out; `make hostile` tries the slow ones too, and prints a table."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from attack import HOSTILE, attack
from tries import TRIES

from builders.convert import Request
from builders.convert.isolation import convert
from builders.convert.isolation.templates import Templates
from builders.model_ref import ModelRef


@pytest.fixture(scope="module")
def templates():
    with Templates() as pool:
        yield pool


@pytest.fixture(scope="module")
def walls(templates):
    return convert(Request(ModelRef("hostile", "behave")), HOSTILE, templates=templates).isolated


@pytest.mark.parametrize(
    "attempt", [pytest.param(each, id=each.what, marks=[pytest.mark.slow] * each.slow) for each in TRIES]
)
def test_nothing_gets_out(attempt, templates, walls, tmp_path):
    if attempt.walls and not walls:
        pytest.skip("this system allows no namespaces")
    assert attack(attempt, templates, tmp_path).escaped == ""

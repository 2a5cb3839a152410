"""What an assembly says that it did."""

from __future__ import annotations

from pathlib import Path

from builders.assemble.describe.collected import Collected
from builders.assemble.describe.report import ReleaseReport
from builders.assemble.split.leaks import Leak, Share


def report(*leaks: Leak) -> str:
    collected = Collected((), {}, 2, 0)
    return str(ReleaseReport(Path("r"), {"graphs": {"train": 2}}, 2, collected, 2, 0, 0, 2, 0, 0, {}, 0, leaks))


def test_nothing_is_said_of_leaks_where_no_row_is_held_out() -> None:
    nothing, some = Share(0, 0), Share(1, 4)
    assert "held-out" not in report(Leak("graphs", "a part", nothing, nothing))
    assert (
        "graphs: 1 of 4 held-out rows have a part in train\n" in report(Leak("graphs", "a part", some, nothing)) + "\n"
    )
    only_by_paper = report(Leak("graphs", "a part", nothing, some))
    assert "graphs: 1 of 4 held-out rows have a part in train in the paper's split" in only_by_paper
    assert "0 of 0" not in only_by_paper

"""What the suite records of each fault that it makes: `Try`, and the table of many, `report`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Try:
    """One fault, and what became of what it was made to.

    Attributes:
        fault: what was done, one for all seeds.
        seed: which of its tries this is.
        ended: how what it was done to ended.
        broken: the promise that did not hold, "" if all did.
    """

    fault: str
    seed: int
    ended: str
    broken: str = ""


def report(tries: Iterable[Try]) -> str:
    """A Markdown table, a row a fault: how often it was made, how that ended, and how many promises broke."""
    ended: dict[str, Counter[str]] = defaultdict(Counter)
    broken: Counter[str] = Counter()
    for one in tries:
        ended[one.fault][one.ended] += 1
        broken[one.fault] += bool(one.broken)
    lines = ["| fault | tries | how they ended | promises broken |", "|---|---|---|---|"]
    for fault, endings in ended.items():
        told = ", ".join(f"{count:,} {ending}" for ending, count in sorted(endings.items(), key=lambda pair: -pair[1]))
        lines.append(f"| {fault} | {endings.total():,} | {told} | {broken[fault]:,} |")
    return "\n".join(lines)

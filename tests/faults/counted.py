"""What the suite records of each fault that it makes: `Try`, and of many `report`, a table, and `extent`, how many."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
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


def extent(made: Mapping[str, int], whole: Mapping[str, int], minutes: float, jobs: int) -> str:
    """A sentence on how much of the whole suite a run made, by kind, and how long it took."""
    parts = [f"{made.get(kind, 0):,} of {number:,} ({kind})" for kind, number in whole.items()]
    share = "all that the whole suite has" if made == whole else "of the whole suite's"
    ways = f"{jobs} at once" if jobs > 1 else "one after the other"
    return f"Tries of this run, {share}: {', '.join(parts)}; {minutes:,.0f} minutes, {ways}."

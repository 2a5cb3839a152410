"""What tells two normal forms apart, in a line: `describe_difference`."""

from __future__ import annotations

from typing import Final

from younger_hf.graph import OperatorGraph

_MOST_SHOWN: Final = 5


def describe_difference(one: OperatorGraph, other: OperatorGraph) -> str:
    """What one graph has that another has not, by counts of operators: "Swish for Relu (17), 2 more Conv".

    An operator that only one has is said to stand for one that only the other has, if both occur equally often.
    """
    ours, theirs = one.operator_counts(), other.operator_counts()
    more = {name: count - theirs.get(name, 0) for name, count in ours.items() if count > theirs.get(name, 0)}
    fewer = {name: count - ours.get(name, 0) for name, count in theirs.items() if count > ours.get(name, 0)}
    said = []
    for name, count in sorted(more.items(), key=lambda item: (-item[1], item[0])):
        twin = next((each for each, times in sorted(fewer.items()) if times == count), None)
        if twin is not None and not (theirs.get(name) or ours.get(twin)):
            said.append((count, f"{name} for {twin} ({count:,})"))
            del more[name], fewer[twin]
    said += [(count, f"{count:,} more {name}") for name, count in more.items()]
    said += [(count, f"{count:,} fewer {name}") for name, count in fewer.items()]
    said.sort(key=lambda item: -item[0])
    if not said:
        return "the same operators, otherwise connected or with other attributes"
    shown = [text for _, text in said[:_MOST_SHOWN]]
    return ", ".join(shown + [f"{len(said) - _MOST_SHOWN:,} more differences"] * (len(said) > _MOST_SHOWN))

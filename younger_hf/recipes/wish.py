"""`Wish`: what is to be generated."""

from __future__ import annotations

from dataclasses import dataclass

from younger_hf.tasks.generation.draft import Rulebook
from younger_hf.tasks.generation.slotted import SlottedGraph


@dataclass(frozen=True, eq=False)
class Wish:
    """What is to be generated.

    Attributes:
        num: how many graphs.
        seed: of all draws.
        book: the rules of the operators.
        size: how many nodes; None leaves that to the model.
        task: the number of what the network is for, 0 for anything.
        masked: whether only what the schema allows is drawn.
        start: what each graph begins with.
        temperature: what scores of operators are divided by.
    """

    num: int
    seed: int
    book: Rulebook
    size: int | None = None
    task: int = 0
    masked: bool = True
    start: SlottedGraph | None = None
    temperature: float = 1.0

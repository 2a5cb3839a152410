"""Work: a budget that does not depend on the clock, so that what runs out of it does so on every machine.

What could take long counts its steps in units that follow from its input alone (nodes and edges visited, as a rule) and
spends them. One budget may be shared by several computations, one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from younger_hf.errors import YoungerError

WORK_LIMIT: Final = 20_000_000
"""Steps that reading one model may take if nothing else is said: bytes and fields parsed, nodes, slots, calls."""


class WorkLimitError(YoungerError):
    """A budget is spent."""


@dataclass(slots=True)
class Work:
    """A budget of work.

    Attributes:
        limit: units that may be spent.
        spent: units that are spent.
    """

    limit: int
    spent: int = 0

    @property
    def left(self) -> int:
        """Units that may still be spent."""
        return max(self.limit - self.spent, 0)

    def spend(self, units: int, on: str = "this") -> None:
        """Spend units on something.

        Raises:
            WorkLimitError: there are not so many; then all are spent.
        """
        self.spent += units
        if self.spent > self.limit:
            self.spent = self.limit
            raise WorkLimitError(f"{on} takes more work than the limit of {self.limit:,} steps")

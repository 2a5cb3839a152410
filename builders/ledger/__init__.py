"""The ledger: which models are known, what was tried, and how it ended; the one stateful thing of a build.

file        the SQLite file: its tables, its version, its lock, its transactions
ledger      models, crawls, attempts and results, entered and read
records     what is read, as types
published   what is read, as rows of a release, and back
"""

from builders.ledger.file import LedgerError
from builders.ledger.ledger import Ledger
from builders.ledger.records import Architecture, Attempt, Crawl, Ending, Entry, Progress, Tool

__all__ = ["Architecture", "Attempt", "Crawl", "Ending", "Entry", "Ledger", "LedgerError", "Progress", "Tool"]

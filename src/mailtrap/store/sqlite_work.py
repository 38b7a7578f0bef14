"""What differs in SQLite from how other stores that speak SQL write."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from .hints import Outcome
from .rows import Delivery, Key, MessageRow
from .sql_directory import Account, Box
from .sql_rows import Database, Rows
from .sql_work import Work
from .sqlite_bodies import PLAIN, ZSTD, Packed

_KNOWN: Final = 5_000  # mailboxes


@dataclass(slots=True)
class Known:
    """What stands in the file of accounts and mailboxes, so that the next deliveries need not read it again.

    It holds until somebody else than deliveries has written.
    """

    accounts: dict[Key, Account] = field(default_factory=dict)
    boxes: dict[int, Box] = field(default_factory=dict)
    by_name: dict[tuple[int, str], int] = field(default_factory=dict)
    head: int | None = None

    @property
    def many(self) -> bool:
        """Whether it is time to begin anew."""
        return len(self.boxes) > _KNOWN


class SQLiteWork(Work):
    """One job's changes, in the savepoint that its writer has opened; nobody else writes meanwhile.

    Args:
        known: what need not be read, and learns what is; when the job does not get to its commit it is of no more use.
    """

    def __init__(self, db: Database, rows: Rows, born: int, known: Known | None = None) -> None:
        super().__init__(db, rows, born)
        self._bodies: list[tuple[int, bytes, int]] = []
        self._known = known
        if known is not None:
            self._accounts, self._boxes, self._by_name = known.accounts, known.boxes, known.by_name
            if known.head is not None:
                self._head = known.head, known.head

    def _keep(self, row: MessageRow, delivery: Delivery) -> None:
        self._messages.append(self._columns(row))
        kept, form = (delivery.packed, ZSTD) if isinstance(delivery, Packed) else (delivery.raw, PLAIN)
        self._bodies.append((row.seq, kept, form))

    def _drop_bodies(self, seqs: str, values: Sequence[Any]) -> None:
        self.db.execute(f"DELETE FROM body WHERE seq IN ({seqs})", values)  # noqa: S608

    def end(self, result: Any) -> Outcome:
        self.db.executemany("INSERT INTO body VALUES (?, ?, ?)", self._bodies)
        outcome = super().end(result)
        if self._known is not None:
            self._known.head = outcome.seq
        return outcome

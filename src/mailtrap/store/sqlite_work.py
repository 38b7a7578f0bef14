"""What differs in SQLite from how other stores that speak SQL write."""

from collections.abc import Sequence
from typing import Any

from .hints import Outcome
from .rows import Delivery, MessageRow
from .sql_rows import Database, Rows
from .sql_work import Work


class SQLiteWork(Work):
    """One job's changes, in the savepoint that its writer has opened; nobody else writes meanwhile."""

    def __init__(self, db: Database, rows: Rows, born: int) -> None:
        super().__init__(db, rows, born)
        self._bodies: list[tuple[int, bytes]] = []

    def _keep(self, row: MessageRow, delivery: Delivery) -> None:
        self._messages.append(self._columns(row))
        self._bodies.append((row.seq, delivery.raw))

    def _drop_bodies(self, marks: str, seqs: Sequence[int]) -> None:
        self.db.execute(f"DELETE FROM body WHERE seq IN ({marks})", seqs)  # noqa: S608

    def end(self, result: Any) -> Outcome:
        self.db.executemany("INSERT INTO body VALUES (?, ?)", self._bodies)
        return super().end(result)

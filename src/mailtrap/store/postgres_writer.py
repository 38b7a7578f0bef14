"""The thread that writes deliveries into PostgreSQL: all that wait are one transaction, in a connection of its own."""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, Final

import psycopg

from ..errors import StoreError
from .hints import Outcome, Teller
from .postgres_connections import Database, first_line
from .postgres_work import Bodies, PostgresWork, insert_bodies
from .rows import Delivery
from .sql_directory import Retry
from .writer import Job, Writer

Batch = Sequence[Delivery]
_ATTEMPTS: Final = 5  # at a transaction that others got in the way of


class PostgresWriter(Writer[Batch]):
    """Writes batches of deliveries.

    A batch that cannot be taken in takes nothing of the others with it. Where the database refuses the group as a
    whole, each batch is tried by itself; where it is not there, all that wait fail at once.
    """

    def __init__(
        self, connect: Callable[[], Database], work: Callable[[Database, Bodies], PostgresWork], teller: Teller,
        report: Callable[[BaseException], None],
    ) -> None:  # fmt: skip
        super().__init__(report)
        self._connect = connect
        self._work = work
        self._teller = teller
        self._db: Database | None = None
        self.start()

    def _release(self) -> None:
        if self._db is not None:
            self._db.close()

    def _write(self, jobs: Sequence[Job[Batch]]) -> None:
        answers: Sequence[Any]
        outcome: Outcome | None = None
        try:
            outcome = self._transaction([job.work for job in jobs])
            answers = outcome.result
        except Exception as error:  # noqa: BLE001  whoever waits for the jobs is told
            if len(jobs) > 1 and self._db is not None and self._db.alive:  # one of them may be the cause
                for job in jobs:
                    self._write([job])
                return
            answers = [as_store_error(error, "write")] * len(jobs)
        for job, answer in zip(jobs, answers, strict=True):
            if isinstance(answer, Exception):
                self._finish(job, None, answer)
            else:
                self._finish(job, answer, None)
        if outcome is not None and outcome.tell:
            self._teller.tell([outcome])

    def _transaction(self, batches: Sequence[Batch]) -> Outcome:
        directory = False
        for attempt in count(1):
            db = self._begun()
            try:
                work = self._work(db, insert_bodies(db, batches))
                work.hold_places(batches, directory=directory)
                return work.end(work.deliver_group(batches))
            except Retry:
                directory = True  # then nobody can rename or take away what is looked up
            except psycopg.errors.TransactionRollback:  # a deadlock with somebody who does not keep to the order
                if attempt == _ATTEMPTS:
                    raise
            finally:
                db.roll_back()
        raise AssertionError

    def _begun(self) -> Database:
        """The connection, made anew where it is gone, with a transaction begun."""
        while True:
            db, used = self._db, True
            if db is None or not db.alive:
                self._db = None
                db, used = self._connect(), False
                self._db = db
            try:
                db.command("BEGIN")
            except psycopg.Error:
                db.close()
                if used:  # it may have been broken for long
                    continue
                raise
            return db


def as_store_error(error: BaseException, what: str) -> Exception:
    """What whoever asked the store is told."""
    if isinstance(error, psycopg.Error | OverflowError):
        wrapped = StoreError(f"the store could not {what}: {first_line(error)}")
        wrapped.__cause__ = error
        return wrapped
    assert isinstance(error, Exception)
    return error

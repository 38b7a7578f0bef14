"""The one thread that writes the SQLite store.

Whatever waits is written in one transaction, each job in a savepoint of its own: a job that fails takes nothing of the
others with it. A job may be run again, when the transaction around it is lost, so it changes nothing but the database.
"""

import sqlite3
from collections.abc import Callable, Sequence

from ..errors import StoreError
from .hints import Outcome, Teller
from .writer import Job, Writer

Function = Callable[[sqlite3.Connection], Outcome]


class _Lost(Exception):
    """The whole transaction is gone; ``__cause__`` says why."""


class SQLiteWriter(Writer[Function]):
    """Writes jobs, each a function of the one connection that writes.

    Args:
        teller: is told of each commit.
    """

    def __init__(
        self, connect: Callable[[], sqlite3.Connection], teller: Teller, report: Callable[[BaseException], None]
    ) -> None:
        super().__init__(report)
        self._teller = teller
        self._db = connect()
        self.start()

    def _release(self) -> None:
        self._db.close()

    def _write(self, jobs: Sequence[Job[Function]]) -> None:
        try:
            outcomes = self._transaction(jobs)
        except _Lost as lost:
            if len(jobs) > 1:  # one of them may be the cause: each for itself
                for job in jobs:
                    self._write([job])
                return
            outcomes = [_as_store_error(lost.__cause__)]
        for job, outcome in zip(jobs, outcomes, strict=True):
            if isinstance(outcome, Exception):
                self._finish(job, None, outcome)
            else:
                self._finish(job, outcome.result, None)
        self._teller.tell(outcome for outcome in outcomes if isinstance(outcome, Outcome) and outcome.tell)

    def _transaction(self, jobs: Sequence[Job[Function]]) -> list[Outcome | Exception]:
        db = self._db
        try:
            if db.in_transaction:  # left by a roll-back that failed
                db.execute("ROLLBACK")
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            return [_as_store_error(error)] * len(jobs)  # nothing can be written: trying each would only take longer
        try:
            outcomes = [self._savepoint(job) for job in jobs]
            db.execute("COMMIT")
        except Exception as error:  # noqa: BLE001  whoever waits for the jobs is told
            cause = error.__cause__ if isinstance(error, _Lost) else error
            try:
                if db.in_transaction:
                    db.execute("ROLLBACK")
            except sqlite3.Error as worse:
                cause = worse
            raise _Lost from cause
        return outcomes

    def _savepoint(self, job: Job[Function]) -> Outcome | Exception:
        db = self._db
        db.execute("SAVEPOINT job")
        try:
            outcome: Outcome | Exception = job.work(db)
        except Exception as error:
            if not db.in_transaction:  # a full disk may end it
                raise _Lost from error
            db.execute("ROLLBACK TO job")
            outcome = _as_store_error(error)
        db.execute("RELEASE job")
        return outcome


def _as_store_error(error: BaseException | None) -> Exception:
    if isinstance(error, sqlite3.Error):
        wrapped = StoreError(f"the store could not write: {error}")
        wrapped.__cause__ = error
        return wrapped
    assert isinstance(error, Exception)
    return error

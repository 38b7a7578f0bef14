"""The one thread that writes the SQLite store.

Whatever waits is written in one transaction. Deliveries that follow each other are written together, each other job in
a savepoint of its own: a job that fails takes nothing of the others with it. A job may be run again, when the
transaction around it is lost, so it changes nothing but the database.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

from ..errors import StoreError
from .hints import Outcome, Teller
from .rows import Delivery
from .sqlite_vacuum import Vacuum
from .sqlite_work import Known, SQLiteWork
from .writer import Job, Writer

Function = Callable[[sqlite3.Connection], Outcome]
Batch = Sequence[Delivery]
Task = Function | Batch


class _Lost(Exception):
    """The whole transaction is gone; ``__cause__`` says why."""


class SQLiteWriter(Writer[Task]):
    """Writes jobs, each a function of the one connection that writes, or deliveries.

    Args:
        work: begins what a group of deliveries changes.
        teller: is told of each commit.

    Attributes:
        vacuum: gives back what is free in the file, while nothing waits.
    """

    def __init__(
        self, connect: Callable[[], sqlite3.Connection], work: Callable[[sqlite3.Connection, Known], SQLiteWork],
        teller: Teller, report: Callable[[BaseException], None],
    ) -> None:  # fmt: skip
        super().__init__(report)
        self._teller = teller
        self._work = work
        self._known = Known()
        self._version = -1  # of the file, as others have written it
        self._db = connect()
        self.vacuum = Vacuum(self._db)
        self.start()

    def _tidy(self) -> bool:
        return self.vacuum.step()

    def _release(self) -> None:
        self._db.close()

    def _write(self, jobs: Sequence[Job[Task]]) -> None:
        told: list[Outcome] = []
        try:
            answers = self._transaction(jobs, told)
        except _Lost as lost:
            if len(jobs) > 1:  # one of them may be the cause: each for itself
                for job in jobs:
                    self._write([job])
                return
            answers = [_as_store_error(lost.__cause__)]
            told.clear()
        for job, answer in zip(jobs, answers, strict=True):
            if isinstance(answer, Exception):
                self._finish(job, None, answer)
            else:
                self._finish(job, answer, None)
        self._teller.tell(outcome for outcome in told if outcome.tell)

    def _transaction(self, jobs: Sequence[Job[Task]], told: list[Outcome]) -> list[Any]:
        """The result of each job, or the exception it is answered with; ``told`` gets what subscribers are to hear."""
        db = self._db
        try:
            if db.in_transaction:  # left by a roll-back that failed
                db.execute("ROLLBACK")
            db.execute("BEGIN IMMEDIATE")
            self._look()
        except sqlite3.Error as error:
            return [_as_store_error(error)] * len(jobs)  # nothing can be written: trying each would only take longer
        try:
            answers = [answer for group in _groups(jobs) for answer in self._group(group, told)]
            db.execute("COMMIT")
        except Exception as error:  # noqa: BLE001  whoever waits for the jobs is told
            self._known = Known()
            cause = error.__cause__ if isinstance(error, _Lost) else error
            try:
                if db.in_transaction:
                    db.execute("ROLLBACK")
            except sqlite3.Error as worse:
                cause = worse
            raise _Lost from cause
        return answers

    def _look(self) -> None:
        """Forget what is known where another process has written."""
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        if version != self._version or self._known.many:
            self._version, self._known = version, Known()

    def _group(self, group: Sequence[Job[Task]], told: list[Outcome]) -> list[Any]:
        """Carry out deliveries together, or one job that is something else."""
        tasks = [job.work for job in group]
        (outcome, error) = self._savepoint(tasks)
        if outcome is not None:
            told.append(outcome)
            return outcome.result if not callable(tasks[0]) else [outcome.result]
        if len(tasks) == 1:
            return [error]
        return [answer for job in group for answer in self._group([job], told)]

    def _savepoint(self, tasks: Sequence[Task]) -> tuple[Outcome | None, Exception | None]:
        db, first = self._db, tasks[0]
        db.execute("SAVEPOINT job")
        outcome = failed = None
        try:
            if callable(first):
                self._known = Known()
                outcome = first(db)
                self.vacuum.wake()  # deliveries take pages, they do not free any
            else:
                work = self._work(db, self._known)
                outcome = work.end(work.deliver_group([task for task in tasks if not callable(task)]))
        except Exception as error:
            self._known = Known()
            if not db.in_transaction:  # a full disk may end it
                raise _Lost from error
            db.execute("ROLLBACK TO job")
            failed = _as_store_error(error)
        db.execute("RELEASE job")
        return outcome, failed


def _groups(jobs: Sequence[Job[Task]]) -> Iterator[list[Job[Task]]]:
    """Deliveries that follow each other together, each other job alone."""
    for alone, group in groupby(jobs, lambda job: callable(job.work)):
        if alone:
            yield from ([job] for job in group)
        else:
            yield list(group)


def _as_store_error(error: BaseException | None) -> Exception:
    if isinstance(error, sqlite3.Error):
        wrapped = StoreError(f"the store could not write: {error}")
        wrapped.__cause__ = error
        return wrapped
    assert isinstance(error, Exception)
    return error

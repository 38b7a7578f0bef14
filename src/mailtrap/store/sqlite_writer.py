"""The one thread that writes the SQLite store, and the one that tells what was written.

Whatever waits is written in one transaction, each job in a savepoint of its own: a job that fails takes nothing of the
others with it. A job may be run again, when the transaction around it is lost, so it changes nothing but the database;
``Job.finish`` is called after the commit, and only then. Finishing may use the store: a job that is given from the
writing thread is run at once. Subscribers are called in a thread of their own: however slow, they stop no commit.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import StoreError
from .base import Hint, Subscriber

_GROUP = 500  # jobs in one transaction
_PATIENCE = 5.0  # seconds that closing waits for a subscriber


@dataclass(slots=True)
class Outcome:
    """What a job returns: its result, where the store is then, and which mailboxes it changed."""

    result: Any
    seq: int = 0
    mailboxes: dict[int, int] = field(default_factory=dict)
    tell: bool = False


@dataclass(slots=True)
class Job:
    """Something to be written."""

    function: Callable[[sqlite3.Connection], Outcome]
    finish: Callable[[Any, Exception | None], None]


class _Lost(Exception):
    """The whole transaction is gone; ``__cause__`` says why."""


class Writer:
    """Takes jobs from any thread and writes them, in order."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], report: Callable[[BaseException], None]) -> None:
        self._report = report
        self._db = connect()
        self._jobs: deque[Job] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._teller = Teller(report)
        self._thread = threading.Thread(target=self._run, name="mailtrap-store", daemon=True)
        self._thread.start()

    def put(self, job: Job) -> None:
        """Write a job soon; its ``finish`` is called once, whatever happens."""
        with self._wake:
            refused = self._closing
            if not refused:
                self._jobs.append(job)
                self._wake.notify()
        if refused:
            self._finish(job, None, StoreError("the store is closed"))

    def run(self, function: Callable[[sqlite3.Connection], Outcome]) -> Any:
        """Write a job and wait for it; returns its result."""
        answer: list[tuple[Any, Exception | None]] = []
        done = threading.Event()

        def finish(result: Any, error: Exception | None) -> None:
            answer.append((result, error))
            done.set()

        job = Job(function, finish)
        if threading.current_thread() is self._thread and not self._closing:
            self._write([job])
        else:
            self.put(job)
        done.wait()
        result, error = answer[0]
        if error is not None:
            raise error
        return result

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call a subscriber after each commit; returns what ends it."""
        return self._teller.subscribe(subscriber)

    def close(self) -> None:
        """Write what waits, tell it, and end both threads."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()
        self._teller.close()

    # ------------------------------------------------------------ in the writing thread

    def _run(self) -> None:
        try:
            while jobs := self._next():
                self._write(jobs)
        finally:
            self._db.close()

    def _next(self) -> list[Job]:
        with self._wake:
            while not self._jobs:
                if self._closing:
                    return []
                self._wake.wait()
            return [self._jobs.popleft() for _ in range(min(len(self._jobs), _GROUP))]

    def _write(self, jobs: Sequence[Job]) -> None:
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

    def _transaction(self, jobs: Sequence[Job]) -> list[Outcome | Exception]:
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

    def _savepoint(self, job: Job) -> Outcome | Exception:
        db = self._db
        db.execute("SAVEPOINT job")
        try:
            outcome: Outcome | Exception = job.function(db)
        except Exception as error:
            if not db.in_transaction:  # a full disk may end it
                raise _Lost from error
            db.execute("ROLLBACK TO job")
            outcome = _as_store_error(error)
        db.execute("RELEASE job")
        return outcome

    def _finish(self, job: Job, result: Any, error: Exception | None) -> None:
        try:
            job.finish(result, error)
        except Exception as caught:  # noqa: BLE001  the commit stands
            self._report(caught)


class Teller:
    """Calls subscribers, with all that was committed since the last time as one hint."""

    def __init__(self, report: Callable[[BaseException], None]) -> None:
        self._report = report
        self._subscribers: tuple[Subscriber, ...] = ()
        self._pending: Hint | None = None
        self._wake = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        def call(hint: Hint) -> None:  # an object of its own: one function may subscribe twice
            subscriber(hint)

        def end() -> None:
            with self._wake:
                self._subscribers = tuple(other for other in self._subscribers if other is not call)

        with self._wake:
            self._subscribers = (*self._subscribers, call)
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._run, name="mailtrap-hints", daemon=True)
                self._thread.start()
        return end

    def tell(self, outcomes: Iterable[Outcome]) -> None:
        """Let the subscribers know, soon."""
        with self._wake:
            if not self._subscribers:
                return
            hint = self._pending
            for outcome in outcomes:
                seq, mailboxes = (0, {}) if hint is None else (hint.seq, dict(hint.mailboxes))
                mailboxes |= outcome.mailboxes
                hint = Hint(max(seq, outcome.seq), mailboxes)
            self._pending = hint
            self._wake.notify()

    def close(self) -> None:
        with self._wake:
            self._closing = True
            self._wake.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(_PATIENCE)

    def _run(self) -> None:
        while True:
            with self._wake:
                while self._pending is None:
                    if self._closing:
                        return
                    self._wake.wait()
                hint, self._pending = self._pending, None
                subscribers = self._subscribers
            for subscriber in subscribers:
                try:
                    subscriber(hint)
                except Exception as error:  # noqa: BLE001  the commit stands, and the others are told
                    self._report(error)


def _as_store_error(error: BaseException | None) -> Exception:
    if isinstance(error, sqlite3.Error):
        wrapped = StoreError(f"the store could not write: {error}")
        wrapped.__cause__ = error
        return wrapped
    assert isinstance(error, Exception)
    return error

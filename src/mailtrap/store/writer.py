"""A thread that writes what waits, as many jobs as there are in one go.

So deliveries share the price of a commit. ``Job.finish`` is called after the commit, and only then; it may use the
store: a job that is given from the writing thread is written at once.

Who has been answered often comes again in a moment. Without a short wait for them, who came during a commit would make
up the next, and the others the one after: twice as many commits as there need be.
"""

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from .. import clock
from ..errors import StoreError

W = TypeVar("W")

_GROUP: Final = 500  # jobs in one go
_WORTH: Final = 0.5  # of the time that the last go took: so long it is waited for the jobs that may join the next
_LONGEST: Final = 0.01  # seconds: a go may have been long because somebody removed much
_IN_VAIN: Final = 20  # goes without such a wait after one in which they did not come


@dataclass(slots=True)
class Job(Generic[W]):
    """Something to be written, and who is told: its result, or what went wrong."""

    work: W
    finish: Callable[[Any, Exception | None], None]


class Writer(ABC, Generic[W]):
    """Takes jobs from any thread and writes them, in order."""

    def __init__(self, report: Callable[[BaseException], None]) -> None:
        self._report = report
        self._jobs: deque[Job[W]] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._wanted = 1  # jobs that the thread is to be woken for
        self._together = 0  # jobs that may come together
        self._others: int | None = None  # jobs that waited when the first of the last go was answered
        self._took = 0.0  # seconds for the last go
        self._alone = 0  # goes without a wait that are left
        self._thread = threading.Thread(target=self._run, name="mailtrap-store", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, job: Job[W]) -> None:
        """Write a job soon; its ``finish`` is called once, whatever happens."""
        with self._wake:
            refused = self._closing
            if not refused:
                self._jobs.append(job)
                if len(self._jobs) >= self._wanted:
                    self._wake.notify()
        if refused:
            self._finish(job, None, StoreError("the store is closed"))

    def run(self, work: W) -> Any:
        """Write something and wait for it; returns its result."""
        answer: list[tuple[Any, Exception | None]] = []
        done = threading.Lock()  # held until it is finished: an Event costs ten times as much
        done.acquire()

        def finish(result: Any, error: Exception | None) -> None:
            answer.append((result, error))
            done.release()

        job = Job(work, finish)
        if threading.current_thread() is self._thread and not self._closing:
            self._write([job])
        else:
            self.put(job)
        done.acquire()
        result, error = answer[0]
        if error is not None:
            raise error
        return result

    def close(self) -> None:
        """Write what waits, and end the thread."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    # ------------------------------------------------------------ in the writing thread

    def _run(self) -> None:
        try:
            while jobs := self._next():
                began = clock.monotonic()
                self._others = None
                self._write(jobs)
                self._took = clock.monotonic() - began
                self._together = len(jobs) + (self._others or 0)
        finally:
            self._release()

    def _next(self) -> list[Job[W]]:
        tidying = True
        while True:
            with self._wake:
                while not (self._jobs or self._closing or tidying):
                    self._wake.wait()
                if self._jobs:
                    self._gather()
                    return [self._jobs.popleft() for _ in range(min(len(self._jobs), _GROUP))]
                if self._closing:
                    return []
            tidying = self._tidy()

    def _gather(self) -> None:
        """Wait a little for those who were answered last, where others wait already."""
        if len(self._jobs) >= self._together or self._closing:
            return
        if self._alone:
            self._alone -= 1
            return
        self._wanted = min(self._together, _GROUP)
        patience = min(self._took * _WORTH, _LONGEST)
        if not self._wake.wait_for(lambda: len(self._jobs) >= self._wanted or self._closing, patience):
            self._alone = _IN_VAIN
        self._wanted = 1

    def _tidy(self) -> bool:
        """Nothing waits: do a little of what nobody waits for; whether there is more of it."""
        return False

    @abstractmethod
    def _write(self, jobs: Sequence[Job[W]]) -> None:
        """Write all of these, and finish each."""

    def _release(self) -> None:
        """The thread ends."""

    def _finish(self, job: Job[W], result: Any, error: Exception | None) -> None:
        if self._others is None:  # before anybody can come again
            self._others = len(self._jobs)
        try:
            job.finish(result, error)
        except Exception as caught:  # noqa: BLE001  the commit stands
            self._report(caught)

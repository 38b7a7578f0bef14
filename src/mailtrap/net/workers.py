"""Worker threads for calls that do I/O or run users' code.

Daemon threads, unlike those of ``concurrent.futures``: a hook that never returns must not keep the test process from
ending. Threads are made when there is work and none is free, never more than a limit, and are kept.
"""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from ..clock import monotonic
from ..wire.steps import Done

_Job = tuple[Callable[..., Any], tuple[Any, ...], Done]


class Workers:
    """A bounded set of threads that call functions."""

    def __init__(self, limit: int, name: str = "mailtrap-worker") -> None:
        self._limit = limit
        self._name = name
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._changed = threading.Condition()
        self._threads = 0
        self._open = 0  # jobs given and not done
        self._stopped = False

    def run(self, function: Callable[..., Any], args: tuple[Any, ...], done: Done) -> None:
        """Call ``function(*args)`` in a thread, then ``done(value, error)`` in that thread.

        After ``stop()`` nothing is called but ``done``, with an error.
        """
        with self._changed:
            stopped = self._stopped
            if not stopped:
                self._open += 1
                if self._open > self._threads and self._threads < self._limit:
                    self._threads += 1
                    threading.Thread(target=self._work, name=f"{self._name}-{self._threads}", daemon=True).start()
                self._jobs.put((function, args, done))
        if stopped:
            done(None, RuntimeError("the server has stopped"))

    def stop(self, timeout: float) -> bool:
        """Let what was given finish, for at most so many seconds; the threads then end. Idempotent.

        Returns:
            Whether all of it finished.
        """
        deadline = monotonic() + timeout
        with self._changed:
            first, self._stopped = not self._stopped, True
            if first:
                for _ in range(self._threads):
                    self._jobs.put(None)
            while self._open and (left := deadline - monotonic()) > 0:
                self._changed.wait(left)
            return not self._open

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            function, args, done = job
            value, error = None, None
            try:
                value = function(*args)
            except BaseException as caught:  # noqa: BLE001  it is the session that is told
                error = caught
            try:
                done(value, error)
            finally:
                with self._changed:
                    self._open -= 1
                    self._changed.notify_all()
            del job, function, args, done, value, error  # an idle thread holds nothing

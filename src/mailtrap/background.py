"""Work that nobody waits for: a thread that does it when it is woken, and sleeps in between."""

import threading
from collections.abc import Callable
from typing import Any


class Background:
    """A thread of one worker, begun when it is woken for the first time.

    Waking costs nothing where the thread is awake. What it is woken for is the worker's to know: it looks at what there
    is to do, as several calls of ``wake`` may be heard as one.

    Args:
        name: of the thread.
        run: what it does: ``while background.due(): ...``. When that returns, nothing is done any more.
    """

    def __init__(self, name: str, run: Callable[[], Any]) -> None:
        self._name = name
        self._run = run
        self._condition = threading.Condition()
        self._woken = False
        self._closing = False
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """There is something to do, or may be."""
        with self._condition:
            if self._woken:  # and has not looked since
                return
            self._woken = True
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._condition.notify()

    def close(self, seconds: float | None = None) -> None:
        """End the thread as soon as it asks, and wait for it, so long at most; called in it, it does not wait."""
        with self._condition:
            self._closing = True
            self._condition.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(seconds)

    # ------------------------------------------------------------ in the thread

    @property
    def closing(self) -> bool:
        """Whether the worker is to end."""
        return self._closing

    def due(self, seconds: float | None = None) -> bool:
        """Wait until there is something to do, or for so long at most; False: the worker is to end."""
        with self._condition:
            self._condition.wait_for(lambda: self._woken or self._closing, seconds)
            self._woken = False
            return not self._closing

    def woken(self) -> bool:
        """Whether it was woken since it was last asked, or due."""
        with self._condition:
            woken, self._woken = self._woken, False
            return woken

    def pause(self, seconds: float) -> None:
        """Let others work, for so long; to be woken does not end it, to be closed does."""
        with self._condition:
            self._condition.wait_for(lambda: self._closing, seconds)

"""What a commit tells, and the thread that tells it.

Subscribers are called in a thread of their own: however slow, they stop no commit.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from .base import Subscriber
from .rows import Hint, Key

_PATIENCE: Final = 5.0  # seconds that closing waits for a subscriber


@dataclass(slots=True)
class Outcome:
    """What a job returns: its result, where the store is then, which mailboxes and whose lists of them it changed."""

    result: Any
    seq: int = 0
    mailboxes: dict[int, int] = field(default_factory=dict)
    tell: bool = False
    accounts: frozenset[Key] = frozenset()


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
                before = hint or Hint(0, {})
                mailboxes = {**before.mailboxes, **outcome.mailboxes}
                hint = Hint(max(before.seq, outcome.seq), mailboxes, before.accounts | outcome.accounts)
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

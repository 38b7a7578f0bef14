"""Waiting for mail: a wake-up, never a poll. State answers, hints only wake.

A wait looks, and when nothing fits it sleeps until the bell rings, and looks again from where it had come to.
Deadlines use the real clock even where a test froze time.
"""

import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeVar

from . import clock
from .errors import (
    AmbiguousMessage,
    BlockingWait,
    ConfigError,
    MessageNotFound,
    ServerRestarted,
    UnexpectedMessage,
    WaitCancelled,
)
from .explain import Situation, ambiguous, not_found, unexpected
from .store.rows import SUBMITTED as SUBMITTED  # what lists show besides

if TYPE_CHECKING:
    from .mailboxes import Mailbox
    from .message.model import Copy, Message
    from .transcript import Session

    M = TypeVar("M", bound=Message)

# Seconds in which a client reads that it may idle. Clients that read ahead (IMAPClient) do not look at what came in one
# piece with that line, so what a test does at once would not wake them.
_CONTINUATION: Final = 0.01
_T = TypeVar("_T")


class Bell:
    """Rings when something was committed. Any number of threads may wait for the next ring."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._waiting = 0
        # Never the same value twice, so two threads that ring at once need no lock: whoever sees either looks again.
        self._numbers = count(1)
        self.rings = 0

    def ring(self) -> None:
        """Wake everybody who waits; called from any thread, without a lock held."""
        self.rings = next(self._numbers)
        if not self._waiting:  # who begins to wait now counts itself first, and then sees the new value
            return
        with self._condition:
            self._condition.notify_all()
        # Somebody waits: beside a busy loop they would get the interpreter only after its switch interval.
        clock.yield_interpreter()

    def wait(self, rings: int, timeout: float) -> None:
        """Sleep until it has rung more often than ``rings``, or so many seconds."""
        with self._condition:
            self._waiting += 1
            try:
                self._condition.wait_for(lambda: self.rings != rings, min(timeout, threading.TIMEOUT_MAX))
            finally:
                self._waiting -= 1


class Cancellation:
    """Ends waits early, from another thread. A context manager around the waits of the thread that uses it.

    A wait that is cancelled raises ``WaitCancelled``.
    """

    _here = threading.local()

    def __init__(self) -> None:
        self._cancelled = False
        self._bell: Bell | None = None

    def cancel(self) -> None:
        """End the wait that is going on, and those that would begin."""
        self._cancelled = True
        if (bell := self._bell) is not None:
            bell.ring()

    @classmethod
    def check(cls, bell: Bell) -> None:
        """Raise ``WaitCancelled`` if this thread's waits were cancelled; called after ``bell.rings`` was read."""
        if (current := getattr(cls._here, "current", None)) is not None:
            current._bell = bell
            if current._cancelled:
                raise WaitCancelled("the wait was cancelled")

    def __enter__(self) -> Self:
        self._here.current = self
        return self

    def __exit__(self, *_: object) -> None:
        self._here.current = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the order of commits. ``since=mark`` sees what came after it."""

    life: str
    seq: int


class Expected:
    """What ``expect_message()`` gives: after the block, ``value`` is the message."""

    def __init__(self) -> None:
        self._value: Message | None = None

    @property
    def value(self) -> "Message":
        """The message; ``RuntimeError`` inside the block, where it is not known yet."""
        if self._value is None:
            raise RuntimeError("the message is known after the with block")
        return self._value


class Source(Protocol):
    """What waits need of a server: its state, and the bell."""

    bell: Bell

    def mark(self) -> Mark: ...
    def messages_after(self, seq: int) -> "Sequence[Message]": ...
    def situation(self) -> Situation: ...
    def default_timeout(self) -> float: ...
    def open_transactions(self) -> "Sequence[Session]": ...
    def listen(self, listener: "Callable[[Session, str], None]") -> Callable[[], None]: ...
    def open_sessions(self) -> "Sequence[Session]": ...
    def refuse_fork(self) -> None: ...
    def given(self, messages: "list[M]") -> "list[M]": ...


class Waits:
    """The waits of one scope."""

    def __init__(self, source: Source) -> None:
        self._source = source

    # ------------------------------------------------------------ for messages

    def message(self, timeout: float | None, criteria: Mapping[str, Any]) -> "Message":
        """Exactly one; as soon as one matches."""
        __tracebackhide__ = True
        found = self._first(timeout, criteria)
        if len(found) > 1:
            raise AmbiguousMessage(ambiguous(criteria, found))
        return self._source.given(found)[0]

    def latest(self, timeout: float | None, criteria: Mapping[str, Any]) -> "Message":
        """The newest that matches; waits where none does."""
        __tracebackhide__ = True
        return self._source.given(self._first(timeout, criteria)[-1:])[0]

    def several(
        self, at_least: int | None, exactly: int | None, settle: float, timeout: float | None,
        criteria: Mapping[str, Any],
    ) -> "Sequence[Message]":  # fmt: skip
        """As many as asked for; with ``settle``, no further one for so many seconds."""
        __tracebackhide__ = True
        if at_least is not None and exactly is not None:
            raise ConfigError("wait_for takes at_least= or exactly=, not both")
        if (at_least or exactly or 1) < 1 or exactly == 0 or at_least == 0:
            raise ConfigError("to wait for no message is assert_no_message()")
        wanted = exactly if exactly is not None else at_least if at_least is not None else 1
        watch, settle = self._watch(criteria), seconds_of("settle", settle)

        def enough() -> "list[Message] | None":
            found = watch()
            if exactly is not None and len(found) > exactly:
                raise UnexpectedMessage(unexpected(criteria, found, f"exactly {exactly} were expected"))
            return found if len(found) >= wanted else None

        found = self.until(enough, timeout, lambda limit: self._missing(criteria, limit, watch(), wanted))
        while settle > 0:
            before = len(found)
            self._quiet(settle, _grows(watch, before))
            found = enough() or found
            if len(found) == before:
                break
        return self._source.given(found)

    @contextmanager
    def expected(self, timeout: float | None, criteria: Mapping[str, Any]) -> Iterator[Expected]:
        """The message that the block makes come."""
        __tracebackhide__ = True
        expected = Expected()
        since = self._source.mark()
        yield expected
        expected._value = self.message(timeout, {"since": since, **criteria})

    def none(self, within: float | None, criteria: Mapping[str, Any]) -> None:
        """That no message matches: now and when all open transactions have ended, or for a whole window."""
        __tracebackhide__ = True
        watch = self._watch(criteria)
        window = None if within is None else seconds_of("within", within)

        def refuse() -> None:
            if found := watch():
                raise UnexpectedMessage(unexpected(criteria, found, "none was expected"))

        refuse()
        if window is not None:
            self._quiet(window, lambda: bool(watch()))
        else:
            self._transactions_over()
        refuse()

    def quiet(self, for_: float, timeout: float | None) -> None:
        """No new message and no open transaction for so many seconds."""
        __tracebackhide__ = True
        limit = self._source.default_timeout() if timeout is None else seconds_of("timeout", timeout)
        for_ = seconds_of("for_", for_)
        deadline = clock.monotonic() + limit
        seq = self._source.mark().seq
        while True:
            window = min(for_, max(0.0, deadline - clock.monotonic()))
            if window < for_:
                raise UnexpectedMessage(f"it was not quiet for {for_:g} s within {limit:g} s: mail keeps coming")
            self._quiet(window, self._moved_from(seq))
            now = self._source.mark().seq
            if now == seq and not self._source.open_transactions():
                return
            seq = now

    # ------------------------------------------------------------ for other things

    def copy(self, mailbox: "Mailbox", timeout: float | None, criteria: Mapping[str, Any]) -> "Copy":
        """Exactly one copy in a mailbox."""
        __tracebackhide__ = True

        def probe() -> "list[Copy] | None":
            return [copy for copy in mailbox._all() if copy.matches(**criteria)] or None

        def error(limit: float) -> MessageNotFound:
            situation = Situation(messages=mailbox._all(), where=repr(mailbox))
            return MessageNotFound(not_found(criteria, limit, situation))

        found = self.until(probe, timeout, error)
        if len(found) > 1:
            raise AmbiguousMessage(ambiguous(criteria, found))
        return self._source.given(found)[0]

    def command(self, command: str, protocol: str, user: str | None, timeout: float | None) -> "Session":
        """The session that carries out a command now, or the next that does; of IDLE, when its client may listen."""
        __tracebackhide__ = True
        wanted = command.upper()
        heard: list[Session] = []

        def fits(session: "Session") -> bool:
            return session.protocol == protocol and (user is None or session.user == user)

        def listener(session: "Session", verb: str) -> None:
            if verb == wanted and fits(session):
                heard.append(session)
                self._source.bell.ring()

        def error(limit: float) -> MessageNotFound:
            there = "\n".join(f"  {session!r} {session.user or ''}" for session in self._source.open_sessions())
            return MessageNotFound(
                f"no {protocol} client{f' of {user}' if user else ''} used {wanted} within {limit:g} s; "
                f"open connections:\n{there or '  none'}"
            )

        end = self._source.listen(listener)
        try:
            heard += [
                session
                for session in self._source.open_sessions()
                if fits(session) and (commands := session.commands) and commands[-1].verb == wanted
            ]
            found = self.until(lambda: heard[0] if heard else None, timeout, error)
        finally:
            end()
        if wanted == "IDLE":
            clock.sleep(_CONTINUATION)
        return found

    # ------------------------------------------------------------ how

    def _watch(self, criteria: Mapping[str, Any]) -> "Callable[[], list[Message]]":
        """A function that gives all matches so far, looking at each message once."""
        asked = dict(criteria)
        since: Mark | None = asked.pop("since", None)
        cursor = 0
        if since is not None:
            if since.life != self._source.mark().life:
                raise ServerRestarted("the mark was taken before the store began anew")
            cursor = since.seq
        placed_too = "origin" in asked
        if "query" in asked:
            from .store.query import asks_for_origin, parse

            placed_too = placed_too or asks_for_origin(parse(asked["query"]))
        found: list[Message] = []

        def look() -> "list[Message]":
            nonlocal cursor
            for message in self._source.messages_after(cursor):
                cursor = message.seq
                if (placed_too or message.origin in SUBMITTED) and message.matches(**asked):
                    found.append(message)
            return found

        return look

    def _first(self, timeout: float | None, criteria: Mapping[str, Any]) -> "list[Message]":
        __tracebackhide__ = True
        watch = self._watch(criteria)
        return self.until(lambda: watch() or None, timeout, lambda limit: self._missing(criteria, limit, watch(), 1))

    def _missing(
        self, criteria: Mapping[str, Any], limit: float, found: "list[Message]", wanted: int
    ) -> MessageNotFound:
        return MessageNotFound(not_found(criteria, limit, self._source.situation(), found, wanted))

    def until(self, probe: Callable[[], _T | None], timeout: float | None, error: Callable[[float], Exception]) -> _T:
        """Look, sleep until the bell rings, look again; ``error(seconds)`` is raised when the time is over."""
        __tracebackhide__ = True
        self._source.refuse_fork()
        limit = self._source.default_timeout() if timeout is None else seconds_of("timeout", timeout)
        deadline = clock.monotonic() + limit
        bell = self._source.bell
        while True:
            rings = bell.rings
            Cancellation.check(bell)
            if (found := probe()) is not None:
                return found
            remaining = deadline - clock.monotonic()
            if remaining <= 0:
                raise error(limit)
            refuse_to_block()
            bell.wait(rings, remaining)

    def _quiet(self, seconds: float, disturbed: Callable[[], bool]) -> None:
        """Sleep so many seconds, or until it was disturbed."""
        __tracebackhide__ = True
        self._source.refuse_fork()
        deadline = clock.monotonic() + seconds
        while True:
            rings = self._source.bell.rings
            Cancellation.check(self._source.bell)
            remaining = deadline - clock.monotonic()
            if remaining <= 0 or disturbed():
                return
            refuse_to_block()
            self._source.bell.wait(rings, remaining)

    def _moved_from(self, seq: int) -> Callable[[], bool]:
        return lambda: self._source.mark().seq != seq

    def _transactions_over(self) -> None:
        __tracebackhide__ = True
        pending = list(self._source.open_transactions())
        left = len(pending)
        lock = threading.Lock()

        def ended() -> None:
            nonlocal left
            with lock:
                left -= 1
            self._source.bell.ring()

        for session in pending:
            # an ended one of the same session object must not be taken for two: each gets a function of its own
            session.on_transaction_end(lambda: ended())
        self.until(
            lambda: True if left == 0 else None,
            None,
            lambda limit: UnexpectedMessage(
                f"{'an SMTP transaction that was' if left == 1 else f'{left} SMTP transactions that were'} "
                f"open when this was asked did not end within {limit:g} s, so more mail may come: "
                + ", ".join(repr(session) for session in pending if session.transaction)
            ),
        )


def seconds_of(name: str, value: object) -> float:
    """A time that somebody gave.

    Raises:
        ConfigError: it is no number, or NaN, which would never be over.
    """
    if not isinstance(value, int | float) or value != value:
        raise ConfigError(f"{name} is a number of seconds, not {value!r}")
    return value


def _grows(watch: "Callable[[], list[Message]]", size: int) -> Callable[[], bool]:
    return lambda: len(watch()) > size


def refuse_to_block() -> None:
    """Raise ``BlockingWait`` if an event loop's frame is below on this stack: the wait would block that loop.

    A loop that is merely set as running in this thread, as in a Playwright sync test, is no reason.
    """
    frame = sys._getframe(1)
    asyncio_running = sys.modules.get("asyncio")
    loop = None if asyncio_running is None else asyncio_running._get_running_loop()
    if loop is None and "trio" not in sys.modules:
        return
    below = frame.f_back
    while below is not None:
        name, module = below.f_code.co_name, below.f_globals.get("__name__", "")
        if (name == "_run_once" and loop is not None) or (
            module == "trio._core._run" and name in ("unrolled_run", "run")
        ):
            raise BlockingWait(
                "this wait would block the event loop it is called from, and with it the program under test: "
                "use the fixture async_mailserver and await its methods"
            )
        below = below.f_back
    if loop is not None and type(loop).__module__.startswith("uvloop"):  # its frames are not Python's
        raise BlockingWait("this wait would block uvloop: use the fixture async_mailserver and await its methods")

"""What a session asks its driver to do next.

A session is a plain object: ``receive(bytes)`` only buffers, ``next()`` gives the next step, ``answer(value)`` or
``fail(error)`` brings the result of the last one. Output is the step ``bytes`` itself.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final, final


@final
class NeedData:
    """Nothing more can be done before more input, its end, or a wake-up."""

    def __repr__(self) -> str:
        return "NEED_DATA"


NEED_DATA: Final = NeedData()


@final
class Call:
    """Call a function that touches store, delivery or a hook; the answer is what it returns.

    The driver calls it at once where the store is in memory and ``worker`` is False, else in a worker thread.
    A call that has begun is never cancelled.
    """

    __slots__ = ("args", "function", "worker")

    def __init__(self, function: Callable[..., Any], *args: Any, worker: bool = False) -> None:
        self.function = function
        self.args = args
        self.worker = worker

    def __repr__(self) -> str:
        return f"Call({getattr(self.function, '__qualname__', self.function)}, *{self.args!r})"


@final
class Later:
    """Call a function that returns at once and gives its result to ``done(value, error)``, in whatever thread.

    ``function(*args, done)`` is called in the loop thread. No thread is held meanwhile: a group commit can be as
    large as the number of waiting senders.
    """

    __slots__ = ("args", "function")

    def __init__(self, function: Callable[..., None], *args: Any) -> None:
        self.function = function
        self.args = args

    def __repr__(self) -> str:
        return f"Later({getattr(self.function, '__qualname__', self.function)}, *{self.args!r})"


Done = Callable[[Any, BaseException | None], None]


@final
class StartTLS:
    """The TLS layer goes in now: after the output before it, and input already buffered is dropped.

    The answer is a ``transcript.TLS``; when the handshake fails the connection ends.
    """


@final
class StartDeflate:
    """The deflate layer goes in now; input already buffered is compressed data (RFC 4978)."""


@final
class EndDeflate:
    """The deflate layer goes out again, both ways: what comes after the output before it is plain (RFC 8437, 4.1)."""


@final
@dataclass(frozen=True, slots=True)
class Pause:
    """Others may run before the next step.

    Attributes:
        done, total: how far the session has come with what it does; 0 where that is not known.
    """

    done: int = 0
    total: int = 0


@final
@dataclass(frozen=True, slots=True)
class Delay:
    """Continue after so many seconds; output before it is sent first."""

    seconds: float


@final
@dataclass(frozen=True, slots=True)
class Hold:
    """Continue when ``subscribe(callback)`` calls back (from any thread, perhaps at once)."""

    subscribe: Callable[[Callable[[], None]], None]


@final
@dataclass(frozen=True, slots=True)
class Watch:
    """Wake this session (``wake()``, then ``next()``) at hints on these; an empty sequence stops it.

    Attributes:
        wanted: ids of mailboxes, and keys of accounts, as a ``Hint`` names them.
        seconds: after which it is woken once in any case; None: by hints alone. The next ``Watch`` begins anew.
    """

    wanted: Sequence[Hashable]
    seconds: float | None = None


@final
@dataclass(frozen=True, slots=True)
class Shape:
    """Put a shaping layer below this connection: what a bad network does to the octets from here on.

    Attributes:
        disconnect_after: octets in either direction after which the connection ends; None: never.
        reset: end it with a TCP reset.
        bytes_per_second: of output and input; None: no limit.
        truncate: octets of output that still leave, the rest is dropped silently; None: all.
        garble: change one bit in every 64th octet of output.
    """

    disconnect_after: int | None = None
    reset: bool = False
    bytes_per_second: float | None = None
    truncate: int | None = None
    garble: bool = False


@final
@dataclass(frozen=True, slots=True)
class Close:
    """The connection ends: after the output before it has left, or at once with ``abort`` (``reset``: as RST)."""

    abort: bool = False
    reset: bool = False


Step = (
    bytes | NeedData | Call | Later | StartTLS | StartDeflate | EndDeflate | Pause | Delay | Hold | Watch | Shape
    | Close
)  # fmt: skip

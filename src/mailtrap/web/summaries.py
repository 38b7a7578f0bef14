"""What a list shows of a message: computed once from its bytes and kept, as far as room goes.

A message never changes, so what is kept is never stale.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final, Generic, TypeVar

from ..errors import StoreError
from ..message.address import Address
from ..message.model import Message

KEPT: Final = 5_000  # summaries, about a kilobyte each
SNIPPET: Final = 250  # characters


@dataclass(frozen=True, slots=True)
class Summary:
    """The parsed part of a line in a list.

    Attributes:
        attachments: how many parts are attached, those that the body shows not counted.
        snippet: the beginning of the readable text on one line.
    """

    from_: Address | None
    to: Sequence[Address]
    cc: Sequence[Address]
    bcc: Sequence[Address]
    reply_to: Sequence[Address]
    subject: str
    message_id: str
    attachments: int
    snippet: str


T = TypeVar("T")


class Kept(Generic[T]):
    """What was made of one server's messages; from every thread.

    Args:
        make: makes it; a ``StoreError`` says that the message was cleared meanwhile.
    """

    def __init__(self, make: Callable[[Message], T]) -> None:
        self._make = make
        self._lock = Lock()
        self._kept: OrderedDict[int, T] = OrderedDict()  # by seq, which is never given again

    def of(self, message: Message) -> T | None:
        """What is made of a message; None when it was cleared meanwhile."""
        seq = message.seq
        with self._lock:
            if (kept := self._kept.get(seq)) is not None:
                self._kept.move_to_end(seq)
                return kept
        try:
            made = self._make(message)
        except StoreError:
            return None
        with self._lock:
            self._kept[seq] = made
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made


def summary(message: Message) -> Summary:
    """The summary of a message."""
    plain = message.plain
    return Summary(
        from_=message.from_ if message.from_ or message.from_.name else None,
        to=tuple(message.to),
        cc=tuple(message.cc),
        bcc=tuple(message.bcc),
        reply_to=tuple(message.reply_to),
        subject=message.subject,
        message_id=bare_id(message),
        attachments=len(message.attachments),
        snippet=" ".join(plain[: 8 * SNIPPET].split())[:SNIPPET],
    )


def bare_id(message: Message) -> str:
    """The Message-ID without angle brackets; empty where there is none."""
    return (message.message_id or "").strip().removeprefix("<").removesuffix(">")

"""What was turned away is kept too: waits explain themselves from it."""

from datetime import datetime
from itertools import count
from typing import Final

from .. import clock, limits
from ..message.envelope import Envelope
from ..transcript import Session
from ..wire.reply import Reply

_numbers: Final = count(1)


class Refusal:
    """A connection, command or mail that was turned away.

    Attributes:
        id: tells it from others of this process; sorts by time.
        stage: the command it was turned away at: ``CONNECT MAIL RCPT DATA APPEND`` ..., ``AUTH`` and ``LOGIN`` too.
        reply: as the client got it.
        envelope: as far as it had come; at RCPT the refused recipient is its last.
        raw: the mail's bytes, at most ``limits.REFUSAL_BYTES`` of them; None where none had come.
        size: octets of the whole mail, where it was cut or dropped.
        scope: the name of the scope it belongs to.
    """

    __slots__ = ("_at", "envelope", "id", "raw", "reply", "scope", "session", "size", "stage")

    def __init__(
        self, stage: str, reply: Reply | str, envelope: Envelope, session: Session, *, scope: str = "",
        raw: bytes | None = None, size: int | None = None,
    ) -> None:  # fmt: skip
        self.stage = stage
        self.reply = str(reply)
        self.envelope = envelope
        self.raw = None if raw is None else raw[: limits.REFUSAL_BYTES]
        self.size = size if size is not None or raw is None else len(raw)
        self.session = session
        self.scope = scope
        self._at = clock.now()
        self.id: str = f"{int(self._at * 1000):011x}-{next(_numbers):x}"

    @property
    def at(self) -> datetime:
        """When, aware, UTC."""
        return clock.to_datetime(self._at)

    def __repr__(self) -> str:
        return f"<Refusal {self.stage} {self.envelope!r}: {self.reply}>"

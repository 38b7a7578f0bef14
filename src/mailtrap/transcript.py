"""Sessions as records: who connected, what was said, with secrets redacted.

A session writes into its record as it goes; ``cut()`` closes the transcript of one transaction into one ``bytes``,
which the message and the session then share. Bodies are referred to by their size, never repeated.

The form of a transcript, one line each, times in seconds since the connection:

    C 0.0012 MAIL FROM:<a@example.com>
    S 250 2.1.0 Ok
    * 1289 octets of message
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from itertools import count
from sys import intern
from typing import Any, Final, Literal

from . import clock, limits
from .clock import now

ProtocolName = Literal["smtp", "lmtp", "pop3", "imap", "http"]
_numbers: Final = count(1)
_SHORT: Final = 100  # octets of a reply that is likely to be given again
_LINE: Final = limits.LINE_LOG
_LOOK: Final = 56  # a log's size is looked at by every eighth command, and when a reply is long


@dataclass(frozen=True, slots=True)
class TLS:
    """What a connection's TLS layer agreed on."""

    version: str
    cipher: str
    server_name: str | None  # SNI
    client_certificate: bytes | None  # DER
    client_names: tuple[str, ...] = ()  # whom a verified one is for: mail addresses, then the common name
    bindings: Mapping[str, bytes] = field(default_factory=dict, repr=False, compare=False)  # RFC 5929, by name


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a client and the reply to it, secrets redacted."""

    verb: str
    line: str
    reply: str
    at: datetime


class Session:
    """The record of one connection. Written by its session alone, read from any thread.

    Records stay with the messages that came by them, so they are small: what most of them have alike is one object for
    all, and what only an open one needs is dropped at its end.
    """

    __slots__ = (
        "__weakref__", "_blobs", "_disconnect", "_elided", "_ended", "_host", "_id", "_log", "_port", "closed_at",
        "helo", "listener", "mechanism", "opened_at", "protocol", "scope", "tls", "transaction", "user",
    )  # fmt: skip

    def __init__(
        self, protocol: ProtocolName, peer: tuple[str, int], listener: str = "", *, scope: str = "",
        id: str | None = None,  # noqa: A002  the public name
    ) -> None:  # fmt: skip
        self.opened_at: float = now()
        self.closed_at: float | None = None
        self._id: str | int = id or next(_numbers)
        self.protocol: ProtocolName = protocol
        self.peer = peer
        self.listener = listener
        self.scope = scope
        self.helo: str | None = None
        self.tls: TLS | None = None
        self.user: str | None = None
        self.mechanism: str | None = None
        self._log: list[bytes] | None = []  # None: the connection has ended
        self._elided = 0
        # One item for each transaction: its transcript, or where it is no message's its pieces, which may be shared.
        self._blobs: list[bytes | tuple[bytes, ...]] | tuple[bytes | tuple[bytes, ...], ...] = []
        self._disconnect: Callable[[], None] | None = None
        self.transaction = False  # between MAIL and its end: a message may still come of it
        self._ended: tuple[Callable[[], None], ...] = ()

    @property
    def id(self) -> str:
        """Sorts by time; never two alike in one server's life."""
        number = self._id
        return number if isinstance(number, str) else f"{int(self.opened_at * 1000):011x}-{number:x}"

    @property
    def peer(self) -> tuple[str, int]:
        """Host and port of the client."""
        return self._host, self._port

    @peer.setter
    def peer(self, peer: tuple[str, int]) -> None:
        host, self._port = peer
        self._host = intern(host)

    @property
    def open(self) -> bool:
        """Whether the connection is there."""
        return self._log is not None

    # ------------------------------------------------------------ written by the session

    def begin_transaction(self) -> None:
        """MAIL was accepted."""
        self.transaction = True

    def end_transaction(self) -> None:
        """The mail is kept, refused or given up."""
        self.transaction = False
        if self._ended:
            ended, self._ended = self._ended, ()
            for function in ended:
                function()

    def command(self, line: bytes) -> None:
        """The client sent this line (without its line end, secrets redacted)."""
        if (log := self._log) is not None:
            log.append(b"C %.4f %b\n" % (now() - self.opened_at, line if len(line) < _LINE else line[:_LINE]))
            if len(log) & _LOOK == _LOOK:
                self._elide(log)

    def reply(self, text: bytes) -> None:
        """The server answered this: one line or several, with or without the last line end."""
        self.add(_often_said(text) if len(text) <= _SHORT else said(text))
        if len(text) > _LINE and self._log is not None:
            self._elide(self._log)

    def note(self, text: bytes) -> None:
        """Something that is not a line of the conversation: a body and its size, TLS, a fault."""
        self.add(b"* %b\n" % text[:_LINE])

    def add(self, lines: bytes) -> None:
        """Lines as they stand in a transcript. Nothing happens when the connection has ended."""
        if (log := self._log) is not None:
            log.append(lines)

    def cut(self) -> bytes:
        """Close the transcript of a transaction and return it; what follows begins the next one."""
        log = self._log
        if not log:
            return b""
        blob = b"".join(log)
        if self._elided or len(blob) > limits.TRANSACTION_LOG:
            blob = b"".join(self._whole(log))
        log.clear()
        self._keep(blob)
        return blob

    def part(self) -> None:
        """As ``cut()``, where the transcript is no message's: what all sessions hear is kept once for all of them."""
        if log := self._log:
            pieces = tuple(self._whole(log))
            log.clear()
            self._keep(pieces)

    def close(self) -> None:
        """The connection ended."""
        log, kept = self._log, self._blobs
        if log is None:
            return
        self._log = None
        # The opening stays one item: it is asked for by itself.
        self._blobs = (*kept, *self._whole(log)) if kept else (tuple(self._whole(log)),) if log else ()
        self.closed_at = now()
        self._disconnect = None
        self.end_transaction()

    def on_disconnect(self, function: Callable[[], None]) -> None:
        """Give ``disconnect()`` its means; called by whoever owns the connection."""
        self._disconnect = function

    def on_transaction_end(self, function: Callable[[], None]) -> None:
        """Call somebody once when the transaction that is open now has ended; at once where none is open."""
        self._ended = (*self._ended, function)
        if not self.transaction and function in self._ended:
            self._ended = tuple(other for other in self._ended if other is not function)
            function()

    def _keep(self, blob: bytes | tuple[bytes, ...]) -> None:
        blobs = self._blobs
        assert isinstance(blobs, list)
        blobs.append(blob)
        if len(blobs) > limits.SESSION_LOGS:
            del blobs[0]

    def _whole(self, log: list[bytes]) -> list[bytes]:
        """The log within its limit, and the last word about what is missing; the next one misses nothing yet."""
        self._elide(log)
        elided, self._elided = self._elided, 0
        return [*log, b"* %d lines left out above\n" % elided] if elided else log

    def _elide(self, log: list[bytes]) -> None:
        """A log over its limit keeps its beginning and its newest lines: the middle goes."""
        size = sum(map(len, log))
        while size > limits.TRANSACTION_LOG and len(log) > 2:
            some = len(log) // 8 or 1  # at once, so that a session of many commands does not pay for it at each
            middle = slice((len(log) - some) // 2, (len(log) + some) // 2)
            size -= sum(map(len, log[middle]))
            del log[middle]
            self._elided += some

    # ------------------------------------------------------------ kept by a store

    def summary(self, transcript: bytes = b"") -> dict[str, Any]:
        """What a store keeps of the record, as values of JSON: all but the transcripts of its transactions.

        Args:
            transcript: of the message that is being kept; what was said before it is the session's opening.
        """
        opening = _joined(next(iter(tuple(self._blobs)), b""))
        tls = self.tls
        return {
            "id": self.id, "protocol": self.protocol, "peer": list(self.peer), "listener": self.listener,
            "scope": self.scope, "opened_at": self.opened_at, "helo": self.helo, "user": self.user,
            "mechanism": self.mechanism,
            "tls": None if tls is None else [
                tls.version, tls.cipher, tls.server_name,
                None if tls.client_certificate is None else tls.client_certificate.hex(),
            ],
            "opening": "" if opening == transcript else opening.decode("latin-1"),
        }  # fmt: skip

    @classmethod
    def restored(cls, summary: Mapping[str, Any]) -> "Session":
        """The record that a store kept: of a connection that has ended, with the opening as its transcript."""
        host, port = summary["peer"]
        self = cls(summary["protocol"], (host, port), summary["listener"], scope=summary["scope"], id=summary["id"])
        self.opened_at = summary["opened_at"]
        self.helo, self.user, self.mechanism = summary["helo"], summary["user"], summary["mechanism"]
        if (tls := summary["tls"]) is not None:
            version, cipher, server_name, certificate = tls
            self.tls = TLS(version, cipher, server_name, None if certificate is None else bytes.fromhex(certificate))
        self._blobs = (summary["opening"].encode("latin-1"),) if summary["opening"] else ()
        self._log = None
        return self

    # ------------------------------------------------------------ read by anybody

    @property
    def transcript(self) -> str:
        """Everything kept of the conversation, oldest first."""
        log = tuple(self._log or ())
        return b"".join([*map(_joined, tuple(self._blobs)), *log]).decode("utf-8", "replace")

    @property
    def commands(self) -> Sequence[Command]:
        """The commands kept, each with the reply that followed it."""
        return parse_commands(self.transcript, self.opened_at, tagged=self.protocol == "imap")

    def disconnect(self) -> None:
        """End the connection as if the network had failed. Nothing happens when it has ended already."""
        if (function := self._disconnect) is not None:
            function()

    def __repr__(self) -> str:
        state = "open" if self.open else "closed"
        return f"<Session {self.id} {self.protocol} {self.peer[0]}:{self.peer[1]} {state}>"


def said(text: bytes) -> bytes:
    """A reply, one line or several, as it stands in a transcript."""
    return b"".join([b"S %b\n" % line[:_LINE] for line in text.splitlines() or (b"",)])


_often_said = lru_cache(maxsize=512)(said)  # the same few replies are given again and again


def _joined(blob: bytes | tuple[bytes, ...]) -> bytes:
    return blob if isinstance(blob, bytes) else b"".join(blob)


def parse_commands(transcript: str, opened_at: float, *, tagged: bool = False) -> list[Command]:
    """The commands in a transcript of the form above.

    tagged: a line begins with an IMAP tag; the verb of ``a1 UID FETCH ...`` is FETCH.
    """
    commands: list[Command] = []
    line, at, replies = "", 0.0, list[str]()

    def add() -> None:
        words = line.split(" ", 3)[1:] if tagged else line.split(" ", 1)
        verb = (words[1] if words[:1] and words[0].upper() == "UID" and len(words) > 1 else words[0]) if words else ""
        commands.append(
            Command(verb.partition(":")[0].upper(), line, "\n".join(replies), clock.to_datetime(opened_at + at))
        )

    for row in transcript.splitlines():
        kind, _, rest = row.partition(" ")
        if kind == "C":
            if line:
                add()
            seconds, _, line = rest.partition(" ")
            at, replies = float(seconds), []
        elif kind == "S" and line:
            replies.append(rest)
    if line:
        add()
    return commands

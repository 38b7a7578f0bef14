"""What goes into a store and what comes out: records, without methods that do something."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, TypeVar

from ..message.envelope import Envelope
from ..transcript import Session

Origin = Literal["smtp", "lmtp", "http", "append", "deliver", "queue"]
SUBMITTED: Final[frozenset[str]] = frozenset({"smtp", "lmtp", "http"})  # origins that waits and lists mean
FlagMode = Literal["add", "remove", "replace"]


@dataclass(frozen=True, slots=True)
class Filing:
    """Where messages are to be filed, and what is to be noted of them.

    Attributes:
        flags, without: what the copies are given, and what is taken away from them.
        into: names of mailboxes that are to have a copy of each message; made where they are not there.
        out_of: names of mailboxes that are to have none.
    """

    flags: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    into: Sequence[str] = ()
    out_of: Sequence[str] = ()


ALL: Final = "all"  # the account that is the record of messages
INBOX: Final = "INBOX"
NO_FLAGS: Final[frozenset[str]] = frozenset()
NO_RIGHTS: Final[Mapping[str, str]] = MappingProxyType({})
PRIVATE: Final = "/private/"  # how names of annotations begin (RFC 5464, 3.2)
SHARED: Final = "/shared/"


class Key(NamedTuple):
    """What an account is kept under: a scope's name, and ``Address.account``."""

    scope: str
    address: str


# ---------------------------------------------------------------- what goes in


@dataclass(slots=True, frozen=True)
class Target:
    """One copy to be made: in whose mailbox, and how it begins.

    Attributes:
        account: it comes to be when there is none.
        mailbox: its name.
        create: make the mailbox when there is none; else that is ``NoSuchMailbox``.
        flags: ``\\Seen`` ... and keywords; never ``\\Recent``.
        internal_date: seconds since the epoch; None is the time of the commit.
        prefix: header lines of this copy alone, with their line ends; ``b""`` for none.
    """

    account: Key
    mailbox: str = INBOX
    create: bool = True
    flags: frozenset[str] = NO_FLAGS
    internal_date: float | None = None
    prefix: bytes = b""


@dataclass(slots=True)
class Delivery:
    """One message on its way in, and the copies to be made of it.

    Attributes:
        raw: the exact bytes, after dot-unstuffing.
        transcript: of its own transaction, as ``Session.cut()`` gives it.
        session: the record of the connection it came by; None where there was none.
        received_at: seconds since the epoch; None is the time of the commit.
        replaces: copies that go in the same commit (RFC 8508), as mailbox and UID; those that are not there are
            passed over.
    """

    scope: str
    origin: Origin
    raw: bytes
    envelope: Envelope
    targets: Sequence[Target] = ()
    session: Session | None = None
    transcript: bytes = b""
    received_at: float | None = None
    replaces: Sequence[tuple[int, int]] = ()


class Placed(NamedTuple):
    """A copy that was made."""

    mailbox: int
    uidvalidity: int
    uid: int


class Receipt(NamedTuple):
    """What became of one delivery.

    Attributes:
        placed: one for each target, in order.
        message: as it was committed; somebody may have taken it away since.
    """

    seq: int
    received_at: float
    placed: tuple[Placed, ...]
    message: "MessageRow"

    @property
    def id(self) -> str:
        """The message's public id, as ``MessageRow.id``."""
        return message_id(self.received_at, self.seq)


# ---------------------------------------------------------------- what comes out


class MessageRow:
    """A message as the store keeps it, without its bytes (``raw(seq)``). Never changed."""

    __slots__ = (
        "envelope", "origin", "received_at", "scope", "seq", "served_size", "session", "size", "transcript",
    )  # fmt: skip

    def __init__(
        self, seq: int, scope: str, origin: Origin, received_at: float, size: int, served_size: int,
        envelope: Envelope, session: Session | None, transcript: bytes,
    ) -> None:  # fmt: skip
        self.seq = seq
        self.scope = scope
        self.origin: Origin = origin
        self.received_at = received_at
        self.size = size  # octets of raw
        self.served_size = served_size  # octets as IMAP and POP3 serve it: each bare LF as CRLF
        self.envelope = envelope
        self.session = session
        self.transcript = transcript

    @property
    def id(self) -> str:
        """Sorts by time; never two alike in one store."""
        return message_id(self.received_at, self.seq)

    @property
    def number(self) -> int:
        """The same as a number of 64 bits: 41 of milliseconds, 23 of ``seq``."""
        return (int(self.received_at * 1000) << 23 | self.seq & (1 << 23) - 1) & (1 << 64) - 1


class CopyRow(NamedTuple):
    """A message in a mailbox. Never changed: new flags make a new row.

    A tuple, because stores make ten thousand at once.
    """

    uid: int
    message: MessageRow
    flags: frozenset[str]
    modseq: int
    internal_date: float
    save_date: float
    prefix: bytes = b""

    @property
    def size(self) -> int:
        """Octets as served, prefix headers included: RFC822.SIZE, and what LIST of POP3 says."""
        return self.message.served_size + len(self.prefix)


@dataclass(slots=True, frozen=True)
class AccountRow:
    """An account.

    Attributes:
        declared: by somebody, not by a delivery or a login.
        quota: octets of all its copies, as they are served; None: no limit.
        message_quota: how many copies; None: no limit.
    """

    key: Key
    password: str | None
    declared: bool
    quota: int | None
    message_quota: int | None = None


class Usage(NamedTuple):
    """What an account keeps: octets of all its copies as they are served, and how many they are."""

    octets: int
    messages: int


@dataclass(slots=True, frozen=True)
class MailboxRow:
    """A mailbox as it is now.

    Attributes:
        special_use: ``\\Sent`` ``\\Drafts`` ... (RFC 6154).
        selectable: False for a name that only has children (RFC 3501, 6.3.4).
        acl: identifiers and their rights (RFC 4314), each right a letter, sorted. What they mean is not the store's.
    """

    id: int
    account: Key
    name: str
    uidvalidity: int
    uidnext: int
    highestmodseq: int
    special_use: frozenset[str] = NO_FLAGS
    selectable: bool = True
    acl: Mapping[str, str] = field(default_factory=lambda: NO_RIGHTS, hash=False)


@dataclass(slots=True, frozen=True)
class Status:
    """Counts of a mailbox.

    Attributes:
        size: octets of its copies as they are served.
        deleted_size: of those with ``\\Deleted``.
    """

    messages: int
    unseen: int
    deleted: int
    recent: int
    size: int
    deleted_size: int = 0


class Tally(NamedTuple):
    """What a scope has, and what it had before.

    Attributes:
        messages, octets: of every origin, the bytes as they came.
        submitted, submitted_octets: of those whose origin is in ``SUBMITTED``.
        unread: of the submitted, those that the record shows without ``\\Seen``; what is hidden there is not.
        evicted, evicted_octets: what was removed as ``evicted`` since the store began.
        last_evicted: the highest ``seq`` among them; 0 where there is none.
    """

    messages: int = 0
    octets: int = 0
    submitted: int = 0
    submitted_octets: int = 0
    unread: int = 0
    evicted: int = 0
    evicted_octets: int = 0
    last_evicted: int = 0

    def __add__(self, other: "Tally") -> "Tally":  # type: ignore[override]  # of two scopes
        sums = [ours + theirs for ours, theirs in zip(self[:-1], other[:-1], strict=True)]
        return Tally._make([*sums, max(self.last_evicted, other.last_evicted)])


@dataclass(slots=True, frozen=True)
class Snapshot:
    """A mailbox at one moment: all its UIDs, ascending."""

    mailbox: MailboxRow
    uids: Sequence[int]


@dataclass(slots=True, frozen=True)
class Changes:
    """What happened in a mailbox after a MODSEQ.

    Attributes:
        highestmodseq: of this answer: ask with it next.
        uidvalidity: of this answer; another one than before: the mailbox was renumbered, all is new.
        changed: copies that are new or have other flags, ascending by UID.
        vanished: UIDs expunged since, ascending; complete only where ``complete``.
        complete: False when expunges that old are forgotten: compare UIDs instead.
    """

    highestmodseq: int
    uidvalidity: int
    changed: Sequence[CopyRow]
    vanished: Sequence[int]
    complete: bool = True


class Hint(NamedTuple):
    """Something was committed: the store is at ``seq``, and these mailboxes are at these MODSEQs.

    A mailbox that was deleted is among them, so that who has it open asks and finds ``NoSuchMailbox``. Hints of several
    commits may come as one, and those of two threads in either order.

    Attributes:
        accounts: whose list of mailboxes may look different: names, subscriptions, rights, annotations; the server's
            own annotations are those of ``all``. The accounts that a mailbox is shared with are among them.
    """

    seq: int
    mailboxes: Mapping[int, int]
    accounts: frozenset[Key] = frozenset()


def message_id(received_at: float, seq: int) -> str:
    """A message's public id: eleven hexadecimal digits of milliseconds, then nine of ``seq``."""
    return f"{int(received_at * 1000):011x}{seq:09x}"


def seq_of_id(id: str) -> int | None:  # noqa: A002  the public name
    """The ``seq`` in a message's public id; None where it is none."""
    if len(id) < 20:
        return None
    try:
        return int(id[11:], 16)
    except ValueError:
        return None


def same(row: Any, other: Any) -> bool:
    """Whether two rows say the same; rows compare by identity because they are many."""
    return type(row) is type(other) and all(getattr(row, n) == getattr(other, n) for n in row.__slots__)


_T = TypeVar("_T")


def page_of(found: Iterable[_T], skip: int, limit: int | None) -> list[_T]:
    """What is left without so many at the beginning, at most so many; numbers may be of any size."""
    start = min(max(skip, 0), sys.maxsize)
    return list(islice(found, start, None if limit is None else min(start + max(limit, 0), sys.maxsize)))

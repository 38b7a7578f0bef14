"""A maildrop as one POP3 session sees it: what was in the mailbox when it was opened, and what is marked (RFC 1939, 5).

Mail that arrives later is not seen, and numbers never change: a message that somebody else expunged keeps its number
and cannot be read. Nothing here is kept but numbers; bytes come from the store, one message at a time.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from ..errors import NoSuchMailbox, StoreError
from ..limits import KB
from ..message.structure import served
from ..message.surrogate import plain_fields, surrogate
from ..store.base import Store
from ..store.rows import CopyRow, MailboxRow

_SMALL: Final = 16 * KB  # below it one piece is cheaper than two
_LINES: Final = 1000  # messages that one piece of a listing tells of


class NoSuchMessage(Exception):
    """A message number that is none, or that of a message marked as deleted; the text says which."""


class Maildrop:
    """The messages of one session, by index: the message number less one.

    Attributes:
        mailbox: its id in the store.
        utf8: whether header fields may be UTF-8 (RFC 6856); else they are as RFC 6858 has them.
        totals: how many messages are not marked as deleted, and their octets.
    """

    __slots__ = ("_deleted", "_seqs", "_sizes", "_uids", "_uidvalidity", "mailbox", "totals", "utf8")

    def __init__(self, mailbox: MailboxRow, *, utf8: bool) -> None:
        self.mailbox = mailbox.id
        self.utf8 = utf8
        self.totals = (0, 0)
        self._uidvalidity = mailbox.uidvalidity
        self._deleted: set[int] = set()
        self._uids = array("Q")
        self._seqs = array("Q")
        self._sizes = array("Q")

    def add(self, store: Store, uids: Sequence[int]) -> None:
        """The copies of these UIDs come next; only while it is being opened."""
        octets = self.totals[1]
        copies = store.copies(self.mailbox, uids)
        for copy, size in zip(copies, self._sizes_of(store, copies), strict=True):
            octets += size
            self._uids.append(copy.uid)
            self._seqs.append(copy.message.seq)
            self._sizes.append(size)
        self.totals = len(self._sizes), octets

    def _sizes_of(self, store: Store, copies: Sequence[CopyRow]) -> Iterator[int]:
        if self.utf8:
            yield from (copy.size for copy in copies)
            return
        known = store.facts([copy.message.seq for copy in copies], ("plain_size",))
        for copy, facts in zip(copies, known, strict=True):
            size = None if facts is None else facts.plain_size
            # one that was cleared meanwhile has the size it had: it cannot be read any more
            yield copy.size if size is None else size + len(plain_fields(copy.prefix))

    def mark(self, index: int) -> None:
        """Mark one as deleted."""
        self._deleted.add(index)
        count, octets = self.totals
        self.totals = count - 1, octets - self._sizes[index]

    def unmark(self) -> None:
        """Mark none."""
        self._deleted.clear()
        self.totals = len(self._sizes), sum(self._sizes)

    # ------------------------------------------------------------ numbers

    def index(self, number: bytes) -> int:
        """The index of a message number: digits, leading zeros allowed.

        Raises:
            NoSuchMessage: it is no number, there is no such message, or it is marked as deleted.
        """
        if not number.isdigit():
            raise NoSuchMessage("That is no message number")
        # a number of thousands of digits is one too, and int() takes no more than 4300
        digits = number.lstrip(b"0")
        index = int(digits) - 1 if 0 < len(digits) < 20 else -1
        if not 0 <= index < len(self._uids):
            raise NoSuchMessage(f"No such message: there are {len(self._uids)}")
        if index in self._deleted:
            raise NoSuchMessage("That message is deleted")
        return index

    def size(self, index: int) -> int:
        """Octets as RETR sends them, dot-stuffing and the final dot apart."""
        return self._sizes[index]

    def unique_id(self, index: int) -> bytes:
        """The unique-id of RFC 1939, 7: never given to another copy of this account."""
        return b"%d.%d" % (self._uidvalidity, self._uids[index])

    def _pieces(self, line: Callable[[int], bytes]) -> Iterator[bytes]:
        """Lines of all that are not marked, some at a time, so that nothing is built whole."""
        for start in range(0, len(self._uids), _LINES):
            indexes = range(start, min(start + _LINES, len(self._uids)))
            yield b"".join(line(index) for index in indexes if index not in self._deleted)

    def listing(self) -> Iterator[bytes]:
        """The lines of LIST."""
        return self._pieces(lambda index: b"%d %d\r\n" % (index + 1, self._sizes[index]))

    def unique_ids(self) -> Iterator[bytes]:
        """The lines of UIDL."""
        return self._pieces(lambda index: b"%d %b\r\n" % (index + 1, self.unique_id(index)))

    # ------------------------------------------------------------ what asks the store

    def read(self, store: Store, index: int) -> bytes | None:
        """A message as it is served, its prefix headers first; None where it was expunged meanwhile."""
        seq = self._seqs[index]
        try:
            copies = store.copies(self.mailbox, (self._uids[index],))
        except NoSuchMailbox:
            return None
        if not copies or copies[0].message.seq != seq:  # where it was renumbered, this is another one
            return None
        try:
            raw = store.raw(seq)
        except StoreError:
            if store.message(seq) is None:  # cleared between the two calls
                return None
            raise
        prefix, message = copies[0].prefix, copies[0].message
        data = raw if message.served_size == message.size else served(raw)
        if not self.utf8:
            data, prefix = surrogate(data), plain_fields(prefix)
        return prefix + data if prefix else data

    def update(self, store: Store) -> int:
        """Remove what is marked (RFC 1939, 6); how many were still there."""
        if not self._deleted or store.mailbox_row(self.mailbox).uidvalidity != self._uidvalidity:
            return 0
        return len(store.expunge(self.mailbox, [self._uids[index] for index in sorted(self._deleted)]))


def dotted(data: bytes) -> bytes | Sequence[bytes]:
    """A multi-line response's body and its end, dot-stuffed (RFC 1939, 3); whole, or in pieces where it is long."""
    data = data.replace(b"\r\n.", b"\r\n..")
    if data[:1] == b".":
        data = b"." + data
    # the line end before the final dot is the message's own, where it has one
    end = b".\r\n" if not data or data.endswith(b"\r\n") else b"\r\n.\r\n"
    return data + end if len(data) < _SMALL else (data, end)


def top(data: bytes, lines: int) -> bytes:
    """The header, the empty line and so many lines of the body (RFC 1939, 7); all of a message without a body."""
    if data.startswith(b"\r\n"):
        end = 2
    else:
        found = data.find(b"\r\n\r\n")
        if found < 0:
            return data
        end = found + 4
    for _ in range(lines):
        found = data.find(b"\r\n", end)
        if found < 0:
            return data
        end = found + 2
    return data[:end]

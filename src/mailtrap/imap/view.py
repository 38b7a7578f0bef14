"""One session's view of its mailbox: which UID has which sequence number *for this client*, and what to tell it.

The store says what is; the client knows what it was told. Between the two:

- ``uids[n - 1]`` is the UID of message n as the client numbers them. It changes only where the client is told.
- Expunged copies keep their number until EXPUNGE may be told (RFC 3501, 7.4.1), and wait in ``_gone``.
- Arrivals are told at once: a larger EXISTS renumbers nobody. UIDs only rise, so they come behind.
- What this session did itself and has answered (``note``) is not told again.

``uids`` is the store's own shared tuple as long as there is nothing withheld, so that many sessions on one large
mailbox cost little each.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ..store.rows import Changes, CopyRow, MailboxRow, Snapshot
from . import sequence
from .contexts import Context
from .responses import Refusal

_NOTHING: Final[tuple[int, ...]] = ()
_FEW: Final = 16  # a smaller part of the UIDs than one of so many is looked up one by one, more by a table of all


@dataclass(slots=True)
class News:
    """What the client has to be told, in this order.

    Attributes:
        expunged: sequence numbers, each as it is when the ones before it were told.
        vanished: the same as UIDs, ascending.
        exists: the number of messages now; None where no message came.
        arrived: UIDs of the messages that came, ascending.
        changed: sequence number and copy of messages with other flags.
    """

    expunged: Sequence[int]
    vanished: Sequence[int]
    exists: int | None
    arrived: Sequence[int]
    changed: Sequence[tuple[int, CopyRow]]


class View:
    """A selected mailbox.

    Attributes:
        mailbox: its row at SELECT.
        read_only: selected with EXAMINE, or without a right to change anything.
        rights: of the user at SELECT (RFC 4314).
        uids: of the messages, in the order of their numbers.
        modseq: everything up to here is known: told, or waiting in the view.
        keywords: names of keywords that the client was told of.
        told: everything up to here was told: below ``modseq`` where something is withheld (RFC 7162, 6).
        saved: UIDs that ``$`` stands for (RFC 5182).
        contexts: searches that are kept up to date, by tag (RFC 5267).
    """

    __slots__ = (
        "_gone", "_noted", "_recent", "contexts", "keywords", "mailbox", "modseq", "read_only", "rights", "saved",
        "told", "uids",
    )  # fmt: skip

    def __init__(
        self, snapshot: Snapshot, *, read_only: bool, keywords: Iterable[str] = (), rights: Container[str] = "stw"
    ) -> None:
        self.mailbox: MailboxRow = snapshot.mailbox
        self.read_only = read_only
        self.rights = rights
        self.uids: Sequence[int] = snapshot.uids
        self.modseq = self.told = snapshot.mailbox.highestmodseq
        self.keywords = set(keywords)
        self.saved: Sequence[int] = ()
        self.contexts: dict[bytes, Context] = {}
        self._gone: set[int] = set()  # in uids, but expunged
        self._noted: dict[int, int] = {}  # UID to the MODSEQ that the client knows already
        self._recent: list[tuple[int, int]] = []  # first and last UID of ranges, ascending

    def __len__(self) -> int:
        return len(self.uids)

    @property
    def last(self) -> int:
        """The highest UID; 0 where there is no message."""
        return self.uids[-1] if self.uids else 0

    @property
    def permanent(self) -> Container[str] | None:
        """The rights that say which flags can be changed; None: none can."""
        return None if self.read_only else self.rights

    @property
    def withheld(self) -> bool:
        """Whether there are expunged messages that the client was not told of."""
        return bool(self._gone)

    @property
    def due(self) -> float:
        """When time alone changes the results of an updated search; infinity: it does not."""
        return min((context.due for context in self.contexts.values()), default=math.inf)

    def present(self) -> Sequence[int]:
        """The UIDs without those that are expunged, whether the client was told or not."""
        return [uid for uid in self.uids if uid not in self._gone] if self._gone else self.uids

    def number(self, uid: int) -> int:
        """The sequence number of a UID; 0 where the client does not know it."""
        position = bisect_left(self.uids, uid)
        return position + 1 if position < len(self.uids) and self.uids[position] == uid else 0

    def numbers(self, uids: Sequence[int]) -> Sequence[int]:
        """The sequence numbers of UIDs; all of them are known, ascending."""
        known = self.uids
        if len(uids) == len(known):
            return range(1, len(known) + 1)
        if not uids:
            return ()
        first = bisect_left(known, uids[0])
        if first + len(uids) <= len(known) and known[first + len(uids) - 1] == uids[-1]:
            return range(first + 1, first + len(uids) + 1)  # neighbours
        return [bisect_left(known, uid) + 1 for uid in uids]

    def places(self, uids: Sequence[int]) -> list[int]:
        """The sequence numbers of UIDs in whatever order; all of them are known."""
        known = self.uids
        if len(uids) * _FEW < len(known):
            return [bisect_left(known, uid) + 1 for uid in uids]
        return list(map(dict(zip(known, range(1, len(known) + 1), strict=True)).__getitem__, uids))

    def known(self, uids: Sequence[int]) -> Sequence[int]:
        """Those of the UIDs that have a number, in their order."""
        if uids is self.uids:
            return uids
        if len(uids) * _FEW < len(self.uids):
            return [uid for uid in uids if self.number(uid)]
        return list(filter(set(self.uids).__contains__, uids))

    def find(self, wanted: sequence.SequenceSet, *, uid: bool) -> Sequence[int]:
        """The UIDs that a set in a command names, ascending.

        Args:
            uid: it is a set of UIDs: those that are not there are passed over (RFC 3501, 6.4.8).

        Raises:
            Refusal: a sequence number that no message has (RFC 3501, 9: seq-number).
        """
        if wanted == sequence.SAVED:
            return self.known(self.saved)  # RFC 5182, 2.1: without those expunged meanwhile
        if uid:
            return sequence.uids(wanted, self.uids)
        numbers = sequence.positions(wanted, len(self.uids))
        if numbers is None:
            raise Refusal(f"There is no such message: the mailbox has {len(self.uids)}", kind="BAD")
        if isinstance(numbers, range):
            return self.uids[numbers.start - 1 : numbers.stop - 1]
        return [self.uids[number - 1] for number in numbers]

    # ------------------------------------------------------------ \Recent

    def add_recent(self, first: int, last: int) -> None:
        """UIDs in this range are ``\\Recent`` for this session (RFC 3501, 2.3.2)."""
        if first <= last:
            if self._recent and self._recent[-1][1] + 1 >= first:
                first = min(first, self._recent.pop()[0])
            self._recent.append((first, last))

    def forget_recent(self) -> None:
        """None is any more: the client goes on without ``\\Recent``."""
        self._recent.clear()

    def is_recent(self, uid: int) -> bool:
        """Whether a UID is ``\\Recent`` for this session."""
        return any(first <= uid <= last for first, last in self._recent)

    def all_recent(self, first: int, last: int) -> bool:
        """Whether all from one UID to another are recent."""
        return any(low <= first and last <= high for low, high in self._recent)

    def any_recent(self, first: int, last: int) -> bool:
        """Whether there can be a recent one between two UIDs."""
        return any(low <= last and first <= high for low, high in self._recent)

    @property
    def recent_ranges(self) -> Sequence[tuple[int, int]]:
        """First and last UID of the ranges that are ``\\Recent``."""
        return self._recent

    @property
    def recent(self) -> int:
        """How many messages are ``\\Recent`` for this session."""
        return sum(bisect_right(self.uids, last) - bisect_left(self.uids, first) for first, last in self._recent)

    # ------------------------------------------------------------ changes

    def note(self, copies: Sequence[CopyRow], *, silent: bool = False) -> None:
        """A command of this session changed these copies, and the client is answered with them.

        Args:
            silent: it is not answered. Then what others did since the client was told last is told with them.
        """
        if silent:
            # Only what certainly is this command's: one change, the one after what the client was told.
            copies = [copy for copy in copies if copy.modseq == self.modseq + 1]
        self._noted.update((copy.uid, copy.modseq) for copy in copies if copy.modseq > self.modseq)

    def apply(self, changes: Changes, *, expunges: bool, current: Snapshot | None = None) -> News:
        """Take in what happened since ``modseq``.

        Args:
            changes: the store's answer for ``modseq``.
            expunges: whether EXPUNGE may be told now; else it waits.
            current: the mailbox not earlier than ``changes``; needed where those are not complete.
        """
        last = self.last
        arrived = [copy.uid for copy in changes.changed if copy.uid > last]
        self._gone.update(self._vanished(changes, current))
        vanished: Sequence[int] = _NOTHING
        expunged: Sequence[int] = _NOTHING
        if expunges and self._gone:
            vanished = sorted(self._gone)
            # the highest number first: so none of them moves another
            expunged = [self.number(uid) for uid in reversed(vanished)]
            self._gone = set()
        if arrived or vanished:
            same = current is not None and current.mailbox.highestmodseq == changes.highestmodseq
            if current is not None and same and not self._gone:
                self.uids = current.uids  # the tuple that all share
            else:
                self._renumber(arrived, vanished)
        changed = []
        for copy in changes.changed:
            if copy.uid > last:
                break
            if (
                copy.uid not in self._gone
                and self._noted.get(copy.uid, 0) != copy.modseq
                and (number := self.number(copy.uid))
            ):
                changed.append((number, copy))
        self._noted.clear()
        self.modseq = max(self.modseq, changes.highestmodseq)
        if not self._gone:
            self.told = self.modseq
        return News(expunged, vanished, len(self.uids) if arrived else None, arrived, changed)

    def _vanished(self, changes: Changes, current: Snapshot | None) -> Collection[int]:
        if changes.complete:
            return [uid for uid in changes.vanished if self.number(uid)]
        assert current is not None
        return set(self.uids).difference(current.uids)

    def _renumber(self, arrived: Sequence[int], vanished: Sequence[int]) -> None:
        gone = set(vanished)
        self.uids = [*(uid for uid in self.uids if uid not in gone), *arrived]

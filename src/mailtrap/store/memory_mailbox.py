"""One mailbox of the memory store: its copies in parallel arrays, rows made when they are asked for.

UIDs and the MODSEQs that copies arrived with both rise, so a look-up is a bisection. Only a copy that differs from how
messages arrive (flags, dates, prefix) has a row of its own; any other is made from the message and the two arrays.
Flag changes are noted in a log in the order of their MODSEQs, so ``changes`` looks at what changed and at nothing else.

The store's lock is held around every call.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from itertools import repeat

from .. import limits
from ..errors import NoSuchMailbox
from .flags import DELETED, SEEN, change
from .rows import (
    NO_FLAGS,
    NO_RIGHTS,
    SUBMITTED,
    Changes,
    CopyRow,
    FlagMode,
    Key,
    MailboxRow,
    MessageRow,
    Snapshot,
    Status,
)

_made = partial(tuple.__new__, CopyRow)  # without a call in Python for each
_FEW = 32  # up to so many positions are deleted one by one, a longer list is built anew; so many changes are kept


class Mailbox:
    """A mailbox and its copies."""

    __slots__ = (
        "_arrived", "_log", "_log_uids", "_messages", "_own", "_snapshot", "_stamped", "_told", "_uid_tuple", "_uids",
        "_vanished", "account", "acl", "alive", "annotations", "deleted", "deleted_size", "forgotten", "highestmodseq",
        "id", "name", "recent_from", "selectable", "size", "special_use", "uidnext", "uidvalidity", "unread", "unseen",
    )  # fmt: skip

    def __init__(self, id: int, account: Key, name: str, uidvalidity: int, selectable: bool = True) -> None:  # noqa: A002
        self.id = id
        self.account = account
        self.name = name
        self.uidvalidity = uidvalidity
        self.selectable = selectable
        self.alive = True
        self.special_use = NO_FLAGS
        self.acl: Mapping[str, str] = NO_RIGHTS
        self.annotations: dict[Key | None, dict[str, bytes]] = {}  # of an account; of everybody under None
        self.uidnext = 1
        self.highestmodseq = 1  # never 0: RFC 7162, 3.1.1
        self.recent_from = 1
        self._empty()
        self._vanished: list[tuple[int, int, int]] = []  # MODSEQ, first and last UID; MODSEQs rise
        self.forgotten = 0  # the highest MODSEQ whose vanished UIDs are not remembered

    def _empty(self) -> None:
        self._uids = array("Q")
        self._arrived = array("Q")  # the MODSEQ of each arrival
        self._messages: list[MessageRow] = []
        self._own: dict[int, CopyRow] = {}  # by UID: the copies that are not as they arrived
        self._log = array("Q")  # MODSEQs of flag changes
        self._log_uids = array("Q")
        self._uid_tuple: tuple[int, ...] | None = ()  # the first of them; None: others
        self._snapshot: Snapshot | None = None
        self._stamped: tuple[object, ...] = ()
        self._told: tuple[int, Changes] | None = None  # a MODSEQ, and what happened after it
        self.unseen = self.deleted = self.size = self.deleted_size = 0
        self.unread = 0  # of the unseen, those that were submitted

    # ------------------------------------------------------------ reading

    def row(self) -> MailboxRow:
        """The mailbox as it is now."""
        return MailboxRow(
            self.id, self.account, self.name, self.uidvalidity, self.uidnext, self.highestmodseq, self.special_use,
            self.selectable, self.acl,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self._uids)

    def snapshot(self) -> Snapshot:
        """All UIDs. Who asks while nothing changes gets the same; with arrivals the UIDs before them are shared."""
        uids = self._uid_tuple
        if uids is None:
            uids = self._uid_tuple = tuple(self._uids)
        elif len(uids) < len(self._uids):
            uids = self._uid_tuple = uids + tuple(self._uids[len(uids) :])
        kept = self._snapshot
        if kept is None or kept.uids is not uids or self._stamp() != self._stamped:
            kept = self._snapshot = Snapshot(self.row(), uids)
            self._stamped = self._stamp()
        return kept

    def _stamp(self) -> tuple[object, ...]:
        """What a row says and can change."""
        return (
            self.highestmodseq, self.uidnext, self.uidvalidity, self.name, self.special_use, self.selectable, self.acl
        )  # fmt: skip

    def status(self) -> Status:
        """The counts."""
        recent = len(self._uids) - bisect_left(self._uids, self.recent_from)
        return Status(len(self._uids), self.unseen, self.deleted, recent, self.size, self.deleted_size)

    def marks(self) -> tuple[frozenset[str], int]:
        """The flags in use, and the lowest unseen UID; 0 where there is none. Without making a row."""
        own = self._own
        used = NO_FLAGS.union(*{row.flags for row in own.values()})
        if not self.unseen:
            return used, 0
        return used, next(uid for uid in self._uids if (row := own.get(uid)) is None or SEEN not in row.flags)

    def find(self, uids: Iterable[int] | None) -> Sequence[int]:
        """The positions of those UIDs that are there, ascending; None: of all."""
        mine = self._uids
        if uids is None:
            return range(len(mine))
        if isinstance(uids, tuple) and len(uids) == 1:
            position = bisect_left(mine, uids[0])
            return (position,) if position < len(mine) and mine[position] == uids[0] else ()
        if isinstance(uids, range) and uids.step == 1:
            return range(bisect_left(mine, uids.start), bisect_left(mine, uids.stop))
        if not mine:
            return ()
        if isinstance(uids, list | tuple) and uids:
            start = bisect_left(mine, uids[0])
            stop = start + len(uids)
            if stop <= len(mine) and mine[stop - 1] == uids[-1] and mine[start:stop].tolist() == list(uids):
                return range(start, stop)  # neighbours, ascending: most who ask go through a mailbox
        wanted = uids if isinstance(uids, set | frozenset) else set(uids)
        first, count = mine[0], len(mine)
        if mine[-1] - first == count - 1:  # no gaps
            return sorted(uid - first for uid in wanted if first <= uid < first + count)
        if len(wanted) * 16 > count:
            return [position for position, uid in enumerate(mine) if uid in wanted]
        found = []
        for uid in sorted(wanted):
            position = bisect_left(mine, uid)
            if position < count and mine[position] == uid:
                found.append(position)
        return found

    def copies(self, positions: Sequence[int]) -> list[CopyRow]:
        """The copies at these positions."""
        if len(positions) == 1:  # POP3's RETR asks for one after the other
            (position,) = positions
            return [self._own.get(self._uids[position]) or self._arrival(position)]
        uids: Sequence[int]
        messages: Sequence[MessageRow]
        if isinstance(positions, range):
            uids, messages = (
                self._uids[positions.start : positions.stop],
                self._messages[positions.start : positions.stop],
            )
            arrived: Iterable[int] = self._arrived[positions.start : positions.stop]
        else:
            uids = [self._uids[position] for position in positions]
            messages = [self._messages[position] for position in positions]
            arrived = [self._arrived[position] for position in positions]
        own: list[CopyRow | None] = []
        if self._own:
            own = list(map(self._own.get, uids))
            if None not in own:
                return own  # type: ignore[return-value]  # just looked at
        dates = [message.received_at for message in messages]
        fresh = map(_made, zip(uids, messages, repeat(NO_FLAGS), arrived, dates, dates, repeat(b""), strict=False))
        return [row or other for row, other in zip(own, fresh, strict=True)] if own else list(fresh)

    def _arrival(self, position: int) -> CopyRow:
        """A copy that is as it arrived."""
        message = self._messages[position]
        received = message.received_at
        return CopyRow(self._uids[position], message, NO_FLAGS, self._arrived[position], received, received)

    def positions_of(self, messages: Collection[MessageRow]) -> list[int]:
        """Where the copies of these messages are."""
        if len(messages) > 1:
            wanted = set(messages)
            return [position for position, message in enumerate(self._messages) if message in wanted]
        found: list[int] = []
        for message in messages:
            at = -1
            for _ in range(self._messages.count(message)):
                at = self._messages.index(message, at + 1)
                found.append(at)
        return found

    def messages(self) -> Sequence[MessageRow]:
        """The message of each copy."""
        return self._messages

    def changes(self, since: int) -> Changes:
        """What happened after a MODSEQ. A short answer is kept: all who wait for news ask the same."""
        known = self._told
        if known is not None and known[0] == since and known[1].highestmodseq == self.highestmodseq:
            return known[1]
        changes = self._changes(since)
        self._told = (since, changes) if len(changes.changed) + len(changes.vanished) <= _FEW else None
        return changes

    def _changes(self, since: int) -> Changes:
        arrivals = bisect_right(self._arrived, since)
        changed = set(self._log_uids[bisect_right(self._log, since) :])
        positions = [position for position in self.find(changed) if position < arrivals] if changed else []
        positions += range(arrivals, len(self._uids))
        gone: list[int] = []
        for _, first, last in self._vanished[bisect_left(self._vanished, (since + 1,)) :]:
            gone += range(first, last + 1)
        gone.sort()
        complete = since >= self.forgotten
        return Changes(self.highestmodseq, self.uidvalidity, self.copies(positions), gone, complete)

    # ------------------------------------------------------------ changing

    def add(
        self, message: MessageRow, modseq: int, flags: frozenset[str], internal: float, saved: float, prefix: bytes,
        uid: int | None = None,
    ) -> int:  # fmt: skip
        """Append a copy; ``modseq`` is this commit's. Returns its UID."""
        if uid is None:
            uid = self.uidnext
        self.uidnext = uid + 1
        self.highestmodseq = modseq
        self._uids.append(uid)
        self._arrived.append(modseq)
        self._messages.append(message)
        if flags or prefix or internal != message.received_at or saved != message.received_at:
            self._own[uid] = CopyRow(uid, message, flags, modseq, internal, saved, prefix)
            if DELETED in flags:
                self.deleted += 1
                self.deleted_size += message.served_size + len(prefix)
        if SEEN not in flags:
            self.unseen += 1
            self.unread += message.origin in SUBMITTED
        self.size += message.served_size + len(prefix)
        return uid

    def extend(self, copies: Sequence[CopyRow], modseq: int, saved: float) -> range:
        """Append copies of copies; ``modseq`` is this commit's. Returns their UIDs."""
        uids = range(self.uidnext, self.uidnext + len(copies))
        self._uids.extend(uids)
        self._arrived.extend([modseq] * len(copies))
        self._messages += [copy.message for copy in copies]
        size = unseen = deleted = 0
        for uid, copy in zip(uids, copies, strict=True):
            message, flags, prefix = copy.message, copy.flags, copy.prefix
            self._own[uid] = CopyRow(uid, message, flags, modseq, copy.internal_date, saved, prefix)
            size += message.served_size + len(prefix)
            self.unread += message.origin in SUBMITTED and SEEN not in flags
            if flags:
                unseen -= SEEN in flags
                if DELETED in flags:
                    deleted += 1
                    self.deleted_size += message.served_size + len(prefix)
        self.size += size
        self.unseen += unseen + len(copies)
        self.deleted += deleted
        self.uidnext = uids.stop
        self.highestmodseq = modseq
        return uids

    def set_flags(
        self, positions: Iterable[int], flags: frozenset[str], mode: FlagMode, unchanged_since: int | None = None,
        *, without: frozenset[str] = NO_FLAGS,
    ) -> tuple[list[CopyRow], list[int]]:  # fmt: skip
        """Change flags, as the contract says; ``flags`` is canonical. Those of ``without`` are taken away before."""
        modseq = self.highestmodseq + 1
        uids, messages, arrived, own = self._uids, self._messages, self._arrived, self._own
        rows: list[CopyRow] = []
        left: list[int] = []
        changed = array("Q")
        becomes: dict[frozenset[str], tuple[frozenset[str], int, int]] = {}
        for position in positions:
            uid = uids[position]
            row = own.get(uid)
            if unchanged_since is not None and (arrived[position] if row is None else row.modseq) > unchanged_since:
                left.append(uid)
                continue
            old = NO_FLAGS if row is None else row.flags
            found = becomes.get(old)
            if found is None:
                new = change(change(old, without, "remove"), flags, mode) if without else change(old, flags, mode)
                new = old if new == old else new
                found = becomes[old] = new, (SEEN in old) - (SEEN in new), (DELETED in new) - (DELETED in old)
            new, unseen, deleted = found
            if new is not old:
                if row is None:
                    message = messages[position]
                    received = message.received_at
                    row = CopyRow(uid, message, new, modseq, received, received)
                else:
                    row = CopyRow(uid, row.message, new, modseq, row.internal_date, row.save_date, row.prefix)
                own[uid] = row
                self.unseen += unseen
                if unseen and row.message.origin in SUBMITTED:
                    self.unread += unseen
                if deleted:
                    self.deleted += deleted
                    self.deleted_size += deleted * row.size
                changed.append(uid)
            rows.append(row or self._arrival(position))
        if changed:
            self.highestmodseq = modseq
            self._log.extend([modseq] * len(changed))
            self._log_uids.extend(changed)
            self._compact()
        return rows, left

    def take(self, positions: Sequence[int], modseq: int) -> list[int]:
        """Take copies away; ``modseq`` is this commit's. Returns their UIDs."""
        uids = [self._uids[position] for position in positions]
        if not uids:
            return uids
        size, unread, messages = 0, 0, self._messages
        self.unseen -= len(uids)
        for position, uid in zip(positions, uids, strict=True):
            size += messages[position].served_size
            submitted = messages[position].origin in SUBMITTED
            unread += submitted
            own = self._own.pop(uid, None)
            if own is not None:
                size += len(own.prefix)
                if own.flags:
                    self.unseen += SEEN in own.flags
                    unread -= submitted and SEEN in own.flags
                    if DELETED in own.flags:
                        self.deleted -= 1
                        self.deleted_size -= own.size
        self.size -= size
        self.unread -= unread
        first, last = positions[0], positions[-1]
        if last - first == len(positions) - 1:
            for column in (self._uids, self._arrived, self._messages):
                del column[first : last + 1]
        elif len(positions) <= _FEW:
            for column in (self._uids, self._arrived, self._messages):
                for position in reversed(positions):
                    del column[position]
        else:
            gone = set(positions)
            kept = [position for position in range(len(self._uids)) if position not in gone]
            self._uids = array("Q", [self._uids[position] for position in kept])
            self._arrived = array("Q", [self._arrived[position] for position in kept])
            self._messages = [self._messages[position] for position in kept]
        self._uid_tuple = None
        self.highestmodseq = modseq
        self._compact()
        self._note_vanished(uids, modseq)
        return uids

    def _note_vanished(self, uids: Sequence[int], modseq: int) -> None:
        vanished = self._vanished
        first = last = uids[0]
        for uid in uids[1:]:
            if uid != last + 1:
                vanished.append((modseq, first, last))
                first = uid
            last = uid
        vanished.append((modseq, first, last))
        if (over := len(vanished) - limits.VANISHED_RANGES) > 0:
            self.forgotten = vanished[over - 1][0]
            del vanished[: bisect_left(vanished, (self.forgotten + 1,))]

    def _compact(self) -> None:
        """Keep the log of flag changes in proportion to the copies that were changed."""
        if len(self._log) <= 2 * len(self._own) + 256:
            return
        last = {uid: modseq for modseq, uid in zip(self._log, self._log_uids, strict=True) if uid in self._own}
        entries = sorted((modseq, uid) for uid, modseq in last.items())
        self._log = array("Q", [modseq for modseq, _ in entries])
        self._log_uids = array("Q", [uid for _, uid in entries])

    def take_recent(self, peek: bool) -> int:
        """The lowest recent UID; without ``peek`` none is recent any more."""
        lowest = self.recent_from
        if not peek:
            self.recent_from = self.uidnext
        return lowest

    def renumber(self, uidvalidity: int) -> None:
        """Give every copy a new UID, from 1, under a new UIDVALIDITY."""
        rows = self.copies(range(len(self._uids)))
        recent = self.status().recent
        self._empty()
        self.uidvalidity = uidvalidity
        self.uidnext = 1
        # nobody can follow from before to after: what vanished, vanished under UIDs that mean nothing now
        self.highestmodseq += 1
        self._vanished.clear()
        self.forgotten = self.highestmodseq
        for row in rows:
            self.add(row.message, self.highestmodseq, row.flags, row.internal_date, row.save_date, row.prefix)
        self.recent_from = self.uidnext - recent

    def fork(self, id: int, account: Key) -> "Mailbox":  # noqa: A002
        """The same mailbox of another account."""
        twin = Mailbox(id, account, self.name, self.uidvalidity, self.selectable)
        for same in (
            "special_use",
            "uidnext",
            "highestmodseq",
            "recent_from",
            "forgotten",
            "unseen",
            "unread",
            "deleted",
            "deleted_size",
            "size",
            "acl",
        ):
            setattr(twin, same, getattr(self, same))
        twin.annotations = {
            None if owner is None else account: dict(entries)
            for owner, entries in self.annotations.items() if owner in (None, self.account)
        }  # fmt: skip
        twin._uids = self._uids[:]
        twin._arrived = self._arrived[:]
        twin._messages = self._messages[:]
        twin._own = dict(self._own)
        twin._log = self._log[:]
        twin._log_uids = self._log_uids[:]
        twin._vanished = self._vanished[:]
        twin._uid_tuple = self._uid_tuple
        return twin

    def die(self) -> None:
        """The mailbox was deleted: who still names it finds that out, and its copies are not held."""
        self.alive = False
        self.annotations.clear()
        self._empty()
        self._vanished.clear()


def selectable(mailbox: Mailbox) -> Mailbox:
    """The mailbox; ``NoSuchMailbox`` where it is a name only."""
    if not mailbox.selectable:
        raise NoSuchMailbox(f"{mailbox.name!r} cannot be selected")
    return mailbox

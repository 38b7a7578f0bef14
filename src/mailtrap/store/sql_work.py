"""What one job changes in a store that speaks SQL: one command, in the transaction that its store has opened.

What is added is gathered and written by ``end``.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from .. import clock
from ..errors import MailboxExists, NoSuchMailbox, NotAllowed, OverQuota, StoreError
from ..message.structure import served_size
from ..transcript import Session
from .directory import canonical, checked_name
from .flags import DELETED, SEEN, change
from .flags import canonical as canonical_flags
from .hints import Outcome
from .rows import (
    ALL,
    INBOX,
    NO_FLAGS,
    SUBMITTED,
    CopyRow,
    Delivery,
    Filing,
    FlagMode,
    Key,
    MessageRow,
    Placed,
    Receipt,
    Tally,
    Target,
    Usage,
)
from .sql_directory import REFUSED, Box, Retry
from .sql_emptying import Emptying
from .sql_rows import COPY, LARGEST, Database, Rows, chunks, conditions, select, used
from .sql_values import envelope_column, flags_column, text, untext

_LOST: Final = """SELECT count(*) FILTER (WHERE NOT seen), count(*) FILTER (WHERE deleted),
    coalesce(CAST(sum(size) AS BIGINT), 0), coalesce(CAST(sum(size) FILTER (WHERE deleted) AS BIGINT), 0) FROM copy
    WHERE mailbox = ?"""
_LOST_UNREAD: Final = """SELECT count(*) FROM copy JOIN message ON seq = message
    WHERE mailbox = ? AND NOT seen AND origin IN ('smtp', 'lmtp', 'http')"""
_ADD: Final = "INSERT INTO copy VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_SESSIONS: Final = 500  # named in one statement


class Work(Emptying):
    """One job's changes.

    Attributes:
    """

    def __init__(self, db: Database, rows: Rows, born: int) -> None:
        super().__init__(db, born)
        self._rows = rows
        self._used: dict[int, Usage] = {}  # by accounts with a quota
        self._sessions: dict[str, tuple[Session, bytes]] = {}
        self._messages: list[tuple[Any, ...]] = []
        self._copies_added: list[tuple[Any, ...]] = []

    def end(self, result: Any) -> Outcome:
        self._keep_sessions()
        if self._messages:
            marks = ", ".join("?" * len(self._messages[0]))
            self.db.executemany(f"INSERT INTO message VALUES ({marks})", self._messages)  # noqa: S608
        if self._copies_added:
            self.db.executemany(_ADD, self._copies_added)
        return super().end(result)

    # ------------------------------------------------------------ deliveries

    def deliver(self, batch: Sequence[Delivery]) -> list[Receipt]:
        """Take a batch in; what would fail has failed before anything is changed."""
        sizes = [served_size(delivery.raw) for delivery in batch]
        self._admit(batch, sizes)
        now = clock.now()
        receipts = []
        for delivery, size in zip(batch, sizes, strict=True):
            if delivery.session is not None:
                self._sessions.setdefault(delivery.session.id, (delivery.session, delivery.transcript))
            places = [(self._target(target), target) for target in delivery.targets]
            everything = self.everything(delivery.scope)
            received = now if delivery.received_at is None else delivery.received_at
            seq = self.head + 1
            self.head = seq
            row = MessageRow(
                seq, delivery.scope, delivery.origin, received, len(delivery.raw), size, delivery.envelope,
                delivery.session, delivery.transcript,
            )  # fmt: skip
            self._keep(row, delivery)
            submitted = row.origin in SUBMITTED
            self.count(row.scope, Tally(1, row.size, submitted, row.size * submitted, submitted))
            placed = []
            for box, target in places:
                internal = now if target.internal_date is None else target.internal_date
                flags = canonical_flags(target.flags) if target.flags else NO_FLAGS
                uid = self._add(box, row, flags, internal, now, target.prefix)
                placed.append(Placed(box.id, box.uidvalidity, uid))
            everything.uidnext = seq
            self._add(everything, row, NO_FLAGS, received, received, b"")
            receipts.append(Receipt(seq, received, tuple(placed), row))
            for mailbox, uid in delivery.replaces:
                self.expunge(mailbox, (uid,))
        return receipts

    def deliver_group(self, batches: Sequence[Sequence[Delivery]]) -> list[list[Receipt] | StoreError]:
        """Take in what can be: for each batch its receipts, or why it cannot be taken."""
        answers: list[list[Receipt] | StoreError] = []
        for batch in batches:
            try:
                answers.append(self.deliver(batch))
            except StoreError as error:
                answers.append(error)
        return answers

    def _admit(self, batch: Sequence[Delivery], sizes: Sequence[int]) -> None:
        """Raise what would fail."""
        to_come: set[tuple[Key, str]] = set()
        extra: dict[Key, list[int]] = {}  # octets and messages that come
        if replaced := [mailbox for delivery in batch for mailbox, _ in delivery.replaces]:
            self.hold(replaced)
        for delivery, size in zip(batch, sizes, strict=True):
            for target in delivery.targets:
                key, name = target.account, checked_name(target.mailbox)
                if key.address == ALL:
                    raise NotAllowed(REFUSED)
                if target.flags:
                    canonical_flags(target.flags)  # what is no set of flags fails here
                account = self.find(key)
                if (key, name) not in to_come and name != INBOX and not target.create:
                    mailbox = None if account is None else self._named(account.id, name)
                    if mailbox is None or not self.box(mailbox).selectable:
                        raise NoSuchMailbox(f"{key.address} has no mailbox {name!r}")
                to_come.add((key, name))
                coming = extra.setdefault(key, [0, 0])
                coming[0] += size + len(target.prefix)
                coming[1] += 1
            for mailbox, uid in delivery.replaces:
                there = self.box(mailbox)
                for (octets,) in select(self.db, "SELECT size FROM copy", there.id, (uid,)):
                    if there.key in extra:
                        extra[there.key][0] -= octets
                        extra[there.key][1] -= 1
        for key, (octets, messages) in extra.items():
            self._check_quota(key, octets, messages)

    def _keep(self, row: MessageRow, delivery: Delivery) -> None:
        """Gather a message and its bytes."""
        raise NotImplementedError

    def _columns(self, row: MessageRow) -> tuple[Any, ...]:
        session = None if row.session is None else text(row.session.id)
        return (
            row.seq, text(row.scope), row.origin, row.received_at, row.size, row.served_size,
            envelope_column(row.envelope), session, row.transcript,
        )  # fmt: skip

    def _keep_sessions(self) -> None:
        """Write the records of connections whose messages are kept."""
        if not self._sessions:
            return
        known: dict[str, str] = {}
        ids = [text(id_) for id_ in self._sessions]
        for start in range(0, len(ids), _SESSIONS):
            chunk = ids[start : start + _SESSIONS]
            marks = ",".join("?" * len(chunk))
            known.update(self.db.execute(f"SELECT id, summary FROM session WHERE id IN ({marks})", chunk).fetchall())  # noqa: S608
        changed = []
        for id_, (session, transcript) in self._sessions.items():
            summary = session.summary(transcript)
            before = known.get(text(id_))
            if before is not None:  # what is its first transcript now may be a later one: the opening stays
                summary["opening"] = json.loads(before)["opening"]
            column = json.dumps(summary)
            if before != column:
                changed.append((text(id_), column))
        self.db.executemany(
            "INSERT INTO session VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET summary = excluded.summary", changed
        )

    def _add(
        self, box: Box, message: MessageRow, flags: frozenset[str], internal: float, saved: float, prefix: bytes
    ) -> int:
        uid, box.uidnext = box.uidnext, box.uidnext + 1
        size = message.served_size + len(prefix)
        bits = SEEN in flags, DELETED in flags
        box.add(*bits, size)
        modseq = self._bump(box)
        self._copies_added.append(
            (box.id, uid, message.seq, flags_column(flags), *bits, modseq, internal, saved, prefix, size)
        )
        if box.account in self._used:
            octets, messages = self._used[box.account]
            self._used[box.account] = Usage(octets + size, messages + 1)
        return uid

    def _target(self, target: Target) -> Box:
        """The mailbox of an admitted target, made where there is none."""
        account, name = self.find(target.account), checked_name(target.mailbox)
        if account is None:
            number = self._new_account(target.account, declared=False)
        else:
            number = account.id
            mailbox = self._named(number, name)
            if mailbox is not None and (box := self.box(mailbox)).selectable:
                return box
        return self._new_mailbox(number, name)

    def _check_quota(self, key: Key, octets: int, messages: int) -> None:
        account = self.find(key)
        if account is None or (account.quota is None and account.message_quota is None):
            return
        before = self._used.get(account.id)
        if before is None:
            before = self._used[account.id] = used(self.db, account.id)
        if account.quota is not None and before.octets + octets > account.quota:
            raise OverQuota(f"{key.address} may keep {account.quota} octets", key)
        if account.message_quota is not None and before.messages + messages > account.message_quota:
            raise OverQuota(f"{key.address} may keep {account.message_quota} messages", key)

    # ------------------------------------------------------------ messages

    def remove(self, seqs: Collection[int], *, evicted: bool = False) -> int:
        """Take messages away."""
        asked = sorted(seq for seq in set(seqs) if 0 < seq <= LARGEST)
        copies = self._copies_of(asked)
        self.hold(copies)
        if self.LOCKING:  # what was copied before the mailboxes were held
            copies = self._copies_of(asked)
            if not all(mailbox in self._boxes for mailbox in copies):
                raise Retry
        there: list[int] = []
        for chunk in chunks(asked):
            marks = ",".join("?" * len(chunk))
            there += (seq for (seq,) in self.db.execute(f"SELECT seq FROM message WHERE seq IN ({marks})", chunk))  # noqa: S608
        if not there:
            return 0
        for mailbox, uids in copies.items():
            self._take(self.box(mailbox), sorted(uids))
        _ = self.head  # held: no message that is on its way names a session that is taken away here
        sessions: set[Any] = set()
        for chunk in chunks(there):
            marks = ",".join("?" * len(chunk))
            query = f"SELECT session, scope, origin, size, seq FROM message WHERE seq IN ({marks})"  # noqa: S608
            for session, scope, origin, size, seq in self.db.execute(query, chunk):
                sessions.add(session)
                submitted = origin in SUBMITTED
                lost = (1, size, seq) if evicted else (0, 0, 0)
                self.count(untext(scope), Tally(-1, -size, -submitted, -size * submitted, 0, *lost))
            self._drop_bodies(marks, chunk)
            self.db.execute(f"DELETE FROM message WHERE seq IN ({marks})", chunk)  # noqa: S608
        for session in sessions - {None}:
            if self.db.execute("SELECT 1 FROM message WHERE session = ?", (session,)).fetchone() is None:
                self.db.execute("DELETE FROM session WHERE id = ?", (session,))
        self.tell()
        self.removed.update(there)
        return len(there)

    def _copies_of(self, seqs: Sequence[int]) -> dict[int, list[int]]:
        """The UIDs of the copies of messages, by mailbox."""
        copies: dict[int, list[int]] = {}
        for chunk in chunks(seqs):
            marks = ",".join("?" * len(chunk))
            found = self.db.execute(f"SELECT mailbox, uid FROM copy WHERE message IN ({marks})", chunk)  # noqa: S608
            for mailbox, uid in found:
                copies.setdefault(mailbox, []).append(uid)
        return copies

    def clear(self, scope: str) -> None:
        """Take away the messages of a scope and the copies in its accounts."""
        query = "SELECT mailbox.id FROM mailbox JOIN account ON account.id = mailbox.account WHERE scope = ?"
        own = [mailbox for (mailbox,) in self.db.execute(query, (text(scope),)).fetchall()]
        self.remove_all(scope, submitted=False, held=own)
        for mailbox in own:  # what came there with another scope's mail
            if (box := self._boxes.get(mailbox)) is not None:
                self._take(box, [uid for (uid,) in select(self.db, "SELECT uid FROM copy", box.id, None)])

    # ------------------------------------------------------------ copies

    def rename_mailbox(self, mailbox: int, name: str) -> None:
        """Rename a mailbox with those below it."""
        self.hold_directory()
        box = self.own_box(mailbox)
        name = checked_name(name)
        if self._named(box.account, name) is not None:
            raise MailboxExists(f"there is a mailbox {name!r} already")
        if box.name == INBOX:
            new = self._new_mailbox(box.account, name)
            self.tell(box, new, accounts={box.key})
            self.copy_annotations(box, new)
            self._transfer(box, self._copies(box, None), new, move=True)
        else:
            self.rename(box, name)

    def renumber(self, mailbox: int) -> int:
        """Give the copies of a mailbox new UIDs."""
        self.hold_directory()
        box = self.own_box(mailbox)
        uids = [uid for (uid,) in select(self.db, "SELECT uid FROM copy", box.id, None)]
        recent = sum(uid >= box.recent_from for uid in uids)
        box.uidvalidity = self._next_uidvalidity()
        # nobody can follow from before to after: what vanished, vanished under UIDs that mean nothing now
        box.forgotten = self._bump(box)
        self.db.execute("DELETE FROM vanished WHERE mailbox = ?", (box.id,))
        changes = [(new, box.modseq, box.id, old) for new, old in enumerate(uids, start=1)]  # never upwards: no clash
        self.db.executemany("UPDATE copy SET uid = ?, modseq = ? WHERE mailbox = ? AND uid = ?", changes)
        box.uidnext = len(uids) + 1
        box.recent_from = box.uidnext - recent
        return box.uidvalidity

    def set_flags(
        self, mailbox: int, uids: Iterable[int], flags: frozenset[str], mode: FlagMode, unchanged_since: int | None
    ) -> tuple[list[CopyRow], list[int]]:
        """Change flags; ``flags`` is canonical."""
        box = self.box(mailbox)
        rows: list[CopyRow] = []
        left: list[int] = []
        changes = []
        unread = 0
        for copy in self._copies(box, uids):
            if unchanged_since is not None and copy.modseq > unchanged_since:
                left.append(copy.uid)
                continue
            new = change(copy.flags, flags, mode)
            if new is not copy.flags:
                unseen = (SEEN in copy.flags) - (SEEN in new)
                deleted = (DELETED in new) - (DELETED in copy.flags)
                box.unseen += unseen
                box.deleted += deleted
                box.deleted_size += deleted * copy.size
                unread += unseen * (copy.message.origin in SUBMITTED)
                copy = CopyRow(
                    copy.uid, copy.message, new, self._bump(box), copy.internal_date, copy.save_date, copy.prefix
                )
                changes.append((flags_column(new), SEEN in new, DELETED in new, copy.modseq, box.id, copy.uid))
            rows.append(copy)
        self.db.executemany(
            "UPDATE copy SET flags = ?, seen = ?, deleted = ?, modseq = ? WHERE mailbox = ? AND uid = ?", changes
        )
        if unread and box.key.address == ALL:
            self.count(box.key.scope, Tally(unread=unread))
        return rows, left

    def copy(self, mailbox: int, uids: Iterable[int], target: int, *, move: bool) -> list[tuple[int, int]]:
        """Copy or move."""
        if self.LOCKING:
            account = self.db.execute("SELECT account FROM mailbox WHERE id = ?", (target,)).fetchone()
            self.hold_quotas(account or ())
        self.hold((mailbox, target))
        source, box = self.box(mailbox), self.own_box(target)
        if not box.selectable:
            raise NoSuchMailbox(f"{box.name!r} cannot be selected")
        copies = self._copies(source, uids)
        if copies and not (move and source.key == box.key):
            self._check_quota(box.key, sum(copy.size for copy in copies), len(copies))
        return self._transfer(source, copies, box, move=move)

    def file(self, mailbox: int, uids: Iterable[int], filing: Filing) -> None:
        """Change flags, and put messages into mailboxes or take them out of some."""
        into = list(dict.fromkeys(map(checked_name, filing.into)))
        out_of = list(dict.fromkeys(map(canonical, filing.out_of)))
        self.hold_directory()
        account = self.db.execute("SELECT account FROM mailbox WHERE id = ?", (mailbox,)).fetchone()
        names = {} if account is None else self._names(account[0])
        self.hold_quotas(account or ())
        self.hold({mailbox, *(names[name] for name in (*into, *out_of) if name in names)})
        box = self.own_box(mailbox)
        copies = self._copies(box, uids)
        if not copies:
            return
        seqs = [copy.message.seq for copy in copies]
        there = {name: self._uids_of(names[name], seqs) if name in names else {} for name in into}
        missing = [copy for name in into for copy in copies if copy.message.seq not in there[name]]
        if missing:
            self._check_quota(box.key, sum(copy.size for copy in missing), len(missing))
        self.set_flags(mailbox, uids, canonical_flags(filing.without), "remove", None)
        self.set_flags(mailbox, uids, canonical_flags(filing.flags), "add", None)
        copies = self._copies(box, uids)
        for name in into:
            target = self._new_mailbox(box.account, name)
            if name not in names:
                self.tell(target, accounts=target.audience())
            new = [copy for copy in copies if copy.message.seq not in there[name]]
            self._transfer(box, new, target, move=False)
        for name in out_of:
            if name in names:
                found = self._uids_of(names[name], seqs)
                self._take(self.box(names[name]), sorted(uid for uids in found.values() for uid in uids))

    def _uids_of(self, mailbox: int, seqs: Sequence[int]) -> dict[int, list[int]]:
        """The UIDs of the copies of messages in a mailbox, by message."""
        found: dict[int, list[int]] = {}
        for chunk in chunks(seqs):
            marks = ",".join("?" * len(chunk))
            query = f"SELECT message, uid FROM copy WHERE mailbox = ? AND message IN ({marks})"  # noqa: S608
            for seq, uid in self.db.execute(query, (mailbox, *chunk)):
                found.setdefault(seq, []).append(uid)
        return found

    def expunge(self, mailbox: int, uids: Iterable[int]) -> list[int]:
        """Take copies away."""
        box = self.box(mailbox)
        there = [uid for (uid,) in select(self.db, "SELECT uid FROM copy", box.id, uids)]
        self._take(box, there)
        return there

    def _copies(self, box: Box, uids: Iterable[int] | None) -> list[CopyRow]:
        return self._rows.copies(self.db, select(self.db, COPY, box.id, uids), committed=False)

    def _transfer(self, source: Box, copies: Sequence[CopyRow], target: Box, *, move: bool) -> list[tuple[int, int]]:
        now = clock.now()
        pairs = []
        for copy in copies:
            uid = self._add(target, copy.message, copy.flags, copy.internal_date, now, copy.prefix)
            pairs.append((copy.uid, uid))
        if move:
            self._take(source, [copy.uid for copy in copies])
        return pairs

    def _discount(self, box: Box, uids: Sequence[int]) -> None:
        """Count copies no longer that are about to go."""
        box.messages -= len(uids)
        octets = 0
        for condition, values in conditions(uids):
            found = self.db.execute(f"{_LOST} {condition}", (box.id, *values)).fetchone()
            unseen, deleted, size, deleted_size = found
            box.unseen -= unseen
            box.deleted -= deleted
            box.size -= size
            box.deleted_size -= deleted_size
            octets += size
            if unseen and box.key.address == ALL:
                (unread,) = self.db.execute(f"{_LOST_UNREAD} {condition}", (box.id, *values)).fetchone()
                self.count(box.key.scope, Tally(unread=-unread))
        if box.account in self._used:
            before = self._used[box.account]
            self._used[box.account] = Usage(before.octets - octets, before.messages - len(uids))

    def _take(self, box: Box, uids: Sequence[int]) -> None:
        """Take copies away that are there, ascending."""
        if not uids:
            return
        modseq = self._bump(box)
        ranges: list[list[int]] = []
        for uid in uids:
            if ranges and ranges[-1][1] == uid - 1:
                ranges[-1][1] = uid
            else:
                ranges.append([uid, uid])
        self._discount(box, uids)
        # a range goes from one UID that is there to another, with none between that stays
        self.db.executemany(
            "DELETE FROM copy WHERE mailbox = ? AND uid BETWEEN ? AND ?", [(box.id, *pair) for pair in ranges]
        )
        self.db.executemany(
            "INSERT INTO vanished VALUES (?, ?, ?, ?)", [(box.id, modseq, first, last) for first, last in ranges]
        )
        self.forget_ranges(box)

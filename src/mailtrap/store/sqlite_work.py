"""What one job changes in the SQLite store: one command, in the savepoint that its writer has opened."""

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from .. import clock, limits
from ..errors import MailboxExists, NoSuchMailbox, NotAllowed, OverQuota
from ..message.structure import served_size
from .base import (
    ALL,
    INBOX,
    NO_FLAGS,
    CopyRow,
    Delivery,
    FlagMode,
    Key,
    MessageRow,
    Placed,
    Receipt,
    Target,
    checked_name,
)
from .flags import DELETED, SEEN, change
from .flags import canonical as canonical_flags
from .sqlite_directory import REFUSED, Box, Directory
from .sqlite_rows import COPY, Rows, account_id, chunks, select, used
from .sqlite_values import envelope_column, flags_column, text

_ADD: Final = "INSERT INTO copy VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class Work(Directory):
    """One job's changes.

    Attributes:
        fresh: messages that are made.
        removed: seqs of messages that are taken away.
    """

    def __init__(self, db: sqlite3.Connection, rows: Rows, born: int) -> None:
        super().__init__(db, born)
        self.fresh: list[MessageRow] = []
        self.removed: set[int] = set()
        self._rows = rows

    # ------------------------------------------------------------ deliveries

    def deliver(self, batch: Sequence[Delivery]) -> list[Receipt]:
        """Take a batch in."""
        now = clock.now()
        receipts = []
        for delivery in batch:
            if delivery.session is not None:
                self._keep_session(delivery)
            self.head += 1
            raw, received = delivery.raw, now if delivery.received_at is None else delivery.received_at
            row = MessageRow(
                self.head, delivery.scope, delivery.origin, received, len(raw), served_size(raw), delivery.envelope,
                delivery.session, delivery.transcript,
            )  # fmt: skip
            self._insert(row, raw)
            placed = []
            for target in delivery.targets:
                box = self._target(target)
                internal = now if target.internal_date is None else target.internal_date
                flags = canonical_flags(target.flags) if target.flags else NO_FLAGS
                uid = self._add(box, row, flags, internal, now, target.prefix)
                placed.append(Placed(box.id, box.uidvalidity, uid))
            everything = self.everything(delivery.scope)
            everything.uidnext = row.seq
            self._add(everything, row, NO_FLAGS, row.received_at, row.received_at, b"")
            self.fresh.append(row)
            receipts.append(Receipt(row.seq, row.received_at, tuple(placed)))
        self._check_quotas({target.account for delivery in batch for target in delivery.targets})
        return receipts

    def _keep_session(self, delivery: Delivery) -> None:
        session = delivery.session
        assert session is not None
        summary = session.summary(delivery.transcript)
        id_ = text(session.id)
        before = self.db.execute("SELECT summary FROM session WHERE id = ?", (id_,)).fetchone()
        if before is not None:  # what is the session's first transcript now may be a later one: the opening stays
            summary["opening"] = json.loads(before[0])["opening"]
        column = json.dumps(summary)
        if before is None or before[0] != column:
            self.db.execute("INSERT OR REPLACE INTO session VALUES (?, ?)", (id_, column))

    def _insert(self, row: MessageRow, raw: bytes) -> None:
        session = None if row.session is None else text(row.session.id)
        self.db.execute(
            "INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                row.seq, text(row.scope), row.origin, row.received_at, row.size, row.served_size,
                envelope_column(row.envelope), session, row.transcript,
            ),
        )  # fmt: skip
        self.db.execute("INSERT INTO body VALUES (?, ?)", (row.seq, raw))

    def _add(
        self, box: Box, message: MessageRow, flags: frozenset[str], internal: float, saved: float, prefix: bytes
    ) -> int:
        uid, box.uidnext = box.uidnext, box.uidnext + 1
        size = message.served_size + len(prefix)
        bits = SEEN in flags, DELETED in flags
        modseq = self._bump(box)
        self.db.execute(
            _ADD, (box.id, uid, message.seq, flags_column(flags), *bits, modseq, internal, saved, prefix, size)
        )
        return uid

    def _target(self, target: Target) -> Box:
        if target.account.address == ALL:
            raise NotAllowed(REFUSED)
        name = checked_name(target.mailbox)
        account = account_id(self.db, target.account)
        box = None if account is None else self._named(account, name)
        if box is not None and box.selectable:
            return box
        if not target.create and name != INBOX:
            raise NoSuchMailbox(f"{target.account.address} has no mailbox {name!r}")
        if account is None:
            account = self._new_account(target.account, None, None, declared=False)
        return self._new_mailbox(account, name)

    def _check_quotas(self, keys: Collection[Key]) -> None:
        for key in keys:
            query = "SELECT id, quota FROM account WHERE scope = ? AND address = ? AND quota IS NOT NULL"
            found = self.db.execute(query, (text(key.scope), text(key.address))).fetchone()
            if found is not None and used(self.db, found[0]) > found[1]:
                raise OverQuota(f"{key.address} may keep {found[1]} octets")

    # ------------------------------------------------------------ messages

    def remove(self, seqs: Collection[int]) -> int:
        """Take messages away."""
        there: list[int] = []
        copies: dict[int, list[int]] = {}
        for chunk in chunks(sorted(seq for seq in seqs if 0 < seq <= self.head)):
            marks = ",".join("?" * len(chunk))
            there += (seq for (seq,) in self.db.execute(f"SELECT seq FROM message WHERE seq IN ({marks})", chunk))  # noqa: S608
            found = self.db.execute(f"SELECT mailbox, uid FROM copy WHERE message IN ({marks})", chunk)  # noqa: S608
            for mailbox, uid in found:
                copies.setdefault(mailbox, []).append(uid)
        for mailbox, uids in copies.items():
            self._take(self.box(mailbox), sorted(uids))
        sessions: set[Any] = set()
        for chunk in chunks(there):
            marks = ",".join("?" * len(chunk))
            found = self.db.execute(f"SELECT DISTINCT session FROM message WHERE seq IN ({marks})", chunk)  # noqa: S608
            sessions.update(session for (session,) in found)
            self.db.execute(f"DELETE FROM message WHERE seq IN ({marks})", chunk)  # noqa: S608
            self.db.execute(f"DELETE FROM body WHERE seq IN ({marks})", chunk)  # noqa: S608
        for session in sessions - {None}:
            if self.db.execute("SELECT 1 FROM message WHERE session = ?", (session,)).fetchone() is None:
                self.db.execute("DELETE FROM session WHERE id = ?", (session,))
        if there:
            self.tell()
            self.removed.update(there)
        return len(there)

    def clear(self, scope: str) -> None:
        """Take away the messages of a scope and the copies in its accounts."""
        query = "SELECT mailbox.id FROM mailbox JOIN account ON account.id = mailbox.account WHERE scope = ?"
        for (mailbox,) in self.db.execute(query, (text(scope),)).fetchall():
            box = self.box(mailbox)
            self._take(box, [uid for (uid,) in select(self.db, "SELECT uid FROM copy", box.id, None)])
        found = self.db.execute("SELECT seq FROM message WHERE scope = ?", (text(scope),)).fetchall()
        self.remove([seq for (seq,) in found])

    # ------------------------------------------------------------ copies

    def rename_mailbox(self, mailbox: int, name: str) -> None:
        """Rename a mailbox with those below it."""
        box = self.own_box(mailbox)
        name = checked_name(name)
        if self._named(box.account, name) is not None:
            raise MailboxExists(f"there is a mailbox {name!r} already")
        if box.name == INBOX:
            new = self._new_mailbox(box.account, name)
            self.tell(box, new)
            self._transfer(box, self._copies(box, None), new, move=True)
        else:
            self.rename(box, name)

    def renumber(self, mailbox: int) -> int:
        """Give the copies of a mailbox new UIDs."""
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
        for copy in self._copies(box, uids):
            if unchanged_since is not None and copy.modseq > unchanged_since:
                left.append(copy.uid)
                continue
            new = change(copy.flags, flags, mode)
            if new is not copy.flags:
                copy = CopyRow(
                    copy.uid, copy.message, new, self._bump(box), copy.internal_date, copy.save_date, copy.prefix
                )
                changes.append((flags_column(new), SEEN in new, DELETED in new, copy.modseq, box.id, copy.uid))
            rows.append(copy)
        self.db.executemany(
            "UPDATE copy SET flags = ?, seen = ?, deleted = ?, modseq = ? WHERE mailbox = ? AND uid = ?", changes
        )
        return rows, left

    def copy(self, mailbox: int, uids: Iterable[int], target: int, *, move: bool) -> list[tuple[int, int]]:
        """Copy or move."""
        source, box = self.box(mailbox), self.own_box(target)
        if not box.selectable:
            raise NoSuchMailbox(f"{box.name!r} cannot be selected")
        pairs = self._transfer(source, self._copies(source, uids), box, move=move)
        if pairs and not (move and source.key == box.key):
            self._check_quotas([box.key])
        return pairs

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
        gone = [(box.id, first, last) for first, last in ranges]
        # a range goes from one UID that is there to another, with none between that stays
        self.db.executemany("DELETE FROM copy WHERE mailbox = ? AND uid BETWEEN ? AND ?", gone)
        self.db.executemany(
            "INSERT INTO vanished VALUES (?, ?, ?, ?)", [(box.id, modseq, first, last) for first, last in ranges]
        )
        (count,) = self.db.execute("SELECT count(*) FROM vanished WHERE mailbox = ?", (box.id,)).fetchone()
        if (over := count - limits.VANISHED_RANGES) > 0:
            query = "SELECT modseq FROM vanished WHERE mailbox = ? ORDER BY modseq, first LIMIT 1 OFFSET ?"
            (box.forgotten,) = self.db.execute(query, (box.id, over - 1)).fetchone()
            self.db.execute("DELETE FROM vanished WHERE mailbox = ? AND modseq <= ?", (box.id, box.forgotten))

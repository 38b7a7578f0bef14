"""What one job changes in the SQLite store: one command, in the savepoint that its writer has opened.

A mailbox is read when it is first needed, changed as an object, and written back by ``end``. A job raises its MODSEQ
once, however much it changes.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from .. import clock, limits
from ..errors import MailboxExists, NoSuchAccount, NoSuchMailbox, NotAllowed, OverQuota
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
    canonical,
    checked_name,
    superiors,
)
from .flags import DELETED, SEEN, change
from .flags import canonical as canonical_flags
from .sqlite_rows import COPY, Rows, account_id, chunks, select, used
from .sqlite_values import envelope_column, flags_column, text, untext
from .sqlite_writer import Outcome

_BOX: Final = """SELECT mailbox.id, account, scope, address, name, uidvalidity, uidnext, modseq, recent_from, forgotten,
    selectable, special_use FROM mailbox JOIN account ON account.id = mailbox.account"""
_ADD: Final = "INSERT INTO copy VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
REFUSED: Final = "the account all is the record of messages: nothing is put there or changed"


class Box:
    """A mailbox while a job works on it."""

    __slots__ = (
        "account", "forgotten", "id", "key", "modseq", "name", "recent_from", "selectable", "special_use", "uidnext",
        "uidvalidity",
    )  # fmt: skip

    id: int
    account: int
    uidvalidity: int
    uidnext: int
    modseq: int
    recent_from: int
    forgotten: int
    selectable: bool
    special_use: str  # JSON

    def __init__(self, columns: Sequence[Any]) -> None:
        (
            self.id, self.account, scope, address, name, self.uidvalidity, self.uidnext, self.modseq, self.recent_from,
            self.forgotten, self.selectable, self.special_use,
        ) = columns  # fmt: skip
        self.key = Key(untext(scope), untext(address))
        self.name = untext(name)


class Work:
    """One job's changes."""

    def __init__(self, db: sqlite3.Connection, rows: Rows, born: int) -> None:
        self.db = db
        self.head: int
        self._uidvalidity: int
        self.head, self._uidvalidity = db.execute("SELECT head, uidvalidity FROM state").fetchone()
        self.fresh: list[MessageRow] = []  # messages that are made
        self.removed: set[int] = set()  # messages that are taken away
        self._was = self.head, self._uidvalidity
        self._rows = rows
        self._born = born
        self._boxes: dict[int, Box] = {}
        self._by_name: dict[tuple[int, str], Box] = {}
        self._changed: set[int] = set()  # boxes to be written back
        self._bumped: set[int] = set()
        self._told: dict[int, int] = {}
        self._tell = False

    def end(self, result: Any) -> Outcome:
        """Write back what changed."""
        for id_ in self._changed:
            box = self._boxes[id_]
            self.db.execute(
                """UPDATE mailbox SET name = ?, uidvalidity = ?, uidnext = ?, modseq = ?, recent_from = ?,
                    forgotten = ?, selectable = ?, special_use = ? WHERE id = ?""",
                (
                    text(box.name), box.uidvalidity, box.uidnext, box.modseq, box.recent_from, box.forgotten,
                    box.selectable, box.special_use, box.id,
                ),
            )  # fmt: skip
        if (self.head, self._uidvalidity) != self._was:
            self.db.execute("UPDATE state SET head = ?, uidvalidity = ?", (self.head, self._uidvalidity))
        return Outcome(result, self.head, self._told, self._tell)

    def tell(self, *boxes: Box) -> None:
        """Subscribers are to hear of this job, and of these mailboxes."""
        self._tell = True
        for box in boxes:
            self._told[box.id] = box.modseq

    def _bump(self, box: Box) -> int:
        """This job's MODSEQ of a mailbox."""
        if box.id not in self._bumped:
            self._bumped.add(box.id)
            self._changed.add(box.id)
            box.modseq += 1
            self.tell(box)
        return box.modseq

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

    # ------------------------------------------------------------ accounts

    def put_account(self, key: Key, password: str | None, quota: int | None, declared: bool) -> None:
        """Make or change an account."""
        if key.address == ALL:
            raise NotAllowed(REFUSED)
        account = account_id(self.db, key)
        if account is None:
            self._new_account(key, password, quota, declared=declared)
        elif declared:
            columns = (None if password is None else text(password), quota, account)
            self.db.execute("UPDATE account SET password = ?, quota = ?, declared = 1 WHERE id = ?", columns)
            self.tell()

    def remove_account(self, key: Key) -> None:
        """Take an account away."""
        if key.address == ALL:
            raise NotAllowed(REFUSED)
        account = account_id(self.db, key)
        if account is None:
            return
        for (mailbox,) in self.db.execute("SELECT id FROM mailbox WHERE account = ?", (account,)).fetchall():
            self._drop(self.box(mailbox))
        for table in ("subscription", "given_up"):
            self.db.execute(f"DELETE FROM {table} WHERE account = ?", (account,))  # noqa: S608
        self.db.execute("DELETE FROM account WHERE id = ?", (account,))
        self.tell()

    def fork_account(self, source: Key, target: Key) -> None:
        """Begin an account as another is."""
        if ALL in (source.address, target.address):
            raise NotAllowed(REFUSED)
        if account_id(self.db, target) is not None:
            return
        origin = self.account(source)
        cursor = self.db.execute(
            "INSERT INTO account (scope, address, password, declared, quota)"
            " SELECT ?, ?, password, declared, quota FROM account WHERE id = ?",
            (text(target.scope), text(target.address), origin),
        )
        twin = cursor.lastrowid
        for table, columns in (("subscription", "name"), ("given_up", "name, uidvalidity")):
            self.db.execute(f"INSERT INTO {table} SELECT ?, {columns} FROM {table} WHERE account = ?", (twin, origin))  # noqa: S608
        for (mailbox,) in self.db.execute("SELECT id FROM mailbox WHERE account = ?", (origin,)).fetchall():
            columns = "name, uidvalidity, uidnext, modseq, recent_from, forgotten, selectable, special_use"
            cursor = self.db.execute(
                f"INSERT INTO mailbox (account, {columns}) SELECT ?, {columns} FROM mailbox WHERE id = ?",  # noqa: S608
                (twin, mailbox),
            )
            for table, columns in (
                (
                    "copy",
                    "uid, message, flags, seen, deleted, modseq, internal_date, save_date, prefix, size",
                ),
                ("vanished", "modseq, first, last"),
            ):
                self.db.execute(
                    f"INSERT INTO {table} SELECT ?, {columns} FROM {table} WHERE mailbox = ?",  # noqa: S608
                    (cursor.lastrowid, mailbox),
                )
            self.tell(self.box(cursor.lastrowid or 0))

    def account(self, key: Key) -> int:
        """The number of an account that must be there; ``all`` comes to be."""
        if key.address == ALL:
            return self.everything(key.scope).account
        found = account_id(self.db, key)
        if found is None:
            raise NoSuchAccount(f"there is no account {key.address!r}")
        return found

    def everything(self, scope: str) -> Box:
        """The mailbox of ``all`` in a scope."""
        key = Key(scope, ALL)
        account = account_id(self.db, key)
        if account is None:
            account = self._new_account(key, None, None, declared=True, tell=False)
        box = self._named(account, INBOX)
        assert box is not None
        return box

    def _new_account(
        self, key: Key, password: str | None, quota: int | None, *, declared: bool, tell: bool = True
    ) -> int:
        cursor = self.db.execute(
            "INSERT INTO account (scope, address, password, declared, quota) VALUES (?, ?, ?, ?, ?)",
            (text(key.scope), text(key.address), None if password is None else text(password), declared, quota),
        )
        account = cursor.lastrowid
        assert account is not None
        self.db.execute("INSERT INTO subscription VALUES (?, ?)", (account, INBOX))
        self._add_mailbox(account, INBOX, selectable=True)
        if tell:
            self.tell()
        return account

    # ------------------------------------------------------------ mailboxes

    def box(self, mailbox: int) -> Box:
        """A mailbox that must be there."""
        box = self._boxes.get(mailbox)
        if box is None:
            columns = self.db.execute(f"{_BOX} WHERE mailbox.id = ?", (mailbox,)).fetchone()
            if columns is None:
                raise NoSuchMailbox(f"mailbox {mailbox} was deleted")
            box = self._know(Box(columns))
        return box

    def own_box(self, mailbox: int) -> Box:
        """A mailbox that must be there and not be of ``all``."""
        box = self.box(mailbox)
        if box.key.address == ALL:
            raise NotAllowed(REFUSED)
        return box

    def _named(self, account: int, name: str) -> Box | None:
        box = self._by_name.get((account, name))
        if box is None:
            columns = self.db.execute(f"{_BOX} WHERE account = ? AND name = ?", (account, text(name))).fetchone()
            if columns is not None:
                box = self._boxes.get(columns[0]) or Box(columns)
                self._know(box)
        return box

    def _know(self, box: Box) -> Box:
        self._boxes[box.id] = self._by_name[box.account, box.name] = box
        return box

    def create_mailbox(self, key: Key, name: str, special_use: Iterable[str]) -> int:
        """Make a mailbox; returns its id."""
        if key.address == ALL:
            raise NotAllowed(REFUSED)
        name = checked_name(name)
        account = self.account(key)
        there = self._named(account, name)
        if there is not None and there.selectable:
            raise MailboxExists(f"there is a mailbox {name!r} already")
        box = self._new_mailbox(account, name)
        box.special_use = json.dumps(sorted(special_use))
        self._changed.add(box.id)
        self.tell(box)
        return box.id

    def delete_mailbox(self, mailbox: int) -> None:
        """Take a mailbox away."""
        box = self.box(mailbox)
        if box.name == INBOX:
            raise NotAllowed("INBOX cannot be deleted")
        has_children = any(name.startswith(f"{box.name}/") for name in self._names(box.account))
        if has_children and not box.selectable:
            raise NotAllowed(f"{box.name!r} has mailboxes below it")
        self._drop(box)
        self._give_up(box)
        if has_children:
            self._add_mailbox(box.account, box.name, selectable=False)

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
            return
        below = f"{box.name}/"
        if name.startswith(below):
            raise NotAllowed(f"{box.name!r} cannot be below itself")
        start = len(box.name)
        for old, id_ in self._names(box.account).items():
            if id_ == box.id or old.startswith(below):
                other = self.box(id_)
                self._give_up(other)
                other.name = name + old[start:]
                query = "SELECT uidvalidity FROM given_up WHERE account = ? AND name = ?"
                before = self.db.execute(query, (other.account, text(other.name))).fetchone()
                if before is not None and before[0] > other.uidvalidity:
                    other.uidvalidity = self._next_uidvalidity()
                self._changed.add(other.id)
                self.tell(other)
        self._add_superiors(box.account, name)

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

    def take_recent(self, mailbox: int) -> int:
        """None is recent any more; returns the lowest that was."""
        box = self.box(mailbox)
        lowest, box.recent_from = box.recent_from, box.uidnext
        self._changed.add(box.id)
        return lowest

    def subscribe(self, key: Key, name: str, on: bool) -> None:
        """Note or forget a subscription."""
        values = self.account(key), text(canonical(name))
        if on:
            self.db.execute("INSERT OR IGNORE INTO subscription VALUES (?, ?)", values)
        else:
            self.db.execute("DELETE FROM subscription WHERE account = ? AND name = ?", values)

    def _names(self, account: int) -> dict[str, int]:
        found = self.db.execute("SELECT name, id FROM mailbox WHERE account = ?", (account,))
        return {untext(name): id_ for name, id_ in found}

    def _give_up(self, box: Box) -> None:
        values = (box.account, text(box.name), box.uidvalidity)
        self.db.execute("INSERT OR REPLACE INTO given_up VALUES (?, ?, ?)", values)
        self._by_name.pop((box.account, box.name), None)

    def _next_uidvalidity(self) -> int:
        self._uidvalidity = max(self._uidvalidity + 1, self._born)
        return self._uidvalidity

    def _add_mailbox(self, account: int, name: str, *, selectable: bool) -> Box:
        cursor = self.db.execute(
            """INSERT INTO mailbox (account, name, uidvalidity, uidnext, modseq, recent_from, forgotten, selectable,
                special_use) VALUES (?, ?, ?, 1, 1, 1, 0, ?, '[]')""",
            (account, text(name), self._next_uidvalidity(), selectable),
        )
        return self.box(cursor.lastrowid or 0)

    def _add_superiors(self, account: int, name: str) -> None:
        for superior in superiors(name):
            if self._named(account, superior) is None:
                self._add_mailbox(account, superior, selectable=False)

    def _new_mailbox(self, account: int, name: str) -> Box:
        """A mailbox that can be selected, with the names above it."""
        box = self._named(account, name)
        if box is None:
            self._add_superiors(account, name)
            return self._add_mailbox(account, name, selectable=True)
        box.selectable = True
        self._changed.add(box.id)
        return box

    def _drop(self, box: Box) -> None:
        for table in ("copy", "vanished"):
            self.db.execute(f"DELETE FROM {table} WHERE mailbox = ?", (box.id,))  # noqa: S608
        self.db.execute("DELETE FROM mailbox WHERE id = ?", (box.id,))
        self.tell(box)
        self._boxes.pop(box.id, None)
        self._by_name.pop((box.account, box.name), None)
        self._changed.discard(box.id)

    # ------------------------------------------------------------ copies

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

"""Accounts and mailboxes in the SQLite store, as one job changes them.

A mailbox is read when it is first needed, changed as an object, and written back by ``end``. A job raises its MODSEQ
once, however much it changes.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final

from ..errors import MailboxExists, NoSuchAccount, NoSuchMailbox, NotAllowed
from .base import ALL, INBOX, Key, canonical, checked_name, superiors
from .sqlite_rows import account_id
from .sqlite_values import text, untext
from .sqlite_writer import Outcome

_BOX: Final = """SELECT mailbox.id, account, scope, address, name, uidvalidity, uidnext, modseq, recent_from, forgotten,
    selectable, special_use FROM mailbox JOIN account ON account.id = mailbox.account"""
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


class Directory:
    """Accounts and mailboxes, as one job changes them.

    Attributes:
        head: the last seq given.
    """

    def __init__(self, db: sqlite3.Connection, born: int) -> None:
        self.db = db
        self.head: int
        self._uidvalidity: int
        self.head, self._uidvalidity = db.execute("SELECT head, uidvalidity FROM state").fetchone()
        self._was = self.head, self._uidvalidity
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

    def rename(self, box: Box, name: str) -> None:
        """Give a mailbox, and with it those below, a name that is free."""
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

"""Accounts and mailboxes in stores that speak SQL, as one job changes them.

A mailbox is read when it is first needed, changed as an object, and written back by ``end``. A job raises its MODSEQ
once, however much it changes.

Where several jobs run at once, what is read to be changed is locked. All take the locks in one order, so that no two
wait for each other: the directory (who makes, renames or takes away accounts or mailboxes), accounts with a quota and
mailboxes, each by number, the head, the counts of scopes. What a job has made itself needs no lock.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ..errors import MailboxExists, NoSuchAccount, NoSuchMailbox, NotAllowed
from .directory import audience, canonical, changed_rights, checked_entries, checked_name, superiors
from .hints import Outcome
from .rows import ALL, INBOX, SHARED, FlagMode, Key, Tally
from .sql_rows import Database, chunks
from .sql_values import text, untext

_BOX: Final = """SELECT mailbox.id, account, scope, address, name, uidvalidity, uidnext, modseq, recent_from, forgotten,
    selectable, special_use, acl, messages, unseen, deleted, size, deleted_size
    FROM mailbox JOIN account ON account.id = mailbox.account"""
_COUNT: Final = """INSERT INTO scope VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET
    messages = scope.messages + excluded.messages, octets = scope.octets + excluded.octets,
    submitted = scope.submitted + excluded.submitted,
    submitted_octets = scope.submitted_octets + excluded.submitted_octets, unread = scope.unread + excluded.unread,
    evicted = scope.evicted + excluded.evicted, evicted_octets = scope.evicted_octets + excluded.evicted_octets,
    last_evicted = CASE WHEN excluded.last_evicted > scope.last_evicted
        THEN excluded.last_evicted ELSE scope.last_evicted END"""
REFUSED: Final = "the account all is the record of messages: nothing is put there or changed"


class Retry(Exception):
    """Others changed what the job is about before it had it locked: it is to be run again."""


class Box:
    """A mailbox while a job works on it."""

    __slots__ = (
        "account", "acl", "deleted", "deleted_size", "forgotten", "id", "key", "messages", "modseq", "name",
        "recent_from", "selectable", "size", "special_use", "uidnext", "uidvalidity", "unseen",
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
    acl: str  # JSON
    messages: int
    unseen: int
    deleted: int
    size: int
    deleted_size: int

    def __init__(self, columns: Sequence[Any]) -> None:
        (
            self.id, self.account, scope, address, name, self.uidvalidity, self.uidnext, self.modseq, self.recent_from,
            self.forgotten, self.selectable, self.special_use, self.acl, self.messages, self.unseen, self.deleted,
            self.size, self.deleted_size,
        ) = columns  # fmt: skip
        self.key = Key(untext(scope), untext(address))
        self.name = untext(name)

    def add(self, seen: bool, deleted: bool, size: int) -> None:
        """A copy more, as it is counted."""
        self.messages += 1
        self.size += size
        self.unseen += not seen
        if deleted:
            self.deleted += 1
            self.deleted_size += size

    def audience(self) -> set[Key]:
        """Who sees it in a list."""
        return audience(self.key, json.loads(self.acl))


class Account(NamedTuple):
    """What a job has to know of an account."""

    id: int
    quota: int | None
    message_quota: int | None


class Directory:
    """Accounts and mailboxes, as one job changes them.

    Args:
        born: when the store was opened, in seconds since the epoch: no UIDVALIDITY is less.

    Attributes:
        head: the last seq given; asked for, it is held.
    """

    HEAD = "state"  # the table whose one row has the column of this name
    UIDVALIDITY = "state"
    LOCKING = False  # whether others may write meanwhile

    def __init__(self, db: Database, born: int) -> None:
        self.db = db
        self._born = born
        self._head: tuple[int, int] | None = None  # as it was and is
        self._uidvalidity: tuple[int, int] | None = None
        self._accounts: dict[Key, Account] = {}
        self._boxes: dict[int, Box] = {}
        self._by_name: dict[tuple[int, str], int] = {}
        self._records: dict[str, Box] = {}  # of scopes, which nobody takes away
        self._changed: set[int] = set()  # boxes to be written back
        self._bumped: set[int] = set()
        self._told: dict[int, int] = {}
        self._told_accounts: set[Key] = set()
        self._tell = False
        self._counts: dict[str, Tally] = {}  # what is to be added to the counts of scopes

    def end(self, result: Any) -> Outcome:
        """Write back what changed."""
        boxes = [self._boxes[id_] for id_ in sorted(self._changed)]
        self.db.executemany(
            """UPDATE mailbox SET name = ?, uidvalidity = ?, uidnext = ?, modseq = ?, recent_from = ?, forgotten = ?,
                selectable = ?, special_use = ?, acl = ?, messages = ?, unseen = ?, deleted = ?, size = ?,
                deleted_size = ? WHERE id = ?""",
            [
                (
                    text(box.name), box.uidvalidity, box.uidnext, box.modseq, box.recent_from, box.forgotten,
                    box.selectable, box.special_use, box.acl, box.messages, box.unseen, box.deleted, box.size,
                    box.deleted_size, box.id,
                )
                for box in boxes
            ],
        )  # fmt: skip
        if self._uidvalidity is not None and self._uidvalidity[0] != self._uidvalidity[1]:
            self.db.execute(f"UPDATE {self.UIDVALIDITY} SET uidvalidity = ?", (self._uidvalidity[1],))  # noqa: S608
        if self._head is None:
            (head,) = self.db.execute(f"SELECT head FROM {self.HEAD}").fetchone()  # noqa: S608
        else:
            before, head = self._head
            if before != head:
                self.db.execute(f"UPDATE {self.HEAD} SET head = ?", (head,))  # noqa: S608
        for scope in sorted(self._counts):
            self.db.execute(_COUNT, (text(scope), *self._counts[scope]))
        return Outcome(result, head, self._told, self._tell, frozenset(self._told_accounts))

    # ------------------------------------------------------------ locks

    def _lock(self, table: str) -> str:
        return f" FOR UPDATE OF {table}" if self.LOCKING else ""

    def hold_directory(self) -> None:
        """Nobody else makes, renames or takes away accounts and mailboxes until the end."""
        if self._uidvalidity is None:
            query = f"SELECT uidvalidity FROM {self.UIDVALIDITY}{self._lock(self.UIDVALIDITY)}"  # noqa: S608
            (given,) = self.db.execute(query).fetchone()
            self._uidvalidity = given, given

    def hold(self, mailboxes: Iterable[int]) -> None:
        """Read mailboxes; nobody else changes them until the end. Those that are not there are passed over."""
        missing = sorted({id_ for id_ in mailboxes if id_ not in self._boxes})
        for chunk in chunks(missing):
            marks = ",".join("?" * len(chunk))
            query = f"{_BOX} WHERE mailbox.id IN ({marks}) ORDER BY mailbox.id{self._lock('mailbox')}"
            for columns in self.db.execute(query, chunk).fetchall():
                self._know(Box(columns))

    def hold_quotas(self, accounts: Iterable[int]) -> None:
        """Nobody else puts anything into those of these accounts that have a quota, until the end."""
        if self.LOCKING:
            for chunk in chunks(sorted(set(accounts))):
                marks = ",".join("?" * len(chunk))
                query = f"""SELECT id FROM account WHERE id IN ({marks})
                    AND (quota IS NOT NULL OR message_quota IS NOT NULL) ORDER BY id"""  # noqa: S608
                self.db.execute(f"{query}{self._lock('account')}", chunk)

    @property
    def head(self) -> int:
        """The last seq given."""
        if self._head is None:
            (head,) = self.db.execute(f"SELECT head FROM {self.HEAD}{self._lock(self.HEAD)}").fetchone()  # noqa: S608
            self._head = head, head
        return self._head[1]

    @head.setter
    def head(self, head: int) -> None:
        assert self._head is not None
        self._head = self._head[0], head

    # ------------------------------------------------------------ what is told

    def count(self, scope: str, change: Tally) -> None:
        """Add to the counts of a scope; they are held last."""
        self._counts[scope] = self._counts.get(scope, Tally()) + change

    def tell(self, *boxes: Box, accounts: Iterable[Key] = ()) -> None:
        """Subscribers are to hear of this job, of these mailboxes, and of these accounts' lists of mailboxes."""
        self._tell = True
        self._told_accounts.update(accounts)
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

    def put_account(
        self, key: Key, password: str | None, quota: int | None, message_quota: int | None, declared: bool
    ) -> None:
        """Make or change an account."""
        if key.address == ALL:
            raise NotAllowed(REFUSED)
        self.hold_directory()
        account = self.find(key)
        if account is None:
            self._new_account(key, password, quota, message_quota, declared=declared)
        elif declared:
            columns = (None if password is None else text(password), quota, message_quota, account.id)
            query = "UPDATE account SET password = ?, quota = ?, message_quota = ?, declared = TRUE WHERE id = ?"
            self.db.execute(query, columns)
            self.tell(accounts={key})

    def set_quota(self, key: Key, quota: int | None, message_quota: int | None) -> None:
        """Give an account these quotas."""
        if key.address == ALL:
            raise NotAllowed(REFUSED)
        self.hold_directory()
        columns = quota, message_quota, self.account(key)
        self.db.execute("UPDATE account SET quota = ?, message_quota = ? WHERE id = ?", columns)
        self.tell(accounts={key})

    def remove_account(self, key: Key) -> None:
        """Take an account away."""
        if key.address == ALL:
            raise NotAllowed(REFUSED)
        self.hold_directory()
        account = self.find(key)
        if account is None:
            return
        for mailbox in self._hold_all(account.id):
            self._drop(self.box(mailbox))
        for table in ("subscription", "given_up", "annotation"):
            self.db.execute(f"DELETE FROM {table} WHERE account = ?", (account.id,))  # noqa: S608
        self.db.execute("DELETE FROM account WHERE id = ?", (account.id,))
        del self._accounts[key]
        self.tell(accounts={key})

    def fork_account(self, source: Key, target: Key) -> None:
        """Begin an account as another is."""
        if ALL in (source.address, target.address):
            raise NotAllowed(REFUSED)
        self.hold_directory()
        if self.find(target) is not None:
            return
        origin = self.account(source)
        (twin,) = self.db.execute(
            "INSERT INTO account (scope, address, password, declared, quota, message_quota)"
            " SELECT CAST(? AS TEXT), CAST(? AS TEXT), password, declared, quota, message_quota FROM account"
            " WHERE id = ? RETURNING id",
            (text(target.scope), text(target.address), origin),
        ).fetchone()
        for table, columns in (("subscription", "name"), ("given_up", "name, uidvalidity")):
            self.db.execute(f"INSERT INTO {table} SELECT ?, {columns} FROM {table} WHERE account = ?", (twin, origin))  # noqa: S608
        annotations = """INSERT INTO annotation SELECT CAST(? AS BIGINT), CAST(? AS BIGINT), name, value
            FROM annotation WHERE account = ? AND mailbox = ?"""
        self.db.execute(annotations, (twin, 0, origin, 0))
        self.tell(accounts={target})
        for mailbox in self._hold_all(origin):
            columns = (
                "name, uidvalidity, uidnext, modseq, recent_from, forgotten, selectable, special_use, acl, messages,"
                " unseen, deleted, size, deleted_size"
            )
            (new,) = self.db.execute(
                f"INSERT INTO mailbox (account, {columns}) SELECT ?, {columns} FROM mailbox WHERE id = ? RETURNING id",  # noqa: S608
                (twin, mailbox),
            ).fetchone()
            for table, columns in (
                (
                    "copy",
                    "uid, message, flags, seen, deleted, modseq, internal_date, save_date, prefix, size",
                ),
                ("vanished", "modseq, first, last"),
            ):
                self.db.execute(
                    f"INSERT INTO {table} SELECT ?, {columns} FROM {table} WHERE mailbox = ?",  # noqa: S608
                    (new, mailbox),
                )
            self.db.execute(annotations, (twin, new, origin, mailbox))
            self.db.execute(annotations, (0, new, 0, mailbox))
            self.tell(self.box(new))

    def account(self, key: Key) -> int:
        """The number of an account that must be there; ``all`` comes to be."""
        found = self.find(key)
        if found is not None:
            return found.id
        if key.address != ALL:
            raise NoSuchAccount(f"there is no account {key.address!r}")
        self.hold_directory()
        found = self.find(key)  # again: somebody may have been faster
        return self._new_account(key, declared=True, tell=False) if found is None else found.id

    def find(self, key: Key) -> Account | None:
        """An account; None when there is none."""
        account = self._accounts.get(key)
        if account is None:
            query = "SELECT id, quota, message_quota FROM account WHERE scope = ? AND address = ?"
            found = self.db.execute(query, (text(key.scope), text(key.address))).fetchone()
            if found is not None:
                account = self._accounts[key] = Account(*found)
        return account

    def everything(self, scope: str) -> Box:
        """The mailbox of ``all`` in a scope."""
        if (record := self._records.get(scope)) is None:
            mailbox = self._named(self.account(Key(scope, ALL)), INBOX)
            assert mailbox is not None
            record = self._records[scope] = self.box(mailbox)
        return record

    def _hold_all(self, account: int) -> list[int]:
        """Hold all mailboxes of an account."""
        mailboxes = sorted(self._names(account).values())
        self.hold(mailboxes)
        return mailboxes

    def _new_account(
        self, key: Key, password: str | None = None, quota: int | None = None, message_quota: int | None = None,
        *, declared: bool, tell: bool = True,
    ) -> int:  # fmt: skip
        self.hold_directory()
        kept = None if password is None else text(password)
        (account,) = self.db.execute(
            """INSERT INTO account (scope, address, password, declared, quota, message_quota)
                VALUES (?, ?, ?, ?, ?, ?) RETURNING id""",
            (text(key.scope), text(key.address), kept, declared, quota, message_quota),
        ).fetchone()
        self._accounts[key] = Account(account, quota, message_quota)
        self.db.execute("INSERT INTO subscription VALUES (?, ?)", (account, INBOX))
        self._add_mailbox(account, INBOX, selectable=True)
        if tell:
            self.tell(accounts={key})
        return int(account)

    # ------------------------------------------------------------ mailboxes

    def box(self, mailbox: int) -> Box:
        """A mailbox that must be there."""
        if (box := self._boxes.get(mailbox)) is not None:
            return box
        self.hold([mailbox])
        box = self._boxes.get(mailbox)
        if box is None:
            raise NoSuchMailbox(f"mailbox {mailbox} was deleted")
        return box

    def own_box(self, mailbox: int) -> Box:
        """A mailbox that must be there and not be of ``all``."""
        box = self.box(mailbox)
        if box.key.address == ALL:
            raise NotAllowed(REFUSED)
        return box

    def _named(self, account: int, name: str) -> int | None:
        """The number of a mailbox by name; sure as long as the directory or the mailbox is held."""
        mailbox = self._by_name.get((account, name))
        if mailbox is None:
            query = "SELECT id FROM mailbox WHERE account = ? AND name = ?"
            found = self.db.execute(query, (account, text(name))).fetchone()
            mailbox = None if found is None else int(found[0])
        return mailbox

    def _know(self, box: Box) -> Box:
        self._boxes[box.id] = box
        self._by_name[box.account, box.name] = box.id
        return box

    def create_mailbox(self, key: Key, name: str, special_use: Iterable[str]) -> int:
        """Make a mailbox; returns its id."""
        if key.address == ALL:
            raise NotAllowed(REFUSED)
        name = checked_name(name)
        self.hold_directory()
        account = self.account(key)
        there = self._named(account, name)
        if there is not None and self.box(there).selectable:
            raise MailboxExists(f"there is a mailbox {name!r} already")
        box = self._new_mailbox(account, name)
        box.special_use = json.dumps(sorted(special_use))
        self._changed.add(box.id)
        self.tell(box, accounts=box.audience())
        return box.id

    def delete_mailbox(self, mailbox: int) -> None:
        """Take a mailbox away."""
        self.hold_directory()
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
        self.hold_directory()
        values = self.account(key), text(canonical(name))
        if on:
            self.db.execute("INSERT INTO subscription VALUES (?, ?) ON CONFLICT DO NOTHING", values)
        else:
            self.db.execute("DELETE FROM subscription WHERE account = ? AND name = ?", values)
        self.tell(accounts={key})

    # ------------------------------------------------------------ rights and annotations

    def set_rights(self, mailbox: int, identifier: str, rights: Iterable[str] | None, mode: FlagMode) -> None:
        """Change the rights of one identifier."""
        self.hold_directory()
        box = self.own_box(mailbox)
        before = box.audience()
        box.acl = json.dumps(changed_rights(json.loads(box.acl), identifier, rights, mode))
        self._changed.add(box.id)
        self.tell(box, accounts=before | box.audience())

    def set_special_use(self, mailbox: int, uses: Iterable[str]) -> None:
        """Change the special uses of a mailbox."""
        self.hold_directory()
        box = self.own_box(mailbox)
        box.special_use = json.dumps(sorted(set(uses)))
        self._changed.add(box.id)
        self.tell(box, accounts=box.audience())

    def annotate(self, key: Key, mailbox: int | None, entries: Mapping[str, bytes | None]) -> None:
        """Change annotations of a mailbox or of the server."""
        self.hold_directory()
        own = self.account(key)
        box = None if mailbox is None else self.own_box(mailbox)
        shared = 0 if box is not None else self.account(Key(key.scope, ALL))
        for name, value in checked_entries(key, entries).items():
            place = shared if name.startswith(SHARED) else own, 0 if box is None else box.id, text(name)
            self.db.execute("DELETE FROM annotation WHERE account = ? AND mailbox = ? AND name = ?", place)
            if value is not None:
                self.db.execute("INSERT INTO annotation VALUES (?, ?, ?, ?)", (*place, value))
        self.tell(accounts={key} | ({Key(key.scope, ALL)} if box is None else box.audience()))

    def copy_annotations(self, box: Box, new: Box) -> None:
        """Give everybody's annotations of a mailbox to one that has none yet."""
        self.db.execute(
            "INSERT INTO annotation SELECT account, CAST(? AS BIGINT), name, value FROM annotation WHERE mailbox = ?",
            (new.id, box.id),
        )

    def _names(self, account: int) -> dict[str, int]:
        found = self.db.execute("SELECT name, id FROM mailbox WHERE account = ?", (account,))
        return {untext(name): id_ for name, id_ in found}

    def _give_up(self, box: Box) -> None:
        values = (box.account, text(box.name), box.uidvalidity)
        self.db.execute(
            """INSERT INTO given_up VALUES (?, ?, ?)
                ON CONFLICT (account, name) DO UPDATE SET uidvalidity = excluded.uidvalidity""",
            values,
        )
        self._by_name.pop((box.account, box.name), None)

    def _next_uidvalidity(self) -> int:
        self.hold_directory()
        assert self._uidvalidity is not None
        before, given = self._uidvalidity
        given = max(given + 1, self._born)
        self._uidvalidity = before, given
        return given

    def _add_mailbox(self, account: int, name: str, *, selectable: bool) -> Box:
        acl = self._rights(account, name.rpartition("/")[0]) if "/" in name else "{}"
        (mailbox,) = self.db.execute(
            """INSERT INTO mailbox (account, name, uidvalidity, uidnext, modseq, recent_from, forgotten, selectable,
                special_use, acl) VALUES (?, ?, ?, 1, 1, 1, 0, ?, '[]', ?) RETURNING id""",
            (account, text(name), self._next_uidvalidity(), selectable, acl),
        ).fetchone()
        box = self.box(mailbox)
        self.tell(accounts=box.audience())
        return box

    def _rights(self, account: int, name: str) -> str:
        """The rights on a mailbox, which needs not be held as the directory is."""
        mailbox = self._named(account, name)
        if mailbox in self._boxes:
            return self._boxes[mailbox].acl
        found = self.db.execute("SELECT acl FROM mailbox WHERE id = ?", (mailbox,)).fetchone()
        return "{}" if found is None else str(found[0])

    def _add_superiors(self, account: int, name: str) -> None:
        for superior in superiors(name):
            if self._named(account, superior) is None:
                self._add_mailbox(account, superior, selectable=False)

    def _new_mailbox(self, account: int, name: str) -> Box:
        """A mailbox that can be selected, with the names above it."""
        self.hold_directory()
        mailbox = self._named(account, name)
        if mailbox is None:
            self._add_superiors(account, name)
            return self._add_mailbox(account, name, selectable=True)
        box = self.box(mailbox)
        box.selectable = True
        self._changed.add(box.id)
        return box

    def _drop(self, box: Box) -> None:
        for table in ("copy", "vanished", "annotation"):
            self.db.execute(f"DELETE FROM {table} WHERE mailbox = ?", (box.id,))  # noqa: S608
        self.db.execute("DELETE FROM mailbox WHERE id = ?", (box.id,))
        self.tell(box, accounts=box.audience())
        self._boxes.pop(box.id, None)
        self._by_name.pop((box.account, box.name), None)
        self._changed.discard(box.id)

    def rename(self, box: Box, name: str) -> None:
        """Give a mailbox, and with it those below, a name that is free."""
        below = f"{box.name}/"
        if name.startswith(below):
            raise NotAllowed(f"{box.name!r} cannot be below itself")
        start = len(box.name)
        names = {old: id_ for old, id_ in self._names(box.account).items() if id_ == box.id or old.startswith(below)}
        self.hold(names.values())
        for old, id_ in names.items():
            other = self.box(id_)
            self._give_up(other)
            other.name = name + old[start:]
            query = "SELECT uidvalidity FROM given_up WHERE account = ? AND name = ?"
            before = self.db.execute(query, (other.account, text(other.name))).fetchone()
            if before is not None and before[0] > other.uidvalidity:
                other.uidvalidity = self._next_uidvalidity()
            self._know(other)
            self._changed.add(other.id)
            self.tell(other, accounts=other.audience())
        self._add_superiors(box.account, name)

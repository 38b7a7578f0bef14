"""The store in an SQLite file.

Whatever waits to be written is one transaction, so deliveries share the price of a commit that reached the disk (WAL,
``synchronous = FULL``). Readers have connections of their own, each reads one moment, and none waits for the writer.

Several processes may have one file open: what they read and write is right. Hints and the locks of maildrops are of one
process only.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Final

from .. import clock
from ..errors import NoSuchMailbox, StoreError
from ..message.facts import Facts
from .base import (
    ALL,
    INBOX,
    NO_FLAGS,
    AccountRow,
    Changes,
    CopyRow,
    Delivery,
    FlagMode,
    Key,
    MailboxRow,
    MessageRow,
    Receipt,
    Snapshot,
    Status,
    Store,
    SubmitDone,
    Subscriber,
    canonical,
)
from .cache import FactsCache
from .flags import canonical as canonical_flags
from .sqlite_rows import COPY, MAILBOX, Rows, account_id, chunks, mailbox_row, select, status, used
from .sqlite_schema import connect, prepare
from .sqlite_values import flags_of, text, untext
from .sqlite_work import Work
from .sqlite_writer import Job, Outcome, Writer

_IDLE: Final = 8  # connections kept for readers
_LARGEST: Final = 2**63 - 1


class SQLiteStore(Store):
    """Mail kept in a file.

    Args:
        path: of the file; it is made when there is none.

    Raises:
        StoreError: the file is not ours, newer than we are, damaged, or cannot be opened; it is left as it is.
    """

    blocking = True

    def __init__(self, path: str | Path) -> None:
        self._path = str(path)
        self._born = int(clock.now())
        self._lock = Lock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        self._rows = Rows()
        self._facts = FactsCache()
        self._locks: dict[int, str] = {}
        prepare(self._path)
        self._writer = Writer(lambda: connect(self._path), lambda error: self.report(error))
        with self._read() as db:
            (self._life,) = db.execute("SELECT life FROM state").fetchone()

    # ------------------------------------------------------------ reading and writing

    @contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        """One moment of the store, in a connection that nobody else uses meanwhile."""
        with self._lock:
            if self._closed:
                raise StoreError("the store is closed")
            db = self._idle.pop() if self._idle else None
        try:
            if db is None:
                db = connect(self._path)
            db.execute("BEGIN")
            yield db
        except (sqlite3.Error, OverflowError) as error:
            raise StoreError(f"the store could not read: {error}") from error
        finally:
            if db is not None:
                self._give_back(db)

    def _give_back(self, db: sqlite3.Connection) -> None:
        try:
            if db.in_transaction:
                db.execute("ROLLBACK")
        except sqlite3.Error as error:
            db.close()
            self.report(error)
            return
        with self._lock:
            keep = not self._closed and len(self._idle) < _IDLE
            if keep:
                self._idle.append(db)
        if not keep:
            db.close()

    def _write(self, function: Callable[[Work], Any]) -> Any:
        """Run a function as one command and wait until it is committed."""

        def run(db: sqlite3.Connection) -> Outcome:
            work = Work(db, self._rows, self._born)
            return work.end(function(work))

        return self._writer.run(run)

    def close(self) -> None:
        self._writer.close()
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for db in idle:
            db.close()

    # ------------------------------------------------------------ deliveries

    def submit(self, batch: Sequence[Delivery], done: SubmitDone) -> None:
        def finish(result: tuple[list[Receipt], list[MessageRow]] | None, error: Exception | None) -> None:
            if result is None:
                done(None, error)
            else:
                receipts, fresh = result
                self._rows.keep(fresh)
                done(receipts, None)

        self._writer.put(Job(self._delivering(batch), finish))

    def deliver(self, delivery: Delivery) -> Receipt:
        receipts, fresh = self._writer.run(self._delivering([delivery]))
        self._rows.keep(fresh)
        receipt: Receipt = receipts[0]
        return receipt

    def _delivering(self, batch: Sequence[Delivery]) -> Callable[[sqlite3.Connection], Outcome]:
        for delivery in batch:
            if delivery.session is not None:
                self._rows.know(delivery.session)

        def run(db: sqlite3.Connection) -> Outcome:
            work = Work(db, self._rows, self._born)
            receipts = work.deliver(batch)
            return work.end((receipts, work.fresh))

        return run

    # ------------------------------------------------------------ messages

    def head(self) -> int:
        with self._read() as db:
            (head,) = db.execute("SELECT head FROM state").fetchone()
        return int(head)

    def life(self) -> str:
        return str(self._life)

    def messages(
        self, scope: str | None = None, *, after: int = 0, before: int | None = None, limit: int | None = None,
        newest_first: bool = False,
    ) -> Sequence[MessageRow]:  # fmt: skip
        query = "SELECT seq FROM message WHERE seq > ? AND seq < ?"
        values: list[Any] = [_fit(after), _fit(_LARGEST if before is None else before)]
        if scope is not None:
            query += " AND scope = ?"
            values.append(text(scope))
        query += f" ORDER BY seq {'DESC' if newest_first else 'ASC'} LIMIT ?"
        values.append(-1 if limit is None else max(_fit(limit), 0))
        with self._read() as db:
            seqs = [seq for (seq,) in db.execute(query, values)]
            rows = self._rows.messages(db, seqs, committed=True)
        return [rows[seq] for seq in seqs]

    def message(self, seq: int) -> MessageRow | None:
        with self._read() as db:
            there = self._there(db, [seq])
            return self._rows.messages(db, there, committed=True).get(seq)

    def raw(self, seq: int) -> bytes:
        with self._read() as db:
            raw = _raw(db, seq)
        if raw is None:
            raise StoreError(f"message {seq} is gone")
        return raw

    def facts(self, seqs: Sequence[int], kinds: Collection[str]) -> Sequence[Facts | None]:
        with self._read() as db:
            there = self._there(db, seqs)
            found = iter(self._facts.get([seq for seq in seqs if seq in there], kinds, lambda seq: _raw(db, seq)))
        return [next(found) if seq in there else None for seq in seqs]

    def remove(self, seqs: Collection[int]) -> int:
        count, removed = self._write(lambda work: (work.remove(seqs), work.removed))
        self._forget(removed)
        return int(count)

    def clear(self, scope: str) -> None:
        def run(work: Work) -> set[int]:
            work.clear(scope)
            return work.removed

        self._forget(self._write(run))

    def copies_of(self, seq: int) -> Sequence[tuple[MailboxRow, CopyRow]]:
        query = "SELECT mailbox, uid FROM copy WHERE message = ? ORDER BY mailbox, uid"
        found = []
        with self._read() as db:
            for mailbox, uid in db.execute(query, (_fit(seq),)).fetchall():
                row = _mailbox(db, mailbox)
                if row.account.address != ALL:
                    found += [(row, copy) for copy in self._rows.copies(db, select(db, COPY, mailbox, (uid,)))]
        return found

    def _there(self, db: sqlite3.Connection, seqs: Sequence[int]) -> set[int]:
        found: set[int] = set()
        for chunk in chunks([seq for seq in seqs if 0 < seq <= _LARGEST]):
            marks = ",".join("?" * len(chunk))
            found.update(seq for (seq,) in db.execute(f"SELECT seq FROM message WHERE seq IN ({marks})", chunk))  # noqa: S608
        return found

    def _forget(self, seqs: Collection[int]) -> None:
        self._rows.forget(seqs)
        self._facts.discard(seqs)

    # ------------------------------------------------------------ accounts

    def put_account(
        self, key: Key, *, password: str | None = None, quota: int | None = None, declared: bool = True
    ) -> AccountRow:
        if not declared and (there := self.account(key)) is not None and key.address != ALL:
            return there  # as with each log-in: nothing to write
        self._write(lambda work: work.put_account(key, password, quota, declared))
        return self._account_row(key)

    def account(self, key: Key) -> AccountRow | None:
        if key.address == ALL:
            return AccountRow(key, None, True, None)
        query = "SELECT password, declared, quota FROM account WHERE scope = ? AND address = ?"
        with self._read() as db:
            found = db.execute(query, (text(key.scope), text(key.address))).fetchone()
        return None if found is None else _account(key, *found)

    def accounts(self, scope: str) -> Sequence[AccountRow]:
        query = "SELECT address, password, declared, quota FROM account WHERE scope = ? AND address != ? ORDER BY id"
        with self._read() as db:
            found = db.execute(query, (text(scope), ALL)).fetchall()
        return [_account(Key(scope, untext(address)), *columns) for address, *columns in found]

    def remove_account(self, key: Key) -> None:
        self._write(lambda work: work.remove_account(key))

    def fork_account(self, source: Key, target: Key) -> AccountRow:
        self._write(lambda work: work.fork_account(source, target))
        return self._account_row(target)

    def used(self, key: Key) -> int:
        account = self._account_id(key)
        with self._read() as db:
            return used(db, account)

    def _account_row(self, key: Key) -> AccountRow:
        row = self.account(key)
        if row is None:
            raise StoreError(f"the account {key.address!r} was removed meanwhile")
        return row

    def _account_id(self, key: Key) -> int:
        """The number of an account; ``NoSuchAccount`` when there is none. ``all`` comes to be when it is asked for."""
        with self._read() as db:
            found = account_id(db, key)
        return int(self._write(lambda work: work.account(key))) if found is None else found

    # ------------------------------------------------------------ mailboxes

    def mailboxes(self, key: Key) -> Sequence[MailboxRow]:
        account = self._account_id(key)
        with self._read() as db:
            rows = [mailbox_row(columns) for columns in db.execute(f"{MAILBOX} WHERE account = ?", (account,))]
        rows.sort(key=lambda row: (row.name != INBOX, row.name))
        return rows

    def mailbox(self, key: Key, name: str) -> MailboxRow | None:
        if key.address == ALL:
            self._account_id(key)
        values = (text(key.scope), text(key.address), text(canonical(name)))
        with self._read() as db:
            columns = db.execute(f"{MAILBOX} WHERE scope = ? AND address = ? AND name = ?", values).fetchone()
        return None if columns is None else mailbox_row(columns)

    def mailbox_row(self, mailbox: int) -> MailboxRow:
        with self._read() as db:
            return _mailbox(db, mailbox)

    def create_mailbox(self, key: Key, name: str, *, special_use: Iterable[str] = ()) -> MailboxRow:
        uses = list(special_use)
        return self.mailbox_row(self._write(lambda work: work.create_mailbox(key, name, uses)))

    def delete_mailbox(self, mailbox: int) -> None:
        self._write(lambda work: work.delete_mailbox(mailbox))
        with self._lock:
            self._locks.pop(mailbox, None)

    def rename_mailbox(self, mailbox: int, name: str) -> None:
        self._write(lambda work: work.rename_mailbox(mailbox, name))

    def subscribe(self, key: Key, name: str, on: bool = True) -> None:
        self._write(lambda work: work.subscribe(key, name, on))

    def subscriptions(self, key: Key) -> Sequence[str]:
        account = self._account_id(key)
        with self._read() as db:
            return sorted(
                untext(name) for (name,) in db.execute("SELECT name FROM subscription WHERE account = ?", (account,))
            )

    def renumber(self, mailbox: int) -> int:
        return int(self._write(lambda work: work.renumber(mailbox)))

    def status(self, mailbox: int) -> Status:
        with self._read() as db:
            _mailbox(db, mailbox)
            return status(db, mailbox, _recent_from(db, mailbox))

    def take_recent(self, mailbox: int, *, peek: bool = False) -> int:
        with self._read() as db:
            row, lowest = _mailbox(db, mailbox), _recent_from(db, mailbox)
        if peek or lowest == row.uidnext:
            return lowest
        return int(self._write(lambda work: work.take_recent(mailbox)))

    # ------------------------------------------------------------ copies

    def snapshot(self, mailbox: int) -> Snapshot:
        with self._read() as db:
            row = _mailbox(db, mailbox)
            return Snapshot(row, tuple(uid for (uid,) in select(db, "SELECT uid FROM copy", mailbox, None)))

    def marks(self, mailbox: int) -> tuple[frozenset[str], int]:
        with self._read() as db:
            _mailbox(db, mailbox)
            flags = db.execute("SELECT DISTINCT flags FROM copy WHERE mailbox = ?", (mailbox,)).fetchall()
            query = "SELECT coalesce(min(uid), 0) FROM copy WHERE mailbox = ? AND NOT seen"
            (unseen,) = db.execute(query, (mailbox,)).fetchone()
        return NO_FLAGS.union(*(flags_of(column) for (column,) in flags)), unseen

    def copies(self, mailbox: int, uids: Iterable[int] | None = None) -> Sequence[CopyRow]:
        with self._read() as db:
            _mailbox(db, mailbox)
            return self._rows.copies(db, select(db, COPY, mailbox, uids))

    def changes(self, mailbox: int, since_modseq: int) -> Changes:
        since = _fit(since_modseq)
        with self._read() as db:
            row = _mailbox(db, mailbox)
            (forgotten,) = db.execute("SELECT forgotten FROM mailbox WHERE id = ?", (mailbox,)).fetchone()
            found = db.execute(f"{COPY} WHERE mailbox = ? AND modseq > ? ORDER BY uid", (mailbox, since)).fetchall()
            changed = self._rows.copies(db, found)
            query = "SELECT first, last FROM vanished WHERE mailbox = ? AND modseq > ?"
            vanished = [uid for first, last in db.execute(query, (mailbox, since)) for uid in range(first, last + 1)]
        vanished.sort()
        return Changes(row.highestmodseq, row.uidvalidity, changed, vanished, since >= forgotten)

    def set_flags(
        self, mailbox: int, uids: Iterable[int], flags: Iterable[str], mode: FlagMode,
        *, unchanged_since: int | None = None,
    ) -> tuple[Sequence[CopyRow], Sequence[int]]:  # fmt: skip
        wanted, asked = _settled(uids), canonical_flags(flags)
        answer: tuple[Sequence[CopyRow], Sequence[int]] = self._write(
            lambda work: work.set_flags(mailbox, wanted, asked, mode, unchanged_since)
        )
        return answer

    def copy(self, mailbox: int, uids: Iterable[int], target: int) -> Sequence[tuple[int, int]]:
        return self._copy(mailbox, uids, target, move=False)

    def move(self, mailbox: int, uids: Iterable[int], target: int) -> Sequence[tuple[int, int]]:
        return self._copy(mailbox, uids, target, move=True)

    def _copy(self, mailbox: int, uids: Iterable[int], target: int, *, move: bool) -> Sequence[tuple[int, int]]:
        wanted = _settled(uids)
        pairs: Sequence[tuple[int, int]] = self._write(lambda work: work.copy(mailbox, wanted, target, move=move))
        return pairs

    def expunge(self, mailbox: int, uids: Iterable[int]) -> Sequence[int]:
        wanted = _settled(uids)
        gone: Sequence[int] = self._write(lambda work: work.expunge(mailbox, wanted))
        return gone

    # ------------------------------------------------------------ the rest

    def lock_maildrop(self, mailbox: int, owner: str) -> bool:
        self.mailbox_row(mailbox)
        with self._lock:
            return self._locks.setdefault(mailbox, owner) == owner

    def unlock_maildrop(self, mailbox: int, owner: str) -> None:
        with self._lock:
            if self._locks.get(mailbox) == owner:
                del self._locks[mailbox]

    def subscribe_hints(self, subscriber: Subscriber) -> Callable[[], None]:
        return self._writer.subscribe(subscriber)


def _raw(db: sqlite3.Connection, seq: int) -> bytes | None:
    found = db.execute("SELECT raw FROM body WHERE seq = ?", (_fit(seq),)).fetchone()
    return None if found is None else found[0]


def _mailbox(db: sqlite3.Connection, mailbox: int) -> MailboxRow:
    columns = db.execute(f"{MAILBOX} WHERE mailbox.id = ?", (_fit(mailbox),)).fetchone()
    if columns is None:
        raise NoSuchMailbox(f"mailbox {mailbox} was deleted")
    return mailbox_row(columns)


def _recent_from(db: sqlite3.Connection, mailbox: int) -> int:
    (lowest,) = db.execute("SELECT recent_from FROM mailbox WHERE id = ?", (mailbox,)).fetchone()
    return int(lowest)


def _account(key: Key, password: Any, declared: int, quota: int | None) -> AccountRow:
    return AccountRow(key, None if password is None else untext(password), bool(declared), quota)


def _settled(uids: Iterable[int]) -> Iterable[int]:
    """UIDs that a job can ask for twice, in another thread."""
    return uids if isinstance(uids, range | set | frozenset | list | tuple) else list(uids)


def _fit(number: int) -> int:
    """A number that a column can hold, and that compares as the given one with all that are there."""
    return max(min(number, _LARGEST), -_LARGEST)

"""Rows of the stores that speak SQL, read through any of their connections.

The SQL here and in the modules beside it is what SQLite (3.35 or newer) and PostgreSQL both understand; ``?`` stands
for a value.

What is immutable once it is committed is cached: messages without their bytes, and the records of sessions. Nothing
that changes is: a reader sees its own transaction, and another process may write to the same store.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Protocol
from weakref import WeakValueDictionary

from .. import limits
from ..transcript import Session
from .cache import Cache
from .rows import NO_RIGHTS, CopyRow, Key, MailboxRow, MessageRow, Status, Usage
from .sql_values import envelope_of, flags_of, text, untext

_AT_ONCE = 500  # values in one statement
LARGEST = 2**63 - 1

MAILBOX = """SELECT mailbox.id, scope, address, name, uidvalidity, uidnext, modseq, special_use, selectable,
    acl FROM mailbox JOIN account ON account.id = mailbox.account"""
MESSAGE = "SELECT seq, scope, origin, received_at, size, served_size, envelope, session, transcript FROM message"
COPY = "SELECT uid, message, flags, modseq, internal_date, save_date, prefix FROM copy"


class Cursor(Protocol):
    """What a query found."""

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class Database(Protocol):
    """A connection."""

    def execute(self, query: str, values: Sequence[Any] = ..., /) -> Cursor: ...

    def executemany(self, query: str, values: Iterable[Sequence[Any]], /) -> Any: ...


class Rows:
    """Makes rows, with the immutable ones cached."""

    def __init__(self) -> None:
        self._messages: Cache[MessageRow] = Cache(limits.ROWS_CACHE)
        self._sessions: WeakValueDictionary[str, Session] = WeakValueDictionary()

    def keep(self, rows: Iterable[MessageRow]) -> None:
        """Remember messages that were committed."""
        for row in rows:
            weight = 1000 + len(row.transcript) + 300 * len(row.envelope.recipients)
            self._messages.put(row.seq, row, weight)

    def know(self, session: Session) -> None:
        """A session that is there needs not be restored."""
        self._sessions[session.id] = session

    def forget(self, seqs: Collection[int]) -> None:
        """Messages that were taken away."""
        self._messages.discard(seqs)

    def messages(self, db: Database, seqs: Collection[int], *, committed: bool) -> dict[int, MessageRow]:
        """Those of these messages that are there. Read in a transaction that writes they are not ``committed``."""
        found = self._messages.get(seqs)
        missing = [seq for seq in seqs if seq not in found]
        read: dict[int, MessageRow] = {}
        for chunk in chunks(missing):
            marks = ",".join("?" * len(chunk))
            for columns in db.execute(f"{MESSAGE} WHERE seq IN ({marks})", chunk):
                read[columns[0]] = self._message(db, columns)
        if committed:
            self.keep(read.values())
        return found | read

    def _message(self, db: Database, columns: Sequence[Any]) -> MessageRow:
        seq, scope, origin, received_at, size, served_size, envelope, session, transcript = columns
        return MessageRow(
            seq, untext(scope), origin, received_at, size, served_size, envelope_of(envelope),
            None if session is None else self._session(db, session), transcript,
        )  # fmt: skip

    def _session(self, db: Database, id: str) -> Session:  # noqa: A002
        known = self._sessions.get(untext(id))
        if known is not None:
            return known
        (summary,) = db.execute("SELECT summary FROM session WHERE id = ?", (id,)).fetchone()
        return self._sessions.setdefault(untext(id), Session.restored(json.loads(summary)))

    def copies(self, db: Database, columns: Sequence[Sequence[Any]], *, committed: bool = True) -> list[CopyRow]:
        """Copies, each with its message."""
        messages = self.messages(db, {row[1] for row in columns}, committed=committed)
        return [
            CopyRow(uid, messages[seq], flags_of(flags), modseq, internal_date, save_date, prefix)
            for uid, seq, flags, modseq, internal_date, save_date, prefix in columns
        ]


def mailbox_row(columns: Sequence[Any]) -> MailboxRow:
    """A mailbox of the columns of ``MAILBOX``."""
    id_, scope, address, name, uidvalidity, uidnext, modseq, special_use, selectable, acl = columns
    account = Key(untext(scope), untext(address))
    uses = frozenset(json.loads(special_use))
    rights = NO_RIGHTS if acl == "{}" else json.loads(acl)
    return MailboxRow(id_, account, untext(name), uidvalidity, uidnext, modseq, uses, bool(selectable), rights)


def account_id(db: Database, key: Key) -> int | None:
    """The number of an account."""
    query = "SELECT id FROM account WHERE scope = ? AND address = ?"
    found = db.execute(query, (text(key.scope), text(key.address))).fetchone()
    return None if found is None else found[0]


def used(db: Database, account: int) -> Usage:
    """What an account keeps."""
    query = """SELECT coalesce(CAST(sum(size) AS BIGINT), 0), coalesce(CAST(sum(messages) AS BIGINT), 0) FROM mailbox
        WHERE account = ?"""
    return Usage(*db.execute(query, (account,)).fetchone())


def status(db: Database, mailbox: int, recent_from: int) -> Status:
    """The counts of a mailbox."""
    query = """SELECT messages, unseen, deleted,
        (SELECT count(*) FROM copy WHERE copy.mailbox = mailbox.id AND uid >= ?), size, deleted_size
        FROM mailbox WHERE id = ?"""
    return Status(*db.execute(query, (recent_from, mailbox)).fetchone())


def select(db: Database, query: str, mailbox: int, uids: Iterable[int] | None) -> list[Any]:
    """Run a query of ``copy`` for some UIDs of a mailbox, ascending; None: for all."""
    found: list[Any] = []
    for condition, values in conditions(uids):
        found += db.execute(f"{query} WHERE mailbox = ? {condition} ORDER BY uid", (mailbox, *values))
    return found


def conditions(uids: Iterable[int] | None) -> Iterator[tuple[str, Sequence[int]]]:
    """What a query of ``copy`` asks for some UIDs, with its values; more than one where they are many."""
    if uids is None:
        yield "", ()
        return
    if not (isinstance(uids, range) and uids.step == 1):
        wanted = sorted({uid for uid in uids if 0 < uid <= LARGEST})
        if wanted and wanted[-1] - wanted[0] != len(wanted) - 1:
            for chunk in chunks(wanted):
                yield f"AND uid IN ({','.join('?' * len(chunk))})", chunk
            return
        uids = range(wanted[0], wanted[-1] + 1) if wanted else range(0)
    first, last = max(uids.start, 1), min(uids.stop - 1, LARGEST)
    if first <= last:
        yield "AND uid BETWEEN ? AND ?", (first, last)


def chunks(values: Sequence[int]) -> Iterator[Sequence[int]]:
    """As many at a time as one statement takes."""
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]

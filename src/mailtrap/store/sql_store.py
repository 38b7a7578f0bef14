"""What the stores that speak SQL have in common: every method but how to get at a connection, and how to write.

A reader sees one moment of the store, whatever is written meanwhile.
"""

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Final

from .. import clock
from ..errors import NoSuchMailbox, StoreError
from ..message.facts import Facts
from . import conditions, finding, search
from .base import Store, Subscriber
from .cache import FactsCache
from .directory import canonical, names_one_of
from .flags import canonical as canonical_flags
from .hints import Teller
from .rows import (
    ALL,
    INBOX,
    NO_FLAGS,
    AccountRow,
    Changes,
    CopyRow,
    Filing,
    FlagMode,
    Key,
    MailboxRow,
    MessageRow,
    Snapshot,
    Status,
    Tally,
    Usage,
    page_of,
)
from .search import And, Tree
from .sql_find import InMailboxes
from .sql_question import OfMailbox, Question, TextIndex
from .sql_rows import COPY, LARGEST, MAILBOX, Database, Rows, account_id, chunks, mailbox_row, select, status, used
from .sql_values import flags_of, text, untext
from .sql_work import Work

# From each combination of flags one step in the index to the next, however many copies have it.
_FLAGS: Final = """WITH RECURSIVE found (flags) AS (
        SELECT min(flags) FROM copy WHERE mailbox = ? AND flags != ''
    UNION ALL
        SELECT (SELECT min(copy.flags) FROM copy WHERE mailbox = ? AND copy.flags != '' AND copy.flags > found.flags)
        FROM found WHERE found.flags IS NOT NULL
    ) SELECT flags FROM found WHERE flags IS NOT NULL"""
_WALKED: Final = 200  # messages that a list walks over; for more it is looked whether their number says where to begin


class SQLStore(Store):
    """Mail kept in a database.

    Attributes:
        HEAD: asks for the last seq given.
        RAW: asks for the bytes of a message.
    """

    blocking = True
    HEAD: ClassVar[str]
    RAW: ClassVar[str]
    LISTED: ClassVar[str] = ""  # says that a list of messages is read from the index made for it

    def __init__(self) -> None:
        self._born = int(clock.now())
        self._rows = Rows()
        self._facts = FactsCache()
        self._teller = Teller(lambda error: self.report(error))

    @abstractmethod
    def _read(self, *, once: bool = False) -> AbstractContextManager[Database]:
        """One moment of the store, in a connection that nobody else uses meanwhile; errors are ``StoreError``.

        Args:
            once: it is asked one question only, which may be cheaper.
        """

    @abstractmethod
    def _write(self, function: Callable[[Work], Any]) -> Any:
        """Run a function as one command, which may be more than once, and wait until it is committed."""

    # ------------------------------------------------------------ messages

    def head(self) -> int:
        with self._read(once=True) as db:
            (head,) = db.execute(self.HEAD).fetchone()
        return int(head)

    def messages(
        self, scope: str | None = None, *, after: int = 0, before: int | None = None, limit: int | None = None,
        newest_first: bool = False, submitted: bool = False, skip: int = 0,
    ) -> Sequence[MessageRow]:  # fmt: skip
        low, high = _fit(after), _fit(LARGEST if before is None else before)
        query = "SELECT seq FROM message WHERE seq > ? AND seq < ?"
        if scope is not None:
            query += " AND scope = ?"
        if submitted:
            query += " AND origin IN ('smtp', 'lmtp', 'http')"
        query += f" ORDER BY seq {'DESC' if newest_first else 'ASC'} LIMIT ? OFFSET ?"
        skip = max(_fit(skip), 0)
        with self._read() as db:
            if skip > _WALKED and (bounds := _without_gaps(db, scope, submitted=submitted)) is not None:
                if newest_first:
                    high = _fit(min(high, bounds[1] + 1) - skip)
                else:
                    low = _fit(max(low, bounds[0] - 1) + skip)
                skip = 0
            values: list[Any] = [low, high, *(() if scope is None else (text(scope),))]
            values += (LARGEST if limit is None else max(_fit(limit), 0), skip)
            seqs = [seq for (seq,) in db.execute(query, values)]
            rows = self._rows.messages(db, seqs, committed=True)
        return [rows[seq] for seq in seqs]

    def tally(self, scope: str | None = None) -> Tally:
        sums = ", ".join(f"coalesce(CAST(sum({name}) AS BIGINT), 0)" for name in Tally._fields[:-1])
        query = f"SELECT {sums}, coalesce(max(last_evicted), 0) FROM scope"  # noqa: S608
        with self._read() as db:
            if scope is None:
                return Tally(*db.execute(query).fetchone())
            return Tally(*db.execute(f"{query} WHERE name = ?", (text(scope),)).fetchone())

    def rows(self, seqs: Sequence[int]) -> Sequence[MessageRow | None]:
        with self._read() as db:
            there = self._there(db, seqs)
            found = self._rows.messages(db, there, committed=True)
        return [found.get(seq) for seq in seqs]

    def find(
        self, scope: str | None, tree: Tree, *, scopes: Sequence[str], after: int = 0, before: int | None = None,
        newest_first: bool = False, submitted: bool = False, skip: int = 0, limit: int | None = None,
    ) -> Sequence[int]:  # fmt: skip
        def placed(wanted: conditions.Filed) -> Any:
            return InMailboxes(tuple(finding.mailboxes(self, wanted, scopes)))

        asked = finding.bound(tree, self.life, placed)
        question = Question(self.LISTED, scope, after, before, newest_first=newest_first, submitted=submitted)
        with self._read() as db:
            index = self._text_conditions(db)
            question.ask(db, asked, index)
            simple = question.exact and not question.unsure
            seqs = question.seqs(db, limit=limit if simple else None, skip=skip if simple else 0)
        if simple:
            return seqs
        found = finding.among(self, tree, seqs, question.unsure if question.exact else None, scopes)
        return page_of(found, skip, limit)

    def count(self, scope: str | None, tree: Tree, *, scopes: Sequence[str], submitted: bool = False) -> int:
        question = Question(self.LISTED, scope, 0, None, newest_first=True, submitted=submitted)
        with self._read() as db:
            index = self._text_conditions(db)
            if index is not None:
                question.ask(db, finding.bound(tree, self.life, lambda filed: filed), index)
                if question.exact and (number := question.count(db)) is not None:
                    return number
        return super().count(scope, tree, scopes=scopes, submitted=submitted)

    def search(self, mailbox: int, tree: Tree) -> Sequence[int]:
        with self._read() as db:
            _mailbox(db, mailbox)
            question = OfMailbox(mailbox)
            question.ask(db, tree, self._text_conditions(db))
            uids = question.uids(db)
        unsure = question.unsure if question.exact else set(uids)
        if unsure:
            unsure = unsure.difference(search.run(self, mailbox, And((search.Uids.of(unsure), tree))))
        return [uid for uid in uids if uid not in unsure]

    def _text_conditions(self, db: Any) -> TextIndex | None:  # noqa: ARG002
        """A full-text index, as this reader can ask it; None where there is none."""
        return None

    def message(self, seq: int) -> MessageRow | None:
        with self._read() as db:
            there = self._there(db, [seq])
            return self._rows.messages(db, there, committed=True).get(seq)

    def raw(self, seq: int) -> bytes:
        with self._read(once=True) as db:
            raw = self._raw(db, seq)
        if raw is None:
            raise StoreError(f"message {seq} is gone")
        return raw

    def facts(self, seqs: Sequence[int], kinds: Collection[str]) -> Sequence[Facts | None]:
        with self._read() as db:
            there = self._there(db, seqs)
            found = iter(self._facts.get([seq for seq in seqs if seq in there], kinds, lambda seq: self._raw(db, seq)))
        return [next(found) if seq in there else None for seq in seqs]

    def remove(self, seqs: Collection[int], *, evicted: bool = False) -> int:
        count, removed = self._write(lambda work: (work.remove(seqs, evicted=evicted), work.removed))
        self._forget(removed)
        return int(count)

    def remove_all(self, scope: str | None = None, *, submitted: bool = False) -> int:
        count, removed = self._write(lambda work: (work.remove_all(scope, submitted=submitted), work.removed))
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

    def _raw(self, db: Database, seq: int) -> bytes | None:
        found = db.execute(self.RAW, (_fit(seq),)).fetchone()
        return None if found is None else found[0]

    def _there(self, db: Database, seqs: Sequence[int]) -> set[int]:
        found: set[int] = set()
        for chunk in chunks([seq for seq in seqs if 0 < seq <= LARGEST]):
            marks = ",".join("?" * len(chunk))
            found.update(seq for (seq,) in db.execute(f"SELECT seq FROM message WHERE seq IN ({marks})", chunk))  # noqa: S608
        return found

    def _forget(self, seqs: Collection[int]) -> None:
        self._rows.forget(seqs)
        self._facts.discard(seqs)

    # ------------------------------------------------------------ accounts

    def put_account(
        self, key: Key, *, password: str | None = None, quota: int | None = None, message_quota: int | None = None,
        declared: bool = True,
    ) -> AccountRow:  # fmt: skip
        if not declared and (there := self.account(key)) is not None and key.address != ALL:
            return there  # as with each log-in: nothing to write
        self._write(lambda work: work.put_account(key, password, quota, message_quota, declared))
        return self._account_row(key)

    def set_quota(self, key: Key, quota: int | None, message_quota: int | None) -> AccountRow:
        self._write(lambda work: work.set_quota(key, quota, message_quota))
        return self._account_row(key)

    def account(self, key: Key) -> AccountRow | None:
        if key.address == ALL:
            return AccountRow(key, None, True, None)
        query = "SELECT password, declared, quota, message_quota FROM account WHERE scope = ? AND address = ?"
        with self._read(once=True) as db:
            found = db.execute(query, (text(key.scope), text(key.address))).fetchone()
        return None if found is None else _account(key, *found)

    def accounts(self, scope: str) -> Sequence[AccountRow]:
        query = """SELECT address, password, declared, quota, message_quota FROM account
            WHERE scope = ? AND address != ? ORDER BY id"""
        with self._read(once=True) as db:
            found = db.execute(query, (text(scope), ALL)).fetchall()
        return [_account(Key(scope, untext(address)), *columns) for address, *columns in found]

    def passwords(self, scope: str) -> bool | None:
        query = """SELECT EXISTS (SELECT 1 FROM account WHERE scope = ? AND address != ?),
            EXISTS (SELECT 1 FROM account WHERE scope = ? AND address != ? AND password IS NULL)"""
        with self._read(once=True) as db:
            some, without = db.execute(query, (text(scope), ALL, text(scope), ALL)).fetchone()
        return not without if some else None

    def remove_account(self, key: Key) -> None:
        self._write(lambda work: work.remove_account(key))

    def fork_account(self, source: Key, target: Key) -> AccountRow:
        self._write(lambda work: work.fork_account(source, target))
        return self._account_row(target)

    def used(self, key: Key) -> Usage:
        account = self._account_id(key)
        with self._read(once=True) as db:
            return used(db, account)

    def _account_row(self, key: Key) -> AccountRow:
        row = self.account(key)
        if row is None:
            raise StoreError(f"the account {key.address!r} was removed meanwhile")
        return row

    def _account_id(self, key: Key) -> int:
        """The number of an account; ``NoSuchAccount`` when there is none. ``all`` comes to be when it is asked for."""
        with self._read(once=True) as db:
            found = account_id(db, key)
        return int(self._write(lambda work: work.account(key))) if found is None else found

    # ------------------------------------------------------------ mailboxes

    def mailboxes(self, key: Key) -> Sequence[MailboxRow]:
        account = self._account_id(key)
        with self._read(once=True) as db:
            rows = [mailbox_row(columns) for columns in db.execute(f"{MAILBOX} WHERE account = ?", (account,))]
        rows.sort(key=lambda row: (row.name != INBOX, row.name))
        return rows

    def mailbox(self, key: Key, name: str) -> MailboxRow | None:
        found = self._find_mailbox(key, name)
        if found is None and key.address == ALL:
            self._account_id(key)
            found = self._find_mailbox(key, name)
        return found

    def _find_mailbox(self, key: Key, name: str) -> MailboxRow | None:
        values = (text(key.scope), text(key.address), text(canonical(name)))
        with self._read(once=True) as db:
            columns = db.execute(f"{MAILBOX} WHERE scope = ? AND address = ? AND name = ?", values).fetchone()
        return None if columns is None else mailbox_row(columns)

    def mailbox_row(self, mailbox: int) -> MailboxRow:
        with self._read(once=True) as db:
            return _mailbox(db, mailbox)

    def create_mailbox(self, key: Key, name: str, *, special_use: Iterable[str] = ()) -> MailboxRow:
        uses = list(special_use)
        return self.mailbox_row(self._write(lambda work: work.create_mailbox(key, name, uses)))

    def delete_mailbox(self, mailbox: int) -> None:
        self._write(lambda work: work.delete_mailbox(_fit(mailbox)))

    def rename_mailbox(self, mailbox: int, name: str) -> None:
        self._write(lambda work: work.rename_mailbox(mailbox, name))

    def subscribe(self, key: Key, name: str, on: bool = True) -> None:
        self._write(lambda work: work.subscribe(key, name, on))

    def subscriptions(self, key: Key) -> Sequence[str]:
        account = self._account_id(key)
        with self._read(once=True) as db:
            return sorted(
                untext(name) for (name,) in db.execute("SELECT name FROM subscription WHERE account = ?", (account,))
            )

    def set_rights(
        self, mailbox: int, identifier: str, rights: Iterable[str] | None, mode: FlagMode = "replace"
    ) -> MailboxRow:
        asked = None if rights is None else list(rights)
        self._write(lambda work: work.set_rights(mailbox, identifier, asked, mode))
        return self.mailbox_row(mailbox)

    def set_special_use(self, mailbox: int, uses: Iterable[str]) -> MailboxRow:
        becomes = list(uses)
        self._write(lambda work: work.set_special_use(mailbox, becomes))
        return self.mailbox_row(mailbox)

    def shared(self, scope: str, identifiers: Collection[str]) -> Sequence[MailboxRow]:
        with self._read() as db:
            found = db.execute(f"{MAILBOX} WHERE acl != '{{}}' AND scope = ?", (text(scope),)).fetchall()
        rows = [row for columns in found if names_one_of((row := mailbox_row(columns)).acl, identifiers)]
        return sorted(rows, key=lambda row: (row.account.address, row.name != INBOX, row.name))

    def annotations(self, key: Key, mailboxes: Sequence[int | None]) -> Sequence[Mapping[str, bytes]]:
        own = self._account_id(key)
        with self._read() as db:
            everybody = account_id(db, Key(key.scope, ALL)) or 0
            return [_annotations(db, own, everybody, mailbox) for mailbox in mailboxes]

    def annotate(self, key: Key, mailbox: int | None, entries: Mapping[str, bytes | None]) -> None:
        kept = dict(entries)
        self._write(lambda work: work.annotate(key, mailbox, kept))

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
            flags = db.execute(_FLAGS, (mailbox, mailbox)).fetchall()
            (unseen,) = db.execute("SELECT unseen FROM mailbox WHERE id = ?", (mailbox,)).fetchone()
            if unseen:  # else all copies were walked over
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

    def file(self, mailbox: int, uids: Iterable[int], filing: Filing) -> None:
        wanted = _settled(uids)
        self._write(lambda work: work.file(mailbox, wanted, filing))

    def expunge(self, mailbox: int, uids: Iterable[int]) -> Sequence[int]:
        wanted = _settled(uids)
        gone: Sequence[int] = self._write(lambda work: work.expunge(mailbox, wanted))
        return gone

    # ------------------------------------------------------------ the rest

    def subscribe_hints(self, subscriber: Subscriber) -> Callable[[], None]:
        return self._teller.subscribe(subscriber)


def _without_gaps(db: Database, scope: str | None, *, submitted: bool) -> tuple[int, int] | None:
    """The first and the last seq of the messages that are listed, where all between are listed too; else None."""
    one = "" if scope is None else " WHERE name = ?"
    values = () if scope is None else (text(scope),)
    query = f"SELECT CAST(sum(messages) AS BIGINT), CAST(sum(submitted) AS BIGINT) FROM scope{one}"  # noqa: S608
    messages, listed = db.execute(query, values).fetchone()
    if submitted and messages != listed:
        return None
    one = "" if scope is None else " WHERE scope = ?"
    # a question for each end: each is one step in the index
    query = f"SELECT (SELECT min(seq) FROM message{one}), (SELECT max(seq) FROM message{one})"  # noqa: S608
    first, last = db.execute(query, values * 2).fetchone()
    return None if first is None or last - first + 1 != messages else (first, last)


def _mailbox(db: Database, mailbox: int) -> MailboxRow:
    columns = db.execute(f"{MAILBOX} WHERE mailbox.id = ?", (_fit(mailbox),)).fetchone()
    if columns is None:
        raise NoSuchMailbox(f"mailbox {mailbox} was deleted")
    return mailbox_row(columns)


def _annotations(db: Database, own: int, everybody: int, mailbox: int | None) -> dict[str, bytes]:
    values = (own, everybody, 0) if mailbox is None else (own, 0, _fit(mailbox))
    found = db.execute("SELECT name, value FROM annotation WHERE account IN (?, ?) AND mailbox = ?", values)
    return {untext(name): value for name, value in found}


def _recent_from(db: Database, mailbox: int) -> int:
    (lowest,) = db.execute("SELECT recent_from FROM mailbox WHERE id = ?", (mailbox,)).fetchone()
    return int(lowest)


def _account(key: Key, password: Any, declared: int, quota: int | None, message_quota: int | None) -> AccountRow:
    return AccountRow(key, None if password is None else untext(password), bool(declared), quota, message_quota)


def _settled(uids: Iterable[int]) -> Iterable[int]:
    """UIDs that a job can ask for twice, in another thread."""
    return uids if isinstance(uids, range | set | frozenset | list | tuple) else list(uids)


def _fit(number: int) -> int:
    """A number that a column can hold, and that compares as the given one with all that are there."""
    return max(min(number, LARGEST), -LARGEST)

"""The full-text index beside an SQLite store: a database of its own, which may be lost at any time.

It is filled in the background and never waited for: what it does not know yet is found by looking at the messages. It
is not synced (``synchronous = OFF``); one that is missing, of another store or form, or damaged, is made anew.

Terms are those of ``terms``, in one column for each place that can be asked for. All terms there are is kept in memory
as one text, so that those with a substring are found without going through the index.
"""

import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from .. import clock
from ..background import Background
from ..message import facts as computing
from ..message.collation import folded
from ..message.facts import Facts
from . import conditions
from .rows import MessageRow
from .sqlite_vacuum import Vacuum
from .terms import FIELD, encode

FORM: Final = 2
INDEXED: Final = 64 * 1024  # characters of the text of a message that are looked at
_APPLICATION: Final = 0x6D747269  # "mtri"
_KINDS: Final = frozenset({"headers", "text", "attached"})
_BATCH: Final = 200  # messages in one transaction
_GATHERED: Final = 0.05  # seconds in which messages may come together into one: each costs as much as several messages
_SHARE: Final = 4  # while mail comes in, so many times as long as it works it lets others work
_STALE: Final = 1_000  # messages that were removed and are still in the index, beyond those that are half of it
_CHECKED: Final = 16 * 1024 * 1024  # octets of a file up to which it is checked wholly
_VOCABULARY: Final = 64 * 1024 * 1024  # characters of all terms that are kept in memory
_END: Final = "\n"  # between terms in memory
_ASKED: Final = 100  # texts whose terms are kept, as a page and its counts ask for the same
_FEW: Final = 1_000  # terms of one of them

COLUMNS: Final = (
    "marks", "mail_from", "recipients", "from", "to", "cc", "bcc", "reply-to", "subject", "message-id", "header",
    "body", "names",
)  # fmt: skip
OF_HEADER: Final = ("from", "to", "cc", "reply-to", "subject", "message-id")
_SCHEMA: Final = (
    """CREATE TABLE state (
        id INTEGER PRIMARY KEY CHECK (id = 1), life TEXT NOT NULL, done INTEGER NOT NULL, documents INTEGER NOT NULL
    )""",
    "CREATE TABLE partial (seq INTEGER PRIMARY KEY)",  # what is in it of these is not all
    "CREATE TABLE dead (seq INTEGER PRIMARY KEY)",  # removed, and still in the index
    "CREATE VIRTUAL TABLE text USING fts5 ({}, content = '', columnsize = 0, tokenize = 'ascii')".format(
        ", ".join(f'"{column}"' for column in COLUMNS)
    ),
    "CREATE VIRTUAL TABLE terms USING fts5vocab (text, row)",
)

Pull = Callable[[int, int], Sequence[tuple[MessageRow, bytes]]]


def mark(kind: str, value: str) -> str:
    """What is known of a message beside its text, as a term."""
    return kind + value.encode("utf-8", "surrogatepass").hex()


class Index:
    """The index of one store.

    Args:
        path: of its file.
        life: of the store.
        pull: gives so many messages after a ``seq``, with their bytes, oldest first.
        report: is told what went wrong.

    Attributes:
        usable: whether it can be asked; False where this SQLite has no FTS5, or it broke.
    """

    def __init__(self, path: str, life: str, pull: Pull, report: Callable[[BaseException], None]) -> None:
        self.path = path
        self._life = life
        self._pull = pull
        self._report = report
        self._background = Background("mailtrap-index", self._run)
        self._lock = threading.Lock()
        self._dead: list[int] = []
        self._vocabulary = _Vocabulary()
        self.usable = self._open()

    # ------------------------------------------------------------ the file

    def _open(self) -> bool:
        for attempt in range(2):
            try:
                with closing(self._connect()) as db:
                    if self._prepare(db):
                        return True
            except sqlite3.OperationalError as error:
                if "no such module" in str(error):
                    return False
                if "locked" in str(error):  # by another process, which is no damage
                    self._report(error)
                    return False
                if attempt:
                    self._report(error)
            except sqlite3.Error as error:
                if attempt:
                    self._report(error)
            self._unlink()
        return False

    def _prepare(self, db: sqlite3.Connection) -> bool:
        """Whether the file is an index of this store; an empty one is made one."""
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (form,) = db.execute("PRAGMA user_version").fetchone()
        if (application, form) == (0, 0) and db.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA:
                db.execute(statement)
            db.execute("INSERT INTO state VALUES (1, ?, 0, 0)", (self._life,))
            db.execute(f"PRAGMA application_id = {_APPLICATION}")
            db.execute(f"PRAGMA user_version = {FORM}")
            db.execute("COMMIT")
            return True
        if (application, form) != (_APPLICATION, FORM):
            return False
        if Path(self.path).stat().st_size <= _CHECKED and db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            return False
        db.execute("SELECT rowid FROM text WHERE text MATCH 'x' LIMIT 1").fetchone()
        return bool(db.execute("SELECT life FROM state").fetchone() == (self._life,))

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=5.0, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA synchronous = OFF")
        return db

    def _unlink(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            with suppress(OSError):
                Path(self.path + suffix).unlink()

    def broke(self, error: BaseException) -> None:
        """It cannot be asked any more; it is made anew when the store is opened next."""
        if self.usable:
            self.usable = False
            self._report(error)

    # ------------------------------------------------------------ filling it

    def wake(self) -> None:
        """Messages came, or may be there."""
        if self.usable:
            self._background.wake()

    def forget(self, seqs: Collection[int]) -> None:
        """Messages were removed."""
        if self.usable and seqs:
            with self._lock:
                self._dead += seqs
            self._background.wake()

    def close(self) -> None:
        """End the thread."""
        self._background.close()
        if not self.usable:
            self._unlink()

    def _run(self) -> None:
        try:
            with closing(self._connect()) as db:
                vacuum = Vacuum(db)
                while self._background.due():
                    self._background.pause(_GATHERED)
                    self._work(db, vacuum)
        except Exception as error:  # noqa: BLE001  without it search goes on, slower
            self.broke(error)

    def _work(self, db: sqlite3.Connection, vacuum: Vacuum) -> None:
        self._vocabulary.load(db)
        while not self._background.closing:
            began = clock.monotonic()
            if self._bury(db):
                vacuum.wake()
            (done,) = db.execute("SELECT done FROM state").fetchone()
            found = self._pull(done, _BATCH)
            if not found:
                if vacuum.step():
                    continue
                return
            self._add(db, done, self._documents(found))
            if self._background.woken():  # others have more to do
                self._background.pause(max(_GATHERED, _SHARE * (clock.monotonic() - began)))
            else:
                clock.yield_interpreter()

    def _documents(self, found: Sequence[tuple[MessageRow, bytes]]) -> Sequence["Document"]:
        """The first of these messages, as many as there is time for: one may take a second."""
        documents = []
        for row, raw in found:
            documents.append(Document(row, raw))
            if self._background.closing:
                break
        return documents

    def _add(self, db: sqlite3.Connection, done: int, documents: Sequence["Document"]) -> None:
        db.execute("BEGIN IMMEDIATE")
        try:
            if db.execute("SELECT done FROM state").fetchone() != (done,):
                return  # another process was faster
            columns = ", ".join(f'"{column}"' for column in COLUMNS)
            marks = ", ".join("?" * (len(COLUMNS) + 1))
            db.executemany(
                f"INSERT INTO text (rowid, {columns}) VALUES ({marks})",  # noqa: S608
                [(document.seq, *document.columns) for document in documents],
            )
            partial = [(document.seq,) for document in documents if not document.complete]
            db.executemany("INSERT INTO partial VALUES (?)", partial)
            db.execute("UPDATE state SET done = ?, documents = documents + ?", (documents[-1].seq, len(documents)))
            # before others can see them: who finds a message here has looked for its terms
            terms = (term for document in documents for text in document.columns for term in text.split())
            self._vocabulary.add(terms, done, documents[-1].seq)
            db.execute("COMMIT")
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")

    def _bury(self, db: sqlite3.Connection) -> bool:
        """Note what was removed. When that is most of the index, it begins anew: whether it did."""
        with self._lock:
            seqs, self._dead = self._dead, []
        if not seqs:
            return False
        db.execute("BEGIN IMMEDIATE")
        try:
            done, documents = db.execute("SELECT done, documents FROM state").fetchone()
            db.executemany("INSERT OR IGNORE INTO dead VALUES (?)", [(seq,) for seq in seqs if seq <= done])
            db.execute("DELETE FROM partial WHERE seq IN (SELECT seq FROM dead)")
            (dead,) = db.execute("SELECT count(*) FROM dead").fetchone()
            anew = bool(documents) and (dead == documents or dead > documents / 2 + _STALE)
            if anew:
                self._empty(db)
            db.execute("COMMIT")
            return anew
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")

    def _empty(self, db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO text (text) VALUES ('delete-all')")
        db.execute("DELETE FROM partial")
        db.execute("DELETE FROM dead")
        db.execute("UPDATE state SET done = 0, documents = 0")

    # ------------------------------------------------------------ asking

    def containing(self, db: sqlite3.Connection, done: int, text: str, where: str) -> Iterable[str]:
        """The terms with a text in them (``"in"``), or at their end (``"end"``).

        Args:
            db: a connection that has the index attached as ``search``.
            done: as far as it sees the index filled.
        """
        if (known := self._vocabulary.find(text, where, done)) is not None:
            return known
        self.wake()  # another process fills it too
        condition = "instr(term, ?)" if where == "in" else "substr(term, -length(?)) = ?"
        values = (text,) if where == "in" else (text, text)
        return [term for (term,) in db.execute(f"SELECT term FROM search.terms WHERE {condition}", values)]  # noqa: S608


class Document:
    """A message as the index keeps it.

    Attributes:
        columns: in the order of ``COLUMNS``.
        complete: whether they say all that can be searched for.
    """

    def __init__(self, row: MessageRow, raw: bytes) -> None:
        facts = Facts()
        computing.compute(facts, raw, _KINDS)
        assert facts.headers is not None
        assert facts.text is not None
        assert facts.attached is not None
        self.seq = row.seq
        self.complete = len(facts.text) <= INDEXED
        fields: dict[str, list[str]] = {}
        for name, value in facts.headers:
            fields.setdefault(name, []).append(folded(value))
        recipients = row.envelope.recipients
        hidden = conditions.hidden([recipient.lower() for recipient in recipients], facts.headers)
        header = folded(FIELD.join(["", *(f"{name}: {value}" for name, value in facts.headers)]))
        if len(header) > INDEXED:
            self.complete = False
        places = {
            "mail_from": [folded(row.envelope.mail_from)],
            "recipients": [folded(recipient) for recipient in recipients],
            "bcc": [*fields.get("bcc", ()), *map(folded, hidden)],
            "header": [header[:INDEXED]],
            "body": [facts.text[:INDEXED]],
            "names": [name for name, _ in facts.attached],
        }
        marks = [mark("s", row.scope), mark("o", row.origin)]
        roles = {"inline" if inline else "attachment" for _, inline in facts.attached}
        marks += [mark("h", role) for role in roles]
        self.columns = [" ".join(marks), *(self._encoded(places.get(c) or fields.get(c, [])) for c in COLUMNS[1:])]

    def _encoded(self, values: Sequence[str]) -> str:
        if not values:
            return ""
        text, complete = encode(FIELD.join(values))
        self.complete &= complete
        return text


class _Vocabulary:
    """All terms of the index up to a message, as one text, and those that came since. Too many are not kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all = _END
        self._fresh: dict[str, None] = {}
        self._recent = _END  # those, as one text too
        self._found: dict[tuple[str, str], list[str]] = {}  # what was looked for since terms came last
        self._done = -1  # the index up to this seq is known; -1: nothing is
        self._too_many = False

    def load(self, db: sqlite3.Connection) -> None:
        """Read all terms of the index, if it has some that are not known."""
        if self._too_many:
            return
        db.execute("BEGIN")
        try:
            (done,) = db.execute("SELECT done FROM state").fetchone()
            if done <= self._done:
                return
            found: list[str] = []
            length = 0
            for (term,) in db.execute("SELECT term FROM terms"):
                found.append(term)
                length += len(term) + 1
                if length > _VOCABULARY:
                    self._give_up()
                    return
        finally:
            db.execute("ROLLBACK")
        with self._lock:
            self._all = _END + _END.join(found) + _END
            self._forget_fresh()
            self._done = done

    def add(self, terms: Iterable[str], after: int, done: int) -> None:
        """The terms of the messages after one up to another."""
        with self._lock:
            if self._too_many or after > self._done:  # what others added between is to be read first
                return
            fresh = self._fresh
            new = {term: None for term in terms if term not in fresh}
            fresh.update(new)
            self._recent += "".join([term + _END for term in new])
            self._found = {}
            self._done = max(self._done, done)
            if len(fresh) > 10_000 + len(self._all) // 40:
                known = set(self._all.split(_END))
                self._all += "".join(term + _END for term in fresh if term not in known)
                self._forget_fresh()
                if len(self._all) > _VOCABULARY:
                    self._give_up()

    def _forget_fresh(self) -> None:
        self._fresh, self._recent, self._found = {}, _END, {}

    def _give_up(self) -> None:
        self._too_many, self._all, self._done = True, _END, -1
        self._forget_fresh()

    def find(self, text: str, where: str, done: int) -> list[str] | None:
        """The terms with a text in them, or at their end; some may come twice. None where not all are known."""
        with self._lock:
            if self._done < done:
                return None
            found = self._found.get((text, where))
            if found is not None:
                return found
            texts, known = (self._all, self._recent), self._found
        wanted = text if where == "in" else text + _END
        found = [term for everything in texts for term in _lines_with(everything, wanted)]
        if len(known) < _ASKED and len(found) <= _FEW:
            known[text, where] = found
        return found


def _lines_with(everything: str, text: str) -> Iterator[str]:
    at = everything.find(text)
    while at >= 0:
        start = everything.rfind(_END, 0, at) + 1
        end = everything.find(_END, at)
        yield everything[start:end]
        at = everything.find(text, end)

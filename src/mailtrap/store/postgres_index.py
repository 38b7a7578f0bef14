"""The text of messages in PostgreSQL, as it is searched for: filled in the background, and never waited for.

Each row is one message's text, folded as the predicates fold it, so that LIKE finds exactly what they find. Trigrams
(``pg_trgm``) lead to the rows; where a database has none, it goes through the rows itself, and finds the same. What is
not there yet, or not wholly, is *unsure*: it is looked at.

Of several servers one at a time fills it: each goes on from where the last one was.
"""

import logging
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import psycopg

from ..background import Background
from ..message import facts as computing
from ..message.collation import folded
from ..message.facts import Facts
from . import conditions, search
from .postgres_connections import Database, first_line, transaction
from .rows import MessageRow
from .sql_find import Condition, of_words
from .sql_values import text, untext

INDEXED: Final = 64 * 1024  # characters of the text of a message that are kept here
FIELD: Final = "\x01"  # between the values of one column
_ESCAPE: Final = "\x1a"  # in a column that cannot hold all as it is
_KINDS: Final = frozenset({"headers", "head", "text", "attached"})
_BATCH: Final = 40  # messages in one transaction
_PAUSE: Final = 0.05  # seconds that others may work while mail comes in
_PENDING: Final = 40  # messages that may wait outside of the trigrams' order, where each search goes through them

_WITH_TRIGRAMS: Final = ("people", "header", "body")
_LED: Final = re.compile("[0-9a-z]{3}")  # what has trigrams whatever the locale of a database
_SPACE: Final = "[" + "".join(filter(str.isspace, map(chr, range(0x3001)))) + "]+"  # what ``str.split`` splits at
_SPECIAL: Final = re.compile(r"[][\\.*+?(){}|^$]")

_Test: TypeAlias = tuple[str, tuple[str, ...]]  # SQL, with {} for a column, and its values
Pull = Callable[[Database, int, int], Sequence[tuple[MessageRow, bytes]]]


class Index:
    """Fills the table ``words``, in a thread and a connection of its own.

    Args:
        pull: gives so many messages after a ``seq``, with their bytes, oldest first.
        report: is told what went wrong that is not the database's state; then this server fills it no more.
    """

    def __init__(self, connect: Callable[[], Database], pull: Pull, report: Callable[[BaseException], None]) -> None:
        self._connect = connect
        self._pull = pull
        self._report = report
        self._background = Background("mailtrap-index", self._run)
        self._pending = 0

    def wake(self, _: object = None) -> None:
        """Messages came, or may be there."""
        self._background.wake()

    def close(self) -> None:
        """End the thread."""
        self._background.close()

    # ------------------------------------------------------------ in the thread

    def _run(self) -> None:
        db: Database | None = None
        while self._background.due():
            try:
                db = self._connect() if db is None else db
                while not self._background.closing and self._fill(db):
                    if self._background.woken():
                        self._background.pause(_PAUSE)  # others have more to do
            except psycopg.Error as error:
                logging.getLogger("mailtrap.store").warning("the index is not filled: %s", first_line(error))
                if db is not None:
                    db.close()
                    db = None
            except Exception as error:  # noqa: BLE001  without it search goes on, slower
                self._report(error)
                break
        if db is not None:
            db.close()

    def _fill(self, db: Database) -> bool:
        """Add some messages; whether there were any."""
        with transaction(db):
            (done,) = db.one("SELECT done FROM indexed FOR UPDATE")
            found = self._pull(db, done, _BATCH)
            if not found:
                self._order(db)
                return False
            columns = []
            for row, raw in found:
                columns.append(document(row, raw))
                if self._background.closing:  # some take a second: the others are for the next who fills it
                    break
            seqs = [row.seq for row, _ in found[: len(columns)]]
            db.executemany("INSERT INTO words VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", columns)
            db.execute("UPDATE indexed SET done = ?", (seqs[-1],))
        # removed before this was committed: who removed it did not see it here
        marks = ",".join("?" * len(seqs))
        query = f"DELETE FROM words WHERE seq IN ({marks}) AND seq NOT IN (SELECT m.seq FROM message AS m WHERE m.seq"  # noqa: S608
        db.execute(f"{query} IN ({marks}))", [*seqs, *seqs])
        self._pending += len(seqs)
        return True

    def _order(self, db: Database) -> None:
        """Bring what was added into the order of the index, which PostgreSQL leaves to a vacuum much later."""
        if self._pending >= _PENDING:
            query = "SELECT gin_clean_pending_list(oid) FROM pg_class WHERE oid = to_regclass('mailtrap.words_text')"
            db.execute(f"{query} AND pg_has_role(relowner, 'USAGE')")  # others may not
            self._pending = 0


def document(row: MessageRow, raw: bytes) -> tuple[Any, ...]:
    """The columns of a message, and in the end whether they say all that can be searched for."""
    facts = Facts()
    computing.compute(facts, raw, _KINDS)
    assert facts.headers is not None
    assert facts.text is not None
    assert facts.attached is not None
    assert facts.head is not None
    headers = [(name, folded(value)) for name, value in facts.headers]
    recipients = [folded(recipient) for recipient in row.envelope.recipients]
    hidden = [
        folded(recipient)
        for recipient in row.envelope.recipients
        if conditions.hidden([recipient.lower()], facts.headers)
    ]
    names = [name for name, _ in facts.attached]
    columns = [
        folded(row.envelope.mail_from),
        FIELD.join(recipients),
        FIELD.join([*(value for name, value in headers if name == "bcc"), *hidden]),
        "\n" + facts.head,
        FIELD.join([*(value for name, value in headers if name in conditions.READ_BY_PEOPLE), *names, *recipients]),
        facts.text,
    ]
    complete = all(len(column) <= INDEXED for column in columns)
    kept = [text(column[:INDEXED]) for column in columns]
    complete = complete and not any(_ESCAPE in column for column in kept)
    roles = [inline for _, inline in facts.attached]
    return (row.seq, *kept, any(roles), not all(roles), complete)


class TextConditions:
    """The table, as one reader asks it.

    Args:
        db: a connection in a transaction.

    Attributes:
        done: messages up to this ``seq`` are there.
        partial: those of them that are not wholly there.
    """

    def __init__(self, db: Database) -> None:
        (self.done,) = db.one("SELECT done FROM indexed")
        self.partial = frozenset(seq for (seq,) in db.execute("SELECT seq FROM words WHERE NOT complete"))

    def condition(self, tree: Any) -> Condition | None:
        """The condition of a tree of one node; None where nothing here can say."""
        match tree:
            case conditions.Words(asked):
                words = folded(asked).split()  # any white space may be between them
                if not words or FIELD in asked:
                    return None
                columns = ("people", "body")
                return self._like(columns, "%".join(map(_escaped, words)), max(words, key=len), _phrase(words))
            case search.HeaderContains(name, asked) if name.isascii() and "\n" not in asked:
                pattern = _escaped(f"\n{name.lower()}: ") + "%" + _escaped(folded(asked))
                # not in a field behind that one; a line end in a value has a space behind it
                inside = f"\n{_literal(name.lower())}: (?:[^\n]|\n )*{_literal(folded(asked))}"
                return self._like(("header",), pattern, folded(asked), ("regexp_match({}, ?) IS NOT NULL", (inside,)))
            case search.Text(asked) if "\n" not in asked:
                return self._contains(("header", "body"), asked)
            case search.Body(asked):
                return self._contains(("body",), asked)
            case conditions.EnvelopeFrom(asked) if asked != "<>":
                return self._contains(("mail_from",), asked)
            case conditions.EnvelopeTo(asked):
                return self._contains(("recipients",), asked)
            case conditions.Blind(asked):
                return self._contains(("bcc",), asked)
            case conditions.Attached(inline):
                column = "inline" if inline else "attached"
                return Condition(f"m.seq IN (SELECT seq FROM words WHERE {column})", of_text=True)  # noqa: S608
        return None

    def _contains(self, columns: Sequence[str], asked: str) -> Condition | None:
        wanted = folded(asked)
        if FIELD in wanted:
            return None
        return self._like(columns, _escaped(wanted), wanted)

    @staticmethod
    def _like(columns: Sequence[str], pattern: str, rare: str, exactly: _Test | None = None) -> Condition | None:
        """What is like a pattern, and where that says too much fits a test too.

        Args:
            rare: the part of it by which the index is to find it.
            exactly: the test of a column.
        """
        if _ESCAPE in pattern:
            return None
        found = " OR ".join(f"{column} LIKE ?" for column in columns)
        values = (f"%{pattern}%",) * len(columns)
        if exactly is not None:
            test, its_values = exactly
            matching = " OR ".join(test.format(column) for column in columns)
            found, values = f"({found}) AND ({matching})", (*values, *its_values * len(columns))
        led = all(column in _WITH_TRIGRAMS for column in columns) and _LED.search(rare) is not None
        return of_words(found, values, exact=True, led=led)

    def lead(self, db: Any) -> None:
        """Let the index of trigrams be used: a planner holds it for cheaper to read all texts, however long."""
        db.execute("SELECT set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)")

    def knows_all(self, db: Any) -> bool:  # noqa: ARG002
        """Never said: what fits is counted by finding it."""
        return False

    def count(self, matches: Sequence[str], scope: str | None, *, submitted: bool) -> int:
        """Not asked, as it never knows all."""
        raise NotImplementedError


def _escaped(value: str) -> str:
    """A text as a part of a pattern of LIKE."""
    return text(value).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _literal(value: str) -> str:
    """A text as a part of a regular expression of PostgreSQL's."""
    return _SPECIAL.sub(r"\\\g<0>", text(value))


def _phrase(words: Sequence[str]) -> _Test | None:
    """Whether words follow each other in a column, with any white space between them.

    A regular expression goes slowly through a long text. So the text is cut at the first word, which is fast, and only
    what is behind it is looked at; but for a word at which the rest might be cut too, as ``test`` in ``testest one``,
    or ``one`` in ``one two none``. No operator is asked of a column, so that the index of trigrams is not asked again.
    """
    if len(words) == 1:
        return None
    first, *others = words
    rest = "".join(_SPACE + _literal(word) for word in others)
    ends = [first[place:] for place in range(1, len(first))]
    ends += [others[-1][place:] for place in range(len(others[-1]))]  # behind which anything may follow
    if any(first in word for word in others) or any(map(first.startswith, ends)):
        return "regexp_match({}, ?) IS NOT NULL", (_literal(first) + rest,)
    behind = "unnest((string_to_array({}, ?))[2:]) AS behind (piece)"
    return f"EXISTS (SELECT 1 FROM {behind} WHERE piece ~ ?)", (text(first), "^" + rest)  # noqa: S608


def compress_faster(db: Database) -> None:
    """Keep texts from now on so that they are read in less time, where the database can: by LZ4."""
    query = "SELECT 1 FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)"
    if db.execute(query).fetchone() is None:
        return
    query = """SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass('mailtrap.words') AND attname = 'body'
        AND attcompression = 'l'"""
    if db.execute(query).fetchone() is not None:
        return
    try:
        with transaction(db):
            db.execute("SELECT set_config('lock_timeout', '1s', true)")  # another time, if others are at work
            changes = ", ".join(f"ALTER COLUMN {column} SET COMPRESSION lz4" for column in _WITH_TRIGRAMS)
            db.execute(f"ALTER TABLE words {changes}")
    except psycopg.Error as error:
        logging.getLogger("mailtrap.store").info("texts are compressed as before: %s", first_line(error))


def make_trigrams(db: Database) -> None:
    """An index for substrings, where the database can have one; where it can not, search goes on, slower."""
    if db.execute("SELECT to_regclass('mailtrap.words_text')").fetchone() != (None,):
        return
    query = """SELECT nspname FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
        WHERE extname = 'pg_trgm'"""
    try:
        with transaction(db):
            if (found := db.execute(query).fetchone()) is None:
                db.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
                found = db.one(query)
            operators = f'"{untext(found[0])}".gin_trgm_ops'
            columns = ", ".join(f"{column} {operators}" for column in _WITH_TRIGRAMS)
            db.execute(f"CREATE INDEX IF NOT EXISTS words_text ON words USING gin ({columns})")
    except psycopg.Error as error:
        logging.getLogger("mailtrap.store").info("no index of trigrams: %s", first_line(error))

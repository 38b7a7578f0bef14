"""One search in a store that speaks SQL: the statement, and what of its answer has to be looked at again.

Where a full-text index knows some of the text, what matches there drives the statement, newest message first, so that a
page costs as much as its messages. Messages that the index does not know wholly are found too, as *unsure*.

Where the text is in a table of its own (``words``), what fits there leads to the messages, or they are gone through and
each is looked up there. Which of these is cheaper depends on how common the text is. A database has no idea of that
before it has gathered statistics, and no good one after: so it is not asked. A few messages are looked at first, which
is all that a common text needs, and tells how common it is; and the statements leave a planner no choice.
"""

from collections.abc import Sequence
from typing import Any, Final, Protocol

from .. import clock
from .search import Tree
from .sql_find import SUBMITTED_SQL, Compiler, Condition, InMailboxes
from .sql_rows import LARGEST, Database
from .sql_values import text

_SAMPLE: Final = 100  # messages looked at to find how common a text is


class TextIndex(Protocol):
    """A full-text index, as one reader asks it; see ``sqlite_search.TextConditions``."""

    done: int
    partial: frozenset[int]

    def condition(self, tree: Any) -> Condition | None:
        """The condition of a tree of one node; None where the index cannot say."""

    def knows_all(self, db: Database) -> bool:
        """Whether exactly the messages that are there are in it."""

    def lead(self, db: Database) -> None:
        """Let the next statements of a transaction find rows of ``words`` by their index, whatever is guessed."""

    def count(self, matches: Sequence[str], scope: str | None, *, submitted: bool) -> int:
        """How many messages fit all questions."""


def _nothing(_: Any) -> None:
    return None


class Question:
    """Which messages fit.

    Args:
        listed: says that a list of the messages of one scope is read from the index made for it.

    Attributes:
        exact: whether all that is found fits, but for what is unsure.
        unsure: messages that have to be looked at.
    """

    def __init__(
        self, listed: str, scope: str | None, after: int, before: int | None, *, newest_first: bool, submitted: bool
    ) -> None:
        self._listed = "" if scope is None else listed
        self._scope = scope
        self._submitted = submitted
        self._bounded = after > 0 or before is not None
        self._newest_first = newest_first
        self._where = ["m.seq > ?", "m.seq < ?"]
        self._values: list[Any] = [_fit(after), _fit(LARGEST if before is None else before)]
        if scope is not None:
            self._where.append("m.scope = ?")
            self._values.append(text(scope))
        if submitted:
            self._where.append(SUBMITTED_SQL)
        self._conditions: Sequence[Condition] = ()
        self._index: TextIndex | None = None
        self.exact = True
        self.unsure: set[int] = set()

    def ask(self, db: Database, tree: Tree | InMailboxes, index: TextIndex | None) -> None:
        """Compile a tree, and find what is unsure."""
        hook = _nothing if index is None else index.condition
        compiler = Compiler(db, record=True, now=clock.now(), indexed=hook)
        self._conditions = compiler.compile_parts(tree)
        self.exact = all(condition.exact for condition in self._conditions)
        if index is not None and any(condition.of_text for condition in self._conditions):
            self._index = index
            where = " AND ".join(self._where)
            # One bound below: of two, an SQLite would begin at the first, and go through all that is indexed.
            low = max(self._values[0], index.done)
            query = f"SELECT m.seq FROM message AS m{self._listed} WHERE {where}"  # noqa: S608
            self.unsure = {seq for (seq,) in db.execute(query, (low, *self._values[1:]))}
            query = f"SELECT m.seq FROM message AS m WHERE {where} AND m.seq = ?"  # noqa: S608
            self.unsure.update(seq for seq in index.partial if db.execute(query, (*self._values, seq)).fetchone())

    def count(self, db: Database) -> int | None:
        """How many fit, where the index alone can say; else None."""
        index = self._index
        if index is None or self.unsure or not all(condition.match for condition in self._conditions):
            return None
        if self._bounded or not index.knows_all(db):
            return None
        matches = [condition.match for condition in self._conditions]
        return index.count(matches, self._scope, submitted=self._submitted)

    def seqs(self, db: Database, *, limit: int | None, skip: int) -> Sequence[int]:
        """All that fit or are unsure, in order."""
        if any(condition.words for condition in self._conditions):
            return self._with_unsure(self._of_words(db, limit, max(_fit(skip), 0)))
        driving = [condition for condition in self._conditions if condition.match]
        others = [condition for condition in self._conditions if not condition.match]
        values = list(self._values)
        direction = "DESC" if self._newest_first else "ASC"
        order = f" ORDER BY m.seq {direction}"
        if driving:
            # In the index's own order. The bounds are those of its rows: with bounds of m, m would be searched by them.
            source = "search.text AS f CROSS JOIN message AS m ON m.seq = f.rowid"
            where = ["f.text MATCH ?", "f.rowid > ?", "f.rowid < ?", *self._where[2:]]
            order = f" ORDER BY f.rowid {direction}"
            values.insert(0, " AND ".join(f"({condition.match})" for condition in driving))
        else:
            source, where = f"message AS m{self._listed}", self._where
        where = [*where, *(condition.sql for condition in others)]
        values += (value for condition in others for value in condition.values)
        if any(condition.of_copy for condition in others):
            source += _COPY
        query = f"SELECT m.seq FROM {source} WHERE {' AND '.join(where)}{order}"  # noqa: S608
        if limit is not None or skip:
            query += " LIMIT ? OFFSET ?"
            values += (LARGEST if limit is None else max(_fit(limit), 0), _fit(max(skip, 0)))
        return self._with_unsure([seq for (seq,) in db.execute(query, values)])

    def _with_unsure(self, found: Sequence[int]) -> Sequence[int]:
        if missing := self.unsure.difference(found):
            return sorted([*found, *missing], reverse=self._newest_first)
        return found

    def _of_words(self, db: Database, limit: int | None, skip: int) -> Sequence[int]:
        """What fits, where ``words`` decides some of it."""
        assert self._index is not None
        if limit is not None:
            wanted = max(_fit(limit), 0) + skip
            found = self._gone_through(db, wanted, _SAMPLE)
            if len(found) == wanted:
                return found[skip:]
            # To go through all until enough is found costs wanted / share, all that fits costs share * total.
            total = max(self._index.done - self._values[0], 0)
            if len(found) ** 2 * total > wanted * _SAMPLE**2:
                return self._gone_through(db, wanted, None)[skip:]
        self._index.lead(db)
        source, where, (led, rest) = _led_by_words(self._conditions)
        inner = "message AS m" + (_COPY if any(condition.of_copy for condition in self._conditions) else "")
        query = f"""SELECT l.seq FROM {source} (SELECT m.seq FROM {inner} WHERE m.seq = f.seq
            AND {" AND ".join([*self._where, *where])} OFFSET 0) AS l ORDER BY l.seq {self._direction}"""  # noqa: S608
        values = [*led, *self._values, *rest]
        if limit is not None:
            query += " LIMIT ? OFFSET ?"
            values += (max(_fit(limit), 0), skip)
        return [seq for (seq,) in db.execute(query, values)]

    def _gone_through(self, db: Database, wanted: int, window: int | None) -> Sequence[int]:
        """The first so many that fit, of the first so many messages."""
        source, values = "message AS m", [*self._values]
        if window is not None:
            where = " AND ".join(self._where)
            source = f"(SELECT m.* FROM {source} WHERE {where} ORDER BY m.seq {self._direction} LIMIT ?) AS m"  # noqa: S608
            values = [*values, window, *values]
        if any(condition.of_copy for condition in self._conditions):
            source += _COPY
        where = " AND ".join([*self._where, *map(_each, self._conditions)])
        values += (value for condition in self._conditions for value in condition.values)
        query = f"SELECT m.seq FROM {source} WHERE {where} ORDER BY m.seq {self._direction} LIMIT ?"  # noqa: S608
        return [seq for (seq,) in db.execute(query, [*values, wanted])]

    @property
    def _direction(self) -> str:
        return "DESC" if self._newest_first else "ASC"


_COPY: Final = """ LEFT JOIN account AS a ON a.scope = m.scope AND a.address = 'all'
    LEFT JOIN mailbox AS b ON b.account = a.id LEFT JOIN copy AS c ON c.mailbox = b.id AND c.uid = m.seq"""


def _each(condition: Condition) -> str:
    """A condition asked of one message after the other. ``OFFSET 0``: it is not turned into a join."""
    if not condition.words:
        return condition.sql
    return f"EXISTS (SELECT 1 FROM words AS w WHERE w.seq = m.seq AND ({condition.words}) OFFSET 0)"  # noqa: S608


def _led_by_words(parts: Sequence[Condition]) -> tuple[str, list[str], tuple[list[Any], list[Any]]]:
    """The rows ``f`` that lead to what fits, the other conditions, and the values of both.

    As an array they are found once, whatever a planner thinks of what they are joined with; and a join LATERAL with an
    ``OFFSET`` has only one order.
    """
    led = [part for part in parts if part.words]
    others = [part for part in parts if not part.words]
    asked = " AND ".join(f"({part.words})" for part in led)
    source = f"unnest(ARRAY(SELECT seq FROM words WHERE {asked})) AS f (seq) CROSS JOIN LATERAL"  # noqa: S608
    values = [value for part in led for value in part.values], [value for part in others for value in part.values]
    return source, [part.sql for part in others], values


class OfMailbox:
    """Which copies in a mailbox fit.

    Attributes:
        exact: whether all that is found fits, but for what is unsure.
        unsure: UIDs of copies that have to be looked at.
    """

    def __init__(self, mailbox: int) -> None:
        self._mailbox = mailbox
        self._conditions: Sequence[Condition] = ()
        self._index: TextIndex | None = None
        self.exact = True
        self.unsure: set[int] = set()

    def ask(self, db: Database, tree: Tree, index: TextIndex | None) -> None:
        """Compile a tree, and find what is unsure."""
        hook = _nothing if index is None else index.condition
        self._conditions = Compiler(db, record=False, now=clock.now(), indexed=hook).compile_parts(tree)
        self.exact = all(condition.exact for condition in self._conditions)
        if index is not None and any(condition.of_text for condition in self._conditions):
            self._index = index
            # and what has header fields of its own
            query = "SELECT uid FROM copy WHERE mailbox = ? AND (message > ? OR prefix != ?)"
            self.unsure = {uid for (uid,) in db.execute(query, (self._mailbox, index.done, b""))}
            query = "SELECT uid FROM copy WHERE message = ? AND mailbox = ?"
            for seq in index.partial:
                self.unsure.update(uid for (uid,) in db.execute(query, (seq, self._mailbox)))

    def uids(self, db: Database) -> Sequence[int]:
        """All that fit or are unsure, ascending."""
        source = "copy AS c JOIN message AS m ON m.seq = c.message"
        if self._index is not None and any(condition.words for condition in self._conditions):
            self._index.lead(db)
            leading, others, (led, rest) = _led_by_words(self._conditions)
            where = " AND ".join(["c.message = f.seq", "c.mailbox = ?", *others])
            query = (
                f"SELECT l.uid FROM {leading} (SELECT c.uid FROM {source} WHERE {where} OFFSET 0) AS l ORDER BY l.uid"  # noqa: S608
            )
            values = [*led, self._mailbox, *rest]
        else:
            where = " AND ".join(["c.mailbox = ?", *(condition.sql for condition in self._conditions)])
            values = [self._mailbox, *(value for condition in self._conditions for value in condition.values)]
            query = f"SELECT c.uid FROM {source if 'm.' in where else 'copy AS c'} WHERE {where} ORDER BY c.uid"  # noqa: S608
        found = [uid for (uid,) in db.execute(query, values)]
        if missing := self.unsure.difference(found):
            found = sorted([*found, *missing])
        return found


def _fit(number: int) -> int:
    return max(min(number, LARGEST), -LARGEST)

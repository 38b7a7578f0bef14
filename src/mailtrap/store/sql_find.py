"""Trees of conditions as SQL.

Each condition becomes an expression, and a note whether it says exactly what its predicate does. One that does not says
"at least these": what it finds is looked at again by the predicate. So both ways give equal results.

In the SQL ``m`` is the message and ``c`` the copy that is tested: the one in the record, which may not be there, or one
of a mailbox. Columns are named so that a store can put others in their place.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from . import conditions, search
from .rows import SUBMITTED, seq_of_id
from .search import And, Not, Or, Tree
from .sql_rows import LARGEST, Database
from .sql_values import flags_column, flags_of, text

_DAY: Final = 86400
_EPOCH: Final = 719163  # the ordinal of 1970-01-01


@dataclass(frozen=True, slots=True)
class Condition:
    """An expression, its values, whether it is exact, and what it needs.

    Attributes:
        of_copy: whether it names ``c``.
        of_text: whether it asks an index that may not know each message.
        match: what the index is asked, where it is nothing but that.
        words: the same as an expression of the table ``words``, where an index leads to the rows that fit.
    """

    sql: str
    values: tuple[Any, ...] = ()
    exact: bool = True
    of_copy: bool = False
    of_text: bool = False
    match: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class InMailboxes:
    """The message has a copy in one of these mailboxes. Takes the place of ``conditions.Filed``."""

    mailboxes: tuple[int, ...]


def of_words(expression: str, values: tuple[Any, ...], *, exact: bool, led: bool = True) -> Condition:
    """A condition that the table ``words`` decides; ``led``: an index leads to what fits."""
    sql = f"m.seq IN (SELECT seq FROM words WHERE {expression})"  # noqa: S608
    return Condition(sql, values, exact, of_text=True, words=expression if led else "")


EVERYTHING: Final = Condition("1 = 1")
ANYTHING: Final = Condition("1 = 1", exact=False)  # no idea
NOTHING: Final = Condition("1 = 0")

TextHook = Callable[[Any], Condition | None]


class Compiler:
    """Compiles trees for one question.

    Args:
        record: whether the copy is the one in the record, where one that is missing counts as read.
        now: seconds since the epoch.
        indexed: gives the condition of one that is about text; None where no index can say.
    """

    def __init__(self, db: Database, *, record: bool, now: float, indexed: TextHook) -> None:
        self._db = db
        self._record = record
        self._now = now
        self._indexed = indexed
        self._flags: list[tuple[str, frozenset[str]]] | None = None

    def compile_parts(self, tree: Tree | InMailboxes) -> Sequence[Condition]:
        """The conditions all of which must hold."""
        return [self.compile(part) for part in (tree.trees if isinstance(tree, And) else (tree,))]

    def compile(self, tree: Tree | InMailboxes) -> Condition:
        """The condition of a tree."""
        match tree:
            case And(trees):
                return self._junction([self.compile(part) for part in trees], " AND ", EVERYTHING)
            case Or(trees):
                return self._junction([self.compile(part) for part in trees], " OR ", NOTHING)
            case Not(part):
                inner = self.compile(part)
                if not inner.exact:
                    return ANYTHING
                return Condition(f"NOT {inner.sql}", inner.values, True, inner.of_copy, inner.of_text)
            case search.All():
                return EVERYTHING
            case search.Flag(name, is_set):
                return self._flag(name, is_set)
            case conditions.Tagged():
                return self._with_flags(lambda flags: any(map(conditions.is_tag, flags)))
            case InMailboxes(mailboxes):
                return self._filed(mailboxes)
            case _:
                return self._of_message(tree) or self._of_copy(tree) or self._indexed(tree) or ANYTHING

    @staticmethod
    def _junction(parts: Sequence[Condition], word: str, empty: Condition) -> Condition:
        if not parts:
            return empty
        if word == " OR " and any(not part.exact and part.sql == ANYTHING.sql for part in parts):
            return ANYTHING
        if all(part.match for part in parts):  # one question to the index
            match = word.join(f"({part.match})" for part in parts)
            return Condition(parts[0].sql, (match,), all(p.exact for p in parts), of_text=True, match=match)
        values = tuple(value for part in parts for value in part.values)
        if all(part.words for part in parts):
            return of_words(word.join(f"({part.words})" for part in parts), values, exact=all(p.exact for p in parts))
        return Condition(
            "(" + word.join(part.sql for part in parts) + ")",
            values,
            all(part.exact for part in parts),
            any(part.of_copy for part in parts),
            any(part.of_text for part in parts),
        )

    # ------------------------------------------------------------ what columns decide

    def _of_message(self, tree: Any) -> Condition | None:
        match tree:
            case conditions.CameBy(origin):
                return Condition("m.origin = ?", (origin,))
            case conditions.InScope(scope):
                return Condition("m.scope = ?", (text(scope),))
            case conditions.OfSession(session):
                return Condition("coalesce(m.session = ?, 1 = 0)", (text(session),))
            case conditions.ReceivedBefore(moment):
                return Condition("m.received_at < ?", (moment,))
            case conditions.ReceivedSince(moment):
                return Condition("m.received_at >= ?", (moment,))
            case conditions.After(seq, ""):
                return Condition("m.seq > ?", (_fit(seq),))
            case search.Numbered(number):
                return Condition("(m.seq & 8388607) = ?", (number & 8388607,), exact=False)
            case search.OfMessage(id_):
                return Condition("m.seq = ?", (seq_of_id(id_) or 0,), exact=False)
        return None

    def _of_copy(self, tree: Any) -> Condition | None:
        size = "m.served_size" if self._record else "c.size"
        date = "coalesce(c.internal_date, m.received_at)" if self._record else "c.internal_date"
        saved = "coalesce(c.save_date, m.received_at)" if self._record else "c.save_date"
        uid = "m.seq" if self._record else "c.uid"
        match tree:
            case search.Larger(octets):
                return self._copy(f"{size} > ?", _fit(octets))
            case search.Smaller(octets):
                return self._copy(f"{size} < ?", _fit(octets))
            case search.Older(seconds):
                return self._copy(f"{date} < ?", self._now // 1 - seconds + 1)
            case search.Younger(seconds):
                return self._copy(f"{date} >= ?", self._now // 1 - seconds)
            case search.ModSeq(modseq):
                return self._copy(f"{'coalesce(c.modseq, 0)' if self._record else 'c.modseq'} >= ?", _fit(modseq))
            case search.Uids(ranges) if len(ranges) <= 50:
                bounds = [sorted(pair) for pair in ranges]
                parts = [self._copy(f"{uid} BETWEEN ? AND ?", _fit(low), _fit(high)) for low, high in bounds]
                return self._junction(parts, " OR ", NOTHING)
            case search.Before(day):
                return self._copy(f"{date} < ?", _start(day))
            case search.On(day):
                return self._copy(f"({date} >= ? AND {date} < ?)", _start(day), _start(day) + _DAY)
            case search.Since(day):
                return self._copy(f"{date} >= ?", _start(day))
            case search.SavedBefore(day):
                return self._copy(f"{saved} < ?", _start(day))
            case search.SavedOn(day):
                return self._copy(f"({saved} >= ? AND {saved} < ?)", _start(day), _start(day) + _DAY)
            case search.SavedSince(day):
                return self._copy(f"{saved} >= ?", _start(day))
        return None

    @staticmethod
    def _copy(sql: str, *values: Any) -> Condition:
        return Condition(sql, values, of_copy="c." in sql)

    # ------------------------------------------------------------ flags

    def _flag(self, name: str, is_set: bool) -> Condition:
        column = {"\\seen": "seen", "\\deleted": "deleted"}.get(name.lower())
        if column is None:
            lower = name.lower()
            found = self._with_flags(lambda flags: any(flag.lower() == lower for flag in flags))
        elif self._record:  # what is hidden there counts as read
            found = Condition(f"coalesce(c.{column}, {'1 = 1' if column == 'seen' else '1 = 0'})", of_copy=True)
        else:
            found = Condition(f"c.{column}", of_copy=True)
        return found if is_set else Condition(f"NOT {found.sql}", found.values, True, found.of_copy)

    def _with_flags(self, fits: Callable[[frozenset[str]], bool]) -> Condition:
        """The copies whose flags fit: as the sets that are in use, of which there are few."""
        if self._flags is None:
            query = "SELECT DISTINCT mailbox, flags FROM copy WHERE flags != ''"
            self._flags = [(column, flags_of(column)) for column in {flags for _, flags in self._db.execute(query)}]
        wanted = [column for column, flags in self._flags if fits(flags)]
        if not self._record:
            return self._among("c.flags", (), wanted)
        if fits(frozenset({"\\Seen"})) and _SEEN not in wanted:
            wanted.append(_SEEN)
        return self._among("coalesce(c.flags, ?)", (_SEEN,), wanted)

    @staticmethod
    def _among(flags: str, values: tuple[Any, ...], wanted: Sequence[str]) -> Condition:
        if not wanted:
            return NOTHING
        marks = ", ".join("?" * len(wanted))
        return Condition(f"{flags} IN ({marks})", (*values, *wanted), of_copy=True)

    @staticmethod
    def _filed(mailboxes: Sequence[int]) -> Condition:
        if not mailboxes:
            return NOTHING
        marks = ", ".join("?" * len(mailboxes))
        return Condition(f"m.seq IN (SELECT message FROM copy WHERE mailbox IN ({marks}))", tuple(mailboxes))  # noqa: S608


_SEEN: Final = flags_column(frozenset({"\\Seen"}))


SUBMITTED_SQL: Final = "m.origin IN (" + ", ".join(f"'{origin}'" for origin in sorted(SUBMITTED)) + ")"


def _start(day: Any) -> int:
    return int((day.toordinal() - _EPOCH) * _DAY)


def _fit(number: int) -> int:
    return max(min(number, LARGEST), -LARGEST)

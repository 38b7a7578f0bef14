"""Conditions on text, as questions to the full-text index."""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from ..message.collation import folded
from . import conditions, search
from .rows import SUBMITTED
from .sql_find import NOTHING, Condition
from .sql_values import text as sql_text
from .sqlite_index import OF_HEADER, Index, mark
from .terms import phrases

_AT_ONCE: Final = 300  # phrases in one question
_MOST: Final = 40  # questions for one condition
_WORDS: Final = (*OF_HEADER, "bcc", "body", "names", "recipients")


class TextConditions:
    """The index, as one reader asks it.

    Args:
        db: a connection that has the index attached as ``search``, and is in a transaction.

    Attributes:
        done: messages up to this ``seq`` are in the index.
        partial: those of them that are not wholly in it.
    """

    def __init__(self, db: sqlite3.Connection, index: Index) -> None:
        self._db = db
        self._index = index
        (self.done,) = db.execute("SELECT done FROM search.state").fetchone()
        self.partial = frozenset(seq for (seq,) in db.execute("SELECT seq FROM search.partial"))

    def condition(self, tree: Any) -> Condition | None:
        """The condition of a tree of one node; None where the index cannot say."""
        match tree:
            case conditions.Words(text):
                # there any white space counts as one space, as it does in the index
                return self._contains(_WORDS, " ".join(folded(text).split()), spaces=True)
            case search.HeaderContains(_, text) | search.Text(text) if "\n" in text:
                return None  # it may reach from one field into another
            case search.HeaderContains(name, text) if text:
                column = name.lower()
                if column in OF_HEADER or column == "bcc":
                    return self._contains((column,), folded(text), exact=column != "bcc")
                return self._contains(("header",), folded(text), exact=False)
            case search.HeaderContains(name, "") if name and name.isascii():
                return self._contains(("header",), f"{name.lower()}:", exact=False)
            case search.Text(text):
                return self._contains(("header", "body"), folded(text))
            case search.Body(text):
                return self._contains(("body",), folded(text))
            case conditions.EnvelopeFrom(text) if text != "<>":
                return self._contains(("mail_from",), folded(text))
            case conditions.EnvelopeTo(text):
                return self._contains(("recipients",), folded(text))
            case conditions.Blind(text):
                return self._contains(("bcc",), folded(text))
            case conditions.Attached(inline):
                return self._matching(f"marks : {mark('h', 'inline' if inline else 'attachment')}", exact=True)
        return None

    def knows_all(self, db: Any) -> bool:
        """Whether exactly the messages that are there are in it."""
        documents, dead = db.execute(
            "SELECT documents, (SELECT count(*) FROM search.dead) FROM search.state"
        ).fetchone()
        (messages,) = db.execute("SELECT coalesce(sum(messages), 0) FROM scope").fetchone()
        return bool(documents == messages and not dead)

    def lead(self, db: Any) -> None:
        """Nothing: what matches always leads."""

    def count(self, matches: Sequence[str], scope: str | None, *, submitted: bool) -> int:
        """How many messages fit all questions."""
        asked = [f"({match})" for match in matches]
        query = "SELECT name, messages, submitted FROM scope WHERE messages > 0"
        there = self._db.execute(query).fetchall()  # what all messages have need not be asked
        if scope is not None and any(name != sql_text(scope) for name, _, _ in there):
            asked.append(f"(marks : {mark('s', scope)})")
        if submitted and any(messages != listed for _, messages, listed in there):
            asked.append(f"(marks : ({' OR '.join(mark('o', origin) for origin in sorted(SUBMITTED))}))")
        query = "SELECT count(*) FROM search.text WHERE text MATCH ?"
        (number,) = self._db.execute(query, (" AND ".join(asked),)).fetchone()
        return int(number)

    def _contains(
        self, columns: Sequence[str], text: str, *, exact: bool = True, spaces: bool = False
    ) -> Condition | None:
        if not spaces and any(map(str.isspace, text)):
            exact = False
        asked = phrases(text, lambda part, where: self._index.containing(self._db, self.done, part, where))
        if asked is None or len(asked.phrases) > _MOST * _AT_ONCE:
            return None
        if not asked.phrases:
            return Condition(NOTHING.sql, of_text=True)
        names = " ".join(f'"{column}"' for column in columns)
        exact = exact and asked.exact
        found = [
            self._matching(f"{{{names}}} : ({' OR '.join(asked.phrases[start : start + _AT_ONCE])})", exact)
            for start in range(0, len(asked.phrases), _AT_ONCE)
        ]
        if len(found) == 1:
            return found[0]
        values = tuple(value for part in found for value in part.values)
        return Condition(f"({' OR '.join(part.sql for part in found)})", values, exact, of_text=True)

    @staticmethod
    def _matching(question: str, exact: bool) -> Condition:
        sql = "m.seq IN (SELECT rowid FROM search.text WHERE text MATCH ?)"
        return Condition(sql, (question,), exact, of_text=True, match=question)

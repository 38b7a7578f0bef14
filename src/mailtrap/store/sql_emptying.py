"""Taking away all messages, or all of a scope: statements of which there are as many as mailboxes, not as messages.

A thread that does it, and the writer is one, would hold up everybody else for as long as it walks over rows in Python.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

from .. import limits
from .rows import ALL, SUBMITTED, Tally
from .sql_directory import Box, Directory, Retry
from .sql_rows import Database
from .sql_values import text, untext

_ORIGINS: Final = "origin IN (" + ", ".join(f"'{origin}'" for origin in sorted(SUBMITTED)) + ")"
_TOTALS: Final = """SELECT coalesce(CAST(sum(messages) AS BIGINT), 0), coalesce(CAST(sum(submitted) AS BIGINT), 0)
    FROM scope"""
_LOST: Final = f"""SELECT mailbox, count(*), count(*) FILTER (WHERE NOT seen),
    count(*) FILTER (WHERE NOT seen AND {_ORIGINS}), count(*) FILTER (WHERE deleted),
    CAST(sum(copy.size) AS BIGINT), coalesce(CAST(sum(copy.size) FILTER (WHERE deleted) AS BIGINT), 0)
    FROM message JOIN copy ON copy.message = message.seq"""  # noqa: S608
_COUNTED: Final = f"""SELECT scope, count(*), CAST(sum(size) AS BIGINT), count(*) FILTER (WHERE {_ORIGINS}),
    coalesce(CAST(sum(size) FILTER (WHERE {_ORIGINS}) AS BIGINT), 0) FROM message"""  # noqa: S608
# UIDs that follow each other have the same distance from their place in the order
_RANGES: Final = """INSERT INTO vanished SELECT CAST(? AS BIGINT), CAST(? AS BIGINT), min(uid), max(uid) FROM
    (SELECT uid, uid - row_number() OVER (ORDER BY uid) AS run FROM copy WHERE mailbox = ?{}) AS gone GROUP BY run"""


class _Asked(NamedTuple):
    """Messages that are to go.

    Attributes:
        condition: of their rows, with its values.
        everything: no message stays, and nobody else writes: nothing has to be looked for.
    """

    condition: str
    values: tuple[Any, ...]
    everything: bool

    @property
    def copies(self) -> str:
        """The condition of their copies."""
        return f"message IN (SELECT seq FROM message WHERE {self.condition})"  # noqa: S608


class Emptying(Directory):
    """What a job does with all messages at once.

    Attributes:
        removed: seqs of messages that are taken away.
    """

    def __init__(self, db: Database, born: int) -> None:
        super().__init__(db, born)
        self.removed: set[int] = set()

    def remove_all(self, scope: str | None, *, submitted: bool, held: Collection[int] = ()) -> int:
        """Take away all messages, of one scope or of all; how many there were.

        Args:
            held: mailboxes that are to be held too, because the job does more.
        """
        asked = self._asked(scope, submitted=submitted)
        places = self._places(asked)
        self.hold(places | {*held})
        if self.LOCKING and not self._boxes.keys() >= self._places(asked):  # copied before the mailboxes were held
            raise Retry
        _ = self.head  # held: no message that is on its way names a session that is taken away here
        query = f"SELECT seq FROM message WHERE {asked.condition}"  # noqa: S608
        gone = {seq for (seq,) in self.db.execute(query, asked.values)}
        if not gone:
            return 0
        if asked.everything:
            self._take_everything(places)
        else:
            self._take_those(asked)
        self.tell()
        self.removed |= gone
        return len(gone)

    def _asked(self, scope: str | None, *, submitted: bool) -> _Asked:
        total, total_submitted = self.db.execute(_TOTALS).fetchone()
        counts = total, total_submitted
        conditions = []
        values: tuple[Any, ...] = ()
        if scope is not None:
            conditions.append("message.scope = ?")
            values = (text(scope),)
            counts = self.db.execute(f"{_TOTALS} WHERE name = ?", values).fetchone()
        if submitted:
            conditions.append(f"message.{_ORIGINS}")
        # what comes while this job waits for locks is not meant
        (last,) = self.db.execute("SELECT coalesce(max(seq), 0) FROM message").fetchone()
        everything = not self.LOCKING and counts[submitted] == total
        return _Asked(" AND ".join([*conditions, "message.seq <= ?"]), (*values, last), everything)

    def _places(self, asked: _Asked) -> set[int]:
        """The mailboxes with copies."""
        if asked.everything:
            return {id_ for (id_,) in self.db.execute("SELECT id FROM mailbox WHERE messages > 0")}
        found = self.db.execute(f"SELECT DISTINCT mailbox FROM copy WHERE {asked.copies}", asked.values)  # noqa: S608
        return {id_ for (id_,) in found}

    def _take_everything(self, places: Collection[int]) -> None:
        for mailbox in places:
            box = self.box(mailbox)
            self._vanish(box, "", ())
            box.messages = box.unseen = box.deleted = box.size = box.deleted_size = 0
        columns = ", ".join(f"-{name}" for name in Tally._fields[:5])
        for scope, *counts in self.db.execute(f"SELECT name, {columns} FROM scope WHERE messages > 0").fetchall():  # noqa: S608
            self.count(untext(scope), Tally(*counts))
        for table in ("copy", "body", "message", "session"):  # with no condition pages are given up and not looked at
            self.db.execute(f"DELETE FROM {table}")  # noqa: S608

    def _take_those(self, asked: _Asked) -> None:
        condition, values = asked.condition, asked.values
        lost = self.db.execute(f"{_LOST} WHERE {condition} GROUP BY mailbox", values).fetchall()
        for mailbox, number, unseen, unread, deleted, size, deleted_size in lost:
            box = self.box(mailbox)
            self._vanish(box, f" AND {asked.copies}", values)
            box.messages -= number
            box.unseen -= unseen
            box.deleted -= deleted
            box.size -= size
            box.deleted_size -= deleted_size
            if box.key.address == ALL:
                self.count(box.key.scope, Tally(unread=-unread))
        for scope, *counts in self.db.execute(f"{_COUNTED} WHERE {condition} GROUP BY scope", values).fetchall():
            self.count(untext(scope), Tally(*(-count for count in counts)))
        self.db.execute(f"DELETE FROM copy WHERE {asked.copies}", values)  # noqa: S608
        self.db.execute(
            f"""DELETE FROM session
                WHERE id IN (SELECT message.session FROM message WHERE message.session IS NOT NULL AND {condition})
                AND NOT EXISTS (SELECT 1 FROM message WHERE message.session = session.id AND NOT ({condition}))""",  # noqa: S608
            (*values, *values),
        )
        self._drop_bodies(f"SELECT seq FROM message WHERE {condition}", values)  # noqa: S608
        self.db.execute(f"DELETE FROM message WHERE {condition}", values)  # noqa: S608

    def _vanish(self, box: Box, condition: str, values: tuple[Any, ...]) -> None:
        """Note the UIDs of copies that are about to go."""
        self.db.execute(_RANGES.format(condition), (box.id, self._bump(box), box.id, *values))
        self.forget_ranges(box)

    def forget_ranges(self, box: Box) -> None:
        """Remember no more vanished UIDs than there is room for."""
        (count,) = self.db.execute("SELECT count(*) FROM vanished WHERE mailbox = ?", (box.id,)).fetchone()
        if (over := count - limits.VANISHED_RANGES) > 0:
            query = "SELECT modseq FROM vanished WHERE mailbox = ? ORDER BY modseq, first LIMIT 1 OFFSET ?"
            (box.forgotten,) = self.db.execute(query, (box.id, over - 1)).fetchone()
            self.db.execute("DELETE FROM vanished WHERE mailbox = ? AND modseq <= ?", (box.id, box.forgotten))

    def _drop_bodies(self, seqs: str, values: Sequence[Any]) -> None:
        """Take the bytes away of messages that still are there: ``seqs`` is a list of marks, or a query."""
        raise NotImplementedError

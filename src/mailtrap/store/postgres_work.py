"""What differs in PostgreSQL from how other stores that speak SQL write: others write at the same time.

A group of deliveries is one transaction. It inserts the bytes first, while it holds no lock; then it locks what it
touches in the one order that ``sql_directory`` tells; ``head`` comes last and is held until the commit, so that ``seq``
has no gaps and rises in the order of commits, over all servers. Then the rows, a few hundred octets each, go in one go
with the notification and the commit.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from .directory import canonical
from .hints import Outcome
from .postgres_connections import Database
from .rows import ALL, INBOX, Delivery, Key, MessageRow
from .sql_directory import Account, Retry
from .sql_rows import Rows
from .sql_values import text
from .sql_work import Work

CHANNEL: Final = "mailtrap"
Bodies = Mapping[int, Sequence[int]]  # by id() of the delivery, which may be given more than once
_PAYLOAD: Final = 7_900  # octets of a notification, which may have 7,999
_PLACES: Final = """
    SELECT wanted.number, account.id, account.quota, account.message_quota, mailbox.id, mailbox.selectable
    FROM unnest(CAST(? AS TEXT[]), CAST(? AS TEXT[]), CAST(? AS TEXT[])) WITH ORDINALITY
        AS wanted (scope, address, name, number)
    LEFT JOIN account ON account.scope = wanted.scope AND account.address = wanted.address
    LEFT JOIN mailbox ON mailbox.account = account.id AND mailbox.name = wanted.name
"""


class PostgresWork(Work):
    """One transaction's changes.

    Args:
        server: whose work it is: it does not listen to its own notifications.
        bodies: the numbers of the bytes that are inserted already.
    """

    HEAD = "head"
    UIDVALIDITY = "directory"
    LOCKING = True

    def __init__(self, db: Database, rows: Rows, born: int, server: str, bodies: Bodies | None = None) -> None:
        super().__init__(db, rows, born)
        self._connection = db
        self._server = server
        self._bodies = {} if bodies is None else {id_: list(numbers) for id_, numbers in bodies.items()}

    def end(self, result: Any) -> Outcome:
        """Write what changed, tell the other servers, and commit."""
        unused = [(number,) for numbers in self._bodies.values() for number in numbers]  # of what was not taken in
        with self._connection.together():
            self.db.executemany("DELETE FROM body WHERE id = ?", unused)
            outcome = super().end(result)
            if outcome.tell:
                told = [(CHANNEL, payload) for payload in payloads(self._server, outcome)]
                self.db.executemany("SELECT pg_notify(?, ?)", told)
            self.db.execute("COMMIT")
        return outcome

    def _keep(self, row: MessageRow, delivery: Delivery) -> None:
        self._messages.append((*self._columns(row), self._bodies[id(delivery)].pop()))

    def _drop_bodies(self, seqs: str, values: Sequence[Any]) -> None:
        self.db.execute(f"DELETE FROM words WHERE seq IN ({seqs})", values)  # noqa: S608
        self.db.execute(f"DELETE FROM body WHERE id IN (SELECT body FROM message WHERE seq IN ({seqs}))", values)  # noqa: S608

    # ------------------------------------------------------------ groups

    def hold_places(self, batches: Sequence[Sequence[Delivery]], *, directory: bool) -> None:
        """Lock all that deliveries go to; the directory too where something has to be made.

        Args:
            directory: hold it from the beginning.

        Raises:
            Retry: a mailbox was renamed or taken away before it was locked; with the directory held it cannot be.
        """
        wanted = {
            (target.account, canonical(target.mailbox)): None
            for batch in batches
            for delivery in batch
            for target in delivery.targets
        }
        wanted |= {(Key(delivery.scope, ALL), INBOX): None for batch in batches for delivery in batch}
        if directory:
            self.hold_directory()
        found = self._find_places(list(wanted))
        if not directory and len(found) < len(wanted):
            self.hold_directory()
            found = self._find_places(list(wanted))
            directory = True
        replaced = [mailbox for batch in batches for delivery in batch for mailbox, _ in delivery.replaces]
        self.hold_quotas(account.id for account, _ in found.values() if account[1:] != (None, None))
        self.hold([*replaced, *(mailbox for _, mailbox in found.values())])
        if not directory:
            for (_, name), (account, mailbox) in found.items():
                box = self._boxes.get(mailbox)
                if box is None or (box.account, box.name) != (account.id, name) or not box.selectable:
                    raise Retry

    def _find_places(self, wanted: Sequence[tuple[Key, str]]) -> dict[tuple[Key, str], tuple[Account, int]]:
        """Those mailboxes that are there and can be selected."""
        columns = (
            [text(key.scope) for key, _ in wanted],
            [text(key.address) for key, _ in wanted],
            [text(name) for _, name in wanted],
        )
        found = {}
        for number, account, quota, message_quota, mailbox, selectable in self.db.execute(_PLACES, columns):
            place = wanted[number - 1]
            if account is not None:
                self._accounts[place[0]] = Account(account, quota, message_quota)
                if selectable:
                    found[place] = self._accounts[place[0]], mailbox
        return found


def insert_bodies(db: Database, batches: Sequence[Sequence[Delivery]]) -> Bodies:
    """Insert the bytes of deliveries."""
    deliveries = [delivery for batch in batches for delivery in batch]
    with db.together():
        cursors = [
            db.execute("INSERT INTO body (raw) VALUES (?) RETURNING id", (delivery.raw,)) for delivery in deliveries
        ]
    bodies: dict[int, list[int]] = {}
    for delivery, cursor in zip(deliveries, cursors, strict=True):
        bodies.setdefault(id(delivery), []).extend(cursor.fetchone() or ())
    return bodies


def payloads(server: str, outcome: Outcome) -> list[str]:
    """What an outcome is as notifications: JSON in ASCII, of whom, the seq, mailboxes and accounts."""
    parts: list[tuple[dict[int, int], list[Key]]] = [({}, [])]
    room = _PAYLOAD - 60
    left = room
    for number, modseq in outcome.mailboxes.items():
        if (left := left - 44) < 0:  # two numbers of 19 digits at most
            parts.append(({}, []))
            left = room - 44
        parts[-1][0][number] = modseq
    for key in outcome.accounts:
        size = len(json.dumps(key)) + 2
        if size > room:
            continue  # no name that a mail program can give; a hint that is not sent costs time only
        if (left := left - size) < 0:
            parts.append(({}, []))
            left = room - size
        parts[-1][1].append(key)
    return [json.dumps([server, outcome.seq, *part], separators=(",", ":")) for part in parts]

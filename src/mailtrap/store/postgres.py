"""The store in a PostgreSQL database, which several servers may share.

Deliveries that wait are one transaction (``postgres_writer``). Other changes, and what reads, take a connection of a
bounded pool each. Every server hears of what the others commit (``postgres_listener``). While the database is away
every method raises ``StoreError``, and works again as soon as it is back.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg

from .. import limits
from ..errors import StoreError
from .base import SubmitDone
from .hints import Outcome
from .postgres_connections import Database, Pool, connect, with_defaults
from .postgres_index import Index, TextConditions, compress_faster, make_trigrams
from .postgres_listener import Listener
from .postgres_locks import Maildrops
from .postgres_schema import prepare
from .postgres_work import Bodies, PostgresWork
from .postgres_writer import PostgresWriter, as_store_error
from .rows import Delivery, MessageRow, Receipt
from .sql_directory import Retry
from .sql_store import SQLStore
from .sql_work import Work
from .writer import Job

_ATTEMPTS: Final = 10  # at a command that others got in the way of
_READ: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"


class PostgresStore(SQLStore):
    """Mail kept in a database.

    Args:
        url: ``postgresql://...`` as libpq takes it.

    Raises:
        ConfigError: the URL is none.
        StoreError: the database cannot be reached, cannot hold mail, or its schema ``mailtrap`` is not ours or newer
            than we are; it is left as it is.
    """

    HEAD = "SELECT head FROM head"
    RAW = "SELECT raw FROM body JOIN message ON message.body = body.id WHERE seq = ?"

    def __init__(self, url: str) -> None:
        super().__init__()
        self._server = os.urandom(8).hex()
        conninfo = with_defaults(url)

        def new() -> Database:
            return connect(conninfo)

        try:
            db = new()
        except psycopg.Error as error:
            raise as_store_error(error, "be opened") from error
        try:
            prepare(db)
            make_trigrams(db)
            compress_faster(db)
            (self._life,) = db.one("SELECT life FROM state")
            self._listener = Listener(new, self._server, self._teller)
        except BaseException as error:
            db.close()
            if isinstance(error, psycopg.Error):
                raise as_store_error(error, "be opened") from error
            raise
        self._pool = Pool(new, db)
        self._maildrops = Maildrops(new)
        self._writer = PostgresWriter(new, self._work, self._teller, lambda error: self.report(error))

        self._index = Index(new, self._after, lambda error: self.report(error))
        self._teller.subscribe(self._index.wake)
        with self._read() as reader:
            if reader.one("SELECT done < head FROM indexed, head") == (True,):
                self._index.wake()

    def _work(self, db: Database, bodies: Bodies | None = None) -> PostgresWork:
        return PostgresWork(db, self._rows, self._born, self._server, bodies)

    @contextmanager
    def _read(self, *, once: bool = False) -> Iterator[Database]:
        try:
            with self._pool.begin(None if once else _READ) as db:
                yield db
        except (psycopg.Error, OverflowError) as error:
            raise as_store_error(error, "read") from error

    def _write(self, function: Callable[[Work], Any]) -> Any:
        for _ in range(_ATTEMPTS):
            try:
                with self._pool.begin("BEGIN") as db:
                    work = self._work(db)
                    outcome: Outcome = work.end(function(work))
            except (Retry, psycopg.errors.TransactionRollback):
                continue
            except (psycopg.Error, OverflowError) as error:
                raise as_store_error(error, "write") from error
            if outcome.tell:
                self._teller.tell([outcome])
            return outcome.result
        raise StoreError("others changed it at the same time, again and again")

    # ------------------------------------------------------------ deliveries

    def submit(self, batch: Sequence[Delivery], done: SubmitDone) -> None:
        def finish(receipts: list[Receipt] | None, error: Exception | None) -> None:
            if receipts is None:
                done(None, error)
            else:
                self._rows.keep(receipt.message for receipt in receipts)
                done(receipts, None)

        self._writer.put(Job(self._known(batch), finish))

    def deliver(self, delivery: Delivery) -> Receipt:
        receipts = self._writer.run(self._known([delivery]))
        self._rows.keep(receipt.message for receipt in receipts)
        receipt: Receipt = receipts[0]
        return receipt

    def _known(self, batch: Sequence[Delivery]) -> Sequence[Delivery]:
        for delivery in batch:
            if delivery.session is not None:
                self._rows.know(delivery.session)
        return batch

    # ------------------------------------------------------------ searching

    def _after(self, db: Database, seq: int, limit: int) -> Sequence[tuple[MessageRow, bytes]]:
        """Messages after a ``seq``, with their bytes, not more than a few large ones."""
        seqs, octets = [], 0
        for number, size in db.execute(
            "SELECT seq, size FROM message WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit)
        ):
            seqs.append(number)
            if (octets := octets + size) > limits.INDEXED_AT_ONCE:
                break
        rows = self._rows.messages(db, seqs, committed=True)
        found = [(rows[number], self._raw(db, number)) for number in seqs if number in rows]
        return [(row, raw) for row, raw in found if raw is not None]

    def _text_conditions(self, db: Any) -> TextConditions:
        return TextConditions(db)

    # ------------------------------------------------------------ the rest

    def life(self) -> str:
        return str(self._life)

    def delete_mailbox(self, mailbox: int) -> None:
        super().delete_mailbox(mailbox)
        self._maildrops.unlock(mailbox)

    def lock_maildrop(self, mailbox: int, owner: str) -> bool:
        self.mailbox_row(mailbox)
        return self._maildrops.lock(mailbox, owner)

    def unlock_maildrop(self, mailbox: int, owner: str) -> None:
        self._maildrops.unlock(mailbox, owner)

    def close(self) -> None:
        self._index.close()
        self._writer.close()
        self._listener.close()
        self._teller.close()
        self._pool.close()
        self._maildrops.close()

"""The store in an SQLite file.

Whatever waits to be written is one transaction, so deliveries share the price of a commit that reached the disk (WAL,
``synchronous = FULL``). Readers have connections of their own, each reads one moment, and none waits for the writer.

Several processes may have one file open: what they read and write is right. Hints and the locks of maildrops are of one
process only.
"""

import os
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Final

from .. import limits
from ..errors import StoreError
from .base import SubmitDone
from .hints import Outcome
from .rows import Delivery, MessageRow, Receipt
from .sql_rows import LARGEST, Database
from .sql_store import SQLStore
from .sql_work import Work
from .sqlite_bodies import Packer, unpack
from .sqlite_index import Index
from .sqlite_schema import connect, prepare
from .sqlite_search import TextConditions
from .sqlite_work import Known, SQLiteWork
from .sqlite_writer import SQLiteWriter
from .writer import Job

_IDLE: Final = 8  # connections kept for readers


class SQLiteStore(SQLStore):
    """Mail kept in a file.

    Args:
        path: of the file; it is made when there is none.
        compress: keep large mail compressed. What is there already is read in either form, and stays in its own.

    Raises:
        ConfigError: it is to compress, and the library for that is missing.
        StoreError: the file is not ours, newer than we are, damaged, or cannot be opened; it is left as it is.
    """

    HEAD = "SELECT head FROM state"
    RAW = "SELECT raw, form FROM body WHERE seq = ?"
    LISTED = " INDEXED BY message_list"

    def __init__(self, path: str | Path, *, compress: bool = False) -> None:
        super().__init__()
        self._path = os.path.abspath(path)  # noqa: PTH100  it is the same file wherever the program goes to
        self._packer = Packer() if compress else None
        self._lock = Lock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        self._locks: dict[int, str] = {}
        self._index: Index | None = None
        prepare(self._path)
        self._writer = SQLiteWriter(
            lambda: connect(self._path), self._work, self._teller, lambda error: self.report(error)
        )
        with self._read() as db:
            (self._life,) = db.execute("SELECT life FROM state").fetchone()
        with self._read(once=True) as db:
            db.execute("BEGIN IMMEDIATE")  # one process at a time makes an index, or throws another's away
            index = Index(f"{self._path}-search", self._life, self._after, lambda error: self.report(error))
        for db in self._idle:  # they do not see the index
            db.close()
        self._idle.clear()
        self._index = index
        self._index.wake()

    # ------------------------------------------------------------ reading and writing

    @contextmanager
    def _read(self, *, once: bool = False) -> Iterator[sqlite3.Connection]:
        """One moment of the store, in a connection that nobody else uses meanwhile."""
        with self._lock:
            if self._closed:
                raise StoreError("the store is closed")
            db = self._idle.pop() if self._idle else None
        try:
            if db is None:
                db = self._connect()
            if not once:
                db.execute("BEGIN")
            yield db
        except (sqlite3.Error, OverflowError) as error:
            raise StoreError(f"the store could not read: {error}") from error
        finally:
            if db is not None:
                self._give_back(db)

    def _connect(self) -> sqlite3.Connection:
        db = connect(self._path)
        if self._index is not None and self._index.usable:
            try:
                db.execute("ATTACH ? AS search", (os.fsencode(self._index.path),))  # which may be no UTF-8
            except sqlite3.Error as error:
                self._index.broke(error)
        return db

    def _give_back(self, db: sqlite3.Connection) -> None:
        try:
            if db.in_transaction:
                db.execute("ROLLBACK")
        except sqlite3.Error as error:
            db.close()
            self.report(error)
            return
        with self._lock:
            keep = not self._closed and len(self._idle) < _IDLE
            if keep:
                self._idle.append(db)
        if not keep:
            db.close()

    def _work(self, db: sqlite3.Connection, known: Known | None = None) -> SQLiteWork:
        return SQLiteWork(db, self._rows, self._born, known)

    def _write(self, function: Callable[[Work], Any]) -> Any:
        """Run a function as one command and wait until it is committed."""

        def run(db: sqlite3.Connection) -> Outcome:
            work = self._work(db)
            return work.end(function(work))

        return self._writer.run(run)

    def close(self) -> None:
        if self._index is not None:
            self._index.close()
        if self._packer is not None:
            self._packer.close()
        self._writer.close()
        self._teller.close()
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for db in idle:
            db.close()

    def _raw(self, db: Database, seq: int) -> bytes | None:
        found = db.execute(self.RAW, (min(seq, LARGEST),)).fetchone()
        return None if found is None else unpack(*found)

    # ------------------------------------------------------------ deliveries

    def submit(self, batch: Sequence[Delivery], done: SubmitDone) -> None:
        def finish(receipts: list[Receipt] | None, error: Exception | None) -> None:
            if receipts is None:
                done(None, error)
            else:
                self._rows.keep(receipt.message for receipt in receipts)
                self._woken()
                done(receipts, None)

        if self._packer is None:
            self._writer.put(Job(self._met(batch), finish))
        else:
            self._packer.hand(
                self._met(batch), lambda packed: self._writer.put(Job(packed, finish)), lambda error: done(None, error)
            )

    def deliver(self, delivery: Delivery) -> Receipt:
        batch = self._met([delivery])
        receipts = self._writer.run(batch if self._packer is None else self._packer.pack(batch))
        self._rows.keep(receipt.message for receipt in receipts)
        self._woken()
        receipt: Receipt = receipts[0]
        return receipt

    def _met(self, batch: Sequence[Delivery]) -> Sequence[Delivery]:
        for delivery in batch:
            if delivery.session is not None:
                self._rows.know(delivery.session)
        return batch

    # ------------------------------------------------------------ the full-text index

    def _woken(self) -> None:
        if self._index is not None:
            self._index.wake()

    def _forget(self, seqs: Collection[int]) -> None:
        super()._forget(seqs)
        if self._index is not None:
            self._index.forget(seqs)

    def _after(self, seq: int, limit: int) -> Sequence[tuple[MessageRow, bytes]]:
        """Messages after a ``seq``, with their bytes, not more than a few large ones."""
        raws: dict[int, bytes] = {}
        octets = 0
        with self._read() as db:
            query = "SELECT seq, raw, form FROM body WHERE seq > ? ORDER BY seq LIMIT ?"
            for number, kept, form in db.execute(query, (seq, limit)):
                raws[number] = raw = unpack(kept, form)
                if (octets := octets + len(raw)) > limits.INDEXED_AT_ONCE:
                    break
            rows = self._rows.messages(db, raws, committed=True)
        return [(rows[number], raw) for number, raw in raws.items() if number in rows]

    def _text_conditions(self, db: sqlite3.Connection) -> TextConditions | None:
        index = self._index
        if index is None or not index.usable:
            return None
        try:
            return TextConditions(db, index)
        except sqlite3.Error as error:
            index.broke(error)
            return None

    # ------------------------------------------------------------ the rest

    def life(self) -> str:
        return str(self._life)

    def delete_mailbox(self, mailbox: int) -> None:
        super().delete_mailbox(mailbox)
        with self._lock:
            self._locks.pop(mailbox, None)

    def lock_maildrop(self, mailbox: int, owner: str) -> bool:
        self.mailbox_row(mailbox)
        with self._lock:
            return self._locks.setdefault(mailbox, owner) == owner

    def unlock_maildrop(self, mailbox: int, owner: str) -> None:
        with self._lock:
            if self._locks.get(mailbox) == owner:
                del self._locks[mailbox]

"""The locks of maildrops (RFC 1939, 4), over all servers on one database.

Each is an advisory lock of a connection that is there for nothing else: when its server dies, however it dies, the
database ends the connection, and the lock is free.
"""

from collections.abc import Callable
from threading import Lock

import psycopg

from ..errors import StoreError
from .postgres_connections import Database
from .postgres_schema import LOCKS
from .postgres_writer import as_store_error


class Maildrops:
    """The locks that this server has."""

    def __init__(self, connect: Callable[[], Database]) -> None:
        self._connect = connect
        self._lock = Lock()
        self._owners: dict[int, str] = {}
        self._db: Database | None = None
        self._closed = False

    def lock(self, mailbox: int, owner: str) -> bool:
        """Take a lock; False when another owner has it, here or elsewhere."""
        with self._lock:
            if self._closed:
                raise StoreError("the store is closed")
            try:
                db = self._connected()
                has = self._owners.get(mailbox)
                if has is not None:
                    return has == owner
                if self._take(db, mailbox):
                    self._owners[mailbox] = owner
                    return True
            except psycopg.Error as error:
                raise as_store_error(error, "lock") from error
        return False

    def unlock(self, mailbox: int, owner: str | None = None) -> None:
        """Give a lock back that this owner has, or whoever."""
        with self._lock:
            has = self._owners.get(mailbox)
            if has is None or owner not in (None, has):
                return
            del self._owners[mailbox]
            if self._db is not None and self._db.alive:
                try:
                    self._db.execute("SELECT pg_advisory_unlock(?)", (LOCKS + mailbox,))
                except psycopg.Error:  # without the connection there is no lock
                    self._db.close()

    def close(self) -> None:
        """Give all locks back."""
        with self._lock:
            self._closed = True
            if self._db is not None:
                self._db.close()

    def _connected(self) -> Database:
        """The connection; where it was lost, another, with the locks that nobody took meanwhile."""
        db = self._db
        if db is not None and db.alive:
            try:
                db.execute("SELECT 1")
            except psycopg.Error:
                db.close()
            else:
                return db
        db = self._db = self._connect()
        for mailbox in list(self._owners):
            if not self._take(db, mailbox):
                del self._owners[mailbox]
        return db

    def _take(self, db: Database, mailbox: int) -> bool:
        (taken,) = db.one("SELECT pg_try_advisory_lock(?)", (LOCKS + mailbox,))
        return bool(taken)

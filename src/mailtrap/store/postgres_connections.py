"""Connections to PostgreSQL: how they are made, and a bounded pool of them.

A connection that broke is given up, and the next use makes a new one, so the store works again as soon as the database
does. Nothing waits for ever: neither for the database to answer a connection, nor for a free one, nor for a lock.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any, Final

import psycopg
from psycopg.adapt import AdaptersMap
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.types.numeric import Int8BinaryDumper

from .. import clock
from ..errors import ConfigError, StoreError

SIZE: Final = 16  # connections of a pool
PATIENCE: Final = 10.0  # seconds to wait for one of them
_ROWS: Final = 100  # inserted by one statement
_DEFAULTS: Final = {
    "connect_timeout": "5",  # seconds
    # a database whose machine is gone is given up after some 25 seconds, and not after hours
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "25000",
    "application_name": "mailtrap",
}
# A server that stops in the middle of a transaction must not stop the others for ever. A commit that was reported
# survives a power cut, whatever is the default of the database.
_SETTINGS: Final = """
    SET search_path TO mailtrap, pg_catalog;
    SET lock_timeout TO '20s';
    SET idle_in_transaction_session_timeout TO '30s';
    SET client_min_messages TO warning;
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'
"""

_adapters: Final = AdaptersMap(psycopg.adapters)
_adapters.register_dumper(int, Int8BinaryDumper)  # one type for all numbers: a statement is prepared once


class Database:
    """One connection, as the SQL that stores share speaks to it: ``?`` stands for a value."""

    def __init__(self, connection: "psycopg.Connection[tuple[Any, ...]]") -> None:
        self.connection = connection
        self._together = False

    def execute(self, query: str, values: Sequence[Any] = (), /) -> "psycopg.Cursor[tuple[Any, ...]]":
        """Run a statement."""
        cursor = self.connection.cursor(binary=True)
        return cursor.execute(_translated(query), values or None)

    def command(self, command: str) -> None:
        """Run a statement without values and answer: BEGIN, ROLLBACK. A fifth of the price."""
        connection = self.connection
        with connection.lock:
            result = connection.pgconn.exec_(command.encode())
        if result.status != ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(result, encoding="utf-8")

    def one(self, query: str, values: Sequence[Any] = (), /) -> tuple[Any, ...]:
        """Run a query that finds one row, whatever is there."""
        row = self.execute(query, values).fetchone()
        assert row is not None
        return row

    def executemany(self, query: str, values: Iterable[Sequence[Any]], /) -> None:
        """Run a statement with each of these, in one go; rows are inserted many at a time."""
        rows = values if isinstance(values, list) else list(values)
        if not rows:
            return
        insert, _, marks = query.rpartition(" VALUES ")
        if insert.startswith("INSERT INTO ") and marks.strip("(?, )") == "":
            for start in range(0, len(rows), _ROWS):
                chunk = rows[start : start + _ROWS]
                self.execute(
                    f"{insert} VALUES {', '.join([marks] * len(chunk))}", [value for row in chunk for value in row]
                )
        elif self._together or len(rows) == 1:
            for row in rows:
                self.execute(query, row)
        else:
            with self.connection.cursor() as cursor:
                cursor.executemany(_translated(query), rows)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Statements whose answers nobody asks for are sent in one go."""
        with self.connection.pipeline():
            self._together = True
            try:
                yield
            finally:
                self._together = False

    @property
    def alive(self) -> bool:
        """Whether it can be used again, as far as is known without asking the database."""
        try:
            for _ in range(2):  # the first may find a farewell, the second finds the end behind it
                self.connection.pgconn.consume_input()
        except psycopg.Error:
            return False
        return not self.connection.closed

    def roll_back(self) -> None:
        """End a transaction that is open; a connection that cannot is closed."""
        try:
            if self.connection.info.transaction_status != TransactionStatus.IDLE:
                self.command("ROLLBACK")
        except psycopg.Error:
            self.close()

    def close(self) -> None:
        """Give the connection up."""
        with suppress(psycopg.Error):
            self.connection.close()


@lru_cache(maxsize=1024)
def _translated(query: str) -> bytes:
    return query.replace("%", "%%").replace("?", "%s").encode()


@contextmanager
def transaction(db: Database) -> Iterator[None]:
    """Commit at the end, or undo."""
    db.command("BEGIN")
    try:
        yield
        db.command("COMMIT")
    except BaseException:
        db.roll_back()
        raise


def with_defaults(url: str) -> str:
    """What libpq is given for a URL; ``ConfigError`` for one that it does not understand."""
    try:
        return make_conninfo("", **(_DEFAULTS | conninfo_to_dict(url)))
    except psycopg.Error as error:
        raise ConfigError(f"store: this is no URL of a PostgreSQL database: {first_line(error)}") from error


def connect(conninfo: str) -> Database:
    """A new connection; ``psycopg.Error`` when there is none to be had."""
    connection = psycopg.connect(conninfo, autocommit=True, context=_Context())
    try:
        connection.execute(_SETTINGS)
    except psycopg.Error:
        connection.close()
        raise
    return Database(connection)


class _Context:
    """How values are adapted, in every connection."""

    adapters = _adapters
    connection = None


class Pool:
    """So many connections at most; who finds none free waits, and not for ever."""

    def __init__(self, connect: Callable[[], Database], *idle: Database, size: int = SIZE) -> None:
        self._connect = connect
        self._size = size
        self._free = threading.Condition()
        self._idle = list(idle)
        self._out = 0
        self._closed = False

    @contextmanager
    def begin(self, statement: str | None) -> Iterator[Database]:
        """A connection in which this statement has begun a transaction; it is undone unless it was ended.

        None: without a transaction, for one question.

        Raises:
            StoreError: the pool is closed, or no connection became free in time.
            psycopg.Error: there is no connection to be had, or it broke.
        """
        db = self._begun(statement)
        try:
            yield db
        finally:
            db.roll_back()
            self._give(db)

    def _begun(self, statement: str | None) -> Database:
        while True:
            db, used = self._take()
            if used and not db.alive:
                self._give(db)
                continue
            try:
                if statement is not None:
                    db.command(statement)
            except psycopg.Error:
                db.close()
                self._give(db)
                if used:  # it broke while it was idle: another, until one is new
                    continue
                raise
            return db

    def _take(self) -> tuple[Database, bool]:
        """A connection, and whether it was used before."""
        end = clock.monotonic() + PATIENCE
        with self._free:
            while not self._closed and not self._idle and self._out >= self._size:
                if (left := end - clock.monotonic()) <= 0:
                    raise StoreError(f"all {self._size} connections to the database were busy for {PATIENCE:g} seconds")
                self._free.wait(left)
            if self._closed:
                raise StoreError("the store is closed")
            self._out += 1
            if self._idle:
                return self._idle.pop(), True
        try:
            return self._connect(), False
        except BaseException:
            with self._free:
                self._out -= 1
                self._free.notify()
            raise

    def _give(self, db: Database) -> None:
        with self._free:
            self._out -= 1
            keep = db.alive and not self._closed
            if keep:
                self._idle.append(db)
            self._free.notify()
        if not keep:
            db.close()

    def close(self) -> None:
        """Close what is idle now, and what is in use when it is given back."""
        with self._free:
            self._closed = True
            idle, self._idle = self._idle, []
            self._free.notify_all()
        for db in idle:
            db.close()


def first_line(error: BaseException) -> str:
    """What a database says is wrong, without its hints."""
    return str(error).strip().partition("\n")[0] or type(error).__name__

"""The SQLite store's file: what is in it, how it came to be so, and what is refused when it is opened.

The file says whose it is (``application_id``) and which form it has (``user_version``, the number of migrations done).
Migrations only go forward. A file that is not ours, is newer than we are, or is damaged, is left as it is.
"""

import os
import sqlite3
import stat
from pathlib import Path
from typing import Final

from .. import clock
from ..errors import StoreError
from . import sqlite_bodies

APPLICATION_ID: Final = 0x6D747270  # "mtrp"
MAGIC: Final = b"SQLite format 3\0"
HEADER: Final = 100  # octets
BUSY: Final = 10.0  # seconds to wait for another process
CHECKED: Final = 32 * 1024 * 1024  # octets of a file up to which it is checked wholly when it is opened

# One tuple of statements for each migration; a migration that was ever released is never changed.
MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """CREATE TABLE state (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            life TEXT NOT NULL,
            head INTEGER NOT NULL, -- the last seq
            uidvalidity INTEGER NOT NULL -- the last one given
        )""",
        "INSERT INTO state VALUES (1, lower(hex(randomblob(8))), 0, 0)",
        "CREATE TABLE session (id PRIMARY KEY, summary TEXT NOT NULL) WITHOUT ROWID",
        """CREATE TABLE message (
            seq INTEGER PRIMARY KEY,
            scope NOT NULL,
            origin TEXT NOT NULL,
            received_at REAL NOT NULL,
            size INTEGER NOT NULL,
            served_size INTEGER NOT NULL,
            envelope TEXT NOT NULL,
            session,
            transcript BLOB NOT NULL
        )""",
        "CREATE INDEX message_scope ON message (scope, seq)",
        "CREATE INDEX message_session ON message (session) WHERE session IS NOT NULL",
        "CREATE TABLE body (seq INTEGER PRIMARY KEY, raw BLOB NOT NULL)",
        """CREATE TABLE account (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            scope NOT NULL,
            address NOT NULL,
            password,
            declared INTEGER NOT NULL,
            quota INTEGER,
            UNIQUE (scope, address)
        )""",
        "CREATE TABLE subscription (account INTEGER, name, PRIMARY KEY (account, name)) WITHOUT ROWID",
        # the UIDVALIDITY that a name had when its mailbox went
        """CREATE TABLE given_up (
            account INTEGER, name, uidvalidity INTEGER NOT NULL, PRIMARY KEY (account, name)
        ) WITHOUT ROWID""",
        """CREATE TABLE mailbox (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            account INTEGER NOT NULL,
            name NOT NULL,
            uidvalidity INTEGER NOT NULL,
            uidnext INTEGER NOT NULL,
            modseq INTEGER NOT NULL,
            recent_from INTEGER NOT NULL,
            forgotten INTEGER NOT NULL, -- the highest MODSEQ whose vanished UIDs are not remembered
            selectable INTEGER NOT NULL,
            special_use TEXT NOT NULL,
            UNIQUE (account, name)
        )""",
        """CREATE TABLE copy (
            mailbox INTEGER NOT NULL,
            uid INTEGER NOT NULL,
            message INTEGER NOT NULL,
            flags TEXT NOT NULL,
            seen INTEGER NOT NULL,
            deleted INTEGER NOT NULL,
            modseq INTEGER NOT NULL,
            internal_date REAL NOT NULL,
            save_date REAL NOT NULL,
            prefix BLOB NOT NULL,
            size INTEGER NOT NULL, -- as served, with the prefix
            PRIMARY KEY (mailbox, uid)
        ) WITHOUT ROWID""",
        "CREATE INDEX copy_modseq ON copy (mailbox, modseq)",
        "CREATE INDEX copy_message ON copy (message)",
        """CREATE TABLE vanished (
            mailbox INTEGER NOT NULL,
            modseq INTEGER NOT NULL,
            first INTEGER NOT NULL,
            last INTEGER NOT NULL,
            PRIMARY KEY (mailbox, modseq, first)
        ) WITHOUT ROWID""",
    ),
    (
        "ALTER TABLE account ADD COLUMN message_quota INTEGER",
        "ALTER TABLE mailbox ADD COLUMN acl TEXT NOT NULL DEFAULT '{}'",
        "CREATE INDEX mailbox_shared ON mailbox (account) WHERE acl != '{}'",
        """CREATE TABLE annotation (
            account INTEGER NOT NULL, -- whose it is; 0 at a mailbox: everybody's
            mailbox INTEGER NOT NULL, -- 0: the server; there everybody's are those of the account all
            name NOT NULL,
            value BLOB NOT NULL,
            PRIMARY KEY (account, mailbox, name)
        ) WITHOUT ROWID""",
        "CREATE INDEX annotation_mailbox ON annotation (mailbox)",
    ),
    (
        # what is counted is kept: neither a list nor STATUS goes through all there is
        """CREATE TABLE scope (
            name PRIMARY KEY,
            messages INTEGER NOT NULL,
            octets INTEGER NOT NULL,
            submitted INTEGER NOT NULL,
            submitted_octets INTEGER NOT NULL,
            unread INTEGER NOT NULL,
            evicted INTEGER NOT NULL,
            evicted_octets INTEGER NOT NULL,
            last_evicted INTEGER NOT NULL
        ) WITHOUT ROWID""",
        """INSERT INTO scope
            SELECT message.scope, count(*), sum(message.size), sum(origin IN ('smtp', 'lmtp', 'http')),
                sum(message.size * (origin IN ('smtp', 'lmtp', 'http'))),
                coalesce(sum(origin IN ('smtp', 'lmtp', 'http') AND NOT seen), 0), 0, 0, 0
            FROM message LEFT JOIN account ON account.scope = message.scope AND address = 'all'
            LEFT JOIN mailbox ON mailbox.account = account.id
            LEFT JOIN copy ON copy.mailbox = mailbox.id AND uid = seq GROUP BY message.scope""",
        "ALTER TABLE mailbox ADD COLUMN messages INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE mailbox ADD COLUMN unseen INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE mailbox ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE mailbox ADD COLUMN size INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE mailbox ADD COLUMN deleted_size INTEGER NOT NULL DEFAULT 0",
        """UPDATE mailbox SET
            messages = (SELECT count(*) FROM copy WHERE mailbox = mailbox.id),
            unseen = (SELECT coalesce(sum(NOT seen), 0) FROM copy WHERE mailbox = mailbox.id),
            deleted = (SELECT coalesce(sum(copy.deleted), 0) FROM copy WHERE mailbox = mailbox.id),
            size = (SELECT coalesce(sum(copy.size), 0) FROM copy WHERE mailbox = mailbox.id),
            deleted_size = (SELECT coalesce(sum(copy.size * copy.deleted), 0) FROM copy WHERE mailbox = mailbox.id)""",
        # with what lists and searches ask of many messages, so that the rows are read for the page that is shown alone
        "DROP INDEX message_scope",
        "CREATE INDEX message_list ON message (scope, seq, origin, received_at, size, served_size)",
        "CREATE INDEX copy_flags ON copy (mailbox, flags) WHERE flags != ''",
    ),
    (
        "ALTER TABLE body ADD COLUMN form INTEGER NOT NULL DEFAULT 0",  # of sqlite_bodies
        "CREATE INDEX body_packed ON body (seq) WHERE form != 0",
    ),
)
_AGAIN: Final = 0.005  # seconds until what SQLite does not wait for is tried again
_PACKED: Final = 4  # the form from which on bytes may be compressed


def prepare(path: str) -> None:
    """Make the file, or bring it to the newest form.

    Raises:
        StoreError: it is not ours, newer, damaged, or cannot be opened; then it was not changed.
    """
    new = _examine(path)
    try:
        db = connect(path)
        try:
            db.execute("BEGIN")  # all that is checked is of one moment: another process may be making the file
            _check(db, path, new)
            db.execute("COMMIT")
            _migrate(db, path)
            mode = _write_ahead(db)
            if mode != "wal":
                raise StoreError(f"{path} cannot be used as a store: its file system has no shared memory for SQLite")
        finally:
            db.close()
    except sqlite3.Error as error:
        raise StoreError(f"{path} cannot be used as a store: {error}") from error


def _write_ahead(db: sqlite3.Connection) -> str:
    """Have changes written ahead; gives the mode that the file is in."""
    end = clock.monotonic() + BUSY
    while True:
        try:
            (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
            return str(mode)
        except sqlite3.OperationalError as error:  # this one statement does not wait for those who look at the file
            if "locked" not in str(error) or clock.monotonic() > end:
                raise
        clock.sleep(_AGAIN)


def connect(path: str) -> sqlite3.Connection:
    """A connection that may be used in any thread, by one at a time; transactions are begun by hand."""
    db = sqlite3.connect(path, timeout=BUSY, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA synchronous = FULL")  # a commit that was reported survives a power cut
    except sqlite3.Error:
        db.close()
        raise
    return db


def _examine(path: str) -> bool:
    """Whether the file is new; what is not ours is found without opening it as a database."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116  opening a pipe would wait for its other end
            raise StoreError(f"{path} cannot be opened: it is no file")
        with Path(path).open("rb") as file:
            header = file.read(HEADER)
    except FileNotFoundError:
        return True
    except OSError as error:
        raise StoreError(f"{path} cannot be opened: {error.strerror}") from error
    except ValueError as error:
        raise StoreError(f"{path!r} cannot be the name of a file: {error}") from error
    if not os.access(path, os.W_OK):  # else it would be found out by the first mail
        raise StoreError(f"{path} cannot be used as a store: it may be read only")
    if not header:
        return True
    if not header.startswith(MAGIC):
        raise StoreError(f"{path} is not a mailtrap store: it is no SQLite file")
    if len(header) < HEADER:
        raise StoreError(f"{path} is damaged: it ends within its header")
    if not Path(f"{path}-journal").exists():  # with one, the header may be from before a recovery
        _refuse(path, int.from_bytes(header[68:72], "big"), int.from_bytes(header[60:64], "big"))
    return False


def _refuse(path: str, application: int, version: int) -> None:
    if application != APPLICATION_ID:
        raise StoreError(f"{path} is not a mailtrap store: it is an SQLite file of another program")
    if version > len(MIGRATIONS):
        raise StoreError(
            f"{path} was made by a newer mailtrap (form {version}); this one knows forms up to {len(MIGRATIONS)}"
        )


def _check(db: sqlite3.Connection, path: str, new: bool) -> None:
    application, version = _identity(db)
    if (application, version) == (0, 0) and db.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
        return  # new, or left empty by a creation that was interrupted
    _refuse(path, application, version)
    query = "SELECT 1 FROM body INDEXED BY body_packed WHERE form != 0 LIMIT 1"
    if version >= _PACKED and db.execute(query).fetchone() and not sqlite_bodies.readable():
        raise StoreError(f"{path} has compressed mail, and {sqlite_bodies.MISSING}")
    if not new and os.stat(path).st_size <= CHECKED:  # noqa: PTH116  a str all the way
        (answer,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if answer != "ok":
            raise StoreError(f"{path} is damaged: {answer}")


def _identity(db: sqlite3.Connection) -> tuple[int, int]:
    """The application and the number of the form, both of the same moment."""
    query = "SELECT application_id, user_version FROM pragma_application_id, pragma_user_version"
    application, version = db.execute(query).fetchone()
    return application, version


def _migrate(db: sqlite3.Connection, path: str) -> None:
    for number, statements in enumerate(MIGRATIONS, start=1):
        if _identity(db)[1] >= number:
            continue
        if number == 1:
            db.execute("BEGIN")  # what comes next has to be the first thing that is written into a file
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        else:
            db.execute("BEGIN IMMEDIATE")
        try:
            application, version = _identity(db)  # again: another process may have been faster
            if version < number:
                if version or application:
                    _refuse(path, application, version)
                for statement in statements:
                    db.execute(statement)
                db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                db.execute(f"PRAGMA user_version = {number}")
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
    if not db.execute("SELECT count(*) FROM state").fetchone()[0]:
        raise StoreError(f"{path} is damaged: its state is missing")

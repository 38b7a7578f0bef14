"""The PostgreSQL store's tables: what is in them, how they came to be so, and what is refused when it is opened.

They are in a schema of their own, so that a database may have other things in it. Migrations only go forward, under a
lock: of several servers that start at once, one does them. A schema of that name that is not ours, or is newer than we
are, is left as it is.
"""

from typing import Final

from ..errors import StoreError
from .postgres_connections import Database, transaction

SCHEMA: Final = "mailtrap"
LOCKS: Final = 0x6D747270 << 32  # "mtrp": the advisory locks from here on are ours; this one is for migrations
MARK: Final = "mail of a mailtrap server"

# One tuple of statements for each migration; a migration that was ever released is never changed.
MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        "CREATE TABLE state (life TEXT NOT NULL)",
        "INSERT INTO state VALUES (replace(gen_random_uuid()::text, '-', ''))",
        # One row each, to be locked: the last seq and the last UIDVALIDITY given.
        "CREATE TABLE head (head BIGINT NOT NULL) WITH (fillfactor = 10)",
        "INSERT INTO head VALUES (0)",
        "CREATE TABLE directory (uidvalidity BIGINT NOT NULL) WITH (fillfactor = 10)",
        "INSERT INTO directory VALUES (0)",
        # what is counted is kept: neither a list nor STATUS goes through all there is
        """CREATE TABLE scope (
            name TEXT PRIMARY KEY,
            messages BIGINT NOT NULL,
            octets BIGINT NOT NULL,
            submitted BIGINT NOT NULL,
            submitted_octets BIGINT NOT NULL,
            unread BIGINT NOT NULL,
            evicted BIGINT NOT NULL,
            evicted_octets BIGINT NOT NULL,
            last_evicted BIGINT NOT NULL
        ) WITH (fillfactor = 50)""",
        "CREATE TABLE session (id TEXT PRIMARY KEY, summary TEXT NOT NULL)",
        # Bytes have a number of their own: they are inserted before the message's seq is known. Not compressed: most
        # mail of any size is base64.
        "CREATE TABLE body (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, raw BYTEA NOT NULL)",
        "ALTER TABLE body ALTER COLUMN raw SET STORAGE EXTERNAL",
        """CREATE TABLE message (
            seq BIGINT PRIMARY KEY,
            scope TEXT NOT NULL,
            origin TEXT NOT NULL,
            received_at DOUBLE PRECISION NOT NULL,
            size BIGINT NOT NULL,
            served_size BIGINT NOT NULL,
            envelope TEXT NOT NULL,
            session TEXT,
            transcript BYTEA NOT NULL,
            body BIGINT NOT NULL
        )""",
        "CREATE INDEX message_list ON message (scope, seq) INCLUDE (origin)",
        "CREATE INDEX message_session ON message (session) WHERE session IS NOT NULL",
        """CREATE TABLE account (
            id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            scope TEXT NOT NULL,
            address TEXT NOT NULL,
            password TEXT,
            declared BOOLEAN NOT NULL,
            quota BIGINT,
            message_quota BIGINT,
            UNIQUE (scope, address)
        )""",
        "CREATE TABLE subscription (account BIGINT, name TEXT, PRIMARY KEY (account, name))",
        # the UIDVALIDITY that a name had when its mailbox went
        """CREATE TABLE given_up (
            account BIGINT, name TEXT, uidvalidity BIGINT NOT NULL, PRIMARY KEY (account, name)
        )""",
        """CREATE TABLE mailbox (
            id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            account BIGINT NOT NULL,
            name TEXT NOT NULL,
            uidvalidity BIGINT NOT NULL,
            uidnext BIGINT NOT NULL,
            modseq BIGINT NOT NULL,
            recent_from BIGINT NOT NULL,
            forgotten BIGINT NOT NULL, -- the highest MODSEQ whose vanished UIDs are not remembered
            selectable BOOLEAN NOT NULL,
            special_use TEXT NOT NULL,
            acl TEXT NOT NULL,
            messages BIGINT NOT NULL DEFAULT 0,
            unseen BIGINT NOT NULL DEFAULT 0,
            deleted BIGINT NOT NULL DEFAULT 0,
            size BIGINT NOT NULL DEFAULT 0,
            deleted_size BIGINT NOT NULL DEFAULT 0,
            UNIQUE (account, name)
        ) WITH (fillfactor = 50)""",
        "CREATE INDEX mailbox_shared ON mailbox (account) WHERE acl != '{}'",
        """CREATE TABLE annotation (
            account BIGINT, -- whose it is; 0 at a mailbox: everybody's
            mailbox BIGINT, -- 0: the server; there everybody's are those of the account all
            name TEXT,
            value BYTEA NOT NULL,
            PRIMARY KEY (account, mailbox, name)
        )""",
        "CREATE INDEX annotation_mailbox ON annotation (mailbox)",
        """CREATE TABLE copy (
            mailbox BIGINT NOT NULL,
            uid BIGINT NOT NULL,
            message BIGINT NOT NULL,
            flags TEXT NOT NULL,
            seen BOOLEAN NOT NULL,
            deleted BOOLEAN NOT NULL,
            modseq BIGINT NOT NULL,
            internal_date DOUBLE PRECISION NOT NULL,
            save_date DOUBLE PRECISION NOT NULL,
            prefix BYTEA NOT NULL,
            size BIGINT NOT NULL, -- as served, with the prefix
            PRIMARY KEY (mailbox, uid)
        )""",
        "CREATE INDEX copy_modseq ON copy (mailbox, modseq)",
        "CREATE INDEX copy_message ON copy (message)",
        "CREATE INDEX copy_flags ON copy (mailbox, flags) WHERE flags != ''",
        "CREATE INDEX copy_unseen ON copy (mailbox, uid) WHERE NOT seen",
        """CREATE TABLE vanished (
            mailbox BIGINT NOT NULL,
            modseq BIGINT NOT NULL,
            first BIGINT NOT NULL,
            last BIGINT NOT NULL,
            PRIMARY KEY (mailbox, modseq, first)
        )""",
    ),
    (
        # what is searched for, as postgres_index fills it
        """CREATE TABLE words (
            seq BIGINT PRIMARY KEY,
            mail_from TEXT NOT NULL,
            recipients TEXT NOT NULL,
            bcc TEXT NOT NULL,
            header TEXT NOT NULL,
            people TEXT NOT NULL,
            body TEXT NOT NULL,
            inline BOOLEAN NOT NULL,
            attached BOOLEAN NOT NULL,
            complete BOOLEAN NOT NULL -- whether the columns say all there is to be found
        )""",
        "CREATE INDEX words_partial ON words (seq) WHERE NOT complete",
        "CREATE TABLE indexed (done BIGINT NOT NULL) WITH (fillfactor = 10)",  # messages up to this seq
        "INSERT INTO indexed VALUES (0)",
    ),
)


def prepare(db: Database) -> None:
    """Make the tables, or bring them to the newest form.

    Raises:
        StoreError: the schema is not ours or newer, or the database cannot hold mail; then it was not changed.
    """
    (encoding,) = db.one("SHOW server_encoding")
    if encoding != "UTF8":
        raise StoreError(f"the database cannot be used as a store: its encoding is {encoding}, not UTF8")
    if _version(db) == len(MIGRATIONS):
        return
    with transaction(db):
        db.execute("SELECT pg_advisory_xact_lock(?)", (LOCKS,))
        version = _version(db)  # again: another server may have been faster
        if version is None:
            db.execute(f"CREATE SCHEMA {SCHEMA}")
            db.execute(f"CREATE TABLE {SCHEMA}.form (version INTEGER NOT NULL)")
            db.execute(f"COMMENT ON TABLE {SCHEMA}.form IS '{MARK}'")
            db.execute(f"INSERT INTO {SCHEMA}.form VALUES (0)")  # noqa: S608
            version = 0
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                db.execute(statement)
        db.execute("UPDATE form SET version = ?", (len(MIGRATIONS),))


def _version(db: Database) -> int | None:
    """How many migrations were done; None where there is no schema yet."""
    if db.execute("SELECT 1 FROM pg_namespace WHERE nspname = ?", (SCHEMA,)).fetchone() is None:
        return None
    query = "SELECT obj_description(pg_class.oid, 'pg_class') FROM pg_class WHERE oid = to_regclass(?)"
    found = db.execute(query, (f"{SCHEMA}.form",)).fetchone()
    if found is None or found[0] != MARK:
        raise StoreError(f"the database has a schema {SCHEMA} that is not a mailtrap store")
    (version,) = db.one(f"SELECT version FROM {SCHEMA}.form")  # noqa: S608
    if version > len(MIGRATIONS):
        raise StoreError(
            f"the database was used by a newer mailtrap (form {version}); this one knows forms up to {len(MIGRATIONS)}"
        )
    return int(version)

"""The PostgreSQL store's database: what it refuses, what it survives, and how it is written."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial

import psycopg
import pytest

from mailtrap import clock
from mailtrap.errors import NotAllowed, OverQuota, StoreError
from mailtrap.store import postgres_connections, postgres_schema, search
from mailtrap.store.contract.common import BOB, EVE, PATIENCE, Inbox, delivery, mail, run_together, submit, uids
from mailtrap.store.contract.killed import check, killed, line_of
from mailtrap.store.postgres import PostgresStore
from mailtrap.store.postgres_listener import Listener
from mailtrap.store.rows import ALL, INBOX, Hint, Key


@pytest.fixture
def store(database):
    store = PostgresStore(database)
    yield store
    store.close()


@pytest.fixture
def other(database):
    store = PostgresStore(database)
    yield store
    store.close()


@pytest.fixture
def db(database):
    """A connection that is not the store's."""
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def until(condition: Callable[[], object]) -> None:
    end = clock.monotonic() + PATIENCE
    while not condition():
        assert clock.monotonic() < end, "it does not come"
        clock.sleep(0.005)


def cut(db, kind: str = "%") -> int:
    """End the store's connections whose last statement is of this kind; how many there were."""
    query = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND pid != pg_backend_pid() AND query LIKE %s"""
    return db.execute(query, (kind,)).fetchone()[0]


# ---------------------------------------------------------------- opening


@pytest.fixture
def empty(postgres):
    """The URL of a database in which there is nothing yet."""
    name = f"empty_{os.getpid()}_{os.urandom(4).hex()}"
    with postgres.connect() as db:
        db.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    yield postgres.url(name)
    with postgres.connect() as db:
        db.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_servers_that_start_at_once_make_the_tables_once(empty):
    stores: list[PostgresStore] = []
    run_together(*[lambda: stores.append(PostgresStore(empty))] * 4)
    assert len({store.life() for store in stores}) == 1
    assert [store.deliver(delivery(BOB)).seq for store in stores] == [1, 2, 3, 4]
    for store in stores:
        store.close()


def test_what_others_have_in_the_database_stays(empty):
    with psycopg.connect(empty, autocommit=True) as db:
        db.execute("CREATE TABLE message (mine TEXT)")
        db.execute("INSERT INTO message VALUES ('untouched')")
        store = PostgresStore(empty)
        store.deliver(delivery(BOB))
        store.close()
        assert db.execute("SELECT * FROM public.message").fetchall() == [("untouched",)]
        assert db.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall() == [("message",)]


@pytest.mark.parametrize(
    "theirs", ["CREATE TABLE mailtrap.form (version INTEGER)", "CREATE TABLE mailtrap.message (x TEXT)", ""]
)
def test_a_schema_of_somebody_else_is_left_as_it_is(empty, theirs):
    with psycopg.connect(empty, autocommit=True) as db:
        db.execute(f"CREATE SCHEMA mailtrap; {theirs}")
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'mailtrap'"
        before = db.execute(tables).fetchall()
        with pytest.raises(StoreError, match="a schema mailtrap that is not a mailtrap store"):
            PostgresStore(empty)
        assert db.execute(tables).fetchall() == before


def test_a_newer_form_is_refused_and_left_as_it_is(db, database):
    db.execute("UPDATE mailtrap.form SET version = 999")
    try:
        with pytest.raises(StoreError, match=r"a newer mailtrap \(form 999\); this one knows forms up to \d"):
            PostgresStore(database)
        assert db.execute("SELECT version FROM mailtrap.form").fetchone() == (999,)
    finally:
        db.execute("UPDATE mailtrap.form SET version = %s", (len(postgres_schema.MIGRATIONS),))


def test_an_older_form_is_brought_forward(empty, monkeypatch):
    PostgresStore(empty).close()
    extra = ("CREATE TABLE later (x INTEGER)", "INSERT INTO later VALUES (7)")
    monkeypatch.setattr(postgres_schema, "MIGRATIONS", (*postgres_schema.MIGRATIONS, extra))
    for _ in range(2):
        PostgresStore(empty).close()
    with psycopg.connect(empty) as db:
        assert db.execute("SELECT x FROM mailtrap.later").fetchall() == [(7,)]


def test_a_migration_that_fails_changes_nothing(empty, monkeypatch):
    first = PostgresStore(empty)
    broken = ("CREATE TABLE later (x INTEGER)", "SELECT 1 / 0")
    monkeypatch.setattr(postgres_schema, "MIGRATIONS", (*postgres_schema.MIGRATIONS, broken))
    with pytest.raises(StoreError, match="division by zero"):
        PostgresStore(empty)
    with psycopg.connect(empty) as db:
        assert db.execute("SELECT to_regclass('mailtrap.later')").fetchone() == (None,)
    assert first.deliver(delivery(BOB)).seq == 1
    first.close()


def test_a_database_of_another_encoding_is_refused(postgres):
    name = f"latin_{os.getpid()}"
    with postgres.connect() as db:
        db.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
        try:
            with pytest.raises(StoreError, match="its encoding is LATIN1, not UTF8"):
                PostgresStore(postgres.url(name))
        finally:
            db.execute(f"DROP DATABASE {name} WITH (FORCE)")


# ---------------------------------------------------------------- groups


def test_what_waits_is_one_transaction(store, db):
    """Each transaction of deliveries is one notification."""
    Inbox(store)
    store.deliver(delivery())  # the record of the scope is there
    db.execute("LISTEN mailtrap")
    left = list(range(100))
    done = threading.Event()

    def finish(receipts, error) -> None:
        assert error is None
        left.pop()
        if not left:
            done.set()

    with db.transaction():
        db.execute("SELECT * FROM mailtrap.head FOR UPDATE")
        store.submit([delivery(BOB)], finish)
        until(lambda: not store._writer._jobs)
        for _ in range(99):
            store.submit([delivery(BOB)], finish)
    assert done.wait(PATIENCE)
    told: list[int] = []  # a notification reaches a listener some time after the commit

    def heard_of_all() -> bool:
        told.extend(json.loads(notification.payload)[1] for notification in db.notifies(timeout=0))
        return told[-1:] == [store.head()]

    until(heard_of_all)
    assert len(told) == 2  # the first, which had begun, and all others
    assert Inbox(store).uids == list(range(1, 101))


def test_a_failing_batch_spoils_nothing_of_its_group_and_leaves_nothing(store, db):
    store.put_account(EVE, message_quota=3)
    outcomes: dict[int, object] = {}
    done = threading.Event()

    def finish(number: int, receipts: object, error: BaseException | None) -> None:
        outcomes[number] = error or receipts
        if len(outcomes) == 30:
            done.set()

    with db.transaction():
        db.execute("SELECT * FROM mailtrap.head FOR UPDATE")
        for number in range(30):
            keys = [BOB], [Key("s", ALL)], [BOB, EVE]
            store.submit([delivery(*keys[number % 3], raw=mail(number))], partial(finish, number))
    assert done.wait(PATIENCE)
    for number, outcome in outcomes.items():
        if number % 3 == 1:
            assert isinstance(outcome, NotAllowed)
        elif number % 3 == 2 and number > 8:
            assert isinstance(outcome, OverQuota)
        else:
            assert not isinstance(outcome, BaseException)
    assert store.head() == 13
    assert Inbox(store).uids == list(range(1, 14))
    assert len(Inbox(store, key=EVE).uids) == 3
    assert db.execute("SELECT count(*) FROM mailtrap.body").fetchone() == (13,)


def test_copies_share_bytes(store, db):
    one = delivery(BOB, EVE, raw=b"x" * 100_000)
    submit(store, [one, one])
    box, work = Inbox(store), store.create_mailbox(BOB, "Work")
    store.copy(box.id, [1, 2], work.id)
    store.fork_account(BOB, Key("child", BOB.address))
    assert db.execute("SELECT count(*), sum(length(raw)) FROM mailtrap.body").fetchone() == (2, 200_000)
    assert store.remove([1]) == 1
    assert store.raw(2) == one.raw


def test_no_bytes_of_a_removed_message_are_kept(store, db):
    Inbox(store, 5)
    store.remove([2])
    store.clear("s")
    for table in ("body", "message", "copy", "session"):
        assert db.execute(f"SELECT count(*) FROM mailtrap.{table}").fetchone() == (0,)


def test_a_delivery_waits_for_no_lock_with_its_bytes_unsent(store, other, db):
    """What a large mail costs is paid before the locks: another goes by meanwhile."""
    with db.transaction():
        db.execute("LOCK TABLE mailtrap.body IN ACCESS EXCLUSIVE MODE")
        waiting = threading.Thread(target=store.deliver, args=(delivery(BOB),))
        waiting.start()
        waits = """SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = database
            WHERE NOT granted AND relation = 'mailtrap.body'::regclass AND datname = current_database()"""
        until(lambda: db.execute(waits).fetchone())
        other.put_account(BOB)
        assert other.mailbox(BOB, INBOX) is not None
        box = Inbox(other)
        assert other.renumber(box.id)
    waiting.join(PATIENCE)
    assert box.uids == [1]


def test_readers_wait_for_nobody(store, other, db):
    Inbox(store, 3)
    with db.transaction():
        db.execute("SELECT * FROM mailtrap.head, mailtrap.directory FOR UPDATE")
        db.execute("UPDATE mailtrap.mailbox SET modseq = modseq + 1000")
        box = Inbox(other)
        assert box.subjects() == [1, 2, 3]
        assert box.modseq == 4
        assert len(other.messages()) == other.head() == 3


def test_no_transaction_is_left_open(store, db):
    box = Inbox(store, 3)
    with pytest.raises(StoreError):
        store.raw(99)
    store.facts([1, 2, 3], ["text"])
    with pytest.raises(NotAllowed):
        store.create_mailbox(BOB, "a//b")
    assert list(store.search(box.id, search.Text("number"))) == [1, 2, 3]
    store._index.close()  # which may be in the middle of one, rightly
    query = "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
    assert db.execute(query).fetchall() == []


# ---------------------------------------------------------------- connections


def test_a_pool_that_is_busy_says_so(store, monkeypatch):
    monkeypatch.setattr(postgres_connections, "PATIENCE", 0.05)
    held = [store._pool.begin("BEGIN") for _ in range(postgres_connections.SIZE)]
    for one in held:
        one.__enter__()
    with pytest.raises(StoreError, match="all 16 connections to the database were busy"):
        store.head()
    assert store.deliver(delivery(BOB)).seq == 1  # deliveries have their own
    held.pop().__exit__(None, None, None)
    assert store.head() == 1
    for one in held:
        one.__exit__(None, None, None)


def test_connections_are_bounded(store, db):
    def ask() -> None:
        for _ in range(10):
            store.messages()

    run_together(*[ask] * 40)
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid != pg_backend_pid()"
    assert (
        db.execute(query).fetchone()[0] <= postgres_connections.SIZE + 4
    )  # the writer's, the listener's, the locks', the index's


def test_idle_connections_that_broke_are_not_noticed(store, db):
    box = Inbox(store, 2)
    run_together(*[lambda: box.uids] * 8)
    for turn in range(3):
        assert cut(db) >= 1
        assert box.uids == list(range(1, turn + 3))
        assert cut(db) >= 1
        store.set_flags(box.id, [1], [f"x{turn}"], "add")
        assert cut(db) >= 1
        assert store.deliver(delivery(BOB)).seq == turn + 3


def test_a_connection_that_breaks_in_the_middle_is_an_error_and_half_nothing(store, db):
    box = Inbox(store, 2)
    waits = """SELECT pid FROM pg_stat_activity, pg_stat_clear_snapshot()
        WHERE wait_event_type = 'Lock' AND datname = current_database()"""
    errors: list[BaseException] = []

    def attempt(change: Callable[[], object]) -> None:
        try:
            change()
        except StoreError as error:
            errors.append(error)

    for change in (lambda: store.deliver(delivery(BOB)), lambda: store.set_flags(box.id, [1], ["x"], "add")):
        with db.transaction():
            db.execute("SELECT * FROM mailtrap.mailbox FOR UPDATE")
            thread = threading.Thread(target=attempt, args=(change,))
            thread.start()
            until(lambda: db.execute(waits).fetchone())
            db.execute(f"SELECT pg_terminate_backend(pid) FROM ({waits}) AS waiting")
            thread.join(PATIENCE)
    assert [type(error) for error in errors] == [StoreError] * 2
    assert all("the store could not write" in str(error) for error in errors)
    assert store.head() == len(store.messages()) == 2
    assert box.flags() == {1: frozenset(), 2: frozenset()}
    assert db.execute("SELECT count(*) FROM mailtrap.body").fetchone() == (2,)


def test_a_server_that_hangs_in_a_transaction_stops_nobody_for_ever(store, database):
    box = Inbox(store, 1)
    with store._pool.begin("BEGIN") as hanging:
        hanging.execute("SET LOCAL idle_in_transaction_session_timeout TO '200ms'")
        hanging.execute("SELECT * FROM head FOR UPDATE")
        assert store.deliver(delivery(BOB)).seq == 2
    assert box.uids == [1, 2]


# ---------------------------------------------------------------- listening

LISTENING = "SELECT scope, address FROM account%"  # the last that a listener asked


def test_a_listener_that_was_cut_off_hears_of_all_that_it_missed(store, other, db):
    box, gone = Inbox(store), store.create_mailbox(BOB, "Gone")
    hints: list[Hint] = []
    seen: list[int] = []

    def follow(hint: Hint) -> None:
        hints.append(hint)
        seen.extend(row.seq for row in other.messages("s", after=seen[-1] if seen else 0))

    other.subscribe_hints(follow)
    rest = iter(range(1000))
    stop = threading.Event()

    def deliver() -> None:
        for number in rest:
            store.deliver(delivery(BOB, raw=mail(number)))
            if stop.is_set():
                return

    thread = threading.Thread(target=deliver)
    thread.start()
    for turn in range(3):
        until(lambda turn=turn: len(seen) > 10 * turn)
        until(lambda: cut(db, LISTENING))
    stop.set()
    thread.join(PATIENCE)
    until(lambda: cut(db, LISTENING))
    store.delete_mailbox(gone.id)
    store.set_flags(box.id, [1], ["\\Seen"], "add")
    until(lambda: any(gone.id in hint.mailboxes for hint in hints))
    until(lambda: any(hint.mailboxes.get(box.id) == box.modseq for hint in hints))
    assert seen == list(range(1, store.head() + 1))


def test_what_is_committed_while_a_listener_catches_up_is_told(store, other, db, monkeypatch):
    hints: list[Hint] = []
    other.subscribe_hints(hints.append)
    box = Inbox(store)
    asked = Listener._state

    def slowly(listener, connection):
        found = asked(listener, connection)
        seq = store.deliver(delivery(BOB)).seq
        until(lambda: connection.one("SELECT 1") and listener._between)  # what is asked takes notifications in
        committed.append(seq)
        return found

    committed: list[int] = []
    monkeypatch.setattr(Listener, "_state", slowly)
    until(lambda: cut(db, LISTENING))
    until(lambda: committed)
    until(lambda: any(hint.seq >= committed[0] and box.id in hint.mailboxes for hint in hints))


def test_a_listener_that_was_cut_off_tells_of_accounts(store, other, db):
    told: set[Key] = set()
    other.subscribe_hints(lambda hint: told.update(hint.accounts))
    assert cut(db, LISTENING) == 2
    store.put_account(EVE)
    until(lambda: EVE in told)


# ---------------------------------------------------------------- locks of maildrops


def test_a_lock_whose_connection_broke_is_taken_again_where_it_is_free(store, other, db):
    box, second = Inbox(store), Inbox(store, key=EVE)
    assert store.lock_maildrop(box.id, "one")
    assert store.lock_maildrop(second.id, "two")
    cut(db, "SELECT pg_try_advisory_lock%")
    until(lambda: other.lock_maildrop(box.id, "three"))
    assert not store.lock_maildrop(box.id, "four")
    assert store.lock_maildrop(second.id, "two")
    assert not other.lock_maildrop(second.id, "three")
    store.unlock_maildrop(box.id, "one")  # not its own any more
    assert not store.lock_maildrop(box.id, "four")
    other.unlock_maildrop(box.id, "three")
    assert store.lock_maildrop(box.id, "four")


LOCK = """
import sys
from mailtrap.store.contract.common import Inbox
from mailtrap.store.postgres import PostgresStore

store = PostgresStore(sys.argv[1])
print(store.lock_maildrop(Inbox(store).id, "there"), flush=True)
sys.stdin.read()
"""


def test_the_lock_of_a_killed_server_is_free(store, database):
    box = Inbox(store)
    process = subprocess.Popen(
        [sys.executable, "-c", LOCK, database], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout.readline() == "True\n"
        assert not store.lock_maildrop(box.id, "here")
        os.kill(process.pid, signal.SIGKILL)
        until(lambda: store.lock_maildrop(box.id, "here"))


# ---------------------------------------------------------------- kill -9


@pytest.mark.parametrize("acknowledged", [1, 100])
def test_a_killed_server_has_kept_what_it_acknowledged_and_the_other_goes_on(store, db, database, acknowledged):
    own: list[str] = []

    def deliver():
        own.append(line_of(store, f"own-{len(own)}"))

    answered = killed(database, acknowledged, each=deliver)
    for _ in range(5):
        deliver()
    messages = check(store, [*answered, *own])
    assert db.execute("SELECT count(*) FROM mailtrap.body").fetchone() == (messages,)


# ---------------------------------------------------------------- the database stops


def test_the_database_is_stopped_and_started_again(own_postgres):
    own_postgres.make_template()
    url = own_postgres.url("ours")
    one, other = PostgresStore(url), PostgresStore(url)
    box = Inbox(one, 2)
    assert one.lock_maildrop(box.id, "one")
    hints: list[Hint] = []
    other.subscribe_hints(hints.append)
    own_postgres.stop()
    for ask in (
        one.head, lambda: one.copies(box.id), lambda: one.raw(1), lambda: one.deliver(delivery(BOB)),
        lambda: one.set_flags(box.id, [1], ["x"], "add"), lambda: submit(other, [delivery(BOB), delivery(EVE)]),
        lambda: one.lock_maildrop(box.id, "two"),
    ):  # fmt: skip
        with pytest.raises(StoreError, match="the store could not"):
            ask()
    own_postgres.start()
    assert one.deliver(delivery(BOB)).placed[0].uid == 3
    assert uids(other.copies(box.id)) == [1, 2, 3]
    until(lambda: any(hint.seq == 3 and hint.mailboxes.get(box.id) == box.modseq for hint in hints))
    assert one.lock_maildrop(box.id, "one")
    assert not other.lock_maildrop(box.id, "two")
    one.close()
    other.close()

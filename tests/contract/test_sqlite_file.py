"""The SQLite store's file: what survives, and what is refused untouched."""

import gc
import os
import random
import shutil
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailtrap import clock, limits
from mailtrap.errors import OverQuota, StoreError
from mailtrap.message.address import Address
from mailtrap.message.envelope import Envelope
from mailtrap.store import sqlite_schema
from mailtrap.store.contract.common import BOB, EVE, PATIENCE, Inbox, delivery, mail, run_together, submit
from mailtrap.store.contract.killed import check, killed
from mailtrap.store.rows import ALL, INBOX, Hint, Key, Receipt, Target
from mailtrap.store.sqlite import SQLiteStore
from mailtrap.store.sqlite_writer import Outcome
from mailtrap.transcript import TLS, Session


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mail.db"


def make_session(number: int = 0) -> Session:
    session = Session("smtp", ("192.0.2.7", 4242 + number), "submission", scope="s")
    session.command(b"EHLO client")
    session.cut()
    session.helo = "client"
    session.user = "bob"
    session.mechanism = "PLAIN"
    session.tls = TLS("TLSv1.3", "AES", "mail.test", b"\x00der\xff")
    return session


# ---------------------------------------------------------------- what is found again


def test_envelope_session_and_transcript_are_found_again(path: Path) -> None:
    session = make_session()
    envelope = Envelope(
        Address("A@EXAMPLE.com"), [Address("b@xn--bcher-kva.example"), Address("b@x..", original="B@x..")],
        {"SIZE": "7", "BODY": "8BITMIME"}, [{"NOTIFY": "SUCCESS"}, {}],
    )  # fmt: skip
    store = SQLiteStore(path)
    given = delivery(BOB, session=session, transcript=b"C MAIL\nS 250\n")
    given.envelope = envelope
    seq = store.deliver(given).seq
    row = store.message(seq)
    assert row is not None
    assert row.session is session
    store.close()

    again = SQLiteStore(path)
    row = again.message(seq)
    assert row is not None
    assert row.envelope == envelope
    assert [a.original for a in row.envelope.recipients] == [a.original for a in envelope.recipients]
    assert row.transcript == b"C MAIL\nS 250\n"
    assert row.session is not None
    for name in ("id", "protocol", "peer", "listener", "scope", "opened_at", "helo", "user", "mechanism", "tls"):
        assert getattr(row.session, name) == getattr(session, name)
    assert not row.session.open
    assert "EHLO client" in row.session.transcript
    again.close()


def test_messages_of_one_session_share_its_record(path: Path) -> None:
    store = SQLiteStore(path)
    session = make_session()
    for _ in range(3):
        session.command(b"MAIL")
        store.deliver(delivery(BOB, session=session, transcript=session.cut()))
    store.close()
    again = SQLiteStore(path)
    records = {id(row.session) for row in again.messages()}
    assert len(records) == 1
    (first, *_) = again.messages()
    assert first.session is not None
    assert "EHLO" in first.session.transcript
    assert "MAIL" not in first.session.transcript
    again.close()


def test_a_session_goes_with_its_last_message(path: Path) -> None:
    store = SQLiteStore(path)
    sessions = [make_session(number) for number in range(2)]
    for session in [*sessions, sessions[0]]:
        store.deliver(delivery(BOB, session=session))
    store.remove([1, 2])
    store.close()
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT id FROM session").fetchall() == [(sessions[0].id,)]
    db.close()


@pytest.mark.parametrize("scope", [None, "s"])
def test_sessions_and_bytes_go_with_all_messages_of_a_scope(path: Path, scope: str | None) -> None:
    store = SQLiteStore(path)
    ours, both = make_session(0), make_session(1)
    for session, name in ((ours, "s"), (both, "s"), (both, "t"), (None, "s")):
        store.deliver(delivery(BOB, session=session, scope=name))
    store.remove_all(scope, submitted=True)
    store.close()
    db = sqlite3.connect(path)
    left = [] if scope is None else [(3,)]
    assert db.execute("SELECT id FROM session").fetchall() == ([] if scope is None else [(both.id,)])
    assert db.execute("SELECT seq FROM body").fetchall() == db.execute("SELECT seq FROM message").fetchall() == left
    assert db.execute("SELECT DISTINCT message FROM copy").fetchall() == left
    db.close()


def test_no_bytes_of_a_removed_message_are_kept(path: Path) -> None:
    store = SQLiteStore(path)
    Inbox(store, 5)
    store.remove([2])
    store.clear("s")
    store.close()
    db = sqlite3.connect(path)
    for table in ("body", "message", "copy", "session"):
        assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    db.close()


def test_what_vanished_stays_in_proportion(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "VANISHED_RANGES", 10)
    store = SQLiteStore(path)
    box = Inbox(store, 60)
    for gone in ([2], [4], range(6, 50, 2), [51], [53]):
        store.expunge(box.id, gone)
        with store._read() as db:
            assert db.execute("SELECT count(*) FROM vanished").fetchone()[0] <= 10
    store.close()


def test_two_stores_on_one_file_see_each_other(path: Path) -> None:
    one, other = SQLiteStore(path), SQLiteStore(path)
    assert one.life() == other.life()

    def deliver(store: SQLiteStore) -> Callable[[], None]:
        def run() -> None:
            for _ in range(20):
                store.deliver(delivery(BOB))

        return run

    run_together(deliver(one), deliver(other))
    for store in (one, other):
        assert [row.seq for row in store.messages()] == list(range(1, 41))
        assert Inbox(store).uids == list(range(1, 41))
    one.remove([3])
    assert other.message(3) is None
    assert list(other.facts([3], ["size"])) == [None]
    one.close()
    other.close()


# ---------------------------------------------------------------- groups


def test_a_failing_batch_spoils_nothing_of_its_group(path: Path) -> None:
    store = SQLiteStore(path)
    started, go_on = threading.Event(), threading.Event()

    def hold(db: sqlite3.Connection) -> Outcome:
        started.set()
        assert go_on.wait(PATIENCE)
        return Outcome(None)

    outcomes: dict[int, object] = {}
    done = threading.Event()

    def finish(number: int) -> Callable[[object, BaseException | None], None]:
        def called(receipts: object, error: BaseException | None) -> None:
            outcomes[number] = error or receipts
            if len(outcomes) == 20:
                done.set()

        return called

    holder = threading.Thread(target=lambda: store._writer.run(hold))
    holder.start()
    assert started.wait(PATIENCE)
    for number in range(20):  # all of them wait: one transaction
        target = Key("s", ALL) if number % 3 == 0 else BOB
        store.submit([delivery(EVE), delivery(target)], finish(number))
    go_on.set()
    holder.join(PATIENCE)
    assert done.wait(PATIENCE)
    good = [number for number, outcome in outcomes.items() if not isinstance(outcome, BaseException)]
    assert sorted(good) == [number for number in range(20) if number % 3]
    assert store.head() == 2 * len(good)
    assert Inbox(store).uids == list(range(1, len(good) + 1))
    assert Inbox(store, key=EVE).uids == list(range(1, len(good) + 1))
    store.close()


def test_what_waits_is_one_transaction(path: Path) -> None:
    store = SQLiteStore(path)
    begins: list[str] = []
    started, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def hold(db: sqlite3.Connection) -> Outcome:
        db.set_trace_callback(lambda statement: begins.append(statement) if statement == "COMMIT" else None)
        started.set()
        assert go_on.wait(PATIENCE)
        return Outcome(None)

    holder = threading.Thread(target=lambda: store._writer.run(hold))
    holder.start()
    assert started.wait(PATIENCE)
    left = list(range(100))

    def finish(receipts: object, error: BaseException | None) -> None:
        assert error is None
        left.pop()
        if not left:
            done.set()

    for _ in range(100):
        store.submit([delivery(BOB)], finish)
    go_on.set()
    holder.join(PATIENCE)
    assert done.wait(PATIENCE)
    assert len(begins) == 2  # the holder's and theirs
    store.close()


def test_what_was_known_before_another_server_wrote_is_read_again(path: Path) -> None:
    one, other = SQLiteStore(path), SQLiteStore(path)
    box = Inbox(one, 2)
    folder = one.create_mailbox(BOB, "Folder").id
    one.deliver(delivery(Target(BOB, "Folder")))
    other.deliver(delivery(BOB))
    other.rename_mailbox(folder, "Elsewhere")
    other.put_account(EVE, quota=10)
    receipt = one.deliver(delivery(BOB, Target(BOB, "Folder", create=True)))
    assert receipt.seq == 5
    assert receipt.placed[0].uid == 4
    assert receipt.placed[1].mailbox != folder
    with pytest.raises(OverQuota):
        one.deliver(delivery(EVE, raw=mail(size=100)))
    other.remove_account(BOB)
    placed = one.deliver(delivery(BOB)).placed[0]
    assert (placed.mailbox != box.id, placed.uid) == (True, 1)
    one.close()
    other.close()


def test_what_was_known_before_the_store_changed_otherwise_is_read_again(path: Path) -> None:
    store = SQLiteStore(path)
    box = Inbox(store, 3)
    box.store.expunge(box.id, [2])
    store.set_flags(box.id, [1], ["\\Seen"], "add")
    store.deliver(delivery(BOB))
    status = store.status(box.id)
    assert (status.messages, status.unseen) == (3, 2)
    assert (
        store.snapshot(box.id).mailbox.highestmodseq == 7
    )  # made, three deliveries, the expunge, the flag, a delivery
    store.close()


def test_mailboxes_that_are_known_are_not_read_for_each_delivery(path: Path) -> None:
    store = SQLiteStore(path)
    Inbox(store, 1)
    statements: list[str] = []

    def trace(db: sqlite3.Connection) -> Outcome:
        db.set_trace_callback(statements.append)
        return Outcome(None)

    store._writer.run(trace)
    store.deliver(delivery(BOB))
    read = [statement for statement in statements if statement.startswith("SELECT")]
    assert read
    statements.clear()
    store.deliver(delivery(BOB))
    assert [statement for statement in statements if statement.startswith("SELECT")] == []
    store.close()


def test_a_reader_does_not_wait_for_the_writer(path: Path) -> None:
    store = SQLiteStore(path)
    Inbox(store, 3)
    started, go_on = threading.Event(), threading.Event()

    def hold(db: sqlite3.Connection) -> Outcome:
        db.execute("DELETE FROM copy")
        started.set()
        assert go_on.wait(PATIENCE)
        raise StoreError("on second thoughts")

    errors: list[BaseException] = []

    def write() -> None:
        try:
            store._writer.run(hold)
        except StoreError as error:
            errors.append(error)

    holder = threading.Thread(target=write)
    holder.start()
    assert started.wait(PATIENCE)
    box = Inbox(store)
    assert box.uids == [1, 2, 3]
    assert box.subjects() == [1, 2, 3]
    assert len(store.messages()) == store.head() == 3
    go_on.set()
    holder.join(PATIENCE)
    assert [str(error) for error in errors] == ["on second thoughts"]
    assert box.uids == [1, 2, 3]
    store.close()


def test_hints_that_wait_are_told_as_one(path: Path) -> None:
    store = SQLiteStore(path)
    first, go_on, last = threading.Event(), threading.Event(), threading.Event()
    hints: list[Hint] = []

    def slow(hint: Hint) -> None:
        hints.append(hint)
        first.set()
        assert go_on.wait(PATIENCE)
        if hint.seq == 12:
            last.set()

    store.subscribe_hints(slow)
    store.deliver(delivery(BOB))
    assert first.wait(PATIENCE)
    store.deliver(delivery(BOB))
    for _ in range(10):
        store.deliver(delivery(EVE))
    go_on.set()
    assert last.wait(PATIENCE)
    assert len(hints) == 2
    for key in (BOB, EVE):
        row = store.mailbox(key, INBOX)
        assert row is not None
        assert hints[1].mailboxes[row.id] == row.highestmodseq
    store.close()


def test_a_commit_reaches_the_disk(path: Path) -> None:
    store = SQLiteStore(path)
    pragmas = store._writer.run(
        lambda db: Outcome([db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode")])
    )
    assert pragmas == [2, "wal"]  # 2 is FULL
    store.close()


def test_a_file_that_another_process_holds_fails_all_that_waits_at_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_schema, "BUSY", 0.3)
    store = SQLiteStore(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    outcomes: list[BaseException | None] = []
    done = threading.Event()

    def finish(receipts: object, error: BaseException | None) -> None:
        outcomes.append(error)
        if len(outcomes) == 50:
            done.set()

    started = clock.monotonic()
    for _ in range(50):
        store.submit([delivery(BOB)], finish)
    assert done.wait(PATIENCE)
    assert clock.monotonic() - started < 8  # and not 50 times the patience
    assert all(isinstance(error, StoreError) and "locked" in str(error) for error in outcomes)
    assert store.head() == 0  # reading is not held up
    other.execute("ROLLBACK")
    other.close()
    assert store.deliver(delivery(BOB)).seq == 1
    store.close()


# ---------------------------------------------------------------- a full disk


def test_a_full_disk_loses_nothing_and_is_recovered_from(path: Path) -> None:
    store = SQLiteStore(path)
    kept = [store.deliver(delivery(BOB, raw=mail(number))).seq for number in range(3)]

    def limit(pages: int) -> None:
        def run(db: sqlite3.Connection) -> Outcome:
            db.execute(f"PRAGMA max_page_count = {pages}")
            return Outcome(None)

        store._writer.run(run)

    limit(1)  # means: not one page more than there are
    big = mail(size=200_000)
    for _ in range(2):
        with pytest.raises(StoreError, match="full"):
            store.deliver(delivery(BOB, EVE, raw=big))
    with pytest.raises(StoreError, match="full"):
        submit(store, [delivery(EVE), delivery(BOB, raw=big)])
    assert store.head() == 3
    assert store.account(EVE) is None
    assert Inbox(store).uids == [1, 2, 3]
    assert [store.raw(seq) for seq in kept] == [mail(number) for number in range(3)]
    limit(1_000_000)
    receipt = store.deliver(delivery(BOB, raw=big))
    assert (receipt.seq, receipt.placed[0].uid) == (4, 4)
    assert store.raw(4) == big
    store.close()
    assert integrity(path) == "ok"


def test_a_full_disk_fails_only_what_does_not_fit(path: Path) -> None:
    store = SQLiteStore(path)
    store.deliver(delivery(BOB, raw=mail(size=300_000)))
    store.remove([1])  # leaves room for small ones
    started, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def hold(db: sqlite3.Connection) -> Outcome:
        db.execute("PRAGMA max_page_count = 1")
        started.set()
        assert go_on.wait(PATIENCE)
        return Outcome(None)

    outcomes: list[object] = []

    def finish(receipts: list[Receipt] | None, error: BaseException | None) -> None:
        outcomes.append(error or receipts[0].seq)
        if len(outcomes) == 9:
            done.set()

    holder = threading.Thread(target=lambda: store._writer.run(hold))
    holder.start()
    assert started.wait(PATIENCE)
    for number in range(9):
        store.submit([delivery(BOB, raw=mail(size=10 if number % 2 else 3_000_000))], finish)
    go_on.set()
    holder.join(PATIENCE)
    assert done.wait(PATIENCE)
    assert [outcome for outcome in outcomes if isinstance(outcome, int)] == [2, 3, 4, 5]
    assert all(isinstance(outcome, int | StoreError) for outcome in outcomes)
    assert [row.seq for row in store.messages()] == [2, 3, 4, 5]
    store.close()
    assert integrity(path) == "ok"


# ---------------------------------------------------------------- files that are refused


def integrity(path: Path) -> str:
    db = sqlite3.connect(path)
    (answer,) = db.execute("PRAGMA integrity_check").fetchone()
    db.close()
    return str(answer)


def refused(path: Path, match: str) -> None:
    """The file is refused, with this in the text, and no octet of it is changed."""
    before = path.read_bytes()
    with pytest.raises(StoreError, match=match):
        SQLiteStore(path)
    assert path.read_bytes() == before
    gc.collect()  # a connection that was left open would warn here


def made(path: Path, messages: int = 30) -> None:
    store = SQLiteStore(path)
    Inbox(store, messages)
    store.close()


def test_a_newer_file_is_refused(path: Path) -> None:
    made(path)
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 999")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    refused(path, "newer mailtrap")


def test_a_newer_file_that_says_so_in_its_log_only(path: Path, tmp_path: Path) -> None:
    made(path)
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 999")
    crashed = tmp_path / "crashed.db"
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", f"{crashed}{suffix}")
    db.close()
    with pytest.raises(StoreError, match="newer mailtrap"):
        SQLiteStore(crashed)
    db = sqlite3.connect(crashed)
    assert db.execute("PRAGMA user_version").fetchone() == (999,)
    db.close()


def test_another_programs_file_is_refused(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE message (id)")
    db.execute("INSERT INTO message VALUES (1)")
    db.commit()
    db.close()
    refused(path, "another program")


def test_what_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"From: a@example.com\r\n\r\nI am a mail.\r\n" * 100)
    refused(path, "no SQLite file")


def test_a_folder_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=str(tmp_path)):
        SQLiteStore(tmp_path)
    with pytest.raises(StoreError, match="nowhere"):
        SQLiteStore(tmp_path / "nowhere" / "mail.db")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are none")
def test_a_pipe_is_refused_and_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(StoreError, match="no file"):
        SQLiteStore(path)
    assert not Path(f"{path}-search").exists()


def test_a_file_that_may_only_be_read_is_refused_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(path, 3)
    path.chmod(0o444)
    if os.access(path, os.W_OK):  # root may do anything
        monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    refused(path, "read only")


def test_a_file_that_ends_within_its_header_is_damaged(path: Path) -> None:
    made(path)
    path.write_bytes(path.read_bytes()[:50])
    refused(path, "ends within its header")


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_a_log_that_is_missing_costs_what_was_in_it_only(path: Path, tmp_path: Path, suffix: str) -> None:
    store = SQLiteStore(path)
    Inbox(store, 3)
    other = sqlite3.connect(path)
    assert other.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[0] == 0
    other.close()
    store.deliver(delivery(BOB))
    crashed = tmp_path / "crashed.db"
    for each in ("", "-wal", "-shm"):
        if each != suffix:
            shutil.copy(f"{path}{each}", f"{crashed}{each}")
    store.close()
    store = SQLiteStore(crashed)
    kept = 3 if suffix == "-wal" else 4
    assert [row.seq for row in store.messages()] == list(range(1, kept + 1))
    assert store.deliver(delivery(BOB)).seq == kept + 1
    store.close()
    assert integrity(crashed) == "ok"


def test_a_truncated_file_is_refused(path: Path) -> None:
    made(path, 200)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    refused(path, "damaged|malformed")


@pytest.mark.parametrize("seed", range(6))
def test_a_file_with_garbage_in_it_is_refused(path: Path, seed: int) -> None:
    made(path, 200)
    content = bytearray(path.read_bytes())
    chance = random.Random(seed)
    for page in chance.sample(range(1, len(content) // 4096), 5):
        content[page * 4096 : page * 4096 + 200] = chance.randbytes(200)
    path.write_bytes(bytes(content))
    refused(path, "damaged|malformed|cannot be used")


@pytest.fixture
def often() -> Iterator[None]:
    """Threads take turns after each few instructions."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.parametrize("attempt", range(5))
def test_those_who_make_it_at_the_same_time_have_one_file(path: Path, attempt: int, often: None) -> None:
    stores: list[SQLiteStore] = []
    run_together(*[lambda: stores.append(SQLiteStore(path))] * 6)
    assert len({store.life() for store in stores}) == 1
    for number, store in enumerate(stores, start=1):
        assert store.deliver(delivery(BOB)).seq == number
        assert store._index is not None
        assert store._index.usable
        store.close()
    assert integrity(path) == "ok"
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    db.close()


def test_an_empty_file_is_a_new_one(path: Path) -> None:
    path.touch()
    made(path, 1)
    assert integrity(path) == "ok"


def test_a_creation_that_was_interrupted_is_done_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = (*sqlite_schema.MIGRATIONS[0], "THIS IS NO STATEMENT")
    with monkeypatch.context() as patch:
        patch.setattr(sqlite_schema, "MIGRATIONS", (broken,))
        with pytest.raises(StoreError, match="syntax error"):
            SQLiteStore(path)
    made(path, 2)
    store = SQLiteStore(path)
    assert store.head() == 2
    store.close()


def test_a_migration_brings_an_older_file_forward(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(path, 3)
    newer = (*sqlite_schema.MIGRATIONS, ("ALTER TABLE message ADD COLUMN spare", "UPDATE message SET spare = seq"))
    monkeypatch.setattr(sqlite_schema, "MIGRATIONS", newer)
    store = SQLiteStore(path)
    assert Inbox(store).uids == [1, 2, 3]
    store.close()
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA user_version").fetchone() == (len(newer),)
    assert db.execute("SELECT spare FROM message").fetchall() == [(1,), (2,), (3,)]
    db.close()
    monkeypatch.undo()
    refused(path, "newer mailtrap")


def test_a_file_of_the_first_form_is_counted(path: Path, tmp_path: Path) -> None:
    newest = SQLiteStore(path)
    box = Inbox(newest, 5)
    newest.deliver(delivery(BOB, origin="append"))
    newest.set_flags(box.id, [1, 2], ["\\Seen"], "add")
    newest.set_flags(box.id, [2, 3], ["\\Deleted", "k"], "add")
    record = newest.mailbox(Key("s", ALL), INBOX)
    assert record is not None
    newest.set_flags(record.id, [4], ["\\Seen"], "add")
    newest.expunge(record.id, [5])
    counts = newest.tally("s"), newest.status(box.id), newest.status(record.id), newest.used(BOB)
    newest.close()

    old = tmp_path / "old.db"
    db = sqlite3.connect(old)
    for statement in sqlite_schema.MIGRATIONS[0]:
        db.execute(statement)
    db.execute(f"PRAGMA application_id = {sqlite_schema.APPLICATION_ID}")
    db.execute("PRAGMA user_version = 1")
    db.execute("ATTACH ? AS newest", (str(path),))
    for (table,) in db.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall():
        columns = ", ".join(column for _, column, *_ in db.execute(f"PRAGMA main.table_info({table})"))
        db.execute(f"DELETE FROM main.{table}")
        db.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newest.{table}")
    db.commit()
    db.close()
    store = SQLiteStore(old)
    assert (store.tally("s"), store.status(box.id), store.status(record.id), store.used(BOB)) == counts
    assert store.tally("s").unread == 3
    assert store.deliver(delivery(BOB)).seq == 7
    store.close()


def test_a_migration_that_fails_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(path, 3)
    broken = (*sqlite_schema.MIGRATIONS, ("DELETE FROM message", "THIS IS NO STATEMENT"))
    monkeypatch.setattr(sqlite_schema, "MIGRATIONS", broken)
    with pytest.raises(StoreError, match="syntax error"):
        SQLiteStore(path)
    monkeypatch.undo()
    store = SQLiteStore(path)
    assert len(store.messages()) == 3
    store.close()


def test_damage_that_is_found_later_is_a_store_error(path: Path) -> None:
    store = SQLiteStore(path)
    store.deliver(delivery(BOB))

    def harm(db: sqlite3.Connection) -> Outcome:
        db.execute("DROP TABLE body")
        return Outcome(None)

    store._writer.run(harm)
    with pytest.raises(StoreError, match="could not read"):
        store.raw(1)
    with pytest.raises(StoreError, match="could not write"):
        store.deliver(delivery(BOB))
    assert store.head() == 1
    store.close()


# ---------------------------------------------------------------- kill -9


@pytest.mark.parametrize("options", ["", "?compress=zstd"])
@pytest.mark.parametrize("acknowledged", [1, 60, 250])
def test_a_killed_process_has_kept_what_it_acknowledged(path: Path, acknowledged: int, options: str) -> None:
    answered = killed(f"sqlite:///{path}{options}", acknowledged)
    store = SQLiteStore(path)
    messages = check(store, answered)
    assert store.deliver(delivery(BOB)).seq == messages + 1
    store.close()
    assert integrity(path) == "ok"

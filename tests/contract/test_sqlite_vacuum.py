"""What is free in an SQLite file goes back to the file system, and nobody waits for that."""

import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from mailtrap.store import sqlite_schema, sqlite_vacuum
from mailtrap.store.contract.common import BOB, EVE, PATIENCE, Inbox, delivery, mail
from mailtrap.store.hints import Outcome
from mailtrap.store.sqlite import SQLiteStore
from mailtrap.store.sqlite_vacuum import LOG, SPARE, STEP, Vacuum
from mailtrap.store.writer import Job

from .test_sqlite_file import integrity
from .test_sqlite_search import found, indexed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mail.db"


class Watched:
    """Each step of vacuums, and where they come to rest."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: list[bool] = []
        self.between: Callable[[], object] = lambda: None
        self.rest: dict[int, threading.Event] = {}
        step = Vacuum.step

        def watched(vacuum: Vacuum) -> bool:
            due = vacuum._due
            more = step(vacuum)
            self.steps.append(more)
            if threading.current_thread().name == "mailtrap-store":
                self.between()
            if due and not more:
                self.rest.setdefault(id(vacuum), threading.Event()).set()
            return more

        monkeypatch.setattr(Vacuum, "step", watched)

    def rested(self, vacuum: Vacuum) -> bool:
        return self.rest.setdefault(id(vacuum), threading.Event()).wait(PATIENCE)

    def begin(self, vacuum: Vacuum) -> None:
        self.rest.setdefault(id(vacuum), threading.Event()).clear()


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(monkeypatch)


def fill(store: SQLiteStore, messages: int = 300) -> None:
    for number in range(messages):
        store.deliver(delivery(BOB, raw=mail(number, 10_000)))


def test_the_file_shrinks_when_all_is_deleted(path: Path, watched: Watched) -> None:
    store = SQLiteStore(path)
    fill(store)
    before = path.stat().st_size + Path(f"{path}-wal").stat().st_size
    assert before > 3_000_000
    assert watched.rested(store._writer.vacuum)
    watched.begin(store._writer.vacuum)
    store.clear("s")
    assert watched.rested(store._writer.vacuum)
    assert path.stat().st_size < 600_000
    assert Path(f"{path}-wal").stat().st_size <= LOG
    store.close()
    assert integrity(path) == "ok"
    store = SQLiteStore(path)
    assert store.deliver(delivery(BOB)).seq == 301
    store.close()


def test_to_remove_all_takes_little_of_the_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SQLiteStore(path)
    fill(store)
    monkeypatch.setattr(Vacuum, "step", lambda vacuum: False)
    log = Path(f"{path}-wal")
    store.close()  # which empties the log
    store = SQLiteStore(path)
    store.clear("s")
    assert log.stat().st_size < 600_000  # of 3 MB of mail
    store.close()


def test_what_is_kept_is_kept_when_pages_move(path: Path, watched: Watched) -> None:
    store = SQLiteStore(path)
    fill(store)
    assert watched.rested(store._writer.vacuum)
    watched.begin(store._writer.vacuum)
    store.remove([number for number in range(1, 301) if number % 10])
    assert watched.rested(store._writer.vacuum)
    assert path.stat().st_size < 1_200_000
    assert [row.seq for row in store.messages()] == list(range(10, 301, 10))
    assert [store.raw(seq) for seq in range(10, 301, 10)] == [mail(seq - 1, 10_000) for seq in range(10, 301, 10)]
    assert Inbox(store).uids == list(range(10, 301, 10))
    store.close()
    assert integrity(path) == "ok"


def test_a_delivery_comes_between_two_steps(path: Path, monkeypatch: pytest.MonkeyPatch, watched: Watched) -> None:
    monkeypatch.setattr(sqlite_vacuum, "STEP", 1)
    store = SQLiteStore(path)
    fill(store, 100)
    said: list[str] = []
    first, go_on, kept = threading.Event(), threading.Event(), threading.Event()

    def trace(db: sqlite3.Connection) -> Outcome:
        db.set_trace_callback(said.append)
        return Outcome(None)

    def between() -> None:
        if not first.is_set():
            first.set()
            assert go_on.wait(PATIENCE)

    assert watched.rested(store._writer.vacuum)
    watched.begin(store._writer.vacuum)
    store._writer.run(trace)
    assert watched.rested(store._writer.vacuum)
    watched.begin(store._writer.vacuum)
    del said[:]
    watched.between = between
    store.clear("s")
    assert first.wait(PATIENCE)
    store.submit([delivery(EVE)], lambda receipts, error: kept.set())
    go_on.set()
    assert kept.wait(PATIENCE)
    assert watched.rested(store._writer.vacuum)
    told = "".join("v" if "incremental_vacuum" in text else "d" if "INSERT INTO body" in text else "" for text in said)
    assert told.startswith("vdv"), told  # after the step that had begun
    assert told.count("v") > 100
    assert store.head() == 101
    store.close()
    assert integrity(path) == "ok"


def test_a_step_is_small_and_the_next_mail_finds_pages(path: Path, watched: Watched) -> None:
    store = SQLiteStore(path)
    fill(store)
    assert watched.rested(store._writer.vacuum)
    counts: list[tuple[int, int]] = []

    def count() -> None:
        vacuum = store._writer.vacuum
        counts.append((vacuum._number("page_count"), vacuum._number("freelist_count")))

    watched.between = count
    assert watched.rested(store._writer.vacuum)
    watched.begin(store._writer.vacuum)
    store.clear("s")
    assert watched.rested(store._writer.vacuum)
    given = [before - after for (before, _), (after, _) in pairwise(counts)]
    assert len(given) > 5
    assert max(given) <= STEP + 2  # pages of the file's own map of pages go with them
    assert counts[-1][1] == SPARE
    store.close()


def test_where_mail_comes_and_goes_nothing_is_moved(path: Path, watched: Watched) -> None:
    store = SQLiteStore(path)
    fill(store)
    assert watched.rested(store._writer.vacuum)
    watched.begin(store._writer.vacuum)
    del watched.steps[:]
    store.remove(range(1, 31))
    assert watched.rested(store._writer.vacuum)
    assert not any(watched.steps)
    store.close()


def test_a_file_that_was_made_before_stays_as_it_is(
    path: Path, monkeypatch: pytest.MonkeyPatch, watched: Watched
) -> None:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute(f"PRAGMA application_id = {sqlite_schema.APPLICATION_ID}")
    for number, statements in enumerate(sqlite_schema.MIGRATIONS, start=1):
        for statement in statements:
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {number}")
    assert db.execute("PRAGMA auto_vacuum").fetchone() == (0,)
    db.close()
    store = SQLiteStore(path)
    fill(store, 150)
    assert watched.rested(store._writer.vacuum)
    watched.begin(store._writer.vacuum)
    store.clear("s")
    assert watched.rested(store._writer.vacuum)
    store.close()
    size = path.stat().st_size
    assert size > 500_000
    store = SQLiteStore(path)
    fill(store, 120)
    store.close()
    assert path.stat().st_size <= size  # it is used again

    db = sqlite3.connect(path, isolation_level=None)  # as the documents say, while no server has it
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    db.execute("VACUUM")
    db.close()
    store = SQLiteStore(path)
    assert store.head() == 270
    assert watched.rested(store._writer.vacuum)
    watched.begin(store._writer.vacuum)
    store.clear("s")
    assert watched.rested(store._writer.vacuum)
    store.close()
    assert path.stat().st_size < size / 2


def test_what_was_not_done_is_done_at_the_next_start(path: Path, watched: Watched) -> None:
    store = SQLiteStore(path)
    fill(store)
    store._writer.vacuum.wake = lambda: None  # type: ignore[method-assign]
    store.clear("s")
    store.close()
    assert path.stat().st_size > 3_000_000
    store = SQLiteStore(path)
    assert watched.rested(store._writer.vacuum)
    store.close()
    assert path.stat().st_size < 600_000


def test_the_index_shrinks_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SQLiteStore(path)
    for number in range(200):
        words = " ".join(f"word{number * 100 + each}" for each in range(300))
        store.deliver(delivery(BOB, raw=b"Subject: N%d\r\n\r\n%b\r\n" % (number, words.encode())))
    indexed(store)
    index = Path(f"{path}-search")
    before = index.stat().st_size + Path(f"{index}-wal").stat().st_size
    assert before > 400_000
    shrunk = threading.Event()
    step = Vacuum.step

    def watched(vacuum: Vacuum) -> bool:
        more = step(vacuum)
        if threading.current_thread().name == "mailtrap-index" and not more and index.stat().st_size < 300_000 < before:
            shrunk.set()
        return more

    monkeypatch.setattr(Vacuum, "step", watched)
    store.clear("s")
    assert shrunk.wait(PATIENCE)
    store.deliver(delivery(BOB, raw=b"Subject: new\r\n\r\nfresh words\r\n"))
    indexed(store)
    assert found(store, "fresh") == [201]
    store.close()
    assert integrity(index) == "ok"


# ---------------------------------------------------------------- what goes wrong


def test_a_vacuum_that_fails_is_logged_and_mail_goes_on(
    path: Path, watched: Watched, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = SQLiteStore(path)
    fill(store)
    assert watched.rested(store._writer.vacuum)
    reported: list[BaseException] = []
    store.report = reported.append  # type: ignore[method-assign]
    really = Vacuum._step

    def full(vacuum: Vacuum) -> bool:
        raise sqlite3.OperationalError("database or disk is full")

    assert watched.rested(store._writer.vacuum)
    watched.begin(store._writer.vacuum)
    with caplog.at_level(logging.WARNING, "mailtrap.store"):
        monkeypatch.setattr(Vacuum, "_step", full)
        store.clear("s")
        assert watched.rested(store._writer.vacuum)
    assert "disk is full" in caplog.text
    assert store.deliver(delivery(BOB)).seq == 301
    monkeypatch.setattr(Vacuum, "_step", really)
    watched.begin(store._writer.vacuum)
    store.remove([301])  # the next removal tries again
    assert watched.rested(store._writer.vacuum)
    store.close()
    assert path.stat().st_size < 600_000
    assert reported == []


def test_half_a_transaction_is_never_committed_by_it(path: Path) -> None:
    store = SQLiteStore(path)
    fill(store)
    store.clear("s")
    store.close()
    db = sqlite3.connect(path, isolation_level=None)
    vacuum = Vacuum(db)
    db.execute("BEGIN")
    db.execute("UPDATE state SET head = 7000")
    assert not vacuum.step()
    db.execute("ROLLBACK")
    assert db.execute("SELECT head FROM state").fetchone() == (300,)
    db.close()


def test_closing_does_not_wait_for_all_of_it(path: Path, monkeypatch: pytest.MonkeyPatch, watched: Watched) -> None:
    monkeypatch.setattr(sqlite_vacuum, "STEP", 1)
    store = SQLiteStore(path)
    fill(store)
    assert watched.rested(store._writer.vacuum)
    first, go_on = threading.Event(), threading.Event()

    def between() -> None:
        if not first.is_set():
            first.set()
            assert go_on.wait(PATIENCE)

    watched.between = between
    store.clear("s")
    assert first.wait(PATIENCE)
    del watched.steps[:]
    closing = threading.Thread(target=store.close)
    with store._writer._wake:
        store._writer._closing = True
    go_on.set()
    closing.start()
    closing.join(PATIENCE)
    assert len(watched.steps) < 100
    assert path.stat().st_size > 1_000_000


SHRINKING = """
import sys, threading
from mailtrap.store import sqlite_vacuum
from mailtrap.store.sqlite import SQLiteStore

sqlite_vacuum.STEP = 2
step, said = sqlite_vacuum.Vacuum.step, 0

def told(vacuum):
    global said
    more = step(vacuum)
    if threading.current_thread().name == "mailtrap-store":
        said += 1
        print(said, flush=True)
    return more

sqlite_vacuum.Vacuum.step = told
store = SQLiteStore(sys.argv[1])
store.remove([number for number in range(1, 301) if number % 10])
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("steps", [3, 40, 200])
def test_a_process_that_is_killed_while_it_gives_pages_back(path: Path, steps: int, watched: Watched) -> None:
    store = SQLiteStore(path)
    fill(store)
    store.close()
    process = subprocess.Popen(
        [sys.executable, "-c", SHRINKING, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        for _ in range(steps):
            assert process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    assert integrity(path) == "ok"
    store = SQLiteStore(path)
    kept = list(range(10, 301, 10))
    rows = [row.seq for row in store.messages()]
    assert rows in (kept, list(range(1, 301)))  # the removal itself may not have come to its commit
    assert [store.raw(seq) for seq in kept] == [mail(seq - 1, 10_000) for seq in kept]
    assert watched.rested(store._writer.vacuum)
    assert store.deliver(delivery(BOB)).seq == 301
    store.close()
    assert integrity(path) == "ok"


def test_a_reader_that_holds_its_moment_stops_nobody(path: Path, watched: Watched) -> None:
    store = SQLiteStore(path)
    fill(store)
    assert watched.rested(store._writer.vacuum)
    with store._read() as db:
        assert db.execute("SELECT count(*) FROM body").fetchone() == (300,)
        assert watched.rested(store._writer.vacuum)
        watched.begin(store._writer.vacuum)
        store.clear("s")
        assert watched.rested(store._writer.vacuum)
        assert store.deliver(delivery(BOB)).seq == 301
        assert db.execute("SELECT sum(length(raw)) FROM body").fetchone()[0] > 3_000_000
    store.close()
    assert integrity(path) == "ok"


def test_jobs_come_before_it(path: Path, watched: Watched) -> None:
    """However much is free, what waits is written first."""
    store = SQLiteStore(path)
    fill(store)
    held, go_on, done = threading.Event(), threading.Event(), threading.Event()
    order: list[str] = []

    def hold(db: sqlite3.Connection) -> Outcome:
        held.set()
        assert go_on.wait(PATIENCE)
        return Outcome(None)

    holder = threading.Thread(target=lambda: store._writer.run(hold))
    holder.start()
    assert held.wait(PATIENCE)
    for _ in range(5):
        store._writer.put(Job(lambda db: Outcome(None), lambda result, error: order.append("job")))
    store._writer.put(Job([delivery(EVE)], lambda result, error: (order.append("mail"), done.set())))
    watched.between = lambda: order.append("step")
    go_on.set()
    assert done.wait(PATIENCE)
    holder.join(PATIENCE)
    assert order[:6] == ["job"] * 5 + ["mail"]
    store.close()

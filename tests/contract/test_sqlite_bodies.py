"""Large mail compressed in an SQLite file."""

import os
import random
import sqlite3
import threading
from pathlib import Path

import pytest

from mailtrap import MailServer
from mailtrap.errors import ConfigError, OverQuota, StoreError
from mailtrap.store import sqlite_bodies, sqlite_schema
from mailtrap.store.contract.common import BOB, PATIENCE, Inbox, delivery, run_together, submit
from mailtrap.store.open import open_store
from mailtrap.store.sqlite import SQLiteStore

from .test_sqlite_file import integrity, made
from .test_sqlite_search import found, indexed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mail.db"


def text(octets: int, seed: int = 0) -> bytes:
    """A mail of words, which become smaller."""
    chance = random.Random(seed)
    words = [b"alpha", b"beta", b"gamma", b"delta", b"caf\xc3\xa9", b"omega\r\n"]
    body = b" ".join(chance.choices(words, k=octets // 4))
    return (b"Subject: text %d\r\n\r\n" % seed + body)[:octets]


def noise(octets: int) -> bytes:
    """Octets that do not become smaller, all 256 of them."""
    return b"Subject: noise\r\n\r\n" + random.Random(7).randbytes(octets)


def forms(path: Path) -> list[int]:
    db = sqlite3.connect(path)
    found = [form for (form,) in db.execute("SELECT form FROM body ORDER BY seq")]
    db.close()
    return found


def without_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ModuleNotFoundError("No module named 'zstd'")

    monkeypatch.setattr(sqlite_bodies, "library", missing)


MAILS = [
    text(100), text(5_000, 1), text(60_000, 2), text(700_000, 3), noise(5_000), noise(300_000), b"", b"\x00" * 9_000,
    b"\x28\xb5\x2f\xfd" + b"looks like a frame" * 400,
]  # fmt: skip


def test_bytes_come_back_the_same_whatever_they_are(path: Path) -> None:
    store = SQLiteStore(path, compress=True)
    for number, raw in enumerate(MAILS):
        row = delivery(BOB, raw=raw)
        (store.deliver if number % 2 else lambda row: submit(store, [row]))(row)
    for _ in range(2):
        assert [store.raw(seq) for seq in range(1, len(MAILS) + 1)] == MAILS
        assert [row.size for row in store.messages()] == [len(raw) for raw in MAILS]
        assert sum(copy.message.size for copy in store.copies(Inbox(store).id)) == sum(map(len, MAILS))
        store.close()
        store = SQLiteStore(path)  # without being told
    store.close()
    assert forms(path) == [0, 1, 1, 1, 0, 0, 0, 1, 1]
    assert integrity(path) == "ok"


def test_the_file_is_smaller(tmp_path: Path) -> None:
    sizes = []
    for compress in (False, True):
        path = tmp_path / f"{compress}.db"
        store = SQLiteStore(path, compress=compress)
        for number in range(40):
            store.deliver(delivery(BOB, raw=text(50_000, number)))
        store.close()
        sizes.append(path.stat().st_size)
    assert sizes[1] < sizes[0] / 2


def test_what_is_large_is_compressed_in_a_thread_of_its_own_and_what_is_small_at_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SQLiteStore(path, compress=True)
    assert store._packer is not None
    names: list[str] = []
    pack = store._packer.pack

    def watched(batch):
        names.append(threading.current_thread().name.split("_")[0])
        return pack(batch)

    monkeypatch.setattr(store._packer, "pack", watched)
    submit(store, [delivery(BOB, raw=text(20_000))])
    submit(store, [delivery(BOB, raw=text(sqlite_bodies.LARGE + 1))])
    store.deliver(delivery(BOB, raw=text(sqlite_bodies.LARGE + 1)))  # whoever waits may as well do it
    here = threading.current_thread().name.split("_")[0]
    assert names == [here, "mailtrap-zstd", here]
    store.close()
    assert forms(path) == [1, 1, 1]


def test_closing_keeps_what_was_handed_over(path: Path) -> None:
    store = SQLiteStore(path, compress=True)
    outcomes: list[BaseException | None] = []
    for number in range(10):
        store.submit([delivery(BOB, raw=text(300_000, number))], lambda receipts, error: outcomes.append(error))
    store.close()
    assert outcomes == [None] * 10
    called = threading.Event()
    store.submit([delivery(BOB, raw=text(300_000))], lambda receipts, error: (outcomes.append(error), called.set()))
    assert called.wait(PATIENCE)
    assert isinstance(outcomes[-1], StoreError)
    store = SQLiteStore(path)
    assert sorted(store.raw(seq) for seq in range(1, 11)) == sorted(text(300_000, number) for number in range(10))
    store.close()


def test_many_senders_and_readers_at_once(path: Path) -> None:
    store = SQLiteStore(path, compress=True)

    def send(worker: int):
        def run() -> None:
            for number in range(8):
                raw = text(2_500 + 9_000 * number, worker * 100 + number)
                receipt = store.deliver(delivery(BOB, raw=raw))
                assert store.raw(receipt.seq) == raw

        return run

    run_together(*(send(worker) for worker in range(6)))
    store.close()
    assert forms(path) == [1] * 48


def test_a_quota_counts_the_mail_and_not_what_it_takes(path: Path) -> None:
    store = SQLiteStore(path, compress=True)
    store.put_account(BOB, quota=100_000)
    store.deliver(delivery(BOB, raw=text(60_000)))
    assert path.stat().st_size
    with pytest.raises(OverQuota):
        store.deliver(delivery(BOB, raw=text(60_000)))
    assert store.used(BOB).octets == 60_000 + text(60_000).count(b"\n") - text(60_000).count(b"\r\n")
    store.close()


def test_what_is_compressed_is_searched(path: Path) -> None:
    store = SQLiteStore(path, compress=True)
    for number in range(5):
        store.deliver(delivery(BOB, raw=text(9_000, number) + b" needle%d\r\n" % number))
    indexed(store)
    assert found(store, "needle3") == [4]
    assert found(store, "omega -needle1") == [1, 3, 4, 5]
    store.close()
    Path(f"{path}-search").unlink()
    store = SQLiteStore(path)
    indexed(store)
    assert found(store, "needle3") == [4]
    store.close()


def test_clients_see_the_size_of_the_mail(path: Path) -> None:
    import imaplib
    import poplib
    import smtplib

    raw = text(40_000).replace(b"\r\n", b"").replace(b"Subject: text 0", b"Subject: text 0\r\n\r\n")
    raw = b"\r\n".join(raw[at : at + 900] for at in range(0, len(raw), 900)) + b"\r\n"
    with MailServer(store=f"sqlite:///{path}?compress=zstd") as server:
        with smtplib.SMTP(server.smtp.host, server.smtp.port) as smtp:
            smtp.sendmail("a@example.com", ["bob@example.com"], raw)
        with imaplib.IMAP4(server.imap.host, server.imap.port) as imap:
            imap.login("bob@example.com", "pw")
            imap.select()
            assert b"RFC822.SIZE %d" % len(raw) in imap.fetch("1", "(RFC822.SIZE)")[1][0]
            assert imap.fetch("1", "(BODY.PEEK[])")[1][0][1] == raw
        pop = poplib.POP3(server.pop3.host, server.pop3.port)
        pop.user("bob@example.com")
        pop.pass_("pw")
        assert pop.stat() == (1, len(raw))
        pop.quit()
    assert forms(path) == [1]


# ---------------------------------------------------------------- without the library, and damage


def test_without_the_library_nothing_is_compressed_or_begun(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_library(monkeypatch)
    with pytest.raises(ConfigError, match=r"pytest-mailtrap\[zstd\]"):
        open_store(f"sqlite:///{path}?compress=zstd")
    assert not path.exists()
    store = SQLiteStore(path)  # all else works
    store.deliver(delivery(BOB, raw=text(9_000)))
    assert store.raw(1) == text(9_000)
    store.close()


def test_a_compressed_file_is_refused_untouched_without_the_library(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SQLiteStore(path, compress=True)
    store.deliver(delivery(BOB, raw=text(9_000)))
    store.close()
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        without_library(patch)
        with pytest.raises(StoreError, match=r"has compressed mail.*pytest-mailtrap\[zstd\]"):
            SQLiteStore(path)
    assert path.read_bytes() == before
    store = SQLiteStore(path)
    store.remove([1])
    store.close()
    without_library(monkeypatch)
    SQLiteStore(path).close()  # none is left that it could not read


def test_mail_that_another_server_compresses_meanwhile_is_a_clear_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, store = SQLiteStore(path, compress=True), SQLiteStore(path)
    other.deliver(delivery(BOB, raw=text(9_000)))
    with monkeypatch.context() as patch:
        without_library(patch)
        with pytest.raises(StoreError, match=r"pytest-mailtrap\[zstd\]"):
            store.raw(1)
    assert store.raw(1) == text(9_000)
    store.close()
    other.close()


@pytest.mark.parametrize("at", [6, 60, -3])
def test_damage_is_noticed(path: Path, at: int) -> None:
    store = SQLiteStore(path, compress=True)
    store.deliver(delivery(BOB, raw=text(9_000)))
    store.close()
    db = sqlite3.connect(path)
    (kept,) = db.execute("SELECT raw FROM body").fetchone()
    harmed = bytearray(kept)
    harmed[at] ^= 0x55
    db.execute("UPDATE body SET raw = ?", (bytes(harmed),))
    db.commit()
    db.close()
    store = SQLiteStore(path)
    with pytest.raises(StoreError, match="damaged"):
        store.raw(1)
    store.close()


def test_a_file_of_the_form_before_is_brought_forward(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sqlite_schema, "MIGRATIONS", sqlite_schema.MIGRATIONS[:3])
        db = sqlite3.connect(path, isolation_level=None)
        sqlite_schema._migrate(db, str(path))
        db.execute("INSERT INTO body VALUES (1, ?)", (text(9_000),))
        db.close()
    store = SQLiteStore(path, compress=True)
    assert store.raw(1) == text(9_000)
    store.close()
    assert forms(path) == [0]


# ---------------------------------------------------------------- paths


@pytest.mark.parametrize(
    "name",
    [
        "a b.db",
        "100%.db",
        "a%20b.db",
        "a#b.db",
        "a&b=c.db",
        "ünï-邮件.db",
        "file:x.db",
        ":memory:.db",
        "'q'.db",
        "a;b.db",
    ],
)
def test_a_path_is_taken_as_it_is(tmp_path: Path, name: str) -> None:
    if os.name == "nt":
        pytest.skip("there such names are not allowed")
    for options, form in (("", 0), ("?compress=zstd", 1)):
        store = open_store(f"sqlite:///{tmp_path}/{name}{options}")
        store.deliver(delivery(BOB, raw=text(9_000)))
        store.close()
        assert forms(tmp_path / name)[-1] == form
    assert {file.name for file in tmp_path.iterdir()} == {name, f"{name}-search"}


@pytest.mark.parametrize("name", ["a?b.db", "a?compress=zstd", "what?", "??"])
def test_a_question_mark_in_a_path_needs_another_one(tmp_path: Path, name: str) -> None:
    open_store(f"sqlite:///{tmp_path}/{name}?").close()
    assert {file.name for file in tmp_path.iterdir()} == {name, f"{name}-search"}
    open_store(f"sqlite:///{tmp_path}/{name}?compress=zstd").close()
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("given", ["a?b.db", "a.db?compress=gzip", "a.db?compress", "a.db?compress=zstd&x=1", "a?b?x"])
def test_other_options_are_an_error_and_no_file(tmp_path: Path, given: str) -> None:
    with pytest.raises(ConfigError, match="compress=zstd"):
        open_store(f"sqlite:///{tmp_path}/{given}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["sqlite:///?compress=zstd", "sqlite:///:memory:?", "sqlite:///?", "sqlite://a.db?"])
def test_a_url_without_a_file_is_an_error(url: str) -> None:
    with pytest.raises(ConfigError, match="a file is written"):
        open_store(url)


def test_a_name_that_no_file_can_have_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be"):
        SQLiteStore(f"{tmp_path}/a\0b.db")
    with pytest.raises(StoreError, match="cannot be"):
        SQLiteStore(tmp_path / ("x" * 300))


def test_a_name_that_is_no_utf_8(tmp_path: Path) -> None:
    if os.name == "nt" or os.uname().sysname == "Darwin":
        pytest.skip("there every name is Unicode")
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.db")
    store = SQLiteStore(path)
    store.deliver(delivery(BOB, raw=text(500)))
    indexed(store)
    assert found(store, "alpha") == [1]
    store.close()
    assert {os.fsencode(file.name) for file in tmp_path.iterdir()} == {b"caf\xe9.db", b"caf\xe9.db-search"}


def test_a_relative_path_stays_the_same_file_when_the_program_goes_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    store = open_store("sqlite:///mail.db")
    store.deliver(delivery(BOB))
    held = store._read()  # type: ignore[attr-defined]
    with held:  # so that the next reader needs a new connection
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert len(store.messages()) == 1
    store.close()
    assert list((tmp_path / "elsewhere").iterdir()) == []
    made(tmp_path / "elsewhere" / "mail.db", 1)

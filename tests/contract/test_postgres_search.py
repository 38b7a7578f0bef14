"""Search in PostgreSQL: that SQL and trigrams find what the predicate finds, and what becomes of the index."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mailtrap import clock
from mailtrap.store import postgres_index, search
from mailtrap.store.contract.common import BOB, PATIENCE, Inbox, delivery, run_together
from mailtrap.store.memory import MemoryStore
from mailtrap.store.postgres import PostgresStore
from mailtrap.store.query import parse

from .test_sqlite_search import _leaves, _mails, _of_record, _trees, fill, finds_the_same, made, mails


def indexed(store: PostgresStore) -> None:
    """Wait until the index knows all."""
    end = clock.monotonic() + PATIENCE
    while True:
        with store._read() as db:
            (done,) = db.one("SELECT done FROM indexed")
        newest = next(iter(store.messages(newest_first=True, limit=1)), None)
        if newest is None or done >= newest.seq:
            return
        assert clock.monotonic() < end, done
        clock.sleep(0.002)


@settings(
    max_examples=10, deadline=None, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)  # fmt: skip
@given(
    st.lists(_mails, max_size=8), st.lists(_trees(_of_record), min_size=3, max_size=12),
    st.lists(_trees(_leaves), min_size=3, max_size=12), st.sampled_from(["indexed", "half", "not"]), st.data(),
)  # fmt: skip
def test_sql_finds_what_the_predicate_finds(
    postgres, contents: list[dict[str, Any]], of_record: list[Any], of_mailbox: list[Any], state: str, data: Any
) -> None:
    name = postgres.take()
    memory, store = MemoryStore(), PostgresStore(postgres.url(name))
    contents = [{**content, "raw": made(content)} for content in contents]  # once: a boundary is drawn by chance
    fill(memory, contents)
    fill(store, contents)
    indexed(store)
    if state != "indexed":
        store._index.close()
        done = 0 if state == "not" else len(contents) // 2
        with psycopg.connect(postgres.url(name), autocommit=True) as db:
            db.execute("DELETE FROM mailtrap.words WHERE seq > %s", (done,))
            db.execute("UPDATE mailtrap.indexed SET done = %s", (done,))
    try:
        finds_the_same(memory, store, of_record, of_mailbox, data)
    finally:
        store.close()
        postgres.free.append(name)


@pytest.fixture
def store(database: str) -> Iterator[PostgresStore]:
    made = PostgresStore(database)
    yield made
    made.close()


def found(store: PostgresStore, query: str) -> list[int]:
    return list(store.find("s", parse(query), scopes=["s"]))


def test_no_message_is_looked_at(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    mails(store, 90)
    indexed(store)

    def facts(*_: Any) -> Any:
        raise AssertionError("a message was looked at")

    monkeypatch.setattr(store, "facts", facts)
    assert found(store, "word 42") == [42]
    assert found(store, "ord is:unread larger:1 envelope-to:bob -4") == [n for n in range(1, 91) if "4" not in str(n)]
    assert list(store.search(Inbox(store).id, search.And((search.Body("word"), search.Text("n33"))))) == [33]
    assert found(store, "nowhere") == found(store, "has:attachment") == []


@pytest.mark.parametrize("text", ["100%", "a_b", "back\\slash", "%", "_", "'", "\\%"])
def test_signs_of_patterns_are_only_text(store: PostgresStore, text: str) -> None:
    for body in (text, "100 a-b backslash", "x" + text + "y"):
        store.deliver(delivery(BOB, raw=b"Subject: x\r\n\r\n" + body.encode() + b"\r\n"))
    indexed(store)
    box = Inbox(store)
    assert list(store.search(box.id, search.Body(text))) == [1, 3]


def test_a_long_mail_is_found_by_its_end(store: PostgresStore) -> None:
    mails(store, 1, text="z" * 70_000 + " end")
    mails(store, 2)
    indexed(store)
    assert found(store, "end") == [1]
    assert list(store.search(Inbox(store).id, search.Body("z end"))) == [1]


def test_what_is_removed_is_not_kept(store: PostgresStore, database: str) -> None:
    mails(store, 40)
    remove = [lambda seq=seq: store.remove([seq]) for seq in range(1, 41, 10)]
    run_together(*remove)
    indexed(store)
    store.remove(range(2, 39))
    with psycopg.connect(database) as db:
        assert db.execute("SELECT seq FROM mailtrap.words ORDER BY seq").fetchall() == [(39,), (40,)]
    assert found(store, "word") == [39, 40]


def test_two_servers_fill_one_index(store: PostgresStore, database: str) -> None:
    other = PostgresStore(database)
    run_together(lambda: mails(store, 60), lambda: mails(other, 60))
    indexed(store)
    with psycopg.connect(database) as db:
        assert db.execute("SELECT count(*), max(seq) FROM mailtrap.words").fetchone() == (120, 120)
    other.close()


def test_what_was_missed_is_indexed_when_the_store_is_opened(database: str) -> None:
    first = PostgresStore(database)
    first._index.close()
    mails(first, 5)
    first.close()
    store = PostgresStore(database)
    indexed(store)
    assert found(store, "word") == [1, 2, 3, 4, 5]
    store.close()


def test_substrings_are_found_by_trigrams(store: PostgresStore, database: str) -> None:
    """Where the extension is there, which it is where these tests run."""
    with psycopg.connect(database, autocommit=True) as db:
        if db.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'").fetchone() is None:
            pytest.skip("this PostgreSQL has no pg_trgm")
        mails(store, 300)
        indexed(store)
        db.execute("SET search_path TO mailtrap; SET enable_seqscan TO off; ANALYZE words")
        for columns in ("body LIKE '%ord 7%'", "people LIKE '%ord 7%' OR body LIKE '%ord 7%'"):
            plan = "\n".join(line for (line,) in db.execute(f"EXPLAIN SELECT seq FROM words WHERE {columns}"))
            assert "words_text" in plan


def test_without_trigrams_the_same_is_found(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as db:
        db.execute("DROP INDEX IF EXISTS mailtrap.words_text")
        store = PostgresStore(database)
        mails(store, 9)
        indexed(store)
        db.execute("DROP INDEX IF EXISTS mailtrap.words_text")
        assert found(store, "ord 7") == [7]
        store.close()
        PostgresStore(database).close()  # which makes it again
        assert db.execute("SELECT to_regclass('mailtrap.words_text') IS NOT NULL").fetchone() == (True,)


def test_an_index_that_fails_is_reported_and_search_goes_on(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[BaseException] = []
    store.report = reported.append  # type: ignore[method-assign]
    monkeypatch.setattr(postgres_index, "document", lambda row, raw: 1 / 0)
    mails(store, 3)
    assert store._index._background._thread is not None
    store._index._background._thread.join(PATIENCE)
    mails(store, 1, start=4)
    assert [type(error) for error in reported] == [ZeroDivisionError]
    assert found(store, "word") == [1, 2, 3, 4]

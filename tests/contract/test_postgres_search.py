"""Search in PostgreSQL: that SQL and trigrams find what the predicate finds, and what becomes of the index."""

from collections.abc import Iterator, Sequence
from typing import Any
from unittest.mock import patch

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mailtrap import clock
from mailtrap.store import conditions, postgres_index, search, sql_question
from mailtrap.store.contract.common import BOB, PATIENCE, Inbox, delivery, run_together
from mailtrap.store.memory import MemoryStore
from mailtrap.store.postgres import PostgresStore
from mailtrap.store.postgres_connections import Database
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
        with patch.object(sql_question, "_SAMPLE", data.draw(st.sampled_from([1, 100]))):
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


@pytest.mark.parametrize(
    "text", ["a.c", "a*", "***=a", "(a", "[a]", "a{2}", "a|b", "^a$", "a\\d", "a+?", "#a", "(?i)a"]
)
def test_signs_of_regular_expressions_are_only_text(store: PostgresStore, text: str) -> None:
    for value in (f"{text} {text}", "abc aa bb 11 5", f"x{text} {text}y"):
        store.deliver(delivery(BOB, raw=f"From: {value}\r\nSubject: {value}\r\n\r\n.\r\n".encode()))
    indexed(store)
    box = Inbox(store)
    assert list(store.search(box.id, search.HeaderContains("from", f"{text} {text}"))) == [1, 3]
    assert list(store.find("s", conditions.Words(f"{text} {text}"), scopes=["s"])) == [1, 3]


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


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[Any]]]:
    """What is asked of the table ``words``, with its values."""
    asked: list[tuple[str, list[Any]]] = []
    execute = Database.execute

    def noted(self: Database, query: str, values: Sequence[Any] = (), /) -> Any:
        if "words WHERE (" in query or "words AS w WHERE" in query:
            asked.append((query, list(values)))
        return execute(self, query, values)

    monkeypatch.setattr(Database, "execute", noted)
    return asked


@pytest.fixture
def many(postgres: Any) -> Iterator[PostgresStore]:
    """300 mails in a database without any statistics, as each is at first."""
    name = postgres.take()
    with psycopg.connect(postgres.url(name), autocommit=True) as db:
        if db.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'").fetchone() is None:
            pytest.skip("this PostgreSQL has no pg_trgm")
    store = PostgresStore(postgres.url(name))
    mails(store, 300, text="some text that most have\r\nand a few lines more of it: word")
    indexed(store)
    yield store
    store.close()
    with postgres.connect() as db:  # a test that vacuums would leave it with statistics
        db.execute(f"DROP DATABASE {name} WITH (FORCE)")


def plan_of(store: PostgresStore, statement: tuple[str, list[Any]]) -> str:
    with store._read() as db:
        store._text_conditions(db).lead(db)
        return "\n".join(line for (line,) in db.execute("EXPLAIN " + statement[0], statement[1]))


RARE = ["word n77", '"word 77"', "n77", "from:nobody-at-all", "subject:n77", "zebra", "n77 is:unread", "n77 larger:1"]


@pytest.mark.parametrize("query", RARE)
def test_what_is_rare_is_found_by_trigrams_without_statistics(
    many: PostgresStore, statements: list[tuple[str, list[Any]]], query: str
) -> None:
    for _ in range(12):  # as often as it takes until a plan may be kept that knows no values
        assert list(many.find("s", parse(query), scopes=["s"], limit=5)) in ([77], [])
    sampled, led = statements[-2:]
    assert "words_text" in plan_of(many, led)
    for plan in (plan_of(many, sampled), plan_of(many, led)):
        assert "Seq Scan" not in plan
    assert "words_pkey" in plan_of(many, sampled)


def test_what_is_common_is_found_by_looking_at_the_newest(
    many: PostgresStore, statements: list[tuple[str, list[Any]]]
) -> None:
    found = list(many.find("s", parse("text"), scopes=["s"], newest_first=True, limit=50))
    assert found == list(range(300, 250, -1))
    assert len(statements) == 1
    plan = plan_of(many, statements[0])
    assert "words_text" not in plan
    assert "Sort" not in plan
    assert "Seq Scan" not in plan


def test_a_search_of_a_mailbox_is_led_by_trigrams(many: PostgresStore, statements: list[tuple[str, list[Any]]]) -> None:
    box = Inbox(many).id
    for tree in (search.Body("word 77"), search.Text("n77"), search.HeaderContains("subject", "n77")):
        assert list(many.search(box, tree)) == [77]
        plan = plan_of(many, statements[-1])
        assert "words_text" in plan
        assert "copy_message" in plan
        assert "Seq Scan" not in plan


@pytest.mark.parametrize("query", ["word", "word 7", '"word 7"', "n1 is:unread", "-word", "ord n7 larger:1", "from:a"])
@pytest.mark.parametrize("newest_first", [True, False])
def test_a_page_is_the_part_of_all_whatever_leads_to_it(
    many: PostgresStore, monkeypatch: pytest.MonkeyPatch, query: str, newest_first: bool
) -> None:
    many.set_flags(Inbox(many).id, range(1, 301, 3), ["\\Seen"], "add")
    tree = parse(query)
    everything = list(many.find("s", tree, scopes=["s"], newest_first=newest_first))
    for sample in (2, 7, 100):
        monkeypatch.setattr(sql_question, "_SAMPLE", sample)
        for skip, limit in ((0, 0), (0, 3), (2, 5), (0, 50), (40, 60), (290, 50), (1000, 5)):
            page = many.find("s", tree, scopes=["s"], newest_first=newest_first, skip=skip, limit=limit)
            assert list(page) == everything[skip : skip + limit], (sample, skip, limit)


def test_a_phrase_is_decided_by_the_database(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [
        "one (two) three", "one\r\n(two)\t  three", "one, (two) three", "one\u3000(two)\u00a0three", "one three (two)",
        "one two three", "cone (two) threefold", "one (two)\u200bthree",
    ]  # fmt: skip
    for body in texts:
        raw = b"Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + body.encode() + b"\r\n"
        store.deliver(delivery(BOB, raw=raw))
    indexed(store)
    monkeypatch.setattr(store, "facts", lambda *_: pytest.fail("a message was looked at"))
    assert found(store, '"one (two) three"') == [1, 2, 4, 7]


@pytest.mark.parametrize("phrase", ["abab x", "test one", "one tes", "aa b", "ab ab c", "ab xaby", "*a b", "x^ y$"])
def test_a_phrase_whose_first_word_comes_again_is_found(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch, phrase: str
) -> None:
    first, rest = phrase.split(" ", 1)
    for body in (
        f"{first}{phrase}", f"{first[:-1]}{phrase}", f"{first[:1]}{phrase}", f"{first[:2]}{phrase}",
        f"{first} {phrase}", f"{phrase}{first[1:]}", f"{phrase}{first}",
        f"{first} - {rest}", f"{first}{rest}", f"{first} - {rest} {phrase}", f"- {rest} {first}",
    ):  # fmt: skip
        store.deliver(delivery(BOB, raw=f"Subject: ?\r\n\r\n{body}.\r\n".encode()))
    indexed(store)
    monkeypatch.setattr(store, "facts", lambda *_: pytest.fail("a message was looked at"))
    assert list(store.find("s", conditions.Words(phrase), scopes=["s"])) == [1, 2, 3, 4, 5, 6, 7, 10]


def test_texts_are_compressed_so_that_they_are_read_fast(store: PostgresStore, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as db:
        can = db.execute("SELECT 'lz4' = ANY (enumvals) FROM pg_settings WHERE name = 'default_toast_compression'")
        if can.fetchone() != (True,):
            pytest.skip("this PostgreSQL has no LZ4")
        raw = b"Subject: long\r\n\r\n" + b"".join(b"one line more, the %d th\r\n" % line for line in range(1500))
        store.deliver(delivery(BOB, raw=raw))
        indexed(store)
        assert db.execute("SELECT pg_column_compression(body) FROM mailtrap.words").fetchone() == ("lz4",)
        # and a store made before it was so
        db.execute("ALTER TABLE mailtrap.words ALTER COLUMN body SET COMPRESSION pglz")
        PostgresStore(database).close()
        query = "SELECT attcompression = 'l' FROM pg_attribute WHERE attrelid = 'mailtrap.words'::regclass"
        assert db.execute(f"{query} AND attname = 'body'").fetchone() == (True,)
    assert found(store, "1499 is:unread") == [1]


def test_a_field_is_told_from_those_behind_it(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for header in (
        "From: grace\r\nSubject: x", "From: x\r\nSubject: grace", "X-From: grace\r\nFrom: x", "From: x\r\n grace",
        "Subject: grace\r\nFrom: =?utf-8?q?x=0A_y_Grace?=", "From: =?utf-8?q?x=0Afrom:_?=\r\nTo: grace", "To: x",
    ):  # fmt: skip
        store.deliver(delivery(BOB, raw=header.encode() + b"\r\n\r\nfrom: grace\r\n"))
    indexed(store)
    memory = MemoryStore()
    for row in store.messages():
        memory.deliver(delivery(BOB, raw=store.raw(row.seq)))
    expected = list(memory.find("s", parse("from:grace"), scopes=["s"]))
    assert expected == [1, 4, 5]
    monkeypatch.setattr(store, "facts", lambda *_: pytest.fail("a message was looked at"))
    assert found(store, "from:grace") == expected


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

"""Search in an SQLite file: that SQL and the index find what the predicate finds, and what becomes of the index."""

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import date
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mailtrap import clock
from mailtrap.message.address import Address
from mailtrap.message.envelope import Envelope
from mailtrap.store import conditions, search, sqlite_index, terms
from mailtrap.store.base import Store
from mailtrap.store.contract.common import BOB, EVE, PATIENCE, Inbox, delivery, submit
from mailtrap.store.memory import MemoryStore
from mailtrap.store.query import parse
from mailtrap.store.rows import ALL, INBOX, Key, MessageRow, Target
from mailtrap.store.search import And, Not, Or
from mailtrap.store.sqlite import SQLiteStore

COUNTS = "SELECT documents, (SELECT count(*) FROM search.dead) FROM search.state"
DAY = 86400
NOON = 19_000 * DAY + DAY / 2
THAT_DAY = date.fromordinal(date(1970, 1, 1).toordinal() + 19_000)


def counted(store: SQLiteStore, query: str, expected: tuple[int, ...]) -> None:
    """Wait until the index says so: it writes down what it knows a moment after it knows it."""
    end = clock.monotonic() + PATIENCE
    while True:
        with store._read() as db:
            counts = db.execute(query).fetchone()
        if counts == expected:
            return
        assert clock.monotonic() < end, counts
        clock.sleep(0.001)


def indexed(store: SQLiteStore) -> None:
    """Wait until the index knows all."""
    end = clock.monotonic() + PATIENCE
    while True:
        with store._read() as db:
            (done,) = db.execute("SELECT done FROM search.state").fetchone()
            (dead,) = db.execute("SELECT count(*) FROM search.dead").fetchone()
        index = store._index
        assert index is not None
        assert index.usable
        newest = next(iter(store.messages(newest_first=True, limit=1)), None)
        if (newest is None or done >= newest.seq) and not index._dead and index._vocabulary._done >= done:
            return
        assert clock.monotonic() < end, (done, dead)
        index.wake()  # as a search does, where another process has filled it
        clock.sleep(0.001)


# ---------------------------------------------------------------- terms


def contains(text: str, part: str) -> bool | None:
    """What an index says, worked out by hand; None where it cannot say, or not exactly."""
    encoded, complete = terms.encode(text)
    if not complete:
        return None
    there = encoded.split(" ")

    def containing(piece: str, where: str) -> list[str]:
        return [term for term in there if (piece in term if where == "in" else term.endswith(piece))]

    found = terms.phrases(part, containing)
    if found is None or not found.exact:
        return None

    def fits(phrase: str) -> bool:
        wanted = phrase.removesuffix(" *").strip('"').split(" ")
        begins = phrase.endswith("*")
        for start in range(len(there) - len(wanted) + 1):
            some = there[start : start + len(wanted)]
            if some[:-1] == wanted[:-1] and (some[-1].startswith(wanted[-1]) if begins else some[-1] == wanted[-1]):
                return True
        return False

    return any(fits(phrase) for phrase in found.phrases)


_letters = st.text("ab1. ,-:ß漢\n\t\x00", max_size=24)


@settings(max_examples=400, deadline=None)
@given(_letters, _letters.filter(bool))
def test_phrases_of_terms_find_exactly_the_substring(text: str, part: str) -> None:
    said = contains(text, part)
    if said is not None:
        assert said == (part in " ".join(text.split()))


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("two words", "two words"),
        ("  a \n b ", "a b"),
        ("a, b", "a \ue02c\ue020 b"),
        ("http://x", "http \ue03a\ue02f\ue02f x"),
        ("grüße", "grüße"),
    ],
)
def test_how_text_is_written_as_terms(text: str, encoded: str) -> None:
    assert [part for part in terms.encode(text)[0].split(" ") if part] == encoded.split(" ")
    assert terms.encode(text)[1]


@pytest.mark.parametrize("text", ["x" * (terms.LONGEST + 1), "a \ue02c b", "\udc80"])
def test_what_terms_cannot_say_is_told(text: str) -> None:
    encoded, complete = terms.encode(text)
    assert not complete
    encoded.encode()


@given(st.lists(st.sampled_from([0, 1, 199, 200, 201, 399, 400, 401]), max_size=6))
def test_a_term_that_is_too_long_is_found_wherever_it_is(lengths: list[int]) -> None:
    text = " ".join("x" * length for length in lengths)
    encoded, complete = terms.encode(text)
    assert complete == all(length <= terms.LONGEST for length in lengths)
    assert encoded.split() == ["x" * min(length, terms.LONGEST) for length in lengths if length]


# ---------------------------------------------------------------- both ways are equal

WORDS = ["alpha", "Beta", "gamma delta", "straße", "x-y", "a.b@c.example", "al", "漢字", "pha, be", "7", "", "ta gam"]
_word = st.sampled_from(WORDS)
_text = st.lists(_word, max_size=4).map(" ".join)
_mails = st.fixed_dictionaries(
    {
        "subject": _text,
        "text": st.lists(_word | st.sampled_from([". ", "\n", ",  "]), max_size=6).map("".join),
        "to": st.sampled_from(["Ann <ann@example.com>", "bob@example.com, Eve <eve@x-y.example>"]),
        "bcc": st.sampled_from(["", "blind@alpha.example"]),
        "extra": st.sampled_from(["", "Beta", "x-y: 7"]),
        "html": st.booleans(),
        "attached": st.sampled_from([None, "alpha.bin", "Übersicht 7.pdf"]),
        "long": st.sampled_from([False, False, False, True]),
        "scope": st.sampled_from(["s", "s", "t"]),
        "origin": st.sampled_from(["smtp", "http", "append"]),
        "mail_from": st.sampled_from(["", "beta@example.com"]),
        "recipients": st.lists(
            st.sampled_from(["ann@example.com", "eve@x-y.example", "al@pha"]), max_size=2, unique=True
        ),
        "received": st.sampled_from([NOON - DAY, NOON, NOON + 1, NOON + DAY]),
        "prefix": st.sampled_from([b"", b"", b"Delivered-To: alpha\r\n"]),
        "eve": st.booleans(),
        "flags": st.sets(st.sampled_from(["\\Seen", "\\Deleted", "alpha", "$x"]), max_size=2),
        "read": st.sets(st.sampled_from(["\\Seen", "\\Flagged", "Alpha", "$x"]), max_size=2),
        "hidden": st.sampled_from([False, False, False, True]),
        "removed": st.sampled_from([False, False, False, True]),
    }
)


def made(content: dict[str, Any]) -> bytes:
    mail = EmailMessage()
    mail["From"] = "Alpha Author <author@x-y.example>"
    mail["To"] = content["to"]
    for name in ("subject", "bcc"):
        if content[name]:
            mail[name] = content[name].replace("\n", " ")
    if content["extra"]:
        mail["X-Extra"] = content["extra"]
    mail["Date"] = "Sun, 8 Jan 2023 10:00:00 +0000"
    text = content["text"] + ("z" * 300 + " end" if content["long"] else "")
    mail.set_content(f"<p>{text}</p>" if content["html"] else text, subtype="html" if content["html"] else "plain")
    if content["attached"]:
        mail.add_attachment(b"x", "application", "octet-stream", filename=content["attached"])
    return mail.as_bytes()


def fill(store: Store, contents: list[dict[str, Any]]) -> None:
    for content in contents:
        key = (EVE if content["eve"] else BOB)._replace(scope=content["scope"])
        given = delivery(
            Target(key, flags=frozenset(content["flags"]), prefix=content["prefix"], internal_date=content["received"]),
            raw=content["raw"], scope=content["scope"], origin=content["origin"], received_at=content["received"],
        )  # fmt: skip
        given.envelope = Envelope(Address(content["mail_from"]), [Address(name) for name in content["recipients"]])
        store.deliver(given)
    for number, content in enumerate(contents, 1):
        record = store.mailbox(Key(content["scope"], ALL), INBOX)
        assert record is not None
        store.set_flags(record.id, [number], content["read"], "add")
        if content["hidden"]:
            store.expunge(record.id, [number])
    store.remove([number for number, content in enumerate(contents, 1) if content["removed"]])


_leaves = (
    _word.filter(bool).map(conditions.Words)
    | st.builds(search.HeaderContains, st.sampled_from(["subject", "From", "to", "bcc", "x-extra", "nothing"]), _word)
    | _word.map(search.Text)
    | _word.map(search.Body)
    | st.sampled_from(
        [search.Text("beta\n"), search.Body("  "), search.Text("subject: al"), conditions.Words(" beta  ")]
    )
    | st.sampled_from(["", "<>", "beta", "x"]).map(conditions.EnvelopeFrom)
    | st.sampled_from(["ann@", "a", "pha", "x-y"]).map(conditions.EnvelopeTo)
    | st.sampled_from(["blind@", "ann@", "eve", "a"]).map(conditions.Blind)
    | st.booleans().map(conditions.Attached)
    | st.builds(search.Flag, st.sampled_from(["\\Seen", "\\DELETED", "ALPHA", "none"]), st.booleans())
    | st.just(conditions.Tagged())
    | st.sampled_from(["smtp", "append"]).map(conditions.CameBy)
    | st.sampled_from([NOON, NOON + 1]).map(conditions.ReceivedBefore)
    | st.sampled_from([NOON, NOON + 1]).map(conditions.ReceivedSince)
    | st.sampled_from([search.Larger(900), search.Smaller(900), search.Younger(2.0), search.Older(2.0)])
    | st.sampled_from([search.Before(THAT_DAY), search.On(THAT_DAY), search.Since(THAT_DAY), search.ModSeq(3)])
    | st.sampled_from([search.SavedOn(THAT_DAY), search.SavedSince(THAT_DAY), search.SentOn(date(2023, 1, 8))])
    | st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=3).map(lambda r: search.Uids(tuple(r)))
    | st.just(search.All())
)
_of_record = (
    _leaves
    | st.sampled_from([conditions.Filed("bob"), conditions.Filed(None, "INBOX"), conditions.Filed("eve", "inbox")])
    | st.sampled_from([conditions.After(2), conditions.InScope("s"), conditions.OfSession("none")])
    | st.just(search.OfMessage("0" * 20))
)


def _trees(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: (
            inner.map(Not)
            | st.lists(inner, max_size=3).map(lambda trees: And(tuple(trees)))
            | st.lists(inner, max_size=3).map(lambda trees: Or(tuple(trees)))
        ),
        max_leaves=5,
    )


def finds_the_same(
    memory: MemoryStore, store: Store, of_record: list[Any], of_mailbox: list[Any], data: st.DataObject
) -> None:
    """A store finds what the one in memory finds, of all messages and of each mailbox."""
    for tree in of_record:
        scope = data.draw(st.sampled_from(["s", "t", None]))
        page: dict[str, Any] = {
            "newest_first": data.draw(st.booleans()), "submitted": data.draw(st.booleans()),
            "skip": data.draw(st.sampled_from([0, 0, 1])), "limit": data.draw(st.sampled_from([None, None, 2])),
            "after": data.draw(st.sampled_from([0, 0, 2])), "before": data.draw(st.sampled_from([None, None, 6])),
        }  # fmt: skip
        scopes = ["s", "t"]
        expected = memory.find(scope, tree, scopes=scopes, **page)
        assert list(store.find(scope, tree, scopes=scopes, **page)) == list(expected), (tree, scope, page)
        counted: dict[str, Any] = {"scopes": scopes, "submitted": page["submitted"]}
        assert store.count(scope, tree, **counted) == memory.count(scope, tree, **counted), tree
    for tree in of_mailbox:
        for key in (BOB, EVE, Key("t", BOB.address), Key("s", ALL)):
            ours, theirs = memory.mailbox(key, INBOX), store.mailbox(key, INBOX)
            if ours is not None and theirs is not None:
                assert list(store.search(theirs.id, tree)) == list(memory.search(ours.id, tree)), tree


_state = st.sampled_from(["indexed", "half", "not"])


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(
    st.lists(_mails, max_size=8), st.lists(_trees(_of_record), min_size=3, max_size=12),
    st.lists(_trees(_leaves), min_size=3, max_size=12), _state, st.data(),
)  # fmt: skip
def test_sql_finds_what_the_predicate_finds(
    tmp_path_factory: pytest.TempPathFactory, contents: list[dict[str, Any]], of_record: list[Any],
    of_mailbox: list[Any], state: str, data: st.DataObject,
) -> None:  # fmt: skip
    path = tmp_path_factory.mktemp("search")
    memory, store = MemoryStore(), SQLiteStore(path / "mail.db")
    contents = [{**content, "raw": made(content)} for content in contents]  # once: a boundary is drawn by chance
    index = store._index
    assert index is not None
    if state != "indexed":
        index._background.wake = lambda: None  # type: ignore[method-assign]
    fill(memory, contents)
    fill(store, contents)
    if state == "indexed":
        indexed(store)
    elif state == "half" and contents:
        with sqlite3.connect(index.path, isolation_level=None) as db:
            index._vocabulary.load(db)
            if some := store._after(0, len(contents) // 2 + 1):
                index._add(db, 0, [sqlite_index.Document(row, raw) for row, raw in some])
            index._bury(db)
        db.close()
    try:
        finds_the_same(memory, store, of_record, of_mailbox, data)
    finally:
        store.close()
        shutil.rmtree(path)


# ---------------------------------------------------------------- the index


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mail.db"


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteStore]:
    made = SQLiteStore(path)
    yield made
    made.close()


def mails(store: Store, number: int, start: int = 1, text: str = "word") -> None:
    for each in range(start, start + number):
        store.deliver(delivery(BOB, raw=b"Subject: N%d\r\n\r\n%b %d\r\n" % (each, text.encode(), each)))


def found(store: Store, query: str) -> list[int]:
    return list(store.find("s", parse(query), scopes=["s"]))


def without_looking(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on no text of a message may be computed: only the index can say."""

    def facts(*_: Any) -> Any:
        raise AssertionError("a message was looked at")

    monkeypatch.setattr(store, "facts", facts)


def test_no_message_is_looked_at(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    mails(store, 90)
    indexed(store)
    without_looking(store, monkeypatch)
    assert found(store, "subject:n7") == [7, *range(70, 80)]
    assert found(store, '"word 42"') == [42]
    assert found(store, "ord -subject:n8 is:unread larger:1 envelope-to:bob") == [*range(1, 8), 9, *range(10, 80), 90]
    assert list(store.search(Inbox(store).id, And((search.Body("word"), search.HeaderContains("subject", "n33"))))) == [
        33
    ]
    assert found(store, "nowhere") == found(store, "has:attachment") == []


def test_the_index_is_filled_again_when_it_is_missing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SQLiteStore(path)
    mails(store, 5)
    store.close()
    for file in path.parent.glob("mail.db-search*"):
        file.unlink()
    store = SQLiteStore(path)
    indexed(store)
    without_looking(store, monkeypatch)
    assert found(store, "word") == [1, 2, 3, 4, 5]
    store.close()


def test_the_index_is_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SQLiteStore(path)
    mails(store, 5)
    indexed(store)
    store.close()
    monkeypatch.setattr(sqlite_index, "Document", None)
    store = SQLiteStore(path)
    indexed(store)
    without_looking(store, monkeypatch)
    assert found(store, "word") == [1, 2, 3, 4, 5]
    store.close()


def spoil(path: Path) -> None:
    path.write_bytes(b"nonsense" * 1000)


def spoil_a_page(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[4096:12288] = b"\xff" * 8192
    path.write_bytes(bytes(raw))


def of_another_form(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()


def of_another_store(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("UPDATE state SET life = 'another'")
    db.close()


def without_a_table(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE text")
    db.close()


@pytest.mark.parametrize("harm", [spoil, spoil_a_page, of_another_form, of_another_store, without_a_table])
def test_a_broken_index_is_made_anew(path: Path, monkeypatch: pytest.MonkeyPatch, harm: Callable[[Path], None]) -> None:
    store = SQLiteStore(path)
    mails(store, 5)
    indexed(store)
    store.close()
    harm(Path(f"{path}-search"))
    store = SQLiteStore(path)
    reported: list[BaseException] = []
    monkeypatch.setattr(store, "report", reported.append)
    assert found(store, "word") == [1, 2, 3, 4, 5]
    indexed(store)
    without_looking(store, monkeypatch)
    assert found(store, "word") == [1, 2, 3, 4, 5]
    assert reported == []
    store.close()


def test_one_that_breaks_meanwhile_is_reported_and_search_goes_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SQLiteStore(path)
    reported: list[BaseException] = []
    monkeypatch.setattr(store, "report", reported.append)
    mails(store, 5)
    indexed(store)
    with sqlite3.connect(f"{path}-search") as db:
        db.execute("DROP TABLE state")
    db.close()
    assert found(store, "word") == [1, 2, 3, 4, 5]
    assert len(reported) == 1
    mails(store, 1, 6)
    assert found(store, "word") == [1, 2, 3, 4, 5, 6]
    store.close()
    store = SQLiteStore(path)
    indexed(store)
    assert found(store, "word") == [1, 2, 3, 4, 5, 6]
    store.close()


def test_without_fts5_search_looks_at_messages(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = tuple(statement.replace("fts5", "fts_that_is_not_there") for statement in sqlite_index._SCHEMA)
    monkeypatch.setattr(sqlite_index, "_SCHEMA", missing)
    store = SQLiteStore(path)
    mails(store, 5)
    assert store._index is not None
    assert not store._index.usable
    assert found(store, "word -subject:n3") == [1, 2, 4, 5]
    store.close()
    assert not Path(f"{path}-search").exists()


def test_what_is_not_indexed_yet_is_looked_at(store: SQLiteStore) -> None:
    mails(store, 3)
    indexed(store)
    assert store._index is not None
    store._index._background.wake = lambda: None  # type: ignore[method-assign]
    mails(store, 2, 4)
    assert found(store, "word") == [1, 2, 3, 4, 5]
    assert found(store, "-subject:n5 -subject:n1") == [2, 3, 4]
    assert list(store.search(Inbox(store).id, search.Body("word 4"))) == [4]


def test_text_beyond_what_is_indexed_is_found(store: SQLiteStore) -> None:
    mails(store, 1)
    raw = b"Subject: long\r\n\r\n" + b"filler text\r\n" * 6000 + b"needle\r\n"
    store.deliver(delivery(BOB, raw=raw))
    indexed(store)
    assert found(store, "needle") == [2]
    assert found(store, "-needle") == [1]
    assert found(store, "filler") == [2]


def test_removed_messages_leave_the_index_in_proportion(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_index, "_STALE", 5)
    mails(store, 30)
    indexed(store)
    store.remove(range(1, 11))
    indexed(store)
    counted(store, "SELECT documents, (SELECT count(*) FROM search.dead) FROM search.state", (30, 10))
    assert found(store, "word") == list(range(11, 31))
    store.remove(range(1, 25))
    indexed(store)
    store._index.wake()  # type: ignore[union-attr]
    counted(store, COUNTS, (6, 0))  # it begins anew
    assert found(store, "word") == list(range(25, 31))
    store.clear("s")
    mails(store, 2)
    indexed(store)
    assert found(store, "word") == [31, 32]


def test_two_processes_share_one_index(path: Path) -> None:
    one, other = SQLiteStore(path), SQLiteStore(path)
    mails(one, 10)
    mails(other, 10, 11)
    indexed(one)
    indexed(other)
    other.remove([3])
    for store in (one, other):
        assert found(store, "word") == [1, 2, *range(4, 21)]
        assert found(store, "ubject") == []
        assert found(store, "subject:N1") == [1, *range(10, 20)]
    one.close()
    other.close()


# ---------------------------------------------------------------- plans


def plan(store: SQLiteStore, function: Callable[[], Any]) -> list[str]:
    """The plans of all statements that a call reads with."""
    statements: list[str] = []
    with store._read() as db:
        db.set_trace_callback(statements.append)
    function()
    with store._read() as db:
        db.set_trace_callback(None)
        found = []
        for statement in statements:
            # not what FTS5 asks of its own tables, nor the list of accounts
            if (
                statement.startswith(("SELECT", "WITH"))
                and "'text_" not in statement
                and " FROM account" not in statement
            ):
                found += [row[-1] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}")]
    return found


LISTS: dict[str, Callable[[SQLiteStore], Any]] = {
    "first page": lambda store: store.messages("s", limit=50, newest_first=True),
    "page 20": lambda store: store.messages("s", limit=5, skip=100, newest_first=True, submitted=True),
    "page 50": lambda store: store.messages("s", limit=5, skip=245, newest_first=True, submitted=True),
    "next page": lambda store: store.messages("s", limit=50, before=40, newest_first=True),
    "every scope": lambda store: store.messages(limit=50, newest_first=True),
    "since": lambda store: store.messages("s", after=100),
    "tally": lambda store: store.tally("s"),
    "status": lambda store: store.status(Inbox(store).id),
    "marks": lambda store: store.marks(Inbox(store).id),
    "snapshot": lambda store: store.snapshot(Inbox(store).id),
    "copies": lambda store: store.copies(Inbox(store).id, range(1, 50)),
    "some copies": lambda store: store.copies(Inbox(store).id, [1, 5, 9]),
    "copies of one": lambda store: store.copies_of(7),
    "changes": lambda store: store.changes(Inbox(store).id, 100),
}
SEARCHES = [
    "word", "subject:n7", "from:nobody", '"word 5"', "is:unread", "is:read", "tag:later", "is:tagged", "-word",
    "has:attachment", "larger:10", "after:2020-01-01", "before:2020-01-01", "origin:smtp", "session:abc", "since:5",
    "envelope-to:bob", "account:bob", "mailbox:INBOX", "word is:unread larger:1", "bcc:bob", "message-id:x",
]  # fmt: skip


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SQLiteStore]:
    store = SQLiteStore(tmp_path_factory.mktemp("full") / "mail.db")
    for scope in ("s", "t"):
        for number in range(120):
            raw = b"Subject: N%d\r\n\r\nword %d\r\n" % (number, number)
            store.deliver(delivery(Key(scope, "bob@example.com"), raw=raw, scope=scope))
    indexed(store)
    yield store
    store.close()


def check(steps: list[str]) -> None:
    assert steps
    for step in steps:
        assert "TEMP B-TREE" not in step, steps
        # SCAN of a virtual table is its own search; constants and tables of one row, or of what is rare, are no scan
        small = ("VIRTUAL TABLE", "CONSTANT ROW", "state", "partial", "copy_flags", "scope", "COVERING INDEX mailbox")
        small += ("SCAN found",)  # the rows that a recursive question has come to
        assert not step.startswith("SCAN") or any(word in step for word in small), steps
    if any(step.startswith("SCAN f VIRTUAL TABLE") for step in steps):  # each match leads to one message
        assert any(step.startswith("SEARCH m ") and "(rowid=?)" in step for step in steps), steps


@pytest.mark.parametrize("name", LISTS)
def test_plans_of_lists(full: SQLiteStore, name: str) -> None:
    check(plan(full, lambda: LISTS[name](full)))


@pytest.mark.parametrize("query", SEARCHES)
def test_plans_of_searches(full: SQLiteStore, query: str) -> None:
    check(plan(full, lambda: full.find("s", parse(query), scopes=["s"], newest_first=True, limit=50)))


def test_a_search_does_not_go_through_what_is_indexed(full: SQLiteStore) -> None:
    """A plan does not say at which of two bounds SQLite begins: the steps do."""
    steps: list[None] = []
    with full._read() as db:
        db.set_progress_handler(lambda: steps.append(None), 1)
    assert full.find("s", parse("zebra"), scopes=["s"], newest_first=True, limit=50) == []
    assert full.count("s", parse("zebra"), scopes=["s"]) == 0
    with full._read() as db:
        db.set_progress_handler(None, 0)
    assert 0 < len(steps) < 400, len(steps)  # and 240 messages


@pytest.mark.parametrize("tree", [search.All(), search.Flag("\\Seen", False), search.Body("word"), search.Text("n5")])
def test_plans_of_searches_in_a_mailbox(full: SQLiteStore, tree: Any) -> None:
    box = Inbox(full)
    check(plan(full, lambda: full.search(box.id, tree)))


def test_a_store_that_closes_does_not_index_all_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = threading.Event()
    made: list[int] = []

    class Slow(sqlite_index.Document):
        def __init__(self, row: MessageRow, raw: bytes) -> None:
            super().__init__(row, raw)
            made.append(row.seq)
            if len(made) == 2:
                begun.set()
                index = store._index
                assert index is not None
                while not index._background.closing:
                    clock.sleep(0.001)

    with monkeypatch.context() as patch:
        patch.setattr(sqlite_index, "Document", Slow)
        store = SQLiteStore(tmp_path / "mail.db")
        submit(store, [delivery(BOB, raw=b"Subject: rare\r\n\r\n")] * 10)  # in one commit, so all are there at once
        assert begun.wait(PATIENCE)
        store.close()
    assert made == [1, 2]
    store = SQLiteStore(tmp_path / "mail.db")
    indexed(store)
    assert store.count("s", parse("subject:rare"), scopes=("s",)) == 10
    counted(store, COUNTS, (10, 0))
    store.close()

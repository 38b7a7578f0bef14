"""The query language: what each term means, that both stores find what plain Python finds, and bad queries."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailtrap import MailServer, Message, QueryError, ServerRestarted
from mailtrap.store.conditions import Attached, CameBy, Filed, ReceivedSince, Words
from mailtrap.store.query import LONGEST, MOST, NAMES, asks_for_origin, parse
from mailtrap.store.search import All, And, Flag, HeaderContains, Larger, Not, Smaller


def mail(subject: str = "Hello", text: str = "plain words\n", **headers: str) -> EmailMessage:
    made = EmailMessage()
    made["From"] = headers.pop("from_", "Ann Author <ann@example.com>")
    made["To"] = headers.pop("to", "Bob <bob@example.com>")
    made["Subject"] = subject
    for name, value in headers.items():
        made[name.replace("_", "-")] = value
    made.set_content(text)
    return made


@pytest.fixture(params=["memory", "sqlite"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MailServer]:
    made = MailServer(store="memory" if request.param == "memory" else f"sqlite:///{tmp_path / 'mail.db'}")
    yield made
    made.stop()


def subjects(server: MailServer, query: str) -> list[str]:
    return [message.subject for message in server.search(query, newest_first=False)]


# ---------------------------------------------------------------- trees


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", All()),
        (" \t\n", All()),
        ("hello", Words("hello")),
        ('"two words"', Words("two words")),
        (r'"a \"b\" \\ c:\n"', Words('a "b" \\ c:\\n')),
        ("-spam", Not(Words("spam"))),
        ('!"spam ham"', Not(Words("spam ham"))),
        ("a -b", And((Words("a"), Not(Words("b"))))),
        ("mid-word!", Words("mid-word!")),
        ("http://example.com/", Words("http://example.com/")),
        ("12:30", Words("12:30")),
        ('"from:ann"', Words("from:ann")),
        ("FROM:Ann", HeaderContains("from", "Ann")),
        ('subject:"a b"', HeaderContains("subject", "a b")),
        ('header:"X-Run: 7"', HeaderContains("X-Run", "7")),
        ("header:X-Run:7", HeaderContains("X-Run", "7")),
        ("header:X-Run", HeaderContains("X-Run", "")),
        ("is:unread", Flag("\\Seen", False)),
        ("-is:READ", Not(Flag("\\Seen"))),
        ("tag:later", Flag("later")),
        ("has:attachments", Attached()),
        ("has:inlines", Attached(inline=True)),
        ("larger:1.5k", Larger(1536)),
        ("smaller:2MB", Smaller(2 * 1024**2)),
        ('larger:"1 KiB"', Larger(1024)),
        ("account:bob mailbox:Archive", Filed("bob", "Archive")),
        ("mailbox:Archive -account:bob", And((Filed(None, "Archive"), Not(Filed("bob"))))),
        ("after:2024-05-01", ReceivedSince(datetime(2024, 5, 1, tzinfo=UTC).timestamp())),
        ("after:2024/05/01", ReceivedSince(datetime(2024, 5, 1, tzinfo=UTC).timestamp())),
        ('after:"Wed, 01 May 2024 02:00:00 +0200"', ReceivedSince(datetime(2024, 5, 1, tzinfo=UTC).timestamp())),
        ("origin:append", CameBy("append")),
    ],
)
def test_tree(text: str, tree: object) -> None:
    assert parse(text) == tree


def test_times_without_a_zone_are_of_the_zone_given() -> None:
    zone = timezone(timedelta(hours=2))
    assert parse("after:2024-05-01", zone) == ReceivedSince(datetime(2024, 5, 1, tzinfo=zone).timestamp())
    assert parse("after:2024-05-01T00:00:00Z", zone) == parse("after:2024-05-01")


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ('a "b', 2, "not closed"),
        ("a - b", 2, "right before a term"),
        ("a !", 2, "right before a term"),
        ('a ""', 2, "nothing in the quotes"),
        ("from: ann", 5, "without a space"),
        ('from:"', 5, "not closed"),
        ("from:", 5, "without a space"),
        ("subjet:x", 0, "but subject:"),
        ("a is:seen", 5, "read, unread, tagged"),
        ("has:links", 4, "attachment"),
        ("larger:much", 7, "octets"),
        ("larger:-5", 7, "octets"),
        ("after:tomorrow", 6, "a day or a moment"),
        ("before:0001-01-01T00:00+23:00", 7, ""),
        ("after:9999-99-99", 6, "a day"),
        ('header:": x"', 7, "Name: value"),
        ("tag:\\Seen", 4, "flag"),
        ("origin:uucp", 7, "smtp"),
        ("since:soon", 6, "mark"),
        ("since:99999999999999999999", 6, "mark"),
        ("x" * (LONGEST + 1), LONGEST, "characters"),
        ("x " * MOST + "x", 2 * MOST, "terms"),
    ],
)
def test_what_is_wrong_is_said_with_its_position(text: str, position: int, says: str) -> None:
    if not says:
        parse(text)  # at the end of time, and a moment all the same
        return
    with pytest.raises(QueryError, match=f"at character {position + 1} of") as caught:
        parse(text)
    assert caught.value.position == position
    assert says in str(caught.value)


@given(
    st.text(st.sampled_from('ab"\\:-! \n\x00é٣') | st.characters(), max_size=60)
    | st.from_regex("(" + "|".join(NAMES) + "):.{0,20}")
)
def test_every_text_is_a_query_or_an_error_with_a_position(text: str) -> None:
    wrong = None
    try:
        parse(text)
    except QueryError as error:
        wrong = error.position
    assert wrong is None or 0 <= wrong <= len(text)


@given(st.text(min_size=1).filter(str.strip))
def test_every_text_can_be_looked_for_in_quotes(text: str) -> None:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    assert parse(f'"{quoted}"') == Words(text)
    assert parse(f'-subject:"{quoted}"') == Not(HeaderContains("subject", text))


def test_whether_a_query_asks_for_an_origin() -> None:
    assert asks_for_origin(parse("a -origin:smtp"))
    assert not asks_for_origin(parse("a addressed:smtp -b"))


# ---------------------------------------------------------------- meaning


def test_words_are_found_where_people_look(server: MailServer) -> None:
    server.send(mail("One", "in the\nBody text", X_Hidden="secret"), recipients="blind@example.com")
    with_file = mail("Two")
    with_file.add_attachment(b"%PDF", "application", "pdf", filename="Invoice 7.pdf")
    server.send(with_file, recipients="bob@example.com")
    assert subjects(server, "BODY") == ["One"]
    assert subjects(server, '"the body"') == ["One"]
    assert subjects(server, "body the") == ["One"]
    assert subjects(server, "blind@") == ["One"]
    assert subjects(server, "invoice") == ["Two"]
    assert subjects(server, '"invoice 7"') == ["Two"]
    assert subjects(server, "ann") == ["One", "Two"]
    assert subjects(server, "secret") == []
    assert subjects(server, 'header:"x-hidden: SECRET"') == ["One"]
    assert subjects(server, "-header:x-hidden") == ["Two"]
    assert subjects(server, "has:attachment") == ["Two"]
    assert subjects(server, "-has:attachment") == ["One"]


def test_envelope_and_bcc(server: MailServer) -> None:
    server.send(mail("One"), recipients=["bob@example.com", "hidden@example.com"], mail_from="bounce@example.com")
    server.send(mail("Two", Cc="joann@example.com"), recipients=["bob@example.com", "ann@example.com"])
    assert subjects(server, "envelope-to:hidden") == ["One"]
    assert subjects(server, "envelope-from:bounce") == ["One"]
    assert subjects(server, "envelope-from:<>") == ["Two"]
    assert subjects(server, "bcc:hidden") == ["One"]
    assert subjects(server, "bcc:bob") == []
    assert subjects(server, "bcc:ann@") == ["Two"]  # joann@example.com is another
    assert subjects(server, "cc:joann") == ["Two"]
    assert subjects(server, "addressed:hidden") == ["One"]
    assert subjects(server, "addressed:ann@example.com") == ["One", "Two"]


def test_read_state_and_tags(server: MailServer) -> None:
    for name in ("One", "Two", "Three"):
        server.send(mail(name), recipients="bob@example.com")
    one, two, three = server.messages
    server.set_record_flags([one], ["\\Seen", "$Forwarded"])
    server.set_record_flags([two], ["Later"])
    server._parts.store.expunge(server.record()._id, [three.seq])
    assert subjects(server, "is:unread") == ["Two"]
    assert subjects(server, "is:read") == ["One", "Three"]  # what is hidden was dealt with
    assert subjects(server, "is:tagged") == ["Two"]
    assert subjects(server, "tag:LATER") == ["Two"]


def test_where_it_is_filed(server: MailServer) -> None:
    server.deliver(mail("One"), recipients=["bob@example.com", "eve@example.com"])
    server.deliver(mail("Two"), recipients="bob@example.com", mailbox="Archive/2024")
    server.deliver(mail("Three"), recipients="eve@example.com", mailbox="Archive/2024")
    assert subjects(server, "account:bob") == ["One", "Two"]
    assert subjects(server, "mailbox:archive/2024") == ["Two", "Three"]
    assert subjects(server, "mailbox:Archive") == []
    assert subjects(server, "mailbox:archive/2024 account:eve@example.com") == ["Three"]
    assert subjects(server, "-account:bob") == ["Three"]
    assert subjects(server, "mailbox:nowhere") == []


def test_scope_session_origin_since(server: MailServer) -> None:
    server.send(mail("One"), recipients="bob@example.com")
    mark = server.mark()
    server.deliver(mail("Two"), recipients="bob@example.com")
    with server.scope("other") as other:
        other.send(mail("Three"), recipients="bob@example.com")
        assert subjects(other, "") == ["Three"]
    assert subjects(server, "origin:deliver") == ["Two"]
    assert subjects(server, f"session:{server.messages[0].session.id}") == ["One"]
    assert subjects(server, "session:none") == []
    assert subjects(server, f"since:{mark.life}:{mark.seq}") == ["Two"]
    assert subjects(server, f"since:{mark.seq}") == ["Two"]
    everywhere = server.search("scope:other", all_scopes=True)
    assert [message.subject for message in everywhere] == ["Three"]
    first = server.search('scope:""', all_scopes=True)
    assert [message.subject for message in first] == ["Two", "One"]
    with pytest.raises(ServerRestarted):
        server.search("since:another:1")


def test_pages_and_order(server: MailServer) -> None:
    for number in range(7):
        server.send(mail(f"{number}", "even" if number % 2 == 0 else "odd"), recipients="bob@example.com")
    found = server.search("even", limit=2)
    assert [message.subject for message in found] == ["6", "4"]
    assert [message.subject for message in server.search("even", before=found[-1].seq)] == ["2", "0"]
    assert [message.subject for message in server.search("even", after=3, newest_first=False)] == ["4", "6"]


def test_more_than_one_page_is_looked_through(server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailtrap.store.finding._PAGE", 2)
    for number in range(5):
        server.send(mail(f"{number}"), recipients="bob@example.com")
    assert subjects(server, "-subject:3") == ["0", "1", "2", "4"]
    assert [message.subject for message in server.search("ann")] == ["4", "3", "2", "1", "0"]


def test_what_is_looked_through_grows(server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailtrap.store.finding._FIRST", 1)
    looked: list[int] = []
    store = server._parts.store
    facts = store.facts
    monkeypatch.setattr(store, "facts", lambda seqs, kinds: looked.append(len(seqs)) or facts(seqs, kinds))
    for number in range(9):
        server.send(mail(f"{number}", "even" if number % 2 == 0 else "odd"), recipients="bob@example.com")
    assert [message.subject for message in server.search("even", limit=1)] == ["8"]
    if not store.blocking:  # else what the index knows by then is not looked at
        assert looked == [1]  # who wants one message does not wait for the text of all
    looked.clear()
    assert [message.subject for message in server.search("even")] == ["8", "6", "4", "2", "0"]
    if not store.blocking:
        assert looked == [1, 2, 4, 2]
    assert [message.subject for message in server.search("odd", newest_first=False)] == ["1", "3", "5", "7"]


def test_as_a_criterion_of_waits(server: MailServer) -> None:
    server.send(mail("One"), recipients="bob@example.com")
    server.deliver(mail("Two"), recipients="bob@example.com")
    assert server.message(query="subject:one").subject == "One"
    assert server.message(query="account:bob origin:deliver").subject == "Two"
    server.assert_no_message(query="subject:two")  # it was placed, not submitted
    with pytest.raises(AssertionError, match="the query does not fit"):
        server.message(query="subject:three", timeout=0)
    with pytest.raises(QueryError):
        server.message(query='"', timeout=0)


# ---------------------------------------------------------------- against plain Python

WORDS = st.sampled_from(["alpha", "Beta", "gamma", "straße", "x-y"])
_contents = st.fixed_dictionaries(
    {
        "subject": st.lists(WORDS, max_size=2).map(" ".join),
        "text": st.lists(WORDS, max_size=3).map(" ".join),
        "sender": WORDS.filter(str.isascii),
        "recipient": WORDS.filter(str.isascii),
        "attached": st.booleans(),
        "seen": st.booleans(),
        "tag": st.sampled_from(["", "alpha", "other"]),
    }
)
Meaning = Callable[[Message, frozenset[str]], bool]


def _in_words(message: Message, word: str) -> bool:
    places = [message.subject, message.plain, message.headers["From"], message.headers["To"], *message.recipients]
    return any(word.lower() in place.lower() for place in places)


def _word(word: str) -> tuple[str, Meaning]:
    return word, lambda message, _: _in_words(message, word)


def _of_field(name: str) -> Callable[[str], tuple[str, Meaning]]:
    return lambda word: (f"{name}:{word}", lambda message, _: word.lower() in message.headers.get(name, "").lower())


_terms = (
    WORDS.map(_word)
    | WORDS.map(_of_field("subject"))
    | WORDS.map(_of_field("from"))
    | st.just(("has:attachment", lambda message, _: bool(message.attachments)))
    | st.just(("is:read", lambda _, flags: "\\Seen" in flags))
    | st.just(("is:tagged", lambda _, flags: bool(flags - {"\\Seen"})))
    | st.just(("tag:Alpha", lambda _, flags: "alpha" in flags))
    | WORDS.map(lambda word: (f"envelope-to:{word}", lambda m, _: any(word.lower() in r.lower() for r in m.recipients)))
    | st.integers(0, 900).map(lambda size: (f"larger:{size}", lambda message, _: message.size > size))
)
_queries = st.lists(st.tuples(st.booleans(), _terms), max_size=4)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_contents, max_size=5), st.lists(_queries, min_size=1, max_size=6))
def test_it_finds_what_plain_python_finds(server: MailServer, contents: list, queries: list) -> None:
    server.clear()
    for content in contents:
        made = mail(content["subject"], content["text"], from_=f"{content['sender']}@example.com")
        if content["attached"]:
            made.add_attachment(b"x", "application", "octet-stream", filename="file.bin")
        message = server.send(made, recipients=f"{content['recipient']}@example.com")
        flags = ["\\Seen"] * content["seen"] + [content["tag"]] * bool(content["tag"])
        server.set_record_flags([message], flags)
    messages = server.messages
    flags_of = server.record_flags(messages)
    for query in queries:
        text = " ".join(("-" if negated else "") + term for negated, (term, _) in query)
        expected = [
            message.id
            for message in messages
            if all(meaning(message, flags_of[message.seq]) is not negated for negated, (_, meaning) in query)
        ]
        assert [message.id for message in server.search(text, newest_first=False)] == expected, text
        assert [message.id for message in messages if message.matches(query=text)] == expected, text

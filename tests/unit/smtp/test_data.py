"""DATA and BDAT: the exact bytes, limits, and what is refused."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailtrap import limits
from mailtrap.smtp.data import has_bare
from mailtrap.store.rows import Key

BODIES = [
    b"",
    b"\r\n",
    b"hello\r\n",
    b"\r\n\r\n\r\n",
    b".\r\n",
    b"..\r\n",
    b".a\r\nb\r\n.\r\n..\r\n...\r\n",
    b"a\r\n.b\r\n\r\n.\r\n",
    b"bare\nLF\n.\nand\rCR\r.\r\n",
    b"\n.\n\r\n",
    b"\r.\r\n",
    b"nul \0 and 8-bit \xff\xfe\r\n",
    b"x" * 5000 + b"\r\n",
    (b"y" * 76 + b"\r\n") * 2000,
    b".\r\n" * 3000,
]


def stuffed(body):
    return (b"\r\n" + body).replace(b"\r\n.", b"\r\n..")[2:]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body)[:30])
def test_data_is_kept_byte_for_byte(world, body):
    client = world.open().begin()
    client.say("DATA")
    assert client.send(stuffed(body) + b".\r\n") == b"250 2.0.0 Ok: kept\r\n"
    assert world.raw() == body


@pytest.mark.parametrize("body", [*BODIES, b"no line end", b".", b"\r\n.\r\n", b"\r"], ids=lambda body: repr(body)[:30])
def test_bdat_is_kept_byte_for_byte(world, body):
    client = world.open().begin()
    assert client.send(b"BDAT %d LAST\r\n" % len(body) + body) == b"250 2.0.0 Ok: kept\r\n"
    assert world.raw() == body


@settings(max_examples=150)
@given(body=st.lists(st.sampled_from([b"\r\n", b"\n", b"\r", b".", b"..", b"a", b"\0"])).map(b"".join), data=st.data())
def test_dots_come_and_go_in_any_pieces(make_world, body, data):
    body = body if body.endswith(b"\r\n") or not body else body + b"\r\n"
    world = make_world()
    client = world.open().begin()
    client.say("DATA")
    wire = stuffed(body) + b".\r\nNOOP\r\n"
    answer = b""
    while wire:
        size = data.draw(st.integers(1, 7))
        answer += client.send(wire[:size])
        wire = wire[size:]
    assert answer == b"250 2.0.0 Ok: kept\r\n250 2.0.0 Ok\r\n"
    assert world.raw() == body


def test_a_period_that_was_not_doubled_goes_as_well(world):
    client = world.open().begin()
    client.say("DATA")
    client.send(b".first\r\nx\r\n.second\r\n.\r\n")
    assert world.raw() == b"first\r\nx\r\nsecond\r\n"


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\r\r\n.\n"])
def test_only_one_thing_ends_data(world, end):
    client = world.open().begin()
    client.say("DATA")
    smuggled = b"a" + end + b"MAIL FROM:<evil@x>\r\nRCPT TO:<c@x>\r\nDATA\r\nb"
    assert client.send(smuggled) == b""
    assert client.send(b"\r\n.\r\n") == b"250 2.0.0 Ok: kept\r\n"
    assert len(world.messages) == 1
    assert world.raw().startswith(b"a")
    assert world.raw().endswith(b"\r\nb\r\n")


def test_pieces_of_the_end(world):
    client = world.open().begin()
    client.say("DATA")
    for piece in (b"hello", b"\r", b"\n", b".", b"\r"):
        assert client.send(piece) == b""
    assert client.send(b"\n") == b"250 2.0.0 Ok: kept\r\n"
    assert world.raw() == b"hello\r\n"


# ---------------------------------------------------------------- the limit


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b"x" * 98 + b"\r\n", True),
        (b"x" * 99 + b"\r\n", False),
        (b".\r\n" * 33, True),  # 99 octets, sent as 132
        (b".\r\n" * 34, False),
        (b"x" * 5000 + b"\r\n", False),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 64, 100_000])
@pytest.mark.parametrize("verb", ["DATA", "BDAT"])
def test_the_limit_is_exact_however_the_octets_come(make_world, body, kept, size, verb):
    world = make_world(max_message_size=100)
    client = world.open().begin()
    wire = b"DATA\r\n" + stuffed(body) + b".\r\n" if verb == "DATA" else b"BDAT %d LAST\r\n" % len(body) + body
    answer = b"".join(client.send(wire[start : start + size]) for start in range(0, len(wire), size))
    final = answer.splitlines()[-1]
    if kept:
        assert final == b"250 2.0.0 Ok: kept"
        assert world.raw() == body
    else:
        assert final == b"552 5.3.4 The message is larger than the limit"
        assert world.messages == []
        (refusal,) = world.refused
        assert (refusal.stage, refusal.size) == (verb, len(body))
        assert body.startswith(refusal.raw)
        assert list(refusal.envelope.recipients) == ["bob@x.test"]
    assert client.say("RCPT TO:<b@x>")[0].startswith("503")  # the transaction is over either way
    assert client.say("MAIL FROM:<a@x>")[0].startswith("250")


@pytest.mark.parametrize("verb", ["DATA", "BDAT"])
def test_what_is_too_large_is_never_held(make_world, verb):
    world = make_world(max_message_size=100_000)
    client = world.open().begin()
    piece = (b"z" * 998 + b"\r\n") * 64
    client.send(b"DATA\r\n" if verb == "DATA" else b"BDAT %d LAST\r\n" % (len(piece) * 100))
    for _ in range(100):
        client.send(piece)
        assert len(client.session.buffer) <= 200_000 + len(piece)
    assert len(client.session.buffer) <= 10
    if verb == "DATA":
        assert client.send(b".\r\n").startswith(b"552 5.3.4")
    (refusal,) = world.refused
    assert refusal.size == len(piece) * 100
    assert len(refusal.raw) <= limits.REFUSAL_BYTES
    assert client.say("NOOP") == ["250 2.0.0 Ok"]


# ---------------------------------------------------------------- bare line ends


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"x", b"\x85", b"\xff"])).map(b"".join))
def test_bare_line_ends_of_anything(raw):
    assert has_bare(raw) is (re.search(rb"\r(?!\n)|(?<!\r)\n", raw) is not None)


@pytest.mark.parametrize(
    ("body", "bare"),
    [
        (b"a\r\nb\r\n", False), (b"", False), (b"a\nb\r\n", True), (b"a\rb\r\n", True), (b"\r\r\n", True),
        (b"\n\r\n", True), (b"\n\r", True), (b"a\r", True), (b"a\n", True),
    ],
)  # fmt: skip
def test_bare_line_ends(make_world, body, bare):
    assert has_bare(body) is bare
    world = make_world(bare_newlines="reject")
    client = world.open().begin()
    answer = client.send(b"BDAT %d LAST\r\n" % len(body) + body)
    assert answer == (b"550 5.5.2 The message has a bare CR or LF\r\n" if bare else b"250 2.0.0 Ok: kept\r\n")
    assert len(world.messages) == (0 if bare else 1)
    assert [refusal.raw for refusal in world.refused] == ([body] if bare else [])


def test_binary_data_has_no_lines(make_world):
    client = make_world(bare_newlines="reject").open().hello()
    client.say("MAIL FROM:<a@x> BODY=BINARYMIME", "RCPT TO:<b@x>")
    assert client.say("DATA")[0].startswith("503 5.5.1")
    assert client.send(b"BDAT 3 LAST\r\n\r\0\n").startswith(b"250")


# ---------------------------------------------------------------- BDAT


def test_chunks_are_joined(world):
    client = world.open().begin()
    assert client.send(b"BDAT 3\r\nabc") == b"250 2.0.0 Ok\r\n"
    assert client.send(b"BDAT 0\r\nBDAT 2\r\nd") == b"250 2.0.0 Ok\r\n"
    assert client.send(b"\n") == b"250 2.0.0 Ok\r\n"
    assert client.say("DATA")[0].startswith("503 5.5.1")
    assert client.say("RCPT TO:<c@x>")[0].startswith("503 5.5.1")
    assert client.send(b"bdat 4 last\r\n.\r\n.") == b"250 2.0.0 Ok: kept\r\n"
    assert world.raw() == b"abcd\n.\r\n."
    assert client.send(b"BDAT 1\r\nx").startswith(b"503 5.5.1")  # after LAST


def test_bdat_pipelined_behind_the_envelope(world):
    client = world.open().hello()
    answer = client.send(b"MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nBDAT 5 LAST\r\nhelloNOOP\r\n")
    assert [line[:3] for line in answer.splitlines()] == [b"250"] * 4


def test_the_octets_of_a_refused_chunk_are_no_commands(make_world):
    for world, begin in (
        (make_world(), []),
        (make_world(), ["EHLO x"]),
        (make_world(smtp_extensions={"-CHUNKING"}), ["EHLO x", "MAIL FROM:<a@x>", "RCPT TO:<b@x>"]),
        (make_world(routing="strict"), ["EHLO x", "MAIL FROM:<a@x>", "RCPT TO:<b@x>"]),
    ):
        client = world.open()
        client.say(*begin)
        answer = client.send(b"BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n").splitlines()
        assert len(answer) == 2
        assert answer[0][:9] in (b"503 5.5.1", b"502 5.5.1", b"554 5.5.1")
        assert answer[1] == b"250 2.0.0 Ok"
        assert client.closed is None


@pytest.mark.parametrize("line", ["BDAT", "BDAT x", "BDAT -1", "BDAT 1x LAST", "BDAT 999999999999999999999", "BDAT ٣"])
def test_without_a_size_nobody_knows_where_commands_go_on(world, line):
    client = world.open().begin()
    assert client.say(line)[0].startswith("501 5.5.4")
    assert client.closed is not None


def test_bdat_with_a_second_word_that_is_not_last(world):
    client = world.open().begin()
    assert client.send(b"BDAT 2 FIRST\r\nabNOOP\r\n").startswith(b"501 5.5.4")
    assert client.closed is None


def test_after_a_chunk_too_much_nothing_is_kept(make_world):
    world = make_world(max_message_size=10)
    client = world.open().begin()
    assert client.send(b"BDAT 8\r\n12345678").startswith(b"250")
    assert client.send(b"BDAT 8\r\n12345678").startswith(b"552 5.3.4")
    assert client.send(b"BDAT 1\r\n1").startswith(b"552 5.3.4")
    assert client.send(b"BDAT 1 LAST\r\n1").startswith(b"552 5.3.4")
    assert world.messages == []
    (refusal,) = world.refused
    assert refusal.raw == b"1234567812345678"
    assert client.say("MAIL FROM:<a@x>")[0].startswith("250")


# ---------------------------------------------------------------- a client that leaves


@pytest.mark.parametrize(
    "last", [b"DATA\r\nhalf a mes", b"DATA\r\nhello\r\n.", b"BDAT 10 LAST\r\nhalf", b"RCPT TO:<c@"]
)
def test_half_a_mail_is_no_mail(world, last):
    client = world.open().begin()
    client.send(last)
    assert client.end() == b""
    assert client.closed is not None
    assert world.messages == []
    assert world.errors == []
    assert "gone before the end" in client.record.transcript or last.startswith(b"RCPT")


def test_a_client_that_half_closes_still_gets_every_reply(world):
    client = world.open()
    client.session.receive(b"EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n")
    client.session.end_of_input()
    assert client.run().endswith(b"250 2.0.0 Ok: kept\r\n221 2.0.0 Bye\r\n")


# ---------------------------------------------------------------- LMTP


def test_lmtp_answers_once_for_each_accepted_recipient(make_world):
    world = make_world(routing="strict")
    client = world.open("lmtp")
    assert client.greeting == b"220 mailtrap.test LMTP ready\r\n"
    assert client.say("EHLO x", "HELO x") == ["500 5.5.1 This is LMTP: send LHLO"] * 2
    assert client.say("LHLO x")[-1] == "250 HELP"
    begin = ["MAIL FROM:<a@x>", "RCPT TO:<postmaster>", "RCPT TO:<nobody@x>", "RCPT TO:<Postmaster>"]
    assert [reply[:3] for reply in client.say(*begin)] == ["250", "250", "550", "250"]
    assert client.say("DATA", "x", ".")[1:] == ["250 2.0.0 Ok: kept"] * 2
    client.say(*begin)
    assert client.send(b"BDAT 1\r\nx") == b"250 2.0.0 Ok\r\n"
    assert client.send(b"BDAT 1 LAST\r\ny") == b"250 2.0.0 Ok: kept\r\n" * 2
    assert [row.origin for row in world.messages] == ["lmtp", "lmtp"]
    assert world.messages[0].transcript.count(b"S 250 2.0.0 Ok: kept\n") == 2


def test_a_full_mailbox(make_world):
    world = make_world()
    world.store.put_account(Key("", "b@x"), message_quota=0)
    client = world.open("smtp").begin("b@x", "c@x")
    assert client.say("DATA", "x", ".")[1:] == ["552 5.2.2 Mailbox full"]
    world.scopes.root.change(over_quota="defer")
    client.begin("b@x")
    assert client.say("DATA", "x", ".")[1:] == ["452 4.2.2 Mailbox full; try again later"]
    assert world.messages == []
    assert [refusal.reply[:3] for refusal in world.refused] == ["552", "452"]
    assert client.begin("c@x").say("DATA", "x", ".")[1:] == ["250 2.0.0 Ok: kept"]


def test_lmtp_keeps_mail_for_those_who_have_room(make_world):
    world = make_world()
    for full in ("b@x", "d@x"):
        world.store.put_account(Key("", full), quota=2)
    client = world.open("lmtp").begin("b@x", "c@x", "B+tag@x", "e@x", "d@x")
    full, kept = "552 5.2.2 Mailbox full", "250 2.0.0 Ok: kept"
    assert client.say("DATA", "x", ".")[1:] == [full, kept, full, kept, full]
    (row,) = world.messages
    assert row.envelope.recipients == ["c@x", "e@x"]
    assert [refusal.envelope.recipients for refusal in world.refused] == [["b@x", "B+tag@x"], ["d@x"]]
    client.begin("b@x", "d@x")
    assert client.say("DATA", "x", ".")[1:] == [full, full]
    assert len(world.messages) == 1


def test_lmtp_refuses_once_for_each_accepted_recipient(make_world):
    world = make_world(max_message_size=3)
    client = world.open("lmtp").begin("a@x", "b@x", "c@x")
    assert client.say("DATA", "too much", ".")[1:] == ["552 5.3.4 The message is larger than the limit"] * 3
    assert len(world.refused) == 1


def test_lmtp_without_a_valid_recipient_has_one_reply(make_world):
    client = make_world(routing="strict").open("lmtp").hello()
    client.say("MAIL FROM:<a@x>", "RCPT TO:<nobody@x>")
    assert client.say("DATA") == ["554 5.5.1 No valid recipients"]

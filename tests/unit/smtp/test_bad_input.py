"""Other protocols, endless lines, nonsense, and octets in any pieces."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailtrap import limits
from mailtrap.wire.steps import Close


def test_the_tenth_unknown_command_in_a_row_is_the_last(world):
    client = world.open()
    assert client.say(*["FOO"] * 9) == ["500 5.5.2 Unknown command"] * 9
    assert client.say("NOOP") == ["250 2.0.0 Ok"]
    assert client.say(*["FOO"] * 9) == ["500 5.5.2 Unknown command"] * 9
    assert client.closed is None
    assert client.say("FOO") == ["421 4.7.0 Too many unknown commands"]
    assert isinstance(client.closed, Close)


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"POST /mail HTTP/1.0\r\n\r\nMAIL FROM:<a@x>\r\n",
        b"CONNECT x:25 HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"\x16",
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 1000])
def test_another_protocol_ends_the_connection_at_once(world, octets, size):
    client = world.open()
    for start in range(0, len(octets), size):
        assert client.send(octets[start : start + size]) == b""
    assert client.closed is not None
    assert [refusal.stage for refusal in world.refused] == ["CONNECT"]


def test_later_lines_may_look_like_anything(world):
    client = world.open()
    assert client.say("NOOP", "GET / HTTP/1.1", b"\x16\x03\x01") == ["250 2.0.0 Ok", *["500 5.5.2 Unknown command"] * 2]
    client.begin()
    assert client.say("DATA", "GET / HTTP/1.1", ".")[-1].startswith("250")


@pytest.mark.parametrize("size", [100, 100_000])
@pytest.mark.parametrize(
    ("length", "reply"),
    [
        (limits.SMTP_LINE - 2, b"250 2.0.0"),
        (limits.SMTP_LINE + 1, b"500 5.5.2 The line is too long"),
        (limits.SMTP_LINE_END - 2, b"500 5.5.2 The line is too long"),
        (limits.SMTP_LINE_END + 1, b"421 4.5.2"),
    ],
)
def test_long_lines(world, length, reply, size):
    client = world.open()
    line = b"NOOP ".ljust(length, b"x") + b"\r\n"
    answer = b"".join(client.send(line[start : start + size]) for start in range(0, len(line), size))
    assert answer.startswith(reply)
    assert answer.count(b"\r\n") == 1
    assert (client.closed is not None) == reply.startswith(b"421")
    assert len(client.record.transcript) < limits.TRANSACTION_LOG + limits.LINE_LOG


def test_an_endless_line_is_not_collected(world):
    client = world.open()
    answer = b"".join(client.send(b"x" * 10_000) for _ in range(7))
    assert answer.startswith(b"421 4.5.2")
    assert client.closed is not None


@pytest.mark.parametrize(
    "octets", [b"NOOP \x1b[31m\r\n", b"X\r\x85S 250 forged\r\n", "NOOP \u2028S 250 forged\r\n".encode(), b"\0\0\0\r\n"]
)
def test_nothing_forges_a_line_of_the_transcript(world, octets):
    client = world.open()
    client.send(octets)
    lines = client.record.transcript.splitlines()
    assert len(lines) == 3
    assert [line[0] for line in lines] == ["S", "C", "S"]
    assert all(line.isprintable() for line in lines)


DIALOGUE = b"".join(
    [
        b"EHLO x\r\nMAIL FROM:<a@x> SIZE=5\r\nRCPT TO:<b@x>\r\nRCPT TO:<all>\r\nDATA\r\n",
        b"..x\r\nfoo\r\n.\r\nMAIL FROM:<>\nRCPT TO:<c@x>\r\nBDAT 5\r\n\r\n.\r\nBDAT 2 LAST\r\nab",
        b"FOO\r\nAUTH LOGIN\r\nYm9i\r\nc2VjcmV0\r\nVRFY bob\r\nNOOP \xff\r\nRSET\r\nQUIT\r\n",
    ]
)


@settings(max_examples=100)
@given(st.lists(st.integers(0, len(DIALOGUE)), max_size=40))
def test_the_same_octets_in_any_pieces_give_the_same_replies(make_world, cuts):
    whole, pieces = make_world(), make_world()
    expected = whole.open().send(DIALOGUE)
    client = pieces.open()
    places = [0, *sorted(cuts), len(DIALOGUE)]
    answer = b"".join(client.send(DIALOGUE[start:end]) for start, end in itertools.pairwise(places))
    assert answer == expected
    assert [whole.raw(row.seq) for row in whole.messages] == [pieces.raw(row.seq) for row in pieces.messages]
    assert [whole.raw(1), whole.raw(2)] == [b".x\r\nfoo\r\n", b"\r\n.\r\nab"]


def test_one_octet_at_a_time(make_world):
    expected = make_world().open().send(DIALOGUE)
    client = make_world().open()
    assert b"".join(client.send(bytes([octet])) for octet in DIALOGUE) == expected


FRAGMENTS = st.sampled_from(
    [
        b"EHLO x\r\n", b"HELO x\r\n", b"MAIL FROM:<a@x>", b" SIZE=1", b" SMTPUTF8", b" BODY=BINARYMIME", b"\r\n",
        b"\n", b"\r",
        b"RCPT TO:<b@x>\r\n", b"DATA\r\n", b".\r\n", b"BDAT 5\r\n", b"BDAT 2 LAST\r\n", b"AUTH PLAIN\r\n",
        b"AUTH LOGIN ",
        b"=\r\n", b"*\r\n", b"AGEAYg==\r\n", b"RSET\r\n", b"VRFY ", b"EXPN ", b"HELP ", b"NOOP ", b"STARTTLS\r\n",
        b"QUIT",
        b"<>", b"\xff", b"\0", "é".encode(), b" ", b"\t", b'"', b"LHLO x\r\n",
    ]
)  # fmt: skip


@settings(max_examples=300)
@given(st.lists(FRAGMENTS | st.binary(max_size=20), max_size=60), st.sampled_from(["smtp", "submission", "lmtp"]))
def test_nothing_breaks_a_session(make_world, fragments, flavour):
    world = make_world(starttls="offered", max_message_size=50)
    client = world.open(flavour)
    for fragment in fragments:
        client.send(fragment)
    client.end()
    assert world.errors == []
    assert client.closed is not None
    assert not client.closed.abort

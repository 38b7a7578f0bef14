"""What no client should send: answered clearly, never the end of the server."""

import random

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from mailtrap import limits
from mailtrap.config import Live
from mailtrap.imap.commands import COMMANDS

from .conftest import MAIL, World

LOGIN = b"a LOGIN bob@example.com pw\r\n"


class TestOtherProtocols:
    @pytest.mark.parametrize("line", [b"GET / HTTP/1.1\r\n", b"POST /x HTTP/1.0\r\n", b"PRI * HTTP/2.0\r\n"])
    def test_http(self, world, line):
        client = world.connect()
        assert client.send(line).startswith(b"* BYE This is IMAP")
        assert client.closed is not None

    def test_a_tls_record(self, world):
        client = world.connect()
        assert client.send(b"\x16\x03\x01\x02\x00\x01\x00") == b""
        assert client.closed is not None

    def test_a_literal_that_looks_like_one(self, world):
        client = world.connect()
        assert client.send(b"a LOGIN {4}\r\n").startswith(b"+ ")
        assert client.send(b"\x16\x03ab pw\r\n").startswith(b"a BAD")
        assert client.closed is None

    def test_only_the_first_line_is_looked_at(self, world):
        client = world.connect()
        client.ok("NOOP")
        assert client.send(b"GET / HTTP/1.1\r\n").startswith(b"GET BAD")
        assert client.closed is None

    def test_smtp(self, world):
        client = world.connect()
        assert client.send(b"EHLO example.com\r\n").startswith(b"EHLO BAD")


class TestUnknownCommands:
    def test_the_tenth_in_a_row_is_the_end(self, world):
        client = world.connect()
        for _ in range(Live().max_bad_commands - 1):
            client.bad("FOO")
        assert client.send(b"x FOO\r\n").startswith(b"* BYE")
        assert client.closed is not None

    def test_a_known_one_forgives(self, world):
        client = world.connect()
        for _ in range(3):
            for _ in range(Live().max_bad_commands - 1):
                client.bad("FOO")
            client.ok("NOOP")

    @pytest.mark.parametrize(
        "line", [b"", b" ", b"x", b"x ", b" x NOOP", b"+ NOOP", b"(x) NOOP", b"\xff NOOP", b"x\x00y NOOP"]
    )
    def test_lines_that_are_none(self, world, line):
        client = world.connect()
        assert b" BAD " in client.send(line + b"\r\n")
        assert client.ok("NOOP")

    @pytest.mark.parametrize("command", ["UID", "UID ", "UID FOO", "UID NOOP", "UID LOGIN a b", "FOO(", "NOOP("])
    def test_verbs_that_are_none(self, world, command):
        client = world.login()
        client.bad(command)
        assert client.ok("NOOP")

    def test_a_command_in_the_wrong_state_is_a_clients_bug(self, world):
        client = world.connect()
        for _ in range(20):
            assert "CLIENTBUG" in client.bad("FETCH 1 FLAGS")
        assert client.closed is None
        client = world.login()
        assert "CLIENTBUG" in client.bad("LOGIN a b")
        assert "CLIENTBUG" in client.bad("CLOSE")


class TestLimits:
    def test_a_long_line(self, world):
        client = world.connect()
        answer = client.send(b"x LOGIN " + b"y" * limits.IMAP_LINE + b"\r\n")
        assert answer.startswith(b"x BAD [TOOBIG]")
        assert client.ok("NOOP")

    def test_an_endless_line(self, world):
        client = world.connect()
        answer = b"".join(client.send(b"y" * 100_000) for _ in range(13))
        assert answer.startswith(b"* BYE")
        assert len(client.session.buffer) < limits.IMAP_LINE_END

    def test_a_large_literal_is_refused_before_it_is_read(self, world):
        client = world.connect()
        assert client.send(b"x LOGIN {%d}\r\n" % (limits.IMAP_LITERAL + 1)).startswith(b"x BAD [TOOBIG]")
        assert client.ok("NOOP")

    def test_many_literals(self, world):
        client = world.login()
        data = b"x SEARCH"
        for _ in range(limits.IMAP_LITERALS // 4096 + 1):
            data += b" TEXT {4096+}\r\n" + b"y" * 4096
        client.ok("CREATE a")
        client.ok("SELECT a")
        assert client.send(data + b"\r\n").startswith(b"x BAD [TOOBIG]")
        assert client.ok("NOOP")

    def test_a_literal_of_an_unknown_command_is_not_read(self, world):
        client = world.connect()
        assert client.send(b"x FOO {10}\r\n").startswith(b"x BAD Unknown command FOO")
        assert client.send(b"x FOO {4+}\r\nabcd\r\ny NOOP\r\n") == (
            b"x BAD Unknown command FOO\r\ny OK NOOP completed\r\n"
        )
        assert client.send(b"x FETCH {10}\r\n").startswith(b"x BAD [CLIENTBUG]")

    def test_what_is_dropped_is_bounded(self, world):
        client = world.login()
        assert client.send(b"x APPEND INBOX {%d+}\r\n" % (limits.IMAP_DROP + 1)).startswith(b"* BYE [TOOBIG]")
        assert client.closed is not None

    def test_the_transcript_is_bounded(self, world):
        client = world.login()
        for _ in range(3000):
            client.send(b"x NOOP " + b"y" * 3000 + b"\r\n")
            client.ok("NOOP")
        assert len(client.record.transcript) <= (limits.SESSION_LOGS + 1) * (limits.TRANSACTION_LOG + 1024)


class TestOctets:
    @pytest.mark.parametrize("octet", [b"\x00", b"\r", b"\x07", b"\x7f", b"\x80", b"\xff"])
    def test_anywhere(self, world, octet):
        client = world.login()
        for command in (b"CREATE %b", b"CREATE a%b", b'CREATE "a%b"', b"NO%bOP", b'LIST "" %b', b"STATUS a (%b)"):
            _, tagged = client.raw(command % octet)
            assert tagged[:3] in (b"BAD", b"NO ")
        assert client.ok("NOOP")
        for line in client.record.transcript.split("\n"):
            assert line.isprintable()

    def test_nul_in_a_literal(self, world):
        client = world.login()
        assert b" NO [CANNOT]" in client.literal(b"CREATE {}", b"a\x00b")


FRAGMENTS = [
    b"a ", b"FETCH ", b"UID ", b"SEARCH ", b"STORE ", b"APPEND INBOX ", b"LOGIN ", b"IDLE", b"DONE", b"SELECT ",
    b"INBOX", b"1", b"1:*", b"*", b"(", b")", b" ", b'"', b"\\", b"\\Seen", b"FLAGS", b"BODY[", b"]", b"<0.5>",
    b"{3}\r\n", b"{3+}\r\n", b"~{2}\r\n", b"abc", b"\r\n", b"\n", b"\r", b"NIL", b"&", b"%", b"\x00", b"\xff", b"OR ",
    b"NOT ", b"RETURN ", b"CHARSET ", b"AUTHENTICATE PLAIN", b"$", b"RENAME ", b"CREATE ", b"DELETE ", b"LIST ",
    b"STATUS ", b"COPY ", b"MOVE ", b"EXPUNGE",
]  # fmt: skip


class TestGarbage:
    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=8), max_size=40), st.sampled_from([0, 1, 2]))
    def test_nothing_ends_the_server(self, pieces, state):
        world = World()
        world.put()
        client = [world.connect, world.login, world.select][state]()
        client.send(b"".join(pieces))
        client.end_of_input()
        assert client.closed is not None
        assert not world.errors
        assert world.login().ok("SELECT INBOX")

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(sorted(COMMANDS)), st.lists(st.sampled_from(FRAGMENTS), max_size=12))
    def test_every_command_with_odd_arguments(self, verb, pieces):
        world = World()
        world.put()
        client = world.select()
        client.send(b"x " + verb.encode() + b" " + b"".join(pieces) + b"\r\n")
        client.end_of_input()
        assert not world.errors


CONVERSATION = (
    LOGIN
    + b"b SELECT INBOX\r\nc FETCH 1:* (FLAGS UID ENVELOPE BODY.PEEK[])\r\nd STORE 1 +FLAGS (\\Seen x)\r\n"
    + b"e SEARCH CHARSET UTF-8 SUBJECT {5}\r\nhello OR SEEN 2\r\nf APPEND INBOX (\\Draft) {%d+}\r\n%b\r\n"
    % (len(MAIL), MAIL)
    + b"g IDLE\r\nDONE\r\nh FOO {3+}\r\nabc\r\ni CREATE {3}\r\na b\r\nj COPY 1 {3+}\r\na b\r\n"
    + b'k LIST "" *\r\nl UID FETCH * BODY[HEADER.FIELDS (Subject)]<0.9>\r\nm NOOP\r\nn EXPUNGE\r\no LOGOUT\r\n'
)


def converse(pieces: list[bytes]) -> bytes:
    """What a server with one message answers to these pieces of input."""
    world = World()
    world.put(date=0.0)
    client = world.connect()
    out = b"".join([client.send(piece) for piece in pieces])
    assert client.closed is not None
    # what differs between two servers
    validity = b"%d" % world.mailbox().uidvalidity
    return out.replace(b"%d" % world.mailbox("a b").uidvalidity, b"V").replace(validity, b"V")


class TestSplits:
    def test_octet_by_octet(self):
        whole = converse([CONVERSATION])
        assert whole.endswith(b"o OK LOGOUT completed\r\n")
        assert converse([CONVERSATION[i : i + 1] for i in range(len(CONVERSATION))]) == whole

    def test_at_random(self):
        whole = converse([CONVERSATION])
        for seed in range(20):
            numbers = random.Random(seed)
            pieces, start = [], 0
            while start < len(CONVERSATION):
                end = start + numbers.choice([1, 2, 3, 7, 20, 100, 1000])
                pieces.append(CONVERSATION[start:end])
                start = end
            assert converse(pieces) == whole

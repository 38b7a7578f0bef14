"""IMAP over sockets with clients that send garbage, do not read, or send more than they may: nobody else notices."""

import imaplib
import socket
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailtrap import MailServer, limits

PIECES = [
    b"a ", b"FETCH ", b"UID ", b"SEARCH ", b"STORE ", b"APPEND INBOX ", b"LOGIN bob@x pw", b"IDLE", b"DONE",
    b"SELECT INBOX", b"1:*", b"(", b")", b" ", b'"', b"\\", b"BODY[]", b"{3}\r\n", b"{9999999999}\r\n",
    b"{5000+}\r\n", b"~{2}\r\n", b"\r\n", b"\n", b"\r", b"\x00", b"\xff", b"NOT " * 100, b"(" * 100,
    b"ENABLE QRESYNC", b"LOGOUT", b"x" * 70_000,
]  # fmt: skip
MAIL = b"From: ann@x\r\nSubject: %d\r\n\r\n" + b"0123456789abcdef\r\n" * 5600  # 100 KB


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def server(request, tmp_path_factory):
    store = "memory" if request.param == "memory" else f"sqlite:///{tmp_path_factory.mktemp('store')}/mail.db"
    with MailServer(store=store) as server:
        yield server
        assert server.errors == []


@pytest.fixture(scope="module")
def neighbour(server):
    """A session that was there before, and idles."""
    server.add_account("neighbour@x")
    with imaplib.IMAP4(server.imap.host, server.imap.port, timeout=30) as client:
        client.login("neighbour@x", "pw")
        client.select()
        yield client


def connect(server, user=None):
    sock = socket.create_connection((server.imap.host, server.imap.port), 30)
    until(sock, b"\r\n")
    if user:
        sock.sendall(b"l LOGIN %b pw\r\n" % user)
        until(sock, b"l OK")
    return sock


def until(sock, what):
    """Read until something has come."""
    said = b""
    while what not in said:
        piece = sock.recv(1 << 16)
        assert piece, said[-200:]
        said += piece
    return said


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    pieces=st.lists(st.sampled_from(PIECES) | st.binary(max_size=9), max_size=25),
    known=st.booleans(),
    breaks_off=st.booleans(),
)
def test_garbage(server, neighbour, pieces, known, breaks_off):
    with connect(server, b"garbage@x" if known else None) as sock:
        try:
            for piece in pieces:
                sock.sendall(piece)
            if not breaks_off:
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(1 << 16):
                    pass
        except ConnectionError:  # it was told BYE meanwhile
            pass
    assert neighbour.noop()[0] == "OK"


def unsent(server):
    """Octets that the server holds for each client that does not take them."""
    drivers = list(server._parts._hub.drivers)
    return [driver._wire.get_write_buffer_size() for driver in drivers]


def test_clients_that_do_not_read(server, neighbour):
    """Each asks for 20 MB three times; what is held for it is a few pieces of output."""
    with connect(server, b"reader@x") as filler:
        for number in range(200):
            mail = MAIL % number
            filler.sendall(b"a APPEND INBOX {%d}\r\n" % len(mail))
            until(filler, b"+")
            filler.sendall(mail + b"\r\n")
            until(filler, b"a OK")
    stalled = []
    for _ in range(5):
        sock = connect(server, b"reader@x")
        sock.sendall(b"b SELECT INBOX\r\n")
        until(sock, b"b OK")
        sock.sendall(b"".join(b"f%d FETCH 1:* BODY.PEEK[]\r\n" % number for number in range(3)))
        stalled.append(sock)
    for _ in range(50):
        assert neighbour.noop()[0] == "OK"
    assert max(unsent(server)) <= limits.WRITE_HIGH + 2 * limits.WRITE_CHUNK
    for sock in stalled[1:]:
        sock.close()
    tail, subjects = b"", 0
    while b"f2 OK" not in tail[-100:]:
        piece = stalled[0].recv(1 << 20)
        assert piece
        joined = tail + piece
        subjects += joined.count(b"Subject: ") - tail.count(b"Subject: ")
        tail = joined[-100:]
    assert subjects == 3 * 200, "who reads at last gets everything"
    stalled[0].close()
    assert neighbour.noop()[0] == "OK"


def test_a_literal_too_large_is_refused_before_it_is_sent(server, neighbour):
    with connect(server, b"large@x") as sock:
        sock.sendall(b"a APPEND INBOX {%d}\r\n" % (1 << 40))
        assert b"a NO [TOOBIG]" in until(sock, b"\r\n")
        sock.sendall(b"b APPEND INBOX {9999999999}\r\n")
        assert b"b NO [TOOBIG]" in until(sock, b"\r\n")
        sock.sendall(b"c NOOP\r\n")
        until(sock, b"c OK")


def test_a_literal_that_did_not_wait_is_dropped(server, neighbour):
    with connect(server, b"large@x") as sock:
        sock.sendall(b"a APPEND INBOX {3000000+}\r\n" + b"x" * 3_000_000 + b"\r\nb NOOP\r\n")
        said = until(sock, b"b OK")
        assert b"a BAD [TOOBIG]" in said
        assert said.count(b"\n") == 2
        sock.sendall(b"c APPEND INBOX {%d+}\r\n" % (limits.IMAP_DROP + 1))
        assert b"* BYE [TOOBIG]" in until(sock, b"\r\n")
    assert neighbour.noop()[0] == "OK"


def test_what_is_announced_and_never_comes_takes_no_memory(server, neighbour):
    """Many clients announce a large message each, and wait."""
    size = 20_000_000
    with ExitStack() as stack:
        for _ in range(30):
            sock = stack.enter_context(connect(server, b"large@x"))
            sock.sendall(b"a APPEND INBOX {%d}\r\n" % size)
            until(sock, b"+")
            sock.sendall(b"x" * 1000)
        assert neighbour.noop()[0] == "OK"
        machines = [driver.machine for driver in server._parts._hub.drivers]
        held = [len(machine.collector._literal) for machine in machines if machine.collector._literal is not None]
        assert len(held) >= 30
        assert sum(held) <= 30_000


def test_an_endless_line(server, neighbour):
    with connect(server) as sock:
        sock.sendall(b"y" * (2 * limits.IMAP_LINE_END))
        assert b"* BYE" in until(sock, b"\r\n")
    assert neighbour.noop()[0] == "OK"

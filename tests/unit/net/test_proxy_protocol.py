"""The PROXY protocol: its header alone, and before every protocol on every listener."""

import socket
import ssl

import hypothesis.strategies as st
import pytest
from hypothesis import given

from mailtrap import MailServer
from mailtrap.net.proxy import SIGNATURE, BadHeader, Header, parse

V1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 25\r\n"
SOURCE, DESTINATION = ("192.0.2.7", 4711), ("198.51.100.1", 25)


def v2(command=1, family=1, transport=1, body=None, *, version=2, length=None):
    if body is None:
        kind = socket.AF_INET if family == 1 else socket.AF_INET6
        hosts = ("192.0.2.7", "198.51.100.1") if family == 1 else ("2001:db8::7", "2001:db8::1")
        body = b"".join(socket.inet_pton(kind, host) for host in hosts)
        body += (4711).to_bytes(2) + (25).to_bytes(2)
    length = len(body) if length is None else length
    return SIGNATURE + bytes([version << 4 | command, family << 4 | transport]) + length.to_bytes(2) + body


@pytest.mark.parametrize(
    ("data", "header"),
    [
        (V1, Header(len(V1), SOURCE, DESTINATION)),
        (
            b"PROXY TCP6 2001:DB8:0::7 ::1 65535 0\r\n",
            Header(38, ("2001:db8::7", 65535), ("::1", 0)),
        ),
        (b"PROXY UNKNOWN\r\n", Header(15)),
        (b"PROXY UNKNOWN whatever stands here\r\n", Header(36)),
        (v2(), Header(28, SOURCE, DESTINATION)),
        (v2(family=2), Header(52, ("2001:db8::7", 4711), ("2001:db8::1", 25))),
        (v2(command=0), Header(28)),
        (v2(command=0, family=0, transport=0, body=b""), Header(16)),
        (v2(family=0, transport=0, body=b"abc"), Header(19)),
        (v2(family=3, body=b"/run/x".ljust(216, b"\0")), Header(232)),
        (v2(transport=2), Header(28)),
        (v2(body=v2()[16:] + b"\x04\x00\x01x"), Header(32, SOURCE, DESTINATION)),
    ],
)
def test_headers(data, header):
    assert parse(data) == header
    assert parse(data + b"EHLO x\r\n") == header
    for size in range(len(data)):
        assert parse(data[:size]) is None, size


@pytest.mark.parametrize(
    "data",
    [
        b"EHLO x\r\n", b"proxy TCP4 192.0.2.7 198.51.100.1 4711 25\r\n", b"\x16\x03\x01", b"PROXX", b"\r\n\r\nx",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 4711\r\n", b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 25 1\r\n",
        b"PROXY TCP4  192.0.2.7 198.51.100.1 4711 25\r\n", b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 65536\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 04711 25\r\n", b"PROXY TCP4 192.0.2.7 198.51.100.1 -1 25\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1  25\r\n", b"PROXY TCP4 2001:db8::7 ::1 4711 25\r\n",
        b"PROXY TCP6 192.0.2.7 198.51.100.1 4711 25\r\n", b"PROXY TCP6 fe80::1%eth0 ::1 4711 25\r\n",
        b"PROXY TCP4 192.0.2.256 198.51.100.1 4711 25\r\n", b"PROXY TCP5 192.0.2.7 198.51.100.1 4711 25\r\n",
        b"PROXY UDP4 192.0.2.7 198.51.100.1 4711 25\r\n", b"PROXY \xff\r\n", b"PROXY TCP4 192.0.2.7\n",
        b"PROXY UNKNOWN " + b"f" * 92 + b"\r\n", b"PROXY TCP4 " + b" " * 200,
        v2(version=1), v2(command=2), v2(family=4), v2(transport=3), v2(length=11), v2(family=2, length=35),
    ],
)  # fmt: skip
def test_what_is_none(data):
    with pytest.raises(BadHeader):
        parse(data)


@given(st.binary(max_size=60), st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11"]))
def test_whatever_comes_is_a_header_or_is_none(rest, beginning):
    try:
        header = parse(beginning + rest)
    except BadHeader:
        return
    assert header is None or header.size > 0


# ---------------------------------------------------------------- before a session

TRUST = {"trusted_proxies": ["127.0.0.0/8"], "proxy_protocol": True}
WELCOME = {"smtp": b"220 ", "submission": b"220 ", "lmtp": b"220 ", "pop3": b"+OK ", "imap": b"* OK "}
HEADERS = pytest.mark.parametrize("header", [V1, v2()], ids=["version 1", "version 2"])


@pytest.fixture(scope="module")
def server():
    with MailServer() as server:
        yield server


@pytest.fixture
def behind(server):
    """A scope whose listeners are behind a proxy."""
    with server.scope(**TRUST) as scope:
        yield scope
        assert scope.errors == []


@pytest.fixture
def connect(client_socket):
    clients = []

    def connect(endpoint):
        clients.append(client_socket((endpoint.host, endpoint.port)))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@HEADERS
@pytest.mark.parametrize("listener", WELCOME)
def test_the_client_is_the_one_of_the_header(behind, connect, listener, header):
    client = connect(getattr(behind, listener))
    client.sendall(header)
    assert client.line().startswith(WELCOME[listener])
    (session,) = behind.sessions
    assert session.peer == SOURCE
    here = client.getsockname()
    assert f"* PROXY header of {here[0]}:{here[1]}: 192.0.2.7:4711 to 198.51.100.1:25" in session.transcript


@HEADERS
@pytest.mark.parametrize("listener", ["smtps", "pop3s", "imaps"])
def test_it_comes_before_tls(behind, server, listener, header):
    endpoint = getattr(behind, listener)
    context = server.ssl_context()
    # Header and ClientHello in one piece, in two, and torn in the middle.
    for cut in (0, 5, len(header)):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        secure = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        with socket.create_connection((endpoint.host, endpoint.port), timeout=20) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if cut:
                sock.sendall(header[:cut])
            rest, text = header[cut:], b""
            while b"\r\n" not in text:
                try:
                    text += secure.read(100)
                except ssl.SSLWantReadError:
                    if rest or outgoing.pending:
                        sock.sendall(rest + outgoing.read())
                        rest = b""
                    if piece := sock.recv(10_000):
                        incoming.write(piece)
                    else:
                        incoming.write_eof()
        assert text.startswith(WELCOME[listener[:-1]])
    assert {session.peer for session in behind.sessions} == {SOURCE}
    assert {session.tls.version for session in behind.sessions} == {"TLSv1.3"}


@HEADERS
def test_it_may_come_octet_by_octet_and_with_commands_behind_it(behind, connect, header):
    client = connect(behind.smtp)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for octet in header[:-1]:
        client.sendall(bytes([octet]))
    client.sendall(header[-1:] + b"EHLO x\r\nQUIT\r\n")
    talk = client.rest()
    assert talk.startswith(b"220 ")
    assert talk.endswith(b"221 2.0.0 Bye\r\n")


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", v2(command=0, family=0, transport=0, body=b"")])
def test_a_proxy_may_speak_for_itself(behind, connect, header):
    client = connect(behind.smtp)
    client.sendall(header)
    assert client.line().startswith(b"220 ")
    (session,) = behind.sessions
    assert session.peer == client.getsockname()


def test_without_a_header_nothing_is_said(behind, connect):
    client = connect(behind.smtp)
    client.sendall(b"EHLO x\r\n")
    assert client.rest() == b""
    silent = connect(behind.imap)
    silent.shutdown(socket.SHUT_WR)
    assert silent.rest() == b""
    spoken, left = behind.sessions
    assert "* PROXY header: there is none" in spoken.transcript
    assert "* PROXY header: the client left before it" in left.transcript


def test_who_is_not_trusted_needs_none(server, connect):
    with server.scope(trusted_proxies=["192.0.2.0/24"], proxy_protocol=True) as scope:
        client = connect(scope.smtp)
        assert client.line().startswith(b"220 ")
        client.sendall(V1)
        assert client.line() == b"500 5.5.2 Unknown command"
        assert scope.sessions[0].peer == client.getsockname()


def test_a_silent_proxy_does_not_stay_for_ever(server, connect):
    with server.scope(**TRUST, smtp_timeout=0.2) as scope:
        assert connect(scope.smtp).rest() == b""


def test_rules_and_limits_hold_for_the_client_behind_the_proxy(server, connect):
    other = b"PROXY TCP4 192.0.2.8 198.51.100.1 4711 25\r\n"
    with server.scope(**TRUST, max_connections_per_peer=1) as scope:
        scope.smtp.on("CONNECT", peer="192.0.2.9").respond_with(554, "Not you")
        clients = [connect(scope.smtp) for _ in range(4)]
        for client, header in zip(clients, (V1, V1, other, other.replace(b".8 ", b".9 ")), strict=True):
            client.sendall(header)
            client.code = client.line()[:3]
        assert [client.code for client in clients] == [b"220", b"421", b"220", b"554"]
        assert [refusal.session.peer[0] for refusal in scope.refused] == ["192.0.2.7", "192.0.2.9"]

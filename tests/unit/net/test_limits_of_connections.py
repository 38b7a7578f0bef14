"""How many connections there may be, and how long one may last: the same for every protocol."""

import time

import pytest

from mailtrap import MailServer

GREETINGS = {
    "smtp": (b"220 ", b"421 4.3.2 Too many connections"),
    "submission": (b"220 ", b"421 4.3.2 Too many connections"),
    "lmtp": (b"220 ", b"421 4.3.2 Too many connections"),
    "pop3": (b"+OK ", b"-ERR [SYS/TEMP] Too many connections"),
    "imap": (b"* OK ", b"* BYE [UNAVAILABLE] Too many connections"),
}


@pytest.fixture(scope="module")
def server():
    with MailServer() as server:
        yield server


@pytest.fixture
def scoped(server):
    """Opens a scope of the server with these settings."""
    scopes = []

    def make(**settings):
        scopes.append(server.scope(**settings).start())
        return scopes[-1]

    yield make
    for scope in scopes:
        scope.stop()
        assert scope.errors == []


@pytest.fixture
def connect(client_socket):
    """Connects to a listener."""
    clients = []

    def connect(endpoint):
        clients.append(client_socket((endpoint.host, endpoint.port)))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@pytest.mark.parametrize("listener", GREETINGS)
def test_one_too_many_is_told_so(scoped, connect, listener):
    scope = scoped(max_connections=2)
    welcome, full = GREETINGS[listener]
    endpoint = getattr(scope, listener)
    first, second, third = (connect(endpoint) for _ in range(3))
    assert first.line().startswith(welcome)
    assert second.line().startswith(welcome)
    assert third.line() == full
    assert third.rest() == b""
    (refusal,) = scope.refused
    assert (refusal.stage, refusal.reply) == ("CONNECT", full.decode().removeprefix("* "))
    assert refusal.session.peer == third.getsockname()
    first.sendall(b"NOOP\r\n")  # who was there before is not disturbed
    assert first.line()


def test_a_place_is_free_again_when_somebody_left(scoped, connect):
    scope = scoped(max_connections=1)
    first = connect(scope.smtp)
    first.line()
    first.sendall(b"QUIT\r\n")
    assert first.rest().startswith(b"221")
    # The client may see the end a moment before the server has put the connection away.
    assert any(connect(scope.imap).line().startswith(b"* OK") for _ in range(500))


def test_all_protocols_share_the_places_of_a_scope(server, scoped, connect):
    outside = connect(server.smtp)
    outside.line()  # of no scope but the server's
    scope = scoped(max_connections=1)
    assert connect(scope.pop3).line().startswith(b"+OK")
    assert connect(scope.smtp).line().startswith(b"421")
    assert connect(scope.imap).line().startswith(b"* BYE")
    assert [refusal.session.protocol for refusal in scope.refused] == ["smtp", "imap"]


def test_each_address_has_its_own_limit(scoped, connect):
    scope = scoped(max_connections_per_peer=1)
    assert connect(scope.smtp).line().startswith(b"220")
    assert connect(scope.smtp).line() == b"421 4.3.2 Too many connections from your address"
    assert len(scope.refused) == 1


def test_it_is_told_inside_tls_where_there_is_tls(scoped, connect, server):
    scope = scoped(max_connections=1)
    connect(scope.smtp).line()
    with server.ssl_context().wrap_socket(connect(scope.smtps), server_hostname="localhost") as secure:
        assert secure.recv(100) == b"421 4.3.2 Too many connections\r\n"
        assert secure.recv(100) == b""


@pytest.mark.parametrize(
    ("listener", "goodbye"),
    [
        ("smtp", b"421 4.4.2 The session has lasted too long\r\n"),
        ("pop3", b""),
        ("imap", b"* BYE The session has lasted too long\r\n"),
    ],
)
def test_a_session_ends_after_its_time_though_it_is_busy(scoped, connect, listener, goodbye):
    scope = scoped(session_timeout=0.3)
    client = connect(getattr(scope, listener))
    client.line()
    command, talk = (b"x NOOP\r\n" if listener == "imap" else b"NOOP\r\n"), b""
    while not talk.endswith(goodbye or b"\0"):
        try:
            client.sendall(command)
            piece = client.recv(1000)
        except OSError:  # the server has gone
            break
        if not piece:
            break
        talk += piece
    assert talk.endswith(goodbye)
    assert talk.count(b"\n") > 1
    assert time.time() - scope.sessions[0].opened_at >= 0.3


def test_without_a_limit_a_session_may_last(scoped, connect):
    scope = scoped(session_timeout=0, smtp_timeout=0.2)
    client = connect(scope.smtp)
    client.line()
    assert client.rest() == b"421 4.4.2 Nothing came for too long\r\n"


@pytest.mark.parametrize(("listener", "nonsense"), [("smtp", b"FOO\r\n"), ("pop3", b"FOO\r\n"), ("imap", b"x FOO\r\n")])
def test_how_many_unknown_commands_end_a_session_is_a_setting(scoped, connect, listener, nonsense):
    scope = scoped(max_bad_commands=2)
    client = connect(getattr(scope, listener))
    client.line()
    client.sendall(nonsense * 3)
    assert client.rest().count(b"\r\n") == 2
    scope.configure(max_bad_commands=0)
    client = connect(getattr(scope, listener))
    client.line()
    client.sendall(nonsense * 30)
    assert [client.line() for _ in range(30)]

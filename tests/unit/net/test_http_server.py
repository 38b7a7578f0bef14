"""The HTTP listener: late, lasting, and quickly gone."""

import http.client
import logging
import socket
import subprocess
import sys
import threading
import time

import pytest

from mailtrap import limits
from mailtrap.net.http import HTTPServer
from mailtrap.net.listeners import bind

WAIT = 20


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/echo":
        length = environ.get("CONTENT_LENGTH")
        data = environ["wsgi.input"].read(int(length)) if length else environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(data)))])
        return [data]
    if path == "/fail":
        raise RuntimeError("secret")
    if path == "/late":
        return failing(start_response)
    if path == "/none":
        start_response("204 No Content", [])
        return []
    if path == "/stream":
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        return environ["events"]() if "events" in environ else iter([b"one\n", b"", b"two\n"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"here is " + path.encode()]


def failing(start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"first"
    raise RuntimeError("secret")


@pytest.fixture
def serve():
    servers = []

    def start(app=application, host="127.0.0.1"):
        made = []
        sock = bind("http", host, 0)
        reported = []
        server = HTTPServer(sock, lambda: made.append(1) or app, reported.append)
        server.reported = reported
        server.made, server.address = made, sock.getsockname()[:2]
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.stop()


def connect(server):
    return http.client.HTTPConnection(*server.address, timeout=WAIT)


def ask(connection, method, path, body=None, **options):
    connection.request(method, path, body, **options)
    response = connection.getresponse()
    return response, response.read()


def test_the_application_is_made_at_the_first_connection(serve):
    server = serve()
    assert server.made == []
    connection = connect(server)
    response, body = ask(connection, "GET", "/x")
    assert (response.status, body) == (200, b"here is /x")
    connection.close()
    assert server.made == [1]
    assert server.app is application
    assert server.made == [1]


def test_or_at_its_first_use(serve):
    server = serve()
    assert server.app is application
    assert server.made == [1]


def test_a_connection_lasts(serve):
    connection = connect(serve())
    socks = set()
    for method, path, body, expected in [
        ("GET", "/a", None, b"here is /a"),
        ("POST", "/echo", b"x" * 100_000, b"x" * 100_000),
        ("POST", "/ignored", b"y" * 100_000, b"here is /ignored"),
        ("HEAD", "/b", None, b""),
        ("DELETE", "/none", None, b""),
        ("GET", "/stream", None, b"one\ntwo\n"),
        ("PUT", "/echo", iter([b"chunk", b"ed"]), b"chunked"),
        ("POST", "/ignored", iter([b"chunk", b"ed"]), b"here is /ignored"),
        ("GET", "/c", None, b"here is /c"),
    ]:
        response, got = ask(connection, method, path, body, encode_chunked=not isinstance(body, bytes | None))
        assert got == expected, path
        assert "Python" not in response.getheader("Server")
        socks.add(connection.sock)
    assert len(socks) == 1
    assert None not in socks
    connection.close()


def test_a_long_body_nobody_reads_ends_the_connection(serve, monkeypatch):
    monkeypatch.setattr(limits, "HTTP_DRAIN", 1_000_000)
    connection = connect(serve())
    connection.auto_open = 0
    connection.connect()
    _, got = ask(connection, "POST", "/ignored", b"y" * 3_000_000)
    assert got == b"here is /ignored"
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        ask(connection, "GET", "/")
    connection.close()


def talk(server, data):
    with socket.create_connection(server.address, WAIT) as sock:
        sock.sendall(data)
        pieces = []
        while piece := sock.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


def test_http_1_0(serve):
    server = serve()
    answer = talk(server, b"GET /stream HTTP/1.0\r\n\r\n")
    assert answer.endswith(b"\r\n\r\none\ntwo\n")
    assert b"chunked" not in answer
    answer = talk(
        server, b"POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhiGET / HTTP/1.0\r\n\r\n"
    )
    assert b"Connection: keep-alive" in answer
    assert answer.endswith(b"here is /")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"POST /echo HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST /echo HTTP/1.1\r\nContent-Length: many\r\n\r\n", b"400"),
        (b"rubbish\r\n\r\n", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"505"),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
    ],
)
def test_bad_requests(serve, data, status):
    server = serve()
    answer = talk(server, data)
    # what is not even HTTP is answered as HTTP/0.9 was: the page alone
    assert answer.startswith(b"HTTP/1.1 " + status) or b"Error code: " + status in answer
    assert b"Traceback" not in answer
    assert b"here is /" in talk(server, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")


def test_expect_continue(serve):
    with socket.create_connection(serve().address, WAIT) as sock:
        sock.sendall(b"POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n")
        got = b""
        while not got.endswith(b"\r\n\r\n"):
            got += sock.recv(1)
        assert got == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"hi")
        answer = b""
        while piece := sock.recv(1000):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"hi")


def test_an_application_that_fails(serve, caplog):
    server = serve()
    answer = talk(server, b"GET /fail HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"secret" not in answer
    answer = talk(server, b"GET /late HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert not answer.endswith(b"0\r\n\r\n")  # the client can tell that it is not whole
    assert caplog.text.count("RuntimeError: secret") == 2
    assert list(map(str, server.reported)) == ["secret", "secret"]


def test_nothing_is_logged_above_debug(serve, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    server = serve()
    talk(server, b"GET /quiet HTTP/1.1\r\nConnection: close\r\n\r\n")
    with socket.create_connection(server.address, WAIT) as sock:
        sock.sendall(b"POST /echo HTTP/1.1\r\nContent-Length: 100\r\n\r\nbroken off")
    server.stop()
    assert [record.name for record in caplog.records if record.levelno > logging.DEBUG] == []
    assert "GET /quiet" in caplog.text
    assert {record.name for record in caplog.records if "/quiet" in record.getMessage()} == {"mailtrap.http"}
    assert capfd.readouterr() == ("", "")


def test_stop_with_open_streams_and_idle_connections(serve):
    closed, streaming, idle = threading.Semaphore(0), threading.Semaphore(0), threading.Semaphore(0)
    news = threading.Event()

    def stream(environ, start_response):
        if environ["PATH_INFO"] == "/idle":
            idle.release()
            return application(environ, start_response)
        start_response("200 OK", [("Content-Type", "text/event-stream")])

        def events():
            try:
                yield b"data: 1\n\n"
                streaming.release()
                news.wait(WAIT)
                while True:
                    yield b"data: x\n\n"
            finally:
                closed.release()

        return events()

    server = serve(stream)
    clients = [socket.create_connection(server.address, WAIT) for _ in range(13)]
    for client in clients:
        client.sendall(b"GET /%b HTTP/1.1\r\n\r\n" % (b"idle" if client is clients[12] else b""))
    for _ in range(12):
        assert streaming.acquire(timeout=WAIT)
    assert idle.acquire(timeout=WAIT)
    begun = time.monotonic()
    server.stop()
    assert time.monotonic() - begun < 0.5  # meant: 0.05; the machine may be busy
    for client in clients:
        while client.recv(1000):
            pass
        client.close()
    news.set()
    for _ in range(12):
        assert closed.acquire(timeout=WAIT)
    server.stop()
    with pytest.raises(ConnectionRefusedError), socket.create_connection(server.address, WAIT):
        pass


def test_stop_before_the_first_connection_and_before_start():
    for begin in (False, True):
        sock = bind("http", "127.0.0.1", 0)
        server = HTTPServer(sock, lambda: application, pytest.fail)
        if begin:
            server.start()
        server.stop()
        assert sock.fileno() == -1


def test_an_application_that_cannot_be_made(caplog):
    reported = []

    def fails():
        raise RuntimeError("no app")

    server = HTTPServer(bind("http", "127.0.0.1", 0), fails, reported.append)
    address = server._sock.getsockname()
    server.start()
    try:
        for _ in range(2):
            with socket.create_connection(address, WAIT) as sock:
                assert sock.recv(1) == b""
    finally:
        server.stop()
    assert "no app" in caplog.text
    assert list(map(str, reported)) == ["no app", "no app"]


def test_ipv6(serve):
    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    assert b"here is /6" in talk(serve(host="::1"), b"GET /6 HTTP/1.1\r\nConnection: close\r\n\r\n")


def test_werkzeug_is_imported_at_the_first_connection():
    code = """
import socket, sys
from mailtrap.net.http import HTTPServer
from mailtrap.net.listeners import bind
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
sock = bind("http", "127.0.0.1", 0)
server = HTTPServer(sock, lambda: app, print)
server.start()
assert "werkzeug" not in sys.modules
with socket.create_connection(sock.getsockname(), 20) as client:
    client.sendall(b"GET / HTTP/1.1\\r\\nConnection: close\\r\\n\\r\\n")
    while client.recv(1000): pass
assert "werkzeug" in sys.modules
server.stop()
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)

"""TLS, deflate and shapes over real connections."""

import socket
import ssl
import struct
import threading
import time
import zlib
from contextlib import suppress

import pytest

from mailtrap.net.certificates import Certificates
from mailtrap.wire.steps import NEED_DATA, Call, Shape, StartDeflate, StartTLS

WAIT = 20


def secure(client, certificates, name="mail.example"):
    return certificates.client_context().wrap_socket(client, server_hostname=name)


def lines(client, data):
    """Say this, read as many lines as it has."""
    client.sendall(data)
    got = b""
    while got.count(b"\n") < data.count(b"\n"):
        piece = client.recv(65536)
        assert piece
        got += piece
    return got


def starttls(machine, echo):
    agreed = None
    yield b"hello\r\n"
    while (line := (yield from machine.line())) is not None:
        if line == b"STARTTLS":
            yield b"go\r\n"
            agreed = yield StartTLS()
            yield f"{agreed.version} {agreed.server_name}\r\n".encode()
        else:
            yield line + b"\r\n"


def test_starttls_drops_what_was_said_in_clear(serve, certificates, echo_script):
    server = serve(lambda machine: starttls(machine, echo_script), certificates=certificates)
    with server.connect() as client:
        assert client.line() == b"hello"
        client.sendall(b"a\r\nSTARTTLS\r\ninjected\r\n")
        assert client.line() == b"a"
        assert client.line() == b"go"
        with secure(client, certificates) as tls:
            assert lines(tls, b"b\r\n") == b"TLSv1.3 mail.example\r\n"
            assert lines(tls, b"c\r\n") in (b"b\r\n", b"b\r\nc\r\n")
    machine = server.machines[0]
    assert machine.closed.wait(WAIT)
    assert machine.record.tls.server_name == "mail.example"


def test_starttls_twice_or_without_certificates_is_the_sessions_to_handle(serve, certificates):
    def script(machine):
        for _ in range(2):
            try:
                yield StartTLS()
            except RuntimeError:
                yield b"no\r\n"

    with serve(script).connect() as client:
        assert client.rest() == b"no\r\nno\r\n"
    with serve(script, certificates=certificates).connect() as client, secure(client, certificates) as tls:
        assert tls.recv(100) == b"no\r\n"
        assert tls.recv(100) == b""


def test_implicit_tls(serve, certificates):
    server = serve(certificates=certificates, implicit=True)
    with secure(server.connect(), certificates) as tls:
        assert tls.recv(100) == b"hello\r\n"
        assert lines(tls, b"one\r\ntwo\r\n") == b"one\r\ntwo\r\n"
        assert server.machines[0].record.tls.version == "TLSv1.3"
        tls.sendall(b"QUIT\r\n")
        got = b""
        while piece := tls.recv(100):  # a clean end: no SSLEOFError
            got += piece
        assert got == b"QUIT\r\n"


def test_much_goes_both_ways_through_tls(serve, certificates):
    def script(machine):
        while len(machine.buffer) < 5_000_000:
            yield NEED_DATA
        data = bytes(machine.buffer)
        machine.buffer.clear()
        yield data
        yield data[::-1]

    data = bytes(range(250)) * 20_000
    server = serve(script, certificates=certificates, implicit=True)
    with secure(server.connect(), certificates) as tls:
        tls.sendall(data)
        got = bytearray()
        while piece := tls.recv(1 << 18):
            got += piece
        assert bytes(got) == data + data[::-1]


def test_half_close_within_tls(serve, certificates):
    def script(machine):
        while (line := (yield from machine.line())) is not None:
            yield (yield Call(line.upper, worker=True))
        yield b" bye"

    server = serve(script, certificates=certificates, implicit=True)
    with secure(server.connect(), certificates) as tls:
        tls.sendall(b"a\nb\nc\n")
        socket.socket.shutdown(tls, socket.SHUT_WR)  # without a close_notify
        got = b""
        while piece := tls.recv(100):
            got += piece
        assert got == b"ABC bye"


def test_the_context_is_made_once_at_the_first_client_hello_in_a_worker(serve):
    made = []
    certificates = Certificates()

    def provider():
        made.append(threading.current_thread().name)
        return certificates()

    provider.client_context = certificates.client_context
    server = serve(certificates=provider, implicit=True)
    with server.connect():
        pass
    assert made == []
    for _ in range(3):
        with secure(server.connect(), provider, "localhost") as tls:
            assert tls.recv(100) == b"hello\r\n"
    assert len(made) == 1
    assert made[0].startswith("mailtrap-worker")


def test_a_context_that_cannot_be_made_is_reported(serve):
    def provider():
        raise OSError("no such file")

    server = serve(certificates=provider, implicit=True)
    with server.connect() as client, pytest.raises((ssl.SSLError, ConnectionError)):
        ssl.create_default_context().wrap_socket(client, server_hostname="localhost")
    assert server.told.wait(WAIT)
    assert str(server.reported.pop()[0]) == "no such file"


@pytest.mark.parametrize("data", [b"EHLO x\r\n", b"\x16\x03\x01\x00\x05hello", b"\x80", b"\x16\x03\x01\x02\x00"])
def test_what_is_no_handshake_ends_the_connection_and_leaves_a_note(serve, certificates, data):
    server = serve(certificates=certificates, implicit=True)
    with server.connect() as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        answer = client.rest()
    assert b"hello" not in answer
    assert server.machines[0].closed.wait(WAIT)
    assert "TLS failed: " in server.machines[0].record.transcript
    with secure(server.connect(), certificates) as tls:
        assert tls.recv(100) == b"hello\r\n"


def test_a_client_that_does_not_trust_us(serve, certificates):
    server = serve(certificates=certificates, implicit=True)
    with server.connect() as client, pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(client, server_hostname="localhost")
    assert server.machines[0].closed.wait(WAIT)
    assert "TLS" in server.machines[0].record.transcript


def test_a_client_that_says_nothing_where_tls_is_expected(serve, certificates):
    server = serve(certificates=certificates, implicit=True, timeout=0.05)
    with server.connect() as client:
        assert client.rest() == b""


def test_stop_says_goodbye_to_tls_clients(serve, certificates):
    server = serve(certificates=certificates, implicit=True)
    with secure(server.connect(), certificates) as tls:
        assert tls.recv(100) == b"hello\r\n"
        server.stop()
        assert tls.recv(100) == b""


# ---------------------------------------------------------------- deflate


def compressing(machine):
    while (line := (yield from machine.line())) is not None:
        if line == b"COMPRESS":
            yield b"go\r\n"
            yield StartDeflate()
        elif line == b"BIG":
            yield b"x" * 1_000_000 + b"\r\n"
        else:
            yield line + b"\r\n"


@pytest.mark.parametrize("implicit", [False, True])
def test_compressed_input_may_follow_the_command_at_once(serve, certificates, implicit):
    server = serve(compressing, certificates=certificates, implicit=implicit)
    deflate, inflate = zlib.compressobj(wbits=-15), zlib.decompressobj(-15)
    with server.connect() as client, secure(client, certificates) if implicit else client as talk:
        packed = deflate.compress(b"one\r\ntwo\r\nBIG\r\n") + deflate.flush(zlib.Z_SYNC_FLUSH)
        talk.sendall(b"COMPRESS\r\n" + packed)
        got = b""
        while len(got) < 4:
            got += talk.recv(4 - len(got))
        assert got == b"go\r\n"
        plain = b""
        while len(plain) < 1_000_012:
            plain += inflate.decompress(talk.recv(65536))
        assert plain == b"one\r\ntwo\r\n" + b"x" * 1_000_000 + b"\r\n"


def test_a_bomb_holds_no_memory(serve):
    seen = []

    def script(machine):
        yield StartDeflate()
        total = 0
        while total < 50_000_000:
            yield NEED_DATA
            seen.append(len(machine.buffer))
            total += len(machine.buffer)
            machine.buffer.clear()
        yield b"all"

    server = serve(script)
    deflate, inflate = zlib.compressobj(wbits=-15), zlib.decompressobj(-15)
    with server.connect() as client:
        client.sendall(deflate.compress(bytes(50_000_000)) + deflate.flush(zlib.Z_SYNC_FLUSH))
        client.shutdown(socket.SHUT_WR)
        assert inflate.decompress(client.rest()) == b"all"
    assert sum(seen) == 50_000_000
    assert max(seen) <= 1 << 18


def test_what_is_not_deflate_ends_the_connection(serve):
    server = serve(compressing)
    with server.connect() as client:
        client.sendall(b"COMPRESS\r\nA2 NOOP\r\n" + b"\xff" * 10)
        assert client.rest() == b"go\r\n"
    assert server.machines[0].closed.wait(WAIT)
    assert "deflate failed" in server.machines[0].record.transcript


# ---------------------------------------------------------------- shapes


def shaped(*shapes):
    def script(machine):
        yield b"hello\r\n"
        yield from shapes
        while (line := (yield from machine.line())) is not None:
            yield line + b"\r\n"

    return script


@pytest.mark.parametrize("reset", [False, True])
def test_the_connection_ends_after_so_many_octets(serve, reset):
    def script(machine):
        yield b"hello\r\n"
        yield Shape(disconnect_after=10, reset=reset)
        while (line := (yield from machine.line())) is not None:
            yield line + b" " + line + b"\r\n"

    with serve(script).connect() as client:
        assert client.line() == b"hello"
        client.sendall(b"1\r\n")
        assert client.line() == b"1 1"
        client.sendall(b"2345\r\n")
        assert client.exactly(5) == b"2345 "
        if reset:
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        else:
            assert client.rest() == b""


def test_octets_received_count_too(serve):
    server = serve(shaped(Shape(disconnect_after=5)))
    with server.connect() as client:
        assert client.line() == b"hello"
        client.sendall(b"123456789")
        assert client.rest() == b""
    assert server.machines[0].closed.wait(WAIT)
    assert server.machines[0].buffer == b"12345"


def test_truncated_and_garbled_output(serve):
    with serve(shaped(Shape(truncate=6), Shape(garble=True))).connect() as client:
        assert client.line() == b"hello"
        client.sendall(b"1234\r\n")
        assert client.line() == b"\x11234"
        client.sendall(b"5678\r\n")
        client.shutdown(socket.SHUT_WR)
        assert client.rest() == b""


def test_a_slow_connection_loses_nothing(serve):
    server = serve(shaped(Shape(bytes_per_second=20_000)))
    data = b"y" * 1498 + b"\r\n"
    with server.connect() as client:
        assert client.line() == b"hello"
        begun = time.monotonic()
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        assert client.rest() == data
        assert time.monotonic() - begun >= 0.09  # there and back, each with one portion of 50 ms ahead


def test_a_slow_connection_still_pushes_back(serve):
    produced = []

    def script(machine):
        yield Shape(bytes_per_second=100)
        for number in range(1000):
            produced.append(number)
            yield b"z" * 10_000

    server = serve(script)
    with server.connect() as client:
        assert client.exactly(10) == b"z" * 10
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert server.machines[0].closed.wait(WAIT)
    assert len(produced) < 30


def test_a_shape_below_tls_counts_what_is_on_the_wire(serve, certificates):
    server = serve(shaped(Shape(disconnect_after=40)), certificates=certificates, implicit=True)
    with secure(server.connect(), certificates) as tls:
        assert tls.recv(100) == b"hello\r\n"
        tls.sendall(b"0123456789012345678\r\n" * 3)
        with suppress(ssl.SSLError, ConnectionError):
            assert tls.recv(100) == b""  # not one whole TLS record passed


def test_the_end_of_input_of_a_slowed_client_comes_after_its_input(serve):
    with serve(shaped(Shape(bytes_per_second=5000))).connect() as client:
        assert client.line() == b"hello"
        client.sendall(b"a\r\n" * 100)
        client.shutdown(socket.SHUT_WR)
        assert client.rest() == b"a\r\n" * 100


def test_a_reset_of_the_client_in_the_middle(serve):
    server = serve(shaped(Shape(bytes_per_second=100)))
    with server.connect() as client:
        assert client.line() == b"hello"
        client.sendall(b"a\r\n" * 100)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert server.machines[0].closed.wait(WAIT)

"""A scripted session, a server for it over real sockets, and a driver over a transport that only writes down."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from mailtrap.faults import RuleBook
from mailtrap.net.certificates import Certificates
from mailtrap.net.driver import Driver
from mailtrap.net.hub import Hub
from mailtrap.net.listeners import bind
from mailtrap.net.loop import LoopThread
from mailtrap.scopes import Scope, Scopes
from mailtrap.transcript import Session
from mailtrap.wire.machine import Machine
from mailtrap.wire.steps import NEED_DATA

WAIT = 20  # seconds after which a test that waits has failed


class Scripted(Machine):
    """A session that a test writes as a generator function."""

    def __init__(self, script, peer, *, timeout=300.0):
        self.script = script
        self.timeout = timeout
        self.closed = threading.Event()
        super().__init__(Session("smtp", peer, "smtp"), Scopes({}).root, RuleBook())

    def run(self):
        return self.script(self)

    def line(self):
        """The next line without its end; None where the input ends."""
        while (end := self.buffer.find(b"\n")) < 0:
            if self.eof:
                return None
            yield NEED_DATA
        line = bytes(self.buffer[:end])
        del self.buffer[: end + 1]
        return line.rstrip(b"\r")

    def expired(self):
        return b"too slow\r\n"

    def close(self):
        super().close()
        self.closed.set()


def echo(machine):
    """Greets, and says each line again."""
    yield b"hello\r\n"
    while (line := (yield from machine.line())) is not None:
        yield line + b"\r\n"
        if line == b"QUIT":
            return


class Client(socket.socket):
    """A client's socket that never waits for ever."""

    def __init__(self, address, receive_buffer=None):
        super().__init__(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        self.settimeout(WAIT)
        if receive_buffer is not None:
            self.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            self.connect(address)
        except OSError:
            self.close()
            raise

    def exactly(self, size):
        data = b""
        while len(data) < size:
            piece = self.recv(size - len(data))
            assert piece, f"the connection ended after {data!r}"
            data += piece
        return data

    def line(self):
        data = b""
        while not data.endswith(b"\n"):
            data += self.exactly(1)
        return data.rstrip(b"\r\n")

    def rest(self):
        pieces = []
        while piece := self.recv(1 << 18):
            pieces.append(piece)
        return b"".join(pieces)


class Served:
    """A hub, and one listener that serves a script."""

    def __init__(
        self, script, *, timeout=300.0, implicit=False, driver=Driver, certificates=None, host="127.0.0.1", **hub
    ):
        self.reported: list[tuple[BaseException, Scope | None]] = []
        self.told = threading.Event()
        self.machines: list[Scripted] = []
        self.script, self.timeout = script, timeout
        self.certificates = certificates
        self.thread = LoopThread(lambda error: self.report(error, None))
        self.thread.start()
        self.hub = Hub(self.thread, report=self.report, tls=certificates, **hub)
        self.sock = bind("smtp", host, 0)
        self.address = self.sock.getsockname()[:2]
        self.hub.listen(self.sock, lambda: driver(self.hub, self.make, certificates if implicit else None))

    def report(self, error, scope):
        self.reported.append((error, scope))
        self.told.set()

    def make(self, peer):
        machine = Scripted(self.script, peer, timeout=self.timeout)
        self.machines.append(machine)
        return machine

    def connect(self, **options):
        return Client(self.address, **options)

    def stop(self):
        self.hub.close()
        assert self.thread.stop()


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Serve a script over real sockets. What the server reports must be taken out of ``reported`` by the test."""
    servers = []

    def make(script=echo, **options):
        servers.append(Served(script, **options))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()
    assert [server.reported for server in servers if server.reported] == []


@pytest.fixture(scope="session")
def certificates() -> Certificates:
    return Certificates(["mail.example"])


class FakeTransport(asyncio.Transport):
    """Writes down what a driver does. ``room``: octets it takes before it asks to pause."""

    def __init__(self):
        super().__init__({"peername": ("192.0.2.1", 4711), "sockname": ("192.0.2.2", 25)})
        self.protocol = None
        self.writes: list[bytes] = []
        self.room = 1 << 40
        self.unsent = 0
        self.reading = True
        self.closed = self.aborted = self.eof = False

    def set_write_buffer_limits(self, high=None, low=None):
        self.high = high

    def get_write_buffer_size(self):
        return self.unsent

    def write(self, data):
        self.writes.append(bytes(data))
        self.room -= len(data)
        if self.room < 0:
            self.unsent = -self.room
            if self.unsent > self.high:
                self.protocol.pause_writing()

    def take_all(self):
        self.room, self.unsent = self.high, 0
        self.protocol.resume_writing()

    def write_eof(self):
        self.eof = True

    def is_closing(self):
        return self.closed

    def pause_reading(self):
        self.reading = False

    def resume_reading(self):
        self.reading = True

    def close(self):
        self.closed = True

    def abort(self):
        self.closed = self.aborted = True

    @property
    def written(self):
        return b"".join(self.writes)


class FakeServed:
    """A hub in a running loop, and drivers over fake transports. Call it inside the loop (``run``)."""

    def __init__(self):
        self.reported = []
        self.thread = LoopThread(lambda error: self.reported.append((error, None)))
        self.thread.start()
        self.hub = Hub(self.thread, report=lambda error, scope: self.reported.append((error, scope)))

    def run(self, function, *args):
        """Call a function in the loop thread."""

        async def call():
            return function(*args)

        return self.thread.call(call(), WAIT)

    def connect(self, script, *, room=1 << 40, timeout=300.0):
        machines = []

        def make(peer):
            machines.append(Scripted(script, peer, timeout=timeout))
            return machines[0]

        driver = Driver(self.hub, make)
        transport = FakeTransport()
        transport.protocol, transport.room = driver, room
        self.run(driver.connection_made, transport)
        return driver, transport, machines[0]

    def feed(self, driver, data):
        def give():
            rest = data
            while rest:
                view = driver.get_buffer(-1)
                size = min(len(view), len(rest))
                view[:size] = rest[:size]
                driver.buffer_updated(size)
                rest = rest[size:]

        self.run(give)

    def drain(self, transport):
        """The client has read everything."""
        self.run(transport.take_all)
        self.turn()

    def turn(self):
        """Let what the loop was asked to do soon happen."""

        async def wait():
            for _ in range(5):
                await asyncio.sleep(0)

        self.thread.call(wait(), WAIT)

    def stop(self):
        for driver in list(self.hub.drivers):
            self.run(driver.connection_lost, None)
        self.hub.close()
        assert self.thread.stop()


@pytest.fixture
def fake() -> Iterator[FakeServed]:
    served = FakeServed()
    yield served
    served.stop()
    assert served.reported == []


@pytest.fixture
def echo_script():
    return echo


@pytest.fixture
def wait_seconds() -> int:
    return WAIT


@pytest.fixture
def client_socket() -> type[Client]:
    """A client's socket."""
    return Client

"""A POP3 server without sockets: the parts that sessions need, and a client that carries their steps out."""

from collections.abc import Callable
from typing import Any

import pytest

from mailtrap.delivery.accounts import Directory
from mailtrap.delivery.intake import Intake
from mailtrap.delivery.services import Commands, Services
from mailtrap.faults import RuleBook
from mailtrap.message.address import Address
from mailtrap.message.envelope import Envelope
from mailtrap.plugins import Plugins
from mailtrap.pop3.session import POP3Session
from mailtrap.scopes import Scopes
from mailtrap.store.memory import MemoryStore
from mailtrap.store.rows import Delivery, Key, Target
from mailtrap.transcript import TLS, Session
from mailtrap.wire.steps import NEED_DATA, Call, Close, Delay, Later, Pause, StartTLS

AGREED = TLS("TLSv1.3", "TLS_AES_256_GCM_SHA384", None, None)


class World:
    """One server's parts, of a memory store."""

    def __init__(self, *plugins: object, **settings: Any) -> None:
        self.store = MemoryStore()
        self.scopes = Scopes(settings)
        self.rules = RuleBook()
        self.errors: list[BaseException] = []
        self.commands = Commands()
        hooks = Plugins(plugins, self.errors.append)
        self.directory = Directory(self.store, self.scopes)
        intake = Intake(
            self.store, self.scopes, self.directory, hooks, report=self._report, in_worker=self._in_worker,
            refused=lambda refusal: None, kept=None, hostname="mailtrap.test",
        )  # fmt: skip
        self.services = Services(
            self.scopes, self.rules, self.store, intake, self.directory, hooks, self._report, self.commands
        )
        self._clients = 0

    def _report(self, error: BaseException, scope: object) -> None:
        self.errors.append(error)

    @staticmethod
    def _in_worker(function: Callable[..., None], *args: Any) -> None:
        function(*args)

    @property
    def root(self):
        return self.scopes.root

    def put(self, raw: bytes, account: str = "bob@example.com", prefix: bytes = b"", scope: str = ""):
        """One message in an account's INBOX."""
        target = Target(Key(scope, account), prefix=prefix)
        envelope = Envelope(Address(), (Address(account),))
        return self.store.deliver(Delivery(scope, "smtp", raw, envelope, (target,)))

    def mailbox(self, account: str = "bob@example.com", scope: str = ""):
        return self.store.mailbox(Key(scope, account), "INBOX")

    def connect(self, **options: Any) -> "Client":
        """A new session, its greeting read."""
        self._clients += 1
        return Client(self, **options)

    def login(self, user: str = "bob@example.com", password: str = "pw") -> "Client":
        """A new session that is logged in."""
        client = self.connect()
        assert client.say(f"USER {user}").startswith(b"+OK")
        assert client.say(f"PASS {password}").startswith(b"+OK")
        return client


class Client:
    """Drives one session as ``net`` does, and keeps what came out."""

    def __init__(self, world: World, *, greet: bool = True, implicit_tls: bool = False) -> None:
        self.world = world
        self.record = Session("pop3", ("192.0.2.1", 40000), "pop3")
        self.session = POP3Session(self.record, world.scopes.current, world.services, implicit_tls=implicit_tls)
        self.out = bytearray()
        self.steps: list[Any] = []
        self.closed: Close | None = None
        self.greeting = b""
        if greet:
            self.run()
            self.greeting = self.take()

    def run(self) -> None:
        """Take steps until the session waits for input or has ended."""
        machine = self.session
        while self.closed is None:
            step = machine.next()
            if isinstance(step, bytes):
                self.out += step
                continue
            if step is NEED_DATA:
                return
            self.steps.append(step)
            if isinstance(step, Call):
                try:
                    machine.answer(step.function(*step.args))
                except Exception as error:
                    machine.fail(error)
            elif isinstance(step, Later):
                step.function(*step.args, self._done)
            elif isinstance(step, StartTLS):
                machine.buffer.clear()
                machine.answer(AGREED)
            elif isinstance(step, Close):
                self.closed = step
            else:
                assert isinstance(step, Pause | Delay), step

    def _done(self, value: Any, error: BaseException | None) -> None:
        if error is None:
            self.session.answer(value)
        else:
            self.session.fail(error)

    def take(self) -> bytes:
        """What was written since it was last asked."""
        out = bytes(self.out)
        self.out.clear()
        return out

    def send(self, data: bytes) -> bytes:
        """Send octets as they are; what was answered."""
        self.session.receive(data)
        self.run()
        return self.take()

    def say(self, *lines: str | bytes) -> bytes:
        """Send lines; what was answered to all of them."""
        encoded = [line.encode() if isinstance(line, str) else line for line in lines]
        return self.send(b"".join(line + b"\r\n" for line in encoded))

    def hang_up(self) -> None:
        """The connection is lost, as ``net`` tells it."""
        self.session.close()
        if self.session.release is not None:
            self.session.release()

    def end_of_input(self) -> bytes:
        """The client closes its side."""
        self.session.end_of_input()
        self.run()
        return self.take()


@pytest.fixture(scope="session")
def make_world() -> Callable[..., World]:
    """Makes servers' parts: live settings as keyword arguments, plugins as positional ones."""
    return World


@pytest.fixture
def world() -> World:
    """A server's parts with default settings."""
    return World()

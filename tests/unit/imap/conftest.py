"""An IMAP server without sockets: the parts that sessions need, and a client that carries their steps out."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from mailtrap.delivery.accounts import Directory
from mailtrap.delivery.intake import Intake
from mailtrap.delivery.services import Commands, Services
from mailtrap.faults import RuleBook
from mailtrap.imap.session import IMAPSession
from mailtrap.message.address import Address
from mailtrap.message.envelope import Envelope
from mailtrap.plugins import Plugins
from mailtrap.scopes import Scopes
from mailtrap.store.memory import MemoryStore
from mailtrap.store.rows import Delivery, Hint, Key, Target
from mailtrap.transcript import TLS, Session
from mailtrap.wire.steps import NEED_DATA, Call, Close, Delay, EndDeflate, Later, Pause, StartDeflate, StartTLS, Watch

AGREED = TLS("TLSv1.3", "TLS_AES_256_GCM_SHA384", None, None)
BOB = "bob@example.com"
MAIL = b"From: Alice <alice@example.com>\r\nTo: bob@example.com\r\nSubject: Hello\r\n\r\nHow are you?\r\n"


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
        self.clients: list[Client] = []
        self.store.subscribe_hints(self._hint)

    def _report(self, error: BaseException, scope: object) -> None:
        self.errors.append(error)

    @staticmethod
    def _in_worker(function: Callable[..., None], *args: Any) -> None:
        function(*args)

    def _hint(self, hint: Hint) -> None:
        for client in self.clients:
            if set(client.watching) & {*hint.mailboxes, *hint.accounts}:
                client.session.wake()

    def account(self, address: str = BOB) -> Key:
        """An account, made."""
        return self.store.put_account(Key("", address), declared=False).key

    def put(
        self, raw: bytes = MAIL, mailbox: str = "INBOX", *, account: str = BOB, flags: Sequence[str] = (),
        prefix: bytes = b"", date: float | None = None,
    ) -> int:  # fmt: skip
        """One message in a mailbox; its UID."""
        target = Target(Key("", account), mailbox, True, frozenset(flags), date, prefix)
        envelope = Envelope(Address(), (Address(account),))
        return self.store.deliver(Delivery("", "smtp", raw, envelope, (target,))).placed[0].uid

    def mailbox(self, name: str = "INBOX", account: str = BOB):
        """A mailbox's row."""
        row = self.store.mailbox(Key("", account), name)
        assert row is not None
        return row

    def flags(self, uid: int, mailbox: str = "INBOX") -> frozenset[str]:
        """The flags of one copy."""
        return self.store.copies(self.mailbox(mailbox).id, [uid])[0].flags

    def connect(self, **options: Any) -> "Client":
        """A new session, its greeting read."""
        client = Client(self, **options)
        self.clients.append(client)
        client.run()
        client.greeting = client.take()
        return client

    def login(self, user: str = BOB) -> "Client":
        """A new session that is logged in."""
        client = self.connect()
        assert client.ok(f"LOGIN {user} pw")
        return client

    def select(self, mailbox: str = "INBOX", user: str = BOB) -> "Client":
        """A new session with a selected mailbox."""
        client = self.login(user)
        assert client.ok(f"SELECT {mailbox}")
        return client


class Client:
    """Drives one session as ``net`` does, and keeps what came out."""

    def __init__(self, world: World, *, implicit_tls: bool = False) -> None:
        self.world = world
        self.record = Session("imap", ("192.0.2.1", 40000), "imap")
        self.session = IMAPSession(self.record, world.scopes.current, world.services, implicit_tls=implicit_tls)
        self.out = bytearray()
        self.steps: list[Any] = []
        self.watching: Sequence[int] = ()
        self.closed: Close | None = None
        self.greeting = b""
        self._tags = 0

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
                self.record.tls = AGREED
                machine.answer(AGREED)
            elif isinstance(step, Watch):
                self.watching = step.wanted
            elif isinstance(step, Close):
                self.closed = step
            else:
                assert isinstance(step, Pause | Delay | StartDeflate | EndDeflate), step

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

    def woken(self) -> bytes:
        """What is said when the session is woken by a hint."""
        if not self.session.woken:
            return b""
        self.run()
        return self.take()

    def raw(self, command: str | bytes) -> tuple[bytes, bytes]:
        """Send one command under a new tag; the untagged answer, and the tagged line without its tag."""
        self._tags += 1
        tag = b"T%d" % self._tags
        encoded = command.encode() if isinstance(command, str) else command
        answer = self.send(b"%b %b\r\n" % (tag, encoded))
        untagged, found, tagged = answer.rpartition(tag + b" ")
        assert found, f"no tagged reply to {command!r}: {answer!r}"
        assert tagged.endswith(b"\r\n")
        return untagged, tagged[:-2]

    def ok(self, command: str | bytes) -> bytes:
        """The untagged answer to a command that has to succeed; ``b"*"`` where there is none, so that it is true."""
        untagged, tagged = self.raw(command)
        assert tagged.startswith(b"OK "), (command, untagged, tagged)
        return untagged or b"*"

    def no(self, command: str | bytes) -> str:
        """The tagged reply to a command that has to fail with NO."""
        _, tagged = self.raw(command)
        assert tagged.startswith(b"NO "), (command, tagged)
        return tagged.decode()

    def bad(self, command: str | bytes) -> str:
        """The tagged reply to a command that has to fail with BAD."""
        _, tagged = self.raw(command)
        assert tagged.startswith(b"BAD "), (command, tagged)
        return tagged.decode()

    def literal(self, command: bytes, *literals: bytes) -> bytes:
        """Send a command with synchronizing literals; ``command`` has ``{}`` where they stand."""
        self._tags += 1
        tag = b"T%d" % self._tags
        parts = command.split(b"{}")
        data = tag + b" " + parts[0]
        for literal, rest in zip(literals, parts[1:], strict=True):
            answer = self.send(data + b"{%d}\r\n" % len(literal))
            if not answer.startswith(b"+ "):
                return answer
            data = literal + rest
        return self.send(data + b"\r\n")

    def end_of_input(self) -> bytes:
        """The client closes its side."""
        self.session.end_of_input()
        self.run()
        return self.take()


def numbers(answer: bytes, kind: str) -> list[int]:
    """The numbers of untagged ``* n KIND`` responses."""
    return [int(found) for found in re.findall(rb"^\* (\d+) " + kind.encode() + rb"\b", answer, re.MULTILINE)]


@pytest.fixture
def make_world() -> Callable[..., World]:
    """Makes servers' parts: live settings as keyword arguments, plugins as positional ones."""
    return World


@pytest.fixture
def world() -> World:
    """A server's parts with default settings."""
    return World()

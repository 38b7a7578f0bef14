"""A world around SMTP sessions, and a client that talks to one without sockets."""

import threading

import pytest

from mailtrap import config
from mailtrap.delivery.accounts import Directory
from mailtrap.delivery.intake import Intake
from mailtrap.delivery.services import Commands, Services
from mailtrap.faults import RuleBook
from mailtrap.plugins import Plugins
from mailtrap.scopes import Scopes
from mailtrap.smtp.session import SMTPSession
from mailtrap.store.memory import MemoryStore
from mailtrap.transcript import TLS, Session
from mailtrap.wire.steps import NEED_DATA, Call, Close, Delay, Hold, Later, Pause, Shape, StartTLS


class World:
    """A server's services over a store in memory, without a server."""

    def __init__(self, *plugins, **live):
        self.scopes = Scopes({name: config.check(name, value) for name, value in live.items()})
        self.store = MemoryStore()
        self.rules = RuleBook()
        self.errors = []
        self.directory = Directory(self.store, self.scopes)
        self.plugins = Plugins(plugins, self.errors.append)
        intake = Intake(
            self.store, self.scopes, self.directory, self.plugins,
            report=self.report, in_worker=lambda function, *args: function(*args), refused=lambda refusal: None,
            kept=lambda receipts: None, hostname="mailtrap.test",
        )  # fmt: skip
        self.services = Services(
            scopes=self.scopes, rules=self.rules, store=self.store, intake=intake, directory=self.directory,
            plugins=self.plugins, report=self.report, commands=Commands(),
        )  # fmt: skip

    def report(self, error, scope):
        self.errors.append(error)

    def on(self, command, **options):
        names = {name: options.pop(name) for name in ("stage", "nth", "after", "times") if name in options}
        return self.rules.add(self.scopes.current, "smtp", command, match=options, **names)

    def open(self, flavour="smtp", **options):
        return Client(self, flavour, **options)

    @property
    def refused(self):
        return list(self.scopes.root.refused)

    @property
    def messages(self):
        return list(self.store.messages())

    def raw(self, seq=1):
        return bytes(self.store.raw(seq))


class Client:
    """The other side of one session; plays the driver too.

    Attributes:
        steps: the rarer steps that came.
        closed: the ``Close`` that ended it, or None.
    """

    def __init__(self, world, flavour, greet=True, **options):
        self.world = world
        protocol = "lmtp" if flavour == "lmtp" else "smtp"
        self.record = Session(protocol, ("192.0.2.1", 4711), "smtp")
        self.session = SMTPSession(self.record, world.scopes.current, world.services, flavour=flavour, **options)
        self.steps = []
        self.closed = None
        if greet:
            self.greeting = self.send(b"")

    def send(self, data):
        """Send octets; what comes back until more is needed."""
        self.session.receive(data)
        return self.run()

    def end(self):
        self.session.end_of_input()
        return self.run()

    def run(self):
        out = []
        machine = self.session
        while self.closed is None:
            step = machine.next()
            if isinstance(step, bytes):
                assert step
                out.append(step)
            elif step is NEED_DATA:
                break
            elif isinstance(step, Call):
                try:
                    machine.answer(step.function(*step.args))
                except Exception as error:
                    machine.fail(error)
            elif isinstance(step, Later):
                self._later(step)
            elif isinstance(step, StartTLS):
                assert not machine.buffer
                machine.answer(TLS("TLSv1.3", "TLS_AES_128_GCM_SHA256", None, None))
            elif isinstance(step, Close):
                self.closed = step
            else:
                assert isinstance(step, Delay | Hold | Shape | Pause), step
                self.steps.append(step)
        return b"".join(out)

    def _later(self, step):
        ready = threading.Event()
        answers = []

        def done(value, error):
            answers.append((value, error))
            ready.set()

        try:
            step.function(*step.args, done)
        except Exception as error:
            done(None, error)
        assert ready.wait(10)
        ((value, error),) = answers
        if error is None:
            self.session.answer(value)
        else:
            self.session.fail(error)

    def say(self, *lines):
        """Send lines, one after the other; the replies to each, as one list of texts."""
        replies = []
        for line in lines:
            replies += self.send((line if isinstance(line, bytes) else line.encode()) + b"\r\n").decode().splitlines()
        return replies

    def hello(self):
        self.say("LHLO client.example" if self.session.flavour == "lmtp" else "EHLO client.example")
        return self

    def begin(self, *recipients, sender="a@example.com"):
        """EHLO, MAIL and RCPT."""
        self.hello()
        self.say(f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{recipient}>" for recipient in recipients or ["bob@x.test"]))
        return self


@pytest.fixture(scope="session")
def make_world():
    """Makes a world of its own at each call: plugins and live settings."""
    worlds = []

    def make(*plugins, **live):
        worlds.append(World(*plugins, **live))
        return worlds[-1]

    yield make
    for world in worlds:
        world.store.close()
        world.plugins.close()


@pytest.fixture
def world(make_world):
    return make_world()

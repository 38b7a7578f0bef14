"""The one door: routing, scopes, hooks, refusals."""

import threading

import pytest

from mailtrap.delivery.accounts import Directory
from mailtrap.delivery.intake import KEPT, Appended, Incoming, Intake
from mailtrap.errors import NoSuchMailbox, NotAllowed, StoreError
from mailtrap.hookspecs import Change, Refuse, fast, hookimpl
from mailtrap.message.address import Address
from mailtrap.message.envelope import Envelope
from mailtrap.plugins import Plugins
from mailtrap.scopes import Scopes
from mailtrap.store.memory import MemoryStore
from mailtrap.store.rows import Key
from mailtrap.transcript import Session

RAW = b"Subject: hello\r\n\r\nHi\r\n"


class World:
    """An intake with everything around it, in memory."""

    def __init__(self, *plugins, **live):
        self.scopes = Scopes(live)
        self.store = MemoryStore()
        self.directory = Directory(self.store, self.scopes)
        self.errors = []
        self.plugins = Plugins(plugins, self.errors.append)
        self.heard = []
        self.kept = []
        self.intake = Intake(
            self.store, self.scopes, self.directory, self.plugins,
            report=lambda error, scope: self.errors.append(error), in_worker=lambda function, *args: function(*args),
            refused=self.heard.append, kept=self.kept.extend, hostname="mailtrap.test",
        )  # fmt: skip
        self.session = Session("smtp", ("127.0.0.1", 1), "smtp")

    def send(self, *recipients, scope=None, raw=RAW, mail_from="a@x"):
        envelope = Envelope(Address(mail_from), [Address(text) for text in recipients])
        mail = Incoming(self.session, scope or self.scopes.current, "smtp", envelope, raw)
        return wait(lambda done: self.intake.submit(mail, done))

    def ask(self, recipient):
        return wait(
            lambda done: self.intake.recipient(
                self.session, self.scopes.current, Address("a@x"), Address(recipient), {}, done
            )
        )

    def inbox(self, scope, address):
        box = self.store.mailbox(Key(scope, address), "INBOX")
        return [] if box is None else [row.message.seq for row in self.store.copies(box.id)]


def wait(begin):
    finished = threading.Event()
    result = []

    def done(value, error):
        result.append((value, error))
        finished.set()

    begin(done)
    assert finished.wait(10)
    assert len(result) == 1
    value, error = result[0]
    if error is not None:
        raise error
    return value


def test_open_routing_takes_everything_and_makes_accounts():
    world = World()
    outcome = world.send("bob@x", "Carol@Y", "bob@x")
    assert outcome.reply is KEPT
    assert world.inbox("", "bob@x") == world.inbox("", "carol@y") == [1]
    row = world.store.message(1)
    assert [str(r) for r in row.envelope.recipients] == ["bob@x", "Carol@y", "bob@x"]
    assert world.kept == list(outcome.receipts)


def test_strict_routing_knows_declared_accounts_only():
    world = World(routing="strict", local_domains=["x"])
    world.store.put_account(Key("", "bob@x"))
    assert not world.intake.trusts(world.scopes.root, Address("bob@x"))
    assert world.ask("bob+tag@x") is None
    assert world.ask("postmaster") is None
    assert world.ask("PostMaster@x") is None
    assert str(world.ask("eve@x")) == "550 5.1.1 No such user here"


def test_an_account_that_a_login_made_is_not_declared():
    world = World(routing="strict")
    world.store.put_account(Key("", "bob@x"), declared=False)
    assert world.ask("bob@x").code == 550


def test_nothing_can_be_put_into_all():
    world = World()
    assert not world.intake.trusts(world.scopes.root, Address("all"))
    assert world.ask("all").code == 550
    with pytest.raises(NotAllowed):
        world.intake.place(world.scopes.root, RAW, [Address("all")], mail_from=Address())


def test_mail_is_filed_in_the_scope_that_its_recipients_domain_names():
    world = World()
    one = world.scopes.open(world.scopes.root, "one", {})
    two = world.scopes.open(world.scopes.root, "two", {})
    world.scopes.enter(one)
    outcome = world.send("a@x", "b@two.test")
    assert len(outcome.receipts) == 2
    assert world.inbox("one", "a@x")
    assert world.inbox("two", "b@two.test")
    assert not world.inbox("two", "a@x")
    assert [len(world.store.messages(scope.name)) for scope in (world.scopes.root, one, two)] == [0, 1, 1]


def test_outgoing_mail_is_recorded_and_filed_nowhere():
    world = World(local_domains=["hamburger.edu"], routing="strict")
    assert world.ask("eve@elsewhere.org") is None
    world.send("eve@elsewhere.org")
    assert len(world.store.messages("")) == 1
    assert world.store.accounts("") == []


def test_delivery_headers_are_a_prefix_of_the_copy_alone():
    world = World(delivery_headers=["Return-Path", "Delivered-To", "Received"])
    world.send("bob@x")
    box = world.store.mailbox(Key("", "bob@x"), "INBOX")
    (row,) = world.store.copies(box.id)
    assert row.prefix.startswith(b"Return-Path: <a@x>\r\nDelivered-To: bob@x\r\nReceived: from unknown ([127.0.0.1])")
    assert world.store.raw(1) == RAW


def test_a_full_mailbox_is_refused_and_nothing_is_kept():
    world = World()
    world.store.put_account(Key("", "bob@x"), quota=10)
    outcome = world.send("bob@x", "carol@x")
    assert outcome.reply.code == 552
    assert world.store.head() == 0
    assert not world.inbox("", "carol@x")
    (refusal,) = world.scopes.root.refused
    assert (refusal.stage, refusal.raw, world.heard) == ("DATA", RAW, [refusal])


def test_a_store_that_fails_is_a_451_and_an_error():
    world = World()

    def submit(batch, done):
        done(None, StoreError("broken"))

    world.store.submit = submit
    assert str(world.send("bob@x").reply).startswith("451 4.3.0")
    assert [str(error) for error in world.errors] == ["broken"]


class Plugin:
    def __init__(self, answer):
        self.answer = answer

    @hookimpl
    def mailtrap_before_message(self):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("mark", [lambda function: function, fast])
def test_a_plugin_may_refuse_a_message(mark):
    class Refuser:
        @hookimpl
        @mark
        def mailtrap_before_message(self, raw):
            return Refuse(554, "5.7.1 No thanks") if b"hello" in raw else None

    world = World(Refuser())
    assert str(world.send("bob@x").reply) == "554 5.7.1 No thanks"
    assert world.send("bob@x", raw=b"\r\n").reply is KEPT
    assert world.inbox("", "bob@x") == [1]


def test_a_plugin_may_change_a_message():
    world = World(Plugin(Change(raw=b"X: y\r\n\r\n", envelope=Envelope(Address("z@x"), [Address("carol@x")]))))
    world.send("bob@x")
    assert world.store.raw(1) == b"X: y\r\n\r\n"
    assert world.inbox("", "carol@x") == [1]
    assert not world.inbox("", "bob@x")


def test_a_plugin_that_raises_is_a_451_and_an_error():
    error = RuntimeError("bug")
    world = World(Plugin(error))
    assert world.send("bob@x").reply.code == 451
    assert world.errors == [error]
    assert world.store.head() == 0


def test_a_plugin_that_takes_too_long_is_a_451():
    release = threading.Event()

    class Slow:
        @hookimpl
        def mailtrap_before_message(self):
            release.wait(10)

    world = World(Slow(), hook_timeout=0.01)
    try:
        assert str(world.send("bob@x").reply) == "451 4.3.5 A plugin took too long; try again later"
    finally:
        release.set()
    assert "longer than 0.01 seconds" in str(world.errors[0])


def test_a_plugin_may_refuse_a_recipient():
    class Refuser:
        @hookimpl
        def mailtrap_before_recipient(self, recipient):
            return Refuse(450, "4.2.1 Busy") if recipient.local == "bob" else None

    world = World(Refuser())
    assert not world.intake.trusts(world.scopes.root, Address("bob@x"))
    assert str(world.ask("bob@x")) == "450 4.2.1 Busy"
    assert world.ask("carol@x") is None


def test_append_is_all_or_nothing():
    world = World()
    key = world.directory.open_account(world.scopes.root, Address("bob@x"))
    messages = [Appended(RAW, frozenset({"\\Seen"}), 0.0), Appended(RAW)]

    def append(mailbox):
        return wait(lambda done: world.intake.append(world.session, world.scopes.root, key, mailbox, messages, done))

    with pytest.raises(NoSuchMailbox):
        append("Missing")
    assert world.store.head() == 0
    assert [receipt.placed[0].uid for receipt in append("INBOX")] == [1, 2]
    assert {row.origin for row in world.store.messages("")} == {"append"}


def test_a_plugin_may_refuse_an_append():
    world = World(Plugin(Refuse(text="No drafts")))
    key = world.directory.open_account(world.scopes.root, Address("bob@x"))
    with pytest.raises(StoreError, match="No drafts"):
        wait(lambda done: world.intake.append(world.session, world.scopes.root, key, "INBOX", [Appended(RAW)], done))
    assert [refusal.stage for refusal in world.scopes.root.refused] == ["APPEND"]
    assert world.store.head() == 0


def test_after_hooks_hear_and_their_errors_are_reported():
    done = threading.Event()

    class Listener:
        @hookimpl
        def mailtrap_after_refusal(self, refusal):
            done.set()
            raise RuntimeError(refusal.stage)

    reported = threading.Event()
    world = World(Listener(), Plugin(Refuse()))
    world.plugins._report = lambda error: (world.errors.append(error), reported.set())
    world.send("bob@x")
    assert done.wait(10)
    assert reported.wait(10)
    assert str(world.errors[0]) == "DATA"

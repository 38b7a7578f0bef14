"""Rules: which commands they act on, how often, and what they do to a session."""

import re
import threading

import pytest

from mailtrap import MailServer
from mailtrap.endpoint import Endpoint
from mailtrap.errors import ConfigError
from mailtrap.faults import Disconnected, Respond, RuleBook
from mailtrap.scopes import Scopes
from mailtrap.wire.steps import Delay, Hold, Shape


@pytest.fixture
def scopes():
    return Scopes({})


@pytest.fixture
def book():
    return RuleBook()


@pytest.fixture
def smtp(scopes, book):
    return Endpoint("smtp", "127.0.0.1", 1025, scopes.root, book)


def acts(book, scopes, verb="RCPT", listener="smtp", stage="before", scope=None, **facts):
    return [rule.actions for rule in book.matching(scope or scopes.root, listener, stage, verb, facts)]


def test_no_rule_costs_one_attribute_test(book, smtp):
    assert book.active is False
    rule = smtp.on("RCPT")
    assert book.active is False, "a rule without an action does nothing"
    rule.respond_with(450, "4.2.1 Busy")
    assert book.active is True
    rule.remove()
    assert book.active is False


def test_what_a_rule_matches(book, scopes, smtp):
    smtp.on("rcpt", recipient=re.compile("^bob")).respond_with(450)
    assert acts(book, scopes, recipient="bob@x")
    assert not acts(book, scopes, recipient="eve@x")
    assert not acts(book, scopes, recipient=None)
    assert not acts(book, scopes, verb="MAIL", recipient="bob@x")
    assert not acts(book, scopes, listener="smtps", recipient="bob@x")
    assert not acts(book, scopes, stage="reply", recipient="bob@x")


def test_any_command(book, scopes, smtp):
    smtp.on("*").delay(1)
    assert acts(book, scopes, verb="NOOP") == [[Delay(1)]]


def test_times_after_and_nth(book, scopes, smtp):
    twice = smtp.on("RCPT", recipient="bob@x").respond_with(450, times=2)
    assert [bool(acts(book, scopes, recipient="bob@x")) for _ in range(4)] == [True, True, False, False]
    assert (twice.hits, twice.active) == (2, False)
    twice.remove()
    smtp.on("RCPT", nth=2).respond_with(450)
    assert [bool(acts(book, scopes)) for _ in range(4)] == [False, True, False, False]
    smtp.on("DATA", after=1, times=1).respond_with(450)
    assert [bool(acts(book, scopes, verb="DATA")) for _ in range(4)] == [False, True, False, False]


def test_actions_chain_in_order(book, scopes, smtp):
    error = RuntimeError("bug")
    rule = smtp.on("DATA").delay(0.1).throttle(10).truncate(3).garble().respond_with(451, "4.3.0 No").raise_(error)
    assert acts(book, scopes, verb="DATA") == [
        [Delay(0.1), Shape(bytes_per_second=10), Shape(truncate=3), Shape(garble=True), Respond(451, "4.3.0 No"), error]
    ]
    assert rule.hits == 1


def test_disconnect(book, scopes, smtp):
    with smtp.on("DATA").disconnect(after_bytes=200, reset=True):
        assert acts(book, scopes, verb="DATA") == [[Shape(disconnect_after=200, reset=True)]]
    with smtp.on("DATA").disconnect(reset=True):
        ((action,),) = acts(book, scopes, verb="DATA")
        assert isinstance(action, Disconnected)
        assert action.reset
    assert not acts(book, scopes, verb="DATA")


def test_a_stalled_session_goes_on_at_release_or_removal(book, scopes, smtp):
    rule = smtp.on("DATA").stall()
    ((hold,),) = acts(book, scopes, verb="DATA")
    assert isinstance(hold, Hold)
    released = threading.Event()
    hold.subscribe(released.set)
    assert not released.is_set()
    rule.remove()
    assert released.is_set()
    late = threading.Event()
    hold.subscribe(late.set)
    assert late.is_set()


def test_rules_belong_to_a_scope_and_hold_below_it(book, scopes, smtp):
    child = scopes.open(scopes.root, "child", {})
    Endpoint("smtp", "h", 1, child, book).on("RCPT").respond_with(450)
    assert not acts(book, scopes)
    assert acts(book, scopes, scope=child)
    smtp.on("MAIL").respond_with(450)
    assert acts(book, scopes, verb="MAIL", scope=child)
    book.clear(child)
    assert not acts(book, scopes, scope=child)
    assert acts(book, scopes, verb="MAIL", scope=child)


@pytest.mark.parametrize(
    "make",
    [
        lambda e: e.on("RCPT", stage="sometime"),
        lambda e: e.on("RCPT", recipent="bob@x"),
        lambda e: e.on("RCPT").respond_with(99),
        lambda e: e.on("RCPT").respond_with(450, "two\r\nlines"),
        lambda e: Endpoint("http", "h", 1, e.scope, e.rules).on("GET"),
    ],
)
def test_what_cannot_be_is_said_at_once(smtp, make):
    with pytest.raises(ConfigError):
        make(smtp)


@pytest.mark.parametrize(
    ("listener", "command", "said"),
    [
        ("smtp", "RPCT", "smtp has no command 'RPCT'; the nearest is 'RCPT'"),
        ("submission", "rcpt to", "submission has no command 'RCPT TO'; the nearest is 'RCPT'"),
        ("lmtp", "STORE", "lmtp has no command 'STORE'"),
        ("pop3s", "RETRIEVE", "pop3s has no command 'RETRIEVE'; the nearest is 'RETR'"),
        ("imap", "UID COPY", "imap has no command 'UID COPY': UID COPY is 'COPY' for rules"),
        ("imaps", "FETHC", "imaps has no command 'FETHC'; the nearest is 'FETCH'"),
        ("smtp", "CONECT", "smtp has no command 'CONECT'; the nearest is 'CONNECT'"),
    ],
)
def test_a_command_that_never_comes(listener: str, command: str, said: str) -> None:
    with MailServer(http_port=None) as server:
        with pytest.raises(ConfigError, match=re.escape(said)):
            getattr(server, listener).on(command)
        for known in ("*", "connect", "QUIT" if listener not in ("imap", "imaps") else "fetch"):
            getattr(server, listener).on(known)

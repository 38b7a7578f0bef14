"""Waits: what they give, when they wake, what they say when they fail."""

import asyncio
import imaplib
import re
import threading
from datetime import UTC, datetime, timedelta

import pytest

from mailtrap import (
    AmbiguousMessage,
    BlockingWait,
    ConfigError,
    MailServer,
    MessageNotFound,
    ServerRestarted,
    UnexpectedMessage,
)
from mailtrap.delivery.intake import Incoming
from mailtrap.delivery.refusal import Refusal
from mailtrap.message.address import Address
from mailtrap.message.envelope import Envelope
from mailtrap.transcript import Session
from mailtrap.waiting import Mark


@pytest.fixture
def server():
    """Not started: waits need no sockets."""
    server = MailServer(timeout=10)
    yield server
    server.stop()


def submit(server, to="bob@x", subject="hello", mail_from="ann@x", header_to=None):
    """As an SMTP session hands a mail over."""
    raw = f"From: {mail_from}\r\nTo: {header_to or to}\r\nSubject: {subject}\r\n\r\nHi\r\n".encode()
    envelope = Envelope(Address(mail_from), [Address(to)])
    session = Session("smtp", ("127.0.0.1", 1), "smtp")
    mail = Incoming(session, server._scope, "smtp", envelope, raw)
    server._parts.intake.submit(mail, lambda outcome, error: None)


def later(function, *args, **kw):
    """Do it in a thread once this one waits for the bell."""
    bell = args[0]._parts.bell
    started = threading.Event()

    def run():
        started.set()
        while not bell._waiting:
            bell._condition.acquire()
            bell._condition.release()
        function(*args, **kw)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    started.wait()
    return thread


def test_a_message_that_is_there_is_given_at_once(server):
    submit(server)
    message = server.message(to="bob@x", subject="hello", timeout=0)
    assert (message.subject, message.seq) == ("hello", 1)


def test_a_wait_is_woken_by_the_commit(server):
    thread = later(submit, server)
    assert server.message(subject="hello").mail_from == "ann@x"
    thread.join()


def test_more_than_one_is_ambiguous(server):
    submit(server)
    submit(server)
    with pytest.raises(AmbiguousMessage, match="2 messages match where one was asked for: to='bob@x'"):
        server.message(to="bob@x")
    assert server.latest(to="bob@x").seq == 2


def test_since_a_mark(server):
    submit(server, subject="one")
    mark = server.mark()
    submit(server, subject="two")
    assert server.message(since=mark).subject == "two"


def test_a_mark_of_another_life(server):
    with pytest.raises(ServerRestarted):
        server.message(since=Mark("another", 0))


def test_placed_mail_answers_no_wait(server):
    server.deliver(b"Subject: placed\r\n\r\n", recipients="bob@x")
    assert server.messages == []
    with pytest.raises(MessageNotFound, match="it would be looked at with origin='deliver'"):
        server.message(subject="placed", timeout=0)
    assert server.message(subject="placed", origin="deliver").subject == "placed"


def test_so_many(server):
    for number in range(3):
        submit(server, subject=str(number))
    assert len(server.wait_for(at_least=2)) == 3
    assert len(server.wait_for(exactly=3)) == 3
    assert len(server.wait_for()) == 3
    with pytest.raises(UnexpectedMessage, match="exactly 2 were expected"):
        server.wait_for(exactly=2)
    with pytest.raises(MessageNotFound, match="3 of 4 messages matched"):
        server.wait_for(at_least=4, timeout=0)
    for wrong in ({"at_least": 1, "exactly": 1}, {"exactly": 0}, {"at_least": 0}):
        with pytest.raises(ConfigError):
            server.wait_for(**wrong)


def test_settle_sees_one_more(server):
    submit(server)
    thread = later(submit, server)
    with pytest.raises(UnexpectedMessage):
        server.wait_for(exactly=1, settle=5)
    thread.join()


def test_expect_message_looks_at_what_the_block_made_come(server):
    submit(server, subject="before")
    with server.expect_message(to="bob@x") as info:
        with pytest.raises(RuntimeError):
            _ = info.value
        submit(server, subject="after")
    assert info.value.subject == "after"


def test_an_exception_in_the_block_is_not_waited_over(server):
    with pytest.raises(ZeroDivisionError), server.expect_message():
        raise ZeroDivisionError


def test_no_message(server):
    server.assert_no_message()
    server.assert_no_message(within=0.01)
    submit(server)
    server.assert_no_message(to="eve@x")
    with pytest.raises(UnexpectedMessage, match="1 message matched, none was expected"):
        server.assert_no_message(to="bob@x")


def test_no_message_watches_the_whole_window(server):
    thread = later(submit, server)
    with pytest.raises(UnexpectedMessage):
        server.assert_no_message(within=10)
    thread.join()


def test_no_message_waits_for_transactions_that_are_open(server):
    session = Session("smtp", ("127.0.0.1", 1), "smtp")
    session.begin_transaction()
    server._parts.sessions.append(session)

    def finish(server):
        submit(server)
        session.end_transaction()

    thread = later(finish, server)
    with pytest.raises(UnexpectedMessage, match="none was expected"):
        server.assert_no_message()
    thread.join()


def test_a_transaction_that_never_ends_is_said(server):
    session = Session("smtp", ("127.0.0.1", 1), "smtp")
    session.begin_transaction()
    server._parts.sessions.append(session)
    server.configure(timeout=0.01)
    with pytest.raises(UnexpectedMessage, match=r"did not end within 0\.01 s"):
        server.assert_no_message()


def test_quiet(server):
    server.wait_until_quiet(0.01)
    submit(server)
    server.wait_until_quiet(0.01, timeout=1)


def test_the_explanation(server):
    submit(server, to="carol@x", subject="Hello")
    submit(server, to="bob@x", subject="Other", header_to="list@x")
    session = Session("smtp", ("127.0.0.1", 1), "smtp")
    server._scope.refused.append(
        Refusal("RCPT", "550 5.1.1 No such user here", Envelope(Address("ann@x"), [Address("bob@x")]), session)
    )
    other = server.scope("other")
    submit(other, to="bob@x", subject="Hello")
    with pytest.raises(MessageNotFound) as failure:
        server.message(to="bob@x", subject=re.compile("^Hello"), timeout=0.01)
    text = str(failure.value)
    assert text.startswith("no message matched within 0.01 s: to='bob@x', subject=re.compile('^Hello')")
    assert "2 other messages came" in text
    assert "to is ['carol@x'], not 'bob@x'" in text
    assert "subject is 'Other'" in text
    assert "it would match with recipients=" in text
    assert "RCPT from <ann@x> to bob@x: 550 5.1.1 No such user here" in text
    assert "1 message outside this scope would match" in text


def test_the_explanation_of_a_mark(server):
    submit(server, subject="wanted")
    with pytest.raises(MessageNotFound, match="it came before the mark of since="):
        server.message(subject="wanted", since=server.mark(), timeout=0)


def test_the_explanation_of_a_reader_without_mail():
    with MailServer(timeout=0.01) as server:
        imap = imaplib.IMAP4(server.imap.host, server.imap.port, timeout=10)
        imap.login("bbo@example.com", "x")
        with pytest.raises(MessageNotFound) as failure:
            server.message(to="bob@example.com")
        text = str(failure.value)
        assert "a reader logged in as bbo@example.com, which never had mail" in text
        assert "1 connection still open:" in text
        assert "the newest session, imap, says so far:" in text
        imap.logout()
        server.deliver(b"Subject: x\r\n\r\n", recipients="bbo@example.com")
        with pytest.raises(MessageNotFound) as failure:
            server.message(to="bob@example.com")
        assert "never had mail" not in str(failure.value)


def test_no_mail_at_all(server):
    with pytest.raises(MessageNotFound, match="no message came at all"):
        server.message(timeout=0)


def test_an_unknown_criterion_is_an_error_at_once(server):
    submit(server)
    with pytest.raises(TypeError, match="subject"):
        server.message(subjekt="x")


def test_scopes_do_not_see_each_others_mail(server):
    with server.scope("one") as one, server.scope("two") as two:
        submit(one, subject="of one")
        submit(two, subject="of two")
        assert [message.subject for message in one.messages] == ["of one"]
        assert two.message().subject == "of two"
        assert server.messages == []


def test_a_copy_in_a_mailbox(server):
    box = server.mailbox("bob@x")
    thread = later(submit, server)
    copy = box.message(subject="hello")
    thread.join()
    assert (copy.uid, copy.flags) == (1, frozenset())
    box.set_flags(copy, ["\\Seen"])
    assert copy.flags == {"\\Seen"}
    with pytest.raises(MessageNotFound, match="in <Mailbox 'INBOX' of bob@x>"):
        box.message(subject="other", timeout=0)


def test_a_wait_that_would_block_a_loop_is_refused(server):
    async def coroutine():
        return server.message(timeout=1)

    with pytest.raises(BlockingWait, match="async_mailserver"):
        asyncio.run(coroutine())


def test_a_wait_that_need_not_block_is_not_refused(server):
    submit(server)

    async def coroutine():
        return server.message(timeout=1)

    assert asyncio.run(coroutine()).seq == 1


def test_a_callback_of_a_loop_is_refused_too(server):
    async def main():
        future = asyncio.get_running_loop().create_future()

        def callback():
            try:
                future.set_result(server.message(timeout=1))
            except BlockingWait as error:
                future.set_exception(error)

        asyncio.get_running_loop().call_soon(callback)
        return await future

    with pytest.raises(BlockingWait):
        asyncio.run(main())


def test_a_thread_beside_a_loop_may_wait(server):
    async def main():
        waiting = asyncio.create_task(asyncio.to_thread(server.message, timeout=10))
        await asyncio.to_thread(lambda: later(submit, server).join())
        return await waiting

    assert asyncio.run(main()).seq == 1


def test_a_loop_that_is_only_set_as_running_is_no_reason(server):
    loop = asyncio.new_event_loop()
    asyncio._set_running_loop(loop)
    try:
        with pytest.raises(MessageNotFound):
            server.message(timeout=0.01)
    finally:
        asyncio._set_running_loop(None)
        loop.close()


def test_a_trio_task_is_refused(server):
    trio = pytest.importorskip("trio")

    async def main():
        with pytest.raises(BlockingWait, match="async_mailserver"):
            server.message(timeout=1)
        submit(server)
        assert server.message(timeout=1).seq == 1

    trio.run(main)


def test_a_thread_beside_trio_may_wait(server):
    trio = pytest.importorskip("trio")

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, lambda: later(submit, server).join())
            assert (await trio.to_thread.run_sync(lambda: server.message(timeout=10))).seq == 1

    trio.run(main)


def test_uvloop_is_refused(server):
    uvloop = pytest.importorskip("uvloop")

    async def main():
        with pytest.raises(BlockingWait, match="uvloop"):
            server.message(timeout=1)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def freezegun_(moment):
    return pytest.importorskip("freezegun").freeze_time(moment)


def time_machine_(moment):
    return pytest.importorskip("time_machine").travel(moment, tick=False)


@pytest.mark.parametrize("freeze", [freezegun_, time_machine_])
def test_deadlines_and_times_are_real_where_a_test_froze_time(server, freeze):
    before = datetime.now(UTC)
    with freeze("2001-02-03 04:05:06"):
        assert datetime.now(UTC).year == 2001
        thread = later(submit, server)
        message = server.message(timeout=10)
        with pytest.raises(MessageNotFound, match=r"within 0\.02 s"):
            server.message(subject="none", timeout=0.02)
        server.assert_no_message(within=0.02, subject="none")
        server.wait_until_quiet(0.01)
    thread.join()
    assert before <= message.received_at <= datetime.now(UTC)
    assert message.session.opened_at >= before.timestamp()


@pytest.mark.parametrize("seconds", [float("nan"), "5", timedelta(seconds=5)], ids=repr)
def test_a_time_that_is_none_is_an_error_at_once(server, seconds):
    for wait, name in (
        (lambda: server.message(timeout=seconds), "timeout"),
        (lambda: server.wait_for(exactly=2, timeout=seconds), "timeout"),
        (lambda: server.wait_for(settle=seconds), "settle"),
        (lambda: server.assert_no_message(within=seconds), "within"),
        (lambda: server.wait_until_quiet(seconds), "for_"),
        (lambda: server.wait_until_quiet(timeout=seconds), "timeout"),
        (lambda: server.wait_for_command("IDLE", timeout=seconds), "timeout"),
    ):
        with pytest.raises(ConfigError, match=f"{name} is a number of seconds, not"):
            wait()


def test_a_wait_without_end(server):
    thread = later(submit, server, subject="at last")
    assert server.message(timeout=float("inf")).subject == "at last"
    thread.join()


def test_a_time_below_zero_is_over_at_once(server):
    with pytest.raises(MessageNotFound):
        server.message(timeout=-1)

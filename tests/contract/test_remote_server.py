"""One interface: a server in the process, through ``MailServer.connect``, and each for coroutines, behave alike."""

import asyncio
import re
import smtplib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import cast

import pytest

from mailtrap import (
    AmbiguousMessage,
    ConfigError,
    MailServer,
    MailtrapError,
    MessageNotFound,
    QueryError,
    ServerError,
    ServerRestarted,
    StoreError,
    UnexpectedMessage,
)
from mailtrap.errors import MailboxExists, NoSuchAccount, NoSuchMailbox, NotAllowed

from .facade import Facade, names_of


@pytest.fixture
def local() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture(params=["in process", "connected", "awaited", "connected and awaited"])
def server(request: pytest.FixtureRequest, local: MailServer) -> Iterator[MailServer]:
    with ExitStack() as stack:
        found = stack.enter_context(MailServer.connect(local.http.url)) if "connected" in request.param else local
        if "awaited" in request.param:
            found = cast("MailServer", Facade(found, stack.enter_context(asyncio.Runner())))
        yield found


@pytest.fixture
def remote(local: MailServer) -> Iterator[MailServer]:
    with MailServer.connect(local.http.url, timeout=10) as remote:
        yield remote


def mail(subject: str = "Hello", **headers: str) -> EmailMessage:
    made = EmailMessage()
    made["From"] = "Ann <ann@example.com>"
    made["To"] = "Bob <bob@example.com>"
    made["Subject"] = subject
    for name, value in headers.items():
        made[name] = value
    made.set_content("some words\n")
    return made


def send(server: MailServer, subject: str = "Hello", *recipients: str) -> None:
    with smtplib.SMTP(server.smtp.host, server.smtp.port, local_hostname="me.test") as smtp:
        smtp.sendmail("ann@example.com", recipients or ["bob@example.com"], mail(subject).as_bytes(policy=SMTP))


def later(function: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=function)
    thread.start()
    return thread


# ---------------------------------------------------------------- fault rules


def said(server: MailServer, *lines: str) -> list[str]:
    """Replies of the SMTP listener to some lines, the first word of each."""
    with smtplib.SMTP(server.smtp.host, server.smtp.port, local_hostname="me.test") as smtp:
        return [f"{code} {text.decode()}" for code, text in (smtp.docmd(line) for line in ("HELO me.test", *lines))][1:]


MAIL, BOB = "MAIL FROM:<ann@example.com>", "RCPT TO:<bob@example.com>"


def test_a_rule_acts_so_often(server: MailServer) -> None:
    rule = server.smtp.on("RCPT", recipient="bob@example.com").respond_with(450, "4.2.1 Mailbox busy", times=2)
    assert (rule.hits, rule.active) == (0, True)
    assert said(server, MAIL, BOB, BOB, BOB)[1:] == ["450 4.2.1 Mailbox busy"] * 2 + ["250 2.1.5 Ok"]
    assert (rule.hits, rule.active) == (2, False)


@pytest.mark.parametrize(
    ("match", "acts"),
    [
        ({"recipient": re.compile("^BOB@", re.IGNORECASE)}, True),
        ({"recipient": re.compile("^BOB@")}, False),
        ({"recipient": ["eve@example.com", re.compile("^bob")], "sender": "ann@example.com"}, True),
        ({"user": None, "peer": "127.0.0.1"}, True),
        ({"user": "ann"}, False),
    ],
)
def test_what_a_rule_matches(server: MailServer, match: dict[str, object], acts: bool) -> None:
    with server.smtp.on("RCPT", **match) as rule:
        rule.respond_with(550, "5.1.1 no")
        assert (said(server, MAIL, BOB)[1] == "550 5.1.1 no") is acts
    assert said(server, MAIL, BOB)[1] == "250 2.1.5 Ok"
    assert rule.active is False
    rule.remove()
    rule.release()  # nothing is left to be released


def test_nth_after_and_stages(server: MailServer) -> None:
    server.smtp.on("NOOP", nth=2).respond_with(451)
    server.smtp.on("NOOP", after=2, times=1, stage="reply").respond_with(452)
    assert [reply[:3] for reply in said(server, *["NOOP"] * 4)] == ["250", "451", "452", "250"]


def test_a_rule_stalls_until_it_is_released(server: MailServer, local: MailServer) -> None:
    rule = server.smtp.on("NOOP").stall()
    with smtplib.SMTP(server.smtp.host, server.smtp.port, local_hostname="me.test", timeout=20) as smtp:
        smtp.putcmd("noop")
        assert local.wait_for_command("NOOP", protocol="smtp", timeout=20).open
        rule.release()
        assert smtp.getreply()[0] == 250
        assert smtp.noop()[0] == 250


def test_rules_end_and_damage_connections(server: MailServer) -> None:
    server.smtp.on("NOOP", times=1).delay(0).disconnect()
    with pytest.raises(smtplib.SMTPServerDisconnected):
        said(server, "NOOP")
    server.smtp.on("HELP", times=1).throttle(1e9).disconnect(after_bytes=1, reset=True)
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
        said(server, "HELP", "NOOP")
    server.smtp.on("HELO", times=1).garble().truncate(64)
    with socket.create_connection((server.smtp.host, server.smtp.port), 20) as sock, sock.makefile("rb") as replies:
        replies.readline()
        sock.sendall(b"HELO me.test\r\nHELP\r\nQUIT\r\n")
        rest = replies.read()
    assert len(rest) == 64
    assert not rest.isascii() or not rest.startswith(b"250 mailtrap.test\r\n214")


def test_rules_of_the_other_protocols(server: MailServer) -> None:
    server.pop3.on("USER").respond_with("-ERR", "[SYS/TEMP] later")
    server.imap.on("LOGIN").respond_with("NO", "[UNAVAILABLE] later")
    for endpoint, line, reply in [
        (server.pop3, b"USER bob", b"-ERR [SYS/TEMP] later\r\n"),
        (server.imap, b"a LOGIN bob pw", b"a NO [UNAVAILABLE] later\r\n"),
    ]:
        with socket.create_connection((endpoint.host, endpoint.port), 20) as sock, sock.makefile("rb") as replies:
            replies.readline()
            sock.sendall(line + b"\r\n")
            assert replies.readline() == reply


def test_rules_belong_to_a_scope(server: MailServer) -> None:
    server.smtp.on("MAIL").delay(0)
    with server.scope("mine") as scope:
        address = scope.address("bob")
        rule = scope.smtp.on("RCPT", recipient=address).respond_with(550, "5.1.1 no")
        assert said(server, MAIL, f"RCPT TO:<{address}>")[1] == "550 5.1.1 no"
        assert [each.command for each in scope.rules] == ["RCPT"]
        assert [(each.id, each.asked) for each in scope.rules] == [(rule.id, rule.asked)]
        scope.reset()
        assert list(scope.rules) == []
        assert said(server, MAIL, f"RCPT TO:<{address}>")[1] == "250 2.1.5 Ok"
    assert [each.command for each in server.rules] == ["MAIL"]
    server.reset()
    assert list(server.rules) == []


@pytest.mark.parametrize(
    "ask",
    [
        lambda smtp: smtp.on("RCPT", stage="sometime"),
        lambda smtp: smtp.on("RCPT", recipent="bob"),
        lambda smtp: smtp.on("RCPT", nth=-1),
        lambda smtp: smtp.on("RCPT", times="2"),
        lambda smtp: smtp.on("RCPT").respond_with(99),
        lambda smtp: smtp.on("RCPT").respond_with("NO"),
        lambda smtp: smtp.on("RCPT").respond_with(450, "two\r\nlines"),
        lambda smtp: smtp.on("RCPT").delay(-1),
        lambda smtp: smtp.on("RCPT").delay(float("nan")),
        lambda smtp: smtp.on("RCPT").truncate(1.5),
        lambda smtp: smtp.on("RCPT").disconnect(after_bytes="all"),
        lambda smtp: smtp.on("RCPT").disconnect(reset="yes"),
    ],
)
def test_rules_that_cannot_be(server: MailServer, ask: Callable[[object], object]) -> None:
    with pytest.raises(ConfigError):
        ask(server.smtp)
    assert not any(rule.asked for rule in server.rules)


# ---------------------------------------------------------------- messages


def test_a_message_is_the_same_all_over(server: MailServer) -> None:
    send(server, "Grüße", "bob@example.com", "hidden@example.org")
    message = server.message(subject="Grüße")
    assert (message.origin, message.seq, message.scope) == ("smtp", 1, "")
    assert (message.mail_from, list(message.recipients)) == (
        "ann@example.com",
        ["bob@example.com", "hidden@example.org"],
    )
    assert message.bcc == ["hidden@example.org"]
    assert message.to == ["bob@example.com"]
    assert message.to[0].name == "Bob"
    assert message.envelope.mail_parameters["SIZE"]
    assert message.text == "some words\n"
    assert message.raw.endswith(b"some words\r\n")
    assert message.size == len(message.raw)
    assert abs((message.received_at - datetime.now(UTC)).total_seconds()) < 60
    assert (message.session.protocol, message.session.helo) == ("smtp", "me.test")
    assert "MAIL FROM" in message.transcript.upper()
    assert message.session.commands[0].verb == "EHLO"
    assert message == server.messages[0] == server.get(message.id)
    assert [(copy.account.address, copy.mailbox.name) for copy in message.copies] == [
        ("bob@example.com", "INBOX"),
        ("hidden@example.org", "INBOX"),
    ]
    assert server.get("0" * 20) is None


def test_the_parts_of_a_message(server: MailServer, tmp_path: Path) -> None:
    made = mail("Sign in", Cc="cc@example.com", Date="Mon, 20 Jul 2026 14:03:00 +0200", **{"Message-ID": "<1@x.test>"})
    made["Reply-To"] = "Help <help@example.com>"
    made.set_content("Your code is 482913. https://x.test/text\n")
    made.add_alternative('<p>Your code is <a href="https://x.test/in" title="t">482913</a></p>', subtype="html")
    made.add_attachment(b"\x00PDF", maintype="application", subtype="pdf", filename="a.pdf")
    made.get_payload()[0].get_payload()[1].add_related(b"GIF", "image", "gif", cid="<logo>", disposition="inline")
    message = server.deliver(made, recipients=["bob@example.com", "cc@example.com"], mail_from="ann@example.com")
    assert (message.from_, message.from_.name, message.cc) == ("ann@example.com", "Ann", ["cc@example.com"])
    assert (message.reply_to, message.message_id) == (["help@example.com"], "<1@x.test>")
    assert message.date == datetime(2026, 7, 20, 12, 3, tzinfo=UTC)
    assert message.headers["subject"] == message.email["Subject"] == "Sign in"
    assert message.html is not None
    assert message.plain.startswith("Your code")
    (attachment,) = message.attachments
    assert message.attachment(filename="a.pdf").content == attachment.content
    assert (attachment.filename, attachment.content_type, attachment.content) == (
        "a.pdf", "application/pdf", b"\x00PDF",
    )  # fmt: skip
    assert len(attachment.sha256) == 64
    assert attachment.save(tmp_path / "a.pdf").read_bytes() == b"\x00PDF"
    assert [part.content_id for part in message.inline] == ["logo"]
    assert [link.href for link in message.links] == ["https://x.test/in", "https://x.test/text"]
    assert message.link(title="t").text == "482913"
    assert message.code() == message.codes[0] == "482913"
    assert message.matches(subject="Sign in", recipients="cc@example.com")
    assert list(message.defects) == []
    assert [finding for finding in message.lint() if finding.severity == "error"] == []
    assert message.check("lint") == message.lint()
    assert "--- application/pdf" in message.snapshot()
    assert message.save(tmp_path / "all.eml").read_bytes() == message.raw
    assert message.reply()["In-Reply-To"] == "<1@x.test>"
    assert list(message.envelope.recipient_parameters) == [{}, {}]


def test_the_record_of_a_connection(server: MailServer) -> None:
    server.add_account("bob@example.com", "pw")
    with smtplib.SMTP_SSL(server.smtps.host, server.smtps.port, context=server.ssl_context()) as smtp:
        smtp.login("bob@example.com", "pw")
        here = smtp.sock.getsockname()
        smtp.sendmail("ann@example.com", "bob@example.com", mail().as_bytes(policy=SMTP))
    session = server.message().session
    assert (session.user, session.peer) == ("bob@example.com", here[:2])
    assert session.mechanism in ("CRAM-MD5", "PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256")
    assert session.tls is not None
    assert session.tls.version.startswith("TLSv1")
    assert session.tls.cipher
    assert "pw" not in session.transcript


def test_ids_are_those_of_the_server(local: MailServer, remote: MailServer) -> None:
    for _ in range(30):
        send(local)
    assert [message.id for message in remote.messages] == [message.id for message in local.messages]
    assert [message.received_at for message in remote.messages] == [message.received_at for message in local.messages]


def test_bytes_are_exact(server: MailServer) -> None:
    raw = b"Subject: x\n\nbare\rnew\nlines \xff\x00" + b"." * 100_000
    assert server.deliver(raw, recipients="bob@example.com").raw == raw
    assert server.page()[0].raw == raw


def test_pages(server: MailServer) -> None:
    for number in range(7):
        server.deliver(mail(str(number)), recipients="bob@example.com")
    assert [message.subject for message in server.page(limit=2)] == ["6", "5"]
    assert [message.subject for message in server.page(before=4, limit=2)] == ["2", "1"]
    assert [message.subject for message in server.page(after=5, newest_first=False)] == ["5", "6"]
    assert server.messages == []  # placed, not submitted


def test_more_messages_than_one_answer_carries(local: MailServer, remote: MailServer) -> None:
    for number in range(1100):
        local.send(b"Subject: %d\r\n\r\n" % number, recipients=["bob@example.com"])
    assert [message.subject for message in remote.messages] == [str(number) for number in range(1100)]
    assert [message.subject for message in remote.page()] == [str(number) for number in reversed(range(1100))]
    assert remote.message(subject="1099").seq == 1100


def test_delete_and_clear(server: MailServer) -> None:
    for number in range(4):
        send(server, str(number))
    assert server.delete(server.messages[:1]) == 1
    assert [message.subject for message in server.messages] == ["1", "2", "3"]
    server.deliver(b"Subject: placed\r\n\r\n", recipients="bob@example.com")
    assert server.delete_all(submitted=True) == 3
    assert [message.subject for message in server.page()] == ["placed"]
    assert server.delete_all() == 1
    assert server.page() == []
    send(server, "again")
    server.clear()
    assert server.messages == []
    assert server.mailbox("bob@example.com").messages == []


def test_a_message_that_is_gone(server: MailServer, local: MailServer) -> None:
    large = local.deliver(b"Subject: x\r\n\r\n" + b"x" * 200_000, recipients="bob@example.com")
    (other,) = server.page()
    server.clear()
    with pytest.raises(StoreError):
        _ = other.raw
    assert large.copies == []


# ---------------------------------------------------------------- quotas, rights, annotations


def test_quotas(server: MailServer) -> None:
    account = server.add_account("bob@example.com", quota=5000, message_quota=2)
    assert (account.quota, account.message_quota, account.used) == (5000, 2, (0, 0))
    send(server)
    server.message()
    assert account.used.messages == 1
    account.set_quota(messages=1)
    assert (account.quota, account.message_quota) == (None, 1)
    with pytest.raises(smtplib.SMTPDataError, match="Mailbox full"):
        send(server)
    assert account.used.messages == 1
    account.set_quota()
    assert server.account("bob@example.com").message_quota is None


def test_rights(server: MailServer) -> None:
    box = server.add_account("bob@example.com").create("Team")
    assert box.acl == {}
    box.set_rights("Eve+tag@Example.com", "lrd")
    box.set_rights("-anyone", "s")
    assert box.acl == {"eve@example.com": "elrtx", "-anyone": "s"}
    box.set_rights("eve@example.com", None)
    box.set_rights("-Anyone", None)
    assert box.acl == {}
    with pytest.raises(ValueError, match="no right q"):
        box.set_rights("eve@example.com", "lq")


def test_annotations(server: MailServer) -> None:
    account = server.add_account("bob@example.com")
    box = account.mailbox()
    box.annotate({"/shared/Comment": "Grüße", "/private/x": b"\xff\0"})
    assert box.annotations == {"/shared/comment": "Grüße".encode(), "/private/x": b"\xff\0"}
    box.annotate({"/private/x": None})
    assert list(box.annotations) == ["/shared/comment"]
    account.annotate({"/shared/admin": "root@example.com"})
    assert server.add_account("eve@example.com").annotations == {"/shared/admin": b"root@example.com"}
    with pytest.raises(NotAllowed):
        box.annotate({"/vendor/x": "y"})


# ---------------------------------------------------------------- waits


def test_a_wait_is_woken(server: MailServer, local: MailServer) -> None:
    thread = later(lambda: send(local, "late"))
    assert server.message(subject="late", timeout=10).subject == "late"
    thread.join()


def test_waits_take_any_criteria(server: MailServer) -> None:
    send(server, "one")
    send(server, "two")
    assert server.message(subject=re.compile("^t")).subject == "two"
    assert server.message(where=lambda message: message.subject == "one").subject == "one"
    assert server.message(header={"Subject": "one"}, to=["bob@example.com"]).seq == 1
    assert server.latest().subject == "two"
    assert [message.subject for message in server.wait_for(exactly=2)] == ["one", "two"]
    with pytest.raises(AmbiguousMessage, match="2 messages match"):
        server.message()
    with pytest.raises(UnexpectedMessage):
        server.wait_for(exactly=1)
    with pytest.raises(TypeError, match="subject"):
        server.message(subjct="x")


def test_a_wait_in_vain_explains_itself(server: MailServer) -> None:
    server.configure(routing="strict")
    send_error: list[Exception] = []
    try:
        send(server, "refused")
    except smtplib.SMTPException as error:
        send_error.append(error)
    server.configure(routing="open")
    send(server, "other")
    with pytest.raises(MessageNotFound) as raised:
        server.message(subject="wanted", timeout=0.05)
    text = str(raised.value)
    assert "within 0.05 s" in text
    assert "subject is 'other', not 'wanted'" in text
    assert "550 5.1.1" in text
    assert send_error


def test_marks_and_expectations(server: MailServer) -> None:
    send(server, "before")
    mark = server.mark()
    assert server.mark() == mark
    send(server, "after")
    assert server.message(since=mark).subject == "after"
    with server.expect_message(subject="before") as info:
        send(server, "before")
    assert info.value.seq == 3


def test_no_message(server: MailServer) -> None:
    server.assert_no_message()
    server.assert_no_message(within=0.05)
    send(server)
    server.assert_no_message(to="carol@example.com")
    with pytest.raises(UnexpectedMessage):
        server.assert_no_message(subject="Hello")
    server.wait_until_quiet(0.05)


def test_no_message_waits_for_open_transactions(server: MailServer) -> None:
    with smtplib.SMTP(server.smtp.host, server.smtp.port) as smtp:
        smtp.ehlo()
        smtp.mail("ann@example.com")
        result: list[BaseException | None] = []

        def check() -> None:
            try:
                server.assert_no_message(subject="Hello")
                result.append(None)
            except UnexpectedMessage as error:
                result.append(error)

        thread = later(check)
        smtp.rcpt("bob@example.com")
        smtp.data(mail().as_bytes())
        thread.join(10)
    (error,) = result
    assert isinstance(error, UnexpectedMessage)


def test_many_threads_wait_at_once(remote: MailServer, local: MailServer) -> None:
    found: dict[int, str] = {}

    def wait(number: int) -> None:
        found[number] = remote.message(subject=f"Number {number}", timeout=20).subject

    threads = [later(lambda number=number: wait(number)) for number in range(8)]  # type: ignore[misc]
    for number in range(8):
        local.send(mail(f"Number {number}"), recipients=["bob@example.com"])
    for thread in threads:
        thread.join(20)
    assert found == {number: f"Number {number}" for number in range(8)}


def test_wait_for_command(server: MailServer) -> None:
    with smtplib.SMTP(server.smtp.host, server.smtp.port) as smtp:
        thread = later(lambda: smtp.noop())
        session = server.wait_for_command("NOOP", protocol="smtp", timeout=10)
        thread.join()
        assert session.protocol == "smtp"
        assert session.open
    with pytest.raises(MessageNotFound, match="IDLE"):
        server.wait_for_command("IDLE", timeout=0.01)


# ---------------------------------------------------------------- accounts and mailboxes


def test_accounts(server: MailServer) -> None:
    account = server.add_account("Bob@Example.com", "pw")
    assert (account.address, account.password) == ("bob@example.com", "pw")
    assert [found.address for found in server.accounts] == ["bob@example.com"]
    assert server.account("carol@example.com").password is None
    sent = account.create("Sent/2026", special_use="\\Sent")
    assert sent.special_use == {"\\Sent"}
    assert [mailbox.name for mailbox in account.mailboxes] == ["INBOX", "Sent", "Sent/2026"]
    with pytest.raises(MailboxExists):
        account.create("Sent/2026")
    with pytest.raises(NoSuchMailbox, match="'Sent/2026'"):
        account.mailbox("Drafts")
    account.remove()
    assert [found.address for found in server.accounts] == ["carol@example.com"]
    server.configure(routing="strict")
    with pytest.raises(NoSuchAccount):
        server.account("nobody@example.com")


def test_mailboxes(server: MailServer) -> None:
    message = server.deliver(
        mail(), recipients=["bob@example.com", "c@x.test"], mail_from="a@x.test", flags=["\\Flagged", "work"],
        internal_date=datetime(2026, 7, 20, 14, 3, tzinfo=UTC),
    )  # fmt: skip
    assert message.origin == "deliver"
    inbox = server.mailbox("bob@example.com")
    (copy,) = inbox.messages
    assert (copy.uid, copy.flags, copy.subject) == (1, {"\\Flagged", "work"}, "Hello")
    assert copy.internal_date == datetime(2026, 7, 20, 14, 3, tzinfo=UTC)
    assert copy.message == message
    before = inbox.highestmodseq
    inbox.set_flags(copy, ["\\Seen"])
    assert copy.flags == {"\\Flagged", "\\Seen", "work"}
    assert (inbox.highestmodseq, copy.modseq) == (before + 1, before + 1)
    inbox.set_flags([copy], ["work"], "remove")
    assert inbox.message(flags={"\\Flagged", "\\Seen"}).uid == 1
    old = inbox.account.create("Old")
    (copied,) = inbox.copy(copy, "Old")
    (moved,) = inbox.move(copy, "Old")
    assert [copied.uid, moved.uid] == [found.uid for found in old.messages] == [1, 2]
    with pytest.raises(StoreError, match="not in"):
        _ = copy.flags
    appended = old.append(b"Subject: draft\r\n\r\n", flags=["\\Deleted"])
    assert (appended.uid, appended.origin) == (3, "append")
    old.expunge()
    assert old.uidnext == 4
    old.expunge(copied)
    assert [found.uid for found in old.messages] == [2]
    assert old.status.messages == 1
    validity = old.uidvalidity
    assert old.renumber() == old.uidvalidity > validity
    old.rename("New")
    assert old.name == "New"
    old.delete()
    with pytest.raises(NoSuchMailbox):
        _ = old.name
    with pytest.raises(NotAllowed):
        server.deliver(mail(), recipients="all")


def test_a_mailbox_wait_is_woken_by_another_device(server: MailServer, local: MailServer) -> None:
    server.deliver(mail(), recipients="bob@example.com")
    inbox = server.mailbox("bob@example.com")
    there = local.mailbox("bob@example.com")
    thread = later(lambda: there.set_flags(there.messages, ["\\Answered"]))
    assert inbox.message(flags={"\\Answered"}, timeout=10).uid == 1
    thread.join()
    with pytest.raises(MessageNotFound, match="INBOX"):
        inbox.message(subject="none", timeout=0.01)


def test_the_record(server: MailServer) -> None:
    send(server)
    server.set_record_flags(server.messages, ["\\Seen", "kept"])
    assert server.record_flags(server.messages) == {1: {"\\Seen", "kept"}}
    assert server.record().status.unseen == 0


# ---------------------------------------------------------------- the rest


def test_refusals_sessions_errors(server: MailServer, local: MailServer) -> None:
    server.configure(max_message_size=100)
    with pytest.raises(smtplib.SMTPException):
        send(server)
    (refusal,) = server.refused
    assert refusal.reply.startswith("552")
    assert refusal.at <= datetime.now(UTC)
    assert list(refusal.envelope.recipients) in ([], ["bob@example.com"])
    assert refusal.session.id in [session.id for session in server.sessions]
    assert "EHLO" in refusal.session.transcript.upper()
    local.report(ValueError("what went wrong"))
    (error,) = server.errors
    assert "what went wrong" in str(error)
    server.clear()
    assert (list(server.refused), list(server.errors)) == ([], [])


def test_refused_bytes(server: MailServer) -> None:
    server.configure(max_message_size=10)
    with pytest.raises(StoreError, match=r"552 5\.3\.4"):
        server.send(mail(), recipients=["bob@example.com"])
    (refusal,) = server.refused
    assert (refusal.stage, refusal.raw) == ("POST", mail().as_bytes(policy=mail().policy.clone(linesep="\r\n")))


def test_a_session_can_be_ended(server: MailServer) -> None:
    with socket.create_connection((server.smtp.host, server.smtp.port), timeout=10) as client:
        assert client.recv(100).startswith(b"220")
        client.sendall(b"EHLO me.test\r\n")
        assert client.recv(1000)
        (session,) = [found for found in server.sessions if found.open]
        session.disconnect()
        with suppress(ConnectionResetError):
            assert client.recv(100) == b""


def test_scopes(server: MailServer) -> None:
    with server.scope("run", timeout=0.01) as inner:
        assert (inner.name, inner.domain) == ("run", "run.test")
        assert inner.address("bob") == "bob@run.test"
        assert inner.address("bob") == "bob-2@run.test"
        send(server, "inside", "bob@run.test")
        assert inner.message().subject == "inside"
        assert [account.address for account in inner.accounts] == ["bob@run.test"]
        inner.configure(routing="strict")
        with pytest.raises(smtplib.SMTPException):
            send(server, "no", "carol@run.test")
        assert len(inner.refused) == 1
        assert server.refused == []
        assert server.messages == []
        view = server.view("run")
        assert view is not None
        assert [message.subject for message in view.messages] == ["inside"]
        with server.scope("run") as second:
            assert second.name == "run-2"
        inner.reset()
        assert inner.messages == []
        assert list(inner.accounts) == []
    assert set(server.scopes) == {"", "run", "run-2"}
    assert server.view("none") is None
    with server.scope("Ünïcode name") as odd:
        assert odd.name == "Ünïcode name"


def test_wrong_settings(server: MailServer) -> None:
    with pytest.raises(ConfigError, match="routing"):
        server.configure(ruoting="open")
    with pytest.raises(ConfigError, match="cannot change"), server.scope("x", smtp_port=1):
        pass


def test_what_the_server_is(server: MailServer, local: MailServer) -> None:
    assert {name: found.port for name, found in server.endpoints.items()} == {
        name: found.port for name, found in local.endpoints.items()
    }
    assert server.imap.url == local.imap.url
    listeners = [
        server.smtp, server.smtps, server.submission, server.lmtp, server.pop3, server.pop3s, server.imap, server.imaps,
        server.http,
    ]  # fmt: skip
    assert {listener.name: listener.tls for listener in listeners} == {
        "smtp": "none", "smtps": "implicit", "submission": "none", "lmtp": "none", "pop3": "none", "pop3s": "implicit",
        "imap": "none", "imaps": "implicit", "http": "none",
    }  # fmt: skip
    assert server.ca_pem == local.ca_pem
    assert server.started_at == local.started_at
    assert not server.stopped
    with smtplib.SMTP_SSL(server.smtps.host, server.smtps.port, context=server.ssl_context()) as smtp:
        assert smtp.noop()[0] == 250
    assert server.issue_token("bob@example.com")
    assert server.config_for("django")


def test_seed(server: MailServer) -> None:
    server.seed({"bob@example.com": {"password": "pw"}})
    assert server.account("bob@example.com").password == "pw"


# ---------------------------------------------------------------- what only a connected client meets


def test_nothing_answers() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        with pytest.raises(MailtrapError, match="no server answers"):
            MailServer.connect(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize("url", ["", "mailtrap", "smtp://127.0.0.1", "http://", "http://x:port", "http://[::1"])
def test_no_url(url: str) -> None:
    with pytest.raises(ConfigError, match="no URL"):
        MailServer.connect(url)


def test_another_server(local: MailServer) -> None:
    with pytest.raises(MailtrapError):
        MailServer.connect(f"http://{local.smtp.host}:{local.smtp.port}")
    with pytest.raises(MailtrapError, match="no mailtrap server"):
        MailServer.connect(f"{local.http.url}/elsewhere")


def test_another_version(local: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailtrap.remote.server.API", 99)
    with pytest.raises(MailtrapError, match="speaks version 1"):
        MailServer.connect(local.http.url)


def test_settings_of_a_client(local: MailServer) -> None:
    with MailServer.connect(local.http.url, timeout=0.01, smtp_port=2525) as remote:
        assert remote.smtp.port == 2525
        with pytest.raises(MessageNotFound, match=r"within 0\.01 s"):
            remote.message()
    with pytest.raises(ConfigError, match="belongs to the running server"):
        MailServer.connect(local.http.url, routing="strict")
    with pytest.raises(ConfigError, match="timeout"):
        MailServer.connect(local.http.url, tiemout=1)


def test_leaving_leaves_the_server_running(local: MailServer) -> None:
    with MailServer.connect(local.http.url) as remote:
        send(remote)
        remote.message()
    remote.stop()
    assert local.message().subject == "Hello"


def test_what_a_client_cannot_do_is_said(remote: MailServer) -> None:
    for act in (
        lambda: remote.smtp.on("RCPT").run(print),
        lambda: remote.smtp.on("RCPT").raise_(ValueError()),
        lambda: remote.smtp.on("RCPT", recipient=str.islower),
        lambda: remote.smtp.on("RCPT", recipient=re.compile(b"bytes")),
        remote.aiosmtpd_handler,
        lambda: remote.settings,
        lambda: remote.report(ValueError()),
        lambda: remote._parts.intake,
    ):
        with pytest.raises(MailtrapError):
            act()


def test_errors_of_the_server_are_told_as_such(local: MailServer, remote: MailServer) -> None:
    local.report(ValueError("x"))
    assert isinstance(remote.errors[0], ServerError)


def test_a_server_that_stops_ends_a_wait() -> None:
    local = MailServer().start()
    remote = MailServer.connect(local.http.url)
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            remote.message(timeout=30)
        except MailtrapError as error:
            raised.append(error)

    thread = later(wait)
    while remote.bell.rings == 0:  # its event stream has begun
        remote.bell.wait(0, 5)
    local.stop()
    thread.join(10)
    remote.stop()
    (error,) = raised
    assert not isinstance(error, AssertionError)


def test_a_server_that_began_anew_is_noticed() -> None:
    first = MailServer().start()
    port, first_url = first.http.port, first.http.url
    remote = MailServer.connect(first.http.url)
    send(remote, "old")
    mark = remote.mark()
    assert remote.message().subject == "old"
    first.stop()
    with MailServer(http_port=port) as second:
        second.send(mail("new"), recipients=["bob@example.com"])
        with pytest.raises(ServerRestarted, match=rf"the mail server at {first_url} was started anew"):
            remote.message(timeout=0)
        assert remote.message().subject == "new"
        with pytest.raises(ServerRestarted):
            remote.message(since=mark, timeout=0)
        assert [message.subject for message in remote.messages] == ["new"]
        remote.stop()


def test_a_scope_of_a_server_that_began_anew_is_gone() -> None:
    first = MailServer().start()
    port = first.http.port
    with MailServer.connect(first.http.url) as remote:
        scope = remote.scope("run").start()
        first.stop()
        with MailServer(http_port=port):
            for _ in range(2):
                with pytest.raises(ServerRestarted, match="started anew"):
                    _ = scope.errors
            assert remote.messages == []
            scope.stop()


def test_an_exclusive_client_has_mail_for_any_domain(local: MailServer) -> None:
    with MailServer.connect(local.http.url, exclusive=True) as remote:
        with remote.scope("alone") as scope:
            send(remote)
            assert scope.message(timeout=0).to == ["bob@example.com"]
        send(remote, "after")
        assert [message.subject for message in remote.messages] == ["after"]
    with MailServer.connect(local.http.url) as remote, remote.scope("shared") as scope:
        send(remote)
        assert scope.messages == []


def test_an_error_is_the_same_each_time(server: MailServer, local: MailServer) -> None:
    local.report(ValueError("one"))
    (first,) = server.errors
    local.report(ValueError("two"))
    assert server.errors[0] is first
    assert len(server.errors) == 2


def test_search(server: MailServer, local: MailServer) -> None:
    for subject in ("One", "Two", "Three"):
        local.deliver(f"Subject: {subject}\n\nwords\n".encode(), recipients=f"{subject}@example.com")
    assert [message.subject for message in server.search("words -subject:two")] == ["Three", "One"]
    assert [message.subject for message in server.search("words", limit=1, newest_first=False)] == ["One"]
    assert [message.subject for message in server.search("account:two", all_scopes=True)] == ["Two"]
    assert server.message(query="origin:deliver is:unread mailbox:INBOX account:two", timeout=0).subject == "Two"
    with pytest.raises(QueryError, match="at character 1 "):
        server.search('"')
    with pytest.raises(QueryError):
        server.message(query='"', timeout=0)


# ---------------------------------------------------------------- the suite itself


def test_each_public_name_is_asked_for_here() -> None:
    """Of the classes whose objects a server gives; whatever is promised must be so on each of the servers above."""
    said = Path(__file__).read_text("utf-8")
    kinds = ("MailServer", "Endpoint", "Message", "Copy", "Envelope", "Session", "Refusal", "Attachment", "Link",
             "Mailbox", "Account", "Rule")  # fmt: skip
    missing = [
        f"{kind}.{name}"
        for kind in kinds for name in sorted(names_of(kind)) if not re.search(rf"\.{name}\b|\b{name}=", said)
    ]  # fmt: skip
    assert missing == []

"""``expect(...)``: what waits, what is decided at once, and what the texts say."""

import threading
from collections.abc import Callable, Iterator
from email.message import EmailMessage

import pytest

from mailtrap import ConfigError, Copy, MailServer, Message, MessageNotFound, UnexpectedMessage
from pytest_mailtrap import expect


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer(timeout=5, http_port=None) as server:
        yield server


@pytest.fixture
def later() -> Iterator[Callable[[Callable[[], object]], None]]:
    """Do something in another thread, soon; joined at the end."""
    threads: list[threading.Thread] = []

    def later(function: Callable[[], object]) -> None:
        threads.append(threading.Thread(target=function))
        threads[-1].start()

    yield later
    for thread in threads:
        thread.join()


def mail(subject: str = "Hello", text: str | None = "Hi Bob", html: str | None = None) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "app@example.com", "bob@example.com", subject
    if text is not None:
        message.set_content(text)
    if html is not None:
        (message.add_alternative if text is not None else message.set_content)(html, subtype="html")
    return message


def put(server: MailServer, content: EmailMessage | None = None, **where: str) -> Message:
    return server.deliver(content or mail(), recipients="bob@example.com", **where)


def first(server: MailServer, name: str = "INBOX") -> Copy:
    return server.mailbox("bob@example.com", name).messages[0]


class TestCount:
    def test_it_waits(self, server: MailServer, later: Callable[..., None]) -> None:
        put(server)
        later(lambda: put(server))
        expect(server).to_have_count(2, origin="deliver", to="bob@example.com")

    def test_too_few(self, server: MailServer) -> None:
        put(server)
        with pytest.raises(MessageNotFound, match=r"1 of 2 messages matched within 0\.01 s"):
            expect(server).to_have_count(2, timeout=0.01, origin="deliver")

    def test_too_many(self, server: MailServer) -> None:
        put(server)
        put(server)
        with pytest.raises(UnexpectedMessage, match="exactly 1"):
            expect(server).to_have_count(1, origin="deliver")

    @pytest.mark.parametrize("count", [0, -1])
    def test_none_is_refused(self, server: MailServer, count: int) -> None:
        put(server)
        for subject in (server, server.mailbox("bob@example.com")):
            with pytest.raises(ConfigError, match="assert_no_message"):
                expect(subject).to_have_count(count)

    def test_of_a_mailbox(self, server: MailServer, later: Callable[..., None]) -> None:
        put(server, mail("other"))
        inbox = server.mailbox("bob@example.com")
        later(lambda: put(server))
        expect(inbox).to_have_count(1, subject="Hello")
        expect(inbox).to_have_count(2)
        with pytest.raises(UnexpectedMessage, match=r"2 messages match in <Mailbox .* where 1 were"):
            expect(inbox).to_have_count(1)
        with pytest.raises(MessageNotFound, match=r"1 of 2 messages matched in <Mailbox.* within 0 s") as info:
            expect(inbox).to_have_count(2, subject="Hello", timeout=0)
        assert "'other'" in str(info.value)


class TestFlag:
    def test_it_waits(self, server: MailServer, later: Callable[..., None]) -> None:
        message = put(server)
        copy = first(server)
        later(lambda: copy.mailbox.set_flags(copy, ["\\Seen"]))
        expect(copy).to_have_flag("\\Seen")
        expect(message).to_have_flag("\\seen", account="bob@example.com", timeout=0)
        expect(message).to_have_flag("\\Seen", timeout=0)

    def test_it_fails_in_time(self, server: MailServer) -> None:
        message = put(server, flags=["work"])  # type: ignore[arg-type]
        with pytest.raises(AssertionError) as info:
            expect(message).to_have_flag("\\Seen", timeout=0.01)
        assert str(info.value).splitlines()[1:] == ["  INBOX of bob@example.com: work"]
        assert "had not the flag \\Seen within 0.01 s" in str(info.value)

    def test_of_a_copy_it_is_that_copys(self, server: MailServer) -> None:
        put(server)
        copy = first(server)
        copy.account.create("Archive")
        (other,) = copy.mailbox.copy(copy, "Archive")
        other.mailbox.set_flags(other, ["\\Seen"])
        with pytest.raises(AssertionError, match=r"INBOX of bob@example\.com: no flags"):
            expect(copy).to_have_flag("\\Seen", timeout=0)
        expect(copy.message).to_have_flag("\\Seen", timeout=0)

    def test_a_copy_that_was_moved(self, server: MailServer) -> None:
        put(server)
        copy = first(server)
        copy.account.create("Archive")
        (moved,) = copy.mailbox.move(copy, "Archive")
        moved.mailbox.set_flags(moved, ["\\Seen"])
        expect(copy).to_have_flag("\\Seen", timeout=0)

    def test_of_one_account(self, server: MailServer) -> None:
        message = server.deliver(mail(), recipients=["bob@example.com", "carol@example.com"])
        copy = first(server)
        copy.mailbox.set_flags(copy, ["\\Seen"])
        expect(message).to_have_flag("\\Seen", account="Bob+tag@EXAMPLE.com", timeout=0)
        with pytest.raises(AssertionError, match=r"its copies of carol@example\.com"):
            expect(message).to_have_flag("\\Seen", account="carol@example.com", timeout=0)

    def test_a_message_without_copies(self, server: MailServer) -> None:
        message = put(server)
        first(server).mailbox.expunge(first(server))
        with pytest.raises(AssertionError, match="its copies:\n  none"):
            expect(message).to_have_flag("\\Seen", timeout=0)

    def test_a_mailbox_that_goes_away_meanwhile(self, server: MailServer) -> None:
        message = put(server, mailbox="Temporary")
        copy = first(server, "Temporary")
        copy.mailbox.delete()
        with pytest.raises(AssertionError, match="none"):
            expect(message).to_have_flag("\\Seen", timeout=0)
        with pytest.raises(AssertionError, match="none"):
            expect(copy).to_have_flag("\\Seen", timeout=0)


class TestPlace:
    def test_it_waits(self, server: MailServer, later: Callable[..., None]) -> None:
        put(server)
        copy = first(server)
        copy.account.create("Archive")
        expect(copy).to_be_in("inbox", timeout=0)
        later(lambda: copy.mailbox.move(copy, "Archive"))
        expect(copy).to_be_in("Archive")
        expect(copy.message).to_be_in("Archive", account="bob@example.com", timeout=0)

    def test_it_fails_in_time(self, server: MailServer) -> None:
        put(server)
        with pytest.raises(AssertionError) as info:
            expect(first(server)).to_be_in("Archive", timeout=0.01)
        assert "had not a copy in Archive within 0.01 s; its copies of bob@example.com:" in str(info.value)
        assert "  INBOX of bob@example.com: no flags" in str(info.value)

    def test_of_a_copy_it_is_its_accounts(self, server: MailServer) -> None:
        server.account("carol@example.com").create("Archive")
        server.deliver(mail(), recipients=["bob@example.com"])
        carols = server.deliver(mail(), recipients="carol@example.com", mailbox="Archive")
        with pytest.raises(AssertionError, match="had not a copy in Archive"):
            expect(first(server)).to_be_in("Archive", timeout=0)
        expect(carols).to_be_in("Archive", timeout=0)

    def test_in_a_scope(self, server: MailServer, later: Callable[..., None]) -> None:
        with server.scope("inner") as scope:
            put(scope)
            copy = first(scope)
            copy.account.create("Archive")
            later(lambda: copy.mailbox.move(copy, "Archive"))
            expect(copy).to_be_in("Archive")


class TestLint:
    def test_a_mail_with_findings(self, server: MailServer) -> None:
        message = server.deliver(b"Subject: no sender\r\n\r\nx\r\n", recipients="bob@example.com")
        with pytest.raises(AssertionError, match="does not pass the lint") as info:
            expect(message).to_pass_lint()
        ids = [found.id for found in message.lint() if found.severity != "info"]
        assert ids
        assert all(name in str(info.value) for name in ids)
        expect(message).to_pass_lint(ignore=ids)
        for name in ids:
            with pytest.raises(AssertionError):
                expect(message).to_pass_lint(ignore=set(ids) - {name})


class TestAlternatives:
    def test_they_say_the_same(self, server: MailServer) -> None:
        html = '<p>Hi <b>Bob</b>,</p><p>please <a href="https://example.com/x?y=1">confirm your address</a> today.</p>'
        text = "Hi Bob,\n\nplease confirm your address today.\nhttps://example.com/x?y=1\n"
        expect(put(server, mail(text=text, html=html))).to_have_matching_alternatives()

    def test_they_differ(self, server: MailServer) -> None:
        message = put(server, mail(text="Your code is 111111 today", html="<p>Your code is <b>222222</b> today</p>"))
        with pytest.raises(AssertionError) as info:
            expect(message).to_have_matching_alternatives()
        assert "agree by 0.80, less than 0.9" in str(info.value)
        assert "  - 111111\n  + 222222" in str(info.value)
        expect(message).to_have_matching_alternatives(ratio=0.8)

    @pytest.mark.parametrize(
        ("content", "missing"), [(mail(), "HTML"), (mail(text=None, html="<p>x</p>"), "text")], ids=["text", "html"]
    )
    def test_one_is_missing(self, server: MailServer, content: EmailMessage, missing: str) -> None:
        with pytest.raises(AssertionError, match=f"has no {missing} alternative"):
            expect(put(server, content)).to_have_matching_alternatives()


class TestSubjects:
    @pytest.mark.parametrize("subject", [None, "bob@example.com", 7, [], object()])
    def test_another_subject(self, subject: object) -> None:
        with pytest.raises(TypeError, match="takes a MailServer, a Message or a Mailbox, not"):
            expect(subject)  # type: ignore[arg-type]

    def test_a_method_of_another_subject(self, server: MailServer) -> None:
        message = put(server)
        with pytest.raises(TypeError, match="to_have_count is expected of a MailServer or Mailbox, not of <Message"):
            expect(message).to_have_count(1)
        for method in ("to_pass_lint", "to_have_matching_alternatives"):
            with pytest.raises(TypeError, match=f"{method} is expected of a Message"):
                getattr(expect(server), method)()
        with pytest.raises(TypeError, match="to_be_in is expected of a Message"):
            expect(server.mailbox("bob@example.com")).to_be_in("INBOX")

    def test_repr(self, server: MailServer) -> None:
        assert repr(expect(server)).startswith("expect(<MailServer")


def test_traces_end_in_the_test(run):  # type: ignore[no-untyped-def]
    result = run(
        """
        from helpers import mail
        from pytest_mailtrap import expect

        def test_it(mailserver):
            message = mailserver.deliver(mail(), recipients="bob@example.com")
            expect(message).to_have_flag("\\\\Seen", timeout=0)
        """
    )
    result.stdout.fnmatch_lines([">       expect(message).to_have*", "E  *AssertionError: <Message*", "test_it.py:*"])
    result.stdout.no_fnmatch_line("*expectations.py*")

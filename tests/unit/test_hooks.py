"""Each hook, called by a running server: ``test_`` and the hook's name."""

import poplib
import queue
import smtplib
import socket

import pytest

from mailtrap import Change, MailServer, Message, Refuse, hookimpl
from mailtrap.hookspecs import Specifications
from mailtrap.store.memory import MemoryStore

MAIL = b"Subject: hello\r\n\r\nhello\r\n"


def send(server, *recipients, mail=MAIL):
    with smtplib.SMTP(server.smtp.host, server.smtp.port, timeout=10) as smtp:
        smtp.sendmail("app@example.com", recipients, mail)


def refused(address):
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=10)


def test_mailtrap_server_started():
    class Plugin:
        @hookimpl
        def mailtrap_server_started(self, server):
            send(server, "bob@example.com")  # it can be talked to

    with MailServer(plugins=[Plugin()], http_port=None) as server:
        assert server.message().subject == "hello"


def test_a_server_that_a_plugin_did_not_let_start_is_stopped():
    addresses = []

    class Plugin:
        @hookimpl
        def mailtrap_server_started(self, server):
            addresses.append((server.smtp.host, server.smtp.port))
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        MailServer(plugins=[Plugin()], http_port=None).start()
    refused(addresses[0])


def test_mailtrap_server_stopping():
    heard = []

    class Plugin:
        @hookimpl
        def mailtrap_server_stopping(self, server):
            send(server, "bob@example.com")
            heard.append(server.message().subject)

    server = MailServer(plugins=[Plugin()], http_port=None).start()
    server.stop()
    server.stop()
    assert heard == ["hello"]


def test_a_plugin_that_fails_at_the_end_does_not_keep_a_server():
    class Plugin:
        @hookimpl
        def mailtrap_server_stopping(self, server):
            raise RuntimeError("no")

    server = MailServer(plugins=[Plugin()], http_port=None).start()
    address = server.smtp.host, server.smtp.port
    with pytest.raises(RuntimeError, match="no"):
        server.stop()
    refused(address)


def test_mailtrap_store_schemes():
    opened = []

    class Plugin:
        @hookimpl
        def mailtrap_store_schemes(self):
            return {"shelf": lambda url: opened.append(url) or MemoryStore()}

    with MailServer(plugins=[Plugin()], store="shelf://second/from/above", http_port=None) as server:
        send(server, "bob@example.com")
        assert server.message().subject == "hello"
    assert opened == ["shelf://second/from/above"]


def test_mailtrap_before_login():
    asked = []

    class Plugin:
        @hookimpl
        def mailtrap_before_login(self, session, user, mechanism):
            asked.append((session.protocol, user, mechanism))
            return Refuse(text="Come back tomorrow") if user == "eve@example.com" else None

    with MailServer(plugins=[Plugin()], http_port=None) as server:
        for user in ("bob@example.com", "eve@example.com"):
            client = poplib.POP3(server.pop3.host, server.pop3.port, timeout=10)
            client.user(user)
            if user == "bob@example.com":
                client.pass_("pw")
            else:
                with pytest.raises(poplib.error_proto, match="Come back tomorrow"):
                    client.pass_("pw")
            client.quit()
    assert asked == [("pop3", "bob@example.com", "USER"), ("pop3", "eve@example.com", "USER")]


def test_mailtrap_before_recipient():
    class Plugin:
        @hookimpl
        def mailtrap_before_recipient(self, session, mail_from, recipient, parameters):
            assert (session.protocol, mail_from) == ("smtp", "app@example.com")
            assert not parameters
            return Refuse(450, "4.2.1 Busy") if recipient.local == "eve" else None

    with MailServer(plugins=[Plugin()], http_port=None) as server:
        with smtplib.SMTP(server.smtp.host, server.smtp.port, timeout=10) as smtp:
            answers = smtp.sendmail("app@example.com", ["bob@example.com", "eve@example.com"], MAIL)
        assert answers == {"eve@example.com": (450, b"4.2.1 Busy")}
        assert list(server.message().recipients) == ["bob@example.com"]


def test_mailtrap_before_message():
    asked = []

    class Plugin:
        @hookimpl
        def mailtrap_before_message(self, session, origin, envelope, raw):
            asked.append((session.protocol, origin, list(envelope.recipients)))
            return Refuse(554, "5.7.1 Spam") if b"spam" in raw else Change(raw=b"X-Seen: yes\r\n" + raw)

    with MailServer(plugins=[Plugin()], http_port=None) as server:
        send(server, "bob@example.com")
        assert server.message().raw == b"X-Seen: yes\r\n" + MAIL
        with pytest.raises(smtplib.SMTPDataError, match="Spam"):
            send(server, "bob@example.com", mail=b"Subject: spam\r\n\r\n")
        (refusal,) = server.refused
        assert refusal.reply == "554 5.7.1 Spam"
    assert asked == [("smtp", "smtp", ["bob@example.com"])] * 2


def test_mailtrap_after_message():
    heard = queue.Queue()

    class Plugin:
        @hookimpl
        def mailtrap_after_message(self, message):
            heard.put(message)

    with MailServer(plugins=[Plugin()], http_port=None) as server:
        send(server, "bob@example.com")
        placed = server.deliver(MAIL, recipients="carol@example.com")
        found = [heard.get(timeout=10) for _ in range(2)]
        assert all(isinstance(message, Message) for message in found)
        assert {message.origin for message in found} == {"smtp", "deliver"}
        assert placed in found


def test_mailtrap_after_refusal():
    heard = queue.Queue()

    class Plugin:
        @hookimpl
        def mailtrap_after_refusal(self, refusal):
            heard.put(refusal)

    with MailServer(plugins=[Plugin()], routing="strict", http_port=None) as server:
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            send(server, "bob@example.com")
        refusal = heard.get(timeout=10)
        assert refusal.stage == "RCPT"
        assert refusal.reply.startswith("550 5.1.1")
        assert list(server.refused) == [refusal]


def test_every_hook_has_its_test_here():
    hooks = {name for name in vars(Specifications) if not name.startswith("_")}
    assert len(hooks) == 8
    assert {f"test_{name}" for name in hooks} <= set(globals())

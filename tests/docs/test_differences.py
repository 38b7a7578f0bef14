"""Differences from other servers that SPECS.md claims and no other test shows."""

import imaplib
import poplib

import pytest

from mailtrap import MailServer

MAIL = b"Subject: hello\r\n\r\nhello\r\n"


@pytest.fixture
def server():
    with MailServer(http_port=None, accounts=["bob@example.com:pw"]) as server:
        yield server


def test_reading_over_pop3_leaves_flags_alone(server):
    message = server.deliver(MAIL, recipients="bob@example.com")
    client = poplib.POP3(server.pop3.host, server.pop3.port, timeout=10)
    client.user("bob@example.com")
    client.pass_("pw")
    assert client.retr(1)[1] == [b"Subject: hello", b"", b"hello"]
    client.quit()
    (copy,) = message.copies
    assert copy.flags == frozenset()
    assert copy.uid == server.mailbox("bob@example.com").messages[0].uid


def test_a_failed_login_is_answered_without_a_delay(server, delays):
    with imaplib.IMAP4(server.imap.host, server.imap.port, timeout=10) as client:
        for _ in range(3):
            with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
                client.login("bob@example.com", "wrong")
    assert delays == []
    assert server.errors == []

"""One test for both: in the process, and on a server elsewhere that other runs share.

Addresses come from ``mailserver.address()``: on a shared server mail is told apart by its domain. In the process it
works the same, so the test does not know where it runs.
"""

import smtplib

from mailtrap import MailServer


def send_reset(host: str, port: int, to: str) -> None:
    """What the application does; in its own container, perhaps."""
    with smtplib.SMTP(host, port) as smtp:
        smtp.sendmail("app@example.com", [to], f"To: {to}\r\nSubject: Reset\r\n\r\nhttps://example.com/reset/1\r\n")


def test_reset(mailserver: MailServer) -> None:
    bob = mailserver.address("bob")

    send_reset(mailserver.smtp.host, mailserver.smtp.port, bob)

    message = mailserver.message(recipients=bob, subject="Reset")
    assert message.link().href == "https://example.com/reset/1"


def test_nobody_else_is_seen(mailserver: MailServer) -> None:
    assert mailserver.address("bob") != "bob@example.com"
    assert list(mailserver.messages) == []

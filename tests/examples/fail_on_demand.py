"""Failures at one exact command, so often, and then no more."""

import smtplib
from email.message import EmailMessage

import pytest

from mailtrap import MailServer

NOTE = EmailMessage()
NOTE["From"], NOTE["To"], NOTE["Subject"] = "app@example.com", "bob@example.com", "Note"


def send_with_retries(host: str, port: int, attempts: int = 3) -> int:
    """What the application does: how many attempts it needed. A 4xx is worth another one, a 5xx is not."""
    for attempt in range(1, attempts + 1):
        try:
            with smtplib.SMTP(host, port, timeout=5) as smtp:
                smtp.send_message(NOTE)
        except smtplib.SMTPRecipientsRefused as refused:
            if next(iter(refused.recipients.values()))[0] >= 500:
                raise
        except (smtplib.SMTPServerDisconnected, smtplib.SMTPDataError):
            pass
        else:
            return attempt
    raise TimeoutError("gave up")


def test_a_busy_mailbox(mailserver: MailServer) -> None:
    rule = mailserver.smtp.on("RCPT", recipient="bob@example.com").respond_with(450, "4.2.1 Mailbox busy", times=2)

    assert send_with_retries(mailserver.smtp.host, mailserver.smtp.port) == 3
    assert rule.hits == 2
    assert [refusal.reply for refusal in mailserver.refused] == ["450 4.2.1 Mailbox busy"] * 2


def test_no_such_user(mailserver: MailServer) -> None:
    mailserver.smtp.on("RCPT").respond_with(550, "5.1.1 No such user")

    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send_with_retries(mailserver.smtp.host, mailserver.smtp.port)
    mailserver.assert_no_message()


def test_the_connection_breaks_in_the_middle_of_a_mail(mailserver: MailServer) -> None:
    mailserver.smtp.on("DATA", nth=1).disconnect(after_bytes=20)

    assert send_with_retries(mailserver.smtp.host, mailserver.smtp.port) == 2
    mailserver.wait_for(exactly=1, subject="Note")


def test_a_mail_that_is_kept_although_the_client_hears_of_an_error(mailserver: MailServer) -> None:
    """The classic cause of mail that comes twice."""
    with mailserver.smtp.on("DATA", stage="reply", times=1).respond_with(451, "4.3.0 Try again"):
        assert send_with_retries(mailserver.smtp.host, mailserver.smtp.port) == 2
    mailserver.wait_for(exactly=2, subject="Note")

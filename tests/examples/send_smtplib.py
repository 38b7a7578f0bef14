"""An application that sends with smtplib, over STARTTLS, after a login."""

import os
import smtplib
import ssl
from email.message import EmailMessage

import pytest

from mailtrap import MailServer


def send_receipt(to: str, amount: str, context: ssl.SSLContext) -> None:
    """What the application does."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Shop <shop@example.com>", to, f"Receipt: {amount}"
    mail.set_content(f"You paid {amount}. Thank you!\n")
    with smtplib.SMTP(os.environ["SMTP_HOST"], int(os.environ["SMTP_PORT"])) as smtp:
        smtp.starttls(context=context)
        smtp.login("shop@example.com", "hunter2")
        smtp.send_message(mail)


@pytest.mark.mailtrap(starttls="required", require_auth=True)
def test_receipt(mailserver: MailServer, mailtrap_env: dict[str, str]) -> None:
    mailserver.add_account("shop@example.com", password="hunter2")

    send_receipt("bob@example.com", "$12.50", mailserver.ssl_context())

    message = mailserver.message(to="bob@example.com", subject="Receipt: $12.50")
    assert message.from_.name == "Shop"
    assert message.session.user == "shop@example.com"
    assert message.session.tls is not None
    assert mailtrap_env["SMTP_HOST"] == mailserver.smtp.host


@pytest.mark.mailtrap(starttls="required", require_auth=True)
def test_a_wrong_password(mailserver: MailServer, mailtrap_env: dict[str, str]) -> None:
    mailserver.add_account("shop@example.com", password="another")

    with pytest.raises(smtplib.SMTPAuthenticationError, match="535"):
        send_receipt("bob@example.com", "$12.50", mailserver.ssl_context())

    mailserver.assert_no_message()
    assert mailserver.refused[-1].stage == "AUTH"

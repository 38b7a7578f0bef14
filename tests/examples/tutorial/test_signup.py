import smtplib

import pytest
from signup import sign_up

from mailtrap import MailServer

pytestmark = pytest.mark.usefixtures("mailtrap_env")


def test_a_link_is_sent(mailserver: MailServer) -> None:
    token = sign_up("bob@example.com")

    message = mailserver.message(to="bob@example.com", subject="Confirm your address")
    assert message.link(text="Confirm").href.endswith(f"token={token}")
    assert message.mail_from == "bounces@example.com"
    assert message.lint() == []


def test_nobody_else_gets_mail(mailserver: MailServer) -> None:
    sign_up("eve@spam.example")

    mailserver.assert_no_message()


def test_an_address_that_does_not_exist(mailserver: MailServer) -> None:
    mailserver.smtp.on("RCPT", recipient="bob@example.com").respond_with(550, "5.1.1 No such user")

    with pytest.raises(smtplib.SMTPRecipientsRefused):
        sign_up("bob@example.com")

"""Waiting for the mail, and what can be asked of it."""

import re
import smtplib
import threading
from email.message import EmailMessage
from pathlib import Path

import pytest

from mailtrap import AmbiguousMessage, MailServer


def send(server: MailServer, mail: EmailMessage, *, bcc: str = "") -> None:
    with smtplib.SMTP(server.smtp.host, server.smtp.port) as smtp:
        smtp.send_message(mail, to_addrs=[mail["To"], *([bcc] if bcc else [])])


def receipt(to: str, number: int = 1) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Shop <shop@example.com>", to, f"Receipt no. {number}"
    mail["X-Run"] = "7"
    mail.set_content(f"Thank you! Your verification code is 731 902.\nhttps://shop.example.com/r/{number}\n")
    mail.add_attachment(b"%PDF-1.7", maintype="application", subtype="pdf", filename="receipt.pdf")
    return mail


def test_one(mailserver: MailServer) -> None:
    later = threading.Timer(0.1, send, [mailserver, receipt("bob@example.com")])
    later.start()  # somewhere else, some time later

    message = mailserver.message(to="bob@example.com", subject=re.compile(r"^Receipt no\. \d+$"))

    later.join()
    assert message.from_.name == "Shop"
    assert message.headers["x-run"] == "7"


def test_exactly_three(mailserver: MailServer) -> None:
    for number in (1, 2, 3):
        send(mailserver, receipt("bob@example.com", number))

    messages = mailserver.wait_for(exactly=3, from_="shop@example.com", header={"X-Run": "7"})
    assert [message.subject for message in messages] == ["Receipt no. 1", "Receipt no. 2", "Receipt no. 3"]
    with pytest.raises(AmbiguousMessage):
        mailserver.message(to="bob@example.com")  # one of three: which?
    assert mailserver.latest(to="bob@example.com").subject == "Receipt no. 3"


def test_what_an_action_sends(mailserver: MailServer) -> None:
    send(mailserver, receipt("bob@example.com", 1))
    with mailserver.expect_message(to="bob@example.com") as info:  # only what comes from here on
        send(mailserver, receipt("bob@example.com", 2))
    assert info.value.subject == "Receipt no. 2"


def test_blind_copies(mailserver: MailServer) -> None:
    send(mailserver, receipt("bob@example.com"), bcc="audit@example.com")

    message = mailserver.message(recipients="audit@example.com")
    assert message.to == ["bob@example.com"]
    assert message.bcc == ["audit@example.com"]
    mailserver.assert_no_message(to="audit@example.com")


def test_what_is_in_it(mailserver: MailServer, tmp_path: Path) -> None:
    send(mailserver, receipt("bob@example.com"))

    message = mailserver.message(to="bob@example.com")
    assert message.code() == "731902"
    assert message.link().href == "https://shop.example.com/r/1"
    pdf = message.attachment(filename="receipt.pdf")
    assert (pdf.content_type, pdf.size) == ("application/pdf", 8)
    assert pdf.save(tmp_path / "receipt.pdf").read_bytes() == b"%PDF-1.7"


def test_a_snapshot(mailserver: MailServer) -> None:
    send(mailserver, receipt("bob@example.com"))
    send(mailserver, receipt("bob@example.com"))

    first, second = mailserver.wait_for(exactly=2)
    assert first.raw != second.raw  # boundaries differ
    assert first.snapshot() == second.snapshot()  # stable text: compare it, or give it to syrupy

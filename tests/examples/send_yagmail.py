"""A script that sends with yagmail: a login, TLS from the first octet, HTML and an attachment."""

from pathlib import Path

import pytest
import yagmail

from mailtrap import MailServer


def send_report(host: str, port: int, attachment: Path) -> None:
    """What the script does."""
    with yagmail.SMTP("robot@example.com", "secret", host=host, port=port) as sender:
        sender.send("boss@example.com", "Report", ["<h1>All is well</h1>", str(attachment)])


def test_report(mailserver: MailServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mailserver.add_account("robot@example.com", password="secret")
    ca = tmp_path / "ca.pem"
    ca.write_text(mailserver.ca_pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))  # what Python's TLS trusts
    report = tmp_path / "report.txt"
    report.write_text("42\n")

    send_report("localhost", mailserver.smtps.port, report)

    message = mailserver.message(to="boss@example.com", subject="Report")
    assert message.html is not None
    assert "All is well" in message.html
    assert message.attachment(filename="report.txt").content.strip() == b"42"
    assert message.session.user == "robot@example.com"

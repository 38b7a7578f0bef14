"""The Python code of the README does what stands there. Each fragment runs as it stands, in a setting of its own."""

import imaplib
import re
import smtplib
import threading
from collections.abc import Callable
from email.message import EmailMessage
from urllib.parse import urlsplit

import pytest

from mailtrap import MailtrapError

from .conftest import ALONE, document

BLOCKS = document("README.md").blocks("python")


def fragment(beginning: str) -> Callable[[dict], None]:
    """The one fragment that begins so, to be run with these names."""
    (code,) = [block for block in BLOCKS if block.startswith(beginning)]
    return lambda names: exec(compile(code, "README.md", "exec"), names)


def mail(to: str, subject: str, sender: str = "app@example.com") -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = sender, to, subject
    made.set_content(f"About {subject}\n")
    return made


def send(server, *mails: EmailMessage) -> None:
    with smtplib.SMTP(server.smtp.host, server.smtp.port, timeout=10) as smtp:
        for each in mails:
            smtp.send_message(each)


def test_every_fragment_is_run_here():
    assert [block.partition("\n")[0] for block in BLOCKS] == [
        "import smtplib",
        'mailserver.message(to="bob@example.com", subject=re.compile("^Welcome"), timeout=2)   # exactly one',
        "from pytest_mailtrap import expect",
        'mailserver.smtp.on("RCPT", recipient="bob@example.com").respond_with(450, "4.2.1 Mailbox busy", times=2)',
        "from mailtrap import MailServer",
    ]


def test_the_test_of_ten_lines(pytester):
    code = BLOCKS[0]
    assert len([line for line in code.splitlines() if line.strip()]) == 10
    pytester.makepyfile(test_it=code)
    pytester.runpytest_inprocess(*ALONE, "-W", "error").assert_outcomes(passed=1)


def test_waiting(mailserver, tmp_path):
    def run_nightly_job():
        report = mail("ops@example.com", "Nightly", sender="job@example.com")
        report.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="report.pdf")
        send(mailserver, report)

    welcome = mail("bob@example.com", "Welcome, Bob")
    sender = threading.Thread(target=send, args=(mailserver, mail("a@x", "1"), mail("b@x", "2"), welcome))
    sender.start()
    try:
        fragment("mailserver.message(")(
            {"mailserver": mailserver, "re": re, "run_nightly_job": run_nightly_job, "tmp_path": tmp_path}
        )
    finally:
        sender.join()
    assert (tmp_path / "report.pdf").read_bytes() == b"%PDF"


def test_a_program_that_reads_mail(mailserver):
    class Importer:
        def __init__(self):
            self.read = []

        def run(self, imap_url):
            url = urlsplit(imap_url)
            assert url.scheme == "imap"
            with imaplib.IMAP4(url.hostname, url.port, timeout=10) as client:
                client.login("support@example.com", "pw")
                client.select()
                self.read.append(client.fetch("1", "(RFC822)")[1][0][1])

    importer = Importer()
    names = {"mailserver": mailserver, "mail": mail("support@example.com", "Help"), "importer": importer}
    fragment("from pytest_mailtrap import expect")(names)
    assert importer.read == [names["message"].raw]
    assert names["account"].password == "pw"


def test_failures_on_demand(mailserver, delays):
    fragment("mailserver.smtp.on(")({"mailserver": mailserver})

    with smtplib.SMTP(mailserver.smtp.host, mailserver.smtp.port, timeout=10) as smtp:
        smtp.ehlo()
        smtp.mail("app@example.com")
        assert [smtp.rcpt("bob@example.com")[0] for _ in range(3)] == [450, 450, 250]
    with pytest.raises(smtplib.SMTPServerDisconnected):
        send(mailserver, mail("carol@example.com", "x" * 500))
    assert not mailserver.messages

    mailserver.deliver(mail("bob@example.com", "Hello"), recipients="bob@example.com")
    with imaplib.IMAP4(mailserver.imap.host, mailserver.imap.port, timeout=10) as client:
        client.login("bob@example.com", "pw")
        client.select()
        assert delays == []
        assert client.fetch("1", "(UID)") == ("OK", [b"1 (UID 1)"])
    assert delays == [1.5]


def test_without_pytest():
    names = {}
    fragment("from mailtrap import MailServer")(names)
    assert names["server"].settings["routing"] == "strict"
    assert [str(account.address) for account in names["server"].accounts] == ["bob@example.com"]
    with pytest.raises(MailtrapError, match="does not run"):
        _ = names["server"].smtp.port

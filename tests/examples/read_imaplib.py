"""A ticket importer that reads with imaplib: unseen mail is a ticket, and is filed then."""

import email
import imaplib
from email.message import EmailMessage

import pytest

from mailtrap import MailServer
from pytest_mailtrap import expect


def import_tickets(host: str, port: int) -> list[str]:
    """What the application does: the subjects of the tickets."""
    subjects = []
    with imaplib.IMAP4(host, port) as imap:
        imap.login("support@example.com", "pw")
        imap.create("Processed")
        imap.select("INBOX")
        _, (found,) = imap.uid("SEARCH", "UNSEEN")
        for uid in found.decode().split():
            _, data = imap.uid("FETCH", uid, "(RFC822)")  # sets \Seen
            subjects.append(str(email.message_from_bytes(data[0][1])["Subject"]))
            imap.uid("COPY", uid, "Processed")
            imap.uid("STORE", uid, "+FLAGS", r"(\Deleted)")
        imap.expunge()
    return subjects


def ticket(subject: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "eve@example.com", "support@example.com", subject
    mail.set_content("Please help.\n")
    return mail


def test_tickets_are_filed(mailserver: MailServer) -> None:
    account = mailserver.add_account("support@example.com", password="pw")
    message = mailserver.deliver(ticket("It is broken"), recipients="support@example.com")
    mailserver.deliver(ticket("Seen before"), recipients="support@example.com", flags=["\\Seen"])

    assert import_tickets(mailserver.imap.host, mailserver.imap.port) == ["It is broken"]

    expect(message).to_be_in("Processed")
    expect(message).to_have_flag("\\Seen")
    assert [copy.subject for copy in account.mailbox().messages] == ["Seen before"]


def test_the_connection_breaks_while_it_files(mailserver: MailServer) -> None:
    mailserver.add_account("support@example.com", password="pw")
    message = mailserver.deliver(ticket("It is broken"), recipients="support@example.com")

    with (
        mailserver.imap.on("COPY").disconnect(),
        pytest.raises((imaplib.IMAP4.abort, OSError)),
    ):
        import_tickets(mailserver.imap.host, mailserver.imap.port)

    expect(message).to_be_in("INBOX")  # nothing is lost

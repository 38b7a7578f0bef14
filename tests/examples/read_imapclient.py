"""A program that waits for mail with IMAPClient's IDLE."""

import threading
from email.message import EmailMessage

from imapclient import IMAPClient

from mailtrap import MailServer
from pytest_mailtrap import expect


def flag_the_next(host: str, port: int) -> None:
    """What the application does: wait for a mail, and flag it."""
    with IMAPClient(host, port, ssl=False) as client:
        client.login("ann@example.com", "pw")
        client.select_folder("INBOX")
        while not (found := client.search("UNFLAGGED")):
            client.idle()
            client.idle_check(timeout=1)  # IMAPClient overlooks what comes in one packet with the answer to IDLE
            client.idle_done()
        client.add_flags(found, [b"\\Flagged"])


def test_idle(mailserver: MailServer) -> None:
    mailserver.add_account("ann@example.com", password="pw")
    program = threading.Thread(target=flag_the_next, args=(mailserver.imap.host, mailserver.imap.port))
    program.start()
    mailserver.wait_for_command("IDLE", user="ann@example.com")  # now it listens

    mail = EmailMessage()
    mail["From"], mail["Subject"] = "bob@example.com", "Hello"
    message = mailserver.deliver(mail, recipients="ann@example.com")

    expect(message).to_have_flag("\\Flagged")
    program.join()

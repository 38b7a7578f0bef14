"""A program that tidies up with imap-tools; another device changes the mailbox in the meantime."""

from email.message import EmailMessage

import pytest
from imap_tools import AND, MailBoxUnencrypted

from mailtrap import Copy, Mailbox, MailServer
from pytest_mailtrap import expect


def archive_newsletters(host: str, port: int) -> int:
    """What the application does: how many it moved."""
    with MailBoxUnencrypted(host, port).login("ann@example.com", "pw") as mailbox:
        if not mailbox.folder.exists("Archive"):
            mailbox.folder.create("Archive")
        uids = mailbox.uids(AND(from_="news@example.com"))
        mailbox.move(uids, "Archive")
        return len(uids)


def fill(inbox: Mailbox) -> list[Copy]:
    copies = []
    for sender in ("news@example.com", "bob@example.com", "news@example.com"):
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = sender, "ann@example.com", f"From {sender}"
        copies.append(inbox.append(mail))
    return copies


def test_newsletters_are_archived(mailserver: MailServer) -> None:
    inbox = mailserver.add_account("ann@example.com", password="pw").mailbox()
    copies = fill(inbox)
    inbox.expunge(copies[2])  # another device was faster

    assert archive_newsletters(mailserver.imap.host, mailserver.imap.port) == 1

    expect(copies[0].message).to_be_in("Archive")
    assert [copy.from_ for copy in inbox.messages] == ["bob@example.com"]
    assert "MOVE" in verbs(mailserver)


@pytest.mark.mailtrap(imap_capabilities={"-MOVE", "-UIDPLUS"})
def test_a_server_without_move(mailserver: MailServer) -> None:
    copies = fill(mailserver.add_account("ann@example.com", password="pw").mailbox())

    assert archive_newsletters(mailserver.imap.host, mailserver.imap.port) == 2

    expect(copies[0].message).to_be_in("Archive")
    assert {"COPY", "STORE", "EXPUNGE"} <= verbs(mailserver)


def verbs(mailserver: MailServer) -> set[str]:
    """The commands of the one session there was."""
    (session,) = mailserver.sessions
    return {command.verb for command in session.commands}

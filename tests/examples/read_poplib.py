"""A bounce processor that empties a mailbox over POP3."""

import poplib
import re
from pathlib import Path

import pytest

from mailtrap import MailServer

BOUNCE = b"""\
From: MAILER-DAEMON@mx.example.com\r
To: bounces@example.com\r
Subject: Undelivered Mail\r
\r
<gone@example.com>: host mx.example.com said: 550 5.1.1 No such user\r
"""


def collect_bounces(host: str, port: int) -> list[str]:
    """What the application does: the addresses that bounced. Mail that was read is deleted, at QUIT."""
    bounced = []
    pop = poplib.POP3(host, port)
    pop.user("bounces@example.com")
    pop.pass_("pw")
    for number in range(1, pop.stat()[0] + 1):
        text = b"\n".join(pop.retr(number)[1]).decode()
        bounced += re.findall(r"^<(.*?)>.* 550 ", text, re.MULTILINE)
        pop.dele(number)
    pop.quit()
    return bounced


def test_bounces_are_collected_and_removed(mailserver: MailServer) -> None:
    inbox = mailserver.add_account("bounces@example.com", password="pw").mailbox()
    inbox.append(BOUNCE)

    assert collect_bounces(mailserver.pop3.host, mailserver.pop3.port) == ["gone@example.com"]
    assert list(inbox.messages) == []


def test_a_broken_connection_deletes_nothing(mailserver: MailServer, tmp_path: Path) -> None:
    (tmp_path / "bounce.eml").write_bytes(BOUNCE)
    mailboxes = {"INBOX": [tmp_path / "bounce.eml"]}
    mailserver.seed({"bounces@example.com": {"password": "pw", "mailboxes": mailboxes}})

    with mailserver.pop3.on("QUIT").disconnect(), pytest.raises((poplib.error_proto, OSError)):
        collect_bounces(mailserver.pop3.host, mailserver.pop3.port)

    assert len(mailserver.mailbox("bounces@example.com").messages) == 1

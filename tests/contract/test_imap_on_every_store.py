"""What IMAP asks of a store beyond mail, over real connections: rights, quotas, annotations, NOTIFY, REPLACE."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailtrap import MailServer

MAIL = b"From: a@example.com\r\nTo: bob@example.com\r\nSubject: Hello\r\n\r\nHow are you?\r\n"
BOB, EVE = "bob@example.com", "eve@example.com"


class Client:
    """An IMAP client that keeps what comes."""

    def __init__(self, server: MailServer, user: str) -> None:
        self.sock = socket.create_connection((server.imap.host, server.imap.port), timeout=30)
        self.file = self.sock.makefile("rb")
        self.file.readline()
        self.tags = 0
        self.ok(f"LOGIN {user} pw")

    def line(self) -> str:
        line = self.file.readline()
        assert line, "the connection ended"
        return line.decode().rstrip("\r\n")

    def say(self, command: str) -> tuple[list[str], str]:
        """Untagged lines, and the tagged one without its tag."""
        self.tags += 1
        self.sock.sendall(f"t{self.tags} {command}\r\n".encode())
        lines = []
        while not (line := self.line()).startswith(f"t{self.tags} "):
            lines.append(line)
        return lines, line.partition(" ")[2]

    def ok(self, command: str) -> list[str]:
        lines, tagged = self.say(command)
        assert tagged.startswith("OK"), (command, lines, tagged)
        return lines


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MailServer]:
    store = "memory"
    if request.param == "sqlite":
        store = f"sqlite:///{tmp_path / 'mail.db'}"
    elif request.param == "postgres":
        store = request.getfixturevalue("database")
    with MailServer(store=store, http_port=None, smtp_port=None, pop3_port=None, lmtp_port=None) as server:
        server.add_account(BOB)
        server.add_account(EVE)
        yield server


@pytest.fixture
def clients(server: MailServer) -> Iterator[tuple[Client, Client]]:
    both = Client(server, BOB), Client(server, EVE)
    yield both
    for client in both:
        client.file.close()
        client.sock.close()
    assert server.errors == []


def test_a_shared_mailbox(server: MailServer, clients: tuple[Client, Client]) -> None:
    bob, eve = clients
    server.deliver(MAIL, recipients=BOB)
    bob.ok(f"SETACL INBOX {EVE} lrs")
    assert any(line.endswith(f'"user/{BOB}/INBOX"') for line in eve.ok('LIST "" "user/*"'))
    eve.ok(f"SELECT user/{BOB}/INBOX")
    eve.ok("STORE 1 +FLAGS \\Seen")
    assert eve.say("STORE 1 +FLAGS \\Deleted")[1].startswith("NO [NOPERM]")
    assert server.mailbox(BOB).messages[0].flags == {"\\Seen"}
    bob.ok(f"DELETEACL INBOX {EVE}")
    assert eve.say("FETCH 1 FLAGS")[1].startswith("NO [NONEXISTENT]")


def test_quotas_and_annotations(server: MailServer, clients: tuple[Client, Client]) -> None:
    bob, eve = clients
    server.add_account(BOB, quota=4096)
    server.deliver(MAIL, recipients=BOB)
    assert bob.ok("GETQUOTAROOT INBOX") == [f"* QUOTAROOT INBOX {BOB}", f"* QUOTA {BOB} (STORAGE 1 4)"]
    assert bob.say("APPEND INBOX {4000+}\r\n" + "x" * 4000 + "\r\n")[1].startswith("OK")
    assert bob.say("APPEND INBOX {100+}\r\n" + "x" * 100 + "\r\n")[1].startswith("NO [OVERQUOTA]")
    bob.ok('SETMETADATA "" (/shared/comment "ours" /private/comment "mine")')
    assert eve.ok('GETMETADATA (DEPTH infinity) "" (/shared/comment /private/comment)') == [
        '* METADATA "" (/shared/comment "ours")'
    ]


def test_replace_is_seen_as_one_change(server: MailServer, clients: tuple[Client, Client]) -> None:
    bob = clients[0]
    for _ in range(2):
        server.deliver(MAIL, recipients=BOB)
    bob.ok("SELECT INBOX")
    lines = bob.ok('REPLACE 1 INBOX CATENATE (URL ";UID=2/;SECTION=TEXT" TEXT {4+}\r\n Yes)')
    assert "* 1 EXPUNGE" in lines
    assert server.mailbox(BOB).messages[-1].raw == b"How are you?\r\n Yes"


def test_what_grows_old_leaves_an_updated_search(server: MailServer, clients: tuple[Client, Client]) -> None:
    bob = clients[0]
    server.deliver(MAIL, recipients=BOB)
    bob.ok("SELECT INBOX")
    assert bob.ok("UID SEARCH RETURN (UPDATE ALL) YOUNGER 2") == ['* ESEARCH (TAG "t3") UID ALL 1']
    bob.sock.sendall(b"i IDLE\r\n")
    assert bob.line() == "+ idling"
    assert bob.line() == '* ESEARCH (TAG "t3") UID REMOVEFROM (0 1)'
    bob.sock.sendall(b"DONE\r\n")
    assert bob.line().startswith("i OK")


def test_notify_without_a_command(server: MailServer, clients: tuple[Client, Client]) -> None:
    bob, eve = clients
    eve.ok("CREATE Work")
    eve.ok("SELECT INBOX")
    events = "(MailboxName SubscriptionChange MailboxMetadataChange MessageNew MessageExpunge FlagChange)"
    eve.ok(f"NOTIFY SET (selected (MessageNew (UID) MessageExpunge)) (personal {events}) (subtree user {events})")
    server.deliver(MAIL, recipients=EVE)
    assert [eve.line() for _ in range(3)] == ["* 1 EXISTS", "* 1 RECENT", "* 1 FETCH (UID 1)"]
    server.deliver(MAIL, recipients=EVE, mailbox="Work")
    assert eve.line().startswith("* STATUS Work (MESSAGES 1 UIDNEXT 2 ")
    server.account(EVE).create("Made")
    assert eve.line() == '* LIST (\\HasNoChildren) "/" Made'
    assert eve.line() == '* LIST (\\HasNoChildren \\Subscribed) "/" Made'
    bob.ok(f"SETACL INBOX {EVE} lr")
    assert eve.line() == f'* LIST (\\HasNoChildren) "/" "user/{BOB}/INBOX"'
    bob.ok('SETMETADATA INBOX (/shared/comment "x")')
    assert eve.line() == f'* METADATA "user/{BOB}/INBOX" /shared/comment'
    server.deliver(MAIL, recipients=BOB)
    assert eve.line().startswith(f'* STATUS "user/{BOB}/INBOX" (MESSAGES 1 ')

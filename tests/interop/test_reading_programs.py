"""What the author of a program that reads mail switches and asserts: a small program, in all the ways it may go."""

import threading
from contextlib import contextmanager
from typing import Self

import pytest
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError

from mailtrap import MailServer

BOB = "bob@example.com"


class Program:
    """Files unread mail away, as well as the server allows; what a user of this package might have written."""

    def __init__(self, server: MailServer) -> None:
        self.client = IMAPClient(server.imap.host, server.imap.port, ssl=False)
        self.client.login(BOB, "pw")
        self.offered = {name.decode() for name in self.client.capabilities()}
        self.client.select_folder("INBOX")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.shutdown()

    def file_away(self) -> list[int]:
        unread = self.client.search(["UNSEEN"])
        found = self.client.fetch(unread, ["FLAGS", "BODY.PEEK[]"]) if unread else {}
        there = [uid for uid in unread if b"BODY[]" in found.get(uid, {})]
        if there and "MOVE" in self.offered:
            self.client.move(there, "Archive")
        elif there:
            self.client.copy(there, "Archive")
            self.client.add_flags(there, ["\\Deleted"])
            self.client.expunge()
        return there

    def wait(self, timeout: float) -> bool:
        """Whether there is something new."""
        if "IDLE" not in self.offered:
            return any(b"EXISTS" in line for line in self.client.noop()[1])
        self.client.idle()
        told = self.client.idle_check(timeout)
        self.client.idle_done()
        return any(b"EXISTS" in line for line in told)


@contextmanager
def mailserver(**settings):
    with MailServer(**settings) as server:
        server.add_account(BOB, "pw").create("Archive")
        for subject in ("one", "two"):
            server.deliver(f"Subject: {subject}\r\n\r\nx".encode(), recipients=BOB)
        yield server
        assert server.errors == []


@pytest.fixture
def server():
    with mailserver() as server:
        yield server


def verbs(server):
    (session,) = [session for session in server.sessions if session.protocol == "imap"]
    return [command.verb for command in session.commands]


def test_it_used_move_and_not_copy_and_store(server):
    with Program(server) as program:
        assert program.file_away() == [1, 2]
    used = verbs(server)
    assert "MOVE" in used
    assert not {"COPY", "STORE", "EXPUNGE"} & set(used)
    (moved,) = [command for command in server.sessions[-1].commands if command.verb == "MOVE"]
    assert moved.line.endswith(' UID MOVE 1,2 "Archive"')
    assert "COPYUID" in moved.reply
    assert [copy.subject for copy in server.mailbox(BOB, "Archive").messages] == ["one", "two"]


def test_without_move_it_falls_back():
    with mailserver(imap_capabilities={"-MOVE"}) as server, Program(server) as program:
        assert program.file_away() == [1, 2]
        used = verbs(server)
        assert "MOVE" not in used
        assert [verb for verb in used if verb in ("COPY", "STORE", "EXPUNGE")] == ["COPY", "STORE", "EXPUNGE"]
        assert len(server.mailbox(BOB, "Archive").messages) == 2


@pytest.mark.parametrize("idle", [True, False])
def test_it_is_woken_with_idle_and_asks_without(idle):
    with mailserver(imap_capabilities=set() if idle else {"-IDLE"}) as server, Program(server) as program:

        def deliver():
            if idle:
                server.wait_for_command("IDLE", user=BOB)
            server.deliver(b"Subject: new\r\n\r\n", recipients=BOB)

        sender = threading.Thread(target=deliver)
        sender.start()
        if not idle:
            sender.join()
        assert program.wait(10)
        sender.join()
        assert ("IDLE" in verbs(server)) is idle


def test_capabilities_are_those_that_the_test_asked_for():
    off = {"-IDLE", "-MOVE", "-QRESYNC", "-CONDSTORE", "-UIDPLUS", "-SPECIAL-USE"}
    with mailserver(imap_capabilities=off) as server, Program(server) as program:
        assert not program.offered & {name[1:] for name in off}
        with pytest.raises(IMAPClientError, match="Unknown command"):
            program.client._raw_command_untagged(b"MOVE", [b"1", b"Archive"])
        server.configure(imap_capabilities=set())
        with Program(server) as another:
            assert {name[1:] for name in off} <= another.offered


def test_another_device_expunges_between_two_of_its_commands(server):
    box = server.mailbox(BOB)
    box.set_flags(box.messages[0], ["\\Deleted"])
    with server.imap.on("FETCH", times=1).run(lambda: box.expunge()) as rule, Program(server) as program:
        assert program.file_away() == [2], "what was found and is gone must not stop it"
        assert rule.hits == 1
    assert [copy.subject for copy in server.mailbox(BOB, "Archive").messages] == ["two"]


def test_another_device_reads_delivers_and_renames_between_two_commands(server):
    box = server.mailbox(BOB)

    def happen():
        box.set_flags(box.messages[1], ["\\Seen"])
        server.deliver(b"Subject: three\r\n\r\n", recipients=BOB)
        server.mailbox(BOB, "Archive").rename("Old")

    with Program(server) as program:
        server.imap.on("MOVE", times=1).run(happen)
        with pytest.raises(IMAPClientError, match="TRYCREATE"):
            program.file_away()
        program.client.create_folder("Archive")
        assert program.file_away() == [1, 3]
    assert [copy.subject for copy in server.mailbox(BOB, "Archive").messages] == ["one", "three"]


def test_the_session_says_who_and_how(server):
    with Program(server) as program:
        program.client.noop()
        session = server.sessions[-1]
        assert (session.protocol, session.user, session.open) == ("imap", BOB, True)
        login = next(command for command in session.commands if command.verb == "LOGIN")
        assert "pw" not in login.line
        assert login.reply.endswith("Logged in")
        session.disconnect()
        with pytest.raises((IMAPClientError, OSError)):
            program.client.noop()

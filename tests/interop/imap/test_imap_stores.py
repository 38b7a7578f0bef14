"""The same conversation over every store: the answers differ in nothing but numbers that each store gives."""

import re

import pytest

from mailtrap import MailServer

from .conftest import Server

COMMANDS = (
    "ENABLE QRESYNC", "SELECT Box", "SORT (SUBJECT) UTF-8 ALL", "UID SORT RETURN (ALL COUNT) (REVERSE DATE) UTF-8 ALL",
    "THREAD REFERENCES UTF-8 ALL", "UID THREAD REFS UTF-8 ALL", "SEARCH FUZZY SUBJECT lnch",
    "SEARCH CHARSET UTF-8 SUBJECT LUNCH", "SEARCH RETURN (PARTIAL -1:-2) ALL", "UID FETCH 1:* (FLAGS) (PARTIAL 1:2)",
    "ESEARCH IN (personal) RETURN (COUNT) ALL", "UID SEARCH RETURN (UPDATE COUNT) UNSEEN",
    "UID SORT RETURN (UPDATE COUNT) (SUBJECT) UTF-8 UNSEEN", "STORE 2 +FLAGS (\\Seen)", "STORE 2 -FLAGS (\\Seen)",
    "FETCH 1:* (X-GM-LABELS)", "STORE 1 +X-GM-LABELS (work)", 'SEARCH X-GM-RAW "mailbox:work"', "UID MOVE 3 work",
    "EXPUNGE", "FETCH 1:* (ENVELOPE BODYSTRUCTURE THREADID)", "CLOSE", "STATUS work (MESSAGES UIDNEXT)",
)  # fmt: skip


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    """Where another store is than memory."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/mail.db"
    else:
        server = request.getfixturevalue("postgres")
        name = server.take()
        yield server.url(name)
        server.free.append(name)


def test_as_in_memory(url, letter):
    said = []
    for store in ("memory", url):
        with MailServer(store=store, imap_capabilities={"+X-GM-EXT-1"}) as server:
            address = Server(store, server.imap.port, server.lmtp.port, "bob@example.com", "pw")
            with address.watcher() as watcher:
                watcher.make("Box")
                for day, subject in enumerate(("Lunch", "Re: Lunch", "Dinner", "Re: lunch (fwd)"), 1):
                    date = f'" {day}-Mar-2026 00:00:00 +0000"'
                    watcher.ok(watcher.append("Box", None, date, letter(subject).encode()))
                said.append([converse(watcher, command) for command in COMMANDS])
            assert server.errors == []
    for command, *answers in zip(COMMANDS, *said, strict=True):
        assert answers[0] == answers[1], command


def converse(watcher, command):
    """Everything that is answered, without tags, dates and what counts the store's life."""
    tag = watcher._new_tag()
    watcher.send(b"%b %b\r\n" % (tag, command.encode()))
    answer = b""
    while not (line := watcher.readline()).startswith(tag + b" "):
        answer += line
    answer += line
    answer = answer.replace(watcher.tagpre, b"tag")
    answer = re.sub(rb"(UIDVALIDITY|HIGHESTMODSEQ|COPYUID|MODSEQ) \(?\d+\)?", rb"\1 n", answer)
    return re.sub(rb"(MAILBOXID|THREADID) \(\w+\)", rb"\1 n", answer)

"""ImapFlow, of Node: filing and flags, IDLE, what changed while it was away, many messages."""

import json
import subprocess
from pathlib import Path

import pytest

from .conftest import MANY

VERSION = "imapflow@1.7"
PROGRAM = Path(__file__).with_name("imapflow.cjs")


class Flow:
    """A client that does one step after the other."""

    def __init__(self, process, options):
        self._process = process
        self._tell(options)
        self.capabilities = self._hear()

    def _tell(self, value):
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()

    def _hear(self):
        line = self._process.stdout.readline()
        assert line, self._process.stderr.read()
        return json.loads(line)

    def __getattr__(self, name):
        def step(*words):
            self._tell([name, *words])
            return self._hear()

        return step


@pytest.fixture
def imapflow(server, client, npm):
    """Makes clients."""
    command = [client("node"), PROGRAM, npm(VERSION)]
    running = []

    def imapflow(**options):
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        running.append(process)
        auth = {"user": server.user, "pass": server.password}
        return Flow(process, {"host": "127.0.0.1", "port": server.imap, "secure": False, "auth": auth, **options})

    yield imapflow
    for process in running:
        _, said = process.communicate(timeout=20)  # the end of its input ends it
        assert process.returncode == 0, said


def subjects(flow, **query):
    return [message["envelope"]["subject"] for message in flow.fetchAll("1:*", {"envelope": True, **query})]


def test_files_and_flags(server, imapflow, watcher, letter):
    server.deliver(letter("one"), letter("two", body="Grüße"), letter("three"))
    flow = imapflow()
    assert flow.mailboxCreate("Büro/2026")["path"] == "Büro/2026"
    assert flow.mailboxOpen("INBOX")["exists"] == 3
    assert subjects(flow) == ["one", "two", "three"]
    assert flow.search({"subject": "two"}, {"uid": True}) == [2]
    assert flow.messageFlagsAdd("2", [r"\Flagged", "$Todo"], {"uid": True}) is True
    moved = flow.messageMove("1:2", "Büro/2026", {"uid": True})
    assert moved["uidMap"] == {"1": 1, "2": 2}
    assert flow.messageFlagsSet("1", [r"\Seen"]) is True
    assert flow.messageCopy("1", "Büro/2026")["uidMap"] == {"3": 3}
    assert flow.messageDelete("1") is True
    assert flow.append("Büro/2026", letter("four"), [r"\Seen"])["uid"] == 4
    assert flow.status("Büro/2026", {"messages": True, "unseen": True})["unseen"] == 2
    flow.mailboxOpen("Büro/2026")
    (message,) = flow.fetchAll(
        "2", {"uid": True, "source": True, "bodyStructure": True, "threadId": True}, {"uid": True}
    )
    assert message["source"].endswith(letter("two", body="Grüße"))
    assert message["bodyStructure"]["type"] == "text/plain"
    assert flow.mailboxRename("Büro/2026", "Büro/Alt")["newPath"] == "Büro/Alt"
    assert {box["path"] for box in flow.list()} == {"INBOX", "Büro", "Büro/Alt"}
    assert watcher.found("B&APw-ro/Alt") == {
        "one": set(), "two": {r"\Flagged", "$Todo"}, "three": {r"\Seen"}, "four": {r"\Seen"},
    }  # fmt: skip
    assert watcher.found("INBOX") == {}


def test_is_woken(server, imapflow, watcher, letter):
    server.deliver(letter("first"))
    flow = imapflow()
    flow.mailboxOpen("INBOX")
    flow.idle()
    server.deliver(letter("news"))
    assert [(one["count"], one["prevCount"]) for one in flow.heard("exists")] == [(2, 1)]
    flow.idle()
    watcher.change("INBOX", "news", ("STORE", "+FLAGS", r"(\Flagged)"))
    (told,) = [one for one in flow.heard("flags") if r"\Flagged" in one["flags"]]
    assert told["seq"] == 2
    flow.idle()
    watcher.remove("INBOX", "first")
    assert flow.heard("expunge")[-1]["seq"] == 1
    assert subjects(flow) == ["news"]


def test_resynchronizes(server, imapflow, watcher, letter):
    """With QRESYNC: one SELECT tells what came, changed and went while it was away."""
    server.deliver(*(letter(f"m{number}") for number in range(1, 7)))
    flow = imapflow(qresync=True)
    box = flow.mailboxOpen("INBOX")
    assert "QRESYNC" in flow.enabled()
    flow.mailboxClose()
    watcher.remove("INBOX", "m2")
    watcher.remove("INBOX", "m5")
    watcher.change("INBOX", "m3", ("STORE", "+FLAGS", r"(\Seen)"))
    server.deliver(letter("m7"))
    told = flow.resync("INBOX", box["highestModseq"], box["uidValidity"])
    assert (told["opened"]["qresync"], told["opened"]["exists"]) == (True, 5)
    assert [one["uid"] for one in told["heard"] if one["event"] == "expunge"] == [2, 5]
    assert [(one["uid"], r"\Seen" in one["flags"]) for one in told["heard"] if one["event"] == "flags"] == [
        (3, True), (7, False),
    ]  # fmt: skip


def test_many_messages(imapflow, watcher, many):
    flow = imapflow()
    flow.mailboxOpen(many)
    found = flow.fetchAll("1:*", {"envelope": True, "flags": True, "size": True, "bodyStructure": True})
    assert [message["envelope"]["subject"] for message in found] == [str(number) for number in range(1, MANY + 1)]
    flagged = flow.search({"flagged": True}, {"uid": True})
    assert len(flagged) == MANY // 10
    flow.mailboxCreate("Flagged")
    assert len(flow.messageMove(flagged, "Flagged", {"uid": True})["uidMap"]) == MANY // 10
    assert len(watcher.subjects("Flagged")) == MANY // 10

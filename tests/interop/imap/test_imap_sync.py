"""mbsync (isync) and OfflineIMAP: a mailbox and a Maildir become alike, whatever was done to either, and stay so."""

import re

import pytest

from .conftest import MANY

MARKS = {"D": r"\Draft", "F": r"\Flagged", "R": r"\Answered", "S": r"\Seen", "T": r"\Deleted"}
_SUBJECT = re.compile(rb"^Subject: (.*?)\r?$", re.MULTILINE)


class Maildir:
    """The near side: one folder per mailbox, one file per message, flags in its name."""

    def __init__(self, path):
        self.path = path
        path.mkdir()

    def files(self, box):
        """Subject to file."""
        paths = [path for part in ("cur", "new") for path in sorted((self.path / box / part).glob("*"))]
        found = {_SUBJECT.search(path.read_bytes()).group(1).decode(): path for path in paths}
        assert len(found) == len(paths), "a message is there twice"
        return found

    def found(self, box):
        """Subject to flags."""
        return {
            subject: {MARKS[mark] for mark in path.name.partition(":2,")[2]}
            for subject, path in self.files(box).items()
        }

    def make(self, box):
        for part in ("cur", "new", "tmp"):
            (self.path / box / part).mkdir(parents=True)

    def put(self, box, mail, marks=""):
        """Add a message."""
        number = len(list(self.path.glob("**/*")))
        file = self.path / box / "cur" / f"1770000000.{number}_1.here:2,{marks}"
        file.write_text(mail.replace("\r\n", "\n"))

    def mark(self, box, subject, marks):
        """Set the flags of a message."""
        file = self.files(box)[subject]
        file.rename(self.path / box / "cur" / f"{file.name.partition(':2,')[0]}:2,{marks}")

    def remove(self, box, subject):
        self.files(box)[subject].unlink()


@pytest.fixture
def near(tmp_path):
    """The Maildir."""
    return Maildir(tmp_path / "mail")


@pytest.fixture
def mbsync(server, client, run, near, tmp_path):
    """Runs mbsync once."""
    path, rc = client("mbsync"), tmp_path / "mbsyncrc"
    # a blank line ends a section
    rc.write_text(
        f"FSync no\n\nIMAPAccount a\nHost 127.0.0.1\nPort {server.imap}\n"
        f'User "{server.user}"\nPass "{server.password}"\nSSLType None\n\n'
        "IMAPStore far\nAccount a\n\n"
        f"MaildirStore near\nPath {near.path}/\nInbox {near.path}/INBOX\nSubFolders Verbatim\n\n"
        "Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nRemove Both\nExpunge Both\nSyncState *\n"
    )
    return lambda: run(path, "-c", rc, "-a", "-q", seconds=150)


@pytest.fixture
def offlineimap(server, client, run, near, tmp_path):
    """Runs OfflineIMAP once."""
    path, rc = client("offlineimap"), tmp_path / "offlineimaprc"
    rc.write_text(
        f"[general]\naccounts = a\nmetadata = {tmp_path}/state\nfsync = False\n"
        "[Account a]\nlocalrepository = near\nremoterepository = far\n"
        f"[Repository near]\ntype = Maildir\nlocalfolders = {near.path}\nsep = /\n"
        f"[Repository far]\ntype = IMAP\nremotehost = 127.0.0.1\nremoteport = {server.imap}\n"
        f"remoteuser = {server.user}\nremotepass = {server.password}\nssl = no\nstarttls = no\n"
    )
    return lambda: run(path, "-o", "-c", rc, "-u", "basic", seconds=150)


@pytest.fixture(params=["mbsync", "offlineimap"])
def synchronize(request):
    """Each of them."""
    return request.getfixturevalue(request.param)


def alike(near, watcher, *boxes):
    """What both sides have."""
    found = {box: near.found(box) for box in boxes}
    assert found == {box: watcher.found(box) for box in boxes}
    return found


def test_both_sides_become_alike(server, watcher, near, synchronize, letter):
    watcher.make("Archive", "Work/2026")
    watcher.put("INBOX", *(letter(f"far {number}") for number in range(1, 6)))
    watcher.put("Work/2026", letter("work"), flags=r"\Seen \Answered")
    synchronize()
    boxes = ("INBOX", "Archive", "Work/2026")
    assert {box: set(found) for box, found in alike(near, watcher, *boxes).items()} == {
        "INBOX": {f"far {number}" for number in range(1, 6)}, "Archive": set(), "Work/2026": {"work"},
    }  # fmt: skip

    near.mark("INBOX", "far 1", "FS")  # a change on each side, of each kind
    near.remove("INBOX", "far 2")
    near.put("Archive", letter("near 1"), "S")
    near.put("INBOX", letter("near 2"), "")
    near.make("Near only")
    near.put("Near only", letter("near 3"), "R")
    watcher.change("INBOX", "far 3", ("STORE", "+FLAGS", r"(\Answered)"), ("COPY", "Archive"))
    watcher.remove("INBOX", "far 4")
    watcher.change("Work/2026", "work", ("STORE", "-FLAGS", r"(\Seen)"))
    server.deliver(letter("far 6"))
    synchronize()
    found = alike(near, watcher, *boxes, "Near only")
    assert found == {
        "INBOX": {
            "far 1": {r"\Flagged", r"\Seen"}, "far 3": {r"\Answered"}, "far 5": set(), "far 6": set(), "near 2": set(),
        },
        "Archive": {"near 1": {r"\Seen"}, "far 3": {r"\Answered"}},
        "Work/2026": {"work": {r"\Answered"}},
        "Near only": {"near 3": {r"\Answered"}},
    }  # fmt: skip

    state = {path: path.stat().st_ino for path in near.path.glob("*/cur/*")}
    synchronize()  # nothing to do
    assert alike(near, watcher, *boxes, "Near only") == found
    assert {path: path.stat().st_ino for path in near.path.glob("*/cur/*")} == state


def test_a_move_on_either_side(watcher, near, synchronize, letter):
    watcher.make("Archive")
    watcher.put("INBOX", letter("one"), letter("two"), flags=r"\Flagged")
    synchronize()
    watcher.change("INBOX", "one", ("MOVE", "Archive"))
    mail = near.files("INBOX")["two"].read_text()
    near.remove("INBOX", "two")
    near.put("Archive", mail, "FS")
    synchronize()
    assert alike(near, watcher, "INBOX", "Archive") == {
        "INBOX": {}, "Archive": {"one": {r"\Flagged"}, "two": {r"\Flagged", r"\Seen"}},
    }  # fmt: skip


@pytest.mark.timeout(400)  # where the machine is busy
def test_many_messages(watcher, near, synchronize, letter, many):
    synchronize()
    assert len(alike(near, watcher, many)[many]) == MANY
    for number in range(1, MANY + 1, 100):
        near.remove(many, str(number))
    near.put(many, letter("new"), "S")
    watcher.ok(watcher.select(many))
    watcher.ok(watcher.store("2:50", "+FLAGS.SILENT", r"(\Seen)"))
    synchronize()
    found = alike(near, watcher, many)[many]
    assert len(found) == MANY - MANY // 100 + 1
    assert sum(r"\Seen" in flags for flags in found.values()) == 50


def test_a_mailbox_that_goes(watcher, near, mbsync):
    watcher.make("Old")
    mbsync()
    assert (near.path / "Old").exists()
    watcher.ok(watcher.delete("Old"))
    mbsync()
    assert not (near.path / "Old").exists()
    assert watcher.names() == {"INBOX"}

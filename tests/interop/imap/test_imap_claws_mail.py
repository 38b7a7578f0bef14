"""Claws Mail, a desktop client, on a screen that nobody sees: it receives, searches, shows a message."""

import os
import subprocess
from contextlib import ExitStack
from threading import Thread

import pytest

FOLDERS = """<?xml version="1.0" encoding="UTF-8"?>
<folderlist>
<folder type="mh" name="Mailbox" path="Mail">
<folderitem type="inbox" name="inbox" path="inbox"/><folderitem type="outbox" name="sent" path="sent"/>
<folderitem type="draft" name="draft" path="draft"/><folderitem type="queue" name="queue" path="queue"/>
<folderitem type="trash" name="trash" path="trash"/>
</folder>
<folder type="imap" name="far" account_id="1"><folderitem type="inbox" name="INBOX" path="INBOX"/></folder>
</folderlist>
"""  # it asks what to do, in a window, where there is no local mailbox
ACCOUNT = """[Account: 1]
account_name=far
is_default=1
name=Bob
address={server.user}
protocol=3
receive_server=127.0.0.1
smtp_server=127.0.0.1
user_id={server.user}
password={server.password}
ssl_imap=0
set_imapport=1
imap_port={server.imap}
receive_at_get_all=1
"""
INBOX = "#imap/far/INBOX"


@pytest.fixture
def screen(client):
    """The name of a display."""
    command = [client("Xvfb"), "-displayfd", "1", "-nolisten", "tcp"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield f":{process.stdout.readline().strip()}"
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


@pytest.fixture
def claws(server, client, run, screen, tmp_path):
    """Tells a running Claws Mail something; what it answers."""
    path, home = client("claws-mail"), tmp_path
    (home / ".claws-mail").mkdir()
    (home / ".claws-mail" / "accountrc").write_text(ACCOUNT.format(server=server))
    (home / ".claws-mail" / "folderlist.xml").write_text(FOLDERS)
    for name in ("inbox", "sent", "draft", "queue", "trash"):
        (home / "Mail" / name).mkdir(parents=True)
    (home / "run").mkdir(mode=0o700)
    environment = {"HOME": str(home), "DISPLAY": screen, "XDG_RUNTIME_DIR": str(home / "run"), "TMPDIR": str(home)}

    def claws(*words):
        return run(path, *words, **environment)

    with ExitStack() as stack:
        process = subprocess.Popen(
            [path, "--debug"], env={**os.environ, **environment},
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        stack.enter_context(process.stdout)
        drain = Thread(target=process.stdout.read)
        stack.callback(lambda: drain.is_alive() and drain.join())
        stack.callback(process.wait, 20)
        stack.callback(process.kill)
        for line in process.stdout:  # before it says this, it would take who speaks to it for a second one
            if "avatar_image_render" in line:
                break
        else:
            pytest.fail("Claws Mail does not start")
        drain.start()
        yield claws
        claws("--quit")
        assert process.wait(20) == 0


def test_receives_searches_and_shows(server, watcher, claws, letter):
    server.deliver(*(letter(f"m{number}") for number in range(1, 6)))
    claws("--receive-all")
    while "5     5     5 " + INBOX not in claws("--status-full"):
        pass
    assert [line.rpartition("/")[2] for line in claws("--search", INBOX, "s", "m3").split()] == ["3"]
    watcher.ok(watcher.select())
    watcher.send(b"x IDLE\r\n")
    assert watcher.readline().startswith(b"+")
    claws("--select", f"{INBOX}/2")
    while b"Seen" not in (line := watcher.readline()):  # it told the server that the message was read
        assert line
    assert line.startswith(b"* 2 FETCH")
    watcher.send(b"DONE\r\n")
    while not watcher.readline().startswith(b"x OK"):
        pass

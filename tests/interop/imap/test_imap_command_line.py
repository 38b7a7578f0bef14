"""curl, fetchmail, getmail6 and imapfilter: reading, filing, flags, IDLE, many messages."""

import os
import re
import signal
import subprocess

import pytest

from .conftest import MANY

# ---------------------------------------------------------------- curl


@pytest.fixture
def curl(server, client, run):
    """Runs curl on a mailbox."""
    path = client("curl")

    def curl(url="", *options, code=0):
        user = f"{server.user}:{server.password}"
        return run(path, "-sS", "-u", user, f"imap://127.0.0.1:{server.imap}/{url}", *options, code=code)

    return curl


def test_curl_files_and_flags(server, curl, watcher, letter, tmp_path):
    server.deliver(letter("one"), letter("two"), letter("three"))
    assert re.search(r'LIST \([^)]*\) "/" "?INBOX"?', curl())
    curl("", "-X", "CREATE Archive")
    assert curl("INBOX?SUBJECT%20two").strip() == "* SEARCH 2"
    assert letter("two") in curl("INBOX;UID=2")
    assert curl("INBOX;MAILINDEX=2;SECTION=TEXT") == "Hi.\r\n"
    assert "Subject: two" in curl("INBOX;UID=2;SECTION=HEADER.FIELDS%20(SUBJECT)")
    curl("INBOX", "-X", r"STORE 1 +FLAGS (\Flagged)")
    curl("INBOX", "-X", "UID MOVE 1,3 Archive")
    file = tmp_path / "mail.eml"
    file.write_text(letter("four"), newline="")
    curl("Archive", "-T", file)
    assert "MESSAGES 3" in curl("", "-X", "STATUS Archive (MESSAGES)")
    assert watcher.subjects("INBOX") == {"two"}
    assert {subject: r"\Flagged" in flags for subject, flags in watcher.found("Archive").items()} == {
        "one": True, "three": False, "four": False,
    }  # fmt: skip
    curl("Nowhere;UID=1", code=67)


def test_curl_and_many_messages(server, curl, many):
    fetched = curl(f"{many};MAILINDEX=[1-{MANY}:20]")  # of untagged lines it takes 300 kB
    subjects = re.findall(r"^Subject: (.*?)\r$", fetched, re.MULTILINE)
    assert subjects == [str(number) for number in range(1, MANY + 1, 20)]
    assert len(curl(f"{many}?FLAGGED").split()) == 2 + MANY // 10


# ---------------------------------------------------------------- fetchmail


@pytest.fixture
def fetchmail_command(server, client, tmp_path):
    """Makes the command of fetchmail, which appends to a file."""
    path, out, rc = client("fetchmail"), tmp_path / "out", tmp_path / "fetchmailrc"

    def command(*options, folder="INBOX"):
        rc.write_text(
            f'poll "localhost" port {server.imap} protocol IMAP username "{server.user}" password "{server.password}"'
            f""" folder "{folder}" sslproto '' mda "cat >> {out}" {" ".join(options)}\n"""
        )
        rc.chmod(0o600)
        out.write_bytes(b"")
        return [path, "-f", rc, "--nosyslog", "--invisible", "--pidfile", tmp_path / "pid"], out

    return command


@pytest.fixture
def fetchmail(fetchmail_command, run, tmp_path):
    """Runs it once; the subjects it handed on."""

    def fetchmail(*options, folder="INBOX", code=0):
        command, out = fetchmail_command(*options, folder=folder)
        run(*command, code=code, FETCHMAILHOME=tmp_path)
        return re.findall(r"^Subject: (.*)$", out.read_text(), re.MULTILINE)

    return fetchmail


NOTHING_NEW = 1


def test_fetchmail_takes_what_is_unseen(server, fetchmail, watcher, letter):
    server.deliver(letter("one"), letter("two"))
    watcher.change("INBOX", "one", ("STORE", "+FLAGS", r"(\Seen)"))
    assert fetchmail("keep") == ["two"]
    assert watcher.found("INBOX") == {"one": {r"\Seen"}, "two": {r"\Seen"}}
    fetchmail("keep", code=NOTHING_NEW)
    assert fetchmail("fetchall", "nokeep", "expunge 1") == ["one", "two"]
    assert watcher.found("INBOX") == {}


def test_fetchmail_and_many_messages(fetchmail, watcher, many):
    assert fetchmail("fetchall", "nokeep", "fetchlimit 200", folder=many, code=13) == [str(n) for n in range(1, 201)]
    assert len(watcher.found(many)) == MANY - 200


def test_fetchmail_is_woken(server, fetchmail_command, letter, tmp_path):
    """With the option ``idle`` it stays, and fetches what comes."""
    server.deliver(letter("first"))
    (command, _) = fetchmail_command("idle", "keep")
    # in the place of a file: one that a reader waits on
    rc = tmp_path / "fetchmailrc"
    rc.write_text(re.sub('mda "[^"]*"', f'mda "cat >> {tmp_path}/pipe"', rc.read_text()))
    os.mkfifo(tmp_path / "pipe")
    environment = {**os.environ, "FETCHMAILHOME": str(tmp_path)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert "Subject: first\n" in (tmp_path / "pipe").read_text()
        server.deliver(letter("news"))
        assert "Subject: news\n" in (tmp_path / "pipe").read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


# ---------------------------------------------------------------- getmail6


@pytest.fixture
def getmail(server, client, run, tmp_path):
    """Runs getmail once; the subjects it handed on."""
    path, out, agent = client("getmail"), tmp_path / "out", tmp_path / "agent"
    agent.write_text(f'#!/bin/sh\nexec cat >> "{out}"\n')
    agent.chmod(0o755)

    def getmail(*options, mailboxes='("INBOX",)', **settings):
        rc = tmp_path / "getmailrc"
        given = {
            "type": "SimpleIMAPRetriever", "server": "127.0.0.1", "port": server.imap, "username": server.user,
            "password": server.password, "mailboxes": mailboxes, **settings,
        }  # fmt: skip
        rc.write_text(
            "[retriever]\n"
            + "".join(f"{name} = {value}\n" for name, value in given.items())
            + f"[destination]\ntype = MDA_external\npath = {agent}\nallow_root_commands = true\n"
            + "[options]\ndelivered_to = false\nreceived = false\n"
            + "".join(f"{option}\n" for option in options)
        )
        out.write_bytes(b"")
        run(path, f"--getmaildir={tmp_path}", f"--rcfile={rc}")
        return re.findall(r"^Subject: (.*?)\r?$", out.read_text(), re.MULTILINE)

    return getmail


def test_getmail_takes_what_is_new(server, getmail, watcher, letter):
    watcher.make("Archive", "Other")
    server.deliver(letter("one"), letter("two"))
    watcher.put("Other", letter("three"))
    both = '("INBOX", "Other")'
    assert getmail("read_all = false", mailboxes=both) == ["one", "two", "three"]
    assert getmail("read_all = false", mailboxes=both) == []
    server.deliver(letter("four"))
    assert getmail("read_all = false", mailboxes=both) == ["four"]
    assert getmail("delete = true", "read_all = true", move_on_delete="Archive") == ["one", "two", "four"]
    assert watcher.found("INBOX") == {}
    assert watcher.subjects("Archive") == {"one", "two", "four"}


def test_getmail_and_many_messages(getmail, watcher, many):
    assert getmail("delete = true", "max_messages_per_session = 30", mailboxes='("Many",)') == [
        str(number) for number in range(1, 31)
    ]
    assert len(watcher.found(many)) == MANY - 30


# ---------------------------------------------------------------- imapfilter


def test_imapfilter_files_and_flags(server, client, run, watcher, letter, tmp_path):
    server.deliver(letter("one"), letter("two"), letter("three"), letter("four", body="a needle"))
    script = tmp_path / "filter.lua"
    script.write_text(
        f"""
options.timeout = 30
account = IMAP {{ server = "127.0.0.1", port = {server.imap}, username = "{server.user}",
                 password = "{server.password}" }}
account:create_mailbox("Archive")
account:subscribe_mailbox("Archive")
account.INBOX:contain_subject("one"):mark_flagged()
account.INBOX:contain_subject("two"):add_flags({{ "$Todo", "\\\\Answered" }})
chosen = account.INBOX:is_flagged() + account.INBOX:has_keyword("$Todo")
chosen:move_messages(account.Archive)
account.INBOX:contain_subject("three"):delete_messages()
account.INBOX:contain_body("needle"):copy_messages(account.Archive)
print(#account.Archive:select_all())
"""
    )
    assert run(client("imapfilter"), "-c", script, HOME=tmp_path).split()[-1] == "3"
    assert watcher.found("Archive") == {"one": {r"\Flagged"}, "two": {"$Todo", r"\Answered"}, "four": set()}
    assert watcher.subjects("INBOX") == {"four"}

"""imaplib, IMAPClient, imap-tools and aioimaplib: reading, filing, flags, IDLE, many messages, what changed since."""

import asyncio
import imaplib
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from .conftest import MANY

# ---------------------------------------------------------------- imaplib


def test_imaplib_files_and_flags(server, watcher, letter):
    server.deliver(letter("one"), letter("two"), letter("three"))
    with imaplib.IMAP4("127.0.0.1", server.imap) as imap:
        imap.login(server.user, f'"{server.password}"')
        assert imap.create("Work/2026")[0] == "OK"
        assert imap.subscribe("Work/2026")[0] == "OK"
        assert imap.select() == ("OK", [b"3"])
        assert imap.search(None, "HEADER", "SUBJECT", "two") == ("OK", [b"2"])
        assert imap.store("2", "+FLAGS", r"(\Flagged $Todo)")[0] == "OK"
        assert imap.uid("MOVE", "1:2", "Work/2026")[0] == "OK"
        assert imap.store("1", "FLAGS", r"(\Answered \Deleted)")[0] == "OK"
        assert imap.expunge()[1][-1] == b"1"
        assert imap.rename("Work/2026", "Work/Old")[0] == "OK"
        assert imap.lsub()[1] is not None
        assert imap.close()[0] == "OK"
    assert watcher.found("INBOX") == {}
    assert watcher.found("Work/Old") == {"one": set(), "two": {r"\Flagged", "$Todo"}}
    assert watcher.names() == {"INBOX", "Work", "Work/Old"}


def test_imaplib_resynchronizes(server, watcher, letter):
    """What happened while the client was away, in one answer to SELECT (RFC 7162, 3.2.5)."""
    server.deliver(*(letter(f"m{number}") for number in range(1, 7)))
    with imaplib.IMAP4("127.0.0.1", server.imap) as imap:
        imap.login(server.user, f'"{server.password}"')
        imap.enable("QRESYNC")
        imap.select()
        uidvalidity = int(imap.response("UIDVALIDITY")[1][0])
        modseq = int(imap.response("HIGHESTMODSEQ")[1][0])
        uids = imap.uid("SEARCH", "ALL")[1][0].split()
        imap.unselect()
        watcher.remove("INBOX", "m2")
        watcher.remove("INBOX", "m5")
        watcher.change("INBOX", "m3", ("STORE", "+FLAGS", r"(\Seen)"))
        server.deliver(letter("m7"))
        kind, _ = imap._simple_command("SELECT", "INBOX", f"(QRESYNC ({uidvalidity} {modseq}))")
        assert kind == "OK"
        imap.state = "SELECTED"
        vanished = b" ".join(imap.response("VANISHED")[1])
        assert vanished == b"(EARLIER) %b,%b" % (uids[1], uids[4])
        fetched = [line for line in imap.response("FETCH")[1] if line]
        told = {re.search(rb"UID (\d+)", line).group(1): line for line in fetched}
        assert uids[2] in told
        assert rb"\Seen" in told[uids[2]]
        assert set(told) <= {uids[2], b"%d" % (int(uids[-1]) + 1)}
        assert imap.response("EXISTS")[1][-1] == b"5"


def test_imaplib_and_many_messages(server, watcher, many):
    with imaplib.IMAP4("127.0.0.1", server.imap) as imap:
        imap.login(server.user, f'"{server.password}"')
        assert imap.select(many) == ("OK", [b"%d" % MANY])
        kind, data = imap.fetch("1:*", "(UID FLAGS RFC822.SIZE BODY.PEEK[])")
        bodies = [part for part in data if isinstance(part, tuple)]
        assert [line.split()[0] for line, _ in bodies] == [b"%d" % number for number in range(1, MANY + 1)]
        assert all(len(octets) == int(re.search(rb"SIZE (\d+)", line).group(1)) for line, octets in bodies)
        kind, data = imap.search(None, "FLAGGED")
        assert len(data[0].split()) == MANY // 10
        assert imap.store("1:*", "+FLAGS.SILENT", r"(\Deleted)")[0] == "OK"
        kind, data = imap.expunge()
        assert (kind, len(data)) == ("OK", MANY)
    assert watcher.found(many) == {}


# ---------------------------------------------------------------- IMAPClient


@pytest.fixture
def client(server, library):
    """An IMAPClient."""
    imapclient = library("imapclient")
    with imapclient.IMAPClient("127.0.0.1", server.imap, ssl=False, timeout=30) as client:
        client.login(server.user, server.password)
        yield client


def test_imapclient_files_and_flags(server, client, watcher, letter):
    server.deliver(letter("one"), letter("two"))
    client.create_folder("Entwürfe & Büro")
    client.subscribe_folder("Entwürfe & Büro")
    assert "Entwürfe & Büro" in [name for _, _, name in client.list_folders()]
    assert client.select_folder("INBOX")[b"EXISTS"] == 2
    (uid,) = client.search(["SUBJECT", "one"])
    client.add_flags([uid], [rb"\Flagged", b"$Todo"])
    client.move([uid], "Entwürfe & Büro")
    client.append("Entwürfe & Büro", letter("three").encode(), [rb"\Draft", rb"\Seen"])
    assert client.folder_status("Entwürfe & Büro", ["MESSAGES", "UNSEEN"]) == {b"MESSAGES": 2, b"UNSEEN": 1}
    client.select_folder("Entwürfe & Büro")
    client.remove_flags(client.search(["FLAGGED"]), [b"$Todo"])
    (left,) = client.search(["SUBJECT", "three"])
    envelope = client.fetch([left], ["ENVELOPE", "BODYSTRUCTURE"])[left][b"ENVELOPE"]
    assert (envelope.subject, envelope.date.year) == (b"three", 2026)
    assert watcher.found("Entw&APw-rfe &- B&APw-ro") == {"one": {r"\Flagged"}, "three": {r"\Draft", r"\Seen"}}
    assert watcher.subjects("INBOX") == {"two"}


def test_imapclient_is_woken(server, client, watcher, letter):
    client.select_folder("INBOX")
    client.idle()
    server.deliver(letter("news"))
    told = _until(client, lambda told: (1, b"EXISTS") in told)
    watcher.change("INBOX", "news", ("STORE", "+FLAGS", r"(\Flagged)"))
    told += _until(client, lambda told: any(kind == b"FETCH" and "Flagged" in str(rest) for _, kind, *rest in told))
    watcher.remove("INBOX", "news")
    _until(client, lambda told: (1, b"EXPUNGE") in told)
    client.idle_done()
    assert client.search() == []


def _until(client, enough):
    told = []
    while not enough(told):
        more = client.idle_check(timeout=30)
        assert more, told
        told += more
    return told


def test_imapclient_and_many_messages(client, many):
    client.select_folder(many)
    uids = client.search(["UNFLAGGED"])
    assert len(uids) == MANY - MANY // 10
    client.create_folder("Rest")
    client.move(uids, "Rest")
    assert client.folder_status("Rest", ["MESSAGES"])[b"MESSAGES"] == len(uids)
    client.select_folder("Rest")
    fetched = client.fetch(client.search(), ["ENVELOPE", "FLAGS", "INTERNALDATE", "RFC822.SIZE"])
    assert len(fetched) == len(uids)
    assert {int(data[b"ENVELOPE"].subject) for data in fetched.values()} == {n for n in range(1, MANY + 1) if n % 10}


# ---------------------------------------------------------------- imap-tools


@pytest.fixture
def tools(server, library):
    """The mailbox of imap-tools."""
    box = library("imap_tools").MailBoxUnencrypted("127.0.0.1", server.imap, timeout=30)
    with box.login(server.user, server.password) as tools:
        yield tools


def test_imap_tools_files_and_flags(server, tools, watcher, letter):
    server.deliver(letter("one"), letter("two"), letter("three", body="körper"))
    tools.folder.set("INBOX")
    assert [mail.subject for mail in tools.fetch(reverse=True, mark_seen=False)] == ["three", "two", "one"]
    (mail,) = tools.fetch('SUBJECT "three"', charset="utf8")
    assert mail.text.strip() == "körper"
    tools.folder.create("Büro")
    tools.folder.subscribe("Büro", True)
    assert {folder.name for folder in tools.folder.list()} == {"INBOX", "Büro"}
    by_subject = {mail.subject: mail.uid for mail in tools.fetch(mark_seen=False, headers_only=True, bulk=True)}
    tools.flag(by_subject["one"], [r"\Flagged"], True)
    tools.move(by_subject["one"], "Büro")
    tools.copy(by_subject["two"], "Büro")
    tools.delete(by_subject["two"])
    tools.append(letter("four").encode(), "Büro", flag_set=[r"\Seen"])
    assert tools.folder.status("Büro")["MESSAGES"] == 3
    assert watcher.found("B&APw-ro") == {"one": {r"\Flagged"}, "two": set(), "four": {r"\Seen"}}
    assert watcher.found("INBOX") == {"three": {r"\Seen"}}
    tools.folder.rename("Büro", "Büro alt")
    tools.folder.delete("Büro alt")
    assert watcher.names() == {"INBOX"}


def test_imap_tools_is_woken(server, tools, letter):
    with tools.idle as idle:
        server.deliver(letter("news"))
        told = []
        while b"* 1 EXISTS" not in told:
            told += idle.poll(timeout=30)
    assert [mail.subject for mail in tools.fetch()] == ["news"]


def test_imap_tools_and_many_messages(tools, many):
    tools.folder.set(many)
    found = list(tools.fetch(bulk=500, mark_seen=False, headers_only=True))
    assert [mail.subject for mail in found] == [str(number) for number in range(1, MANY + 1)]
    tools.flag([mail.uid for mail in found if int(mail.subject) % 2], [r"\Seen"], True)
    assert len(tools.uids("SEEN")) == MANY // 2


# ---------------------------------------------------------------- aioimaplib


@pytest.fixture
def aio(server, library):
    """Runs a coroutine with a client of aioimaplib."""
    aioimaplib = library("aioimaplib")

    def aio(coroutine):
        async def main():
            client = aioimaplib.IMAP4("127.0.0.1", server.imap, timeout=30)
            await client.wait_hello_from_server()
            assert (await client.login(server.user, f'"{server.password}"')).result == "OK"
            await coroutine(client)
            assert (await client.logout()).result == "OK"
            client.protocol.transport.close()  # it leaves that to whoever has it
            await asyncio.sleep(0)

        asyncio.run(asyncio.wait_for(main(), 50))

    return aio


def test_aioimaplib_files_and_flags(server, aio, watcher, letter):
    server.deliver(letter("one"), letter("two"))

    async def job(client):
        assert client.has_capability("MOVE")
        assert (await client.create("Archive")).result == "OK"
        assert (await client.select()).result == "OK"
        uids = (await client.uid_search("SUBJECT one")).lines[0].decode()
        assert (await client.uid("store", uids, "+FLAGS", r"(\Flagged)")).result == "OK"
        assert (await client.uid("move", uids, "Archive")).result == "OK"
        assert (await client.append(letter("three").encode(), "Archive", flags=r"\Seen")).result == "OK"
        fetched = await client.fetch("1", "(RFC822.SIZE BODY.PEEK[])")
        assert bytes(fetched.lines[1]).endswith(letter("two").encode())  # behind a Return-Path, maybe

    aio(job)
    assert watcher.found("Archive") == {"one": {r"\Flagged"}, "three": {r"\Seen"}}
    assert watcher.subjects("INBOX") == {"two"}


def test_aioimaplib_is_woken(server, aio, letter):
    async def job(client):
        await client.select()
        idle = await client.idle_start(timeout=30)
        with ThreadPoolExecutor(1) as pool:
            sent = asyncio.get_running_loop().run_in_executor(pool, server.deliver, letter("news"))
            told = []
            while b"1 EXISTS" not in told:
                told += await client.wait_server_push(timeout=30)
            await sent
        client.idle_done()
        await asyncio.wait_for(idle, 10)
        assert (await client.uid_search("ALL")).lines[0] == b"1"

    aio(job)


def test_aioimaplib_and_many_messages(aio, many):
    async def job(client):
        await client.select(many)
        count = 0
        for first in range(1, MANY, 100):  # it takes each line of a segment in a call within the last one's
            fetched = await client.fetch(f"{first}:{first + 99}", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
            count += sum(line.startswith(b"Subject: ") for line in fetched.lines)
        assert count == MANY
        assert len((await client.search("FLAGGED")).lines[0].split()) == MANY // 10

    aio(job)

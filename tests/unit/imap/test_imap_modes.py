"""What changes a session: UIDONLY, UNAUTHENTICATE, COMPRESS, MESSAGELIMIT, INPROGRESS."""

import re
import socket
import zlib

import pytest

from mailtrap import MailServer
from mailtrap.imap import searching
from mailtrap.wire.steps import EndDeflate

from .conftest import BOB, MAIL


@pytest.fixture
def client(world):
    for number in range(4):
        world.put(MAIL.replace(b"Hello", b"Hello %d" % number))
    return world.select()


class TestUIDOnly:
    """RFC 9586."""

    @pytest.fixture
    def client(self, world):
        for _ in range(4):
            world.put()
        client = world.login()
        assert client.ok("ENABLE UIDONLY") == b"* ENABLED UIDONLY\r\n"
        answer = client.ok("SELECT INBOX")
        assert b"[UNSEEN" not in answer
        assert b"* 4 EXISTS" in answer
        client.ok("UID STORE 1 +FLAGS (\\Deleted)")
        client.ok("EXPUNGE")
        return client

    @pytest.mark.parametrize(
        "command",
        [
            "FETCH 1 FLAGS", "STORE 1 +FLAGS \\Seen", "COPY 1 INBOX", "MOVE 1 INBOX", "SEARCH ALL",
            "SORT (DATE) UTF-8 ALL",
            "THREAD REFS UTF-8 ALL", "UID SEARCH 1:2", "UID SEARCH OR 1 ALL", "UID SORT (DATE) UTF-8 2",
            "UID THREAD REFS UTF-8 NOT 1", "SEARCH RETURN (COUNT) ALL", "ESEARCH IN (selected) 1",
        ],
    )  # fmt: skip
    def test_there_are_no_numbers_in_commands(self, client, command):
        assert client.bad(command).startswith("BAD [UIDREQUIRED]")

    def test_replace(self, client):
        assert b"BAD [UIDREQUIRED]" in client.literal(b"REPLACE 1 INBOX {}", MAIL)
        assert b"* VANISHED 2\r\n" in client.literal(b"UID REPLACE 2 INBOX {}", MAIL)

    def test_fetch_answers_by_uid(self, client):
        assert client.ok("UID FETCH 2:3 FLAGS") == (
            b"* 2 UIDFETCH (FLAGS (\\Recent))\r\n* 3 UIDFETCH (FLAGS (\\Recent))\r\n"
        )
        assert client.ok("UID FETCH 4 (UID RFC822.SIZE)") == b"* 4 UIDFETCH (UID 4 RFC822.SIZE %d)\r\n" % len(MAIL)
        assert client.ok("UID FETCH 4 BODY[TEXT]").startswith(b"* 4 UIDFETCH (FLAGS (\\Seen \\Recent) BODY[TEXT] {")

    def test_store_answers_by_uid(self, client):
        assert client.ok("UID STORE 4 +FLAGS \\Seen") == b"* 4 UIDFETCH (FLAGS (\\Seen \\Recent))\r\n"

    def test_what_others_do_is_told_by_uid(self, world, client):
        other = world.select()
        other.ok("STORE 3 +FLAGS \\Seen")
        assert client.ok("NOOP") == b"* 4 UIDFETCH (FLAGS (\\Seen \\Recent))\r\n"
        other.ok("STORE 1:2 +FLAGS.SILENT \\Deleted")
        other.ok("EXPUNGE")
        assert client.ok("NOOP") == b"* VANISHED 2:3\r\n"
        world.put()
        assert b"* 2 EXISTS" in client.ok("NOOP")

    def test_searches_by_uid_go_on(self, client):
        assert client.ok("UID SEARCH UID 2:3") == b"* SEARCH 2 3\r\n"
        assert client.ok("UID SEARCH RETURN (SAVE) ALL")
        assert client.ok("UID FETCH $ (UID)").count(b"UIDFETCH") == 3

    def test_qresync_without_the_numbers(self, world, client):
        client.ok("UNSELECT")
        client.ok("ENABLE QRESYNC")
        uidvalidity = world.mailbox().uidvalidity
        assert client.bad(f"SELECT INBOX (QRESYNC ({uidvalidity} 1 1:4 (1 1)))").startswith("BAD [UIDREQUIRED]")
        answer = client.ok(f"SELECT INBOX (QRESYNC ({uidvalidity} 1 1:4))")
        assert b"* VANISHED (EARLIER) 1\r\n" in answer
        assert b"* 2 UIDFETCH (FLAGS () MODSEQ (" in answer

    def test_without_the_capability(self, make_world):
        client = make_world(imap_capabilities=frozenset({"-UIDONLY"})).login()
        assert client.ok("ENABLE UIDONLY") == b"* ENABLED\r\n"


class TestUnauthenticate:
    """RFC 8437."""

    def test_it_is_as_before_the_login(self, world, client):
        client.ok("ENABLE CONDSTORE UIDONLY")
        client.ok("UID STORE 1 +FLAGS \\Deleted")
        untagged, tagged = client.raw("UNAUTHENTICATE")
        assert untagged == b""
        assert tagged.startswith(b"OK [CAPABILITY IMAP4rev1")
        assert b"AUTH=PLAIN" in tagged
        assert len(world.store.copies(world.mailbox().id)) == 4
        assert (client.record.user, client.record.mechanism) == (None, None)
        assert "CLIENTBUG" in client.bad("SELECT INBOX")
        assert client.ok("LOGIN eve@example.com pw")
        assert client.record.user == "eve@example.com"
        world.put(account="eve@example.com")
        client.ok("SELECT INBOX")
        assert client.ok("FETCH 1 FLAGS") == b"* 1 FETCH (FLAGS (\\Recent))\r\n"

    def test_only_after_the_login(self, world):
        client = world.connect()
        assert b"UNAUTHENTICATE" not in client.greeting
        client.bad("UNAUTHENTICATE")

    def test_bad_commands(self, client):
        client.bad("UNAUTHENTICATE now")
        assert client.ok("NOOP")

    def test_a_scope_that_was_entered_meanwhile(self, world, client):
        scope = world.scopes.open(world.scopes.root, "child", {})
        world.scopes.enter(scope)
        client.ok("UNAUTHENTICATE")
        client.ok(f"LOGIN {BOB} pw")
        assert client.session.scope is scope


class TestCompress:
    """RFC 4978."""

    @pytest.mark.parametrize(
        ("command", "reply"),
        [("COMPRESS", "BAD"), ("COMPRESS DEFLATE x", "BAD"), ("COMPRESS LZW", "NO [CANNOT]"), ("COMPRESS ()", "BAD")],
    )
    def test_what_it_does_not_take(self, client, command, reply):
        assert client.raw(command)[1].decode().startswith(reply)

    def test_once(self, client):
        assert b"COMPRESS=DEFLATE" in client.ok("CAPABILITY")
        assert client.ok("COMPRESS DEFLATE")
        assert b"COMPRESS" not in client.ok("CAPABILITY")
        assert client.no("COMPRESS DEFLATE").startswith("NO [COMPRESSIONACTIVE]")
        assert client.ok("UNAUTHENTICATE")
        assert isinstance(client.steps[-1], EndDeflate)  # RFC 8437, 4.1
        client.ok(f"LOGIN {BOB} pw")
        assert client.ok("COMPRESS DEFLATE")

    def test_only_after_the_login_and_where_it_is_offered(self, world, make_world):
        assert b"COMPRESS" not in world.connect().greeting
        world.connect().bad("COMPRESS DEFLATE")
        make_world(imap_capabilities=frozenset({"-COMPRESS=DEFLATE"})).login().bad("COMPRESS DEFLATE")

    @pytest.mark.parametrize("finished", [False, True], ids=["flushed", "finished"])
    def test_unauthenticate_ends_it(self, finished):
        # RFC 8437, 4.1: ours behind the reply, the client's behind the command
        with MailServer(smtp_port=None, http_port=None, pop3_port=None) as server:
            server.add_account(BOB, "pw")
            with socket.create_connection((server.imap.host, server.imap.port), timeout=20) as sock:
                lines = sock.makefile("rb")
                for command in (b"", b"a LOGIN %b pw\r\n" % BOB.encode(), b"b COMPRESS DEFLATE\r\n"):
                    sock.sendall(command)
                    lines.readline()
                for _ in range(2):  # and it can begin anew
                    deflate, inflate = zlib.compressobj(wbits=-15), zlib.decompressobj(-15)
                    packed = deflate.compress(b"c NOOP\r\nd UNAUTHENTICATE\r\n")
                    packed += deflate.flush(zlib.Z_FINISH if finished else zlib.Z_SYNC_FLUSH)
                    # behind the end of the stream the server can tell what is plain
                    more = b"e LOGIN %b pw\r\n" % BOB.encode()
                    sock.sendall(packed + more if finished else packed)
                    said = raw = b""
                    while b"\nd OK" not in said or not raw.endswith(b"\0\0\xff\xff"):  # so a flush ends
                        raw += (octet := sock.recv(1))
                        said += inflate.decompress(octet)
                    assert re.fullmatch(rb"c OK .*\r\nd OK .*\r\n", said)
                    if not finished:
                        sock.sendall(more)
                    assert lines.readline().startswith(b"e OK ")
                    sock.sendall(b"f COMPRESS DEFLATE\r\n")
                    assert lines.readline().startswith(b"f OK ")
            assert server.errors == []

    def test_over_a_socket(self):
        with MailServer(smtp_port=None, http_port=None, pop3_port=None) as server:
            server.add_account(BOB, "pw")
            server.deliver(MAIL * 200, recipients=BOB)
            with socket.create_connection((server.imap.host, server.imap.port), timeout=20) as sock:
                plain = sock.makefile("rb")
                plain.readline()
                # compressed data may follow the command at once
                packer, unpacker = zlib.compressobj(wbits=-15), zlib.decompressobj(wbits=-15)
                packed = packer.compress(b"c SELECT INBOX\r\nd FETCH 1 BODY[]\r\ne LOGOUT\r\n")
                packed += packer.flush(zlib.Z_SYNC_FLUSH)
                sock.sendall(b"a LOGIN %b pw\r\nb COMPRESS DEFLATE\r\n" % BOB.encode() + packed)
                while not (line := plain.readline()).startswith(b"b "):
                    assert line
                assert line.startswith(b"b OK")
                rest = plain.read()
                answer = unpacker.decompress(rest)
            assert MAIL * 200 in answer
            assert b"e OK LOGOUT" in answer
            assert len(rest) < len(MAIL) * 20
            assert server.errors == []


class TestMessageLimit:
    """RFC 9738: what can be done in part is done for the newest; the rest is refused."""

    @pytest.fixture
    def client(self, client, world):
        world.scopes.root.change(imap_message_limit=2)
        return client

    def test_it_is_said(self, client, world):
        assert b" MESSAGELIMIT=2 SAVELIMIT=2" in client.ok("CAPABILITY")
        world.scopes.root.change(imap_message_limit=0)
        assert b"LIMIT=2" not in client.ok("CAPABILITY")
        assert client.raw("FETCH 1:* UID")[1] == b"OK FETCH completed"

    @pytest.mark.parametrize(
        "command", ["FETCH 1:* UID", "UID FETCH 1:4 FLAGS", "STORE 1:* +FLAGS x", "UID STORE 1:9 FLAGS ()"]
    )
    def test_in_part(self, client, command):
        untagged, tagged = client.raw(command)
        assert tagged.startswith(b"OK [MESSAGELIMIT 2 3]")
        assert b"* 2 FETCH" not in untagged
        assert untagged.count(b"* 4 FETCH") == 1

    def test_as_many_as_there_may_be(self, client):
        assert client.raw("FETCH 2:3 UID")[1] == b"OK FETCH completed"

    def test_searches(self, client):
        untagged, tagged = client.raw("SEARCH ALL")
        assert (untagged, tagged[:23]) == (b"* SEARCH 3 4\r\n", b"OK [MESSAGELIMIT 2 3] S"[:23])
        client.ok("UID SEARCH RETURN (SAVE) ALL")
        assert client.ok("UID FETCH $ UID").count(b"FETCH") == 2

    @pytest.mark.parametrize("command", ["COPY 1:3 INBOX", "UID MOVE 1:* INBOX"])
    def test_all_or_none(self, world, client, command):
        assert client.no(command).startswith("NO [MESSAGELIMIT 2]")
        assert len(world.store.copies(world.mailbox().id)) == 4
        assert client.ok(command.replace("1:3", "1:2").replace("1:*", "1:2"))

    def test_append(self, client):
        assert b"NO [MESSAGELIMIT 2]" in client.literal(b"APPEND INBOX {} {} {}", b"x", b"y", b"z")
        assert b" OK " in client.literal(b"APPEND INBOX {} {}", b"x", b"y")

    def test_expunge(self, world, client):
        world.store.set_flags(world.mailbox().id, range(1, 5), ["\\Deleted"], "add")
        untagged, tagged = client.raw("EXPUNGE")
        assert tagged.startswith(b"OK [MESSAGELIMIT 2 3]")
        assert untagged.count(b"EXPUNGE") == 2
        client.ok("EXPUNGE")
        assert len(world.store.copies(world.mailbox().id)) == 0


class TestInProgress:
    """RFC 9585."""

    @pytest.fixture(autouse=True)
    def _slow(self, monkeypatch):
        monkeypatch.setattr(searching, "_LONG", -1.0)  # every chance is taken

    def test_how_far_it_is(self, world, client):
        world.scopes.root.change(imap_progress=0)
        assert b'* OK [INPROGRESS ("T3" 4 4)] ' in client.ok("SEARCH TEXT you")
        assert b'* OK [INPROGRESS ("T4" ' in client.ok("FETCH 1:* ENVELOPE")

    def test_not_before_its_time(self, client):
        assert b"INPROGRESS" not in client.ok("SEARCH TEXT you")

    def test_without_the_capability(self, make_world):
        world = make_world(imap_progress=0, imap_capabilities=frozenset({"-INPROGRESS"}))
        world.put()
        client = world.select()
        assert b"INPROGRESS" not in client.ok("CAPABILITY") + client.ok("SEARCH TEXT you")

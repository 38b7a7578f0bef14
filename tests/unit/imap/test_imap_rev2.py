"""IMAP4rev2 and UTF8=ACCEPT, once they are enabled."""

import pytest

from .conftest import MAIL, numbers


@pytest.fixture
def rev2(world):
    """A client that has enabled IMAP4rev2, with one message."""
    world.put()
    client = world.login()
    assert client.ok("ENABLE IMAP4rev2") == b"* ENABLED IMAP4rev2\r\n"
    return client


class TestRev2:
    def test_offering_it_changes_nothing(self, world):
        world.put()
        client = world.select()
        assert b"IMAP4rev1 IMAP4rev2 " in client.ok("CAPABILITY")
        assert client.ok("SEARCH ALL") == b"* SEARCH 1\r\n"
        assert b"RECENT 0" in client.ok("STATUS INBOX (RECENT)")

    def test_select(self, world, rev2):
        rev2.ok('CREATE "é&b"')
        untagged, tagged = rev2.raw("SELECT INBOX")
        assert b'* LIST () "/" INBOX\r\n' in untagged
        assert b"RECENT" not in untagged
        assert b"UNSEEN" not in untagged
        assert numbers(untagged, "EXISTS") == [1]
        assert tagged == b"OK [READ-WRITE] SELECT completed"
        untagged, _ = rev2.raw('EXAMINE "é&b"')
        assert untagged.startswith(b"* OK [CLOSED] ")
        assert '* LIST () "/" "é&b"\r\n'.encode() in untagged

    def test_no_recent_anywhere(self, world, rev2):
        rev2.ok("SELECT INBOX")
        world.put()
        assert rev2.ok("NOOP") == b"* 2 EXISTS\r\n"
        assert rev2.ok("FETCH 1:* FLAGS") == b"* 1 FETCH (FLAGS ())\r\n* 2 FETCH (FLAGS ())\r\n"
        for key in ("NEW", "OLD", "RECENT"):
            rev2.bad(f"SEARCH {key}")
        rev2.bad("STATUS INBOX (RECENT)")
        # and it has taken none from others
        assert b"* 2 RECENT" in world.login().ok("SELECT INBOX")

    def test_enabled_while_a_mailbox_is_selected(self, world):
        world.put()
        client = world.select()
        assert client.ok("FETCH 1 FLAGS") == b"* 1 FETCH (FLAGS (\\Recent))\r\n"
        client.ok("ENABLE IMAP4rev2")
        assert client.ok("FETCH 1 FLAGS") == b"* 1 FETCH (FLAGS ())\r\n"

    def test_esearch_for_search(self, world, rev2):
        rev2.ok("SELECT INBOX")
        world.put()
        rev2.ok("NOOP")
        assert rev2.send(b"x SEARCH ALL\r\n").startswith(b'* ESEARCH (TAG "x") ALL 1:2\r\nx OK')
        assert rev2.send(b"x UID SEARCH CHARSET UTF-8 UNSEEN\r\n").startswith(b'* ESEARCH (TAG "x") UID ALL 1:2\r\n')
        assert rev2.send(b"x SEARCH SEEN\r\n").startswith(b'* ESEARCH (TAG "x")\r\n')

    def test_status(self, world, rev2):
        world.store.set_flags(world.mailbox().id, [1], ["\\Deleted"], "add")
        answer = rev2.ok("STATUS INBOX (MESSAGES DELETED SIZE)")
        assert answer == b"* STATUS INBOX (MESSAGES 1 DELETED 1 SIZE %d)\r\n" % len(MAIL)

    def test_condstore_is_not_enabled_by_it(self, rev2):
        rev2.ok("SELECT INBOX")
        assert b"MODSEQ" not in rev2.ok("STORE 1 +FLAGS (\\Seen)")

    def test_taken_away(self, make_world):
        client = make_world(imap_capabilities=frozenset({"-IMAP4rev2", "-QUOTA"})).login()
        assert b"IMAP4rev2" not in client.ok("CAPABILITY")
        assert client.ok("ENABLE IMAP4rev2") == b"* ENABLED\r\n"
        client.bad("STATUS INBOX (DELETED)")


NAMES = ["é", "A&B", "&-", "&Jjo-", "日本語/ü", 'a"b\\', "é\"\\'", "R&D [x]"]


class TestNames:
    @pytest.mark.parametrize("enable", ["IMAP4rev2", "UTF8=ACCEPT"])
    @pytest.mark.parametrize("name", NAMES)
    def test_they_are_utf8(self, world, enable, name):
        client, other = world.login(), world.login()
        client.ok(f"ENABLE {enable}")
        quoted = '"{}"'.format(name.replace("\\", "\\\\").replace('"', '\\"'))
        client.ok(f"CREATE {quoted}")
        assert world.mailbox(name).name == name
        said = client.ok(f'LIST "" {quoted}')
        assert said.endswith(f'"/" {quoted}\r\n'.encode())
        assert client.ok(f"STATUS {quoted} (MESSAGES)") == f"* STATUS {quoted} (MESSAGES 0)\r\n".encode()
        client.ok(f"SUBSCRIBE {quoted}")
        assert f'"/" {quoted}\r\n'.encode() in client.ok('LSUB "" *')
        assert name.isascii() or other.ok('LIST "" *').isascii()

    def test_no_utf8(self, rev2):
        assert rev2.no(b'CREATE "\xff"').startswith("NO [CANNOT]")


class TestUTF8Accept:
    def test_no_charset_any_more(self, world):
        world.put()
        client = world.select()
        client.ok('SEARCH CHARSET UTF-8 SUBJECT "x"')
        assert client.ok("ENABLE UTF8=ACCEPT") == b"* ENABLED UTF8=ACCEPT\r\n"
        client.bad('SEARCH CHARSET UTF-8 SUBJECT "x"')
        assert client.ok('SEARCH SUBJECT "é"') == b"* SEARCH\r\n"
        assert client.ok('SEARCH SUBJECT "hello"') == b"* SEARCH 1\r\n"

    def test_append_of_several_in_its_form(self, world):
        """As Horde does, once it has enabled QRESYNC and this: MULTIAPPEND, each message as UTF8 (literal8)."""
        client = world.login()
        client.ok("ENABLE QRESYNC UTF8=ACCEPT")
        raw = "Subject: Grüße\r\nFrom: é@example.com\r\n\r\nx\r\n".encode()
        assert client.send(b"x APPEND INBOX (\\Seen) UTF8 (~{%d}\r\n" % len(raw)).startswith(b"+ ")
        assert client.send(raw + b") (\\Flagged) UTF8 (~{%d}\r\n" % len(MAIL)).startswith(b"+ ")
        answer = client.send(MAIL + b")\r\n")
        assert answer.startswith(b"x OK [APPENDUID %d 1:2]" % world.mailbox().uidvalidity)
        copies = world.store.copies(world.mailbox().id)
        assert [world.store.raw(copy.message.seq) for copy in copies] == [raw, MAIL]
        assert [copy.flags for copy in copies] == [{"\\Seen"}, {"\\Flagged"}]

    def test_append_mixes_forms(self, world):
        client = world.login()
        assert b"x OK" in client.send(b"x APPEND INBOX UTF8 (~{1+}\r\na) {1+}\r\nb ~{1+}\r\nc\r\n")
        assert world.store.status(world.mailbox().id).messages == 3

    @pytest.mark.parametrize("arguments", [b"UTF8 (~{1+}\r\na", b"UTF8 {1+}\r\na", b"UTF8 ()", b"UTF8 (x)"])
    def test_bad_syntax(self, world, arguments):
        client = world.login()
        assert client.send(b"x APPEND INBOX " + arguments + b"\r\n").startswith(b"x BAD")

    def test_taken_away(self, make_world):
        client = make_world(imap_capabilities=frozenset({"-UTF8=ACCEPT"})).login()
        assert client.ok("ENABLE UTF8=ACCEPT") == b"* ENABLED\r\n"
        assert client.send(b"x APPEND INBOX UTF8 (~{1+}\r\na)\r\n").startswith(b"x BAD")

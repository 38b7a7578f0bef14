"""REPLACE (RFC 8508) and CATENATE (RFC 4469)."""

import pytest

from .conftest import BOB, MAIL

NEW = MAIL.replace(b"Hello", b"Draft, second version")
PARTS = (
    b"Subject: Two parts\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nFirst\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>Second\r\n--b--\r\n"
)


@pytest.fixture
def client(world):
    for _ in range(3):
        world.put()
    return world.select()


def raw(world, uid, mailbox="INBOX"):
    (copy,) = world.store.copies(world.mailbox(mailbox).id, [uid])
    return world.store.raw(copy.message.seq)


class TestReplace:
    def test_one_comes_and_one_goes(self, world, client):
        before = world.mailbox().highestmodseq
        answer = client.literal(b"REPLACE 2 INBOX (\\Draft) {}", NEW)
        uidvalidity = world.mailbox().uidvalidity
        assert b"* OK [APPENDUID %d 4] " % uidvalidity in answer
        assert b"* 2 EXPUNGE\r\n* 3 EXISTS\r\n" in answer
        assert answer.endswith(b"OK REPLACE completed\r\n")
        assert raw(world, 4) == NEW
        assert world.flags(4) == {"\\Draft"}
        assert world.mailbox().highestmodseq == before + 1

    def test_by_uid_into_another_mailbox(self, world, client):
        client.ok("CREATE Sent")
        client.ok("STORE 1 +FLAGS \\Deleted")
        client.ok("EXPUNGE")
        answer = client.literal(b'UID REPLACE 3 Sent " 1-Feb-2020 08:00:00 +0000" {}', NEW)
        assert b"* 2 EXPUNGE\r\n" in answer
        assert answer.endswith(b"OK UID REPLACE completed\r\n")
        assert raw(world, 1, "Sent") == NEW

    def test_with_qresync(self, client):
        client.ok("ENABLE QRESYNC")
        assert b"* VANISHED 1\r\n" in client.literal(b"REPLACE 1 INBOX {}", NEW)

    def test_others_see_one_change(self, world, client):
        other = world.select()
        other.send(b"x IDLE\r\n")
        client.literal(b"REPLACE 1 INBOX {}", NEW)
        assert other.woken() == b"* 1 EXPUNGE\r\n* 3 EXISTS\r\n* 0 RECENT\r\n"

    @pytest.mark.parametrize(
        ("command", "reply"),
        [
            (b"REPLACE 4 INBOX {}", b"BAD "),
            (b"UID REPLACE 9 INBOX {}", b"NO [NONEXISTENT]"),
            (b"REPLACE 1 Nothing {}", b"NO [TRYCREATE]"),
            (b"REPLACE 0 INBOX {}", b"BAD "),
            (b"REPLACE 1:2 INBOX {}", b"BAD "),
            (b"REPLACE * INBOX {}", b"BAD "),
            (b"REPLACE 1 INBOX (\\Recent) {}", b"BAD "),
            (b"REPLACE 1 INBOX {} x", b"BAD "),
        ],
    )
    def test_what_fails_changes_nothing(self, world, client, command, reply):
        assert b" " + reply in client.literal(command, NEW)
        assert len(world.store.copies(world.mailbox().id)) == 3

    def test_bad_commands(self, client):
        for command in ("REPLACE", "REPLACE 1", "REPLACE 1 INBOX", "UID REPLACE 1 INBOX x"):
            client.bad(command)

    def test_an_empty_message(self, client):
        assert b"NO [CANNOT]" in client.literal(b"REPLACE 1 INBOX {}", b"")

    def test_in_a_mailbox_that_is_read_only(self, world, client):
        client.ok("EXAMINE INBOX")
        assert b"NO [CANNOT]" in client.literal(b"REPLACE 1 INBOX {}", NEW)

    def test_one_that_another_expunged(self, world, client):
        other = world.select()
        other.ok("STORE 2 +FLAGS.SILENT \\Deleted")
        other.ok("EXPUNGE")
        assert b"NO [EXPUNGEISSUED]" in client.literal(b"REPLACE 2 INBOX {}", NEW)
        assert len(world.store.copies(world.mailbox().id)) == 2

    def test_what_goes_makes_room(self, world, client):
        world.store.set_quota(world.account(), 3 * len(MAIL), 3)
        assert b" OK " in client.literal(b"REPLACE 1 INBOX {}", MAIL)
        assert b"NO [OVERQUOTA]" in client.literal(b"REPLACE 1 INBOX {}", MAIL + b"x")
        assert client.ok("FETCH 1:* UID").count(b"UID") == 3

    def test_too_large_is_said_before_it_is_read(self, world, client):
        world.scopes.root.change(max_message_size=10)
        assert client.send(b"x REPLACE 1 INBOX {11}\r\n").startswith(b"x NO [TOOBIG]")

    def test_it_needs_rights(self, world, client):
        world.store.set_rights(world.mailbox().id, BOB, "lrswite")
        for missing in "ite":
            world.store.set_rights(world.mailbox().id, BOB, missing, "remove")
            assert b"NO [NOPERM]" in client.literal(b"REPLACE 1 INBOX {}", NEW), missing
            world.store.set_rights(world.mailbox().id, BOB, missing, "add")
        assert b" OK " in client.literal(b"REPLACE 1 INBOX {}", NEW)

    def test_without_the_capability(self, make_world):
        world = make_world(imap_capabilities=frozenset({"-REPLACE"}))
        world.put()
        assert b"BAD Unknown" in world.select().literal(b"REPLACE 1 INBOX {}", NEW)


class TestCatenate:
    @pytest.fixture
    def client(self, world):
        world.put(PARTS)
        world.put(mailbox="Bücher & mehr/x;y")
        return world.select()

    @pytest.mark.parametrize(
        ("url", "expected"),
        [
            (";UID=1", PARTS),
            ("/;UID=1", PARTS),
            ("/INBOX/;UID=1", PARTS),
            ("/inbox;UIDVALIDITY={}/;uid=1", PARTS),
            ("INBOX;UIDVALIDITY={}/;UID=1/;SECTION=1", b"First"),
            ("/INBOX/;UID=1/;section=2.MIME", b"Content-Type: text/html\r\n\r\n"),
            ("/INBOX/;UID=1/;SECTION=HEADER.FIELDS%20(subject)", b"Subject: Two parts\r\n\r\n"),
            ("/INBOX/;UID=1/;PARTIAL=9.9", b"Two parts"),
            ("/INBOX/;UID=1/;SECTION=1/;PARTIAL=1", b"irst"),
            ("/B%C3%BCcher%20&%20mehr/x%3By/;UID=1", MAIL),
            ("imap://bob%40example.com@localhost:1143/INBOX/;UID=1/;SECTION=1", b"First"),
            ("imap://bob%40example.com;AUTH=*@mailtrap.test/INBOX/;UID=1/;SECTION=1", b"First"),
            ("imap://[::1]/INBOX/;UID=1/;SECTION=1", b"First"),
        ],
    )
    def test_urls(self, world, client, url, expected):
        url = url.format(world.mailbox().uidvalidity)
        answer = client.send(f'x APPEND INBOX CATENATE (URL "{url}" TEXT {{1+}}\r\n!)\r\n'.encode())
        assert b"x OK [APPENDUID" in answer, answer
        assert raw(world, 2) == expected + b"!"
        assert world.flags(1) == frozenset()  # nothing was read

    def test_parts_of_texts_and_messages(self, world, client):
        answer = client.literal(
            b'APPEND INBOX (\\Seen) " 1-Feb-2020 08:00:00 +0000" CATENATE (URL ";UID=1/;SECTION=HEADER" TEXT {} '
            b'URL ";UID=1/;SECTION=1" TEXT {})', b"Hello ", b" bye",
        )  # fmt: skip
        assert b" OK [APPENDUID" in answer
        head = PARTS[: PARTS.index(b"\r\n\r\n") + 4]
        assert raw(world, 2) == head + b"Hello First bye"
        assert world.flags(2) == {"\\Seen"}

    def test_among_several_messages(self, world, client):
        answer = client.literal(b'APPEND INBOX {} CATENATE (URL ";UID=1") CATENATE (TEXT {})', MAIL, b"z")
        assert b" OK [APPENDUID" in answer
        assert [raw(world, uid) for uid in (2, 3, 4)] == [MAIL, PARTS, b"z"]

    def test_replace_takes_it_too(self, world, client):
        answer = client.literal(b'REPLACE 1 INBOX CATENATE (URL ";UID=1/;SECTION=1" TEXT {})', b" again")
        assert b"* 1 EXPUNGE" in answer
        assert raw(world, 2) == b"First again"

    @pytest.mark.parametrize(
        "url",
        [
            ";UID=9", "/Nothing/;UID=1", "/INBOX;UIDVALIDITY=1/;UID=1", "/INBOX/;UID=1/;SECTION=9",
            "/INBOX/;UID=1/;SECTION=nonsense", "/INBOX", "/INBOX/;UID=0", "", "http://localhost/INBOX/;UID=1",
            "imap://other.example/INBOX/;UID=1", "imap://eve%40example.com@localhost/INBOX/;UID=1",
            "/INBOX/;UID=1/;PARTIAL=x", "/user/eve%40example.com/INBOX/;UID=1", "/INBOX/;UID=1;URLAUTH=anonymous",
        ],
    )  # fmt: skip
    def test_bad_urls(self, world, client, url):
        world.put(account="eve@example.com")
        answer = client.send(f'x APPEND INBOX CATENATE (TEXT {{1+}}\r\na URL "{url}")\r\n'.encode())
        assert answer.startswith(f'x NO [BADURL "{url}"]'.encode())
        assert len(world.store.copies(world.mailbox().id)) == 1

    def test_a_relative_url_needs_a_selected_mailbox(self, client):
        client.ok("UNSELECT")
        assert b"x NO [BADURL" in client.send(b'x APPEND INBOX CATENATE (URL ";UID=1")\r\n')

    @pytest.mark.parametrize(
        "arguments", ["", "()", "(URL)", "(TEXT)", '(TEXT "x")', '(FILE "x")', '(URL "x"', '(URL "x") y', 'URL "x"']
    )
    def test_bad_commands(self, client, arguments):
        client.bad(f"APPEND INBOX CATENATE {arguments}".rstrip())

    def test_too_large(self, world, client):
        world.scopes.root.change(max_message_size=len(PARTS) + 5)
        assert b"x OK" in client.send(b'x APPEND INBOX CATENATE (URL ";UID=1" TEXT {5+}\r\n12345)\r\n')
        assert b"x NO [TOOBIG]" in client.send(b'x APPEND INBOX CATENATE (URL ";UID=1" TEXT {6+}\r\n123456)\r\n')
        assert b"x NO [TOOBIG]" in client.send(b'x APPEND INBOX CATENATE (URL ";UID=1" URL ";UID=1")\r\n')

    def test_over_quota(self, world, client):
        world.store.set_quota(world.account(), world.store.used(world.account()).octets + 5, None)
        assert b"x NO [OVERQUOTA]" in client.send(b'x APPEND INBOX CATENATE (URL ";UID=1")\r\n')

    def test_a_url_that_would_end_the_code(self, client):
        # RFC 4469, 5: url-resp-text has no ]
        answer = client.send(b'x APPEND INBOX CATENATE (URL "imap://[::2]/INBOX/;UID=1")\r\n')
        assert answer.startswith(b'x NO [BADURL "imap://[::2%5D/INBOX/;UID=1"] ')

    def test_other_users_messages_that_may_be_read(self, world, client):
        world.put(account="eve@example.com")
        world.store.set_rights(world.mailbox(account="eve@example.com").id, BOB, "r")
        url = b"/user/eve%40example.com/INBOX/;UID=1"
        assert b"x OK" in client.send(b'x APPEND INBOX CATENATE (URL "%b")\r\n' % url)

    def test_without_the_capability(self, make_world):
        world = make_world(imap_capabilities=frozenset({"-CATENATE"}))
        world.put()
        assert b"x BAD" in world.select().send(b'x APPEND INBOX CATENATE (URL ";UID=1")\r\n')

"""What a mailbox or a copy has beside flags: limits, ids, the date it was saved, a preview."""

import re

import pytest


@pytest.fixture
def client(world):
    world.put()
    world.put(b'Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGr\xc3\xbc\xc3\x9fe "an"\r\n alle\r\n')
    return world.select()


def ids(answer: bytes) -> list[bytes]:
    """The EMAILIDs in FETCH responses."""
    return re.findall(rb"EMAILID \((M[0-9A-Za-z_-]{1,200})\)", answer)


class TestAppendLimit:
    def test_it_is_the_setting(self, make_world):
        client = make_world(max_message_size=1000).login()
        assert b" APPENDLIMIT=1000 " in client.ok("CAPABILITY")
        assert client.ok("STATUS INBOX (APPENDLIMIT)") == b"* STATUS INBOX (APPENDLIMIT 1000)\r\n"
        assert b"(APPENDLIMIT 1000)" in client.ok('LIST "" % RETURN (STATUS (APPENDLIMIT))')
        assert client.send(b"a APPEND INBOX {1001}\r\n").startswith(b"a NO [TOOBIG]")


class TestObjectId:
    def test_a_mailbox_keeps_its_id(self, client):
        _, tagged = client.raw("CREATE a")
        found = re.fullmatch(rb"OK \[MAILBOXID \((F\d+)\)\] CREATE completed", tagged)
        assert found
        client.ok("RENAME a b")
        assert client.ok("STATUS b (MAILBOXID)") == b"* STATUS b (MAILBOXID (%b))\r\n" % found[1]
        assert b"* OK [MAILBOXID (%b)]" % found[1] in client.ok("SELECT b")
        client.ok("DELETE b")
        assert found[1] not in client.raw("CREATE b")[1]

    def test_copies_have_the_same_id(self, client):
        first, second = ids(client.ok("FETCH 1:2 EMAILID"))
        assert first != second
        client.ok("COPY 1 INBOX")
        assert ids(client.ok("FETCH 3 (EMAILID)")) == [first]
        assert client.ok(b"SEARCH EMAILID " + first) == b"* SEARCH 1 3\r\n"
        assert client.ok(b"SEARCH NOT EMAILID " + first) == b"* SEARCH 2\r\n"

    def test_a_conversation_has_an_id(self, world, client):
        world.put(b"Message-ID: <a@x>\r\n\r\n")
        world.put(b"Message-ID: <b@x>\r\nReferences: <a@x>\r\n\r\n")
        client.ok("NOOP")
        threads = re.findall(rb"THREADID \((T[0-9A-Za-z_-]{1,200})\)", client.ok("FETCH 1:4 THREADID"))
        assert threads[2] == threads[3]
        assert len(set(threads)) == 3
        assert client.ok(b"SEARCH THREADID " + threads[3]) == b"* SEARCH 3 4\r\n"
        assert client.ok(b"SEARCH THREADID " + threads[0]) == b"* SEARCH 1\r\n"
        assert client.ok("SEARCH THREADID x") == b"* SEARCH\r\n"
        client.ok("COPY 3 INBOX")
        assert threads[2] in client.ok("FETCH 5 THREADID")

    def test_taken_away(self, make_world):
        world = make_world(imap_capabilities=frozenset({"-OBJECTID"}))
        world.put()
        client = world.login()
        assert b"MAILBOXID" not in client.raw("CREATE a")[1] + client.ok("SELECT INBOX")
        client.bad("STATUS INBOX (MAILBOXID)")
        client.bad("FETCH 1 EMAILID")
        client.bad("SEARCH EMAILID x")


class TestSaveDate:
    def test_it_is_when_it_came_into_this_mailbox(self, world):
        world.put(date=0)
        client = world.select()
        assert b"01-Jan-1970" not in client.ok("FETCH 1 SAVEDATE")
        assert re.fullmatch(
            rb'\* 1 FETCH \(SAVEDATE "[ \d]\d-\w{3}-\d{4} [\d:]{8} \+0000"\)\r\n', client.ok("FETCH 1 SAVEDATE")
        )
        assert client.ok("SEARCH BEFORE 1-Jan-2000") == b"* SEARCH 1\r\n"
        assert client.ok("SEARCH SAVEDBEFORE 1-Jan-2000") == b"* SEARCH\r\n"
        assert client.ok("SEARCH SAVEDSINCE 1-Jan-2000") == b"* SEARCH 1\r\n"
        assert client.ok("SEARCH SAVEDON 1-Jan-1970") == b"* SEARCH\r\n"
        assert client.ok("SEARCH SAVEDATESUPPORTED") == b"* SEARCH 1\r\n"

    def test_taken_away(self, make_world):
        world = make_world(imap_capabilities=frozenset({"-SAVEDATE"}))
        world.put()
        client = world.select()
        client.bad("FETCH 1 SAVEDATE")
        client.bad("SEARCH SAVEDATESUPPORTED")


class TestPreview:
    def test_it_is_utf8(self, client):
        assert client.ok("FETCH 2 (PREVIEW)") == '* 2 FETCH (PREVIEW {17}\r\nGrüße "an" alle)\r\n'.encode()

    def test_lazy_is_as_quick(self, client):
        assert client.ok("FETCH 1 (UID PREVIEW (LAZY))") == b'* 1 FETCH (UID 1 PREVIEW "How are you?")\r\n'
        client.bad("FETCH 1 (PREVIEW (FUZZY))")
        client.bad("FETCH 1 (PREVIEW (LAZY)")

    def test_of_nothing(self, world):
        world.put(b"Subject: nothing\r\n\r\n")
        assert world.select().ok("FETCH 1 PREVIEW") == b'* 1 FETCH (PREVIEW "")\r\n'

    def test_it_sets_nothing(self, client, world):
        client.ok("FETCH 1 PREVIEW")
        assert world.flags(1) == frozenset()

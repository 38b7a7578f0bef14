"""X-GM-EXT-1."""

import re

import pytest

from .conftest import MAIL, World, numbers

ON = frozenset({"+X-GM-EXT-1"})


@pytest.fixture
def world():
    return World(imap_capabilities=ON)


@pytest.fixture
def client(world):
    world.put()
    world.put(b"Subject: other\r\nMessage-ID: <a@x>\r\n\r\nx")
    client = world.select()
    for command in ("CREATE work", "CREATE Out (USE (\\Sent))", "COPY 1 work", "COPY 1 Out"):
        client.ok(command)
    return client


def labels(answer: bytes) -> list[bytes]:
    return re.findall(rb"X-GM-LABELS \(([^)]*)\)", answer)


class TestLabels:
    def test_they_are_the_other_mailboxes_that_have_it(self, client):
        assert client.ok("FETCH 1:2 (X-GM-LABELS)") == (
            b'* 1 FETCH (X-GM-LABELS ("\\\\Sent" "work"))\r\n* 2 FETCH (X-GM-LABELS ())\r\n'
        )
        client.ok("SELECT work")
        assert labels(client.ok("FETCH 1 (UID X-GM-LABELS BODY.PEEK[])")) == [b'"\\\\Inbox" "\\\\Sent"']

    def test_given_and_taken_away(self, world, client):
        answer = client.ok('STORE 2 +X-GM-LABELS (\\Starred "\\\\Important" new/one)')
        assert labels(answer) == [b'"\\\\Important" "\\\\Starred" "new/one"']
        assert world.flags(2) == {"\\Flagged", "$Important"}
        assert world.store.status(world.mailbox("new/one").id).messages == 1
        assert client.ok("STORE 2 +X-GM-LABELS.SILENT (new/one)") == b"*"
        assert world.store.status(world.mailbox("new/one").id).messages == 1
        assert labels(client.ok("UID STORE 1:2 -X-GM-LABELS (new/one work \\Starred)")) == [
            b'"\\\\Sent"',
            b'"\\\\Important"',
        ]
        assert world.store.status(world.mailbox("work").id).messages == 0

    def test_these_and_no_others(self, world, client):
        client.ok("STORE 1 +FLAGS (\\Flagged)")
        assert labels(client.ok("STORE 1 X-GM-LABELS (work x)")) == [b'"work" "x"']
        assert labels(client.ok("STORE 1 X-GM-LABELS ()")) == [b""]
        assert numbers(client.ok("FETCH 1:* UID"), "FETCH") == [1, 2]  # it stays where it is

    @pytest.mark.parametrize("command", ["X-GM-LABELS (\\Starred new)", "+X-GM-LABELS (\\Starred new)"])
    def test_one_commit(self, world, client, command):
        box, before = world.mailbox().id, world.mailbox().highestmodseq
        client.ok("STORE 1:2 +FLAGS ($Important)")
        client.ok(f"STORE 1:2 {command}")
        assert world.mailbox().highestmodseq == before + 2
        assert {copy.modseq for copy in world.store.copies(box)} == {before + 2}
        assert len({copy.modseq for copy in world.store.copies(world.mailbox("new").id)}) == 1

    def test_over_quota_nothing_is_done(self, world, client):
        world.store.set_quota(world.account(), None, 5)
        assert client.no("STORE 1:2 X-GM-LABELS (\\Starred new)").startswith("NO [OVERQUOTA]")
        assert labels(client.ok("FETCH 1:2 X-GM-LABELS")) == [b'"\\\\Sent" "work"', b""]
        assert world.store.mailbox(world.account(), "new") is None

    def test_the_namespaces_separator(self, make_world):
        world = make_world(imap_capabilities=ON, imap_separator=".")
        world.put()
        client = world.select()
        assert labels(client.ok("STORE 1 +X-GM-LABELS (a.b c/d)")) == [b'"a.b" "c/d"']
        assert sorted(row.name for row in world.store.mailboxes(world.account())) == ["INBOX", "a", "a/b", "c.d"]
        for label in ("a.b", "c/d"):
            assert client.ok(f"SEARCH X-GM-LABELS {label}") == b"* SEARCH 1\r\n"
        client.bad("STORE 1 +X-GM-LABELS (a..b)")
        assert labels(client.ok("STORE 1 -X-GM-LABELS (a.b)")) == [b'"c/d"']

    def test_the_mailboxs_own(self, client):
        client.ok("STORE 1 +X-GM-LABELS (\\Inbox)")
        assert numbers(client.ok("FETCH 1:* UID"), "FETCH") == [1, 2]
        answer = client.ok("UID STORE 1 -X-GM-LABELS (\\Inbox)")
        assert numbers(answer, "EXPUNGE") == [1]

    def test_names_that_need_coding(self, client):
        assert labels(client.literal(b"STORE 1 +X-GM-LABELS ({})", b"&ANw-")) == [b'"\\\\Sent" "work" "&ANw-"']
        client.ok("ENABLE UTF8=ACCEPT")
        assert "Ü".encode() in client.ok("FETCH 1 X-GM-LABELS")

    @pytest.mark.parametrize("arguments", ["work", "(\\Foo)", '("")', "(a//b)", "(work", "(&&&)", "", "()x"])
    def test_bad_syntax(self, client, arguments):
        client.bad(f"STORE 1 +X-GM-LABELS {arguments}")

    def test_what_is_not_possible(self, world, client):
        before = [row.name for row in world.store.mailboxes(world.account())]
        client.no("STORE 1 +X-GM-LABELS (aaa \\Trash)")
        client.ok("EXAMINE INBOX")
        client.no("STORE 1 +X-GM-LABELS (work)")
        assert [row.name for row in world.store.mailboxes(world.account())] == before


class TestNumbers:
    def test_a_message_has_one(self, client):
        answer = client.ok("FETCH 1:2 X-GM-MSGID")
        first, second = re.findall(rb"X-GM-MSGID (\d+)", answer)
        assert first != second
        assert 0 < int(first) < 1 << 64
        assert client.ok(b"SEARCH X-GM-MSGID " + first) == b"* SEARCH 1\r\n"
        client.ok("SELECT work")
        assert client.ok("FETCH 1 X-GM-MSGID") == b"* 1 FETCH (X-GM-MSGID %b)\r\n" % first

    def test_a_conversation_has_one(self, world, client):
        world.put(b"Subject: Re: other\r\nIn-Reply-To: <a@x>\r\n\r\ny")
        client.ok("NOOP")
        first, second, third = re.findall(rb"X-GM-THRID (\d+)", client.ok("FETCH 1:3 X-GM-THRID"))
        assert second == third != first
        assert client.ok(b"SEARCH X-GM-THRID " + second) == b"* SEARCH 2 3\r\n"
        assert client.ok(b"SEARCH X-GM-THRID " + first) == b"* SEARCH 1\r\n"
        assert b"X-GM-MSGID %b)" % first in client.ok("FETCH 1 X-GM-MSGID")


class TestSearch:
    @pytest.mark.parametrize(
        ("keys", "expected"),
        [
            ("X-GM-LABELS work", b" 1"), ("X-GM-LABELS \\Sent", b" 1"), ('X-GM-LABELS "\\\\Inbox"', b" 1 2"),
            ("X-GM-LABELS nothing", b""), ("NOT X-GM-LABELS work", b" 2"), ("X-GM-LABELS \\Starred", b""),
            ("X-GM-RAW hello", b" 1"), ('X-GM-RAW "subject:other -mailbox:work"', b" 2"),
            ('X-GM-RAW "mailbox:work"', b" 1"),
            ('X-GM-RAW "account:eve mailbox:work"', b""), ('OR X-GM-RAW "is:unread" SEEN', b" 1 2"),
            ('X-GM-RAW "since:nolife:1"', b""),
        ],
    )  # fmt: skip
    def test_keys(self, client, keys, expected):
        assert client.ok(f"SEARCH {keys}") == b"* SEARCH" + expected + b"\r\n"

    def test_another_accounts_mailboxes_do_not_count(self, world, client):
        world.put(MAIL, "work", account="eve@example.com")
        assert client.ok('SEARCH X-GM-RAW "account:example"') == b"* SEARCH 1 2\r\n"
        assert client.ok("SEARCH X-GM-LABELS work") == b"* SEARCH 1\r\n"

    @pytest.mark.parametrize(
        "keys", ['X-GM-RAW "larger:x"', "X-GM-RAW", "X-GM-MSGID x", "X-GM-LABELS \\Foo", 'X-GM-RAW "froom:x"']
    )
    def test_bad_syntax(self, client, keys):
        client.bad(f"SEARCH {keys}")

    def test_no_updates_of_what_is_elsewhere(self, client):
        assert b'[NOUPDATE "A"]' in client.send(b"A SEARCH RETURN (UPDATE) X-GM-LABELS work\r\n")
        assert b"NOUPDATE" not in client.send(b"B SEARCH RETURN (UPDATE) X-GM-RAW hello\r\n")


def test_off_by_default(make_world):
    world = make_world()
    world.put()
    client = world.select()
    assert b"X-GM-EXT-1" not in client.ok("CAPABILITY")
    for command in ("FETCH 1 X-GM-MSGID", "SEARCH X-GM-RAW x", "STORE 1 +X-GM-LABELS (x)", "FETCH 1 X-GM-LABELS"):
        client.bad(command)

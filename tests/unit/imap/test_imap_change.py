"""STORE, COPY, MOVE, APPEND."""

import re

import pytest

from mailtrap import limits
from mailtrap.hookspecs import Change, Refuse, fast, hookimpl

from .conftest import BOB, MAIL, numbers


@pytest.fixture
def client(world):
    for _ in range(3):
        world.put()
    return world.select()


class TestStore:
    @pytest.mark.parametrize(
        ("command", "flags"),
        [
            ("FLAGS (\\Seen)", {"\\Seen"}),
            ("+FLAGS (\\Seen)", {"\\Seen", "\\Flagged", "work"}),
            ("-FLAGS (\\Flagged)", {"work"}),
            ("FLAGS ()", set()),
            ("+FLAGS \\Seen \\Draft", {"\\Seen", "\\Draft", "\\Flagged", "work"}),
            ("-FLAGS (WORK)", {"\\Flagged"}),
            ("+flags ($Forwarded)", {"$Forwarded", "\\Flagged", "work"}),
        ],
    )
    def test_modes(self, world, client, command, flags):
        world.store.set_flags(world.mailbox().id, [1], ["\\Flagged", "work"], "add")
        client.ok("NOOP")
        answer = client.ok(f"STORE 1 {command}")
        assert world.flags(1) == flags
        told = re.search(rb"\* 1 FETCH \(FLAGS \(([^)]*)\)\)", answer)
        assert set(told[1].decode().split()) == flags | {"\\Recent"}

    def test_silent(self, world, client):
        assert client.ok("STORE 1:3 +FLAGS.SILENT (\\Seen)") == b"*"
        assert world.flags(2) == {"\\Seen"}

    def test_uid_store_tells_uids(self, world, client):
        world.store.expunge(world.mailbox().id, [1])
        client.ok("NOOP")
        answer = client.ok("UID STORE 3,99 +FLAGS (\\Seen)")
        assert answer == b"* 2 FETCH (UID 3 FLAGS (\\Seen \\Recent))\r\n"

    def test_one_command_is_one_change(self, world, client):
        before = world.mailbox().highestmodseq
        client.ok("STORE 1:* +FLAGS (\\Seen)")
        assert world.mailbox().highestmodseq == before + 1
        client.ok("STORE 1:* +FLAGS (\\Seen)")
        assert world.mailbox().highestmodseq == before + 1

    @pytest.mark.parametrize(
        "arguments",
        [
            "", "1", "1 FLAGS", "1 FLAGS (", "1 FOO (\\Seen)", "1 FLAGS.LOUD (\\Seen)", "1 +FLAGS (\\Recent)",
            "1 +FLAGS (\\*)", "1 +FLAGS (\\Foo)", "1 +FLAGS (a]b)", "1 +FLAGS (a(b))", "9 +FLAGS (\\Seen)",
            "1 FLAGS (\\Seen) x", "x FLAGS (\\Seen)", "1 +FLAGS (\xe9)",
        ],
    )  # fmt: skip
    def test_bad_syntax(self, world, client, arguments):
        client.bad(f"STORE {arguments}")
        assert world.flags(1) == frozenset()


class TestFlagsOfPrograms:
    def test_odd_ones_do_not_break_an_answer(self, world, client):
        world.store.set_flags(world.mailbox().id, [1], ["", "two words", "(", "\\Odd"], "add")
        assert b"* 1 FETCH (FLAGS (\\Recent _ _ \\Odd two_words))" in client.ok("FETCH 1 FLAGS")
        assert b"two_words" in client.ok("SELECT INBOX")
        assert not world.errors


class TestCopy:
    def test_copyuid(self, world, client):
        client.ok("CREATE a")
        client.literal(b"APPEND a {}", MAIL)
        target = world.mailbox("a").uidvalidity
        _, tagged = client.raw("COPY 3,1:2 a")
        assert tagged == b"OK [COPYUID %d 1:3 2:4] COPY completed" % target
        _, tagged = client.raw("UID COPY 2,77 a")
        assert tagged == b"OK [COPYUID %d 2 5] UID COPY completed" % target

    def test_flags_and_dates_go_along(self, world, client):
        world.store.set_flags(world.mailbox().id, [1], ["\\Answered", "work"], "add")
        client.ok("CREATE a")
        client.ok("COPY 1 a")
        mine, copied = world.store.copies(world.mailbox().id, [1])[0], world.store.copies(world.mailbox("a").id)[0]
        assert (copied.flags, copied.internal_date) == (mine.flags, mine.internal_date)

    def test_to_the_selected_mailbox(self, client):
        assert numbers(client.ok("COPY 1 INBOX"), "EXISTS") == [4]

    def test_no_such_mailbox(self, client):
        assert client.no("COPY 1 nothing").startswith("NO [TRYCREATE]")
        client.ok("CREATE a/b")
        assert client.no("COPY 1 a").startswith("NO [TRYCREATE]")
        assert client.no("MOVE 1 nothing").startswith("NO [TRYCREATE]")

    def test_nothing_to_copy(self, client):
        client.ok("CREATE a")
        assert b"COPYUID" not in client.raw("UID COPY 99 a")[1]
        client.bad("COPY 99 a")

    def test_over_quota_copies_nothing(self, world, client):
        client.ok("CREATE a")
        world.store.put_account(world.account(), quota=world.store.used(world.account()).octets + 10)
        assert client.no("COPY 1:3 a").startswith("NO [OVERQUOTA]")
        assert world.store.status(world.mailbox("a").id).messages == 0

    @pytest.mark.parametrize("arguments", ["", "1", "1 ", "1 a b", "x a", "1 (a)"])
    def test_bad_syntax(self, client, arguments):
        client.bad(f"COPY {arguments}")
        client.bad(f"MOVE {arguments}")


class TestMove:
    def test_copyuid_then_expunge_then_ok(self, world, client):
        client.ok("CREATE a")
        untagged, tagged = client.raw("MOVE 1,3 a")
        assert untagged.startswith(b"* OK [COPYUID %d 1,3 1:2]" % world.mailbox("a").uidvalidity)
        assert numbers(untagged, "EXPUNGE") == [3, 1]
        assert tagged == b"OK MOVE completed"
        assert client.ok("FETCH 1 UID") == b"* 1 FETCH (UID 2)\r\n"

    def test_uid_move(self, world, client):
        client.ok("CREATE a")
        assert numbers(client.ok("UID MOVE 2 a"), "EXPUNGE") == [2]

    def test_others_see_it_as_an_expunge(self, world, client):
        other = world.select()
        client.ok("CREATE a")
        client.ok("MOVE 1 a")
        assert numbers(other.ok("NOOP"), "EXPUNGE") == [1]

    def test_within_the_mailbox(self, client):
        untagged, _ = client.raw("MOVE 1 INBOX")
        assert numbers(untagged, "EXPUNGE") == [1]
        assert numbers(untagged, "EXISTS") == [3]


class TestAppend:
    def test_appenduid(self, world, client):
        answer = client.literal(b'APPEND INBOX (\\Seen $Done) "17-Jul-1996 02:44:25 -0700" {}', MAIL)
        assert re.search(rb"^T3 OK \[APPENDUID %d 4\]" % world.mailbox().uidvalidity, answer, re.MULTILINE)
        assert numbers(answer, "EXISTS") == [4]
        copy = world.store.copies(world.mailbox().id, [4])[0]
        assert copy.flags == {"\\Seen", "$Done"}
        assert copy.internal_date == 837596665.0
        assert copy.message.origin == "append"
        assert world.store.raw(copy.message.seq) == MAIL

    def test_bytes_are_kept(self, world, client):
        raw = b"Subject: x\n\nbare \xff\x00 \r lf\n"
        assert b" OK " in client.literal(b"APPEND INBOX {}", raw)
        assert world.store.raw(world.store.copies(world.mailbox().id, [4])[0].message.seq) == raw

    def test_without_waiting(self, world):
        client = world.login()
        data = b"a APPEND INBOX {%d+}\r\n%b\r\nb NOOP\r\n" % (len(MAIL), MAIL)
        assert client.send(data).startswith(b"a OK [APPENDUID ")

    def test_several(self, world, client):
        answer = client.literal(b'APPEND INBOX {} (\\Flagged) {} " 1-Jan-2026 00:00:00 +0000" {}', MAIL, MAIL, MAIL)
        assert b"APPENDUID %d 4:6]" % world.mailbox().uidvalidity in answer
        assert world.flags(5) == {"\\Flagged"}
        assert world.flags(6) == frozenset()

    def test_all_or_none(self, world, client):
        world.store.put_account(world.account(), quota=world.store.used(world.account()).octets + len(MAIL) + 5)
        # the first would fit: the second is refused before it is read, and with it the first
        answer = client.send(b"a APPEND INBOX {%d}\r\n" % len(MAIL))
        assert answer.startswith(b"+ ")
        assert client.send(MAIL + b" {%d}\r\n" % len(MAIL)).startswith(b"a NO [OVERQUOTA]")
        assert b"* 3 EXISTS" in world.login().ok("EXAMINE INBOX")

    def test_no_such_mailbox_is_said_before_the_message_is_read(self, client):
        assert client.send(b"a APPEND nothing {10}\r\n").startswith(b"a NO [TRYCREATE]")
        assert client.send(b"b APPEND nothing {10+}\r\n0123456789\r\nc NOOP\r\n").startswith(
            b"b NO [TRYCREATE] There is no such mailbox\r\nc OK"
        )

    def test_too_large_is_said_before_it_is_read(self, make_world):
        client = make_world(max_message_size=1000).login()
        assert client.send(b"a APPEND INBOX {1001}\r\n").startswith(b"a NO [TOOBIG]")
        assert client.send(b"b APPEND INBOX {1001+}\r\n" + b"x" * 1001 + b"\r\nc NOOP\r\n").startswith(
            b"b NO [TOOBIG] The message is too large\r\nc OK"
        )
        assert client.literal(b"APPEND INBOX {}", b"x" * 1000).startswith(b"T2 OK")

    def test_long_literals_have_to_wait(self, world):
        # RFC 7888, 5: LITERAL-
        client = world.login()
        answer = client.send(b"a APPEND INBOX {4097+}\r\n" + b"x" * 4097 + b"\r\n")
        assert answer.startswith(b"a BAD [TOOBIG]")
        assert client.send(b"a APPEND INBOX {4096+}\r\n" + b"x" * 4096 + b"\r\n").startswith(b"a OK")

    def test_literal_plus_by_setting(self, make_world):
        client = make_world(imap_capabilities=frozenset({"+LITERAL+"})).login()
        capabilities = client.ok("CAPABILITY")
        assert b"LITERAL+" in capabilities
        assert b"LITERAL-" not in capabilities
        assert client.send(b"a APPEND INBOX {4097+}\r\n" + b"x" * 4097 + b"\r\n").startswith(b"a OK")

    def test_an_empty_message_is_none(self, client):
        assert b" NO [CANNOT]" in client.literal(b"APPEND INBOX {}", b"")

    def test_the_name_as_a_literal(self, world):
        client = world.login()
        answer = client.literal(b"APPEND {} {}", b"INBOX", MAIL)
        assert answer.startswith(b"T2 OK")

    @pytest.mark.parametrize(
        "arguments",
        [
            b"INBOX", b"INBOX ", b"INBOX hello", b'INBOX "hello"', b"INBOX (\\Seen)", b"INBOX (\\Recent) {1}",
            b'INBOX "yesterday" {1}', b"INBOX (\\Foo) {1}", b"INBOX {1}x", b"{1}",
        ],
    )  # fmt: skip
    def test_bad_syntax(self, client, arguments):
        answer = client.send(b"a APPEND " + arguments + b"\r\n")
        if answer.startswith(b"+ "):
            answer = client.send(b"x\r\n")
        assert answer.startswith((b"a BAD", b"a NO [NONEXISTENT]", b"a NO [TRYCREATE]"))
        assert client.ok("NOOP")

    def test_a_plugin_may_refuse_or_change(self, make_world):
        class Plugin:
            @hookimpl
            @fast
            def mailtrap_before_message(self, session, origin, envelope, raw):
                if origin != "append":
                    return None
                return Refuse(550, "no thanks") if b"spam" in raw else Change(raw=raw.upper())

        world = make_world(Plugin())
        client = world.login()
        assert b" NO [CANNOT] no thanks" in client.literal(b"APPEND INBOX {}", b"spam")
        assert b" OK " in client.literal(b"APPEND INBOX {}", b"subject: x\r\n\r\n")
        copy = world.store.copies(world.mailbox().id)[0]
        assert world.store.raw(copy.message.seq) == b"SUBJECT: X\r\n\r\n"

    def test_others_are_told(self, world, client):
        other = world.select()
        client.literal(b"APPEND INBOX {}", MAIL)
        assert numbers(other.ok("NOOP"), "EXISTS") == [4]

    def test_one_append_is_bounded(self, world, monkeypatch):
        monkeypatch.setattr(limits, "IMAP_APPEND", 100)
        world.scopes.root.change(max_message_size=100)
        client = world.login()
        assert client.send(b"a APPEND INBOX {60}\r\n").startswith(b"+ ")
        assert client.send(b"x" * 60 + b" {41}\r\n").startswith(b"a NO [TOOBIG]")
        assert world.store.status(world.mailbox().id).messages == 0

    def test_it_is_no_submission(self, world, client):
        client.literal(b"APPEND INBOX {}", MAIL)
        row = world.store.messages()[-1]
        assert row.origin == "append"
        assert [str(address) for address in row.envelope.recipients] == [BOB]

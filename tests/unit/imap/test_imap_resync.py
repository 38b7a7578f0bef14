"""CONDSTORE and QRESYNC (RFC 7162)."""

import re

import pytest

from mailtrap import limits

from .conftest import numbers


def modseqs(answer: bytes) -> dict[int, int]:
    """Sequence number to MODSEQ in FETCH responses."""
    found = re.findall(rb"^\* (\d+) FETCH \(.*MODSEQ \((\d+)\)", answer, re.MULTILINE)
    return {int(number): int(modseq) for number, modseq in found}


def highest(answer: bytes) -> int:
    """The MODSEQ of a HIGHESTMODSEQ code."""
    found = re.search(rb"\[HIGHESTMODSEQ (\d+)\]", answer)
    assert found, answer
    return int(found[1])


@pytest.fixture
def box(world):
    for _ in range(5):
        world.put()
    return world.mailbox().id


@pytest.fixture
def client(world, box):
    return world.select()


class TestEnabling:
    def test_select_says_the_highest(self, world, box):
        assert highest(world.login().ok("SELECT INBOX")) == world.mailbox().highestmodseq

    @pytest.mark.parametrize(
        "command",
        [
            "ENABLE CONDSTORE", "FETCH 1 MODSEQ", "FETCH 1 (FLAGS MODSEQ)", "FETCH 1 FLAGS (CHANGEDSINCE 1)",
            "STORE 1 (UNCHANGEDSINCE 1) +FLAGS.SILENT (x)", "SEARCH MODSEQ 1", "STATUS INBOX (HIGHESTMODSEQ)",
            'LIST "" INBOX RETURN (STATUS (HIGHESTMODSEQ))',
        ],
    )  # fmt: skip
    def test_each_use_enables_it(self, world, client, box, command):
        assert not client.session.condstore
        assert highest(client.ok(command)) > 1
        assert client.session.condstore
        world.store.set_flags(box, [2], ["y"], "add")
        assert modseqs(client.ok("NOOP"))[2] == world.mailbox().highestmodseq

    def test_as_a_parameter_of_select(self, world, client):
        client.ok("SELECT INBOX (CONDSTORE)")
        assert client.session.condstore
        client.bad("SELECT INBOX (CONDSTORE")
        client.bad("SELECT INBOX (FOO)")
        client.bad("SELECT INBOX ()")

    def test_a_select_of_bad_syntax_enables_nothing(self, client):
        client.bad("SELECT INBOX (CONDSTORE) x")
        assert not client.session.condstore

    def test_without_it_nothing_is_said(self, world, client, box):
        world.store.set_flags(box, [2], ["y"], "add")
        assert b"MODSEQ" not in client.ok("NOOP")
        assert b"MODSEQ" not in client.ok("STORE 1 +FLAGS (x)")

    def test_taken_away(self, make_world):
        world = make_world(imap_capabilities=frozenset({"-CONDSTORE"}))
        world.put()
        client = world.login()
        assert b"MODSEQ" not in client.ok("SELECT INBOX")
        assert b"QRESYNC" not in client.ok("CAPABILITY")
        for command in (
            "FETCH 1 MODSEQ", "FETCH 1 FLAGS (CHANGEDSINCE 1)", "STORE 1 (UNCHANGEDSINCE 1) FLAGS (x)",
            "SEARCH MODSEQ 1", "STATUS INBOX (HIGHESTMODSEQ)", "SELECT INBOX (CONDSTORE)",
        ):  # fmt: skip
            client.bad(command)
        assert client.ok("ENABLE CONDSTORE QRESYNC") == b"* ENABLED\r\n"


class TestStore:
    def test_a_message_changed_since_is_left_alone(self, world, client, box):
        client.ok("ENABLE CONDSTORE")
        since = world.mailbox().highestmodseq
        world.store.set_flags(box, [2, 4], ["theirs"], "add")
        untagged, tagged = client.raw(f"STORE 1:5 (UNCHANGEDSINCE {since}) +FLAGS (mine)")
        assert tagged == b"OK [MODIFIED 2,4] Conditional STORE failed for some"
        assert world.flags(2) == {"theirs"}
        assert world.flags(3) == {"mine"}
        assert {number for number, modseq in modseqs(untagged).items() if modseq == since + 2} == {1, 3, 5}
        assert b"theirs" in untagged  # and the client learns what the others have

    def test_uids(self, world, client, box):
        world.store.expunge(box, [1])
        since = world.mailbox().highestmodseq
        world.store.set_flags(box, [3], ["theirs"], "add")
        _, tagged = client.raw(f"UID STORE 2:3 (UNCHANGEDSINCE {since}) +FLAGS.SILENT (mine)")
        assert tagged.startswith(b"OK [MODIFIED 3]")

    def test_silent_tells_the_modseq(self, world, client):
        client.ok("ENABLE CONDSTORE")
        answer = client.ok("STORE 1 +FLAGS.SILENT (x)")
        assert b"* 1 FETCH (MODSEQ (%d))\r\n" % world.mailbox().highestmodseq in answer

    def test_setting_seen_by_fetch_tells_it_too(self, world, client):
        client.ok("ENABLE CONDSTORE")
        answer = client.ok("FETCH 2 (BODY[TEXT])")
        assert b"* 2 FETCH (FLAGS (\\Seen \\Recent) MODSEQ (%d) BODY[TEXT]" % world.mailbox().highestmodseq in answer

    @pytest.mark.parametrize(
        "modifier", ["(UNCHANGEDSINCE)", "(UNCHANGEDSINCE x)", "(FOO 1)", "()", "(UNCHANGEDSINCE 1"]
    )
    def test_bad_syntax(self, client, modifier):
        client.bad(f"STORE 1 {modifier} FLAGS (x)")


class TestFetch:
    def test_modseq(self, world, client, box):
        assert modseqs(client.ok("FETCH 1:* (MODSEQ)")) == {
            number: copy.modseq for number, copy in enumerate(world.store.copies(box), 1)
        }

    def test_changedsince(self, world, client, box):
        since = world.mailbox().highestmodseq
        world.store.set_flags(box, [2, 4], ["x"], "add")
        answer = client.ok(f"FETCH 1:3 (FLAGS) (CHANGEDSINCE {since})")
        assert b"* 2 FETCH (FLAGS (\\Recent x) MODSEQ (%d))\r\n" % (since + 1) in answer
        assert b"* 3 FETCH" not in answer
        assert numbers(client.ok(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {since})"), "FETCH") == [2, 4]
        assert numbers(client.ok(f"FETCH 1:* FLAGS (CHANGEDSINCE {since + 1})"), "FETCH") == []

    @pytest.mark.parametrize(
        "modifiers", ["()", "(CHANGEDSINCE)", "(CHANGEDSINCE x)", "(FOO)", "(CHANGEDSINCE 1 VANISHED)", "(VANISHED)"]
    )
    def test_bad_syntax(self, client, modifiers):
        client.bad(f"UID FETCH 1 FLAGS {modifiers}")

    def test_vanished_needs_all_three(self, client):
        client.ok("ENABLE QRESYNC")
        client.bad("FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)")
        client.bad("UID FETCH 1 FLAGS (VANISHED)")


class TestSearch:
    def test_modseq(self, world, client, box):
        since = world.mailbox().highestmodseq
        world.store.set_flags(box, [2, 4], ["x"], "add")
        expected = b"* SEARCH 2 4 (MODSEQ %d)\r\n" % (since + 1)
        assert expected in client.ok(f"SEARCH MODSEQ {since + 1}")
        assert expected in client.ok(f'SEARCH MODSEQ "/flags/\\\\Draft" all {since + 1}')
        assert client.ok("SEARCH MODSEQ 9999") == b"* SEARCH\r\n"
        for wrong in ("MODSEQ", "MODSEQ x", 'MODSEQ "/flags/x" 1', 'MODSEQ "/flags/x" foo 1'):
            client.bad(f"SEARCH {wrong}")

    def test_extended(self, world, client, box):
        world.store.set_flags(box, [4], ["x"], "add")
        copies = world.store.copies(box)
        answer = client.ok("SEARCH RETURN (MIN) MODSEQ 1")
        assert b"MIN 1 MODSEQ %d\r\n" % copies[0].modseq in answer
        answer = client.ok("SEARCH RETURN (MIN COUNT) MODSEQ 1")
        assert b"MIN 1 COUNT 5 MODSEQ %d\r\n" % copies[3].modseq in answer


class TestQresync:
    @pytest.fixture
    def away(self, world, box):
        """What a client knew, and what happened since."""
        row = world.mailbox()
        world.store.set_flags(box, [3], ["x"], "add")
        world.store.expunge(box, [2, 5])
        world.put()
        return row

    def _select(self, world, parameters: str) -> bytes:
        client = world.login()
        client.ok("ENABLE QRESYNC")
        return client.ok(f"SELECT INBOX (QRESYNC ({parameters}))")

    def test_what_happened_is_told_at_select(self, world, away):
        answer = self._select(world, f"{away.uidvalidity} {away.highestmodseq}")
        assert b"* VANISHED (EARLIER) 2,5\r\n" in answer
        assert re.findall(rb"FETCH \(UID (\d+) FLAGS \([^)]*\) MODSEQ", answer) == [b"3", b"6"]
        assert answer.index(b"EXISTS") < answer.index(b"VANISHED") < answer.index(b"FETCH")

    def test_only_of_the_known_uids(self, world, away):
        answer = self._select(world, f"{away.uidvalidity} {away.highestmodseq} 1:4 (1,2 1,2)")
        assert b"* VANISHED (EARLIER) 2\r\n" in answer
        assert re.findall(rb"FETCH \(UID (\d+) ", answer) == [b"3"]
        assert b"VANISHED" in self._select(world, f"{away.uidvalidity} {away.highestmodseq} (1,2 1,2)")

    def test_another_uidvalidity(self, world, away):
        answer = self._select(world, f"{away.uidvalidity - 1} {away.highestmodseq}")
        assert b"VANISHED" not in answer
        assert b"FETCH" not in answer

    def test_nothing_happened(self, world, box):
        row = world.mailbox()
        answer = self._select(world, f"{row.uidvalidity} {row.highestmodseq}")
        assert b"VANISHED" not in answer
        assert b"FETCH" not in answer

    def test_what_is_forgotten(self, world, box, monkeypatch):
        monkeypatch.setattr(limits, "VANISHED_RANGES", 2)
        row = world.mailbox()
        for uid in (1, 3, 5):
            world.store.expunge(box, [uid])
        assert not world.store.changes(box, row.highestmodseq).complete
        answer = self._select(world, f"{row.uidvalidity} {row.highestmodseq}")
        assert b"* VANISHED (EARLIER) 1,3,5\r\n" in answer
        assert b"* VANISHED (EARLIER) 3\r\n" in self._select(world, f"{row.uidvalidity} {row.highestmodseq} 2:4")

    def test_it_has_to_be_enabled(self, client):
        assert "CLIENTBUG" in client.bad("SELECT INBOX (QRESYNC (1 1))")

    @pytest.mark.parametrize(
        "parameters",
        [
            "",
            "1",
            "1 x",
            "1 1 x",
            "1 1 (1)",
            "1 1 1:2 (1 2",
            "1 1 1 1",
            "1 1 1:*",
            "1 1 $",
            "1 1 1:2 (* 1)",
            "1 1 (1 *)",
        ],
    )
    def test_bad_syntax(self, client, parameters):
        client.ok("ENABLE QRESYNC")
        client.bad(f"SELECT INBOX (QRESYNC ({parameters}))")

    def test_fetch_vanished(self, world, client, away):
        client.ok("ENABLE QRESYNC")
        client.ok("NOOP")
        answer = client.ok(f"UID FETCH 1:4 (FLAGS) (CHANGEDSINCE {away.highestmodseq} VANISHED)")
        assert answer.startswith(b"* VANISHED (EARLIER) 2\r\n* 2 FETCH (UID 3 ")

    def test_vanished_instead_of_expunge(self, world, client, box):
        client.ok("ENABLE QRESYNC")
        world.store.expunge(box, [1, 2, 4])
        answer = client.ok("NOOP")
        assert answer == b"* VANISHED 1:2,4\r\n"
        assert client.ok("FETCH 1 UID") == b"* 1 FETCH (UID 3)\r\n"
        client.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        untagged, tagged = client.raw("EXPUNGE")
        assert untagged == b"* VANISHED 3\r\n"
        assert highest(tagged) == world.mailbox().highestmodseq
        client.ok("CREATE a")
        untagged, tagged = client.raw("UID MOVE 5 a")
        assert untagged.endswith(b"* VANISHED 5\r\n")
        assert highest(tagged) == world.mailbox().highestmodseq

    def test_in_idle(self, world, client, box):
        client.ok("ENABLE QRESYNC")
        client.send(b"x IDLE\r\n")
        world.store.expunge(box, [1])
        assert client.woken() == b"* VANISHED 1\r\n"

    def test_close_says_the_highest(self, world, client):
        client.ok("ENABLE CONDSTORE")
        client.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        assert highest(client.raw("CLOSE")[1]) == world.mailbox().highestmodseq
        client.ok("SELECT INBOX")
        assert b"HIGHESTMODSEQ" not in client.raw("CLOSE")[1]

    def test_selecting_another_says_that_the_first_is_closed(self, client):
        assert client.ok("SELECT INBOX").startswith(b"* OK [CLOSED]")
        client.ok("CLOSE")
        assert b"CLOSED" not in client.ok("SELECT INBOX")


class TestWithheld:
    def test_no_modseq_above_an_expunge_that_is_withheld(self, world, client, box):
        # RFC 7162, 6
        client.ok("ENABLE CONDSTORE")
        before = world.mailbox().highestmodseq
        world.store.expunge(box, [2])
        client.ok("FETCH 1 FLAGS")  # takes it in, and may not tell
        answer = client.send(b"a STATUS INBOX (HIGHESTMODSEQ)\r\nb FETCH 3 UID\r\n")
        assert b"HIGHESTMODSEQ %d)" % before in answer
        assert b"EXPUNGE" not in answer
        client.ok("NOOP")
        assert b"HIGHESTMODSEQ %d)" % world.mailbox().highestmodseq in client.ok("STATUS INBOX (HIGHESTMODSEQ)")

    @pytest.mark.parametrize(
        "command", ["FETCH 1 (FLAGS MODSEQ)", "STORE 1 +FLAGS (x)", "SEARCH 1", "SORT (DATE) UTF-8 1"]
    )
    def test_tagged_replies_say_up_to_where_the_client_knows_everything(self, world, client, box, command):
        client.ok("ENABLE QRESYNC")
        before = world.mailbox().highestmodseq
        world.store.expunge(box, [2])
        world.store.set_flags(box, [1], ["\\Flagged"], "add")
        _, tagged = client.raw(command)
        assert tagged.startswith(b"OK [HIGHESTMODSEQ %d] " % before)
        untagged, tagged = client.raw("NOOP")
        assert b"VANISHED 2" in untagged
        assert b"HIGHESTMODSEQ" not in tagged

"""IDLE (RFC 2177)."""

import pytest

from mailtrap.wire.steps import NEED_DATA

from .conftest import numbers


class TestIdle:
    def test_what_happens_is_told_at_once(self, world):
        world.put()
        client = world.select()
        assert client.send(b"a IDLE\r\n") == b"+ idling\r\n"
        assert list(client.watching) == [world.mailbox().id]
        world.put()
        assert client.woken() == b"* 2 EXISTS\r\n* 2 RECENT\r\n"
        world.store.set_flags(world.mailbox().id, [1], ["\\Seen"], "add")
        assert client.woken() == b"* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent))\r\n"
        world.store.expunge(world.mailbox().id, [1, 2])
        assert client.woken() == b"* 2 EXPUNGE\r\n* 1 EXPUNGE\r\n"
        assert client.send(b"DONE\r\n") == b"a OK IDLE completed\r\n"
        assert list(client.watching) == []
        world.put()
        assert client.woken() == b""
        assert client.ok("NOOP") == b"* 1 EXISTS\r\n* 1 RECENT\r\n"

    def test_what_came_before_it_is_told_when_it_begins(self, world):
        client = world.select() if world.account() else None
        world.put()
        assert client.send(b"a IDLE\r\n") == b"+ idling\r\n* 1 EXISTS\r\n* 1 RECENT\r\n"

    def test_nothing_is_lost_between_the_question_and_the_wait(self, world):
        world.account()
        client = world.select()
        client.send(b"a IDLE\r\n")
        store, changes = world.store, world.store.changes

        def then_more(mailbox, since):
            answer = changes(mailbox, since)
            store.changes = changes
            world.put()  # after the answer, before the session waits again
            return answer

        world.put()
        store.changes = then_more
        assert numbers(client.woken(), "EXISTS")[-1] == 2
        assert not client.session.woken

    def test_a_wake_without_news_says_nothing(self, world):
        world.account()
        client = world.select()
        client.send(b"a IDLE\r\n")
        client.session.wake()
        assert client.woken() == b""
        assert client.session.next() is NEED_DATA

    def test_the_transcript_has_it_once(self, world):
        world.account()
        client = world.select()
        client.send(b"a IDLE\r\n")
        world.put()
        client.woken()
        client.send(b"DONE\r\n")
        client.ok("NOOP")
        assert client.record.transcript.count("S * 1 EXISTS") == 1

    def test_without_a_mailbox(self, world):
        client = world.login()
        assert client.send(b"a IDLE\r\n") == b"+ idling\r\n"
        assert client.send(b"done\r\n") == b"a OK IDLE completed\r\n"
        world.connect().bad("IDLE")

    @pytest.mark.parametrize("line", [b"NOOP\r\n", b"b NOOP\r\n", b"\r\n", b"DONE x\r\n", b"x" * 70_000 + b"\r\n"])
    def test_only_done_ends_it_well(self, world, line):
        world.account()
        client = world.select()
        client.send(b"a IDLE\r\n")
        assert client.send(line).startswith(b"a BAD ")
        assert client.ok("NOOP")
        assert list(client.watching) == []

    def test_done_in_the_same_segment(self, world):
        world.account()
        client = world.select()
        assert client.send(b"a IDLE\r\nDONE\r\nb NOOP\r\n").endswith(b"a OK IDLE completed\r\nb OK NOOP completed\r\n")

    def test_done_octet_by_octet(self, world):
        client = world.login()
        answer = b"".join(client.send(bytes((octet,))) for octet in b"a IDLE\r\nDONE\r\n")
        assert answer == b"+ idling\r\na OK IDLE completed\r\n"

    def test_the_client_leaves(self, world):
        world.account()
        client = world.select()
        client.send(b"a IDLE\r\n")
        client.end_of_input()
        assert client.closed is not None
        assert not world.errors

    def test_who_waits_for_it_is_told_when_it_begins(self, world):
        heard = []
        world.commands.listen(lambda record, verb: heard.append((verb, record.user)))
        client = world.login()
        client.send(b"a IDLE\r\n")
        assert heard == [("LOGIN", "bob@example.com"), ("IDLE", "bob@example.com")]
        client.send(b"DONE\r\n")
        client.ok("UID FETCH 1 FLAGS") if client.session.view else client.ok("NOOP")
        assert [verb for verb, _ in heard] == ["LOGIN", "IDLE", "NOOP"]

    def test_taken_away(self, make_world):
        client = make_world(imap_capabilities=frozenset({"-IDLE"})).login()
        assert b"IDLE" not in client.ok("CAPABILITY")
        assert "Unknown" in client.bad("IDLE")

    def test_two_idlers_have_their_own_numbers(self, world):
        for _ in range(3):
            world.put()
        first = world.select()
        world.store.expunge(world.mailbox().id, [1])
        second = world.select()
        first.send(b"a IDLE\r\n")
        second.send(b"a IDLE\r\n")
        world.store.set_flags(world.mailbox().id, [3], ["x"], "add")
        assert b"* 2 FETCH (UID 3 FLAGS (" in first.woken()
        assert b"* 2 FETCH (UID 3 FLAGS (" in second.woken()
        world.store.expunge(world.mailbox().id, [2])
        assert first.woken() == second.woken() == b"* 1 EXPUNGE\r\n"

"""SELECT, EXAMINE, CLOSE, UNSELECT, EXPUNGE, and what is told of others' changes."""

import pytest

from .conftest import numbers


class TestSelect:
    def test_an_empty_mailbox(self, world):
        row = world.mailbox() if world.account() else None
        client = world.login()
        untagged, tagged = client.raw("SELECT inbox")
        assert tagged == b"OK [READ-WRITE] SELECT completed"
        assert untagged == (
            b"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n"
            b"* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] "
            b"Flags and new keywords are kept\r\n"
            b"* 0 EXISTS\r\n* 0 RECENT\r\n"
            b"* OK [UIDVALIDITY %d] UIDs are valid\r\n* OK [UIDNEXT 1] The next UID\r\n"
            b"* OK [MAILBOXID (F%d)] It keeps this\r\n"
            b"* OK [HIGHESTMODSEQ %d] The highest\r\n" % (row.uidvalidity, row.id, row.highestmodseq)
        )

    def test_counts_and_codes(self, world):
        world.put(flags=["\\Seen", "work"])
        world.put()
        answer = world.login().ok("SELECT INBOX")
        assert b"* 2 EXISTS\r\n* 2 RECENT\r\n" in answer
        assert b"[UNSEEN 2]" in answer
        assert b"[UIDNEXT 3]" in answer
        assert b"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft work)\r\n" in answer

    def test_all_seen(self, world):
        world.put(flags=["\\Seen"])
        assert b"UNSEEN" not in world.login().ok("SELECT INBOX")

    def test_a_select_that_fails_leaves_none_selected(self, world):
        client = world.select()
        assert client.no("SELECT nothing").startswith("NO [NONEXISTENT]")
        client.bad("FETCH 1 FLAGS")

    @pytest.mark.parametrize("command", ["SELECT", "SELECT ", "SELECT a b", "SELECT (a)", 'SELECT "a'])
    def test_bad_syntax(self, world, command):
        world.login().bad(command)

    def test_before_the_login(self, world):
        assert "CLIENTBUG" in world.connect().bad("SELECT INBOX")


class TestExamine:
    def test_nothing_changes(self, world):
        uid = world.put()
        client = world.login()
        untagged, tagged = client.raw("EXAMINE INBOX")
        assert tagged.startswith(b"OK [READ-ONLY]")
        assert b"[PERMANENTFLAGS ()]" in untagged
        assert b"* 1 RECENT" in untagged
        assert b"How are you" in client.ok("FETCH 1 BODY[]")
        for command in ("STORE 1 +FLAGS (\\Seen)", "EXPUNGE", "UID EXPUNGE 1", "MOVE 1 INBOX"):
            client.no(command)
        world.store.set_flags(world.mailbox().id, [uid], ["\\Deleted"], "add")
        assert client.ok("CLOSE")
        assert world.flags(uid) == {"\\Deleted"}
        assert b"* 1 RECENT" in world.login().ok("SELECT INBOX")

    def test_copying_out_is_possible(self, world):
        world.put()
        client = world.login()
        client.ok("EXAMINE INBOX")
        client.ok("CREATE a")
        assert client.ok("COPY 1 a")


class TestRecent:
    def test_one_session_has_it(self, world):
        world.put()
        first = world.login()
        assert b"* 1 RECENT" in first.ok("SELECT INBOX")
        assert b"\\Recent" in first.ok("FETCH 1 FLAGS")
        second = world.login()
        assert b"* 0 RECENT" in second.ok("SELECT INBOX")
        assert b"\\Recent" not in second.ok("FETCH 1 FLAGS")

    def test_arrivals_are_the_first_tellers(self, world):
        first, second = world.select(), world.select()
        world.put()
        assert first.ok("NOOP") == b"* 1 EXISTS\r\n* 1 RECENT\r\n"
        assert second.ok("NOOP") == b"* 1 EXISTS\r\n* 0 RECENT\r\n"
        world.put()
        assert second.ok("NOOP") == b"* 2 EXISTS\r\n* 1 RECENT\r\n"
        assert first.ok("NOOP") == b"* 2 EXISTS\r\n* 1 RECENT\r\n"
        assert first.ok("SEARCH RECENT") == b"* SEARCH 1\r\n"
        assert second.ok("SEARCH RECENT") == b"* SEARCH 2\r\n"

    def test_new_and_old(self, world):
        world.put()
        world.select()
        world.put(flags=["\\Seen"])
        world.put()
        client = world.select()
        assert client.ok("SEARCH RECENT") == b"* SEARCH 2 3\r\n"
        assert client.ok("SEARCH NEW") == b"* SEARCH 3\r\n"
        assert client.ok("SEARCH OLD") == b"* SEARCH 1\r\n"


class TestExpunge:
    def test_numbers_move_down(self, world):
        for _ in range(4):
            world.put()
        client = world.select()
        client.ok("STORE 1,3,4 +FLAGS.SILENT (\\Deleted)")
        told = numbers(client.ok("EXPUNGE"), "EXPUNGE")
        left = [1, 2, 3, 4]
        for number in told:
            del left[number - 1]
        assert left == [2]
        assert client.ok("FETCH 1 UID") == b"* 1 FETCH (UID 2)\r\n"

    def test_uid_expunge_takes_only_these(self, world):
        for _ in range(3):
            world.put(flags=["\\Deleted"])
        client = world.select()
        assert numbers(client.ok("UID EXPUNGE 2:3,9"), "EXPUNGE") == [3, 2]
        assert client.ok("FETCH 1 UID") == b"* 1 FETCH (UID 1)\r\n"
        client.bad("UID EXPUNGE")
        client.bad("UID EXPUNGE x")

    def test_nothing_is_deleted_at_store(self, world):
        world.put()
        client = world.select()
        client.ok("STORE 1 +FLAGS (\\Deleted)")
        assert b"* 1 EXISTS" in world.login().ok("SELECT INBOX")

    def test_close_tells_nothing(self, world):
        world.put(flags=["\\Deleted"])
        client = world.select()
        assert client.raw("CLOSE") == (b"", b"OK CLOSE completed")
        assert "CLIENTBUG" in client.bad("FETCH 1 FLAGS")
        assert b"* 0 EXISTS" in client.ok("SELECT INBOX")

    def test_close_of_what_was_deleted(self, world):
        # RFC 3501, 6.4.2: CLOSE is OK or BAD
        client = world.login()
        client.ok("CREATE a")
        client.ok("SELECT a")
        world.store.delete_mailbox(world.mailbox("a").id)
        assert client.raw("CLOSE") == (b"", b"OK CLOSE completed")
        assert "CLIENTBUG" in client.bad("CHECK")

    def test_unselect_expunges_nothing(self, world):
        world.put(flags=["\\Deleted"])
        client = world.select()
        assert client.raw("UNSELECT") == (b"", b"OK UNSELECT completed")
        assert b"* 1 EXISTS" in client.ok("SELECT INBOX")

    def test_selecting_another_expunges_nothing(self, world):
        world.put(flags=["\\Deleted"])
        client = world.select()
        client.ok("CREATE a")
        client.ok("SELECT a")
        assert b"* 1 EXISTS" in client.ok("SELECT INBOX")


class TestOthersChanges:
    def test_arrivals_flags_and_expunges_at_the_next_command(self, world):
        uids = [world.put() for _ in range(3)]
        client = world.select()
        box = world.mailbox().id
        world.store.set_flags(box, [uids[0]], ["\\Flagged"], "add")
        world.store.expunge(box, [uids[1]])
        world.put()
        answer = client.ok("NOOP")
        assert answer == (
            b"* 2 EXPUNGE\r\n* 3 EXISTS\r\n* 3 RECENT\r\n* 1 FETCH (UID 1 FLAGS (\\Flagged \\Recent))\r\n"
        )
        assert client.ok("NOOP") == b"*"

    @pytest.mark.parametrize("command", ["FETCH 1 FLAGS", "STORE 1 +FLAGS (x)", "SEARCH ALL"])
    def test_expunge_is_withheld_in_commands_with_numbers(self, world, command):
        # RFC 3501, 7.4.1
        uids = [world.put() for _ in range(3)]
        client = world.select()
        world.store.expunge(world.mailbox().id, [uids[1]])
        world.put()
        answer = client.ok(command)
        assert not numbers(answer, "EXPUNGE")
        assert numbers(answer, "EXISTS") == [4]
        assert client.ok("FETCH 3 UID") == b"* 3 FETCH (UID 3)\r\n"
        assert numbers(client.ok("NOOP"), "EXPUNGE") == [2]
        assert client.ok("FETCH 2 UID") == b"* 2 FETCH (UID 3)\r\n"

    @pytest.mark.parametrize("command", ["UID FETCH 1 FLAGS", "UID STORE 1 +FLAGS (x)", "UID SEARCH ALL"])
    def test_expunge_is_told_in_commands_with_uids(self, world, command):
        uids = [world.put() for _ in range(3)]
        client = world.select()
        world.store.expunge(world.mailbox().id, [uids[1]])
        assert numbers(client.ok(command), "EXPUNGE") == [2]

    def test_a_uid_search_with_numbers_withholds_too(self, world):
        uids = [world.put() for _ in range(3)]
        client = world.select()
        world.store.expunge(world.mailbox().id, [uids[1]])
        assert not numbers(client.ok("UID SEARCH 1:3"), "EXPUNGE")

    def test_not_before_a_command_with_numbers_that_is_there_already(self, world):
        uids = [world.put() for _ in range(3)]
        client = world.select()
        world.store.expunge(world.mailbox().id, [uids[0]])
        answer = client.send(b"a NOOP\r\nb FETCH 3 UID\r\nc NOOP\r\n")
        assert answer.index(b"* 3 FETCH (UID 3)") < answer.index(b"EXPUNGE")

    def test_the_commands_own_expunges_are_told_at_once(self, world):
        for _ in range(2):
            world.put(flags=["\\Deleted"])
        client = world.select()
        answer = client.send(b"a EXPUNGE\r\nb FETCH 1 UID\r\n")
        assert answer.startswith(b"* 2 EXPUNGE\r\n* 1 EXPUNGE\r\na OK")

    def test_fetching_what_is_gone_but_not_told(self, world):
        uids = [world.put() for _ in range(3)]
        client = world.select()
        world.store.expunge(world.mailbox().id, [uids[1]])
        untagged, tagged = client.raw("FETCH 1:3 UID")
        assert numbers(untagged, "FETCH") == [1, 3]
        assert tagged.startswith(b"NO [EXPUNGEISSUED]")
        assert client.no("STORE 2 +FLAGS (x)").startswith("NO [EXPUNGEISSUED]")
        client.ok("CREATE a")  # tells of it
        assert client.ok("FETCH 1:2 UID")

    def test_copying_what_is_gone_copies_nothing(self, world):
        uids = [world.put() for _ in range(2)]
        world.store.create_mailbox(world.account(), "a")
        client = world.select()
        world.store.expunge(world.mailbox().id, [uids[1]])
        client.no("FETCH 2 UID")
        assert client.no("COPY 1:2 a").startswith("NO [EXPUNGEISSUED]")
        assert world.store.status(world.mailbox("a").id).messages == 0

    def test_uids_that_are_gone_are_passed_over(self, world):
        uids = [world.put() for _ in range(3)]
        client = world.select()
        world.store.expunge(world.mailbox().id, [uids[1]])
        assert client.ok("UID FETCH 1:3 (UID)").startswith(b"* 1 FETCH (UID 1)\r\n* 3 FETCH (UID 3)\r\n")

    def test_own_changes_are_not_told_twice(self, world):
        world.put()
        client = world.select()
        assert client.ok("STORE 1 +FLAGS (\\Seen)").count(b"FETCH") == 1
        assert client.ok("NOOP") == b"*"
        assert client.ok("STORE 1 -FLAGS.SILENT (\\Seen)") == b"*"
        assert client.ok("FETCH 1 BODY[]").count(b"FETCH") == 1
        assert client.ok("NOOP") == b"*"

    def test_a_silent_store_does_not_hide_what_others_did(self, world):
        uid = world.put()
        client = world.select()
        world.store.set_flags(world.mailbox().id, [uid], ["\\Flagged"], "add")
        assert b"\\Flagged" in client.ok("STORE 1 +FLAGS.SILENT (\\Seen)")

    def test_new_keywords_are_announced(self, world):
        uid = world.put()
        client = world.select()
        world.store.set_flags(world.mailbox().id, [uid], ["fresh"], "add")
        answer = client.ok("NOOP")
        assert answer.startswith(
            b"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft fresh)\r\n* OK [PERMANENTFLAGS"
        )
        world.store.set_flags(world.mailbox().id, [uid], ["fresh"], "remove")
        assert b"* FLAGS" not in client.ok("NOOP")

    def test_other_uids_end_the_session(self, world):
        world.put()
        client = world.select()
        world.store.renumber(world.mailbox().id)
        assert client.send(b"x NOOP\r\n").startswith(b"* BYE")

    def test_an_account_that_is_removed(self, world):
        world.put()
        client = world.select()
        world.store.remove_account(world.account())
        answer = client.send(b"x CREATE a\r\n")
        assert b"x NO" in answer or b"* BYE" in answer
        assert not [error for error in world.errors if not isinstance(error, Exception)]

    def test_messages_that_are_cleared(self, world):
        for _ in range(3):
            world.put()
        client = world.select()
        world.store.clear("")
        assert numbers(client.ok("NOOP"), "EXPUNGE") == [3, 2, 1]

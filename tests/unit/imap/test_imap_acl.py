"""Rights: SETACL and what goes with it, other users' mailboxes, and every command that asks for a right (RFC 4314)."""

import pytest

from mailtrap import clock
from mailtrap.imap.rights import EVERY, rights_of
from mailtrap.store.rows import INBOX, Key, MailboxRow

from .conftest import BOB, MAIL, numbers

EVE = "eve@example.com"
INBOX_OF_BOB = f"user/{BOB}/INBOX"


def names(answer: bytes) -> list[str]:
    return [line.rpartition(b' "/" ')[2].decode().strip('"') for line in answer.splitlines() if b' "/" ' in line]


@pytest.fixture
def bob(world):
    return world.login()


@pytest.fixture
def share(world):
    """Gives Eve rights on a mailbox of Bob's, which comes to be; a session of hers."""
    world.put()

    def share(rights: str, mailbox: str = INBOX, who: str = EVE):
        key = world.account()
        row = world.store.mailbox(key, mailbox) or world.store.create_mailbox(key, mailbox)
        world.store.set_rights(row.id, who, rights)
        return world.login(EVE)

    return share


class TestCommands:
    def test_the_owner_has_every_right(self, bob):
        assert bob.ok("MYRIGHTS INBOX") == b"* MYRIGHTS INBOX lrswipkxteacd\r\n"
        assert bob.ok("GETACL INBOX") == b"* ACL INBOX bob@example.com lrswipkxteacd\r\n"

    def test_setting_adding_and_removing(self, bob):
        assert bob.ok(f"SETACL INBOX {EVE} lrs") == b"*"
        assert bob.ok(f'SETACL INBOX "{EVE}" "+wx"')
        assert bob.ok(f"SETACL inbox {EVE.upper()} -s")
        assert bob.ok("SETACL INBOX anyone r")
        assert bob.ok("SETACL INBOX -mallory@example.com r")
        answer = bob.ok("GETACL INBOX")
        assert answer == (
            b"* ACL INBOX bob@example.com lrswipkxteacd eve@example.com lrwxd anyone r -mallory@example.com r\r\n"
        )
        assert bob.ok("DELETEACL INBOX anyone")
        assert bob.ok("DELETEACL INBOX anyone")
        assert bob.ok(f"SETACL INBOX {EVE} {{}}".replace("{}", '""'))
        assert bob.ok("GETACL INBOX").endswith(b' eve@example.com "" -mallory@example.com r\r\n')

    def test_the_rights_of_rfc_2086(self, bob):
        assert bob.ok(f"SETACL INBOX {EVE} cd")
        assert bob.ok("GETACL INBOX").endswith(b" eve@example.com kxtecd\r\n")

    def test_listrights(self, bob):
        assert bob.ok(f"LISTRIGHTS INBOX {EVE}") == (
            b'* LISTRIGHTS INBOX eve@example.com "" l r s w i p k x t e a c d\r\n'
        )
        assert bob.ok(f"LISTRIGHTS INBOX {BOB}") == b"* LISTRIGHTS INBOX bob@example.com lra s w i p k x t e c d\r\n"

    def test_listrights_tells_the_identifier_as_it_was_given(self, bob):
        # RFC 4314, 3.4
        assert bob.ok("LISTRIGHTS INBOX Eve+Tag@Example.COM").startswith(b"* LISTRIGHTS INBOX Eve+Tag@Example.COM ")
        assert bob.ok(f"LISTRIGHTS INBOX {BOB.upper()}").startswith(b"* LISTRIGHTS INBOX BOB@EXAMPLE.COM lra s ")
        assert bob.ok("LISTRIGHTS INBOX Anyone").startswith(b'* LISTRIGHTS INBOX Anyone "" ')

    def test_identifiers_are_prepared(self, bob):
        # RFC 4314, 3: with SASLprep; BAD where that fails or leaves nothing
        assert b" BAD " in bob.literal(b"SETACL INBOX {} lr", "\u00ad".encode())
        assert b" BAD " in bob.literal(b"SETACL INBOX {} lr", "eve\ufffd".encode())
        assert b" BAD " in bob.literal(b"SETACL INBOX {} lr", b"eve\x01")
        assert b" OK " in bob.literal(b"SETACL INBOX {} lr", "e\u00adve\u2168@example.com".encode())
        assert b" eveix@example.com lr" in bob.ok("GETACL INBOX")

    def test_an_owner_can_be_restricted_but_never_locked_out(self, bob):
        assert bob.ok(f"SETACL INBOX {BOB} -w")
        assert b" lrsipkxteacd" in bob.ok("MYRIGHTS INBOX")
        assert bob.ok(f"SETACL INBOX {BOB} {{}}".replace("{}", '""'))
        assert bob.ok("MYRIGHTS INBOX") == b"* MYRIGHTS INBOX lra\r\n"
        assert bob.ok("GETACL INBOX") == b"* ACL INBOX bob@example.com lra\r\n"
        assert bob.ok(f"SETACL INBOX {BOB} +p")
        assert bob.ok("MYRIGHTS INBOX") == b"* MYRIGHTS INBOX lrpa\r\n"
        assert bob.ok(f"DELETEACL INBOX {BOB}")
        assert bob.ok("MYRIGHTS INBOX") == b"* MYRIGHTS INBOX lrswipkxteacd\r\n"

    def test_a_fresh_plus_leaves_the_owner_with_all(self, bob):
        assert bob.ok(f"SETACL INBOX {BOB} +l")
        assert bob.ok("MYRIGHTS INBOX") == b"* MYRIGHTS INBOX lrswipkxteacd\r\n"

    @pytest.mark.parametrize(
        "command",
        [
            "SETACL", "SETACL INBOX", "SETACL INBOX eve", "SETACL INBOX eve q", "SETACL INBOX eve lrQ",
            'SETACL INBOX "" lr', 'SETACL INBOX "-" lr', "SETACL INBOX eve lr x", "SETACL INBOX eve +-l",
            "DELETEACL INBOX", "GETACL", "GETACL INBOX x", "LISTRIGHTS INBOX", "MYRIGHTS", "MYRIGHTS INBOX x",
            "SETACL INBOX eve (lr)", "LISTRIGHTS INBOX eve eve",
        ],
    )  # fmt: skip
    def test_bad_commands(self, bob, command):
        bob.bad(command)
        assert bob.ok("GETACL INBOX") == b"* ACL INBOX bob@example.com lrswipkxteacd\r\n"

    @pytest.mark.parametrize(
        "verb", ["GETACL {}", "MYRIGHTS {}", "SETACL {} eve l", "DELETEACL {} eve", "LISTRIGHTS {} eve"]
    )
    def test_no_such_mailbox(self, bob, verb):
        for name in ("Nothing", "user/nobody@example.com/INBOX", f"user/{EVE}", "user/", "user/x"):
            assert bob.no(verb.format(name)).startswith("NO [NONEXISTENT]")

    def test_without_the_capability(self, make_world):
        client = make_world(imap_capabilities=frozenset({"-ACL"})).login()
        answer = client.ok("CAPABILITY")
        assert not any(word in answer for word in (b"ACL", b"RIGHTS=", b"MYRIGHTS"))
        for command in ("GETACL INBOX", "MYRIGHTS INBOX", 'LIST "" * RETURN (MYRIGHTS)'):
            client.bad(command)

    def test_the_record_of_messages(self, world):
        world.put()
        client = world.login("all")
        assert client.ok("MYRIGHTS INBOX") == b"* MYRIGHTS INBOX lrswted\r\n"
        assert client.no("SETACL INBOX eve l").startswith("NO [NOPERM]")
        assert world.login().no("SELECT user/all/INBOX").startswith("NO [NONEXISTENT]")


class TestOthers:
    """What other users see of a mailbox."""

    def test_nothing_is_shared_by_itself(self, world, bob):
        eve = world.login(EVE)
        assert names(eve.ok('LIST "" *')) == ["INBOX"]
        assert eve.no(f"SELECT {INBOX_OF_BOB}").startswith("NO [NONEXISTENT]")

    def test_it_is_listed_below_the_namespace(self, share):
        eve = share("lr")
        assert names(eve.ok('LIST "" *')) == ["INBOX", "user", f"user/{BOB}", INBOX_OF_BOB]
        answer = eve.ok('LIST "" user/%')
        assert answer == b'* LIST (\\Noselect \\HasChildren) "/" "user/bob@example.com"\r\n'
        assert names(eve.ok('LIST "user/" "%/INBOX"')) == [INBOX_OF_BOB]

    def test_listing_needs_l(self, share):
        assert names(share("r").ok('LIST "" *')) == ["INBOX"]

    def test_it_is_read_and_changed_as_ones_own(self, world, share):
        eve = share("lrswite")
        answer = eve.ok(f"SELECT {INBOX_OF_BOB}")
        assert b"* 1 EXISTS" in answer
        assert MAIL in eve.ok("FETCH 1 BODY[]")
        assert eve.ok("STORE 1 +FLAGS (\\Deleted \\Flagged)")
        assert world.flags(1) == {"\\Seen", "\\Deleted", "\\Flagged"}
        assert b"* 1 EXPUNGE" in eve.ok("EXPUNGE")

    def test_both_see_what_the_other_does(self, world, share):
        eve, bob = share("lrs"), world.select()
        eve.ok(f"SELECT {INBOX_OF_BOB}")
        assert eve.ok("STORE 1 +FLAGS.SILENT \\Seen")
        assert b"* 1 FETCH (UID 1 FLAGS (\\Seen" in bob.ok("NOOP")
        eve.send(b"x IDLE\r\n")
        world.put()
        assert b"* 2 EXISTS" in eve.woken()

    def test_anyone(self, world, share):
        share("lr", who="anyone")
        assert INBOX_OF_BOB in names(world.login("zoe@example.com").ok('LIST "" *'))

    def test_negative_rights(self, world, share):
        eve = share("lr", who="anyone")
        share("r", who=f"-{EVE}")
        assert eve.no(f"SELECT {INBOX_OF_BOB}").startswith("NO [NOPERM]")
        assert INBOX_OF_BOB in names(eve.ok('LIST "" *'))

    def test_list_with_rights_and_status(self, share):
        eve = share("lr")
        answer = eve.ok('LIST "" "user/*" RETURN (MYRIGHTS STATUS (MESSAGES))')
        assert f'* STATUS "{INBOX_OF_BOB}" (MESSAGES 1)'.encode() in answer
        assert answer.count(b"MYRIGHTS") == 1
        assert f'* MYRIGHTS "{INBOX_OF_BOB}" lr\r\n'.encode() in answer

    def test_list_tells_no_status_that_may_not_be_read(self, share):
        answer = share("l").ok('LIST "" "user/*" RETURN (STATUS (MESSAGES))')
        assert b"STATUS" not in answer

    def test_subscriptions(self, world, share):
        eve = share("lr")
        assert eve.ok(f"SUBSCRIBE {INBOX_OF_BOB}")
        assert eve.ok("SUBSCRIBE user/ghost@example.com/INBOX")
        assert names(eve.ok('LSUB "" *')) == ["INBOX", INBOX_OF_BOB, "user/ghost@example.com/INBOX"]
        assert names(eve.ok('LIST (SUBSCRIBED) "" "user/*"')) == [INBOX_OF_BOB, "user/ghost@example.com/INBOX"]
        assert eve.ok(f"UNSUBSCRIBE {INBOX_OF_BOB}")
        assert INBOX_OF_BOB not in names(eve.ok('LSUB "" *'))

    def test_no_such_namespace_by_setting(self, make_world):
        world = make_world(imap_other_users="")
        world.store.set_rights(world.store.mailbox(world.account(), INBOX).id, EVE, "lr")
        eve = world.login(EVE)
        assert eve.ok("NAMESPACE") == b'* NAMESPACE (("" "/")) NIL NIL\r\n'
        assert names(eve.ok('LIST "" *')) == ["INBOX"]
        assert eve.ok("CREATE user/x")

    def test_ones_own_by_the_long_name(self, world):
        world.put()
        client = world.select(INBOX_OF_BOB)
        assert b"FLAGS" in client.ok("STORE 1 +FLAGS \\Seen")

    def test_a_mailbox_of_a_parents_account(self, world):
        """What a session fixture shared is there in each test, and each has its own."""
        world.put()
        world.store.set_rights(world.mailbox().id, EVE, "lrs")
        scope = world.scopes.open(world.scopes.root, "child", {})
        world.scopes.enter(scope)
        eve = world.select(INBOX_OF_BOB, EVE)
        assert eve.ok("STORE 1 +FLAGS \\Seen")
        assert world.flags(1) == frozenset()
        assert INBOX_OF_BOB in names(world.login(EVE).ok('LIST "" *'))


# Command, the rights with which it works, and those without any one of which it does not.
NEEDED = [
    (f"SELECT {INBOX_OF_BOB}", "lr", "r"),
    (f"EXAMINE {INBOX_OF_BOB}", "lr", "r"),
    (f"STATUS {INBOX_OF_BOB} (MESSAGES)", "lr", "r"),
    (f"GETQUOTAROOT {INBOX_OF_BOB}", "lr", "r"),
    (f"GETACL {INBOX_OF_BOB}", "la", "a"),
    (f"SETACL {INBOX_OF_BOB} zoe@example.com l", "la", "a"),
    (f"DELETEACL {INBOX_OF_BOB} zoe@example.com", "la", "a"),
    (f"LISTRIGHTS {INBOX_OF_BOB} zoe@example.com", "la", "a"),
    (f"CREATE {INBOX_OF_BOB}/new", "lk", "k"),
    (f"GETMETADATA {INBOX_OF_BOB} /shared/x", "lr", "l"),
    (f'SETMETADATA {INBOX_OF_BOB} (/private/x "y")', "lp", "l"),
    (f'SETMETADATA {INBOX_OF_BOB} (/shared/x "y")', "lw", "lw"),
    (f"DELETE user/{BOB}/Team", "lx", "x"),
    (f"RENAME user/{BOB}/Team {INBOX_OF_BOB}/Team", "lxk", "xk"),
]


class TestNeeded:
    @pytest.mark.parametrize(("command", "rights", "needed"), NEEDED, ids=[row[0] for row in NEEDED])
    def test_each(self, world, share, command, rights, needed):
        for missing in needed:
            fewer = "".join(right for right in EVERY if right != missing)
            share(fewer, "Team")
            assert share(fewer).no(command).startswith(("NO [NOPERM]", "NO [NONEXISTENT]")), missing
        share(rights, "Team")
        assert share(rights).ok(command)

    @pytest.mark.parametrize(
        ("command", "rights", "works"),
        [
            ("STORE 1 +FLAGS \\Seen", "lrs", True),
            ("STORE 1 +FLAGS \\Seen", "lrwt", False),
            ("STORE 1 -FLAGS \\Deleted", "lrt", True),
            ("STORE 1 +FLAGS \\Deleted", "lrsw", False),
            ("STORE 1 +FLAGS (\\Flagged work)", "lrw", True),
            ("STORE 1 +FLAGS work", "lrst", False),
            ("STORE 1 FLAGS (\\Seen)", "lrst", False),
            ("STORE 1 FLAGS ()", "lrstw", True),
            ("UID STORE 1 FLAGS.SILENT ()", "lr", False),
            ("EXPUNGE", "lre", True),
            ("EXPUNGE", "lrtw", False),
            ("UID EXPUNGE 1", "lrt", False),
            ("COPY 1 INBOX", "lr", True),
            ("MOVE 1 INBOX", "lrte", True),
            ("MOVE 1 INBOX", "lrt", False),
            ("MOVE 1 INBOX", "lre", False),
        ],
    )
    def test_in_the_selected_mailbox(self, world, share, command, rights, works):
        eve = share(rights + "i")  # one that makes it READ-WRITE
        assert eve.raw(f"SELECT {INBOX_OF_BOB}")[1].startswith(b"OK [READ-WRITE]")
        before = world.flags(1)
        if works:
            assert eve.ok(command)
        else:
            assert eve.no(command).startswith("NO [NOPERM]")
            assert world.flags(1) == before

    def test_without_a_right_to_change_it_is_read_only(self, share):
        eve = share("lr")
        untagged, tagged = eve.raw(f"SELECT {INBOX_OF_BOB}")
        assert tagged.startswith(b"OK [READ-ONLY]")
        assert b"[PERMANENTFLAGS ()]" in untagged
        assert eve.no("STORE 1 +FLAGS \\Seen").startswith("NO [CANNOT]")

    @pytest.mark.parametrize(
        ("rights", "flags"), [("s", b"(\\Seen)"), ("t", b"(\\Deleted)"), ("w", b"(\\Answered \\Flagged \\Draft \\*)")]
    )
    def test_permanentflags_are_those_that_can_be_changed(self, share, rights, flags):
        assert b"[PERMANENTFLAGS %b]" % flags in share("lr" + rights).ok(f"SELECT {INBOX_OF_BOB}")

    def test_some_of_the_flags_are_better_than_none(self, world, share):
        eve = share("lrs")
        eve.ok(f"SELECT {INBOX_OF_BOB}")
        assert eve.ok("STORE 1 +FLAGS (\\Seen \\Deleted work)")
        assert world.flags(1) == {"\\Seen"}

    def test_reading_does_not_mark_without_s(self, world, share):
        eve = share("lrw")
        eve.ok(f"SELECT {INBOX_OF_BOB}")
        assert eve.ok("FETCH 1 BODY[]").startswith(b"* 1 FETCH (BODY[] {")
        assert world.flags(1) == frozenset()

    def test_close_without_e_expunges_nothing(self, world, share):
        eve = share("lrt")
        eve.ok(f"SELECT {INBOX_OF_BOB}")
        eve.ok("STORE 1 +FLAGS \\Deleted")
        assert eve.ok("CLOSE")
        assert world.flags(1) == {"\\Deleted"}

    def test_append_and_copy_set_what_may_be_set(self, world, share):
        eve = share("lris")
        assert b"OK [APPENDUID" in eve.literal(f"APPEND {INBOX_OF_BOB} (\\Seen \\Deleted work) {{}}".encode(), MAIL)
        assert world.flags(2) == {"\\Seen"}
        world.put(account=EVE, flags=["\\Seen", "\\Flagged"])
        eve.ok("SELECT INBOX")
        assert eve.ok(f"COPY 1 {INBOX_OF_BOB}")
        assert world.flags(3) == {"\\Seen"}
        assert len(world.store.messages("")) == 3

    @pytest.mark.parametrize("rights", ["lr", "lrstwe", ""])
    def test_nothing_is_put_where_one_may_not(self, world, share, rights):
        eve = share(rights)
        world.put(account=EVE)
        eve.ok("SELECT INBOX")
        code = "NO [NOPERM]" if rights else "NO [NONEXISTENT]"
        nowhere = eve.no(f"COPY 1 user/{BOB}/Nothing")
        assert nowhere == eve.no("COPY 1 user/nobody@example.com/INBOX") == "NO [NONEXISTENT] There is no such mailbox"
        assert eve.no(f"COPY 1 {INBOX_OF_BOB}").startswith(code)
        assert eve.no(f"MOVE 1 {INBOX_OF_BOB}").startswith(code)
        assert code.encode() in eve.literal(f"APPEND {INBOX_OF_BOB} {{}}".encode(), MAIL)
        assert len(world.store.copies(world.mailbox().id)) == 1

    def test_subscribing_tells_nothing_of_what_is_there(self, world, share):
        # RFC 4314, 4 and 6: nobody asks whether there is such a mailbox
        eve = share("")
        for name in (INBOX_OF_BOB, f"user/{BOB}/Nothing"):
            assert eve.raw(f"SUBSCRIBE {name}") == (b"", b"OK SUBSCRIBE completed")
            assert b'* LIST (\\NonExistent \\Subscribed) "/" "%b"\r\n' % name.encode() in eve.ok(
                'LIST (SUBSCRIBED) "" *'
            )

    def test_trycreate_only_where_one_may_create(self, world, share):
        # RFC 3501, 6.3.11, and RFC 4314, 6
        eve = share("lk", "team")
        for name in ("team/new", "team/new/below"):
            assert b"NO [TRYCREATE]" in eve.literal(f"APPEND user/{BOB}/{name} {{}}".encode(), MAIL)
        hidden = world.store.create_mailbox(world.account(), "team/hidden")
        world.store.set_rights(hidden.id, EVE, None)
        for name in ("team/hidden", "team/nothing"):
            assert b"NO [TRYCREATE] There is no such mailbox" in eve.literal(
                f"APPEND user/{BOB}/{name} {{}}".encode(), MAIL
            )

    def test_rights_that_are_taken_away_while_it_is_selected(self, world, share):
        eve = share("lrw")
        eve.ok(f"SELECT {INBOX_OF_BOB}")
        share("lr")
        assert eve.no("STORE 1 +FLAGS work").startswith("NO [NOPERM]")
        share("l")
        assert eve.no("FETCH 1 FLAGS").startswith("NO [NOPERM]")
        assert eve.no("SEARCH ALL").startswith("NO [NOPERM]")
        share("")
        assert eve.no("FETCH 1 FLAGS").startswith("NO [NONEXISTENT]")
        assert eve.ok("UNSELECT")

    def test_what_may_not_be_read_any_more_is_not_told(self, world, share):
        # RFC 4314, 5.1.1: neither with another command, nor in IDLE, nor with NOTIFY
        eve, idling, notified = (share("lrs") for _ in range(3))
        for client in (eve, idling, notified):
            client.ok(f"SELECT {INBOX_OF_BOB}")
        notified.ok("NOTIFY SET (selected (MessageNew (UID FLAGS) MessageExpunge FlagChange))")
        idling.send(b"i IDLE\r\n")
        share("l")
        world.put(b"Subject: secret\r\n\r\n")
        world.store.set_flags(world.mailbox().id, [1], ["\\Flagged"], "add")
        assert eve.ok("NOOP") == b"*"
        assert idling.woken() == notified.woken() == b""
        assert eve.ok("STATUS INBOX (MESSAGES)") == b"* STATUS INBOX (MESSAGES 0)\r\n"
        share("lrs")
        world.put()
        assert b"* 3 EXISTS\r\n" in idling.woken()
        assert b"* 3 FETCH (UID 3 FLAGS (" in notified.woken()
        assert numbers(eve.ok("NOOP"), "EXISTS") == [3]
        assert eve.ok("FETCH 2 UID") == b"* 2 FETCH (UID 2)\r\n"

    def test_an_updated_search_waits_where_it_may_not_be_read(self, world, share, monkeypatch):
        now = clock.now()
        monkeypatch.setattr(clock, "now", lambda: now)
        eve = share("lr")
        eve.ok(f"SELECT {INBOX_OF_BOB}")
        eve.send(b"A UID SEARCH RETURN (UPDATE) YOUNGER 60\r\n")
        share("l")
        eve.send(b"i IDLE\r\n")
        now += 100
        eve.session.wake()
        assert eve.woken() == b""
        assert eve.steps[-1].seconds == 1
        share("lr")
        eve.session.wake()
        assert eve.woken() == b'* ESEARCH (TAG "A") UID REMOVEFROM (0 1)\r\n'

    def test_changed_rights_are_told_as_permanent_flags(self, world, share):
        # RFC 4314, 5.1.1
        eve = share("lrs")
        assert b"[PERMANENTFLAGS (\\Seen)]" in eve.ok(f"SELECT {INBOX_OF_BOB}")
        assert eve.ok("NOOP") == b"*"
        share("lrst")
        answer = eve.ok("NOOP")
        assert answer.startswith(b"* FLAGS (\\Answered ")
        assert b"\r\n* OK [PERMANENTFLAGS (\\Deleted \\Seen)] " in answer
        assert eve.ok("NOOP") == b"*"
        share("lrstikxe")
        assert eve.ok("NOOP") == b"*"  # nothing about flags
        eve.ok(f"EXAMINE {INBOX_OF_BOB}")
        share("lr")
        assert eve.ok("NOOP") == b"*"

    def test_an_owner_who_restricted_himself(self, world):
        world.put()
        bob = world.select()
        bob.ok(f"SETACL INBOX {BOB} lr")
        assert bob.no("STORE 1 +FLAGS work").startswith("NO [NOPERM]")
        assert b"NO [NOPERM]" in bob.literal(b"APPEND INBOX {}", MAIL)
        assert b"[READ-ONLY]" in bob.raw("SELECT INBOX")[1]
        assert bob.no("CREATE INBOX/x").startswith("NO [NOPERM]")
        assert bob.ok("CREATE x")

    def test_a_mailbox_stays_in_its_account(self, world, share):
        eve = share("lrxk")
        share("lrxk", "Team")
        assert eve.no(f"RENAME user/{BOB}/Team Mine").startswith("NO [CANNOT]")
        assert eve.ok("CREATE Mine")
        assert eve.no(f"RENAME Mine {INBOX_OF_BOB}/Mine").startswith("NO [CANNOT]")
        assert eve.no(f"CREATE user/{BOB}/Fresh").startswith("NO [NOPERM]")
        assert eve.no("CREATE user/nobody@example.com/Fresh").startswith("NO [NOPERM]")

    def test_what_is_made_below_is_shared_alike(self, share):
        eve = share("lrki")
        assert eve.ok(f"CREATE {INBOX_OF_BOB}/deep/er")
        assert eve.ok(f"MYRIGHTS {INBOX_OF_BOB}/deep/er") == f'* MYRIGHTS "{INBOX_OF_BOB}/deep/er" lrikc\r\n'.encode()


class TestRightsOf:
    @pytest.mark.parametrize(
        ("acl", "who", "expected"),
        [
            ({}, BOB, EVERY),
            ({}, EVE, ""),
            ({"eve": "lr"}, EVE, ""),
            ({EVE: "lr", "anyone": "s"}, EVE, "lrs"),
            ({EVE: "lr", "anyone": "s", f"-{EVE}": "r", "-anyone": "l"}, EVE, "s"),
            ({EVE: "lr"}, BOB, EVERY),
            ({BOB: "w"}, BOB, "lrwa"),
            ({"-anyone": EVERY}, BOB, "lra"),
        ],
    )
    def test_each(self, acl, who, expected):
        row = MailboxRow(1, Key("", BOB), INBOX, 1, 1, 1, acl=acl)
        assert rights_of(row, Key("", who)) == set(expected)

    def test_another_scope_is_another_user(self):
        row = MailboxRow(1, Key("", BOB), INBOX, 1, 1, 1)
        assert rights_of(row, Key("other", BOB)) == set()

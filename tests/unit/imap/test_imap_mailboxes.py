"""CREATE, DELETE, RENAME, SUBSCRIBE, LIST, LSUB, STATUS."""

import time

import pytest

from mailtrap.imap.commands.listing import matches

from .conftest import BOB, numbers


def names(answer: bytes) -> list[str]:
    """The names of LIST or LSUB responses."""
    return [line.rpartition(b' "/" ')[2].decode() for line in answer.splitlines() if b' "/" ' in line]


@pytest.fixture
def client(world):
    return world.login()


class TestCreate:
    def test_superior_names_come_to_be(self, client):
        assert client.ok("CREATE a/b")
        answer = client.ok('LIST "" *')
        assert b'* LIST (\\Noselect \\HasChildren) "/" a\r\n' in answer
        assert b'* LIST (\\HasNoChildren) "/" a/b\r\n' in answer
        assert client.no("SELECT a").startswith("NO [NONEXISTENT]")
        assert client.ok("CREATE a")
        assert client.ok("SELECT a")

    def test_a_separator_at_the_end(self, client):
        assert client.ok("CREATE a/")
        assert client.ok("SELECT a")

    @pytest.mark.parametrize("name", ["INBOX", "inbox", "Inbox/"])
    def test_inbox_is_there(self, client, name):
        assert client.no(f"CREATE {name}").startswith("NO [ALREADYEXISTS]")

    def test_not_twice(self, client):
        client.ok("CREATE a")
        assert client.no("CREATE a").startswith("NO [ALREADYEXISTS]")
        assert client.ok("CREATE A")

    @pytest.mark.parametrize("name", ['""', "/", "a//b", "/a", "a//"])
    def test_names_with_an_empty_part(self, client, name):
        assert client.no(f"CREATE {name}").startswith("NO [CANNOT]")

    @pytest.mark.parametrize("name", ["a&b", "&AOk", "&AOk-&AOk-", "a&AAo-b"])
    def test_names_in_no_known_encoding(self, client, name):
        assert client.no(f"CREATE {name}").startswith("NO [CANNOT]")

    def test_long_names(self, client):
        assert client.ok("CREATE " + "x" * 1000)
        assert client.no("CREATE " + "x" * 1001).startswith("NO [LIMIT]")

    @pytest.mark.parametrize(
        "name", ["a b", "a]b", "a[b", "a}b", "a^b", "a|b", "a*b", "a%b", "Entw&APw-rfe", "&AOk-&-&Ti0-", "a.b", "NIL"]
    )
    def test_odd_names_come_back(self, client, name):
        client.ok(f'CREATE "{name}"')
        assert f'"{name}"' in client.ok('LIST "" *').decode() or f" {name}\r\n" in client.ok('LIST "" *').decode()
        assert client.ok(f'SELECT "{name}"')
        assert client.ok(f'STATUS "{name}" (MESSAGES)')
        client.ok("UNSELECT")
        assert client.ok(f'DELETE "{name}"')

    def test_a_quoted_name_with_quotes(self, client):
        client.ok(r'CREATE "a\"\\b"')
        assert rb'"a\"\\b"' in client.ok('LIST "" *')

    def test_special_use(self, client):
        assert client.ok("CREATE Out (USE (\\Sent))")
        assert b'* LIST (\\HasNoChildren \\Sent) "/" Out\r\n' in client.ok('LIST "" *')
        assert names(client.ok('LIST (SPECIAL-USE) "" *')) == ["Out"]
        assert client.no("CREATE Every (USE (\\All))").startswith("NO [USEATTR]")
        assert client.no("CREATE Every (USE (\\Foo))").startswith("NO [USEATTR]")
        client.bad("CREATE x (FOO (\\Sent))")
        client.bad("CREATE x (USE \\Sent)")


class TestDelete:
    def test_inbox_stays(self, client):
        assert client.no("DELETE INBOX").startswith("NO [CANNOT]")

    def test_what_is_not_there(self, client):
        assert client.no("DELETE a").startswith("NO [NONEXISTENT]")

    def test_with_children_the_name_stays(self, client):
        client.ok("CREATE a")
        client.ok("CREATE a/b")
        assert client.ok("DELETE a")
        assert b'(\\Noselect \\HasChildren) "/" a\r\n' in client.ok('LIST "" *')
        assert client.no("DELETE a").startswith("NO [HASCHILDREN]")
        assert client.ok("DELETE a/b")
        assert client.ok("DELETE a")
        assert names(client.ok('LIST "" *')) == ["INBOX"]

    def test_the_selected_one(self, client):
        client.ok("CREATE a")
        client.ok("SELECT a")
        untagged, tagged = client.raw("DELETE a")
        assert tagged.startswith(b"OK")
        assert untagged.startswith(b"* OK [CLOSED]")
        assert "CLIENTBUG" in client.bad("FETCH 1 FLAGS")
        assert client.ok("SELECT INBOX")

    def test_one_that_another_has_selected(self, world, client):
        client.ok("CREATE a")
        other = world.select("a")
        client.ok("DELETE a")
        assert other.send(b"x NOOP\r\n").startswith(b"* BYE")
        assert other.closed is not None
        assert not world.errors

    def test_one_that_another_watches(self, world, client):
        client.ok("CREATE a")
        other = world.select("a")
        other.send(b"x IDLE\r\n")
        client.ok("DELETE a")
        assert other.woken().startswith(b"* BYE")

    def test_a_name_that_is_made_anew_has_a_higher_uidvalidity(self, world, client):
        client.ok("CREATE a")
        first = world.mailbox("a").uidvalidity
        client.ok("DELETE a")
        client.ok("CREATE a")
        assert world.mailbox("a").uidvalidity > first


class TestRename:
    def test_with_children(self, client):
        client.ok("CREATE a/b/c")
        assert client.ok("RENAME a x")
        assert names(client.ok('LIST "" *')) == ["INBOX", "x", "x/b", "x/b/c"]

    def test_to_a_deeper_name(self, client):
        client.ok("CREATE a")
        assert client.ok("RENAME a b/c/d")
        assert names(client.ok('LIST "" *')) == ["INBOX", "b", "b/c", "b/c/d"]

    def test_to_a_name_that_is_taken(self, client):
        client.ok("CREATE a")
        client.ok("CREATE b")
        assert client.no("RENAME a b").startswith("NO [ALREADYEXISTS]")
        assert client.no("RENAME a inbox").startswith("NO [ALREADYEXISTS]")

    def test_below_itself(self, client):
        client.ok("CREATE a")
        assert client.no("RENAME a a/b").startswith("NO [CANNOT]")

    def test_what_is_not_there(self, client):
        assert client.no("RENAME a b").startswith("NO [NONEXISTENT]")

    def test_inbox_gives_its_messages_away(self, world, client):
        world.put()
        client.ok("SELECT INBOX")
        assert numbers(client.ok("RENAME INBOX old"), "EXPUNGE") == [1]
        assert names(client.ok('LIST "" *')) == ["INBOX", "old"]
        assert b"* 1 EXISTS" in client.ok("SELECT old")

    def test_the_selected_one_stays_selected(self, world, client):
        world.store.create_mailbox(world.account(), "a")
        world.put(mailbox="a")
        client.ok("SELECT a")
        client.ok("RENAME a b")
        assert b"Hello" in client.ok("FETCH 1 ENVELOPE")
        assert client.ok("STORE 1 +FLAGS (\\Seen)")
        assert client.ok("NOOP")


class TestRecordOfMessages:
    """The account ``all``."""

    def test_it_has_an_inbox_with_every_message(self, world):
        world.put()
        world.put(account="eve@example.com")
        client = world.select(user="all")
        assert len(world.store.snapshot(world.mailbox(account="all").id).uids) == 2
        assert b"Hello" in client.ok("FETCH 1:2 ENVELOPE")
        assert client.ok("STORE 1 +FLAGS (\\Seen)")

    @pytest.mark.parametrize("command", ["CREATE x", "DELETE INBOX", "RENAME INBOX x", "SUBSCRIBE x", "COPY 1 INBOX"])
    def test_nothing_can_be_changed_about_it(self, world, command):
        world.put()
        assert world.select(user="all").no(command).startswith("NO [CANNOT]")

    def test_nothing_can_be_put_there(self, world):
        client = world.login("all")
        assert client.literal(b"APPEND INBOX {}", b"x").startswith(b"T2 NO [CANNOT]")

    def test_expunging_hides(self, world):
        world.put()
        client = world.select(user="all")
        client.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        assert numbers(client.ok("EXPUNGE"), "EXPUNGE") == [1]
        assert b"* 1 EXISTS" in world.login().ok("SELECT INBOX")


class TestSubscriptions:
    def test_names_that_are_not_there(self, client):
        assert names(client.ok('LSUB "" *')) == ["INBOX"]
        client.ok("SUBSCRIBE gone/away")
        assert names(client.ok('LSUB "" *')) == ["INBOX", "gone/away"]
        client.ok("UNSUBSCRIBE gone/away")
        client.ok("UNSUBSCRIBE gone/away")
        assert names(client.ok('LSUB "" *')) == ["INBOX"]

    def test_percent_tells_of_names_above(self, client):
        # RFC 3501, 6.3.9
        client.ok("SUBSCRIBE a/b/c")
        assert client.ok('LSUB "" %') == b'* LSUB () "/" INBOX\r\n* LSUB (\\Noselect) "/" a\r\n'
        assert names(client.ok('LSUB "" a/%')) == ["a/b"]
        client.ok("SUBSCRIBE a")
        assert b'* LSUB () "/" a\r\n' in client.ok('LSUB "" %')

    def test_it_outlives_the_mailbox(self, client):
        client.ok("CREATE a")
        client.ok("SUBSCRIBE a")
        client.ok("DELETE a")
        assert names(client.ok('LSUB "" *')) == ["INBOX", "a"]


class TestList:
    @pytest.fixture(autouse=True)
    def _mailboxes(self, client):
        for name in ("a/b/c", "a/x", "other", "INBOX/sub"):
            client.ok(f"CREATE {name}")

    @pytest.mark.parametrize(
        ("arguments", "found"),
        [
            ('"" *', ["INBOX", "INBOX/sub", "a", "a/b", "a/b/c", "a/x", "other"]),
            ('"" %', ["INBOX", "a", "other"]),
            ('"" a/%', ["a/b", "a/x"]),
            ("a/ %", ["a/b", "a/x"]),
            ('"" a*', ["a", "a/b", "a/b/c", "a/x"]),
            ('"" %/%', ["INBOX/sub", "a/b", "a/x"]),
            ('"" *b*', ["INBOX", "INBOX/sub", "a/b", "a/b/c"]),  # inbox in any case
            ('"" inbox', ["INBOX"]),
            ('"" InB%', ["INBOX"]),
            ('"" inbox/%', ["INBOX/sub"]),
            ('"" other', ["other"]),
            ('"" OTHER', []),
            ('"" "nothing*"', []),
        ],
    )
    def test_patterns(self, client, arguments, found):
        assert sorted(names(client.ok(f"LIST {arguments}"))) == sorted(found)

    @pytest.mark.parametrize("reference", ['""', "a", "a/b"])
    def test_the_empty_name_asks_for_the_separator(self, client, reference):
        assert client.ok(f'LIST {reference} ""') == b'* LIST (\\Noselect) "/" ""\r\n'

    def test_children(self, client):
        answer = client.ok('LIST "" %')
        assert b'(\\HasChildren) "/" INBOX\r\n' in answer
        assert b'(\\HasNoChildren) "/" other\r\n' in answer

    def test_long_patterns(self, client):
        assert client.no('LIST "" ' + "%" * 1001).startswith("NO [LIMIT]")

    def test_several_patterns(self, client):
        assert names(client.ok('LIST "" (other "a/x")')) == ["a/x", "other"]
        assert client.no('LIST "" (' + " ".join(["x"] * 101) + ")").startswith("NO [LIMIT]")

    def test_subscribed(self, client):
        client.ok("SUBSCRIBE a/x")
        client.ok("SUBSCRIBE gone")
        answer = client.ok('LIST (SUBSCRIBED) "" *')
        assert names(answer) == ["INBOX", "a/x", "gone"]
        assert b'(\\NonExistent \\Subscribed) "/" gone\r\n' in answer
        assert client.ok('LIST "" a/x RETURN (SUBSCRIBED)') == b'* LIST (\\HasNoChildren \\Subscribed) "/" a/x\r\n'
        assert client.ok('LIST "" other RETURN (SUBSCRIBED CHILDREN)') == b'* LIST (\\HasNoChildren) "/" other\r\n'

    def test_recursivematch(self, client):
        # RFC 5258, 5, example 9
        client.ok("SUBSCRIBE a/b/c")
        client.ok("SUBSCRIBE fruit/apple")
        answer = client.ok('LIST (SUBSCRIBED RECURSIVEMATCH) "" %')
        assert b'* LIST (\\Noselect \\HasChildren) "/" a ("CHILDINFO" ("SUBSCRIBED"))\r\n' in answer
        assert b'* LIST (\\NonExistent) "/" fruit ("CHILDINFO" ("SUBSCRIBED"))\r\n' in answer
        assert sorted(names(answer.replace(b' ("CHILDINFO" ("SUBSCRIBED"))', b""))) == ["INBOX", "a", "fruit"]
        client.bad('LIST (RECURSIVEMATCH) "" %')
        client.bad('LIST (REMOTE RECURSIVEMATCH) "" %')

    def test_recursivematch_with_special_use(self, client):
        client.ok("CREATE a/b/sent (USE (\\Sent))")
        client.ok("CREATE a/y (USE (\\Junk))")
        client.ok("SUBSCRIBE a/y")
        answer = client.ok('LIST (SPECIAL-USE RECURSIVEMATCH) "" %')
        assert answer == b'* LIST (\\Noselect \\HasChildren) "/" a ("CHILDINFO" ("SPECIAL-USE"))\r\n'
        assert b'/" a/y\r\n' in client.ok('LIST (RECURSIVEMATCH SPECIAL-USE) "" a/%')
        assert names(client.ok('LIST (SPECIAL-USE) "" *')) == ["a/b/sent", "a/y"]
        # all of the options have to be met, by what is below too
        answer = client.ok('LIST (SUBSCRIBED SPECIAL-USE RECURSIVEMATCH) "" %')
        assert answer == (b'* LIST (\\Noselect \\HasChildren) "/" a ("CHILDINFO" ("SUBSCRIBED" "SPECIAL-USE"))\r\n')
        assert client.ok('LIST (SUBSCRIBED SPECIAL-USE RECURSIVEMATCH) "" a/b') == b"*"

    def test_nothing_more_of_what_only_stands_above_what_was_chosen(self, world, client):
        # RFC 5819, 2; RFC 8440, 4; RFC 9590, 3
        client.ok("CREATE a")
        client.ok("SUBSCRIBE a/x")
        answer = client.ok(
            'LIST (SUBSCRIBED RECURSIVEMATCH) "" % RETURN (STATUS (MESSAGES) MYRIGHTS METADATA (/private/comment))'
        )
        assert b'* LIST (\\HasChildren) "/" a ("CHILDINFO" ("SUBSCRIBED"))\r\n' in answer
        for kind in (b"STATUS", b"MYRIGHTS", b"METADATA"):
            assert b"* %b INBOX " % kind in answer
            assert b"* %b a " % kind not in answer

    def test_status_with_it(self, world, client):
        world.put()
        answer = client.ok('LIST "" % RETURN (STATUS (MESSAGES UNSEEN))')
        assert b"* STATUS INBOX (MESSAGES 1 UNSEEN 1)\r\n" in answer
        assert b"* STATUS a " not in answer  # it cannot be selected

    @pytest.mark.parametrize(
        "arguments",
        ['""', '"" (', '"" ()', '(FOO) "" *', '"" * RETURN', '"" * RETURN (FOO)', '"" * FOO', '"" * RETURN (STATUS)'],
    )
    def test_bad_syntax(self, client, arguments):
        client.bad(f"LIST {arguments}")

    def test_without_the_extension(self, make_world):
        client = make_world(imap_capabilities=frozenset({"-LIST-EXTENDED"})).login()
        client.bad('LIST (SUBSCRIBED) "" *')
        client.bad('LIST "" * RETURN (CHILDREN)')
        assert client.ok('LIST "" *')


class TestWildcards:
    @pytest.mark.parametrize(
        ("pattern", "name", "fits"),
        [
            ("*", "", True), ("%", "", True), ("%", "a/b", False), ("*a%b", "a/ab", True), ("a%", "a", True),
            ("a*c", "a/b/c", True), ("a%c", "a/b/c", False), ("%%", "ab", True), ("", "a", False), ("a", "ab", False),
            ("%b", "a/b", False), ("*%b", "a/b", True), ("ab", "a", False),
        ],
    )  # fmt: skip
    def test_matches(self, pattern, name, fits):
        assert matches(pattern, name) is fits

    def test_no_pattern_takes_long(self):
        began = time.perf_counter()
        assert not matches("*a%" * 60 + "b", "a" * 900)
        assert not matches("%a" * 400 + "b", "a" * 1000)
        assert time.perf_counter() - began < 5


class TestStatus:
    def test_items(self, world, client):
        world.put(flags=["\\Seen"])
        uid = world.put()
        row = world.mailbox()
        answer = client.ok("STATUS inbox (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN SIZE)")
        size = sum(copy.size for copy in world.store.copies(row.id))
        assert (
            answer
            == (
                f"* STATUS INBOX (MESSAGES 2 RECENT 2 UIDNEXT {uid + 1} UIDVALIDITY {row.uidvalidity} UNSEEN 1"
                f" SIZE {size})\r\n"
            ).encode()
        )

    def test_recent_is_not_taken(self, world, client):
        world.put()
        client.ok("STATUS INBOX (RECENT)")
        assert b"(RECENT 1)" in client.ok("STATUS INBOX (RECENT)")
        assert b"* 1 RECENT" in client.ok("SELECT INBOX")

    def test_what_is_not_there(self, client):
        assert client.no("STATUS nothing (MESSAGES)").startswith("NO [NONEXISTENT]")

    @pytest.mark.parametrize("items", ["", "()", "MESSAGES", "(FOO)", "(MESSAGES", "(MESSAGES) x"])
    def test_bad_syntax(self, client, items):
        client.bad(f"STATUS INBOX {items}")

    def test_another_account_has_its_own(self, world, client):
        world.put(account="eve@example.com")
        assert b"(MESSAGES 0)" in client.ok("STATUS INBOX (MESSAGES)")
        assert b"(MESSAGES 1)" in world.login("eve@example.com").ok("STATUS INBOX (MESSAGES)")
        assert world.account(BOB) != world.account("eve@example.com")

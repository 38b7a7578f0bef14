"""GETMETADATA, SETMETADATA, and annotations in LIST (RFC 5464, RFC 9590)."""

import pytest

from mailtrap import limits
from mailtrap.store.rows import Key

from .conftest import BOB

EVE = "eve@example.com"


@pytest.fixture
def client(world):
    return world.login()


class TestSetting:
    def test_a_mailbox_and_the_server(self, world, client):
        assert client.ok('SETMETADATA INBOX (/private/comment "mine" /shared/comment {2+}\r\nhi)') == b"*"
        assert client.ok('SETMETADATA "" (/shared/comment "ours" /private/x "y")')
        assert client.ok("GETMETADATA INBOX (/shared/comment /private/comment)") == (
            b'* METADATA INBOX (/shared/comment "hi" /private/comment "mine")\r\n'
        )
        assert client.ok('GETMETADATA "" /shared/comment') == b'* METADATA "" (/shared/comment "ours")\r\n'
        eve = world.login(EVE)
        assert b'(/shared/comment "ours")' in eve.ok('GETMETADATA "" /shared/comment')
        assert b"(/private/x NIL)" in eve.ok('GETMETADATA "" /private/x')

    def test_who_the_administrator_is_cannot_be_changed(self, world, client):
        # RFC 5464, 3.2.1.1
        world.store.annotate(Key("", BOB), None, {"/shared/admin": b"mailto:root@example.com"})
        for value in ('"tel:1"', "NIL"):
            assert client.no(f'SETMETADATA "" (/private/x "1" /SHARED/Admin {value})').startswith("NO [CANNOT]")
        assert client.ok('GETMETADATA "" (/shared/admin /private/x)') == (
            b'* METADATA "" (/shared/admin "mailto:root@example.com" /private/x NIL)\r\n'
        )
        client.ok('SETMETADATA INBOX (/shared/admin "of a mailbox it is nothing special")')

    def test_special_uses(self, world, client):
        # RFC 6154, 4
        client.ok("CREATE Out (USE (\\Sent))")
        client.ok("CREATE Old")
        use = "/private/specialuse"
        assert client.ok(f"GETMETADATA Out {use}") == b'* METADATA Out (/private/specialuse "\\\\Sent")\r\n'
        assert client.ok(f"GETMETADATA Old {use}") == b"* METADATA Old (/private/specialuse NIL)\r\n"
        assert client.ok(f'SETMETADATA Old ({use} "\\\\trash \\\\Archive" /private/a "1")')
        assert b'(\\HasNoChildren \\Archive \\Trash) "/" Old\r\n' in client.ok('LIST "" Old')
        assert client.ok(f'LIST "" Old RETURN (METADATA ({use} /private/a))').endswith(
            b'* METADATA Old (/private/specialuse "\\\\Archive \\\\Trash" /private/a "1")\r\n'
        )
        assert client.ok(f"SETMETADATA Out ({use} NIL)")
        assert b'(\\HasNoChildren) "/" Out\r\n' in client.ok('LIST "" Out')
        for wrong in ('"\\\\All"', '"\\\\Foo"', '"Sent"', '"\\\\Junk \\\\Flagged"'):  # as CREATE would refuse
            assert client.no(f'SETMETADATA Out (/private/b "1" {use} {wrong})').startswith("NO [USEATTR]")
        assert client.ok(f"GETMETADATA Out ({use} /private/b)").count(b"NIL") == 2
        assert world.mailbox("Old").special_use == {"\\Archive", "\\Trash"}
        assert not world.store.annotations(Key("", BOB), [world.mailbox("Out").id])[0]

    def test_special_uses_are_the_owners(self, world, client):
        # RFC 6154, 2: what Bob sends with is not what Eve sends with
        client.ok("CREATE Out (USE (\\Sent))")
        world.store.set_rights(world.mailbox("Out").id, EVE, "lrwi")
        eve = world.login(EVE)
        assert b'* LIST (\\HasNoChildren) "/" "user/bob@example.com/Out"\r\n' in eve.ok('LIST "" *')
        assert eve.ok('LIST (SPECIAL-USE) "" *') == b"*"
        assert b"/private/specialuse NIL" in eve.ok("GETMETADATA user/bob@example.com/Out /private/specialuse")
        assert "USEATTR" in eve.no('SETMETADATA user/bob@example.com/Out (/private/specialuse "\\\\Sent")')

    def test_what_stands_above_a_vendors_entries(self, client):
        # RFC 5464, 3.2: at least four components
        client.ok('SETMETADATA INBOX (/private/vendor/x/y "1")')
        for wrong in ("/private/vendor", "/shared/vendor/x"):
            client.bad(f'SETMETADATA INBOX ({wrong} "1")')
        for above in ("/private/vendor", "/private", "(/shared /private)"):
            assert b'/private/vendor/x/y "1"' in client.ok(f"GETMETADATA (DEPTH infinity) INBOX {above}")
        assert client.ok("GETMETADATA INBOX (DEPTH 1) /private") == b"*"
        for wrong in (
            "GETMETADATA INBOX /private",
            "GETMETADATA (DEPTH 0) INBOX /shared",
            "GETMETADATA (DEPTH 1) INBOX /x",
        ):
            client.bad(wrong)

    def test_renaming_inbox_leaves_them_there_too(self, client):
        # RFC 5464, 4.1: they are copied
        client.ok('SETMETADATA INBOX (/private/comment "1" /shared/comment "2")')
        client.ok("RENAME INBOX old")
        for name in ("INBOX", "old"):
            answer = client.ok(f"GETMETADATA {name} (/private/comment /shared/comment)")
            assert answer == b'* METADATA %b (/private/comment "1" /shared/comment "2")\r\n' % name.encode()

    def test_nil_removes(self, client):
        client.ok('SETMETADATA INBOX (/private/a "1" /private/b "2")')
        assert client.ok("SETMETADATA INBOX (/private/a NIL /private/none NIL)")
        assert client.ok("GETMETADATA INBOX (/private/a /private/b)") == (
            b'* METADATA INBOX (/private/a NIL /private/b "2")\r\n'
        )

    def test_names_are_the_same_in_any_case(self, client):
        client.ok('SETMETADATA inbox (/Private/Comment "a")')
        client.ok('SETMETADATA INBOX (/PRIVATE/COMMENT "b")')
        assert client.ok("GETMETADATA INBOX /private/comment") == b'* METADATA INBOX (/private/comment "b")\r\n'

    @pytest.mark.parametrize("value", [b"", b"NIL", b'"\\', b"two\r\nlines", b"\xff\x80", b"\0nul", b"x" * 5000])
    def test_any_octets(self, client, value):
        assert client.literal(b"SETMETADATA INBOX (/private/v ~{})", value).endswith(b"OK SETMETADATA completed\r\n")
        answer = client.ok("GETMETADATA INBOX /private/v")
        assert value in answer
        if b"\0" in value:
            assert b"~{4}\r\n\0nul" in answer
        else:
            assert b"~{" not in answer

    def test_they_go_along_with_a_rename(self, client):
        client.ok("CREATE a")
        client.ok('SETMETADATA a (/private/c "x")')
        client.ok("RENAME a b")
        assert b'(/private/c "x")' in client.ok("GETMETADATA b /private/c")
        client.ok("CREATE a")
        assert b"(/private/c NIL)" in client.ok("GETMETADATA a /private/c")

    def test_a_value_that_is_too_long(self, client):
        text = b"x" * (limits.IMAP_ANNOTATION + 1)
        answer = client.literal(b"SETMETADATA INBOX (/private/a {} /private/b {})", b"1", text)
        assert b"NO [METADATA MAXSIZE %d]" % limits.IMAP_ANNOTATION in answer
        assert b"(/private/a NIL)" in client.ok("GETMETADATA INBOX /private/a")

    def test_too_many(self, client, monkeypatch):
        monkeypatch.setattr(limits, "IMAP_ANNOTATIONS", 2)
        client.ok('SETMETADATA INBOX (/private/a "1" /private/b "2")')
        assert client.no('SETMETADATA INBOX (/private/c "3")').startswith("NO [METADATA TOOMANY]")
        assert client.ok('SETMETADATA INBOX (/private/b "3" /private/z NIL)')
        assert client.ok('SETMETADATA "" (/private/c "3")')

    @pytest.mark.parametrize(
        "command",
        [
            "SETMETADATA", "SETMETADATA INBOX", "SETMETADATA INBOX ()", "SETMETADATA INBOX (/private/a)",
            'SETMETADATA INBOX (/vendor/a "b")', 'SETMETADATA INBOX (private/a "b")',
            'SETMETADATA INBOX (/private "b")',
            'SETMETADATA INBOX (/private/a/ "b")', 'SETMETADATA INBOX (/private//a "b")',
            'SETMETADATA INBOX ("/private/*" "b")', 'SETMETADATA INBOX ("/shared/%" "b")',
            'SETMETADATA INBOX ("/shared/\u00e9" "b")', "SETMETADATA INBOX (/private/a b)",
            'SETMETADATA INBOX /private/a "b"', 'SETMETADATA INBOX (/private/a "b") x',
            "GETMETADATA", "GETMETADATA INBOX", "GETMETADATA INBOX ()", "GETMETADATA INBOX /x",
            "GETMETADATA (DEPTH 2) INBOX /private/a", "GETMETADATA (MAXSIZE x) INBOX /private/a",
            "GETMETADATA (DEPTH 1 COLOUR 2) INBOX /private/a", "GETMETADATA INBOX /private/a x",
            'LIST "" * RETURN (METADATA)', 'LIST "" * RETURN (METADATA ())', 'LIST "" * RETURN (METADATA (x))',
        ],
    )  # fmt: skip
    def test_bad_commands(self, client, command):
        client.bad(command)
        assert (
            client.ok(
                "GETMETADATA (DEPTH infinity) INBOX (/private /shared)".replace(" (/private /shared)", " /private/a")
            )
            == b"*"
        )

    @pytest.mark.parametrize("command", ["GETMETADATA Nothing /private/a", 'SETMETADATA Nothing (/private/a "b")'])
    def test_no_such_mailbox(self, client, command):
        assert client.no(command).startswith("NO [NONEXISTENT]")

    def test_the_record_of_messages_has_none(self, world):
        world.put()
        client = world.login("all")
        assert client.no('SETMETADATA INBOX (/private/a "b")').startswith("NO [CANNOT]")
        assert client.no('SETMETADATA "" (/shared/a "b")').startswith("NO [CANNOT]")
        assert client.ok("GETMETADATA INBOX /private/a") == b"* METADATA INBOX (/private/a NIL)\r\n"

    def test_without_the_capability(self, make_world):
        client = make_world(imap_capabilities=frozenset({"-METADATA"})).login()
        client.bad("GETMETADATA INBOX /private/a")
        client.bad('LIST "" * RETURN (METADATA (/private/a))')
        assert b"METADATA" not in client.ok("CAPABILITY")


class TestDepthAndSize:
    @pytest.fixture
    def client(self, world):
        client = world.login()
        client.ok(
            'SETMETADATA INBOX (/private/f "1" /private/f/a "22" /private/f/a/b "333" /private/fx "4" /shared/f/s "5")'
        )
        return client

    @pytest.mark.parametrize(
        ("options", "names"),
        [
            ("", [b"f"]),
            ("(DEPTH 0) ", [b"f"]),
            ("(DEPTH 1) ", [b"f", b"f/a"]),
            ("(depth Infinity) ", [b"f", b"f/a", b"f/a/b"]),
            ("(MAXSIZE 2 DEPTH infinity) ", [b"f", b"f/a"]),
        ],
    )
    def test_depth(self, client, options, names):
        answer = client.ok(f"GETMETADATA {options}INBOX /private/f")
        assert [line for line in answer.split() if line.strip(b"()").startswith(b"/private")] == [
            (b"(" if number == 0 else b"") + b"/private/" + name for number, name in enumerate(names)
        ]

    def test_options_behind_the_mailbox(self, client):
        assert client.ok("GETMETADATA INBOX (DEPTH 1) (/shared/f)") == b'* METADATA INBOX (/shared/f/s "5")\r\n'

    def test_longer_ones_are_named_by_the_longest(self, client):
        untagged, tagged = client.raw("GETMETADATA (MAXSIZE 1 DEPTH infinity) INBOX /private/f")
        assert untagged == b'* METADATA INBOX (/private/f "1")\r\n'
        assert tagged.startswith(b"OK [METADATA LONGENTRIES 3]")
        assert not client.raw("GETMETADATA (MAXSIZE 3 DEPTH infinity) INBOX /private/f")[1].startswith(b"OK [")

    def test_nothing_below(self, client):
        assert client.ok("GETMETADATA (DEPTH infinity) INBOX /private/g") == b"*"


class TestInLists:
    def test_each_mailbox_has_its_own(self, world, client):
        client.ok("CREATE a/b")
        client.ok('SETMETADATA a/b (/private/c "1" /shared/d "2")')
        answer = client.ok('LIST "" * RETURN (METADATA (/private/c /shared/d))')
        assert b'"/" INBOX\r\n* METADATA INBOX (/private/c NIL /shared/d NIL)\r\n' in answer
        assert b'"/" a/b\r\n* METADATA a/b (/private/c "1" /shared/d "2")\r\n' in answer
        assert answer.count(b"METADATA") == 3

    def test_a_name_without_a_mailbox_has_none(self, client):
        client.ok("SUBSCRIBE gone")
        assert b"METADATA" not in client.ok('LIST (SUBSCRIBED) "" gone RETURN (METADATA (/private/c))')

    def test_only_where_they_may_be_read(self, world, client):
        world.account(EVE)
        for name, rights in (("open", "lr"), ("closed", "lk")):
            client.ok(f"CREATE {name}")
            client.ok(f"SETACL {name} {EVE} {rights}")
            client.ok(f'SETMETADATA {name} (/shared/c "x")')
        answer = world.login(EVE).ok('LIST "" "user/*" RETURN (METADATA (/shared/c))')
        assert answer.count(b"* METADATA") == 1
        assert b'open" (/shared/c "x")' in answer

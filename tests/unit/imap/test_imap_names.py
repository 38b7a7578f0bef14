"""Names of mailboxes with another separator and in namespaces: one name on the wire for each name in the store."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtrap.config import check
from mailtrap.errors import ConfigError
from mailtrap.imap import utf7
from mailtrap.imap.namespace import Namespace, OutsideNamespaces
from mailtrap.store.directory import canonical
from mailtrap.store.rows import Key

from .conftest import BOB, MAIL, World

ME, OTHER = Key("", BOB), Key("", "eve@example.com")
NAMESPACES = [
    Namespace(separator, prefix and prefix + separator, others and others + separator)
    for separator in "/."
    for prefix in ("", "INBOX", "Mail")
    for others in ("", "user", "Other Users")
]
_names = st.lists(st.text("aé/.~&# INBOX", min_size=1).filter(lambda part: "/" not in part), min_size=1).map("/".join)


def names(answer: bytes, separator: str = ".") -> list[str]:
    return [
        line.partition(f' "{separator}" '.encode())[2].decode().strip('"')
        for line in answer.splitlines()
        if b"LIST" in line
    ]


class TestNamespace:
    @given(st.sampled_from(NAMESPACES), _names.map(canonical))
    def test_each_mailbox_has_one_name(self, namespace, name):
        told = namespace.told(ME, name, ME)
        if namespace.others and told.startswith(namespace.others):
            return  # hidden: the name means another user's
        place = namespace.locate(told)
        assert (place.owner, place.name) == (None, name)

    @given(st.sampled_from([n for n in NAMESPACES if n.others]), _names.map(canonical))
    def test_so_has_each_of_another_user(self, namespace, name):
        place = namespace.locate(namespace.told(OTHER, name, ME))
        assert (place.owner, place.name) == (OTHER.address, name)

    @given(st.sampled_from(NAMESPACES), _names)
    def test_and_each_name_one_mailbox(self, namespace, name):
        try:
            place = namespace.locate(name)
        except OutsideNamespaces:
            assert namespace.prefix
            return
        owner = ME if place.owner is None else Key("", place.owner)
        if place.owner is None:
            again = namespace.told(owner, place.name, ME)
            assert namespace.locate(again) == place
            assert again.upper() == name.upper()

    @given(st.sampled_from(NAMESPACES), _names.map(canonical))
    def test_subscriptions_come_back(self, namespace, name):
        told = namespace.told(ME, name, ME)
        if not (namespace.others and told.startswith(namespace.others)):
            assert namespace.told_kept(namespace.kept(namespace.locate(told))) == told

    @pytest.mark.parametrize("name", ["Sent", "INBOX.INBOX", "inbox.Inbox", "INBOXES", "Mail.x", ".INBOX"])
    def test_what_lies_outside(self, name):
        with pytest.raises(OutsideNamespaces):
            Namespace(".", "INBOX.", "user.").locate(name)


class TestDot:
    """``imap_separator="."`` and ``imap_namespace="INBOX"``, as Courier and old Cyrus servers have it."""

    @pytest.fixture
    def world(self, make_world):
        return make_world(imap_separator=".", imap_namespace="INBOX")

    @pytest.fixture
    def client(self, world):
        return world.login()

    def test_namespace(self, client):
        assert client.ok("NAMESPACE") == b'* NAMESPACE (("INBOX." ".")) (("user." ".")) NIL\r\n'
        assert client.ok('LIST "" ""') == b'* LIST (\\Noselect) "." ""\r\n'

    def test_the_life_of_a_mailbox(self, world, client):
        assert client.ok("CREATE INBOX.Work.2026")
        assert [row.name for row in world.store.mailboxes(world.account())] == ["INBOX", "Work", "Work/2026"]
        assert names(client.ok('LIST "" *')) == ["INBOX", "INBOX.Work", "INBOX.Work.2026"]
        assert client.ok('LIST "" INBOX').startswith(b"* LIST (\\HasChildren)")
        assert names(client.ok('LIST "" "%"')) == ["INBOX"]
        assert names(client.ok('LIST "" "inbox.%"')) == ["INBOX.Work"]
        assert names(client.ok('LIST "INBOX." "*2026"')) == ["INBOX.Work.2026"]
        assert b"OK [APPENDUID" in client.literal(b"APPEND INBOX.Work.2026 {}", MAIL)
        assert client.ok("STATUS Inbox.Work.2026 (MESSAGES)") == b"* STATUS INBOX.Work.2026 (MESSAGES 1)\r\n"
        assert client.ok("SELECT INBOX.Work.2026")
        assert client.ok("COPY 1 INBOX")
        assert client.ok("RENAME INBOX.Work INBOX.Play")
        assert client.ok("NOOP")
        assert names(client.ok('LIST "" *')) == ["INBOX", "INBOX.Play", "INBOX.Play.2026"]
        assert client.ok("UNSELECT")
        assert client.ok("DELETE INBOX.Play.2026")
        assert client.ok("DELETE INBOX.Play")
        assert names(client.ok('LIST "" *')) == ["INBOX"]

    def test_what_lies_outside(self, world, client):
        world.store.create_mailbox(world.account(), "Sent")
        assert client.no("SELECT Sent").startswith("NO [NONEXISTENT]")
        assert client.no("CREATE Drafts").startswith("NO [CANNOT]")
        assert client.no("RENAME INBOX.Sent Away").startswith("NO [CANNOT]")
        assert b"NO [TRYCREATE]" in client.literal(b"APPEND Sent {}", MAIL)
        assert client.no("CREATE INBOX.INBOX").startswith("NO [CANNOT]")
        assert client.no("CREATE INBOX.").startswith("NO [ALREADYEXISTS]")

    def test_a_slash_is_a_letter(self, world, client):
        assert client.ok("CREATE INBOX.a/b")
        assert world.store.mailbox(world.account(), "a.b") is not None
        assert names(client.ok('LIST "" "%.%"')) == ["INBOX.a/b"]

    def test_subscriptions(self, world, client):
        assert client.ok("SUBSCRIBE INBOX.Not.There")
        assert list(world.store.subscriptions(world.account())) == ["INBOX", "Not/There"]
        assert client.ok('LSUB "" "*"') == b'* LSUB () "." INBOX\r\n* LSUB () "." INBOX.Not.There\r\n'
        assert client.ok('LSUB "" "INBOX.%"') == b'* LSUB (\\Noselect) "." INBOX.Not\r\n'
        assert client.ok('LIST (SUBSCRIBED RECURSIVEMATCH) "" "INBOX.%"') == (
            b'* LIST (\\NonExistent) "." INBOX.Not ("CHILDINFO" ("SUBSCRIBED"))\r\n'
        )
        assert client.ok("UNSUBSCRIBE INBOX.Not.There")

    def test_rename_of_inbox(self, world, client):
        world.put()
        assert client.ok("RENAME INBOX INBOX.old")
        assert client.ok("STATUS INBOX.old (MESSAGES)") == b"* STATUS INBOX.old (MESSAGES 1)\r\n"

    def test_other_users(self, world, client):
        box = world.store.create_mailbox(world.account("eve@example.com"), "Team/x")
        world.store.set_rights(box.id, BOB, "lr")
        assert names(client.ok('LIST "" "user.*"')) == [
            "user.eve@example/com", "user.eve@example/com.Team", "user.eve@example/com.Team.x",
        ]  # fmt: skip
        assert client.ok("SELECT user.eve@example/com.Team.x")
        assert client.ok("SUBSCRIBE user.eve@example/com.Team.x")
        assert b"user.eve@example/com.Team.x" in client.ok('LSUB "" "user.*"')
        assert "user/eve@example.com/Team/x" in world.store.subscriptions(world.account())

    def test_select_in_rev2_tells_the_name(self, client):
        client.ok("CREATE INBOX.a")
        client.ok("ENABLE IMAP4rev2")
        assert b'* LIST () "." INBOX.a\r\n' in client.ok("SELECT INBOX.a")

    def test_rules_match_the_name_that_tests_know(self, world, client):
        client.ok("CREATE INBOX.a")
        world.rules.add(world.scopes.root, "imap", "SELECT", match={"mailbox": "a"}).respond_with("NO", "not now")
        assert "not now" in client.no("SELECT INBOX.a")

    def test_it_changes_while_a_session_goes_on(self, world, client):
        client.ok("CREATE INBOX.a.b")
        world.scopes.root.change(imap_separator="/", imap_namespace="")
        assert names(client.ok('LIST "" *'), "/") == ["INBOX", "a", "a/b"]


def quoted(name: str) -> bytes:
    """A name as a client that knows UTF-8 sends it."""
    return b'"%b"' % name.encode().replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def listed(answer: bytes, separator: str) -> set[bytes]:
    """The names of LIST responses, as a client reads them."""
    found = set()
    for line in answer.splitlines():
        name = line.partition(b'"%b" ' % separator.encode())[2]
        if name.startswith(b'"'):
            name = name[1:-1].replace(b'\\"', b'"').replace(b"\\\\", b"\\")
        found.add(name)
    return found


class TestAnyName:
    """Whatever a name is made of, each client creates, lists, selects, renames and deletes it."""

    @given(
        name=st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=12),
        separator=st.sampled_from("/."), namespace=st.sampled_from(["", "INBOX"]),
    )  # fmt: skip
    def test_it_comes_back(self, name, separator, namespace):
        world = World(imap_separator=separator, imap_namespace=namespace, imap_other_users="")
        prefix = f"INBOX{separator}" if namespace else ""
        wire = prefix + name
        utf8, plain = world.login(), world.login()
        utf8.ok("ENABLE UTF8=ACCEPT")
        reply = utf8.raw(b"CREATE " + quoted(wire))[1]
        bare = name.removesuffix(separator)
        if not all(bare.split(separator)) or name.upper() == "INBOX":
            assert reply.startswith(b"NO ["), reply
            return
        assert reply.startswith(b"OK"), reply
        wire = prefix + bare
        if not namespace and wire[:5].upper() == "INBOX" and wire[5:6] in ("", separator):
            wire = "INBOX" + wire[5:]
        assert wire.encode() in listed(utf8.ok('LIST "" "*"'), separator)
        coded = utf7.encode(wire)
        assert coded in listed(plain.ok('LIST "" "*"'), separator)
        escaped = b'"%b"' % coded.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        for client, sent in ((utf8, quoted(wire)), (plain, escaped)):
            assert client.ok(b"SELECT " + sent)
            assert client.ok(b"STATUS %b (MESSAGES)" % sent)
            assert client.ok(b"SUBSCRIBE " + sent)
            assert client.ok("UNSELECT")
        assert coded in listed(plain.ok('LSUB "" "*"'), separator)
        assert plain.ok(b"RENAME %b %bfinally" % (escaped, prefix.encode()))
        assert utf8.ok(f"DELETE {prefix}finally")
        assert not world.errors


class TestWhileSelected:
    """What becomes of a session whose mailbox another session deletes, renames or makes anew."""

    @pytest.fixture
    def sessions(self, world):
        world.put(mailbox="box")
        return world.select("box"), world.login()

    def test_deleted_and_made_anew(self, world, sessions):
        reader, other = sessions
        other.ok("DELETE box")
        other.ok("CREATE box")
        world.put(mailbox="box")
        assert reader.send(b"x FETCH 1 UID\r\n").startswith(b"* BYE ")  # never another mailbox under the same name
        assert reader.closed is not None

    def test_made_anew_while_it_is_idle(self, world, sessions):
        reader, other = sessions
        reader.send(b"x IDLE\r\n")
        other.ok("DELETE box")
        other.ok("CREATE box")
        assert reader.woken().startswith(b"* BYE ")

    def test_deleted_with_mailboxes_below(self, world, sessions):
        reader, other = sessions
        other.ok("CREATE box/below")
        other.ok("DELETE box")
        assert reader.send(b"x NOOP\r\n").startswith(b"* BYE ")
        assert b'(\\Noselect \\HasChildren) "/" box\r\n' in other.ok('LIST "" box')
        assert other.no("SELECT box").startswith("NO [NONEXISTENT]")
        assert other.no("STATUS box (MESSAGES)").startswith("NO [NONEXISTENT]")
        assert b"NO [TRYCREATE]" in other.literal(b"APPEND box {}", MAIL)

    def test_renamed_and_made_anew(self, world, sessions):
        reader, other = sessions
        other.ok("RENAME box moved")
        other.ok("CREATE box")
        world.put(mailbox="moved")
        assert b"* 2 EXISTS" in reader.ok("NOOP")
        assert reader.ok("STORE 1 +FLAGS \\Seen")
        assert world.flags(1, "moved") == {"\\Seen"}
        assert reader.ok("STATUS box (MESSAGES)") == b"* STATUS box (MESSAGES 0)\r\n"

    def test_inbox_renamed(self, world):
        world.put()
        reader, other = world.select(), world.login()
        other.ok("RENAME INBOX old")
        assert reader.ok("NOOP") == b"* 1 EXPUNGE\r\n"
        world.put()
        assert b"* 1 EXISTS" in reader.ok("NOOP")

    def test_its_own_deletion_and_a_new_one(self, world, sessions):
        reader = sessions[0]
        assert b"[CLOSED]" in reader.raw("DELETE box")[0]
        assert reader.ok("CREATE box")
        assert b"* 0 EXISTS" in reader.ok("SELECT box")

    def test_renumbered(self, world, sessions):
        reader = sessions[0]
        world.store.renumber(world.mailbox("box").id)
        assert reader.send(b"x NOOP\r\n").startswith(b"* BYE ")


class TestSettings:
    @pytest.mark.parametrize("name", ["imap_namespace", "imap_other_users"])
    @pytest.mark.parametrize("value", ["a/b", "INBOX.", "*", "%", 'x"', "a\\", "\n"])
    def test_what_is_no_level(self, name, value):
        with pytest.raises(ConfigError, match=name):
            check(name, value)

    def test_separators(self):
        with pytest.raises(ConfigError, match="imap_separator"):
            check("imap_separator", "\\")

"""Names of mailboxes with another separator and in namespaces: one name on the wire for each name in the store."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtrap.config import check
from mailtrap.errors import ConfigError
from mailtrap.imap.namespace import Namespace, OutsideNamespaces
from mailtrap.store.base import Key, canonical

from .conftest import BOB, MAIL

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


class TestSettings:
    @pytest.mark.parametrize("name", ["imap_namespace", "imap_other_users"])
    @pytest.mark.parametrize("value", ["a/b", "INBOX.", "*", "%", 'x"', "a\\", "\n"])
    def test_what_is_no_level(self, name, value):
        with pytest.raises(ConfigError, match=name):
            check(name, value)

    def test_separators(self):
        with pytest.raises(ConfigError, match="imap_separator"):
            check("imap_separator", "\\")

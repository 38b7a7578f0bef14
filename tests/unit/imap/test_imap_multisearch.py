"""MULTISEARCH (RFC 7377), FUZZY (RFC 6203), and comparison as I18NLEVEL=1 has it (RFC 5255)."""

import re

import pytest

from mailtrap.imap.mailbox_filters import MailboxFilter, Named
from mailtrap.store.rows import Key, MailboxRow

from .conftest import MAIL, numbers


@pytest.fixture
def client(world):
    world.account()
    client = world.login()
    for name in ("work", "work/a", "work/a/deep", "work/b", "other", "empty", '"a b"'):
        client.ok(f"CREATE {name}")
    client.ok("DELETE work")  # a name that only has children
    for name in ("INBOX", "work/a", "work/a/deep", "other", "a b"):
        world.put(MAIL, name)
    world.put(b"Subject: other\r\n\r\nx", "other")
    client.ok("SUBSCRIBE other")
    return client


def boxes(answer):
    return [name.decode().strip('"') for name in re.findall(rb'MAILBOX ("[^"]+"|[^ ]+) UIDVALIDITY \d+\) UID', answer)]


class TestMultiSearch:
    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("personal", ["INBOX", "a b", "other", "work/a", "work/a/deep"]), ("inboxes", ["INBOX"]),
            ("subscribed", ["INBOX", "other"]), ("mailboxes other", ["other"]),
            ("mailboxes (other inbox)", ["INBOX", "other"]),
            ("subtree work", ["work/a", "work/a/deep"]), ("subtree-one work", ["work/a"]), ('mailboxes "a b"', ["a b"]),
            ("subtree-one work/a", ["work/a", "work/a/deep"]), ("subtree work/b", []), ("mailboxes nothing", []),
            ("mailboxes other subtree work inboxes", ["INBOX", "other", "work/a", "work/a/deep"]),
            ("mailboxes (other other) mailboxes other", ["other"]), ("mailboxes wor", []),
            ('subtree-one ""', ["INBOX", "a b", "other"]),
        ],
    )  # fmt: skip
    def test_sources(self, client, source, expected):
        assert boxes(client.ok(f"ESEARCH IN ({source}) SUBJECT hello")) == expected

    def test_the_answer(self, world, client):
        answer = client.send(b"A ESEARCH IN (mailboxes other) RETURN (COUNT MIN) ALL\r\n")
        validity = world.mailbox("other").uidvalidity
        assert answer == (
            b'* ESEARCH (TAG "A" MAILBOX other UIDVALIDITY %d) UID MIN 1 COUNT 2\r\nA OK ESEARCH completed\r\n'
            % validity
        )

    def test_stars_are_each_mailboxs_own(self, client):
        answer = client.ok("ESEARCH IN (mailboxes (INBOX other)) UID *")
        assert re.findall(rb"UID ALL (\d+)", answer) == [b"1", b"2"]

    def test_the_selected_one(self, world, client):
        assert "CLIENTBUG" in client.bad("ESEARCH ALL")
        assert "CLIENTBUG" in client.bad("ESEARCH IN (selected) ALL")
        client.ok("SELECT other")
        assert boxes(client.ok("ESEARCH ALL")) == ["other"]
        assert boxes(client.ok("ESEARCH IN (selected) 2")) == ["other"]
        assert boxes(client.ok("ESEARCH IN (selected inboxes) SUBJECT hello")) == ["INBOX", "other"]
        world.put(MAIL, "other")  # what the client was not told of is not found where it is selected
        answer = client.ok("ESEARCH IN (personal) ALL")
        assert re.findall(rb"MAILBOX other UIDVALIDITY \d+\) UID ALL (\S+)", answer) == [b"1:2"]
        assert numbers(answer, "EXISTS") == [3]
        assert b"UID ALL 1:3" in client.ok("ESEARCH IN (selected) ALL")

    def test_a_literal_and_a_charset(self, client):
        assert boxes(client.literal(b"ESEARCH IN (mailboxes {}) CHARSET UTF-8 SUBJECT {}", b"other", b"hello")) == [
            "other"
        ]
        assert "BADCHARSET" in client.no("ESEARCH IN (personal) CHARSET X-FOO ALL")

    def test_modseq(self, world, client):
        highest = world.mailbox("other").highestmodseq
        assert b"MODSEQ %d\r\n" % highest in client.ok("ESEARCH IN (mailboxes other) MODSEQ 1")

    def test_utf8_names(self, client):
        client.ok("ENABLE IMAP4rev2")
        client.ok('CREATE "é"')
        client.literal('APPEND "é" {}'.encode(), MAIL)
        assert 'MAILBOX "é" UIDVALIDITY'.encode() in client.ok('ESEARCH IN (mailboxes "é") ALL'.encode())

    @pytest.mark.parametrize(
        "arguments",
        [
            "IN () ALL", "IN (personal)", "IN personal ALL", "IN (foo) ALL", "IN (mailboxes) ALL",
            "IN (mailboxes ()) ALL",
            "IN (personal) 1", "IN (personal) $", "IN (personal) UID $", "IN (personal) RETURN (SAVE) ALL",
            "IN (personal) RETURN (UPDATE) ALL", "IN (selected-delayed) ALL", "IN (personal) RETURN (FOO) ALL",
            "IN (personal) FOO", "IN (personal) RETURN (RELEVANCY) ALL", "IN (personal) ALL x", "IN (subtree) ALL",
        ],
    )  # fmt: skip
    def test_bad_syntax(self, client, arguments):
        client.bad(f"ESEARCH {arguments}")
        assert client.ok("NOOP")

    @pytest.mark.parametrize("options", ["", "RETURN (COUNT) ", "RETURN (MIN MAX COUNT PARTIAL 1:2 CONTEXT) "])
    def test_no_response_where_nothing_is_found(self, client, options):
        # RFC 7377, 2.1: this is true even with COUNT
        assert client.ok(f"ESEARCH IN (mailboxes (empty other)) {options}SUBJECT nowhere") == b"*"
        assert boxes(client.ok(f"ESEARCH IN (mailboxes (empty other)) {options}ALL")) == ["other"]

    def test_saved(self, client):
        # RFC 7377, 2.2
        client.ok("SELECT other")
        assert client.ok("ESEARCH RETURN (SAVE) SUBJECT other") == b"*"
        assert numbers(client.ok("FETCH $ UID"), "FETCH") == [2]
        assert b"UID MIN 1 COUNT 2" in client.ok("ESEARCH IN (selected) RETURN (SAVE MIN COUNT) ALL")
        assert numbers(client.ok("FETCH $ UID"), "FETCH") == [1, 2]
        assert client.ok("ESEARCH RETURN (SAVE COUNT) SUBJECT nowhere") == b"*"
        assert client.ok("FETCH $ UID") == b"*"
        client.ok("SEARCH RETURN (SAVE) ALL")
        for wrong in ("IN (selected inboxes) RETURN (SAVE) ALL", "IN (mailboxes other) RETURN (SAVE COUNT) ALL"):
            client.bad(f"ESEARCH {wrong}")
        assert numbers(client.ok("FETCH $ UID"), "FETCH") == [1, 2]  # BAD changes nothing (RFC 5182, 2.1)
        client.no("ESEARCH RETURN (SAVE) CHARSET X-FOO ALL")

    def test_kept_up_to_date(self, world, client):
        # RFC 7377, 2.2: of the selected mailbox
        client.ok("SELECT other")
        validity = world.mailbox("other").uidvalidity
        answer = client.send(b"A ESEARCH IN (personal) RETURN (COUNT UPDATE) SUBJECT hello\r\n")
        assert b"NOUPDATE" not in answer
        assert client.send(b"A ESEARCH RETURN (UPDATE) ALL\r\n").startswith(b"A BAD")
        client.send(b"B ESEARCH RETURN (UPDATE COUNT) FLAGGED\r\n")  # nothing is found yet
        world.put(MAIL, "other", flags=["\\Flagged"])
        world.put(MAIL, "INBOX")
        answer = client.ok("NOOP")
        for tag in (b"A", b"B"):
            assert b'* ESEARCH (TAG "%b" MAILBOX other UIDVALIDITY %d) UID ADDTO (0 3)\r\n' % (tag, validity) in answer
        assert client.send(b"C ESEARCH IN (inboxes) RETURN (UPDATE) ALL\r\n").count(b'* NO [NOUPDATE "C"] ') == 1
        client.ok('CANCELUPDATE "A" "B"')

    def test_a_mailbox_that_is_named_needs_no_right_to_be_looked_up(self, world, client):
        # RFC 7377, 2.2
        world.put(MAIL, "Quiet", account="eve@example.com")
        world.store.set_rights(world.mailbox("Quiet", "eve@example.com").id, "bob@example.com", "r")
        name = "user/eve@example.com/Quiet"
        assert boxes(client.ok(f"ESEARCH IN (mailboxes {name}) ALL")) == [name]
        assert boxes(client.ok("ESEARCH IN (subtree user) ALL")) == []
        assert client.ok("ESEARCH IN (mailboxes user/eve@example.com/INBOX) ALL") == b"*"

    def test_a_mailbox_that_is_deleted_meanwhile(self, world, client):
        search = world.store.search

        def then_gone(mailbox, tree):
            if (row := world.store.mailbox(Key("", "bob@example.com"), "other")) is not None:
                world.store.delete_mailbox(row.id)
            return search(mailbox, tree)

        world.store.search = then_gone
        assert boxes(client.ok("ESEARCH IN (mailboxes (a other inbox)) ALL")) == ["INBOX"]
        assert not world.errors

    def test_taken_away(self, make_world):
        client = make_world(imap_capabilities=frozenset({"-MULTISEARCH"})).login()
        assert "Unknown" in client.bad("ESEARCH IN (personal) ALL")
        assert b" ESEARCH " in client.ok("CAPABILITY")


@pytest.mark.parametrize(
    ("above", "name", "child"),
    [
        ("a", "a", True),
        ("a", "a/b", True),
        ("a", "a/b/c", False),
        ("a", "ab", False),
        ("", "a", True),
        ("", "a/b", False),
    ],
)
def test_what_is_directly_below(above, name, child):
    mailbox = Named(name, MailboxRow(1, Key("", "b"), name, 1, 1, 1), own=True, subscribed=False, selected=False)
    assert MailboxFilter("SUBTREE-ONE", (above,)).includes(mailbox, "/") is child


def test_other_users_mailboxes_and_other_separators(make_world):
    world = make_world(imap_separator=".", imap_namespace="INBOX")
    world.put(mailbox="Work/x")
    for name, rights in (("Team", "lr"), ("Listed", "l"), ("Hidden", "")):
        world.put(mailbox=name, account="eve@example.com")
        world.store.set_rights(world.mailbox(name, "eve@example.com").id, "bob@example.com", rights)
    client = world.login()
    assert boxes(client.ok("ESEARCH IN (subtree (inbox.Work user)) ALL")) == [
        "INBOX.Work.x", "user.eve@example/com.Team",
    ]  # fmt: skip
    assert boxes(client.ok("ESEARCH IN (personal) ALL")) == ["INBOX.Work.x"]


class TestFuzzy:
    @pytest.fixture
    def client(self, world):
        world.put(b"Subject: Meeting tomorrow\r\nFrom: Alice <alice@example.com>\r\n\r\nIn the garden caf\xc3\xa9\r\n")
        world.put(b"Subject: tomorrow, a meeting\r\n\r\nnothing\r\n")
        world.put(b"Subject: Meteing tomorow\r\n\r\nnothing\r\n")
        world.put(b"Subject: eating\r\n\r\nnothing\r\n")
        return world.select()

    @pytest.mark.parametrize(
        ("keys", "expected"),
        [
            ('FUZZY SUBJECT "meeting tomorrow"', [1, 2, 3]), ('SUBJECT "meeting tomorrow"', [1]),
            ("FUZZY SUBJECT meating", [1, 2, 4]), ("FUZZY BODY gardn", [1]), ("FUZZY TEXT cafe", [1]),
            ("FUZZY FROM alise", [1]), ("FUZZY NOT SUBJECT meeting", [4]), ("FUZZY (SUBJECT meeting BODY cafe)", [1]),
            ("FUZZY 2", [2]), ("FUZZY UNSEEN FUZZY SUBJECT eatin", [4]), ("FUZZY SUBJECT eat", [4]),
            ("OR FUZZY BODY gadren FUZZY SUBJECT tomorro", [1, 2]), ("FUZZY SUBJECT cat", []),
            ('FUZZY HEADER Subject ""', [1, 2, 3, 4]), ("FUZZY HEADER From xyz", []), ('FUZZY TEXT ""', [1, 2, 3, 4]),
        ],
    )  # fmt: skip
    def test_keys(self, client, keys, expected):
        line = client.ok(f"SEARCH {keys}")
        assert line == b"* SEARCH" + b"".join(b" %d" % n for n in expected) + b"\r\n"

    def test_relevancy(self, client):
        answer = client.ok('SEARCH RETURN (ALL RELEVANCY) FUZZY SUBJECT "meeting tomorrow"')
        assert answer.endswith(b" ALL 1:3 RELEVANCY (100 90 60)\r\n")
        answer = client.ok('UID SORT RETURN (ALL RELEVANCY) (REVERSE RELEVANCY) UTF-8 FUZZY SUBJECT "meeting tomorrow"')
        assert answer.endswith(b" UID ALL 3,2,1 RELEVANCY (60 90 100)\r\n")
        assert client.ok('SORT (RELEVANCY) UTF-8 FUZZY SUBJECT "tomorow"') == b"* SORT 3 1 2\r\n"
        answer = client.ok("ESEARCH IN (inboxes) RETURN (RELEVANCY) FUZZY BODY cafe")
        assert answer.endswith(b" UID RELEVANCY (100)\r\n")
        assert client.ok("SEARCH RETURN (RELEVANCY) FUZZY SUBJECT zzzz").endswith(b'")\r\n')

    @pytest.mark.parametrize(
        "arguments",
        ["FUZZY", "FUZZY FOO", "RETURN (RELEVANCY) ALL", "FUZZY SUBJECT", "RETURN (ALL RELEVANCY) SUBJECT x"],
    )
    def test_bad_syntax(self, client, arguments):
        client.bad(f"SEARCH {arguments}")

    def test_taken_away(self, make_world):
        world = make_world(imap_capabilities=frozenset({"-SEARCH=FUZZY"}))
        world.put()
        client = world.select()
        client.bad("SEARCH FUZZY SUBJECT x")
        client.bad("SEARCH RETURN (RELEVANCY) ALL")
        client.bad("SORT (RELEVANCY) UTF-8 ALL")

    def test_updated(self, world, client):
        client.send(b"A UID SORT RETURN (UPDATE) (RELEVANCY) UTF-8 FUZZY SUBJECT meeting\r\n")
        world.put(b"Subject: meeting\r\n\r\n")
        assert b'* ESEARCH (TAG "A") UID ADDTO (3 5)\r\n' in client.ok("NOOP")


class TestComparison:
    @pytest.mark.parametrize("text", ["GRÜSSE", "grüße", "Gru\u0308sse", "ＧＲÜßE"])
    def test_case_and_form_do_not_count(self, world, text):
        world.put("Subject: Grüße\r\n\r\nGrüße\r\n".encode())
        client = world.select()
        for key in ("SUBJECT", "TEXT", "BODY"):
            assert client.literal(f"SEARCH CHARSET UTF-8 {key} {{}}".encode(), text.encode()).startswith(
                b"* SEARCH 1\r\n"
            )
        assert numbers(client.ok("FETCH 1 UID"), "FETCH") == [1]

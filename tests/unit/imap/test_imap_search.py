"""SEARCH."""

import pytest

from .conftest import numbers


def found(answer: bytes) -> list[int]:
    """The numbers of a SEARCH response."""
    line = next(line for line in answer.splitlines() if line.startswith(b"* SEARCH"))
    return [int(number) for number in line.split()[2:]]


@pytest.fixture
def client(world):
    world.put(
        b"From: Alice <alice@example.com>\r\nTo: bob@example.com\r\nCc: carol@example.com\r\nSubject: Lunch today\r\n"
        b"Date: Mon, 2 Feb 2026 10:00:00 +0000\r\nX-Kind: a\r\n\r\nShall we eat?\r\n",
        date=1767225600.0,  # 1 Jan 2026
    )
    world.put(
        b"From: dave@example.com\r\nBcc: bob@example.com\r\nSubject: =?utf-8?q?Caf=C3=A9?=\r\n"
        b"Date: Tue, 3 Feb 2026 10:00:00 +0000\r\n\r\n" + b"long " * 100,
        flags=["\\Seen", "\\Answered", "work"], date=1767312000.0,
    )  # fmt: skip
    world.put(b"Subject: third\r\n\r\nnothing", flags=["\\Flagged", "\\Draft", "\\Deleted"], date=1767398400.0)
    return world.select()


class TestKeys:
    @pytest.mark.parametrize(
        ("keys", "expected"),
        [
            ("ALL", [1, 2, 3]), ("ANSWERED", [2]), ("UNANSWERED", [1, 3]), ("DELETED", [3]), ("UNDELETED", [1, 2]),
            ("DRAFT", [3]), ("UNDRAFT", [1, 2]), ("FLAGGED", [3]), ("UNFLAGGED", [1, 2]), ("SEEN", [2]),
            ("UNSEEN", [1, 3]), ("NEW", [1, 3]), ("RECENT", [1, 2, 3]), ("OLD", []), ("KEYWORD work", [2]),
            ("KEYWORD WORK", [2]), ("UNKEYWORD work", [1, 3]), ("FROM alice", [1]), ("TO bob", [1]), ("CC carol", [1]),
            ("BCC bob", [2]), ("SUBJECT lunch", [1]), ('SUBJECT "lunch today"', [1]), ("BODY eat", [1]),
            ("BODY lunch", []), ("TEXT lunch", [1]), ("TEXT alice", [1]), ("HEADER X-Kind a", [1]),
            ('HEADER X-Kind ""', [1]), ("HEADER Subject third", [3]), ("BEFORE 2-Jan-2026", [1]),
            ("ON 2-Jan-2026", [2]), ("SINCE 2-Jan-2026", [2, 3]), ("SENTBEFORE 3-Feb-2026", [1]),
            ("SENTON 3-Feb-2026", [2]), ("SENTSINCE 3-Feb-2026", [2]), ("LARGER 300", [2]), ("SMALLER 100", [3]),
            ("UID 2:*", [2, 3]), ("UID 99:*", [3]), ("UID 99", []), ("2:3", [2, 3]), ("*", [3]), ("1,3", [1, 3]),
            ("99", []), ("NOT 1", [2, 3]), ("OR 1 3", [1, 3]), ("OR 1 OR 2 3", [1, 2, 3]), ("OR OR 1 2 3", [1, 2, 3]),
            ("SEEN ANSWERED", [2]), ("SEEN UNSEEN", []), ("(UNSEEN UNDELETED)", [1]), ("NOT (OR SEEN DELETED)", [1]),
            ("((((ALL))))", [1, 2, 3]), ("YOUNGER 1", []), ("OLDER 1", [1, 2, 3]), ("unseen not deleted", [1]),
        ],
    )  # fmt: skip
    def test_each(self, client, keys, expected):
        assert found(client.ok(f"SEARCH {keys}")) == expected
        assert found(client.ok(f"UID SEARCH {keys}")) == expected

    @pytest.mark.parametrize(
        "keys",
        [
            "", "FOO", "SUBJECT", "SUBJECT ", "SUBJECT a b", "KEYWORD", "ON", "ON yesterday", "ON 31-Feb-2026",
            "LARGER x", "LARGER", "NOT", "OR", "OR 1", "(ALL", "ALL)", "()", "ALL  SEEN", "HEADER", "HEADER x", "UID",
            "UID x", "YOUNGER 0", "YOUNGER 99999999999", "SUBJECT (a)", "1:", "KEYWORD (a)", "CHARSET", "CHARSET UTF-8",
            "ALL ",
        ],
    )  # fmt: skip
    def test_bad_syntax(self, client, keys):
        client.bad(f"SEARCH {keys}")
        assert client.ok("NOOP")

    def test_depth_is_bounded(self, client):
        client.bad("SEARCH " + "NOT " * 1000 + "ALL")
        client.bad("SEARCH " + "(" * 1000 + "ALL" + ")" * 1000)
        client.bad("SEARCH " + "OR " * 1000 + "ALL " * 1001)
        assert client.ok("SEARCH " + "NOT " * 20 + "ALL")

    def test_a_long_chain_of_or_is_not_deep(self, client):
        keys = "OR SUBJECT nothing " * 500 + "SUBJECT lunch"
        assert found(client.ok(f"SEARCH {keys}")) == [1]

    def test_without_within(self, make_world):
        world = make_world(imap_capabilities=frozenset({"-WITHIN"}))
        world.account()
        world.select().bad("SEARCH YOUNGER 5")


class TestCharset:
    def test_utf8_and_others(self, client):
        assert b"* SEARCH 2" in client.literal(b"SEARCH CHARSET UTF-8 SUBJECT {}", "CAFÉ".encode())
        assert b"* SEARCH 2" in client.literal(b"SEARCH CHARSET ISO-8859-1 SUBJECT {}", "café".encode("latin-1"))
        assert b"* SEARCH 2" in client.literal(b"SEARCH SUBJECT {}", "café".encode())
        assert found(client.ok("SEARCH CHARSET us-ascii SUBJECT lunch")) == [1]
        assert found(client.ok('SEARCH CHARSET "UTF-8" ALL')) == [1, 2, 3]

    def test_unknown_ones(self, client):
        assert client.no("SEARCH CHARSET X-FOO ALL").startswith("NO [BADCHARSET (US-ASCII UTF-8)]")
        assert client.no("SEARCH CHARSET base64 ALL").startswith("NO [BADCHARSET")

    def test_octets_that_are_not_in_it(self, client):
        assert b" BAD " in client.literal(b"SEARCH CHARSET UTF-8 SUBJECT {}", b"\xff")


class TestExtended:
    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ("()", b' ALL 1:3'), ("(ALL)", b" ALL 1:3"), ("(MIN)", b" MIN 1"), ("(MAX)", b" MAX 3"),
            ("(COUNT)", b" COUNT 3"), ("(MIN MAX ALL COUNT)", b" MIN 1 MAX 3 ALL 1:3 COUNT 3"),
        ],
    )  # fmt: skip
    def test_options(self, client, options, expected):
        tag = client.send(b"tag1 SEARCH RETURN %b ALL\r\n" % options.encode())
        assert tag == b'* ESEARCH (TAG "tag1")' + expected + b"\r\ntag1 OK SEARCH completed\r\n"

    def test_uids_are_said_to_be(self, client):
        assert b") UID MIN 2 COUNT 1\r\n" in client.ok("UID SEARCH RETURN (MIN COUNT) SEEN")

    def test_nothing_found(self, client):
        assert client.ok("SEARCH RETURN (MIN MAX ALL COUNT) SUBJECT nothing").endswith(b") COUNT 0\r\n")
        assert client.ok("SEARCH RETURN () SUBJECT nothing").endswith(b'")\r\n')

    @pytest.mark.parametrize(
        "arguments", ["RETURN", "RETURN ALL", "RETURN (FOO) ALL", "RETURN (MIN)", "RETURN (MIN ALL"]
    )
    def test_bad_syntax(self, client, arguments):
        client.bad(f"SEARCH {arguments}")

    def test_without_it(self, make_world):
        world = make_world(imap_capabilities=frozenset({"-ESEARCH"}))
        world.account()
        world.select().bad("SEARCH RETURN (MIN) ALL")


class TestSaved:
    """RFC 5182."""

    def test_it_is_used_wherever_numbers_are(self, world, client):
        client.ok("CREATE a")
        assert client.ok("SEARCH RETURN (SAVE) UNSEEN") == b"*"
        assert numbers(client.ok("FETCH $ UID"), "FETCH") == [1, 3]
        assert numbers(client.ok("UID FETCH $ FLAGS"), "FETCH") == [1, 3]
        assert found(client.ok("SEARCH $ FLAGGED")) == [3]
        assert found(client.ok("UID SEARCH UID $ FLAGGED")) == [3]
        assert numbers(client.ok("STORE $ +FLAGS (x)"), "FETCH") == [1, 3]
        assert b"1,3 1:2]" in client.raw("COPY $ a")[1]
        assert numbers(client.ok("MOVE $ a"), "EXPUNGE") == [3, 1]
        assert client.ok("FETCH $ UID") == b"*"

    def test_an_expunge_takes_out_of_it(self, client):
        client.ok("SEARCH RETURN (SAVE) ALL")
        client.ok("EXPUNGE")
        assert numbers(client.ok("FETCH $ UID"), "FETCH") == [1, 2]

    @pytest.mark.parametrize(
        ("options", "saved"),
        [
            ("SAVE MIN", [1]), ("SAVE MAX", [3]), ("SAVE MIN MAX", [1, 3]), ("SAVE COUNT MIN", [1, 2, 3]),
            ("SAVE ALL", [1, 2, 3]),
        ],
    )  # fmt: skip
    def test_min_and_max_save_only_these(self, client, options, saved):
        assert b"ESEARCH" in client.ok(f"SEARCH RETURN ({options}) ALL")
        assert numbers(client.ok("FETCH $ UID"), "FETCH") == saved

    def test_a_search_that_fails_empties_it(self, client):
        client.ok("SEARCH RETURN (SAVE) ALL")
        client.no("SEARCH RETURN (SAVE) CHARSET X-FOO ALL")
        assert client.ok("FETCH $ UID") == b"*"

    def test_it_begins_empty_with_each_select(self, client):
        client.ok("SEARCH RETURN (SAVE) ALL")
        client.ok("SELECT INBOX")
        assert client.ok("FETCH $ UID") == b"*"


class TestManyMessages:
    def test_slices_together_are_the_whole(self, world):
        for number in range(600):
            world.put(b"Subject: %b\r\n\r\n" % (b"odd" if number % 2 else b"even"))
        world.store.expunge(world.mailbox().id, range(50, 90))
        client = world.select()
        expected = [uid for uid in world.store.snapshot(world.mailbox().id).uids if not uid % 2]
        assert found(client.ok("UID SEARCH SUBJECT odd")) == expected

    def test_what_came_meanwhile_is_not_found(self, world):
        world.put()
        client = world.select()
        world.put()
        assert found(client.ok("SEARCH ALL")) == [1]
        assert found(client.ok("SEARCH ALL")) == [1, 2]

"""FETCH."""

import re

import pytest

from mailtrap import limits
from mailtrap.wire.steps import Call, Pause

from .conftest import MAIL

NESTED = (
    b"From: a@example.com\r\nSubject: outer\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\npreamble\r\n'
    b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nfirst\r\n"
    b"--b\r\nContent-Type: message/rfc822\r\n\r\n"
    b"From: c@example.com\r\nSubject: inner\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n"
    b"--i\r\nContent-Type: text/plain\r\n\r\nplain\r\n--i\r\nContent-Type: text/html\r\n\r\n<b>html</b>\r\n--i--\r\n"
    b"\r\n--b--\r\n"
)


def literal(answer: bytes, label: str) -> bytes | None:
    """The octets behind a label; None for NIL."""
    found = re.search(re.escape(label.encode()) + rb" (?:NIL|\{(\d+)\}\r\n)", answer)
    assert found, (label, answer)
    return None if found[1] is None else answer[found.end() : found.end() + int(found[1])]


@pytest.fixture
def client(world):
    world.put()
    return world.select()


class TestItems:
    def test_macros(self, client):
        fast = client.ok("FETCH 1 FAST")
        assert re.fullmatch(
            rb'\* 1 FETCH \(FLAGS \(\\Recent\) INTERNALDATE "[^"]{26}" RFC822\.SIZE %d\)\r\n' % len(MAIL), fast
        )
        assert b" ENVELOPE (" in client.ok("FETCH 1 ALL")
        assert b" BODY (" in client.ok("FETCH 1 FULL")
        client.bad("FETCH 1 (ALL)")
        client.bad("FETCH 1 (FLAGS FAST)")

    def test_envelope(self, client):
        assert client.ok("FETCH 1 ENVELOPE") == (
            b'* 1 FETCH (ENVELOPE (NIL "Hello" (("Alice" NIL "alice" "example.com")) (("Alice" NIL "alice" '
            b'"example.com")) (("Alice" NIL "alice" "example.com")) ((NIL NIL "bob" "example.com")) '
            b"NIL NIL NIL NIL))\r\n"
        )

    def test_structure(self, client):
        assert client.ok("FETCH 1 (BODY)") == (
            b'* 1 FETCH (BODY ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 14 1))\r\n'
        )
        assert b" NIL NIL NIL NIL))\r\n" in client.ok("FETCH 1 BODYSTRUCTURE")

    def test_the_old_names(self, client, world):
        answer = client.ok("FETCH 1 (RFC822.HEADER)")
        assert literal(answer, "RFC822.HEADER") == MAIL[:-14]
        assert world.flags(1) == frozenset()
        assert literal(client.ok("FETCH 1 RFC822.TEXT"), "RFC822.TEXT") == MAIL[-14:]
        assert literal(client.ok("FETCH 1 RFC822"), "RFC822") == MAIL
        assert world.flags(1) == {"\\Seen"}

    def test_internaldate(self, world):
        world.put(date=837596665.0)
        assert b'INTERNALDATE "17-Jul-1996 09:44:25 +0000"' in world.select().ok("FETCH 1 INTERNALDATE")

    def test_order_and_repetition(self, client):
        assert client.ok("FETCH 1 (UID FLAGS UID)") == b"* 1 FETCH (UID 1 FLAGS (\\Recent))\r\n"

    def test_uid_fetch_always_has_the_uid(self, client):
        assert client.ok("UID FETCH 1 FLAGS") == b"* 1 FETCH (UID 1 FLAGS (\\Recent))\r\n"
        assert client.ok("UID FETCH 1 (FLAGS UID)") == b"* 1 FETCH (FLAGS (\\Recent) UID 1)\r\n"

    def test_percent_signs_do_no_harm(self, client):
        assert literal(client.ok('FETCH 1 BODY.PEEK[HEADER.FIELDS ("%b")]'), 'BODY[HEADER.FIELDS ("%b")]') == b"\r\n"

    @pytest.mark.parametrize(
        "items",
        [
            "", "()", "FOO", "(FLAGS", "FLAGS)", "(FLAGS  UID)", "BODY[", "BODY[FOO]", "BODY[1", "BODY[]<0>",
            "BODY[]<0.0>", "BODY[]<1.9999999999999999999>",
            "BODY[MIME]", "BODY[HEADER.FIELDS]", "BODY[HEADER.FIELDS ()]",
            "BODY[HEADER (From)]", "BODY[0]", "BODY[1..2]", "BODY.PEEK", "RFC822.PEEK", "BODY[TEXT.1]",
        ],
    )  # fmt: skip
    def test_bad_syntax(self, client, items):
        client.bad(f"FETCH 1 {items}")
        assert client.ok("NOOP")

    @pytest.mark.parametrize("numbers", ["0", "x", "1,", "1:", "2", "1:2", "*:2", "", "4294967296"])
    def test_bad_numbers(self, client, numbers):
        client.bad(f"FETCH {numbers} FLAGS")

    @pytest.mark.parametrize("numbers", ["1", "*", "1:*", "*:1", "1,1,*"])
    def test_good_numbers(self, client, numbers):
        assert client.ok(f"FETCH {numbers} UID") == b"* 1 FETCH (UID 1)\r\n"

    def test_an_empty_mailbox(self, world):
        world.account()
        client = world.select()
        client.bad("FETCH 1:* FLAGS")  # RFC 3501, 9: seq-number
        assert client.ok("UID FETCH 1:* FLAGS") == b"*"


class TestSections:
    @pytest.fixture
    def nested(self, world):
        world.put(NESTED)
        return world.select()

    @pytest.mark.parametrize(
        ("section", "octets"),
        [
            ("", NESTED),
            ("HEADER", NESTED[: NESTED.index(b"preamble")]),
            ("TEXT", NESTED[NESTED.index(b"preamble") :]),
            ("1", b"first"),
            ("1.MIME", b"Content-Type: text/plain; charset=utf-8\r\n\r\n"),
            (
                "2.HEADER",
                b"From: c@example.com\r\nSubject: inner\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n",
            ),
            ("2.1", b"plain"),
            ("2.2", b"<b>html</b>"),
            ("2.2.MIME", b"Content-Type: text/html\r\n\r\n"),
            ("2.HEADER.FIELDS (Subject)", b"Subject: inner\r\n\r\n"),
            ("HEADER.FIELDS (subject FROM)", b"From: a@example.com\r\nSubject: outer\r\n\r\n"),
            ("HEADER.FIELDS.NOT (From Subject MIME-Version)", b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'),
            ("3", None),
            ("1.1.1", None),
            ("2.3", None),
            ("1.HEADER", None),
        ],
    )
    def test_parts(self, nested, section, octets):
        assert literal(nested.ok(f"FETCH 1 BODY.PEEK[{section}]"), f"BODY[{section}]") == octets

    def test_several_at_once(self, nested):
        answer = nested.ok("FETCH 1 (BODY.PEEK[1] BODY.PEEK[2.1] BODY.PEEK[9] UID)")
        assert literal(answer, "BODY[1]") == b"first"
        assert literal(answer, "BODY[2.1]") == b"plain"
        assert answer.endswith(b"BODY[9] NIL UID 1)\r\n")

    def test_the_section_is_echoed_as_a_client_can_match_it(self, nested):
        assert b"BODY[HEADER.FIELDS (from From)]" in nested.ok("FETCH 1 body.peek[header.fields (from From)]")
        assert b'BODY[HEADER.FIELDS ("a b")]' in nested.ok('FETCH 1 BODY.PEEK[HEADER.FIELDS ("a b")]')

    @pytest.mark.parametrize(
        ("partial", "octets"),
        [("<0.4>", b"From"), ("<5.3>", b" a@"), ("<0.999999>", NESTED), ("<9999.1>", b""), ("<4294967295.1>", b"")],
    )
    def test_partial(self, nested, partial, octets):
        first = partial[1:].partition(".")[0]
        assert literal(nested.ok(f"FETCH 1 BODY.PEEK[]{partial}"), f"BODY[]<{first}>") == octets

    def test_partial_of_a_part_and_of_what_is_not_there(self, nested):
        assert literal(nested.ok("FETCH 1 BODY.PEEK[1]<1.2>"), "BODY[1]<1>") == b"ir"
        assert literal(nested.ok("FETCH 1 BODY.PEEK[9]<1.2>"), "BODY[9]<1>") is None


class TestSeen:
    def test_set_and_told(self, world, client):
        answer = client.ok("FETCH 1 BODY[TEXT]")
        assert b"FLAGS (\\Seen \\Recent)" in answer
        assert world.flags(1) == {"\\Seen"}
        assert b"FLAGS" not in client.ok("FETCH 1 BODY[TEXT]")

    def test_others_hear_of_it(self, world, client):
        other = world.select()
        client.ok("UID FETCH 1 BODY[]")
        assert b"* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n" in other.ok("NOOP")

    def test_peek_sets_nothing(self, world, client):
        client.ok("FETCH 1 (BODY.PEEK[] BODY.PEEK[TEXT] RFC822.HEADER ENVELOPE)")
        assert world.flags(1) == frozenset()

    def test_one_change_for_a_slice(self, world):
        for _ in range(10):
            world.put()
        client = world.select()
        before = world.mailbox().highestmodseq
        answer = client.ok("FETCH 1:* BODY[]")
        assert answer.count(b"\\Seen") == 10
        assert world.mailbox().highestmodseq == before + 1


class TestAsServed:
    def test_bare_lf_is_crlf(self, world):
        world.put(b"Subject: x\n\nline\nmore\r\n")
        client = world.select()
        answer = client.ok("FETCH 1 (RFC822.SIZE BODY.PEEK[] BODY.PEEK[TEXT] BODYSTRUCTURE)")
        whole = b"Subject: x\r\n\r\nline\r\nmore\r\n"
        assert b"RFC822.SIZE %d " % len(whole) in answer
        assert literal(answer, "BODY[]") == whole
        assert literal(answer, "BODY[TEXT]") == b"line\r\nmore\r\n"
        assert b'"7bit" 12 2' in answer

    def test_prefix_headers_are_served_in_front(self, world):
        prefix = b"Return-Path: <a@example.com>\r\nDelivered-To: bob@example.com\r\n"
        world.put(b"To: bob@example.com\nSubject: x\n\nbody\n", prefix=prefix)
        world.put()
        client = world.select()
        whole = prefix + b"To: bob@example.com\r\nSubject: x\r\n\r\nbody\r\n"
        answer = client.ok("FETCH 1 (RFC822.SIZE BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[1] BODY.PEEK[TEXT]<1.3>)")
        assert b"RFC822.SIZE %d " % len(whole) in answer
        assert literal(answer, "BODY[]") == whole
        assert literal(answer, "BODY[HEADER]") == whole[:-6]
        assert literal(answer, "BODY[1]") == b"body\r\n"
        assert literal(answer, "BODY[TEXT]<1>") == b"ody"
        both = client.ok("FETCH 1:2 (ENVELOPE BODYSTRUCTURE)")
        assert b'(ENVELOPE (NIL "x" ' in both
        assert b'(ENVELOPE (NIL "Hello" ' in both
        fields = client.ok("FETCH 1 BODY.PEEK[HEADER.FIELDS (delivered-to)]")
        assert literal(fields, "BODY[HEADER.FIELDS (delivered-to)]") == b"Delivered-To: bob@example.com\r\n\r\n"

    @pytest.mark.parametrize(
        "raw",
        [
            b"", b"\r\n", b"x", b"\x00\xff", b"no header at all", b"From: @@@ <<>>;,\r\nTo: (((\r\nSender: \"\r\n\r\n",
            b"Content-Type: multipart/mixed; boundary=x\r\n\r\nno parts",
            b"Content-Type: multipart/mixed\r\n\r\n--\r\n",
            b"Content-Type: message/rfc822\r\n\r\n", b"Subject: " + b"x" * 5000 + b"\r\n\r\n", b"\r" * 10, b"\n" * 10,
            b"Content-Type: text/plain; charset=\"\xe9\"\r\nSubject: \xe9\r\n\r\n\xe9",
        ],
    )  # fmt: skip
    def test_broken_mail_yields_an_answer(self, world, raw):
        world.put(raw)
        client = world.select()
        answer = client.ok(
            "FETCH 1 (ENVELOPE BODY BODYSTRUCTURE RFC822.SIZE BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[1])"
        )
        whole = literal(answer, "BODY[]")
        assert b"RFC822.SIZE %d " % len(whole) in answer
        assert not world.errors


class TestMany:
    def test_one_large_message_at_a_time(self, world):
        for _ in range(5):
            world.put(b"Subject: x\r\n\r\n" + b"x" * 100_000)
        client = world.select()
        client.steps.clear()
        client.ok("FETCH 1:* BODY.PEEK[]")
        reads = [step for step in client.steps if isinstance(step, Call) and "octets" in step.function.__name__]
        assert [len(step.args[1]) for step in reads] == [1] * 5

    def test_slices_together_are_the_whole(self, world):
        for _ in range(700):
            world.put()
        world.store.expunge(world.mailbox().id, range(100, 650, 7))
        client = world.select()
        uids = list(world.store.snapshot(world.mailbox().id).uids)
        for items in ("UID", "(UID ENVELOPE)", "(UID BODY.PEEK[HEADER.FIELDS (Subject)])"):
            answer = client.ok(f"FETCH 1:* {items}")
            found = re.findall(rb"^\* (\d+) FETCH \(UID (\d+)", answer, re.MULTILINE)
            assert [(int(n), int(uid)) for n, uid in found] == list(enumerate(uids, 1))
        answer = client.ok("UID FETCH 1:50,200:210,690:* (UID)")
        assert len(re.findall(rb"^\* ", answer, re.MULTILINE)) == sum(
            uid <= 50 or 200 <= uid <= 210 or uid >= 690 for uid in uids
        )

    def test_others_get_their_turn(self, world, monkeypatch):
        ticks = iter(range(10**9))
        monkeypatch.setattr("mailtrap.clock.monotonic", lambda: next(ticks) * 0.003)
        for _ in range(100):
            world.put()
        client = world.select()
        client.ok("FETCH 1:* ENVELOPE")
        assert any(isinstance(step, Pause) for step in client.steps)

    def test_a_message_that_is_gone_from_the_store(self, world):
        for _ in range(3):
            world.put()
        client = world.select()
        facts = world.store.facts

        def then_gone(seqs, kinds):
            world.store.remove([2])
            return facts(seqs, kinds)

        world.store.facts = then_gone
        untagged, tagged = client.raw("FETCH 1:3 (UID ENVELOPE)")
        assert re.findall(rb"UID (\d)", untagged) == [b"1", b"3"]
        assert tagged.startswith(b"NO [EXPUNGEISSUED]")
        world.store.facts = facts
        assert not world.errors

    def test_long_lists_of_fields(self, client):
        names = " ".join(f"X-{n}" for n in range(1001))
        client.bad(f"FETCH 1 BODY[HEADER.FIELDS ({names})]")
        client.bad("FETCH 1 (" + "(" * limits.IMAP_DEPTH * 2)

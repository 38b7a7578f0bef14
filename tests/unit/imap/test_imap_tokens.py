"""The scanner."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from mailtrap import limits
from mailtrap.imap import responses
from mailtrap.imap.tokens import Incomplete, Scanner, SyntaxFault


class TestStrings:
    def test_quoted_with_escapes(self):
        scanner = Scanner(rb'"a \"b\" \\c" x')
        assert scanner.string() == rb'a "b" \c'
        scanner.space()
        assert scanner.atom() == b"x"
        assert scanner.ended

    @pytest.mark.parametrize("text", [b'"a', rb'"a\x"', b'"a\rb"', b'"a\nb"', b'"a\x00b"', b'a"', b""])
    def test_what_is_no_string(self, text):
        with pytest.raises(SyntaxFault):
            Scanner(text).string()

    def test_quoted_may_have_8_bit(self):
        assert Scanner('"é"'.encode()).string() == "é".encode()

    def test_literals_are_taken_in_order(self):
        scanner = Scanner(b"{3}\r\n {0+}\r\n {2}\r\n", [b"a{b", b"", b"\x00\xff"])
        assert scanner.string() == b"a{b"
        scanner.space()
        assert scanner.astring() == b""
        scanner.space()
        assert scanner.literal() == b"\x00\xff"
        assert scanner.ended

    def test_a_literal8_is_no_string_without_binary(self):
        with pytest.raises(SyntaxFault):
            Scanner(b"~{2}\r\n", [b"ab"]).string()

    def test_a_literal_that_has_not_come(self):
        with pytest.raises(Incomplete):
            Scanner(b"{3}\r\n").string()

    def test_astring_may_have_a_bracket_and_atoms_not(self):
        assert Scanner(b"a]b").astring() == b"a]b"
        assert Scanner(b"a]b").atom() == b"a"

    def test_nil_is_a_word_of_its_own(self):
        assert Scanner(b"nil").nstring() is None
        assert not Scanner(b"nilpotent").nil()
        assert Scanner(b'"NIL"').nstring() == b"NIL"


class TestPositions:
    @pytest.mark.parametrize(
        ("text", "said"),
        [(b"", "ends where"), (b"(", "Expected an atom at octet 1"), (b"\x01", "Octet 1"), (b"\xe9", "Octet 233")],
    )
    def test_a_fault_says_where(self, text, said):
        with pytest.raises(SyntaxFault, match=said):
            Scanner(text).atom()

    def test_nothing_may_follow_the_end(self):
        scanner = Scanner(b"a b")
        scanner.atom()
        with pytest.raises(SyntaxFault, match="octet 2"):
            scanner.end()


class TestNumbers:
    def test_32_bits(self):
        assert Scanner(b"4294967295").number() == 2**32 - 1
        with pytest.raises(SyntaxFault, match="too large"):
            Scanner(b"4294967296").number()
        assert Scanner(b"4294967296").number(63) == 2**32


class TestLists:
    def test_lists_and_empty_ones(self):
        scanner = Scanner(b"(a b c)")
        assert scanner.items(scanner.atom) == [b"a", b"b", b"c"]
        assert (empty := Scanner(b"()")).items(empty.atom, empty=True) == []
        with pytest.raises(SyntaxFault):
            (empty := Scanner(b"()")).items(empty.atom)

    @pytest.mark.parametrize("text", [b"(a", b"(a  b)", b"(a b )", b"( a)"])
    def test_spaces_are_single(self, text):
        with pytest.raises(SyntaxFault):
            (scanner := Scanner(text)).items(scanner.atom)

    def test_depth_is_bounded(self):
        scanner = Scanner(b"(" * 1000)
        for _ in range(limits.IMAP_DEPTH):
            scanner.open()
        with pytest.raises(SyntaxFault, match="nested"):
            scanner.open()


class TestFlags:
    def test_system_flags_in_one_spelling(self):
        assert Scanner(b"(\\sEEN $Forwarded \\Draft)").flags() == {"\\Seen", "$Forwarded", "\\Draft"}
        assert Scanner(b"()").flags() == frozenset()

    @pytest.mark.parametrize("flag", [b"\\Recent", b"\\*", b"\\Foo", b"a]", b"\\"])
    def test_what_no_client_can_set(self, flag):
        with pytest.raises(SyntaxFault):
            Scanner(b"(" + flag + b")").flags()


class TestDates:
    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            (b'" 1-Jan-1970 00:00:00 +0000"', 0.0),
            (b'"01-Jan-1970 01:00:00 +0100"', 0.0),
            (b'"17-jul-1996 02:44:25 -0700"', 837596665.0),
            (b'"31-Dec-2016 23:59:60 +0000"', 1483228800.0),
        ],
    )
    def test_date_time(self, text, seconds):
        assert Scanner(text).date_time() == seconds

    @pytest.mark.parametrize(
        "text",
        [
            b'"31-Feb-2026 00:00:00 +0000"', b'" 1-Foo-2026 00:00:00 +0000"', b'"1-Jan-2026 00:00:00 +0000"',
            b'" 1-Jan-2026 25:00:00 +0000"', b'" 1-Jan-2026 00:00:00 +9900"', b'" 1-Jan-0000 00:00:00 +0000"',
            b'" 1-Jan-2026 00:00:00"', b"x",
        ],
    )  # fmt: skip
    def test_what_is_no_date_time(self, text):
        with pytest.raises(SyntaxFault):
            Scanner(text).date_time()

    @given(st.integers(0, 4102444800))
    def test_what_is_sent_is_read(self, seconds):
        assert Scanner(responses.date_time(seconds)).date_time() == seconds

    def test_date(self):
        assert Scanner(b"1-Feb-2026").date() == Scanner(b'"01-feb-2026"').date()
        for text in (b"30-Feb-2026", b"1-Feb-26", b'"1-Feb-2026'):
            with pytest.raises(SyntaxFault):
                Scanner(text).date()


class TestMailboxNames:
    def test_both_encodings(self):
        assert Scanner(b"Entw&APw-rfe").mailbox() == "Entwürfe"
        assert Scanner("Entwürfe".encode()).mailbox() == "Entwürfe"

    @pytest.mark.parametrize("name", [b"a&b", b"\xff", "a\u0085b".encode(), b"&AAo-"])
    def test_what_is_none(self, name):
        with pytest.raises(ValueError):
            Scanner(name).mailbox()


class TestResponses:
    @given(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="\u2028\u2029"), min_size=1)
    )
    def test_every_name_that_is_sent_is_read(self, name):
        assert Scanner(responses.mailbox(name)).mailbox() == name

    @given(st.binary())
    def test_every_string_that_is_sent_is_read(self, value):
        coded = responses.string(value)
        if coded.startswith(b"{"):
            head, _, body = coded.partition(b"\r\n")
            assert Scanner(head + b"\r\n", [body]).string() == value
        else:
            assert Scanner(coded).string() == value

    @pytest.mark.parametrize("name", ["a[b", "a}b", "a^b", "a|b", "a b", 'a"b', "a\\b", "NIL", "nil", "*", "%", ""])
    def test_odd_names_are_quoted(self, name):
        assert responses.mailbox(name).startswith(b'"')

    def test_keywords_that_no_client_could_send(self):
        assert responses.flags(frozenset({"\\Seen", "two words", "a)b", "caf\xe9", "", "\\Foo", "a\\b"})) == (
            b"\\Seen _ \\Foo a_b a_b caf_ two_words"
        )

    def test_a_text_cannot_forge_a_line(self):
        line = responses.Reply("NO", "a\r\n* BYE b").line(b"x")
        assert line.count(b"\r\n") == 1

    def test_an_empty_text_is_none(self):
        assert responses.Reply("OK", "").line(b"x") == b"x OK -\r\n"

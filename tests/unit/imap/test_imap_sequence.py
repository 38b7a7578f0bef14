"""Sequence sets."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from mailtrap.imap import sequence
from mailtrap.imap.sequence import STAR, contains, encode, parse, positions, uids

NUMBERS = st.integers(1, 30)
SETS = st.lists(st.tuples(NUMBERS | st.just(STAR), NUMBERS | st.just(STAR)), min_size=1, max_size=4).map(
    lambda pairs: tuple((min(pair), max(pair)) for pair in pairs)
)


def test_ranges_in_either_order():
    assert parse(b"1,3:5,9:7,*,10:*,*:2") == ((1, 1), (3, 5), (7, 9), (STAR, STAR), (10, STAR), (2, STAR))


@pytest.mark.parametrize("text", [b"", b"0", b"01", b"1:", b":1", b"1,", b"a", b"1:2:3", b"-1"])
def test_what_is_no_set(text: bytes):
    assert sequence.PATTERN.fullmatch(text) is None


@pytest.mark.parametrize("text", [b"4294967296", b"1:9999999999"])
def test_numbers_beyond_32_bits(text: bytes):
    with pytest.raises(ValueError):
        parse(text)


class TestPositions:
    @pytest.mark.parametrize(
        ("text", "count", "expected"),
        [
            (b"1:*", 3, [1, 2, 3]), (b"*", 3, [3]), (b"3:*", 3, [3]), (b"2,1,2:3", 3, [1, 2, 3]),
            (b"4", 3, None), (b"1:4", 3, None), (b"4:*", 3, None), (b"*", 0, None), (b"1:*", 0, None),
        ],
    )  # fmt: skip
    def test_numbers_that_are_there(self, text, count, expected):
        found = positions(parse(text), count)
        assert (found if found is None else list(found)) == expected


class TestUids:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (b"1:*", [2, 5, 9]), (b"*", [9]), (b"100:*", [9]), (b"*:100", [9]), (b"3:8", [5]), (b"1", []),
            (b"9,2", [2, 9]), (b"5:2,4:9", [2, 5, 9]),
        ],
    )  # fmt: skip
    def test_those_that_are_there(self, text, expected):
        assert list(uids(parse(text), (2, 5, 9))) == expected

    def test_nothing_in_an_empty_mailbox(self):
        assert list(uids(parse(b"1:*"), ())) == []

    @given(SETS, st.sets(NUMBERS))
    def test_as_contains_says(self, wanted, known):
        ordered = tuple(sorted(known))
        expected = [uid for uid in ordered if contains(wanted, uid, ordered[-1])]
        assert list(uids(wanted, ordered)) == expected


class TestEncode:
    @pytest.mark.parametrize(
        ("numbers", "expected"),
        [([], b""), ([5], b"5"), ([1, 2, 3, 7, 9, 10], b"1:3,7,9:10"), ([3, 1, 2], b"3,1:2"), ([2, 1], b"2,1")],
    )
    def test_order_is_kept(self, numbers, expected):
        assert encode(numbers) == expected

    @given(st.sets(NUMBERS, min_size=1))
    def test_it_is_parsed_again(self, numbers):
        assert list(uids(parse(encode(sorted(numbers))), tuple(range(1, 40)))) == sorted(numbers)

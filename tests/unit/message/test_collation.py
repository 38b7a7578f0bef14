"""Comparing text: against RFC 5051 written down step by step."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtrap.message.collation import folded, sort_key


def casemap(text: str) -> str:
    """RFC 5051, 2: the title case of each character, and that taken apart until nothing is left to take apart."""
    out: list[str] = []
    waiting = [character.title() if len(character.title()) == 1 else character for character in reversed(text)]
    while waiting:
        character = waiting.pop()
        parts = unicodedata.decomposition(character).split()
        if parts and parts[0].startswith("<"):
            del parts[0]
        if parts:
            waiting += [chr(int(part, 16)) for part in reversed(parts)]
        else:
            out.append(character)
    return "".join(out)


def test_each_character_is_equal_to_what_the_rfc_makes_of_it() -> None:
    differ = [
        character
        for character in map(chr, range(sys.maxunicode + 1))
        if not 0xAC00 <= ord(character) <= 0xD7A3  # syllables that are taken apart by arithmetic, not by the table
        and unicodedata.category(character) not in ("Cs", "Cn", "Co")
        and folded(character) != folded(casemap(character))
    ]
    assert differ == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CAFÉ", "cafe\u0301"), ("ΣΊΣΥΦΟΣ", "σίσυφος"), ("Straße", "STRASSE"), ("ﬁne", "FINE"), ("Ǆ", "ǆ"),
        ("ПРИВЕТ", "привет"), ("①", "1"), ("ｆｕｌｌ", "FULL"), ("ı", "I"), ("", ""), ("가", "\u1100\u1161"),
    ],
)  # fmt: skip
def test_equal(one: str, other: str) -> None:
    assert folded(one) == folded(other)
    assert sort_key(one) == sort_key(other)


def test_different() -> None:
    assert len({folded(text) for text in ("a", "ä", "b", "ab", "a b", "æ", "ø")}) == 7


@given(st.text(max_size=20))
def test_case_does_not_count_and_once_is_enough(text: str) -> None:
    assert folded(folded(text)) == folded(text)
    assert folded(text.upper()) == folded(text)
    assert sort_key(sort_key(text)) == sort_key(text)
    assert (sort_key(text) == sort_key(text.swapcase())) or folded(text) != folded(text.swapcase())


@given(st.text(max_size=10), st.text(max_size=10))
def test_both_agree_on_what_is_equal(one: str, other: str) -> None:
    assert (folded(one) == folded(other)) == (sort_key(one) == sort_key(other))


def test_the_order_is_that_of_the_title_case() -> None:
    assert sorted(["a_b", "ab", "B", "a", "[x]", "Ä", "z"], key=sort_key) == ["a", "ab", "a_b", "Ä", "B", "z", "[x]"]

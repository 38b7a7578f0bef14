"""The base subject."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtrap.message.subject import base_subject


@pytest.mark.parametrize(
    ("subject", "base", "is_reply"),
    [
        ("Hello", "Hello", False), ("", "", False), ("Re: Hello", "Hello", True), ("RE : Hello", "Hello", True),
        ("re: Fwd: FW: Hello", "Hello", True), ("Re[2]: Hello", "Hello", True), ("Re [list] : Hello", "Hello", True),
        ("[list] Re: Hello", "Hello", True), ("[list] [PATCH] Re: Hello", "Hello", True),
        ("Re: [list] Hello", "Hello", True), ("[list] Hello", "Hello", False), ("[a][b] Hello", "Hello", False),
        ("[list]", "[list]", False), ("[a] [b]", "[b]", False), ("Re: [list]", "[list]", True), ("Re:", "", True),
        ("Hello (fwd)", "Hello", True), ("Hello (FWD) (fwd) ", "Hello", True), ("Hello(fwd)", "Hello", True),
        ("[Fwd: Hello]", "Hello", True), ("[fwd: Re: [fwd: Hello (fwd)]]", "Hello", True),
        ("Re: [Fwd: [list] Hello]", "Hello", True), ("[Fwd: Hello", "[Fwd: Hello", False), ("[fwd:]", "", True),
        ("Hello\tyou \r\n there", "Hello you there", False), ("  Hello  ", "Hello", False),
        ("Reply: x", "Reply: x", False),
        ("Rest: x", "Rest: x", False), ("Fwdd: x", "Fwdd: x", False), ("AW: Hello", "AW: Hello", False),
        ("[a[b] Hello", "[a[b] Hello", False), ("Re: re: (fwd)", "", True), ("Re: grün [ü] x", "grün [ü] x", True),
        ("[ü] grün", "grün", False), ("fwd", "fwd", False), ("(fwd)", "", True), ("[]", "[]", False),
        ("[] x", "x", False),
    ],
)  # fmt: skip
def test_each(subject: str, base: str, is_reply: bool) -> None:
    assert base_subject(subject) == (base, is_reply)


PIECES = st.sampled_from(
    ["Re:", "re ", "Fwd:", "fw", "[", "]", "[x]", "[fwd:", "(fwd)", " ", "\t", ":", "Hello", "ü", "[list] "]
)
SUBJECTS = st.lists(PIECES, max_size=12).map("".join)


@given(SUBJECTS)
def test_nothing_is_left_to_take_away(subject: str) -> None:
    base, is_reply = base_subject(subject)
    assert base_subject(base) == (base, False)
    assert base in re.sub(r"\s+", " ", subject)
    assert is_reply or not subject.lower().startswith("re:")


@given(SUBJECTS)
def test_an_answer_has_the_same_base(subject: str) -> None:
    for around in ("Re: {}", "FWD: {}", "[list] re[x]: {}", "{} (fwd)"):
        assert base_subject(around.format(subject)) == (base_subject(subject).base, True)


@pytest.mark.parametrize("piece", ["[a]", "[", "re:", "[fwd:", "(fwd)", " ", "re[", "[a] re", "fw "])
def test_long_ones_take_no_longer(piece: str) -> None:
    """Not for their time, but because a quadratic one would not come to an end here."""
    base_subject(piece * 200_000)
    base_subject(piece * 200_000 + "x")

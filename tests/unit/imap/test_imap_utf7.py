"""Modified UTF-7 (RFC 3501, 5.1.3)."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from mailtrap.imap import utf7


@pytest.mark.parametrize(
    ("name", "coded"),
    [
        ("INBOX", b"INBOX"),
        ("", b""),
        ("a&b", b"a&-b"),
        ("&", b"&-"),
        ("Entwürfe", b"Entw&APw-rfe"),
        ("~peter/mail/台北/日本語", b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
        ("é&中", b"&AOk-&-&Ti0-"),
        ("\U0001f600", b"&2D3eAA-"),
        ("a\tb", b"a&AAk-b"),
    ],
)
def test_names(name: str, coded: bytes):
    assert utf7.encode(name) == coded
    assert utf7.decode(coded) == name


@given(st.text(st.characters(codec="utf-8")))
def test_every_name_comes_back(name: str):
    coded = utf7.encode(name)
    assert all(0x20 <= octet <= 0x7E for octet in coded)
    assert utf7.decode(coded) == name


@pytest.mark.parametrize(
    "coded",
    [
        b"&", b"a&b", b"&AOk", b"&AOk-&AOk-", b"&AA-", b"&AGE-", b"&2D0-", b"&3gA-", b"&===-", b"&AOl=-", b"a\x00b",
        b"&/////-", b"\xff",
    ],
)  # fmt: skip
def test_what_is_none(coded: bytes):
    with pytest.raises(ValueError):
        utf7.decode(coded)


@given(st.binary(max_size=20))
def test_garbage_is_refused_or_has_one_form(coded: bytes):
    try:
        name = utf7.decode(coded)
    except ValueError:
        return
    assert utf7.encode(name) == coded


def test_lone_surrogates_do_not_break_an_answer():
    assert utf7.decode(utf7.encode("a\ud83d")) == "a\ufffd"

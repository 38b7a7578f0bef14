from email.utils import formataddr, getaddresses
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtrap.message.addresses import GROUP_END, Entry, addresses, parse


def one(value: str) -> tuple[str, str]:
    found = addresses(value.encode())
    assert len(found) == 1
    return str(found[0]), found[0].name


@pytest.mark.parametrize(
    ("value", "address", "name"),
    [
        ("bob@example.com", "bob@example.com", ""),
        ("Bob <bob@example.com>", "bob@example.com", "Bob"),
        ('"Doe, John" <j@example.com>', "j@example.com", "Doe, John"),
        ('"a \\"b\\" \\\\c" <j@example.com>', "j@example.com", 'a "b" \\c'),
        ("bob@example.com (Bob B.)", "bob@example.com", "Bob B."),
        ("bob@example.com (Bob (the) B.)", "bob@example.com", "Bob (the) B."),
        ("=?utf-8?q?J=C3=BCrgen?= <j@example.com>", "j@example.com", "Jürgen"),
        ("Bob Smith bob@example.com", "bob@example.com", "Bob Smith"),
        ("John Q. Public <j@example.com>", "j@example.com", "John Q. Public"),
        ("a@b <real@example.com>", "real@example.com", "a@b"),
        ("j . doe @ example . com", "j.doe@example.com", ""),
        ('"j doe"@example.com', '"j doe"@example.com', ""),
        ("<@relay,@hop:x@example.com>", "x@example.com", ""),
        ("x@[192.0.2.1]", "x@[192.0.2.1]", ""),
        ("x@[IPv6:2001:db8::1]", "x@[ipv6:2001:db8::1]", ""),
        ("x@EXAMPLE.Com.", "x@example.com", ""),
        ("x@xn--bcher-kva.example", "x@bücher.example", ""),
        ("jürgen@example.com", "jürgen@example.com", ""),
        ("Bob\r\n Smith\r\n\t<bob@example.com>", "bob@example.com", "Bob Smith"),
        ('"Bob\r\n Smith" <bob@example.com>', "bob@example.com", "Bob Smith"),
        ("Bob <bob@example.com", "bob@example.com", "Bob"),
        ("bob@example.com>", "bob@example.com", ""),
        ("no-at-sign", "no-at-sign", ""),
        ('"open <bob@example.com>', "bob@example.com", '"open'),
        ("(open <bob@example.com>", "bob@example.com", "(open"),
        ("<bob@example.com> trailing", "bob@example.com", ""),
        ("a@b@example.com", '"a@b"@example.com', ""),
    ],
)
def test_one_address(value: str, address: str, name: str) -> None:
    assert one(value) == (address, name)


@pytest.mark.parametrize("value", ["", "  ", ",", ", ;,", "<>", "()", "\r\n "])
def test_none(value: str) -> None:
    assert parse(value.encode()) == []


def test_lists_and_groups() -> None:
    value = b'a@x, Friends: "B" <b@x>, c@x;, , "D" <d@x>; e@x'
    assert parse(value) == [
        Entry(None, None, b"a", b"x"),
        Entry(None, None, b"Friends", None),
        Entry(b"B", None, b"b", b"x"),
        Entry(None, None, b"c", b"x"),
        GROUP_END,
        Entry(b"D", None, b"d", b"x"),
        Entry(None, None, b"e", b"x"),
    ]
    assert addresses(value) == ["a@x", "b@x", "c@x", "d@x", "e@x"]


def test_groups_that_are_empty_or_never_end() -> None:
    assert parse(b"undisclosed-recipients:;") == [Entry(None, None, b"undisclosed-recipients", None), GROUP_END]
    assert parse(b'"My group": a@x')[0::2] == [Entry(None, None, b"My group", None), GROUP_END]


def test_routes_are_kept_apart() -> None:
    assert parse(b"N <@a.example,@b.example:x@y>") == [Entry(b"N", b"@a.example,@b.example", b"x", b"y")]


def test_one_broken_address_does_not_spoil_the_next() -> None:
    assert addresses(b"broken <broken@x, good@y, <, fine@z") == ["broken@x", "good@y", "fine@z"]


@given(st.binary(max_size=120))
def test_any_bytes(value: bytes) -> None:
    for entry in parse(value):
        assert entry == GROUP_END or entry.local is not None
    for address in addresses(value):
        assert isinstance(address, str)


@given(st.lists(st.sampled_from(list(b'ab@.,;:<>()"\\[] \r\n')), max_size=40))
def test_any_arrangement_of_specials(value: list[int]) -> None:
    parse(bytes(value))


ATOM = st.text("abcdefgh0123-_+", min_size=1, max_size=8)
NAME = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20).map(
    lambda name: " ".join(name.split()).replace("=?", "")
)


@given(st.lists(st.tuples(NAME, ATOM, ATOM), min_size=1, max_size=5))
def test_well_formed_lists_are_read_as_the_standard_library_reads_them(people: list[tuple[str, str, str]]) -> None:
    value = ", ".join(formataddr((name, f"{local}@{domain}.example")) for name, local, domain in people)
    found = addresses(value.encode())
    assert [(address.name, str(address)) for address in found] == getaddresses([value])


@pytest.mark.parametrize(
    "value",
    [
        b'"\\' * 100_000,
        b"(" * 200_000,
        b"<" * 200_000,
        b'<\\"' * 70_000,
        b"[" * 200_000,
        b"a@" * 100_000,
        b": " * 100_000,
        b" " * 200_000,
        b"x <" + b"@a," * 70_000,
        b"(\\" * 100_000,
        b"a b " * 50_000,
        b"a@b, " * 40_000,
        b'"' + b"x" * 200_000,
        b"a" * 200_000,
    ],
)
def test_hostile_lists_take_linear_time(value: bytes) -> None:
    start = process_time()
    parse(value)
    assert process_time() - start < 1.5

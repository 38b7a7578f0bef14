"""Paths and parameters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtrap.smtp.grammar import BadPath, decode_xtext, is_xtext, parse_parameters, parse_path

PATHS = [
    # text, address, original, rest
    ("<a@example.com>", "a@example.com", "a@example.com", None),
    ("<A@EXAMPLE.Com>", "A@example.com", "A@EXAMPLE.Com", None),
    (" <a@x>", "a@x", "a@x", None),
    ("   <a@x>", "a@x", "a@x", None),
    ("<a@x> SIZE=1", "a@x", "a@x", "SIZE=1"),
    ("<a@x>  SIZE=1 BODY=7BIT", "a@x", "a@x", "SIZE=1 BODY=7BIT"),
    ("a@x SIZE=1", "a@x", "a@x", "SIZE=1"),
    ("a@x", "a@x", "a@x", None),
    ("<>", "", "", None),
    (" <> SIZE=1", "", "", "SIZE=1"),
    ("<postmaster>", "postmaster", "postmaster", None),
    ("<@a.example,@b.example:c@x>", "c@x", "@a.example,@b.example:c@x", None),
    ("<@a.example:c@x> RET=HDRS", "c@x", "@a.example:c@x", "RET=HDRS"),
    ('<"a b"@x>', '"a b"@x', '"a b"@x', None),
    ('<"a\\"b>@c"@x> SIZE=1', '"a\\"b>@c"@x', '"a\\"b>@c"@x', "SIZE=1"),
    ('<""@x>', '""@x', '""@x', None),
    ("<a@[192.0.2.1]>", "a@[192.0.2.1]", "a@[192.0.2.1]", None),
    ("<a@[IPv6:2001:db8::1]>", "a@[ipv6:2001:db8::1]", "a@[IPv6:2001:db8::1]", None),
    ("<a@[tag:what.ever]>", "a@[tag:what.ever]", "a@[tag:what.ever]", None),
    ("<jürgen@münchen.example>", "jürgen@münchen.example", "jürgen@münchen.example", None),
    ("<a@xn--mnchen-3ya.example>", "a@münchen.example", "a@xn--mnchen-3ya.example", None),
    ("<a@x.>", "a@x", "a@x.", None),
    ("<a@my_host.docker_net>", "a@my_host.docker_net", "a@my_host.docker_net", None),
    ("<.dot..dot.@x>", ".dot..dot.@x", ".dot..dot.@x", None),
    ("<" + "l" * 200 + "@x>", "l" * 200 + "@x", "l" * 200 + "@x", None),
    ("<!#$%&'*+-/=?^_`{|}~@x>", "!#$%&'*+-/=?^_`{|}~@x", "!#$%&'*+-/=?^_`{|}~@x", None),
]

NO_PATHS = [
    "", " ", "<", ">", "<a@x", "a@x>", "<<a@x>>", "<a@x>>", "<a@@x>", "<@x>", "<a@>", "<a@.x>", "<a@x..y>", "<a b@x>",
    "<a@x y>", "<a,b@x>", "<a@x>b", "<a@[192.0.2.256]>", "<a@[1.2.3]>", "<a@[IPv6:zz]>", "<a@[IPv6:fe80::1%25]>",
    "<a@[]>", "<a@[x]y>", '<"a@x>', '<"a"b@x>', "<:a@x>", "<@a a@x>", "<@a;a@x>", "<a@x", "<a(b)@x>",
    "<a@" + "d" * 256 + ">", "<a@" + "d." * 130 + "example>", "a@x<b@y>",
]  # fmt: skip


@pytest.mark.parametrize(("text", "address", "original", "rest"), PATHS)
def test_paths(text, address, original, rest):
    found, behind = parse_path(text)
    assert (str(found), found.original, behind) == (address, original, rest)


@pytest.mark.parametrize("text", NO_PATHS)
def test_no_paths(text):
    with pytest.raises(BadPath):
        parse_path(text)


@given(st.text(alphabet='<>@.,:"\\[]ab \t12Äé=', max_size=60))
def test_a_path_is_found_or_not_and_nothing_else_happens(text):
    try:
        address, rest = parse_path(text)
    except BadPath:
        return
    assert address.original in text
    assert rest is None or text.endswith(rest)


def test_a_long_line_of_nonsense_takes_no_time():
    for text in ("<" + "a." * 6000 + "@", "<@" + "a." * 6000 + ":", '<"' + "\\a" * 6000, "<" + "a" * 12000 + "@x@"):
        with pytest.raises(BadPath):
            parse_path(text)


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("SIZE=10", {"SIZE": "10"}),
        ("size=10 body=8bitMIME", {"SIZE": "10", "BODY": "8bitMIME"}),
        ("SMTPUTF8", {"SMTPUTF8": None}),
        ("ENVID=QQ+3D314 RET=HDRS", {"ENVID": "QQ+3D314", "RET": "HDRS"}),
        ("X-FOO=a=b", {"X-FOO": "a=b"}),
        ("  SIZE=1   RET=FULL ", {"SIZE": "1", "RET": "FULL"}),
        ("SIZE=1 size=2", None),
        ("SIZE=", None),
        ("=1", None),
        ("-A=1", None),
        ("A_B=1", None),
        ("Ä=1", None),
        ("<b@x>", None),
    ],
)
def test_parameters(text, parameters):
    assert parse_parameters(text) == parameters


def test_xtext():
    assert is_xtext("abc+2Bdef")
    assert not is_xtext("abc+2bdef")
    assert not is_xtext("a=b")
    assert not is_xtext("a b")
    assert decode_xtext("abc+2Bdef+3D") == "abc+def="
    assert decode_xtext("+C3+BC") == "ü"

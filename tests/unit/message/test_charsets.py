from email.header import decode_header, make_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtrap.message.charsets import codec, decode, decode_base64, decode_words, header_text, transfer_decode


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("=?utf-8?Q?a_b=2C?=", "a b,"),
        ("=?UTF-8?b?w6k?=", "é"),  # no padding
        ("=?utf-8?q?=C3=A9?= and =?iso-8859-1?Q?=E9?=", "é and é"),
        ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        ("=?utf-8?q?a?=\t =?iso-8859-1?q?b?=", "ab"),
        ("=?utf-8?q?=C3?= =?utf-8?q?=A9?=", "é"),  # a character torn apart
        ("x=?utf-8?q?a?=y", "xay"),
        ("=?utf-8*en?q?a?=", "a"),
        ("=?nonsense?q?a?=", "=?nonsense?q?a?="),
        ("=?nonsense?q?a?= =?utf-8?q?b?=", "=?nonsense?q?a?= b"),
        ("=?utf-8?x?a?=", "=?utf-8?x?a?="),
        ("=?utf-8?q?=ZZ=4?=", "=ZZ=4"),
        ("=?utf-8?b?*?=", ""),
        ("=?gb2312?b?1tDOxA==?=", "中文"),
        ("=?ks_c_5601-1987?b?x9GxuQ==?=", "한국"),
        ("=?ISO-2022-JP?B?GyRCOzNFRBsoQg==?=", "山田"),
        ("=?", "=?"),
        ("a =?= b", "a =?= b"),
    ],
)
def test_encoded_words(text: str, expected: str) -> None:
    assert decode_words(text) == expected


@given(st.text(max_size=60))
def test_any_text_has_its_words_decoded(text: str) -> None:
    decode_words(text)
    decode_words(f"=?utf-8?q?{text}?=")
    decode_words(f"=?{text}?b?{text}?= =?utf-8?b?{text}?=")


@given(st.binary(max_size=80))
def test_any_header(value: bytes) -> None:
    assert "\n" not in header_text(value)


@given(st.text(st.characters(categories=["L", "N", "P", "Zs"], exclude_characters="=?_"), max_size=80))
def test_what_the_standard_library_encodes(text: str) -> None:
    from email.header import Header

    text = " ".join(text.split())
    encoded = Header(text, "utf-8").encode()
    assert header_text(encoded.encode()) == str(make_header(decode_header(encoded))) == text


def test_charsets() -> None:
    assert decode("é".encode("latin-1"), "iso-8859-1") == "é"
    assert decode("é".encode(), "us-ascii") == "é"  # declared wrongly
    assert decode("é".encode(), "no-such-charset") == "é"
    assert decode(b"\xe9", "no-such-charset") == "é"
    assert decode(b"\xe9") == "é"
    assert decode(b"\xff\xfe\xe9", "utf-8") == "ÿþé"
    assert decode("é".encode() + b"\xc3", "utf-8") == "é\ufffd"  # cut off
    assert decode(b"\x81", "shift_jis") == "\ufffd"
    assert decode(b"\x80", "windows-1252") == "€"
    assert decode(b"a", "\0") == "a"
    assert decode(b"+2D3-", "utf-7") == "\ufffd"  # half a character


@pytest.mark.parametrize(
    "name",
    [
        "",
        "zip",
        "base64",
        "rot13",
        "hex",
        "unicode_escape",
        "punycode",
        "idna",
        "undefined",
        "x" * 1000,
        "\0",
        "é",
        "raw-unicode-escape",
        "../etc/passwd",
        "uu",
    ],
)
def test_codecs_that_are_no_charsets(name: str) -> None:
    assert codec(name) is None
    assert decode(b"\\d\x80", name) == "\\d€"


def test_transfer_encodings() -> None:
    assert transfer_decode(b"SGVs\r\nbG8=\r\n", b"base64") == b"Hello"
    assert transfer_decode(b"SGVsbG8", b"base64") == b"Hello"  # cut off
    assert transfer_decode(b"SGVsb!G8=", b"base64") == b"Hello"
    assert transfer_decode(b"S", b"base64") == b""
    assert transfer_decode(b"a=3D=\r\nb =\r\n", b"quoted-printable") == b"a=b "
    assert transfer_decode(b"begin 644 x\r\n%2&5L;&\\ \r\n`\r\nend\r\n", b"x-uuencode") == b"Hello"
    assert transfer_decode(b"as it is", b"x-unknown") == b"as it is"
    assert transfer_decode(b"nothing to decode", b"uuencode") == b"nothing to decode"


@given(st.binary(max_size=100), st.sampled_from([b"base64", b"quoted-printable", b"uuencode", b"7bit", b""]))
def test_any_content(data: bytes, encoding: bytes) -> None:
    transfer_decode(data, encoding)
    transfer_decode(b"begin 644 x\r\n" + data, encoding)


@given(st.binary(max_size=100))
def test_base64_round_trip(data: bytes) -> None:
    from base64 import encodebytes

    assert decode_base64(encodebytes(data)) == data
    assert decode_base64(encodebytes(data).rstrip(b"=\n")) == data

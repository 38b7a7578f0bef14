"""Whatever a message is made of, the answer about it is one that the grammar allows."""

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, example, given, settings

from mailtrap.message.structure import served

from .conftest import World
from .grammar import Reader

ITEMS = (
    "(UID FLAGS RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[1] "
    "BODY.PEEK[1.MIME] "
    "BODY.PEEK[2] BODY.PEEK[1.1] BODY.PEEK[1.HEADER] BODY.PEEK[2.TEXT] BODY.PEEK[HEADER.FIELDS (Subject To)] "
    "BODY.PEEK[1.HEADER.FIELDS.NOT (Subject)]<3.7> BODY.PEEK[]<5.20> PREVIEW BODY.PEEK[])"
)
PIECES = st.sampled_from(
    [
        b"Subject: ", b"From: ", b"To: ", b"Sender: ", b"Date: ", b"Message-ID: ", b"In-Reply-To: ",
        b"Content-Type: ", b"Content-Transfer-Encoding: ", b"Content-Disposition: ", b"Content-Language: ",
        b"Content-Location: ", b"Content-MD5: ", b"Content-ID: ", b"Content-Description: ",
        b"multipart/mixed; boundary=b", b"multipart/digest", b"message/rfc822", b"message/global",
        b"text/html; charset=utf-8", b"application/x; name*0=a; name*1*=b%20", b'attachment; filename="a\\"b"',
        b"en, de", b"base64", b"quoted-printable", b"8bit", b"\r\n", b"\n", b"\r\n\r\n", b"\r\n--b\r\n",
        b"\r\n--b--\r\n", b"--b", b"\r\n ", b"<a@b>", b"a@b, c@d", b"group: a@b;", b'"', b"\\", b"(", b")",
        b"=?utf-8?q?=C3=BC?=", "ü".encode(), b"\xff", b"\r", b"; ", b"=", b",", b"<", b">", b"@", b"text",
        b"{5}\r\n", b"NIL",
    ]
)  # fmt: skip
ANY = st.binary(min_size=1, max_size=6).filter(lambda octets: b"\0" not in octets)
RAW = st.lists(PIECES | ANY, max_size=30).map(b"".join)


def answered(raw: bytes) -> dict[bytes, object]:
    world = World()
    world.put(raw)
    reader = Reader(world.select().ok(f"FETCH 1 {ITEMS}"))
    found = reader.fetch()
    assert reader.at == len(reader.data)
    assert not world.errors
    return found


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(RAW)
@example(b'Content-Language: \xff, en\r\nContent-MD5: "\r\nContent-Location: {3}\r\n\r\n')
@example(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n--b--")
@example(b'Content-Type: a/b; c="\r\n d"; \xff=\xfe\r\nContent-Disposition: ; =\r\n\r\n')
def test_any_message(raw):
    found = answered(raw)
    whole = served(raw)
    assert found[b"BODY[]"] == whole
    assert found[b"RFC822.SIZE"] == len(whole)
    assert found[b"BODY[HEADER]"] + found[b"BODY[TEXT]"] == whole
    assert found[b"BODY[]<5>"] == whole[5:25]


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        ("Content-MD5: Q2hlY2s=", b'"7bit" 4 1 "Q2hlY2s=" NIL NIL NIL)'),
        ('Content-Disposition: Attachment; FileName="a.txt"', b'NIL ("attachment" ("filename" "a.txt")) NIL NIL)'),
        ("Content-Disposition: inline", b'NIL ("inline" NIL) NIL NIL)'),
        ("Content-Language: de, en-GB", b'NIL NIL ("de" "en-GB") NIL)'),
        ("Content-Location: http://example.com/x", b'NIL NIL NIL "http://example.com/x")'),
        ("Content-ID: <a@b>", b'("charset" "us-ascii") "<a@b>" NIL "7bit" 4 1 NIL NIL NIL NIL)'),
        ("Content-Description: a text", b'("charset" "us-ascii") NIL "a text" "7bit" 4 1 NIL NIL NIL NIL)'),
        ("Content-Transfer-Encoding: Base64", b'("charset" "us-ascii") NIL NIL "base64" 4 1 NIL NIL NIL NIL)'),
        ('Content-Type: text/x; Charset="us-ascii"; a=b',
         b'"text" "x" ("charset" "us-ascii" "a" "b") NIL NIL "7bit" 4 1 '),
    ],
)  # fmt: skip
def test_what_bodystructure_tells(field, shown):
    world = World()
    world.put(f"{field}\r\n\r\nab\r\n".encode())
    answer = world.select().ok("FETCH 1 BODYSTRUCTURE")
    assert shown in answer
    Reader(answer).fetch()


def test_of_a_multipart():
    world = World()
    world.put(
        b"Content-Type: multipart/mixed; boundary=b\r\nContent-Language: fr\r\nContent-Disposition: inline\r\n"
        b"Content-Location: x\r\n\r\n--b\r\n\r\na\r\n--b\r\nContent-Type: image/png\r\n\r\n\x01\r\n--b--\r\n"
    )
    answer = world.select().ok("FETCH 1 BODYSTRUCTURE")
    assert answer == (
        b'* 1 FETCH (BODYSTRUCTURE (("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 1 0 NIL NIL NIL NIL)'
        b'("image" "png" NIL NIL NIL "7bit" 1 NIL NIL NIL NIL) "mixed" ("boundary" "b") ("inline" NIL) ("fr") "x"))\r\n'
    )
    Reader(answer).fetch()

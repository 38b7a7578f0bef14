"""Surrogates: what a client without UTF-8 gets of mail that has it in header fields (RFC 6858)."""

import base64
from email import message_from_bytes, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtrap.message.structure import header_end, served
from mailtrap.message.surrogate import INVALID, plain_fields, plain_size, surrogate


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def of(*fields: str, body: str = "Grüße\r\n") -> bytes:
    return surrogate(("\r\n".join(fields) + "\r\n\r\n" + body).encode())


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("Subject: Grüße", "Subject: =?utf-8?b?R3LDvMOfZQ==?="),
        ("From: Jürgen <juergen@x.test>", "From: =?utf-8?q?J=C3=BCrgen?= <juergen@x.test>"),
        ("From: Ann <ann@x.test>, bob@x.test, Grüß <g@x.test>",
         'From: "Ann" <ann@x.test>,\r\n bob@x.test,\r\n =?utf-8?b?R3LDvMOf?= <g@x.test>'),
        ("To: jürgen@x.test", f"To: =?utf-8?b?{b64('jürgen@x.test')}?= {INVALID.decode()}"),
        ("Cc: ann@exämple.test", f"Cc: =?utf-8?b?{b64('ann@exämple.test')}?= {INVALID.decode()}"),
        ("To: Freunde: ann@x.test, Jürgen <j@x.test>;, bob@x.test",
         'To: "Freunde":\r\n ann@x.test,\r\n =?utf-8?q?J=C3=BCrgen?= <j@x.test>;,\r\n bob@x.test'),
        ("Sender: Ü <ä@x.test>", f"Sender: =?utf-8?b?{b64('Ü ä@x.test')}?= {INVALID.decode()}"),
        ("Sender: =?utf-8?q?J=C3=BC?= <j@x.test>, ü <ue@x.test>",
         "Sender: =?utf-8?q?J=C3=BC?= <j@x.test>,\r\n =?utf-8?b?w7w=?= <ue@x.test>"),
        ('Reply-To: "a \\"b\\" c" <a@x.test>, ü <ue@x.test>',
         'Reply-To: "a \\"b\\" c" <a@x.test>,\r\n =?utf-8?b?w7w=?= <ue@x.test>'),
        ('Content-Type: text/plain; charset=utf-8; name="Rück.txt"', 'Content-Type: text/plain; charset="utf-8"'),
        ("Content-Disposition: attachment; filename=Grüße.pdf", "Content-Disposition: attachment"),
        ("Content-Disposition: Anhäng; filename=x", ""),
        ("X-Greeting: Grüße", ""),
        ("Grüße: x", ""),
    ],
)  # fmt: skip
def test_fields(field: str, expected: str) -> None:
    found = of("Date: now", field, "X-End: 1")
    assert found == f"Date: now\r\n{expected + chr(13) + chr(10) if expected else ''}X-End: 1\r\n\r\nGrüße\r\n".encode()
    assert found.partition(b"\r\n\r\n")[0].isascii()


def test_long_subjects_are_folded() -> None:
    found = of("Subject: " + "Grüße an alle " * 20)
    header = found.partition(b"\r\n\r\n")[0]
    assert max(map(len, header.split(b"\r\n"))) <= 78
    assert message_from_bytes(found, policy=policy.default)["Subject"] == ("Grüße an alle " * 20).strip()


@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: plain\r\n\r\nbody\r\n",
        "Subject: plain\r\n\r\nGrüße\r\n".encode(),
        # no UTF-8: not an internationalized mail, but a mistake that shall be seen
        "Subject: Grüße\r\n\r\nbody\r\n".encode("latin-1"),
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Disposition: x; "
        "filename=ü\r\n\r\nx\r\n--b--\r\n".encode(),
        b"\xff\xfe",
        b"",
    ],
)
def test_what_stays_as_it_is(raw: bytes) -> None:
    assert surrogate(raw) == raw
    assert plain_size(raw) == len(raw)


def test_parts_and_messages_inside() -> None:
    raw = (
        "Subject: außen\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: text/plain; name=ü\r\n\r\nGrüße\r\n"
        "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: ü\r\nX-Kept: 1\r\n\r\ninnen: ü\r\n--b--\r\n"
    ).encode()
    assert (
        surrogate(raw)
        == (
            "Subject: =?utf-8?b?YXXDn2Vu?=\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
            "--b\r\nContent-Type: text/plain\r\n\r\nGrüße\r\n"
            "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: =?utf-8?b?w7w=?=\r\n"
            "X-Kept: 1\r\n\r\ninnen: ü\r\n--b--\r\n"
        ).encode()
    )


TEXTS = st.text("aü@<>,;:\"\\=? \t()[]'*\u20ac\U0001f600", max_size=30)
NAMES = st.sampled_from(["From", "To", "Subject", "Content-Type", "X-Any", "Resent-Cc", "Content-Disposition"])


@given(st.lists(st.tuples(NAMES, TEXTS), max_size=6), st.binary(max_size=20))
def test_any_utf8_header_becomes_ascii(fields: list[tuple[str, str]], body: bytes) -> None:
    header = "".join(f"{name}: {value}\r\n" for name, value in fields).encode()
    raw = served(header + b"\r\n" + body)
    found = surrogate(raw)
    assert found[: header_end(found)].isascii()
    assert len(found) == plain_size(raw)
    assert surrogate(found) == found
    assert found.endswith(body) or b"\n" in body or b"\r" in body


@given(st.binary(max_size=200))
def test_any_octets(raw: bytes) -> None:
    assert plain_size(raw) == len(surrogate(served(raw)))
    plain_fields(raw)

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailtrap.message.parameters import parse, text
from mailtrap.message.parse import Mail, parse_date, parse_email


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Mon, 01 Jan 2024 10:00:00 +0100", datetime(2024, 1, 1, 10, tzinfo=timezone(timedelta(hours=1)))),
        ("1 Jan 2024 10:00 -0500 (EST)", datetime(2024, 1, 1, 10, tzinfo=timezone(timedelta(hours=-5)))),
        ("Mon, 1 Jan 2024 10:00:00 GMT", datetime(2024, 1, 1, 10, tzinfo=UTC)),
        ("Mon, 1 Jan 2024 10:00:00 -0000", datetime(2024, 1, 1, 10, tzinfo=UTC)),
        ("Mon, 1 Jan 2024 10:00:00", datetime(2024, 1, 1, 10, tzinfo=UTC)),
    ],
)
def test_dates(value: str, expected: datetime) -> None:
    found = parse_date(value)
    assert found == expected
    assert found is not None
    assert found.utcoffset() == expected.utcoffset()


@pytest.mark.parametrize(
    "value",
    [
        "",
        "yesterday",
        "99 Jan 2024 10:00:00 +0000",
        "1 Jan 2024",
        "1 Foo 2024 10:00:00 +0000",
        "Mon, 1 Jan 99999999999 10:00:00 +0000",
        "1 Jan 2024 10:00:00 +999999",
    ],
)
def test_what_is_no_date(value: str) -> None:
    assert parse_date(value) is None or parse_date(value).year == 2024  # type: ignore[union-attr]


@given(st.text(max_size=60))
def test_any_date(value: str) -> None:
    found = parse_date(value)
    assert found is None or found.tzinfo is not None


@pytest.mark.parametrize(
    "header",
    [
        'From: =?utf-8?q?=22?= <"@x\r\n',
        "To: <\r\n",
        "Sender: a@b, c@d\r\n",
        "Date: x\r\n",
        "Message-ID: <\r\n",
        "Content-Type: text/plain; =\r\n",
        "Content-Disposition: ;\r\n",
        "To: " + "(" * 3000 + "\r\n",
        "Subject: \ud800\r\n",
        "From: a <b@[>\r\n",
        "MIME-Version: (\r\n",
        "Content-Transfer-Encoding: \r\n",
        "Reply-To: g: <;\r\n",
        "Cc: @\r\n",
        "Content-Type: text/plain; x*=\r\n",
        "Content-Type: a; x*0*=a'b; x*1\r\n",
        "References: \xff\r\n",
    ],
)
def test_the_librarys_view_never_raises(header: str) -> None:
    message = parse_email(header.encode("utf-8", "surrogatepass") + b"\r\nbody")
    for name in message:
        assert message[name] is None or isinstance(str(message[name]), str)
        _ = message[name].defects
    assert message.get_content_type()


def test_a_header_the_library_fails_on_is_text_with_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    from email.headerregistry import UniqueAddressHeader

    def fail(*_: object) -> None:
        raise IndexError("as it does")

    monkeypatch.setattr(UniqueAddressHeader, "parse", fail)
    header = parse_email(b"To: a@example.com\r\n\r\n")["to"]
    assert str(header) == "a@example.com"
    assert "To cannot be read: as it does" in str(header.defects[0])


@given(st.binary(max_size=150))
@settings(deadline=None)
def test_any_bytes(raw: bytes) -> None:
    mail = Mail(raw)
    assert isinstance(mail.plain, str)
    assert all(isinstance(defect, str) for defect in mail.defects)


# ---------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"text/plain", (b"text/plain", {})),
        (b' Text/Plain ; Charset="utf-8" ', (b"text/plain", {b"charset": b"utf-8"})),
        (b"a/b; x=1;y = 2;; z=", (b"a/b", {b"x": b"1", b"y": b"2", b"z": b""})),
        (b'a; x="q\\"\\\\;"; y=1', (b"a", {b"x": b'q"\\;', b"y": b"1"})),
        (b"a; name=two words.pdf; y=1", (b"a", {b"name": b"two words.pdf", b"y": b"1"})),
        (b'a; x="open', (b"a", {b"x": b"open"})),
        (b"a (comment; x=0); x=1 (other)", (b"a", {b"x": b"1"})),
        (b'a; x="(kept)"', (b"a", {b"x": b"(kept)"})),
        (b"a; x=1; X=2", (b"a", {b"x": b"1"})),
        (b'a;\r\n x=1;\r\n\ty="2\r\n 3"', (b"a", {b"x": b"1", b"y": b"2 3"})),
        (b"a; x*0=one; x*1=two", (b"a", {b"x": b"onetwo"})),
        (b"a; x*1=two; x*0=one", (b"a", {b"x": b"onetwo"})),
        (b"a; x*0*=utf-8'en'%41; x*1=' b'", (b"a", {b"x*": b"utf-8'en'%41'%20b'"})),
        (b"a; x*=utf-8''%41", (b"a", {b"x*": b"utf-8''%41"})),
        (b"", (b"", {})),
        (b";;;", (b"", {})),
        (b"a; =1; b", (b"a", {})),
    ],
)
def test_parameters(value: bytes, expected: tuple[bytes, dict[bytes, bytes]]) -> None:
    found = parse(value)
    assert (found.main, dict(found.parameters)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"a; n*=utf-8''%E2%82%AC", "€"),
        (b"a; n*=iso-8859-1'de'%E9; n=e", "é"),
        (b"a; n==?utf-8?q?=E2=82=AC?=", "€"),
        (b"a; n=\xe2\x82\xac", "€"),
        (b"a; n*=nothing%20special", "nothing special"),
        (b"a; n*=nope''%E9", "é"),
        (b"a; n*0*=utf-8''%E2; n*1*=%82%AC; n*2=%", "€%"),
        (b"a", None),
    ],
)
def test_parameters_as_text(value: bytes, expected: str | None) -> None:
    assert text(parse(value).parameters, b"n") == expected


@given(
    st.lists(
        st.sampled_from([b"a", b";", b"=", b'"', b"\\", b"*", b"0", b"'", b"%", b"(", b")", b" ", b"\r\n", b"\xff"]),
        max_size=40,
    ).map(b"".join)
)
def test_any_value(value: bytes) -> None:
    for name, _ in parse(value).parameters:
        text(parse(value).parameters, name.removesuffix(b"*"))

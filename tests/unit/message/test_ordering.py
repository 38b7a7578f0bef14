"""What messages are sorted and threaded by."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtrap import limits
from mailtrap.message import fields
from mailtrap.message.collation import sort_key
from mailtrap.message.ordering import message_ids, sent_date, sort_keys, thread_keys
from mailtrap.message.parse import parse_date


def of(*lines: str) -> fields.Fields:
    return fields.split("\r\n".join([*lines, "", ""]).encode())


def test_sort_keys() -> None:
    keys = sort_keys(
        of(
            "From: =?utf-8?q?=C3=84nne?= <Zoe@Example.com>, b@example.com", "To: team: x@example.com, y@example.com;",
            "Cc: <c@example.com>", "Subject: Re: [list] =?utf-8?q?caf=C3=A9?=", "Date: Mon, 2 Feb 2026 10:00:00 +0100",
        )
    )  # fmt: skip
    assert keys.subject == sort_key("café")
    assert keys.sent == datetime(2026, 2, 2, 9, tzinfo=UTC).timestamp()
    assert (keys.from_, keys.display_from) == ("ZOE", sort_key("Änne"))
    assert (keys.to, keys.display_to) == ("TEAM", "TEAM")
    assert keys.cc == "C"


def test_without_a_name_the_address_is_shown() -> None:
    keys = sort_keys(of("From: zoe@example.com", "To: undisclosed"))
    assert (keys.display_from, keys.display_to) == ("ZOE@EXAMPLE.COM", "UNDISCLOSED")


def test_of_nothing() -> None:
    assert sort_keys(of()) == ("", None, "", "", "", "", "")
    assert thread_keys(of()) == ("", (), "", False, None)
    assert thread_keys(of()).root == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mon, 2 Feb 2026 10:00:00 +0000", (2026, 2, 2, 10)), ("2 Feb 2026 10:00:00 -0130", (2026, 2, 2, 11, 30)),
        ("Mon, 2 Feb 2026 10:00:00 +0000 (UTC)", (2026, 2, 2, 10)), ("31 Jan 2026 23:30:00 -0100", (2026, 2, 1, 0, 30)),
        ("Mon, 2 Feb 2026 25:61:00 +0000", (2026, 2, 2)), ("2-Feb-2026", (2026, 2, 2)),
        ("Tue, 3 Mar 2026", (2026, 3, 3)),
        ("2 Feb 26 10:00 GMT", (2026, 2, 2, 10)),
    ],
)  # fmt: skip
def test_dates(text: str, expected: tuple[int, ...]) -> None:
    assert sent_date(text) == datetime(*expected, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("text", ["", "yesterday", "31 Feb 2026 10:00:00 +0000", "99 Foo 2026 10:00:00 +0000"])
def test_no_dates(text: str) -> None:
    assert sent_date(text) is None


@given(st.datetimes(datetime(1000, 1, 1), datetime(9998, 1, 1)), st.integers(-1439, 1439))
def test_usual_dates_are_what_the_parser_makes_of_them(moment: datetime, minutes: int) -> None:
    zone = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}"
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    text = f"{moment.day} {months[moment.month - 1]} {moment.year:04d} {moment:%H:%M:%S} {zone}"
    parsed = parse_date(text)
    assert parsed is not None
    assert sent_date(text) == parsed.timestamp()


@given(st.binary(max_size=200))
def test_any_fields(raw: bytes) -> None:
    for name in (b"Date", b"References", b"Message-ID", b"Subject", b"From", b"In-Reply-To"):
        found = fields.split(name + b": " + raw.replace(b"\n", b"\n ") + b"\r\n")
        sort_keys(found)
        thread_keys(found)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("<a@b>", ["a@b"]), ("<a@b> <c@d>", ["a@b", "c@d"]), ("<a@b><c@d>", ["a@b", "c@d"]), ("a@b", []), ("<a>", []),
        ("Your message of Monday <a@b> to <c d@e>", ["a@b"]), ('<"a"@b>', ["a@b"]), ('<"a\\"c"@b>', ['a"c@b']),
        ("< a@b >", ["a@b"]), ("<A@b>", ["A@b"]),
    ],
)  # fmt: skip
def test_message_ids(text: str, ids: list[str]) -> None:
    assert message_ids(text) == ids


def test_references_else_the_first_of_in_reply_to() -> None:
    assert thread_keys(of("References: <a@x> <b@x>", "In-Reply-To: <c@x>")).references == ("a@x", "b@x")
    assert thread_keys(of("References: none", "In-Reply-To: <c@x> <d@x>")).references == ("c@x",)


def test_very_many_references() -> None:
    keys = thread_keys(of("References: " + " ".join(f"<{n}@x>" for n in range(5 * limits.REFERENCES))))
    assert len(keys.references) == limits.REFERENCES
    assert (keys.references[0], keys.references[-1]) == ("0@x", f"{5 * limits.REFERENCES - 1}@x")


def test_a_conversation_has_one_root() -> None:
    first = thread_keys(of("Message-ID: <a@x>"))
    answer = thread_keys(of("Message-ID: <b@x>", "In-Reply-To: <a@x>"))
    further = thread_keys(of("Message-ID: <c@x>", "References: <a@x> <b@x>"))
    other = thread_keys(of("Message-ID: <d@x>"))
    assert len({first.root, answer.root, further.root}) == 1
    assert other.root != first.root
    assert len(first.root) == 15

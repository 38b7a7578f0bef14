"""ENVELOPE, BODY and BODYSTRUCTURE, read back by a parser of the grammar of RFC 3501, 9."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imapclient.response_parser import parse_fetch_response

from mailtrap.message.facts import Facts, compute
from mailtrap.message.imapform import nstring, string
from mailtrap.message.structure import Part, parse, served


def read(data: bytes) -> Any:
    """A parenthesized list of strings, numbers and NIL; strict."""
    value, position = _value(data, 0)
    assert position == len(data)
    return value


def _value(data: bytes, position: int) -> tuple[Any, int]:
    if data[position : position + 1] == b"(":
        items = []
        position += 1
        while data[position : position + 1] != b")":
            item, position = _value(data, position)
            items.append(item)
            if data[position : position + 1] == b" ":
                position += 1
                assert data[position : position + 1] not in (b")", b" ")
        return items, position + 1
    if match := re.compile(rb"NIL").match(data, position):
        return None, match.end()
    if match := re.compile(rb"\d+").match(data, position):
        return int(match.group()), match.end()
    if match := re.compile(rb'"((?:[\x01-\x09\x0b\x0c\x0e-\x21\x23-\x5b\x5d-\x7f]|\\["\\])*)"').match(data, position):
        return re.sub(rb"\\(.)", rb"\1", match.group(1)), match.end()
    match = re.compile(rb"\{(\d+)\}\r\n").match(data, position)
    assert match is not None, data[position : position + 40]
    end = match.end() + int(match.group(1))
    value = data[match.end() : end]
    assert len(value) == int(match.group(1))
    assert b"\0" not in value
    return value, end


def envelope_of(raw: bytes) -> list[Any]:
    facts = Facts()
    compute(facts, raw, ("envelope",))
    assert facts.envelope is not None
    return read(facts.envelope)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", b'""'),
        (b"plain", b'"plain"'),
        (b'a "b" \\c', b'"a \\"b\\" \\\\c"'),
        (b"tab\t", b'"tab\t"'),
        ("é".encode(), b"{2}\r\n\xc3\xa9"),
        (b"a\r\nb", b"{4}\r\na\r\nb"),
        (b"a\rb", b"{3}\r\na\rb"),
        (b"nul\0", b'"nul?"'),
        (b"nul\0\xff", b"{5}\r\nnul?\xff"),
    ],
)
def test_strings_are_quoted_where_they_may_be(value: bytes, expected: bytes) -> None:
    assert string(value) == nstring(value) == expected


def test_nothing_is_nil() -> None:
    assert nstring(None) == b"NIL"


def test_an_envelope() -> None:
    raw = (
        b'Date: Mon, 1 Jan 2024 10:00:00 +0000\r\nSubject: a\r\n b "c"\r\nFrom: "Doe, J" <j@x.example>\r\n'
        b"To: a@x, Friends: b@x, c@x;\r\nCc: d@x\r\nTo: e@x\r\nBcc: \xc3\xa9@x\r\nIn-Reply-To: <1@x>\r\n"
        b"Message-ID: <2@x>\r\nReply-To: <@r:q@x>\r\n\r\n"
    )
    author = [[b"Doe, J", None, b"j", b"x.example"]]
    assert envelope_of(raw) == [
        b"Mon, 1 Jan 2024 10:00:00 +0000",
        b'a b "c"',
        author,
        author,
        [[None, b"@r", b"q", b"x"]],
        [
            [None, None, b"a", b"x"],
            [None, None, b"Friends", None],
            [None, None, b"b", b"x"],
            [None, None, b"c", b"x"],
            [None, None, None, None],
            [None, None, b"e", b"x"],
        ],
        [[None, None, b"d", b"x"]],
        [[None, None, "é".encode(), b"x"]],
        b"<1@x>",
        b"<2@x>",
    ]


def test_an_empty_envelope(eml) -> None:
    assert envelope_of(b"") == [None] * 10


def test_empty_sender_and_reply_to_are_from(eml) -> None:
    found = envelope_of(eml("addresses"))
    assert found[3] == found[4] == found[2]
    assert [entry[2:] for entry in found[2]] == [[b"jane", b"example.com"], [b"john", b"example.com"]]
    assert found[6] == [[None, None, b"undisclosed-recipients", None], [None, None, None, None]]
    assert [entry[2:] for entry in found[7]] == [
        [b"no-at-sign", b""],
        [b'quoted "local"', b"example.com"],
        [b"broken", b"example.com"],
        [b"last", b"[192.0.2.1]"],
    ]


def test_a_bodystructure(eml) -> None:
    raw = eml("nested")
    facts = Facts()
    compute(facts, raw, ("bodystructure", "body"))
    assert facts.bodystructure is not None
    assert facts.body is not None
    alternative, pdf, footer, *rest = read(facts.bodystructure)
    assert rest == [b"mixed", [b"boundary", b"outer=_1"], None, None, None]
    plain, related, *_ = alternative
    assert plain == [
        b"text",
        b"plain",
        [b"charset", b"iso-8859-1", b"format", b"flowed"],
        None,
        None,
        b"quoted-printable",
        18,
        1,
        None,
        None,
        None,
        None,
    ]
    assert related[1][:7] == [b"image", b"png", [b"name", b"logo.png"], b"<logo@example.com>", None, b"base64", 98]
    assert related[1][7:] == [None, [b"inline", [b"filename", b"logo.png"]], None, None]
    assert pdf == [
        b"application",
        b"pdf",
        [b"name", b"=?utf-8?B?UmVjaG51bmcg4oSWIDEucGRm?="],
        None,
        b"The invoice",
        b"base64",
        12,
        b"Q2hlY2sgSW50ZWdyaXR5IQ==",
        [b"attachment", [b"size", b"9", b"filename*", b"utf-8''Rechnung%20%E2%84%96%201.pdf"]],
        [b"de", b"en"],
        b"https://example.com/invoice/1",
    ]
    assert footer[8:] == [None, [b"inline", None], None, None]
    assert read(facts.body)[1] == pdf[:7]
    assert read(facts.body)[-1] == b"mixed"


def test_a_message_inside_has_envelope_structure_and_lines(eml) -> None:
    raw = eml("forwarded")
    facts = Facts()
    compute(facts, raw, ("bodystructure",))
    assert facts.bodystructure is not None
    assert facts.structure is not None
    message = read(facts.bodystructure)[1]
    part = facts.structure.children[1]
    assert message[:2] == [b"message", b"rfc822"]
    assert message[6] == part.end - part.body
    assert message[7][1] == b"The original"
    assert [child[1] for child in message[8][:2]] == [b"plain", b"html"]
    assert message[9] == raw[part.body : part.end].count(b"\n")
    assert message[11] == [b"attachment", [b"filename", b"original.eml"]]


def expect(part: Part, value: Any, extended: bool) -> None:
    """That a value is the structure of a part, item by item as the grammar has them."""
    if part.type == "multipart":
        children = value[: len(part.children)]
        assert len(children) == len(part.children)
        assert all(isinstance(child, list) for child in children)
        assert value[len(children)] == part.subtype.encode("latin-1")
        assert len(value) == len(children) + (5 if extended else 1)
        for child, item in zip(part.children, children, strict=True):
            expect(child, item, extended)
        return
    assert value[0] == part.type.encode("latin-1")
    assert value[6] == part.end - part.body
    basic = 10 if part.is_message else 8 if part.type == "text" else 7
    assert len(value) == basic + (4 if extended else 0)
    if part.is_message:
        assert len(value[7]) == 10
        expect(part.children[0], value[8], extended)
    if part.is_message or part.type == "text":
        assert value[basic - 1] == part.lines


PIECES = st.sampled_from(
    [
        b"\r\n",
        b"\n",
        b"\r\n\r\n",
        b"--b\r\n",
        b"--b--\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n",
        b"Content-Type: message/rfc822\r\n",
        b'Content-Type: message/x; a=\xe9; b="\\"\r\n',
        b'Subject: \xff\0 " \\\r\n',
        b"From: a, b <c@d>, g: ;\r\n",
        b"Content-ID: (\r\n",
        b"Content-Language: a,,\r\n",
        b"Content-Disposition: ;;a=b\r\n",
        b"text",
        b'Content-Disposition: x; filename*0*=%ff; filename*1="\r\n',
        b'To: <@a:b@c>, "\r\n',
        b"\r",
        b"\0",
    ]
)


@given(st.one_of(st.binary(max_size=150), st.lists(PIECES, max_size=25).map(b"".join)))
@settings(max_examples=400)
def test_any_bytes_give_what_the_grammar_allows(raw: bytes) -> None:
    facts = Facts()
    compute(facts, raw, ("envelope", "body", "bodystructure"))
    assert facts.envelope is not None
    assert facts.body is not None
    assert facts.bodystructure is not None
    assert len(read(facts.envelope)) == 10
    root = parse(served(raw))
    expect(root, read(facts.body), extended=False)
    expect(root, read(facts.bodystructure), extended=True)


def test_imapclient_reads_them(eml) -> None:
    for name in ("nested", "forwarded", "addresses", "report", "latin1-header", "utf8"):
        facts = Facts()
        compute(facts, eml(name), ("envelope", "bodystructure"))
        answer = b"1 (ENVELOPE %b BODYSTRUCTURE %b)" % (facts.envelope, facts.bodystructure)
        pieces: list[Any] = []
        position = 0
        for match in re.finditer(rb"\{(\d+)\}\r\n", answer):  # as a client's reader hands literals over
            if match.start() >= position:
                end = match.end() + int(match.group(1))
                pieces.append((answer[position : match.end() - 2], answer[match.end() : end]))
                position = end
        pieces.append(answer[position:])
        found = parse_fetch_response(pieces, uid_is_key=False)[1]
        assert found[b"BODYSTRUCTURE"].is_multipart == (parse(eml(name)).type == "multipart")
        assert found[b"ENVELOPE"].from_

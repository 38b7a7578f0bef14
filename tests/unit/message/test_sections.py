import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtrap.message.fields import WHOLE_FIELD, subset
from mailtrap.message.parse import Mail
from mailtrap.message.sections import Section, find, section
from mailtrap.message.structure import parse, served


@pytest.fixture
def forwarded(eml):
    data = eml("forwarded")
    return data, parse(data)


def test_the_message_itself(forwarded) -> None:
    data, root = forwarded
    head, text = data.split(b"\r\n\r\n", 1)
    assert section(data, root, "") == data
    assert section(data, root, "HEADER") == head + b"\r\n\r\n"
    assert section(data, root, "TEXT") == text


def test_numbers_inside_a_message_are_those_of_its_parts(forwarded) -> None:
    data, root = forwarded
    assert section(data, root, "1") == b"See below."
    inner = section(data, root, "2")
    assert inner is not None
    assert inner.startswith(b"From: eve@example.net\r\n")
    assert inner.endswith(b"--orig--\r\n")
    assert section(data, root, "2.HEADER") == inner.split(b"\r\n\r\n")[0] + b"\r\n\r\n"
    assert section(data, root, "2.TEXT") == inner.split(b"\r\n\r\n", 1)[1]
    assert section(data, root, "2.1") == b"Hello Carol"
    assert section(data, root, "2.2") == b"<p>Hello Carol</p>"
    assert section(data, root, "2.2.MIME") == b"Content-Type: text/html\r\n\r\n"
    assert section(data, root, "2.MIME") == (
        b'Content-Type: message/rfc822\r\nContent-Disposition: attachment; filename="original.eml"\r\n\r\n'
    )


def test_part_1_of_a_message_inside_that_is_no_multipart(forwarded) -> None:
    data, root = forwarded
    assert section(data, root, "3.1") == b"Only text."
    assert section(data, root, "3.1.MIME") == b"Subject: Short\r\n\r\n"
    assert section(data, root, "3.2") is None
    assert section(data, root, "3.1.1") is None


def test_part_1_of_a_message_that_is_no_multipart() -> None:
    data = b"Subject: x\r\n\r\nbody\r\n"
    root = parse(data)
    assert section(data, root, "1") == b"body\r\n"
    assert section(data, root, "1.MIME") == b"Subject: x\r\n\r\n"
    assert section(data, root, "2") is None
    assert section(data, root, "1.1") is None
    assert section(data, root, "1.HEADER") is None
    assert section(data, root, "1.TEXT") is None


def test_a_message_that_is_itself_a_message() -> None:
    data = b"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nbody"
    root = parse(data)
    assert section(data, root, "1") == b"Subject: in\r\n\r\nbody"
    assert section(data, root, "1.HEADER") == b"Subject: in\r\n\r\n"
    assert section(data, root, "1.1") == b"body"


def test_fields() -> None:
    data = b"From: a\r\nSubject: x\r\n y\r\nfrom: b\r\nTo: c\r\n\r\nbody"
    root = parse(data)
    assert section(data, root, "HEADER.FIELDS (FROM)") == b"From: a\r\nfrom: b\r\n\r\n"
    assert section(data, root, 'HEADER.FIELDS ("Subject" x)') == b"Subject: x\r\n y\r\n\r\n"
    assert section(data, root, "header.fields.not (from to)") == b"Subject: x\r\n y\r\n\r\n"
    assert section(data, root, "HEADER.FIELDS (Absent)") == b"\r\n"


def test_fields_of_a_header_without_its_empty_line() -> None:
    data = b"From: a\r\nTo: b"
    assert section(data, parse(data), "HEADER.FIELDS (To)") == b"To: b\r\n"


def test_fields_of_a_message_inside(forwarded) -> None:
    data, root = forwarded
    assert section(data, root, "2.HEADER.FIELDS (Subject)") == b"Subject: The original\r\n\r\n"
    assert section(data, root, "1.HEADER.FIELDS (Subject)") is None


@pytest.mark.parametrize(
    "spec",
    [
        "0",
        "1.",
        ".1",
        "1.0",
        "MIME",
        "HEADER.FIELDS",
        "HEADER.FIELDS ()",
        "HEADER (From)",
        "1.2.",
        "TEXT.1",
        "1 2",
        "HEADER.FIELDS (a",
        "FIELDS (a)",
        "1MIME",
        "(a)",
        "1.HEADER.MIME",
        "1 (a)",
        "1." * 100_000,
    ],
)
def test_what_is_no_section(spec: str) -> None:
    with pytest.raises(ValueError, match="is no section"):
        Section.parse(spec)


def test_what_is_one() -> None:
    assert Section.parse("1.22.mime") == Section((1, 22), "MIME")
    assert Section.parse("3.HEADER.FIELDS.NOT (A b)") == Section((3,), "HEADER.FIELDS.NOT", frozenset({b"a", b"b"}))


@given(
    st.lists(
        st.sampled_from(
            [
                b"Content-Type: multipart/mixed; boundary=b\r\n",
                b"Content-Type: message/rfc822\r\n",
                b"\r\n",
                b"--b\r\n",
                b"--b--\r\n",
                b"A: b\r\n",
                b"text\r\n",
            ]
        ),
        max_size=20,
    ).map(b"".join)
)
def test_sections_are_slices(raw: bytes) -> None:
    data = served(raw)
    root = parse(data)

    def visit(part, path: tuple[int, ...]) -> None:
        assert find(root, path) is part
        body, mime = Section(path).of(data, root), Section(path, "MIME").of(data, root)
        assert body == data[part.body : part.end]
        assert mime == data[part.header : part.body]
        if part.is_message:
            inside = part.children[0]
            assert Section(path, "HEADER").of(data, root) == data[inside.header : inside.body]
            message(inside, path)
        elif part.type == "multipart":
            for number, child in enumerate(part.children, 1):
                visit(child, (*path, number))
            assert find(root, (*path, len(part.children) + 1)) is None
        else:
            assert find(root, (*path, 1)) is None
            assert Section(path, "HEADER").span(root) is None

    def message(root_or_inside, path: tuple[int, ...]) -> None:
        if root_or_inside.type == "multipart":
            for number, child in enumerate(root_or_inside.children, 1):
                visit(child, (*path, number))
        else:
            visit(root_or_inside, (*path, 1))

    message(root, ())


PIECES = [b"a", b"A", b"ab", b":", b" ", b"\t", b"\r\n", b"\n", b"\r", b"\xff", b"\r\na:", b"\r\nab :", b"\r\n ", b"-"]
NAMES = [b"a", b"ab", b"x", b"a\n", b"a:", b"", b"\xff", b"a b"]


@given(st.lists(st.sampled_from(PIECES), max_size=14), st.sets(st.sampled_from(NAMES), min_size=1), st.booleans())
def test_fields_found_by_name_are_those_that_have_it(pieces, names, inverse) -> None:
    """What looks for names in the header finds what looking at every field finds."""
    data = b"".join(pieces)
    whole = [match.group() for match in WHOLE_FIELD.finditer(data) if (match.group(1).lower() in names) is not inverse]
    found = subset(data, 0, len(data), names, inverse)
    assert found.startswith(b"".join(whole))
    assert found[len(b"".join(whole)) :] in (b"", b"\r\n", b"\r\n\r\n")


@given(st.lists(st.sampled_from(PIECES), max_size=14), st.sets(st.sampled_from([b"a", b"ab"]), min_size=1))
def test_a_header_alone_gives_what_the_message_gives(pieces, names) -> None:
    data = served(b"".join(pieces) + b"\r\n\r\nbody: x\r\n")
    for wanted in (Section((), "HEADER"), Section((), "HEADER.FIELDS", frozenset(names))):
        assert wanted.of_header
        header = Mail(data).header
        alone = subset(header, 0, len(header), wanted.names) if wanted.names else header
        assert alone == wanted.of(data, parse(data))

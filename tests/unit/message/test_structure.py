import base64
import itertools
from email import message_from_bytes, policy
from email.message import EmailMessage
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailtrap import limits
from mailtrap.message.charsets import transfer_decode
from mailtrap.message.structure import Part, header_end, lacks_separator, parse, served, served_size

# What mails are broken with: pieces that mean something, in any order.
PIECES = st.sampled_from(
    [
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b"--b",
        b"--b--",
        b"--b2",
        b"--",
        b"--b \t",
        b"--\r\n--b\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n",
        b'Content-Type: multipart/digest; boundary="b2"\r\n',
        b"Content-Type: multipart/alternative; boundary=\r\n",
        b"Content-Type: message/rfc822\r\n",
        b"content-type: text/html;\r\n charset=x; name*0*=''a; name*1=b\r\n",
        b"Content-Type: /\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b'Content-Disposition: attachment; filename="a\\"\r\n',
        b"Content-Language: de, ,en\r\n",
        b"Subject: =?utf-8?b?4oKs?= =?x?q?=?=\r\n",
        b"From: a@b, <c\r\n",
        b"To: g: ;\r\n",
        b"From x\r\n",
        b" folded\r\n",
        b"no field\r\n",
        b"\0",
        b"\xff\xfe",
        b"=41=",
        b"QUJD",
        b"<a href='",
        b"(",
        b'"',
    ]
)
MAILS = st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=30).map(b"".join))


def tree(part: Part) -> object:
    return [part.content_type, *map(tree, part.children)] if part.children else part.content_type


def parsed(text: str) -> tuple[bytes, Part]:
    data = text.replace("\n", "\r\n").encode()
    return data, parse(data)


# ---------------------------------------------------------------- served


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", b""),
        (b"a\r\nb", b"a\r\nb"),
        (b"a\nb\r\nc\n", b"a\r\nb\r\nc\r\n"),
        (b"a\r\r\nb", b"a\r\r\nb"),
        (b"\n\n", b"\r\n\r\n"),
        (b"a\rb", b"a\rb"),
        (b"\r\n\n\r\n", b"\r\n\r\n\r\n"),
    ],
)
def test_bare_lf_is_served_as_crlf(raw: bytes, expected: bytes) -> None:
    assert served(raw) == expected


def test_what_needs_no_change_is_the_same_object() -> None:
    raw = b"Subject: x\r\n\r\nbody \r alone\r\n"
    assert served(raw) is raw


@given(MAILS)
def test_serving_twice_changes_nothing_and_sizes_agree(raw: bytes) -> None:
    once = served(raw)
    assert served(once) is once
    assert served_size(raw) == len(once)
    assert once.replace(b"\r\n", b"").count(b"\n") == 0
    assert once.replace(b"\r", b"").replace(b"\n", b"") == raw.replace(b"\r", b"").replace(b"\n", b"")


# ---------------------------------------------------------------- any bytes


def check_offsets(part: Part, size: int) -> None:
    assert 0 <= part.header <= part.body <= part.end <= size
    last = part.body
    for child in part.children:
        assert last <= child.header
        assert child.end <= part.end
        check_offsets(child, size)
        last = child.end
    if part.type == "multipart":
        assert part.children
    if part.is_message:
        assert (part.children[0].header, part.children[0].end) == (part.body, part.end)


@given(MAILS)
@settings(max_examples=400)
def test_any_bytes_give_a_tree_whose_offsets_tile_the_message(raw: bytes) -> None:
    data = served(raw)
    root = parse(data)
    assert (root.header, root.end) == (0, len(data))
    check_offsets(root, len(data))
    assert header_end(data) == root.body
    for part in root.walk():
        if part.type != "multipart":
            assert part.lines == data[part.body : part.end].count(b"\n")


# ---------------------------------------------------------------- well-formed mails


def leaf(kind: int, text: str, name: str) -> EmailMessage:
    part = EmailMessage()
    if kind == 0:
        part.set_content(text, cte="quoted-printable")
    elif kind == 1:
        part.set_content(text, subtype="html", cte="base64")
    else:
        part.add_attachment(text.encode(), maintype="application", subtype="x-test", filename=name)
        part = next(part.iter_attachments())
    return part


@st.composite
def mails(draw: st.DrawFn, depth: int = 3) -> EmailMessage:
    text = draw(st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), max_size=60))
    kind = draw(st.integers(0, 4 if depth else 2))
    if kind < 3:
        name = draw(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=30))
        return leaf(kind, text, name)
    part = EmailMessage()
    if kind == 3:
        inner = draw(mails(depth=0))
        inner["Subject"] = "inside"
        part.set_content(inner)
        return part
    getattr(part, draw(st.sampled_from(["make_mixed", "make_alternative", "make_related"])))()
    for child in draw(st.lists(mails(depth=depth - 1), min_size=1, max_size=3)):
        part.attach(child)
    return part


def compare(data: bytes, part: Part, other: EmailMessage) -> None:
    assert part.content_type == other.get_content_type()
    assert part.filename == other.get_filename()
    if other.is_multipart():
        payload = other.get_payload()
        assert len(part.children) == len(payload)
        for child, other_child in zip(part.children, payload, strict=True):
            compare(data, child, other_child)
    else:
        content = transfer_decode(data[part.body : part.end], part.encoding)
        assert content == other.get_payload(decode=True)
        if part.type == "text":
            assert part.param("charset") == other.get_content_charset()


@given(mails())
@settings(max_examples=150, deadline=None)
def test_well_formed_mails_are_read_as_the_standard_library_reads_them(mail: EmailMessage) -> None:
    mail["Subject"] = "outermost"
    raw = mail.as_bytes(policy=policy.SMTP)
    data = served(raw)
    compare(data, parse(data), message_from_bytes(raw, policy=policy.default))


def test_nested_real_mail(eml) -> None:
    data = eml("nested")
    root = parse(data)
    assert tree(root) == [
        "multipart/mixed",
        ["multipart/alternative", "text/plain", ["multipart/related", "text/html", "image/png"]],
        "application/pdf",
        "text/plain",
    ]
    pdf = root.children[1]
    assert pdf.filename == "Rechnung № 1.pdf"
    assert pdf.param("name") == "Rechnung № 1.pdf"
    assert pdf.description == b"The invoice"
    assert pdf.md5 == b"Q2hlY2sgSW50ZWdyaXR5IQ=="
    assert pdf.language == (b"de", b"en")
    assert pdf.location == b"https://example.com/invoice/1"
    assert (pdf.disposition, dict(pdf.disposition_params)[b"size"]) == (b"attachment", b"9")
    assert base64.b64decode(data[pdf.body : pdf.end]) == b"%PDF-1.4\n"
    image = root.children[0].children[1].children[1]
    assert (image.id, image.disposition, image.encoding) == (b"<logo@example.com>", b"inline", b"base64")
    assert data[root.children[2].body : root.children[2].end] == b"-- \r\nThe footer of a list"
    assert not any(part.broken for part in root.walk())


def test_an_outer_delimiter_ends_inner_multiparts(eml) -> None:
    data = eml("unclosed")
    root = parse(data)
    assert tree(root) == ["multipart/mixed", ["multipart/alternative", "text/plain"], "application/octet-stream"]
    assert root.children[0].broken == "a multipart without its closing delimiter"
    assert data[root.children[1].body : root.children[1].end] == b"SGVsbG8sIHdvcmxk"


def test_a_multipart_whose_boundary_never_comes_is_text(eml) -> None:
    root = parse(eml("broken-boundary"))
    assert tree(root) == "text/plain"
    assert "never comes" in (root.broken or "")


def test_children_of_a_digest_are_messages(eml) -> None:
    root = parse(eml("digest"))
    assert tree(root) == ["multipart/digest", ["message/rfc822", "text/plain"], ["message/rfc822", "text/plain"]]


def test_bare_lf_mail_has_the_tree_of_its_crlf_form(eml) -> None:
    raw = eml("bare-lf")
    data = served(raw)
    root = parse(data)
    assert tree(root) == ["multipart/mixed", "text/plain", "text/plain"]
    assert data[root.children[0].body : root.children[0].end] == b"one\r\ntwo"


# ---------------------------------------------------------------- where headers end


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("A: b\n\nbody", "body"),
        ("A: b\n c\n\nbody", "body"),
        ("A : b\n\nbody", "body"),
        ("\nbody", "body"),
        ("", ""),
        ("no header\n\nat all", "no header\n\nat all"),
        ("A: b\nbody at once\nand on", "body at once\nand on"),
        ("A: b\nnot a field\nC: d\n\nbody", "body"),
        ("A: b\n", ""),
        ("A: b", ""),
        ("From x Mon Jan 1\nA: b\n\nbody", "body"),
        ("From x\n\nbody", "body"),
        (" leading: space\n\nbody", " leading: space\n\nbody"),
    ],
)
def test_where_the_body_begins(text: str, body: str) -> None:
    data, root = parsed(text)
    assert data[root.body :] == body.replace("\n", "\r\n").encode()


def test_a_missing_separator_is_known() -> None:
    data, root = parsed("A: b\nbody at once")
    assert lacks_separator(data, root)
    data, root = parsed("A: b\n\nbody")
    assert not lacks_separator(data, root)
    data, root = parsed("A: b\n")
    assert not lacks_separator(data, root)


# ---------------------------------------------------------------- boundaries


def multipart(boundary: str, body: str) -> tuple[bytes, Part]:
    return parsed(f"Content-Type: multipart/mixed; boundary={boundary}\n\n{body}")


def bodies(data: bytes, root: Part) -> list[bytes]:
    return [data[child.body : child.end] for child in root.children]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("--b\n\none\n--b\n\ntwo\n--b--", [b"one", b"two"]),
        ("--b  \n\none\n--b--\t\nepilogue", [b"one"]),  # white space behind a delimiter
        ("--b\n\none\n--bb\ntwo\n--b--", [b"one\r\n--bb\r\ntwo"]),  # a longer line is no delimiter
        ("--b\n\none\n --b\n--b--", [b"one\r\n --b"]),
        ("--b\n\n\n\n--b--", [b"\r\n"]),  # one line end belongs to the delimiter
        ("--b\n\n--b--", [b""]),
        ("--b\n--b--", [b""]),
        ("--b--\n--b\n\nlate", []),
        ("--b", [b""]),
        ("--b\nno header\n\nat all\n--b--", [b"no header\r\n\r\nat all"]),
        ("--b\nA: b\n--b--", [b""]),
        ("--b\n\none\n--b--\n--b\n\nafter the end", [b"one"]),
    ],
)
def test_delimiters(body: str, expected: list[bytes]) -> None:
    data, root = multipart("b", body)
    assert bodies(data, root) == expected or (not expected and root.broken)


def test_a_boundary_that_begins_another() -> None:
    text = "--x\nContent-Type: multipart/mixed; boundary=x-1\n\n--x-1\n\ninner\n--x-1--\n--x\n\nouter\n--x--"
    data, root = multipart("x", text)
    assert tree(root) == ["multipart/mixed", ["multipart/mixed", "text/plain"], "text/plain"]
    assert bodies(data, root)[1] == b"outer"


def test_a_multipart_with_the_boundary_of_the_one_around_it() -> None:
    data, root = multipart(
        "b", "--b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\ninner\n--b--\n--b\n\nouter\n--b--"
    )
    assert tree(root) == ["multipart/mixed", ["multipart/mixed", "text/plain"], "text/plain"]
    assert bodies(data, root)[1] == b"outer"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text/HTML; Charset=UTF-8", "text/html"),
        ("text", "text/plain"),
        ("", "text/plain"),
        ("text/", "text/plain"),
        ("a b/c", "text/plain"),
        ("image/png (a comment); name=x", "image/png"),
        ("multipart/mixed", "text/plain"),
        ("application/x; ; a=b", "application/x"),
    ],
)
def test_content_types(value: str, expected: str) -> None:
    assert parsed(f"Content-Type: {value}\n\nx")[1].content_type == expected


def test_the_first_of_repeated_content_fields_counts() -> None:
    _, root = parsed("Content-Type: text/html\nContent-Type: image/png\nContent-Transfer-Encoding: BASE64 \n\n")
    assert (root.content_type, root.encoding) == ("text/html", b"base64")


# ---------------------------------------------------------------- bounds


def test_depth_is_bounded() -> None:
    text = "".join(
        f"Content-Type: multipart/mixed; boundary=b{depth}\n\n--b{depth}\n" for depth in range(2 * limits.MIME_DEPTH)
    )
    _, root = parsed(text + "\ninnermost")
    part, depth = root, 1
    while part.children:
        part, depth = part.children[0], depth + 1
    assert depth == limits.MIME_DEPTH
    assert part.content_type == "text/plain"
    assert "nested deeper" in (part.broken or "")


def test_depth_of_messages_is_bounded() -> None:
    _, root = parsed("Content-Type: message/rfc822\n\n" * (2 * limits.MIME_DEPTH))
    assert sum(1 for _ in root.walk()) == limits.MIME_DEPTH


def test_parts_are_bounded() -> None:
    data, root = multipart("b", "--b\n\nx\n" * (limits.MIME_PARTS + 100))
    assert sum(1 for _ in root.walk()) == limits.MIME_PARTS
    assert root.children[-1].end == len(data)


HOSTILE = {
    "delimiters of nobody": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n" + b"--x\r\n" * 100_000,
    "parts without an empty line": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\nA: b\r\n" * 9_000,
    "quotes": b"Content-Type: text/plain" + b';x="\\"' * 50_000 + b"\r\n\r\n",
    "parameters": b"Content-Type: text/plain" + b";x*0=1" * 50_000 + b"\r\n\r\n",
    "folding": b"Content-Type: text/plain\r\n " * 30_000 + b"\r\n\r\n",
    "junk": b"junk " * 100_000,
    "open comments": b"Content-Type: " + b"(" * 300_000 + b"\r\n\r\n",
    "spaces": b"Content-Type: a/b;" + b" " * 300_000 + b"x\r\n\r\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_mails_take_linear_time(name: str) -> None:
    start = process_time()
    parse(served(HOSTILE[name]))
    assert process_time() - start < 1.5  # CPU seconds; each takes some hundredths


def test_every_eml_is_read_as_the_standard_library_reads_it(eml) -> None:
    for name in ("utf8", "iso-2022-jp", "nested", "invitation", "forwarded", "report", "reset", "huge-header"):
        data = eml(name)
        ours = [part.content_type for part in parse(data).walk()]
        theirs = [part.get_content_type() for part in message_from_bytes(data).walk() if part is not None]
        if name == "report":  # the library takes message/delivery-status apart into blocks
            theirs = [kind for kind, again in itertools.groupby(theirs)]
            theirs = [*theirs[:3], "text/rfc822-headers"]
        assert ours == theirs, name

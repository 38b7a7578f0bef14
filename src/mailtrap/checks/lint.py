"""The standards' rules that a mail breaks."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ..message import charsets, structure
from ..message.fields import FIELD_START
from ..message.parse import Mail
from ..message.structure import Part
from . import Finding

if TYPE_CHECKING:
    from ..message.model import Message

_BARE_CR: Final = re.compile(rb"\r(?!\n)")
_BARE_LF: Final = re.compile(rb"\n(?<!\r\n)")
_EIGHT_BIT: Final = re.compile(rb"[\x80-\xff]")
_LONGEST_LINE: Final = 998
# RFC 5322, 3.6: at most once each
_SINGLE: Final = (
    "date", "from", "sender", "reply-to", "to", "cc", "bcc", "message-id", "in-reply-to", "references", "subject",
    "mime-version", "content-type", "content-transfer-encoding", "content-disposition", "content-id",
)  # fmt: skip
# RFC 2046, 5.1.1: bchars, the last of them no space
_BOUNDARY: Final = re.compile(rb"[0-9a-zA-Z'()+_,\-./:=? ]{0,69}[0-9a-zA-Z'()+_,\-./:=?]\Z")
_MESSAGE_ID: Final = re.compile(r"<[^\s<>@]+@[^\s<>@]+>\Z")


def lint(message: "Message") -> list[Finding]:
    """All findings, in the order of the bytes: lines, header, parts."""
    mail = message._parsed
    return [*_lines(mail), *_header(mail), *_parts(mail)]


def _line(raw: bytes, offset: int) -> str:
    number = raw.count(b"\n", 0, offset) + 1
    return f"line {number}"


def _lines(mail: Mail) -> Iterator[Finding]:
    raw = mail.raw
    for id_, pattern, name in (("bare-cr", _BARE_CR, "CR"), ("bare-lf", _BARE_LF, "LF")):
        if (match := pattern.search(raw)) is not None:
            count = sum(1 for _ in pattern.finditer(raw))
            yield Finding(
                id_, "error", f"{count} {name} without its other half", _line(raw, match.start()), "RFC 5322, 2.3"
            )
    if count := raw.count(b"\0"):
        yield Finding("nul", "error", f"{count} NUL octets", _line(raw, raw.find(b"\0")), "RFC 5322, 4")
    for number, line in enumerate(raw.split(b"\n"), 1):
        if len(line) > _LONGEST_LINE and (size := len(line.removesuffix(b"\r"))) > _LONGEST_LINE:
            yield Finding(
                "long-line", "error", f"a line of {size} octets; {_LONGEST_LINE} are allowed", f"line {number}",
                "RFC 5322, 2.1.1",
            )  # fmt: skip
            return


def _header(mail: Mail) -> Iterator[Finding]:
    root, data = mail.root, mail.data
    names = [name.decode("latin-1").lower() for name, _ in mail.fields]
    for name in ("date", "from"):
        if name not in names:
            yield Finding(f"missing-{name}", "error", f"no {name.title()} field", "header", "RFC 5322, 3.6")
    if "message-id" not in names:
        yield Finding("missing-message-id", "warning", "no Message-ID field", "header", "RFC 5322, 3.6.4")
    elif not _MESSAGE_ID.match(mail.text_value(b"message-id") or ""):
        yield Finding(
            "invalid-message-id", "error", "the Message-ID is not of the form <left@right>", "header", "RFC 5322, 3.6.4"
        )
    for name in _SINGLE:
        if (count := names.count(name)) > 1:
            yield Finding(
                "duplicate-header", "error", f"{count} fields {name.title()}; one is allowed", "header", "RFC 5322, 3.6"
            )
    if "date" in names and mail.date is None:
        yield Finding("invalid-date", "error", "the Date cannot be read", "header", "RFC 5322, 3.3")
    yield from _authors(mail, names)
    if _EIGHT_BIT.search(data, root.header, root.body) is not None:
        yield Finding(
            "8bit-header", "warning", "8-bit octets in the header: encoded words, or SMTPUTF8, say what they are",
            "header", "RFC 6532, 3.2",
        )  # fmt: skip
    for line in data[root.header : root.body].split(b"\r\n"):
        if line and line[:1] not in b" \t" and FIELD_START.match(line) is None:
            yield Finding(
                "no-field", "error", f"a header line without a name and colon: {line[:60]!r}", "header", "RFC 5322, 2.2"
            )
            break
    if structure.lacks_separator(data, root) or (root.body == 0 and data):
        yield Finding("no-separator", "error", "no empty line between header and body", "header", "RFC 5322, 2.1")
    if "mime-version" not in names and any(name.startswith("content-") for name in names):
        yield Finding("missing-mime-version", "error", "Content fields without a MIME-Version", "header", "RFC 2045, 4")


def _authors(mail: Mail, names: list[str]) -> Iterator[Finding]:
    if "from" not in names:
        return
    authors = mail.addresses(b"from")
    if not authors or not all(author.local and author.domain for author in authors):
        yield Finding("invalid-from", "error", "From holds no valid address", "header", "RFC 5322, 3.6.2")
    elif len(authors) > 1 and "sender" not in names:
        yield Finding("missing-sender", "error", "several authors and no Sender field", "header", "RFC 5322, 3.6.2")


def _parts(mail: Mail) -> Iterator[Finding]:
    for where, part in _numbered(mail.root, "", "1"):
        if part.broken is not None:
            yield Finding("broken-mime", "error", part.broken, where, "RFC 2046, 5.1.1")
        if part.type == "multipart":
            boundary = next((value for name, value in part.params if name == b"boundary"), b"")
            if _BOUNDARY.match(boundary) is None:
                yield Finding(
                    "invalid-boundary", "error", f"the boundary {boundary[:80]!r} is not allowed", where,
                    "RFC 2046, 5.1.1",
                )  # fmt: skip
            if part.encoding not in (b"7bit", b"8bit", b"binary"):
                yield Finding(
                    "encoded-multipart", "error", f"a multipart cannot be {part.encoding.decode('latin-1')}", where,
                    "RFC 2045, 6.4",
                )  # fmt: skip
        elif not part.children:
            yield from _leaf(mail, part, where)


def _leaf(mail: Mail, part: Part, where: str) -> Iterator[Finding]:
    if part.encoding == b"7bit" and _EIGHT_BIT.search(mail.data, part.body, part.end) is not None:
        yield Finding(
            "undeclared-8bit", "error", "8-bit octets in a body that is declared, or by default, 7bit", where,
            "RFC 2045, 2.7",
        )  # fmt: skip
    if part.type != "text":
        return
    charset = part.param("charset")
    content = mail.content(part)
    if content.isascii():
        return
    if charset is None or charset.lower() in ("us-ascii", "ascii"):
        if not (part.subtype == "html" and charset is None and b"charset" in content[:2048].lower()):
            yield Finding(
                "undeclared-charset", "error", "text that is not ASCII without a charset", where, "RFC 2046, 4.1.2"
            )
    elif (codec := charsets.codec(charset)) is None:
        yield Finding("unknown-charset", "warning", f"the charset {charset!r} is unknown", where, "RFC 2046, 4.1.2")
    else:
        try:
            content.decode(codec)
        except UnicodeError:
            yield Finding("wrong-charset", "error", f"the text is not {charset}", where, "RFC 2046, 4.1.2")


def _numbered(part: Part, prefix: str, own: str) -> Iterator[tuple[str, Part]]:
    """Each part with its IMAP number."""
    if part.type == "multipart":
        yield f"part {prefix}" if prefix else "the whole", part
        for number, child in enumerate(part.children, 1):
            path = f"{prefix}.{number}" if prefix else str(number)
            yield from _numbered(child, path, path)
        return
    yield f"part {own}", part
    for child in part.children:
        yield from _numbered(child, own, f"{own}.1")

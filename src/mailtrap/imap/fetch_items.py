"""FETCH items: read, and compiled once per command (RFC 3501, 6.4.5 and 7.4.2).

A ``Plan`` turns a slice of messages into bytes: one template for the line, one column of values per item. No object is
made per message and item; that is what makes ``FETCH 1:* (FLAGS UID)`` cheap.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any, Final, Literal

from ..message.charsets import transfer_decode
from ..message.facts import Facts
from ..message.sections import Section, find
from ..message.structure import Part, served
from ..store.rows import CopyRow
from ..store.search import thread_of
from . import gmail, responses
from .responses import Refusal
from .tokens import Scanner, SyntaxFault

_NAME: Final = re.compile(rb"[A-Za-z0-9.-]+")
_SPEC: Final = re.compile(rb"[A-Za-z0-9.]*")
_PARTIAL: Final = re.compile(rb"<([0-9]{1,19})\.([0-9]{1,19})>")
_PATH: Final = re.compile(rb"(?:[1-9][0-9]{0,8}(?:\.[1-9][0-9]{0,8})*)?")
_FIELD_NAMES: Final = 1000  # names in one HEADER.FIELDS
_DECODABLE: Final = frozenset(
    (b"7bit", b"8bit", b"binary", b"base64", b"quoted-printable", b"x-uuencode", b"uuencode", b"x-uue")
)

MACROS: Final = {
    "ALL": ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"),
    "FAST": ("FLAGS", "INTERNALDATE", "RFC822.SIZE"),
    "FULL": ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"),
}


@dataclass(frozen=True, slots=True)
class Item:
    """One item.

    Attributes:
        name: of an item without a section: ``FLAGS``, ``ENVELOPE``; else ``""``.
        label: what its value is announced with.
        section: of the message; None for an item without one.
        partial: first octet and length (RFC 3501, 6.4.5).
        peek: it does not set ``\\Seen``.
        form: of a section: as it stands; its content decoded; the size of that (RFC 3516).
    """

    name: str
    label: bytes
    section: Section | None = None
    partial: tuple[int, int] | None = None
    peek: bool = True
    form: Literal["", "decoded", "size"] = ""


@dataclass(slots=True)
class Slice:
    """Some messages, in parallel: numbers, copies, and their facts, bytes and labels where needed."""

    numbers: Sequence[int]
    rows: Sequence[CopyRow]
    facts: Sequence[Facts] = ()
    served: Sequence[bytes] = ()
    labels: Sequence[bytes] = ()
    flags: Callable[[Sequence[CopyRow]], Iterable[bytes]] = field(default=lambda rows: _flags(rows))


Column = Callable[[Slice], Iterable[Any]]


def _flags(rows: Sequence[CopyRow]) -> Iterable[bytes]:
    return map(responses.flags, [row.flags for row in rows])


def _threads(part: Slice) -> list[str]:
    return [thread_of(row, facts) for row, facts in zip(part.rows, part.facts, strict=True)]


def _number(part: Slice) -> Iterable[int]:
    return part.numbers


def _of_row(name: str) -> Column:
    get = attrgetter(name)
    return lambda part: map(get, part.rows)


def _of_facts(name: str) -> Column:
    get = attrgetter(name)
    return lambda part: map(get, part.facts)


# name: what stands in the template, the column, the kind of facts it needs
_PLAIN: Final[dict[str, tuple[bytes, Column, str]]] = {
    "FLAGS": (b"(%b)", lambda part: part.flags(part.rows), ""),
    "UID": (b"%d", _of_row("uid"), ""),
    "INTERNALDATE": (
        b"%b", lambda part: map(responses.date_time, [row.internal_date for row in part.rows]), "",
    ),
    "RFC822.SIZE": (b"%d", _of_row("size"), ""),
    "MODSEQ": (b"(%d)", _of_row("modseq"), ""),  # RFC 7162, 3.1.4
    # RFC 8474, 5.1: the content's, so that all copies of a message have the same
    "EMAILID": (b"(M%b)", lambda part: [row.message.id.encode() for row in part.rows], ""),
    "THREADID": (b"(T%b)", lambda part: [thread.encode() for thread in _threads(part)], "threading"),  # RFC 8474, 5.2
    "X-GM-MSGID": (b"%d", lambda part: [row.message.number for row in part.rows], ""),
    "X-GM-THRID": (b"%d", lambda part: map(gmail.thread_number, part.rows, _threads(part)), "threading"),
    "X-GM-LABELS": (b"(%b)", lambda part: part.labels, ""),
    "SAVEDATE": (b"%b", lambda part: map(responses.date_time, [row.save_date for row in part.rows]), ""),
    "PREVIEW": (
        b"%b", lambda part: [responses.string((facts.preview or "").encode()) for facts in part.facts], "preview",
    ),
    "ENVELOPE": (b"%b", _of_facts("envelope"), "envelope"),
    "BODY": (b"%b", _of_facts("body"), "body"),
    "BODYSTRUCTURE": (b"%b", _of_facts("bodystructure"), "bodystructure"),
}  # fmt: skip
_RFC822: Final = {
    "RFC822": Item("", b"RFC822", Section(), None, False),
    "RFC822.HEADER": Item("", b"RFC822.HEADER", Section((), "HEADER")),
    "RFC822.TEXT": Item("", b"RFC822.TEXT", Section((), "TEXT"), None, False),
}


class Plan:
    """Items, compiled.

    Args:
        uid_only: messages are told by their UIDs.

    Attributes:
        kinds: the kinds of facts it needs.
        needs_bytes: whether it needs the messages themselves.
        sets_seen: whether ``\\Seen`` is set by it.
        has_flags: whether FLAGS are among the items.
        needs_labels: whether it needs the labels of the messages.
    """

    __slots__ = ("_columns", "_template", "has_flags", "kinds", "needs_bytes", "needs_labels", "sets_seen")

    def __init__(self, items: Sequence[Item], *, uid_only: bool = False) -> None:
        parts: list[bytes] = []
        columns: list[Column] = [_of_row("uid") if uid_only else _number]
        kinds: set[str] = set()
        for item in items:
            label = item.label.replace(b"%", b"%%")
            if item.section is None:
                value, column, kind = _PLAIN[item.name]
                columns.append(column)
                if kind:
                    kinds.add(kind)
            else:
                if item.form == "size":
                    value = b"%d"
                    columns.append(_size_column(item.section))
                else:
                    value = b"%b%b"
                    columns += _section_columns(item)
                if item.section != Section():
                    kinds.add("header" if item.section.of_header else "structure")
            parts.append(b"%b %b" % (label, value))
        response = b"* %d UIDFETCH (" if uid_only else b"* %d FETCH ("  # RFC 9586, 3.3
        self._template: Final = response + b" ".join(parts) + b")\r\n"
        self._columns: Final = tuple(columns)
        self.kinds: Final = frozenset(kinds)
        self.sets_seen: Final = any(not item.peek for item in items)
        self.needs_bytes: Final = self.sets_seen or any(
            item.section is not None and not item.section.of_header for item in items
        )
        self.needs_labels: Final = any(item.name == "X-GM-LABELS" for item in items)
        self.has_flags: Final = any(item.name == "FLAGS" for item in items)

    def __call__(self, part: Slice) -> bytes:
        """The responses for a slice."""
        rows = zip(*[column(part) for column in self._columns], strict=True)
        return b"".join(map(self._template.__mod__, rows))


def _section_columns(item: Item) -> tuple[Column, Column]:
    """What announces a section's octets, and the octets: two columns, so that they are copied once."""
    section, partial, decoded = item.section, item.partial, item.form == "decoded"
    assert section is not None
    found: list[bytes | None] = []

    def announce(part: Slice) -> Iterable[bytes]:
        found[:] = taken(section, part, decoded=decoded)
        if partial is not None:
            first, end = partial[0], partial[0] + partial[1]
            found[:] = [None if octets is None else octets[first:end] for octets in found]
        return [b"NIL" if octets is None else _announced(octets, decoded) for octets in found]

    def octets(part: Slice) -> Iterable[bytes]:
        del part
        values = [octets or b"" for octets in found]
        found.clear()
        return values

    return announce, octets


def _size_column(section: Section) -> Column:
    """RFC 3516, 4.3: the size of the decoded content; a part that is not there has none, and counts 0."""
    return lambda part: [len(octets or b"") for octets in taken(section, part, decoded=True)]


def _announced(octets: bytes, decoded: bool) -> bytes:
    """RFC 3516, 4.2: only a literal8 may hold NUL."""
    return b"~{%d}\r\n" % len(octets) if decoded and b"\0" in octets else b"{%d}\r\n" % len(octets)


def taken(section: Section, part: Slice, *, decoded: bool) -> Sequence[bytes | None]:
    """The octets of a section of some messages.

    Args:
        decoded: without its Content-Transfer-Encoding. A message has none of its own, nor has a multipart.

    Raises:
        Refusal: UNKNOWN-CTE, an encoding that nobody here knows (RFC 3516, 4.2).
    """
    if section == Section():
        return part.served
    if section.of_header:
        if not section.names:
            return [facts.header or b"" for facts in part.facts]
        names, inverse = section.names, section.kind == "HEADER.FIELDS.NOT"
        return [facts.subset(names, inverse) for facts in part.facts]
    found = [section.of(data, _root(facts)) for data, facts in zip(part.served, part.facts, strict=True)]
    if decoded:
        found = [
            _decoded(octets, find(_root(facts), section.path)) for octets, facts in zip(found, part.facts, strict=True)
        ]
    return found


def _decoded(octets: bytes | None, part: Part | None) -> bytes | None:
    """The content of a part. Lines of text end with CRLF, whatever was encoded (RFC 3516, 6)."""
    if octets is None or part is None or part.type == "multipart" or part.is_message:
        return octets
    if part.encoding not in _DECODABLE:
        raise Refusal("A part has a Content-Transfer-Encoding that nobody knows", "UNKNOWN-CTE")
    plain = transfer_decode(octets, part.encoding)
    return served(plain) if part.type == "text" and not _is_wide(part) else plain


def _is_wide(part: Part) -> bool:
    """Whether characters have several octets, so that one that looks like a line end may be none."""
    charset = next((value for name, value in part.params if name == b"charset"), b"")
    return charset.lower().startswith((b"utf-16", b"utf-32", b"utf16", b"utf32", b"ucs", b"iso-10646"))


def _root(facts: Facts) -> Part:
    assert facts.structure is not None
    return facts.structure


# ---------------------------------------------------------------- reading


# items that exist because of a capability
_NEEDED: Final = {
    "MODSEQ": "CONDSTORE", "BINARY": "BINARY", "BINARY.PEEK": "BINARY", "BINARY.SIZE": "BINARY",
    "EMAILID": "OBJECTID", "THREADID": "OBJECTID", "SAVEDATE": "SAVEDATE", "PREVIEW": "PREVIEW",
    "X-GM-MSGID": "X-GM-EXT-1", "X-GM-THRID": "X-GM-EXT-1", "X-GM-LABELS": "X-GM-EXT-1",
}  # fmt: skip


def read_items(scanner: Scanner, offers: Callable[[str], bool]) -> list[Item]:
    """RFC 3501, 9: what follows the set in FETCH; each item once, in the order given.

    Args:
        offers: whether a capability holds, and with it the items that it brings.
    """
    if scanner.at(b"("):
        items = scanner.items(lambda: _read_item(scanner, offers))
    else:
        macro = MACROS.get(scanner.peek_word())
        if macro is not None:
            scanner.word()
            return [plain(name) for name in macro]
        items = [_read_item(scanner, offers)]
    return list(dict.fromkeys(items))


def plain(name: str) -> Item:
    """An item without a section."""
    return Item(name, name.encode("ascii"))


def _read_item(scanner: Scanner, offers: Callable[[str], bool]) -> Item:
    start = scanner.position
    name = scanner.match(_NAME, "a FETCH item").decode("ascii").upper()
    if name in _NEEDED and not offers(_NEEDED[name]):
        raise SyntaxFault(f"{name} is no FETCH item here", start)
    if name in ("BODY", "BODY.PEEK") and scanner.take(b"["):
        return _read_section(scanner, peek=name == "BODY.PEEK")
    if name in ("BINARY", "BINARY.PEEK", "BINARY.SIZE") and scanner.take(b"["):
        return _read_binary(scanner, name)
    if name == "PREVIEW" and scanner.take(b" ("):
        if scanner.word("LAZY") != "LAZY":
            raise SyntaxFault("PREVIEW has no such modifier", start)
        scanner.expect(b")")  # RFC 8970, 3.1: it may be left out where it takes long; here it never does
    if name in _PLAIN:
        return plain(name)
    if name in _RFC822:
        return _RFC822[name]
    raise SyntaxFault(f"{name} is no FETCH item", start)


def _read_section(scanner: Scanner, *, peek: bool) -> Item:
    start = scanner.position
    spec = scanner.match(_SPEC, "a section").decode("ascii").upper()
    names: list[bytes] = []
    if scanner.take(b" "):
        names = scanner.items(lambda: scanner.astring("the name of a header field"))
        if len(names) > _FIELD_NAMES:
            raise SyntaxFault(f"More than {_FIELD_NAMES} names of header fields", start)
    scanner.expect(b"]")
    try:
        section = Section.parse(f"{spec} (X)" if names else spec)
    except ValueError:
        raise SyntaxFault("That is no section", start) from None
    label = spec.encode("ascii")
    if names:
        section = replace(section, names=frozenset(name.lower() for name in names))
        label += b" (%b)" % b" ".join(map(responses.astring, names))
    label, partial = _read_partial(scanner, b"BODY[%b]" % label)
    return Item("", label, section, partial, peek)


def _read_binary(scanner: Scanner, name: str) -> Item:
    """RFC 3516, 7: section-binary; the answer is never labelled PEEK."""
    path = scanner.match(_PATH, "the number of a part")
    scanner.expect(b"]")
    section = Section.parse(path.decode("ascii"))
    if name == "BINARY.SIZE":
        return Item("", b"BINARY.SIZE[%b]" % path, section, form="size")
    label, partial = _read_partial(scanner, b"BINARY[%b]" % path)
    return Item("", label, section, partial, name == "BINARY.PEEK", "decoded")


def _read_partial(scanner: Scanner, label: bytes) -> tuple[bytes, tuple[int, int] | None]:
    """A partial where one comes, and the label with it."""
    if not scanner.at(b"<"):
        return label, None
    start = scanner.position
    found = scanner.match(_PARTIAL, "a partial such as <0.1024>")
    first, _, count = found[1:-1].partition(b".")
    partial = int(first), int(count)
    if not partial[1] or max(partial) >= 1 << 63:  # RFC 9051, 9: number64
        raise SyntaxFault("A partial has a length, and numbers below 2**63", start)
    return label + b"<%d>" % partial[0], partial

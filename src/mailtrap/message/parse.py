"""One mail's bytes, read as far as somebody asks.

Reading a header field costs a look at the header, nothing more. Nothing here raises on bad mail: what cannot be read
is empty, and ``defects`` says so.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from . import addresses, charsets, fields, structure
from .address import Address
from .structure import Part

if TYPE_CHECKING:
    from email.message import EmailMessage

_EMPTY_LINE: Final = re.compile(rb"\n\r?\n")
_HEADER_PREFIX: Final = 64 * 1024  # octets in which a header's end is looked for first
_META_CHARSET: Final = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?([\w.:-]{1,40})""", re.IGNORECASE)
_TIMEZONE_NAME: Final = re.compile(r"\([^()]*\)")


class Headers(Mapping[str, str]):
    """Header fields, decoded and unfolded. Names compare without case; of repeated ones the first counts."""

    __slots__ = ("_index", "_pairs")

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs
        self._index: dict[str, list[str]] = {}
        for name, value in pairs:
            self._index.setdefault(name.lower(), []).append(value)

    def __getitem__(self, name: str) -> str:
        return self._index[name.lower()][0]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._index

    def __iter__(self) -> Iterator[str]:
        """The names as they are written at first."""
        seen = set[str]()
        for name, _ in self._pairs:
            if name.lower() not in seen:
                seen.add(name.lower())
                yield name

    def __len__(self) -> int:
        return len(self._index)

    def get_all(self, name: str) -> list[str]:
        """The values of all fields of a name, in order; empty where there is none."""
        return list(self._index.get(name.lower(), ()))

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """All fields in order."""
        return list(self._pairs)

    def __repr__(self) -> str:
        return f"Headers({self._pairs!r})"


class Mail:
    """One mail's bytes and what can be read in them. ``data`` are the bytes as served."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    @cached_property
    def data(self) -> bytes:
        """The bytes as served."""
        return structure.served(self.raw)

    @cached_property
    def root(self) -> Part:
        """The tree of parts."""
        return structure.parse(self.data)

    # ------------------------------------------------------------ header

    @cached_property
    def header(self) -> bytes:
        """The header as served, its empty line included. The body is not looked at."""
        if "root" in self.__dict__:
            return self.data[self.root.header : self.root.body]
        end = _EMPTY_LINE.search(self.raw, 0, _HEADER_PREFIX)
        block = self.data if end is None else structure.served(self.raw[: end.end()])
        return block[: structure.header_end(block)]

    @cached_property
    def fields(self) -> fields.Fields:
        """The header fields as they stand."""
        return fields.split(self.header)

    @cached_property
    def headers(self) -> Headers:
        """The header fields, decoded."""
        return Headers([(name.decode("latin-1"), charsets.header_text(value)) for name, value in self.fields])

    @cached_property
    def _by_name(self) -> dict[bytes, list[bytes]]:
        found: dict[bytes, list[bytes]] = {}
        for key, value in self.fields:
            found.setdefault(key.lower(), []).append(value)
        return found

    @cached_property
    def _addresses(self) -> dict[bytes, list[Address]]:
        return {}

    def values(self, name: bytes) -> list[bytes]:
        """The values of a field (name in lower case), as they stand."""
        return self._by_name.get(name, [])

    def text_value(self, name: bytes) -> str | None:
        """The first value of a field, decoded; None where there is none."""
        values = self._by_name.get(name)
        return None if values is None else charsets.header_text(values[0])

    def addresses(self, name: bytes) -> list[Address]:
        """The addresses in all fields of a name."""
        known = self._addresses.get(name)
        if known is None:
            known = [address for value in self.values(name) for address in addresses.addresses(value)]
            self._addresses[name] = known
        return list(known)

    @cached_property
    def date(self) -> datetime | None:
        """The Date field, aware; None where there is none or it cannot be read."""
        text = self.text_value(b"date")
        return None if text is None else parse_date(text)

    # ------------------------------------------------------------ bodies

    def content(self, part: Part) -> bytes:
        """A part's body without its transfer encoding."""
        return charsets.transfer_decode(self.data[part.body : part.end], part.encoding)

    def text_of(self, part: Part) -> str:
        """A text part's body, decoded, lines ending in LF."""
        content = self.content(part)
        charset = part.param("charset")
        if charset is None and part.subtype == "html" and (meta := _META_CHARSET.search(content[:2048])) is not None:
            charset = meta.group(1).decode()
        return charsets.decode(content, charset).replace("\r\n", "\n")

    @cached_property
    def roles(self) -> "Roles":
        """What its parts are to a reader."""
        return Roles(self.root)

    @cached_property
    def text(self) -> str | None:
        """The text alternative; what several parts say is joined. None where there is none."""
        return self._join(self.roles.plain)

    @cached_property
    def html(self) -> str | None:
        """The HTML alternative; None where there is none."""
        return self._join(self.roles.html)

    @cached_property
    def plain(self) -> str:
        """The text alternative, or the HTML one as text; empty where there is neither."""
        if self.text is not None:
            return self.text
        from .markup import to_text

        return "" if self.html is None else to_text(self.html)

    def _join(self, parts: list[Part]) -> str | None:
        texts = [self.text_of(part) for part in parts]
        if len(texts) < 2:
            return texts[0] if texts else None
        return "".join(text if text.endswith("\n") else f"{text}\n" for text in texts)

    # ------------------------------------------------------------ the standard library's view

    @cached_property
    def email(self) -> "EmailMessage":
        """The mail as ``email`` parses it. Header values that it cannot read are plain text there."""
        return parse_email(self.raw)

    @cached_property
    def defects(self) -> list[str]:
        """What is wrong with its form, each in a sentence, as far as reading it met with it."""
        data, found = self.data, list[str]()
        for part in self.root.walk():
            where = part.content_type
            if part.broken:
                found.append(f"{where}: {part.broken}")
            if structure.lacks_separator(data, part):
                found.append(f"{where}: no empty line between header and body")
            if part.type == "text" and not part.children:
                charset = part.param("charset")
                if charset is not None and charsets.codec(charset) is None:
                    found.append(f"{where}: unknown charset {charset!r}")
            if part.encoding not in _ENCODINGS:
                found.append(f"{where}: unknown transfer encoding {part.encoding.decode('latin-1')!r}")
        for entity in self.email.walk():
            found += [f"{entity.get_content_type()}: {type(defect).__name__}" for defect in entity.defects]
        return list(dict.fromkeys(found))


_ENCODINGS: Final = frozenset(
    (b"7bit", b"8bit", b"binary", b"base64", b"quoted-printable", b"uuencode", b"x-uuencode", b"x-uue")
)


class Roles:
    """What the leaves of a tree are to a reader.

    Text without a file name is the body; within ``multipart/alternative`` other text is inline, for instance an
    invitation. Inline is also what says so, and what a ``multipart/related`` holds beside its root. All else is
    attached. Messages inside are attachments as a whole.
    """

    __slots__ = ("attachments", "html", "inline", "plain")

    def __init__(self, root: Part) -> None:
        self.plain: list[Part] = []
        self.html: list[Part] = []
        self.attachments: list[Part] = []
        self.inline: list[Part] = []
        self._sort(root, "mixed")

    def _sort(self, part: Part, within: str) -> None:
        if part.type == "multipart":
            for place, child in enumerate(part.children):
                beside = part.subtype == "related" and place > 0
                self._sort(child, "beside" if beside else part.subtype if part.subtype != "related" else within)
            return
        attached = part.disposition == b"attachment"
        if part.type == "text" and not attached and part.filename is None and within != "beside":
            if part.subtype == "plain":
                self.plain.append(part)
                return
            if part.subtype == "html":
                self.html.append(part)
                return
        if not attached and (part.disposition == b"inline" or within in ("beside", "alternative")):
            self.inline.append(part)
        else:
            self.attachments.append(part)


def parse_date(text: str) -> datetime | None:
    """A date as mail writes it (RFC 5322, 3.3), aware; None where it cannot be read. ``-0000`` is UTC."""
    from email.utils import parsedate_to_datetime

    try:
        found = parsedate_to_datetime(_TIMEZONE_NAME.sub("", text[:200]))
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


_email_policy: Any = None


def parse_email(raw: bytes) -> "EmailMessage":
    """What ``email`` makes of the bytes; it never raises, neither here nor when a header is read."""
    from email.parser import BytesParser

    message: EmailMessage = BytesParser(policy=_policy()).parsebytes(raw)
    return message


# What the standard library's header parser is known to raise on foreign input.
_HEADER_ERRORS: Final = (
    ValueError, IndexError, TypeError, AttributeError, KeyError, LookupError, AssertionError, RecursionError,
    ArithmeticError,
)  # fmt: skip


def _policy() -> Any:
    """``email.policy.default``, but a header that its parser fails on is unstructured text with a defect."""
    global _email_policy
    if _email_policy is not None:
        return _email_policy
    from email import policy
    from email.errors import HeaderParseError, InvalidHeaderDefect, MessageError
    from email.headerregistry import HeaderRegistry, UnstructuredHeader

    class Registry(HeaderRegistry):
        def __call__(self, name: str, value: Any) -> Any:
            try:
                return super().__call__(name, value)
            except (*_HEADER_ERRORS, HeaderParseError, MessageError) as error:
                return _unstructured(name, value, error)

    class Plain(UnstructuredHeader):
        @classmethod
        def parse(cls, value: str, kwds: dict[str, Any]) -> None:
            from email import _header_value_parser as parser

            kwds["parse_tree"] = parser.UnstructuredTokenList([parser.ValueTerminal(value, "misc-text")])
            kwds["decoded"] = value

    plain = HeaderRegistry(default_class=Plain, use_default_map=False)

    def _unstructured(name: str, value: Any, error: BaseException) -> Any:
        text = "".join(str(value).splitlines())
        header: Any = plain(name, text)
        header._defects = (InvalidHeaderDefect(f"{name} cannot be read: {error}"),)
        return header

    _email_policy = policy.default.clone(header_factory=Registry())
    return _email_policy

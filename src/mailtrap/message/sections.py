"""Sections of a message, as IMAP names them (RFC 3501, 6.4.5; RFC 9051, 6.4.5.1).

All are slices of the served bytes but the subsets of header fields, which are whole fields of it.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

from .fields import subset
from .structure import Part

Kind = Literal["", "HEADER", "TEXT", "MIME", "HEADER.FIELDS", "HEADER.FIELDS.NOT"]
_SPEC: Final = re.compile(
    r"(?P<path>[1-9]\d{0,8}(?:\.[1-9]\d{0,8})*)?(?:(?:^|(?<=\d)\.)(?P<kind>HEADER\.FIELDS(?:\.NOT)?|HEADER|TEXT|MIME))?"
    r"(?:\s*\((?P<names>[^()]*)\))?",
    re.IGNORECASE,
)
_NAME: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s"]+)')


@dataclass(frozen=True, slots=True)
class Section:
    """One section.

    Attributes:
        path: part numbers; empty for the message itself.
        kind: which of the part; ``""`` is its body, or the whole message where the path is empty.
        names: of the fields, in lower case, for ``HEADER.FIELDS`` and ``HEADER.FIELDS.NOT``.
    """

    path: tuple[int, ...] = ()
    kind: Kind = ""
    names: frozenset[bytes] = frozenset()

    @classmethod
    def parse(cls, spec: str) -> "Section":
        """Read what stands between the brackets: ``1.2.HEADER.FIELDS (From To)``.

        Raises:
            ValueError: it is no section.
        """
        match = _SPEC.fullmatch(spec.strip())
        if match is None:
            raise ValueError(f"{spec!r} is no section")
        path = tuple(map(int, match["path"].split("."))) if match["path"] else ()
        kind: Kind = (match["kind"] or "").upper()  # type: ignore[assignment]  # the expression allows no other
        names = frozenset(
            (quoted or plain).encode("utf-8", "surrogateescape").lower()
            for quoted, plain in _NAME.findall(match["names"] or "")
        )
        if (match["names"] is not None) is not kind.startswith("HEADER.") or (kind.startswith("HEADER.") and not names):
            raise ValueError(f"{spec!r} is no section: field names belong to HEADER.FIELDS, and to nothing else")
        if kind == "MIME" and not path:
            raise ValueError(f"{spec!r} is no section: MIME belongs to a part")
        return cls(path, kind, names)

    def span(self, root: Part) -> tuple[int, int] | None:
        """Where it lies; of subsets of fields, where the header lies. None where there is no such section."""
        part: Part | None = root
        if self.path:
            part = find(root, self.path)
            if part is None:
                return None
            if self.kind == "":
                return part.body, part.end
            if self.kind == "MIME":
                return part.header, part.body
            part = part.children[0] if part.is_message else None  # HEADER and TEXT are of messages only
        if part is None:
            return None
        if self.kind == "":
            return part.header, part.end
        if self.kind == "TEXT":
            return part.body, part.end
        return part.header, part.body

    @property
    def of_header(self) -> bool:
        """Whether it lies in the message's own header, so that nothing else is needed."""
        return not self.path and self.kind.startswith("HEADER")

    def of(self, data: bytes, root: Part) -> bytes | None:
        """Its bytes; None where there is no such section."""
        span = self.span(root)
        if span is None:
            return None
        if self.names:
            return subset(data, *span, self.names, self.kind == "HEADER.FIELDS.NOT")
        return data[span[0] : span[1]]


def find(root: Part, path: tuple[int, ...]) -> Part | None:
    """The part of these numbers.

    Part 1 of a message that is no multipart is its body. The numbers below a ``message/rfc822`` part are those of the
    message inside.
    """
    part = root
    as_message = True
    for number in path:
        if not as_message and part.is_message:
            part, as_message = part.children[0], True
        if part.type == "multipart":
            if number > len(part.children):
                return None
            part = part.children[number - 1]
        elif not as_message or number != 1:
            return None
        as_message = False
    return part


def section(data: bytes, root: Part, spec: str) -> bytes | None:
    """The bytes of one section of a served message; None where there is no such section.

    Raises:
        ValueError: it is no section.
    """
    return Section.parse(spec).of(data, root)

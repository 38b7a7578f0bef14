"""Header fields in a block of bytes, whatever state it is in. Never raises.

A field is a name, a colon and all up to the next line that does not begin with white space (RFC 5322, 2.2). Lines that
are neither field nor continuation are passed over.
"""

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Final

from .charsets import header_text

# A name is anything but white space, controls and the colon: more than RFC 5322, 3.6.8 allows, as readers do.
# White space before the colon is obsolete and allowed (4.5).
_NAME: Final = rb"([!-9;-~\x80-\xff]+)[ \t]*:"
FIELD: Final = re.compile(rb"^" + _NAME + rb"([^\n]*(?:\n[ \t][^\n]*)*)", re.MULTILINE)
WHOLE_FIELD: Final = re.compile(rb"^" + _NAME + rb"[^\n]*(?:\n[ \t][^\n]*)*\n?", re.MULTILINE)
FIELD_START: Final = re.compile(_NAME)
_COLON: Final = re.compile(rb"[ \t]+:")
_BLANKS: Final = (b" ", b"\t")
NO_FIELD: Final = re.compile(rb"^(?![!-9;-~\x80-\xff]+[ \t]*:|[ \t])", re.MULTILINE)

Fields = list[tuple[bytes, bytes]]


def split(data: bytes, start: int = 0, end: int | None = None) -> Fields:
    """The fields of a header as pairs of name and value, both as they stand: folded, with white space around."""
    return FIELD.findall(data, start, len(data) if end is None else end)


def unfold(value: bytes) -> bytes:
    """A value on one line, without white space around it (RFC 5322, 2.2.3)."""
    value = value.strip()
    if b"\n" in value:
        value = value.replace(b"\r\n", b"").replace(b"\n", b"")
    return value


def decoded(fields: Fields) -> tuple[tuple[str, str], ...]:
    """Pairs of lower-case name and decoded, unfolded value, in order."""
    return tuple((name.decode("latin-1").lower(), header_text(value)) for name, value in fields)


def subset(data: bytes, start: int, end: int, names: Collection[bytes], inverse: bool = False) -> bytes:
    """The fields of these names (lower case), or all others, byte for byte, then the empty line.

    The empty line comes wherever the header has one (RFC 3501, 6.4.5, BODY[HEADER.FIELDS]).
    """
    if inverse:
        matches = WHOLE_FIELD.finditer(data, start, end)
        out = [match.group() for match in matches if match.group(1).lower() not in names]
    else:
        out = _named(data, start, end, _possible(frozenset(names)))
    if out and not out[-1].endswith(b"\n"):
        out.append(b"\r\n")
    if has_separator(data, start, end):
        out.append(b"\r\n")
    return b"".join(out)


def _named(data: bytes, start: int, end: int, names: Collection[bytes]) -> list[bytes]:
    """The fields of these names as they stand: looked for by name, which costs a tenth of looking at every field."""
    header = b"\n" + data[start:end].lower()
    places = []
    for name in names:
        place = -1
        while (place := header.find(b"\n" + name, place + 1)) >= 0:
            behind = place + 1 + len(name)
            if header.startswith(b":", behind) or _COLON.match(header, behind):
                places.append(place)
    places.sort()
    found = []
    for place in places:
        stop = header.find(b"\n", place + 1)
        while header.startswith(_BLANKS, stop + 1) and stop >= 0:
            stop = header.find(b"\n", stop + 1)
        found.append(data[start + place : end if stop < 0 else start + stop])
    return found


@lru_cache(maxsize=64)
def _possible(names: frozenset[bytes]) -> tuple[bytes, ...]:
    """Those that a field can have."""
    return tuple(name for name in names if FIELD_START.fullmatch(name + b":"))


def has_separator(data: bytes, start: int, end: int) -> bool:
    """Whether a header ends with its empty line."""
    return data.startswith(b"\r\n", end - 2) and (end - 2 == start or data.startswith(b"\n", end - 3))

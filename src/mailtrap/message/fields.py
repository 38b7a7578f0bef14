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
# The same of fields that describe content, where a line end stands before: it is looked for fast.
CONTENT_FIELD: Final = re.compile(rb"\n(content-[!-9;-~\x80-\xff]*)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)", re.IGNORECASE)
WHOLE_FIELD: Final = re.compile(rb"^" + _NAME + rb"[^\n]*(?:\n[ \t][^\n]*)*\n?", re.MULTILINE)
FIELD_START: Final = re.compile(_NAME)
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
    return tuple([(_lower(name), header_text(value)) for name, value in fields])


@lru_cache(maxsize=512)
def _lower(name: bytes) -> str:
    """A name in lower case: one object for all messages."""
    return name.decode("latin-1").lower()


def subset(data: bytes, start: int, end: int, names: Collection[bytes], inverse: bool = False) -> bytes:
    """The fields of these names (lower case), or all others, byte for byte, then the empty line.

    The empty line comes wherever the header has one (RFC 3501, 6.4.5, BODY[HEADER.FIELDS]).
    """
    if inverse:
        out = b"".join(
            [match.group() for match in WHOLE_FIELD.finditer(data, start, end) if match.group(1).lower() not in names]
        )
    else:
        header = b"\n" + data[start:end]
        named = _named(frozenset(names))
        if header.endswith(b"\n"):
            found = named.findall(header)
            out = b"\n".join(found) + b"\n" if found else b""
        else:  # cut off in a line
            out = b"".join([header[match.start() + 1 : match.end() + 1] for match in named.finditer(header)])
    if out and not out.endswith(b"\n"):
        out += b"\r\n"
    return out + b"\r\n" if has_separator(data, start, end) else out


@lru_cache(maxsize=64)
def _named(names: frozenset[bytes]) -> re.Pattern[bytes]:
    """What finds the fields of these names, each behind a line end and without its own: that is looked for fast.

    Names that no field can have are left out; where no other is left nothing matches.
    """
    possible = sorted(re.escape(name) for name in names if FIELD_START.fullmatch(name + b":"))
    return re.compile(rb"\n((?:%b)[ \t]*:[^\n]*(?:\n[ \t][^\n]*)*)" % (b"|".join(possible) or rb"(?!)"), re.IGNORECASE)


def has_separator(data: bytes, start: int, end: int) -> bool:
    """Whether a header ends with its empty line."""
    return data.startswith(b"\r\n", end - 2) and (end - 2 == start or data.startswith(b"\n", end - 3))

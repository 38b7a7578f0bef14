"""What the server says, as typed values, encoded in one place (RFC 3501, 7)."""

import re
from collections.abc import Container, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from .. import clock
from . import utf7
from .tokens import MONTHS

Kind = Literal["OK", "NO", "BAD", "BYE", "PREAUTH"]

_QUOTABLE: Final = frozenset(range(32, 127)) - {ord('"'), ord("\\")}
_SPECIALS: Final = frozenset(b'(){%*"\\]') | frozenset(range(33)) | frozenset(range(127, 256))
_NO_FLAG: Final = re.compile(r'[^!-~]|[(){%*"\]]|(?!^)\\')
RIGHT_OF_FLAG: Final = {"\\Seen": "s", "\\Deleted": "t"}  # RFC 4314, 4: of any other it is w
_FLAG_ORDER: Final = ("\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft", "\\Recent")


@dataclass(frozen=True, slots=True)
class Reply:
    """How a command ended (RFC 3501, 7.1).

    Attributes:
        kind: OK, NO or BAD; BYE in a fault rule ends the connection.
        text: for people; control characters are replaced, so that no text can forge a response.
        code: what stands in brackets, without them: ``TRYCREATE``.
    """

    kind: Kind
    text: str
    code: bytes | str = b""

    def line(self, tag: bytes = b"*") -> bytes:
        """The whole line."""
        code = self.code.encode("ascii") if isinstance(self.code, str) else self.code
        text = one_line(self.text).encode("utf-8", "replace") or b"-"  # RFC 3501, 9: resp-text needs a character
        return b"%b %b %b%b\r\n" % (tag, self.kind.encode(), b"[%b] " % code if code else b"", text)


class Refusal(Exception):
    """A command ends with NO or BAD."""

    def __init__(self, text: str, code: str = "", kind: Kind = "NO") -> None:
        super().__init__(text)
        self.reply: Final = Reply(kind, text, code)


class Goodbye(Exception):
    """The session ends with BYE."""

    def __init__(self, text: str, code: bytes | str = "") -> None:
        super().__init__(text)
        self.reply: Final = Reply("BYE", text, code)


def one_line(text: str) -> str:
    """Text that stays on its line."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


# ---------------------------------------------------------------- data


def string(value: bytes) -> bytes:
    """RFC 3501, 9: string: quoted where it can be, else a literal."""
    if len(value) <= 1024 and _QUOTABLE.issuperset(value):
        return b'"%b"' % value
    if len(value) <= 1024 and value.isascii() and not any(c < 32 or c == 127 for c in value):
        return b'"%b"' % value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b"{%d}\r\n%b" % (len(value), value)


def nstring(value: bytes | None) -> bytes:
    """RFC 3501, 9: nstring."""
    return b"NIL" if value is None else string(value)


def astring(value: bytes) -> bytes:
    """RFC 3501, 9: astring: an atom where every client takes it for one, else a string."""
    if value and _SPECIALS.isdisjoint(value) and b"[" not in value and value.upper() != b"NIL":
        return value
    return string(value)


def mailbox(name: str, *, utf8: bool = False) -> bytes:
    """RFC 3501, 9: mailbox, in modified UTF-7. Names with ``[ } ^ |`` and the like are quoted.

    Args:
        utf8: in UTF-8 instead, in quotes (RFC 9051, 5.1; RFC 6855, 3).
    """
    if utf8 and not name.isascii():
        return b'"%b"' % name.encode("utf-8", "replace").replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    coded = name.encode("ascii") if utf8 else utf7.encode(name)
    plain = coded.replace(b"/", b"").replace(b".", b"").replace(b"-", b"").isalnum()
    return coded if plain and coded.upper() != b"NIL" else string(coded)


@lru_cache(maxsize=1024)
def flags(names: frozenset[str]) -> bytes:
    """Flags without parentheses, the system's first, then keywords by name.

    What no client could send as a flag, but a program can have set, is told with ``_`` for each such character.
    """
    system = [flag for flag in _FLAG_ORDER if flag in names]
    keywords = [_NO_FLAG.sub("_", keyword) or "_" for keyword in sorted(names.difference(_FLAG_ORDER))]
    return " ".join(system + keywords).encode("ascii")


@lru_cache(maxsize=1024)
def recent_flags(names: frozenset[str]) -> bytes:
    """The same with ``\\Recent``."""
    return flags(names | {"\\Recent"})


@lru_cache(maxsize=256)
def _day(number: int) -> bytes:
    moment = clock.to_datetime(number * 86400)
    return f"{moment.day:2d}-{MONTHS[moment.month - 1]}-{moment.year:04d}".encode()


def date_time(seconds: float) -> bytes:
    """RFC 3501, 9: date-time, in UTC."""
    day, rest = divmod(int(seconds // 1), 86400)
    return b'"%b %02d:%02d:%02d +0000"' % (_day(day), rest // 3600, rest % 3600 // 60, rest % 60)


# ---------------------------------------------------------------- responses


def listed(
    kind: bytes, attributes: Iterable[str], name: str, extended: bytes = b"", *, utf8: bool = False,
    separator: str = "/",
) -> bytes:  # fmt: skip
    """LIST and LSUB (RFC 3501, 7.2.2; extended data: RFC 5258, 4)."""
    attribute_list = " ".join(attributes).encode("ascii")
    name_ = mailbox(name, utf8=utf8)
    return b'* %b (%b) "%b" %b%b\r\n' % (kind, attribute_list, separator.encode("ascii"), name_, extended)


def status(name: bytes, items: Iterable[tuple[str, int | str]]) -> bytes:
    """STATUS (RFC 3501, 7.2.4); ``name`` is encoded."""
    values = " ".join(f"{item} {value}" for item, value in items)
    return b"* STATUS %b (%b)\r\n" % (name, values.encode("ascii"))


def in_progress(tag: bytes, done: int, total: int) -> bytes:
    """RFC 9585, 4: how far a command has come."""
    far = b"%d %d" % (done, total) if total else b"NIL NIL"
    return b"* OK [INPROGRESS (%b %b)] Still working\r\n" % (string(tag), far)


def flag_lines(keywords: Iterable[str], permanent: Container[str] | None) -> bytes:
    """FLAGS and PERMANENTFLAGS of a mailbox (RFC 3501, 7.2.6 and 7.1).

    Args:
        permanent: the rights that say which flags the user can change: s, t and w (RFC 4314, 5.1.1); None: of none.
    """
    names = ("\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft", *keywords)
    every = flags(frozenset(names))
    if permanent is None:
        return b"* FLAGS (%b)\r\n* OK [PERMANENTFLAGS ()] Nothing can be changed\r\n" % every
    can = flags(frozenset(name for name in names if RIGHT_OF_FLAG.get(name, "w") in permanent))
    text = b"Flags and new keywords are kept" if "w" in permanent else b"No others can be changed"
    new = b" \\*" if "w" in permanent else b""
    return b"* FLAGS (%b)\r\n* OK [PERMANENTFLAGS (%b%b)] %b\r\n" % (every, can, new, text)

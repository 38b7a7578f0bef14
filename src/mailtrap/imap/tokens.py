"""The scanner: reads one collected command by index (RFC 3501, 9; RFC 9051, 9).

A command's text has its literals taken out: where one stood are ``{size}`` and a line end, and the octets are in
``literals``, in order. So the text of a command is short however large its literals are.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Final, NoReturn, TypeVar

from .. import limits
from . import sequence, utf7

T = TypeVar("T")

# RFC 3501, 9: ATOM-CHAR is any CHAR but ( ) { SP CTL % * " \ and ]; ASTRING-CHAR has ] too. 8-bit is no CHAR; it is
# taken where names stand, because clients send it and RFC 9051 allows UTF-8 there.
_ATOM: Final = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\\]]+')
_ASTRING: Final = re.compile(rb'[^\x00-\x20\x7f(){%*"\\]+')
_LIST_MAILBOX: Final = re.compile(rb'[^\x00-\x20\x7f(){"\\]+')
_TAG: Final = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\+]+')
_QUOTED: Final = re.compile(rb'"((?:[^"\\\r\n\x00]|\\["\\])*)"')
_LITERAL: Final = re.compile(rb"\{([0-9]{1,20})\+?\}\r\n")
_NUMBER: Final = re.compile(rb"[0-9]{1,20}")
_FLAG: Final = re.compile(rb'\\?[^\x00-\x20\x7f-\xff(){%*"\\\]]+|\\\*')
_NIL: Final = re.compile(rb"NIL(?![^\x00-\x20\x7f-\xff(){%*\"\\\]])", re.IGNORECASE)
_ESCAPE: Final = re.compile(rb'\\(["\\])')
_DATE_TIME: Final = re.compile(
    rb'"([ 0-3][0-9])-([A-Za-z]{3})-([0-9]{4}) ([0-2][0-9]):([0-5][0-9]):([0-6][0-9]) ([+-])([0-9]{2})([0-9]{2})"'
)
_DATE: Final = re.compile(rb'("?)([0-3]?[0-9])-([A-Za-z]{3})-([0-9]{4})\1')

MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_NUMBER: Final = {name.lower().encode(): number for number, name in enumerate(MONTHS, 1)}
SYSTEM_FLAGS: Final = {flag.lower(): flag for flag in ("\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft")}


class SyntaxFault(Exception):
    """The command is not what the grammar says; the text is for the client."""

    def __init__(self, text: str, position: int | None = None) -> None:
        super().__init__(text if position is None else f"{text} at octet {position + 1}")


class Incomplete(Exception):
    """The text ends with a literal whose octets are still to come."""


class Scanner:
    """A position in a command.

    Args:
        text: the command without its line end, its literals taken out.
        literals: their octets.
        utf8: whether names of mailboxes are UTF-8, and not modified UTF-7.
    """

    __slots__ = ("_depth", "_used", "literals", "position", "text", "utf8")

    def __init__(self, text: bytes, literals: Sequence[bytes] = (), *, utf8: bool = False) -> None:
        self.text = text
        self.literals = literals
        self.utf8 = utf8
        self.position = 0
        self._used = 0
        self._depth = 0

    def ahead(self) -> "Scanner":
        """Another scanner at the same place, to look at what comes; this one stays here."""
        other = Scanner(self.text, self.literals, utf8=self.utf8)
        other.position, other._used, other._depth = self.position, self._used, self._depth
        return other

    # ------------------------------------------------------------ the ground

    def fail(self, expected: str) -> NoReturn:
        """Say what was expected here."""
        found = self.text[self.position : self.position + 1]
        if not found:
            raise SyntaxFault(f"The command ends where {expected} was expected")
        if found < b" " or found >= b"\x7f":
            raise SyntaxFault(f"Octet {found[0]} where {expected} was expected", self.position)
        raise SyntaxFault(f"Expected {expected}", self.position)

    @property
    def ended(self) -> bool:
        """Whether nothing is left."""
        return self.position >= len(self.text)

    def end(self) -> None:
        """Nothing may follow."""
        if not self.ended:
            self.fail("the end of the command")

    def at(self, token: bytes) -> bool:
        """Whether exactly this comes next; nothing is taken."""
        return self.text.startswith(token, self.position)

    def take(self, token: bytes) -> bool:
        """Take exactly this if it comes next."""
        if self.text.startswith(token, self.position):
            self.position += len(token)
            return True
        return False

    def space(self) -> None:
        """One space."""
        if not self.take(b" "):
            self.fail("a space")

    def expect(self, token: bytes) -> None:
        """Exactly this."""
        if not self.take(token):
            self.fail(repr(token.decode("ascii")))

    def match(self, pattern: re.Pattern[bytes], expected: str) -> bytes:
        """What a pattern matches here."""
        found = pattern.match(self.text, self.position)
        if found is None:
            self.fail(expected)
        self.position = found.end()
        return found[0]

    def word(self, expected: str = "a word") -> str:
        """An atom in upper case: the name of a command, an item, a key."""
        return self.match(_ATOM, expected).decode("ascii").upper()

    def peek_word(self) -> str:
        """The atom that comes next, in upper case; ``""`` where none does."""
        found = _ATOM.match(self.text, self.position)
        return found[0].decode("ascii").upper() if found else ""

    # ------------------------------------------------------------ strings

    def tag(self) -> bytes:
        """RFC 3501, 9: tag."""
        return self.match(_TAG, "a tag")

    def atom(self) -> bytes:
        """RFC 3501, 9: atom."""
        return self.match(_ATOM, "an atom")

    def string(self, expected: str = "a string") -> bytes:
        """RFC 3501, 9: string, that is quoted or a literal."""
        if self.at(b'"'):
            found = _QUOTED.match(self.text, self.position)
            if found is None:
                self.fail("a quoted string that is closed, without line ends")
            self.position = found.end()
            inner = found[1]
            return _ESCAPE.sub(rb"\1", inner) if b"\\" in inner else inner
        if not self.at(b"{"):
            self.fail(expected)
        return self.literal()

    def literal(self) -> bytes:
        """RFC 3501, 9: literal."""
        found = _LITERAL.match(self.text, self.position)
        if found is None:
            self.fail("a literal")
        if self._used >= len(self.literals):
            raise Incomplete
        self.position = found.end()
        self._used += 1
        return self.literals[self._used - 1]

    def astring(self, expected: str = "an atom or a string") -> bytes:
        """RFC 3501, 9: astring."""
        found = _ASTRING.match(self.text, self.position)
        if found is not None:
            self.position = found.end()
            return found[0]
        return self.string(expected)

    def nstring(self) -> bytes | None:
        """RFC 3501, 9: nstring."""
        return None if self.nil() else self.string("a string or NIL")

    def nil(self) -> bool:
        """Take NIL if it comes next."""
        found = _NIL.match(self.text, self.position)
        if found is None:
            return False
        self.position = found.end()
        return True

    def mailbox(self) -> str:
        """RFC 3501, 9: mailbox. Modified UTF-7, and UTF-8 where a client sends 8-bit or has enabled it.

        Raises:
            ValueError: neither of the two.
        """
        return decode_name(self.astring("the name of a mailbox"), utf8=self.utf8)

    def list_mailbox(self) -> bytes:
        """RFC 3501, 9: list-mailbox, with its wildcards."""
        found = _LIST_MAILBOX.match(self.text, self.position)
        if found is not None:
            self.position = found.end()
            return found[0]
        return self.string("a pattern of mailbox names")

    # ------------------------------------------------------------ numbers

    def number(self, bits: int = 32) -> int:
        """RFC 3501, 9: number; with 63 bits RFC 9051's number64."""
        start = self.position
        value = int(self.match(_NUMBER, "a number"))
        if value >= 1 << bits:
            raise SyntaxFault("The number is too large", start)
        return value

    def sequence_set(self) -> sequence.SequenceSet:
        """RFC 3501, 9: sequence-set; ``$`` of RFC 5182."""
        start = self.position
        found = self.match(sequence.PATTERN, "a set of message numbers")
        try:
            return sequence.parse(found)
        except ValueError as error:
            raise SyntaxFault(f"{str(error).capitalize()} in a set", start) from None

    def date(self) -> int:
        """RFC 3501, 9: date; the day as ``date.toordinal()`` counts."""
        start = self.position
        found = _DATE.match(self.text, self.position)
        if found is None:
            self.fail("a date such as 1-Feb-2026")
        self.position = found.end()
        try:
            day = datetime(int(found[4]), _MONTH_NUMBER[found[3].lower()], int(found[2]), tzinfo=UTC)
        except (KeyError, ValueError):
            raise SyntaxFault("There is no such day", start) from None
        return day.toordinal()

    def date_time(self) -> float:
        """RFC 3501, 9: date-time; seconds since the epoch."""
        start = self.position
        found = _DATE_TIME.match(self.text, self.position)
        if found is None:
            self.fail('a date and time such as " 1-Feb-2026 08:00:00 +0100"')
        self.position = found.end()
        day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = found.groups()
        try:
            offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
            moment = datetime(
                int(year), _MONTH_NUMBER[month.lower()], int(day), int(hour), int(minute), min(int(second), 59),
                tzinfo=timezone(-offset if sign == b"-" else offset),
            )  # fmt: skip
            return moment.timestamp() + (int(second) == 60)  # a leap second is the next minute's first
        except (KeyError, ValueError, OverflowError):
            raise SyntaxFault("There is no such date and time", start) from None

    # ------------------------------------------------------------ lists and flags

    def items(self, item: Callable[[], T], *, empty: bool = False) -> list[T]:
        """A parenthesized list."""
        self.open()
        found: list[T] = []
        if not (empty and self.at(b")")):
            found.append(item())
            while self.take(b" "):
                found.append(item())
        self.close()
        return found

    def open(self) -> None:
        """An opening parenthesis; too many of them, one in the other, are refused."""
        self.expect(b"(")
        self._depth += 1
        if self._depth > limits.IMAP_DEPTH:
            raise SyntaxFault("Too many nested parentheses", self.position - 1)

    def close(self) -> None:
        """A closing parenthesis."""
        self.expect(b")")
        self._depth -= 1

    def flag(self) -> str:
        """RFC 3501, 9: flag. System flags in the RFC's spelling.

        ``\\Recent`` and ``\\*`` are no flags that a client may give.
        """
        start = self.position
        text = self.match(_FLAG, "a flag").decode("ascii")
        if not text.startswith("\\"):
            return text
        known = SYSTEM_FLAGS.get(text.lower())
        if known is None:
            raise SyntaxFault(f"{text} is no flag that a client can set", start)
        return known

    def flags(self) -> frozenset[str]:
        """RFC 3501, 9: flag-list."""
        return frozenset(self.items(self.flag, empty=True))


def decode_name(name: bytes, *, utf8: bool = False) -> str:
    """A mailbox's name as it was sent.

    Args:
        utf8: it is UTF-8, and ``&`` nothing special (RFC 9051, 5.1).

    Raises:
        ValueError: neither modified UTF-7 nor UTF-8, or with control characters.
    """
    text = utf7.decode(name) if name.isascii() and not utf8 else name.decode("utf-8")
    if any(ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u2028\u2029" for c in text):
        raise ValueError("control characters")
    return text

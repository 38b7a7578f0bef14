"""The query language: what people and programs type to find messages, parsed into a tree of ``search``.

    welcome "reset your password" -spam from:alice subject:"Hello Bob" is:unread has:attachment larger:100k

All terms must fit. ``-`` or ``!`` before a term: it must not. A term is a word or a ``"phrase"``, searched for where
people look, or a name, a colon and a value, which may be in quotes too (``\\"`` and ``\\\\`` stand for themselves
there). Nothing distinguishes case. A word with a colon whose name is none is a word, but one that is nearly a name is
an error: most likely it was meant to be one.
"""

import difflib
import re
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final, TypeAlias, get_args

from ..errors import QueryError
from . import conditions, search
from .rows import Origin
from .search import And, Flag, HeaderContains, Larger, Not, Or, Smaller, Tree

LONGEST: Final = 4_000  # characters of a query
MOST: Final = 200  # terms

_NAME: Final = re.compile(r"([A-Za-z][A-Za-z-]*):")
_SIZE: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?) ?([kmg]?)(?:i?b)?", re.IGNORECASE)
_UNITS: Final = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_SEEN: Final = "\\Seen"
_ADDRESSED: Final = ("from", "to", "cc", "bcc", "reply-to")


@lru_cache(maxsize=64)
def parse(text: str, zone: tzinfo = UTC) -> Tree:
    """The tree of a query; an empty query fits every message.

    Args:
        zone: of times that are written without one.

    Raises:
        QueryError: it cannot be understood; the text says what and where.
    """
    return _Parser(text, zone).parse()


def asks_for_origin(tree: Tree) -> bool:
    """Whether a query says by which way messages came: else it is about those that were submitted."""
    if isinstance(tree, And | Or):
        return any(asks_for_origin(part) for part in tree.trees)
    if isinstance(tree, Not):
        return asks_for_origin(tree.tree)
    return isinstance(tree, conditions.CameBy)


class _Parser:
    def __init__(self, text: str, zone: tzinfo) -> None:
        if len(text) > LONGEST:
            raise QueryError(f"a query has at most {LONGEST} characters", LONGEST)
        self._text = text
        self._at = 0
        self._zone = zone

    def parse(self) -> Tree:
        terms: list[Tree] = []
        while self._skip_space():
            if len(terms) == MOST:
                raise QueryError(f"a query has at most {MOST} terms", self._at)
            terms.append(self._term())
        terms = _together(terms)
        if not terms:
            return search.All()
        return terms[0] if len(terms) == 1 else And(tuple(terms))

    def _skip_space(self) -> bool:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1
        return self._at < len(self._text)

    def _term(self) -> Tree:
        start = self._at
        negated = self._text[start] in "-!"
        if negated:
            self._at += 1
            if self._at == len(self._text) or self._text[self._at].isspace():
                raise QueryError(f"{self._text[start]} stands right before a term; in quotes it is text", start)
        tree = self._positive()
        return Not(tree) if negated else tree

    def _positive(self) -> Tree:
        start = self._at
        if (found := _NAME.match(self._text, start)) is not None:
            name = found[1].lower()
            if (make := _TERMS.get(name)) is not None:
                self._at = found.end()
                value = self._value(name)
                try:
                    return make(value, self._zone)
                except ValueError as error:
                    raise QueryError(str(error), found.end()) from None
            if near := difflib.get_close_matches(name, _TERMS, 1, 0.75):
                raise QueryError(f"there is no {name}: but {near[0]}: (in quotes it is text)", start)
        if self._text[start] == '"':
            if not (text := self._quoted()).strip():
                raise QueryError("there is nothing in the quotes", start)
            return conditions.Words(text)
        return conditions.Words(self._word())

    def _value(self, name: str) -> str:
        start = self._at
        if self._text[start : start + 1] == '"':
            value = self._quoted()
        else:
            value = self._word()
        if not value.strip() and name != "scope":  # the first scope's name is empty
            raise QueryError(f"{name}: is followed by what is looked for, without a space", start)
        return value

    def _word(self) -> str:
        start = self._at
        while self._at < len(self._text) and not self._text[self._at].isspace():
            self._at += 1
        return self._text[start : self._at]

    def _quoted(self) -> str:
        start = self._at
        taken: list[str] = []
        self._at += 1
        while self._at < len(self._text):
            character = self._text[self._at]
            self._at += 1
            if character == '"':
                return "".join(taken)
            if character == "\\" and self._text[self._at : self._at + 1] in ('"', "\\"):
                character = self._text[self._at]
                self._at += 1
            taken.append(character)
        raise QueryError("the quotes are not closed", start)


def _together(terms: list[Tree]) -> list[Tree]:
    """``account:bob mailbox:Archive`` is one place, not two."""
    accounts = [term for term in terms if isinstance(term, conditions.Filed) and term.account is not None]
    mailboxes = [term for term in terms if isinstance(term, conditions.Filed) and term.mailbox is not None]
    if len(accounts) != 1 or len(mailboxes) != 1:
        return terms
    rest = [term for term in terms if term is not accounts[0] and term is not mailboxes[0]]
    return [*rest, conditions.Filed(accounts[0].account, mailboxes[0].mailbox)]


# ---------------------------------------------------------------- what stands behind a colon


def _field(name: str) -> Callable[[str], Tree]:
    return lambda value: HeaderContains(name, value)


def _addressed(value: str) -> Tree:
    fields = tuple(HeaderContains(name, value) for name in _ADDRESSED)
    return Or((*fields, conditions.EnvelopeTo(value)))


def _header(value: str) -> Tree:
    name, _, text = value.partition(":")
    if not name.strip() or any(character.isspace() for character in name.strip()):
        raise ValueError(f'header: is followed by a name, or by "Name: value", not {value!r}')
    return HeaderContains(name.strip(), text.strip())


def _tag(value: str) -> Tree:
    if not conditions.is_tag(value):
        raise ValueError(f"{value!r} is a flag, not a tag")
    return Flag(value)


def _one_of(name: str, known: dict[str, Tree]) -> Callable[[str], Tree]:
    def make(value: str) -> Tree:
        found = known.get(value.lower())
        if found is None:
            raise ValueError(f"{name}: is followed by one of {', '.join(known)}, not {value!r}")
        return found

    return make


def _size(value: str) -> int:
    found = _SIZE.fullmatch(value.strip())
    if found is None:
        raise ValueError(f"a size is a number of octets, as 20000, 100k or 1.5MB, not {value!r}")
    return int(float(found[1]) * _UNITS[found[2].lower()])


def _moment(value: str, zone: tzinfo) -> float:
    text = value.strip().replace("/", "-") if "," not in value else value
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            found = read(text)
            return (found if found.tzinfo is not None else found.replace(tzinfo=zone)).timestamp()
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    raise ValueError(f"a time is a day or a moment, as 2026-07-20 or 2026-07-20T14:03:00+02:00, not {value!r}")


def _since(value: str) -> Tree:
    life, _, seq = value.rpartition(":")
    if _NUMBER.fullmatch(seq) is None:
        raise ValueError(f"since: is followed by a mark, <life>:<seq>, or by a seq, not {value!r}")
    return conditions.After(int(seq), life)


_HAS: Final[dict[str, Tree]] = {
    "attachment": conditions.Attached(), "attachments": conditions.Attached(),
    "inline": conditions.Attached(inline=True), "inlines": conditions.Attached(inline=True),
}  # fmt: skip


def _plain(make: Callable[[str], Tree]) -> "_Make":
    return lambda value, _: make(value)


_Make: TypeAlias = Callable[[str, tzinfo], Tree]
_TERMS: Final[dict[str, _Make]] = {
    "from": _plain(_field("from")),
    "to": _plain(_field("to")),
    "cc": _plain(_field("cc")),
    "bcc": _plain(conditions.Blind),
    "addressed": _plain(_addressed),
    "reply-to": _plain(_field("reply-to")),
    "subject": _plain(_field("subject")),
    "message-id": _plain(_field("message-id")),
    "tag": _plain(_tag),
    "is": _plain(_one_of("is", {"read": Flag(_SEEN), "unread": Flag(_SEEN, False), "tagged": conditions.Tagged()})),
    "has": _plain(_one_of("has", _HAS)),
    "after": lambda value, zone: conditions.ReceivedSince(_moment(value, zone)),
    "before": lambda value, zone: conditions.ReceivedBefore(_moment(value, zone)),
    "larger": lambda value, _: Larger(_size(value)),
    "smaller": lambda value, _: Smaller(_size(value)),
    "envelope-from": _plain(conditions.EnvelopeFrom),
    "envelope-to": _plain(conditions.EnvelopeTo),
    "mailbox": lambda value, _: conditions.Filed(mailbox=value),
    "account": lambda value, _: conditions.Filed(account=value),
    "scope": _plain(conditions.InScope),
    "origin": _plain(_one_of("origin", {origin: conditions.CameBy(origin) for origin in get_args(Origin)})),
    "header": _plain(_header),
    "session": _plain(conditions.OfSession),
    "since": _plain(_since),
}
NAMES: Final = tuple(_TERMS)

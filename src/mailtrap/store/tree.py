"""What a mailbox can be searched for: a tree of conditions, and what a tree alone says of itself.

An IMAP SEARCH, a query (``query``) and the query of a wait are all such a tree. Stores with SQL make a condition of it
(``sql_find``), and each has the test of a copy (``predicate``).

Dates are compared in UTC, without the time of day; the ones of ``Sent...`` are those written in the ``Date`` field,
whatever its zone.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

from . import conditions
from .alike import Alike


@dataclass(frozen=True, slots=True)
class All:
    """Every copy."""


@dataclass(frozen=True, slots=True)
class And:
    """All of these."""

    trees: tuple["Tree", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of these."""

    trees: tuple["Tree", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Not this."""

    tree: "Tree"


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag or keyword is set, or is not."""

    name: str
    is_set: bool = True


@dataclass(frozen=True, slots=True)
class Uids:
    """The UID is in one of these ranges, both ends included."""

    ranges: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, uids: Iterable[int]) -> "Uids":
        """One of these UIDs."""
        return cls(merged([(uid, uid) for uid in uids]))


@dataclass(frozen=True, slots=True)
class HeaderContains:
    """A header field of this name has the text in its decoded value. An empty text: there is such a field."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """The text is in a header field or in the body."""

    text: str


@dataclass(frozen=True, slots=True)
class Body:
    """The text is in the body."""

    text: str


@dataclass(frozen=True, slots=True)
class Before:
    """The internal date is before this day."""

    day: date


@dataclass(frozen=True, slots=True)
class On:
    """The internal date is this day."""

    day: date


@dataclass(frozen=True, slots=True)
class Since:
    """The internal date is this day or later."""

    day: date


@dataclass(frozen=True, slots=True)
class SavedBefore:
    """The copy was saved before this day (RFC 8514)."""

    day: date


@dataclass(frozen=True, slots=True)
class SavedOn:
    """The copy was saved on this day (RFC 8514)."""

    day: date


@dataclass(frozen=True, slots=True)
class SavedSince:
    """The copy was saved on this day or later (RFC 8514)."""

    day: date


@dataclass(frozen=True, slots=True)
class SentBefore:
    """The ``Date`` field is before this day."""

    day: date


@dataclass(frozen=True, slots=True)
class SentOn:
    """The ``Date`` field is this day."""

    day: date


@dataclass(frozen=True, slots=True)
class SentSince:
    """The ``Date`` field is this day or later."""

    day: date


@dataclass(frozen=True, slots=True)
class Larger:
    """More octets than this, as served."""

    octets: int


@dataclass(frozen=True, slots=True)
class Smaller:
    """Fewer octets than this, as served."""

    octets: int


@dataclass(frozen=True, slots=True)
class ModSeq:
    """The MODSEQ is this or greater (RFC 7162, 3.1.5)."""

    modseq: int


@dataclass(frozen=True, slots=True)
class Older:
    """The internal date is at least so many seconds ago, counted in whole seconds (RFC 5032, 2)."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Younger:
    """The internal date is at most so many seconds ago, counted in whole seconds (RFC 5032, 2)."""

    seconds: float


@dataclass(frozen=True, slots=True)
class OfMessage:
    """It is a copy of the message with this public id."""

    id: str


@dataclass(frozen=True, slots=True)
class Numbered:
    """It is a copy of the message with this number."""

    number: int


@dataclass(frozen=True, slots=True)
class OfThread:
    """It belongs to this conversation; see ``thread_of``."""

    thread: str


# what a copy decides, then of those the ones about a day, then what facts decide
Plain: TypeAlias = All | Flag | Uids | OfMessage | Numbered | Larger | Smaller | ModSeq | Older | Younger
Dated: TypeAlias = Before | On | Since | SavedBefore | SavedOn | SavedSince
_OfFacts: TypeAlias = HeaderContains | Text | Body | Alike | OfThread | SentBefore | SentOn | SentSince
Tree: TypeAlias = And | Or | Not | Plain | Dated | _OfFacts | conditions.Condition


def intervals(tree: Tree) -> frozenset[float]:
    """The seconds that ``Older`` and ``Younger`` count back, so that what fits changes by itself."""
    match tree:
        case And(trees) | Or(trees):
            return frozenset[float]().union(*map(intervals, trees))
        case Not(part):
            return intervals(part)
        case Older(seconds) | Younger(seconds):
            return frozenset((seconds,))
        case _:
            return frozenset()


def next_change(seconds: Iterable[float], dates: Iterable[float], now: float) -> float:
    """When the next of these internal dates passes one of the intervals; infinity where none will."""
    passed = (date // 1 + interval + after for interval in seconds for date in dates for after in (0, 1))
    return min((moment for moment in passed if moment > now), default=math.inf)


def fuzzy(tree: Tree) -> Tree:
    """The same with text that need only be nearly there (RFC 6203, 3); what is no text is as it was (5)."""
    match tree:
        case And(trees):
            return And(tuple(map(fuzzy, trees)))
        case Or(trees):
            return Or(tuple(map(fuzzy, trees)))
        case Not(part):
            return Not(fuzzy(part))
        case HeaderContains(name, text):
            return Alike("header", text, name)
        case Text(text):
            return Alike("text", text)
        case Body(text):
            return Alike("body", text)
        case _:
            return tree


def relevancy(tree: Tree) -> list[Alike]:
    """The fuzzy conditions of a tree, by which relevancy is measured; without those that must not fit."""
    if isinstance(tree, And | Or):
        return [found for part in tree.trees for found in relevancy(part)]
    return [tree] if isinstance(tree, Alike) else []


def merged(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The same UIDs as ascending ranges that do not touch. A range may come with its ends swapped (RFC 9051, 9)."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted((min(pair), max(pair)) for pair in ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return tuple(joined)

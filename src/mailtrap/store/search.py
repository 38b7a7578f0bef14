"""What a mailbox can be searched for: a tree of conditions, compiled once per search.

A condition is asked twice. First of the copy alone, where it may say that it cannot tell (None); what flags, dates and
sizes decide is decided then. Only the copies left are asked again with their facts, which may have to be computed.

Text is compared as a substring, without case, as i;unicode-casemap does (RFC 9051, 6.4.4; RFC 5255). Dates are compared
in UTC, without the time of day; the ones of ``Sent...`` are those written in the ``Date`` field, whatever its zone.
"""

import math
from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from .. import clock
from ..message import fields
from ..message.collation import folded
from ..message.facts import Facts, head_text, named_in
from . import alike, conditions
from .alike import Alike
from .conditions import Test
from .rows import CopyRow

if TYPE_CHECKING:
    from .base import Store

_CHUNK: Final = 256  # copies whose facts are asked for at once
_MANY: Final = 10_000  # UIDs that are named one by one
_EPOCH: Final = date(1970, 1, 1).toordinal()


# ---------------------------------------------------------------- the tree


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
        return cls(_merged([(uid, uid) for uid in uids]))


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


_Plain: TypeAlias = All | Flag | Uids | OfMessage | Numbered | Larger | Smaller | ModSeq | Older | Younger
_Dated: TypeAlias = Before | On | Since | SavedBefore | SavedOn | SavedSince
_OfFacts: TypeAlias = HeaderContains | Text | Body | Alike | OfThread | SentBefore | SentOn | SentSince
Tree: TypeAlias = And | Or | Not | _Plain | _Dated | _OfFacts | conditions.Condition


# ---------------------------------------------------------------- compiled


class Predicate(NamedTuple):
    """A compiled tree.

    Attributes:
        test: asked with a copy and its facts: whether it fits. Without facts it may be None: it cannot tell.
        kinds: the kinds of facts it needs; empty: it always can tell.
        blind: without facts it never can.
    """

    test: Test
    kinds: frozenset[str]
    blind: bool = False


def predicate(tree: Tree) -> Predicate:
    """Compile a tree; ``Older`` and ``Younger`` count from now."""
    return _compile(tree, clock.now())


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


def run(store: "Store", mailbox: int, tree: Tree) -> Sequence[int]:
    """The UIDs of the copies in a mailbox that fit, ascending."""
    if isinstance(tree, All):
        return store.snapshot(mailbox).uids
    named, rest = _named(tree)
    test, kinds, blind = predicate(rest)
    found: list[int] = []
    undecided: list[CopyRow] = []
    copies = store.copies(mailbox, named)
    if blind:
        undecided += copies
    else:
        for copy in copies:
            fits = test(copy, None)
            if fits:
                found.append(copy.uid)
            elif fits is None:
                undecided.append(copy)
    for start in range(0, len(undecided), _CHUNK):
        chunk = undecided[start : start + _CHUNK]
        for copy, facts in zip(chunk, store.facts([copy.message.seq for copy in chunk], kinds), strict=True):
            if facts is not None and test(copy, facts):  # None: it was taken away meanwhile
                found.append(copy.uid)
    found.sort()
    return found


def _named(tree: Tree) -> tuple[Collection[int] | None, Tree]:
    """The UIDs outside of which nothing fits, where that is easily said, else None; and what of these fits."""
    if isinstance(tree, And):
        for place, part in enumerate(tree.trees):
            named, rest = _named(part)
            if named is not None:
                others = (*tree.trees[:place], *tree.trees[place + 1 :])
                if not isinstance(rest, All):
                    others = (rest, *others)
                return named, others[0] if len(others) == 1 else And(others)
    elif isinstance(tree, Uids):
        ranges = _merged(tree.ranges)
        if len(ranges) == 1:
            return range(ranges[0][0], ranges[0][1] + 1), All()
        if sum(last - first + 1 for first, last in ranges) <= _MANY:
            return {uid for first, last in ranges for uid in range(first, last + 1)}, All()
    return None, tree


_CHEAP: Final[frozenset[str]] = frozenset()


def _compile(tree: Tree, now: float) -> Predicate:
    if isinstance(tree, And | Or):
        parts = [_compile(part, now) for part in tree.trees]
        parts.sort(key=lambda part: len(part.kinds))  # the cheap ones first
        kinds = _CHEAP.union(*(part.kinds for part in parts))
        blind = bool(parts) and all(part.blind for part in parts)
        return Predicate(_junction([part.test for part in parts], isinstance(tree, And)), kinds, blind)
    if isinstance(tree, Not):
        part = _compile(tree.tree, now)
        return Predicate(_negation(part.test), part.kinds, part.blind)
    if isinstance(tree, HeaderContains):
        name, text = tree.name.lower(), folded(tree.text)
        if "\n" in text or not name.isascii():  # it may reach from one field into another
            return Predicate(_header(name, text), frozenset({"headers"}), True)
        return Predicate(_in_head(name, text), frozenset({"head"}), True)
    if isinstance(tree, Text):
        return Predicate(_text(folded(tree.text)), frozenset({"head", "text"}), True)
    if isinstance(tree, Body):
        return Predicate(_body(folded(tree.text)), frozenset({"text"}), True)
    if isinstance(tree, OfThread):
        return Predicate(_of_thread(tree.thread), frozenset({"threading"}))
    if isinstance(tree, Alike):
        return Predicate(*alike.compiled(tree))
    if isinstance(tree, SentBefore | SentOn | SentSince):
        return Predicate(_sent(tree), frozenset({"headers"}))
    if isinstance(tree, conditions.Costly):
        return Predicate(*conditions.costly(tree))
    if isinstance(tree, conditions.Cheap):
        return Predicate(conditions.cheap(tree), _CHEAP)
    if isinstance(tree, conditions.Filed):
        raise TypeError("where a message is filed only the store can say: see finding.bound")
    return Predicate(_cheap(tree, now), _CHEAP)


def _cheap(tree: _Plain | _Dated, now: float) -> Test:
    """A condition that the copy decides."""
    match tree:
        case All():
            return lambda _copy, _facts: True
        case Flag(name, is_set):
            return _flag(name.lower(), is_set)
        case Uids(ranges):
            return _uids(_merged(ranges))
        case OfMessage(id_):
            return lambda copy, _: copy.message.id == id_
        case Numbered(number):
            return lambda copy, _: copy.message.number == number
        case Larger(octets):
            return lambda copy, _: copy.size > octets
        case Smaller(octets):
            return lambda copy, _: copy.size < octets
        case ModSeq(modseq):
            return lambda copy, _: copy.modseq >= modseq
        case Older(seconds):
            return lambda copy, _: copy.internal_date // 1 <= now // 1 - seconds
        case Younger(seconds):
            return lambda copy, _: copy.internal_date // 1 >= now // 1 - seconds
        case _:
            return _dated(tree)


def _dated(tree: _Dated) -> Test:
    start = (tree.day.toordinal() - _EPOCH) * 86400
    end = start + 86400
    match tree:
        case Before():
            return lambda copy, _: copy.internal_date < start
        case On():
            return lambda copy, _: start <= copy.internal_date < end
        case Since():
            return lambda copy, _: copy.internal_date >= start
        case SavedBefore():
            return lambda copy, _: copy.save_date < start
        case SavedOn():
            return lambda copy, _: start <= copy.save_date < end
        case SavedSince():
            return lambda copy, _: copy.save_date >= start


def _junction(tests: Sequence[Test], every: bool) -> Test:
    def test(copy: CopyRow, facts: Facts | None) -> bool | None:
        answer: bool | None = every
        for part in tests:
            fits = part(copy, facts)
            if fits is None:
                answer = None
            elif fits is not every:
                return fits  # one that fails decides an And, one that fits decides an Or
        return answer

    return test


def _negation(part: Test) -> Test:
    def test(copy: CopyRow, facts: Facts | None) -> bool | None:
        fits = part(copy, facts)
        return None if fits is None else not fits

    return test


def _flag(lower: str, is_set: bool) -> Test:
    known: dict[frozenset[str], bool] = {}

    def test(copy: CopyRow, _: Facts | None) -> bool:
        fits = known.get(copy.flags)
        if fits is None:
            has = any(flag.lower() == lower for flag in copy.flags)
            fits = known[copy.flags] = has is is_set
        return fits

    return test


def _uids(ranges: Sequence[tuple[int, int]]) -> Test:
    starts = [first for first, _ in ranges]

    def test(copy: CopyRow, _: Facts | None) -> bool:
        position = bisect_right(starts, copy.uid) - 1
        return position >= 0 and copy.uid <= ranges[position][1]

    return test


def _merged(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The same UIDs as ascending ranges that do not touch. A range may come with its ends swapped (RFC 9051, 9)."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted((min(pair), max(pair)) for pair in ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)


def _headers(copy: CopyRow, facts: Facts) -> Iterable[tuple[str, str]]:
    """The header fields as served: a copy's own before the message's."""
    assert facts.headers is not None
    if not copy.prefix:
        return facts.headers
    return (*fields.decoded(fields.split(copy.prefix)), *facts.headers)


def _header(name: str, text: str) -> Test:
    def test(copy: CopyRow, facts: Facts | None) -> bool | None:
        if facts is None:
            return None
        values = [value for field, value in _headers(copy, facts) if field == name]
        return bool(values) and text in folded("\n".join(values))

    return test


def _in_head(name: str, text: str) -> Test:
    def test(copy: CopyRow, facts: Facts | None) -> bool | None:
        if facts is None:
            return None
        assert facts.head is not None
        if text in facts.head and named_in(facts.head, name, text):
            return True
        return bool(copy.prefix) and named_in(head_text(fields.decoded(fields.split(copy.prefix))), name, text)

    return test


def _text(text: str) -> Test:
    def test(copy: CopyRow, facts: Facts | None) -> bool | None:
        if facts is None:
            return None
        assert facts.text is not None
        assert facts.head is not None
        if text in facts.text or text in facts.head:
            return True
        return bool(copy.prefix) and text in head_text(fields.decoded(fields.split(copy.prefix)))

    return test


def thread_of(copy: CopyRow, facts: Facts) -> str:
    """The conversation of a message: one for all that name the same oldest message; else it is alone in its own.

    Nothing is kept for it: it follows from the message's header, so copies have the same, and it never changes.
    """
    assert facts.threading is not None
    return facts.threading.root or copy.message.id


def _of_thread(thread: str) -> Test:
    def test(copy: CopyRow, facts: Facts | None) -> bool | None:
        return None if facts is None else thread_of(copy, facts) == thread

    return test


def _body(text: str) -> Test:
    def test(_: CopyRow, facts: Facts | None) -> bool | None:
        if facts is None:
            return None
        assert facts.text is not None
        return text in facts.text

    return test


def _sent(tree: SentBefore | SentOn | SentSince) -> Test:
    from email.utils import parsedate  # here, because few searches need it

    def test(copy: CopyRow, facts: Facts | None) -> bool | None:
        if facts is None:
            return None
        written = next((value for name, value in _headers(copy, facts) if name == "date"), "")
        try:
            year, month, day, *_ = parsedate(written) or (0, 0, 0)
            sent = date(year, month, day)
        except (ValueError, OverflowError, IndexError, TypeError):
            return False  # a date that is none fits nothing, whatever way the parser fails on it
        if isinstance(tree, SentBefore):
            return sent < tree.day
        return sent == tree.day if isinstance(tree, SentOn) else sent >= tree.day

    return test

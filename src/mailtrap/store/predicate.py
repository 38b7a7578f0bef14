"""A tree of conditions as a test of one copy, compiled once per search.

A condition is asked twice. First of the copy alone, where it may say that it cannot tell (None); what flags, dates and
sizes decide is decided then. Only the copies left are asked again with their facts, which may have to be computed.

Text is compared as a substring, without case, as i;unicode-casemap does (RFC 9051, 6.4.4; RFC 5255).
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final, NamedTuple

from .. import clock
from ..message import fields
from ..message.collation import folded
from ..message.facts import Facts, head_text, named_in
from . import alike, conditions
from .alike import Alike
from .conditions import Test
from .rows import CopyRow
from .tree import (
    All,
    And,
    Before,
    Body,
    Dated,
    Flag,
    HeaderContains,
    Larger,
    ModSeq,
    Not,
    Numbered,
    OfMessage,
    OfThread,
    Older,
    On,
    Or,
    Plain,
    SavedBefore,
    SavedOn,
    SavedSince,
    SentBefore,
    SentOn,
    SentSince,
    Since,
    Smaller,
    Text,
    Tree,
    Uids,
    Younger,
    merged,
)

_EPOCH: Final = date(1970, 1, 1).toordinal()
_CHEAP: Final[frozenset[str]] = frozenset()


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


def _cheap(tree: Plain | Dated, now: float) -> Test:
    """A condition that the copy decides."""
    match tree:
        case All():
            return lambda _copy, _facts: True
        case Flag(name, is_set):
            return _flag(name.lower(), is_set)
        case Uids(ranges):
            return _uids(merged(ranges))
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


def _dated(tree: Dated) -> Test:
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

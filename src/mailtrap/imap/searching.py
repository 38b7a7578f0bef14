"""What SEARCH, SORT, THREAD and their kin have in common: finding messages, and asking what is known of them.

What has to be computed from messages is asked for in slices, and others run between two of them.
"""

import math
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from typing import Any, Final

from .. import clock
from ..message.facts import Facts
from ..store.alike import score
from ..store.base import Store
from ..store.rows import CopyRow
from ..store.search import And, Tree, Uids, intervals, predicate, relevancy
from ..store.search import next_change as moment
from ..wire.steps import Call, Pause, Step
from . import gmail

_FEW: Final = 16  # messages in the first slice; more when it goes quickly
_MANY: Final = 512
_QUICK: Final = 0.002  # seconds: a slice below it may grow
_LONG: Final = 0.004  # seconds of work after which others may run


def breathe(since: float, done: int = 0, total: int = 0) -> Generator[Step, Any, float]:
    """Let others run where this has worked for long; when it last did.

    Args:
        done, total: how many messages were looked at, and of how many; 0 where that is not known.
    """
    if clock.monotonic() - since <= _LONG:
        return since
    yield Pause(done, total)
    return clock.monotonic()


def find(store: Store, mailbox: int, uids: Sequence[int], tree: Tree) -> Generator[Step, Any, Sequence[int]]:
    """The UIDs of a mailbox that a tree fits, ascending.

    Args:
        uids: those that the mailbox has; another may be among the answer.
    """
    if gmail.asks_for_places(tree):
        account = (yield Call(store.mailbox_row, mailbox)).account
        tree = yield Call(gmail.bound, store, account, tree)
    if store.blocking or not predicate(tree).kinds:
        everything: Sequence[int] = yield Call(store.search, mailbox, tree)
        return everything
    found: list[int] = []
    size, position = _FEW, 0
    paused = clock.monotonic()
    while position < len(uids):
        began = clock.monotonic()
        part = uids[position : position + size]
        position += len(part)
        found += yield Call(store.search, mailbox, And((Uids(((part[0], part[-1]),)), tree)))
        size = _next_size(size, began)
        paused = yield from breathe(paused, position, len(uids))
    return found


def known(
    store: Store, mailbox: int, uids: Sequence[int], kinds: Collection[str],
    keep: Callable[[Sequence[CopyRow], Sequence[Facts]], None],
) -> Generator[Step, Any, None]:  # fmt: skip
    """Ask for copies and their facts, in the order of the UIDs; without those that were taken away.

    Args:
        keep: is given each slice, and keeps what is wanted of it: ten thousand copies at once are much to hold.
    """
    size, position = _FEW if kinds else _MANY, 0
    paused = clock.monotonic()
    while position < len(uids):
        began = clock.monotonic()
        part = uids[position : position + size]
        position += len(part)
        keep(*(yield Call(_known, store, mailbox, part, kinds)))
        size = _next_size(size, began)
        paused = yield from breathe(paused, position, len(uids))


_NOTHING: Final = Facts()


def _known(
    store: Store, mailbox: int, uids: Sequence[int], kinds: Collection[str]
) -> tuple[Sequence[CopyRow], Sequence[Facts]]:
    rows = store.copies(mailbox, uids)
    if not kinds:
        return rows, [_NOTHING] * len(rows)
    known = store.facts([row.message.seq for row in rows], kinds)
    there = [facts for facts in known if facts is not None]
    if len(there) < len(rows):
        rows = [row for row, facts in zip(rows, known, strict=True) if facts is not None]
    return rows, there


def highest_modseq(store: Store, mailbox: int, uids: Sequence[int]) -> Generator[Step, Any, bytes]:
    """The highest MODSEQ of some copies (RFC 7162, 3.1.5); ``b""`` where there is none."""
    copies: Sequence[CopyRow] = yield Call(store.copies, mailbox, uids)
    return b"%d" % max(copy.modseq for copy in copies) if copies else b""


def next_change(store: Store, mailbox: int, uids: Sequence[int], tree: Tree) -> Generator[Step, Any, float]:
    """When, in seconds since the epoch, time alone changes which of the messages a tree fits; infinity: never."""
    seconds = intervals(tree)
    if not seconds:
        return math.inf
    dates: set[float] = set()
    yield from known(store, mailbox, uids, (), lambda copies, _: dates.update(copy.internal_date for copy in copies))
    return moment(seconds, dates, clock.now())


def scored(store: Store, mailbox: int, found: Sequence[int], tree: Tree) -> Generator[Step, Any, Mapping[int, int]]:
    """How well each of the messages fits a fuzzy search, from 1 to 100; empty where nothing tells."""
    conditions = relevancy(tree)
    if not conditions:
        return {}
    kinds = frozenset[str]().union(*(condition.kinds for condition in conditions))
    measure = score(conditions)
    scores: dict[int, int] = {}

    def keep(copies: Sequence[CopyRow], facts: Sequence[Facts]) -> None:
        scores.update([(copy.uid, measure(copy, known)) for copy, known in zip(copies, facts, strict=True)])

    yield from known(store, mailbox, found, kinds, keep)
    return scores


def _next_size(size: int, began: float) -> int:
    return min(size * 2, _MANY) if clock.monotonic() - began < _QUICK else max(size // 2, 1)

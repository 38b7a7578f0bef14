"""A search of a mailbox: the tree that says for what, and how it is run where copies have to be looked at.

Whoever searches takes the names from here: those of ``tree``, and those of ``predicate`` that are not only its own.
"""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

from .predicate import Predicate, predicate, thread_of
from .rows import CopyRow
from .tree import (
    All,
    And,
    Before,
    Body,
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
    fuzzy,
    intervals,
    merged,
    next_change,
    relevancy,
)

if TYPE_CHECKING:
    from .base import Store

__all__ = [
    "All",
    "And",
    "Before",
    "Body",
    "Flag",
    "fuzzy",
    "HeaderContains",
    "intervals",
    "Larger",
    "ModSeq",
    "next_change",
    "Not",
    "Numbered",
    "OfMessage",
    "OfThread",
    "Older",
    "On",
    "Or",
    "Predicate",
    "predicate",
    "relevancy",
    "run",
    "SavedBefore",
    "SavedOn",
    "SavedSince",
    "SentBefore",
    "SentOn",
    "SentSince",
    "Since",
    "Smaller",
    "Text",
    "thread_of",
    "Tree",
    "Uids",
    "Younger",
]

_CHUNK: Final = 256  # copies whose facts are asked for at once
_MANY: Final = 10_000  # UIDs that are named one by one


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
        ranges = merged(tree.ranges)
        if len(ranges) == 1:
            return range(ranges[0][0], ranges[0][1] + 1), All()
        if sum(last - first + 1 for first, last in ranges) <= _MANY:
            return {uid for first, last in ranges for uid in range(first, last + 1)}, All()
    return None, tree

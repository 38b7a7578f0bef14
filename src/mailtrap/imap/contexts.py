"""Searches that are kept up to date (RFC 5267, 4.3): what has to be said when their results change."""

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from ..store.search import Tree
from . import sequence
from .fetch_items import Item
from .ordered import Criterion
from .results import correlator

Update: TypeAlias = tuple[str, int, list[int]]  # ADDTO or REMOVEFROM, the place, the UIDs
_IN_MAILBOX_ORDER: Final = 0  # the place of results that are in mailbox order


@dataclass(slots=True)
class Context:
    """One search. What a message is sorted by never changes, so two results never change places.

    Attributes:
        uid: whether its results are UIDs.
        tree: what is searched for.
        criteria: how it is sorted; None: in mailbox order.
        found: UIDs of the results in their order, as the client knows them.
        fuzzy: whether it has conditions that fit more or less.
        mailbox: what the responses say of the mailbox (RFC 7377, 2.1); see ``correlator``.
        items: what is told of a message that arrives and is a result (RFC 5465, 7).
        due: when time alone changes what fits, in seconds since the epoch (RFC 5032, 2); infinity: it never does.
    """

    tag: bytes
    uid: bool
    tree: Tree
    criteria: Sequence[Criterion] | None
    found: list[int]
    fuzzy: bool = False
    mailbox: bytes = b""
    items: Sequence[Item] = ()
    due: float = math.inf

    def without(self, gone: Collection[int]) -> list[Update]:
        """Take out results; what the client has to be told."""
        return self._remove([uid for uid in self.found if uid in gone]) if gone else []

    def become(self, found: Sequence[int]) -> list[Update]:
        """Take new results in the place of the old ones; what the client has to be told, in this order."""
        there = set(found)
        updates = self._remove([uid for uid in self.found if uid not in there])
        old = set(self.found)
        self.found = list(found)
        return updates + _added(found, old, in_mailbox_order=self.criteria is None)

    def _remove(self, uids: Sequence[int]) -> list[Update]:
        if not uids:
            return []
        gone = set(uids)
        updates: list[Update] = []
        if self.criteria is None:
            updates.append(("REMOVEFROM", _IN_MAILBOX_ORDER, sorted(uids)))
        else:
            place = 1
            for uid in self.found:
                if uid not in gone:
                    place += 1
                elif updates and updates[-1][1] == place:
                    updates[-1][2].append(uid)  # what stood behind the one before it has taken its place
                else:
                    updates.append(("REMOVEFROM", place, [uid]))
        self.found = [uid for uid in self.found if uid not in gone]
        return updates

    def response(self, updates: Iterable[Update], number: Callable[[int], int]) -> bytes:
        """The ESEARCH response that tells of updates.

        Args:
            number: the sequence number of a UID, for results that are numbers.
        """
        items: list[tuple[str, list[bytes]]] = []
        for name, place, uids in updates:
            numbers = sequence.encode(uids if self.uid else map(number, uids))
            if not items or items[-1][0] != name:
                items.append((name, []))
            items[-1][1].append(b"%d %b" % (place, numbers))
        if not items:
            return b""
        data = b" ".join(b"%b (%b)" % (name.encode(), b" ".join(pairs)) for name, pairs in items)
        return b"%b %b\r\n" % (correlator(self.tag, uid=self.uid, mailbox=self.mailbox), data)


def _added(found: Sequence[int], old: Collection[int], *, in_mailbox_order: bool) -> list[Update]:
    fresh = [uid for uid in found if uid not in old]
    if not fresh:
        return []
    if in_mailbox_order:
        return [("ADDTO", _IN_MAILBOX_ORDER, fresh)]
    updates: list[Update] = []
    previous = 0
    for place, uid in enumerate(found, 1):
        if uid in old:
            continue
        if updates and previous == place - 1:
            updates[-1][2].append(uid)
        else:
            updates.append(("ADDTO", place, [uid]))
        previous = place
    return updates

"""Messages into conversations: the algorithms of THREAD (RFC 5256, 3; REFS: draft-ietf-morg-inthread, 4).

Each is a generator that yields now and then, so that others may run, and returns the threads in their order. Nothing
is recursive: a conversation may be as deep as it likes.

A node is a number: a message's place among all, or beyond them the place of a message that is not there. So a mailbox
of many messages makes few objects, and most of its messages, which are alone, none.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Final, NamedTuple

from .ordering import ThreadKeys

_TURN: Final = 200  # messages that are looked at before others may run


class Messages(NamedTuple):
    """Messages to be threaded, in mailbox order: one of each column for each.

    Attributes:
        numbers: what they are called in the answer, rising.
        keys: their facts.
        arrived: their internal dates, which stand for Date fields that cannot be read (RFC 5256, 2.2).
    """

    numbers: Sequence[int]
    keys: Sequence[ThreadKeys]
    arrived: Sequence[float]


class Forest(NamedTuple):
    """Conversations in their order.

    Attributes:
        numbers: of the messages; a node from ``len(numbers)`` on is the place of one that is not there.
        roots: nodes.
        children: of a node the nodes below it, in their order; of most there are none.
    """

    numbers: Sequence[int]
    roots: Sequence[int]
    children: dict[int, list[int]]


Threads = Generator[None, None, Forest]


def ordered_subject(messages: Messages) -> Threads:
    """ORDEREDSUBJECT: one thread for each base subject; the first message is above all others."""
    yield
    keys = messages.keys
    first: dict[str, int] = {}  # in the order of the first message of each: as they are met
    children: dict[int, list[int]] = {}
    for node in _by_date(messages):
        root = first.setdefault(keys[node].subject, node)
        if root != node:
            children.setdefault(root, []).append(node)
    return Forest(messages.numbers, list(first.values()), children)


def references(messages: Messages) -> Threads:
    """REFERENCES: by message ids, then what has the same base subject together."""
    grove = _Grove(messages)
    yield from grove.link()
    grove.roots = grove.sorted(grove.roots)
    yield
    grove.merge_by_subject()
    yield from grove.sort_below()
    return Forest(messages.numbers, grove.sorted(grove.roots), grove.children)


def refs(messages: Messages) -> Threads:
    """REFS: by message ids alone; the thread with the message that was sent last comes last."""
    grove = _Grove(messages)
    yield from grove.link()
    yield from grove.sort_below()
    newest: dict[int, int] = {}
    for count, root in enumerate(grove.roots):
        newest[root] = max([grove.ranks[node] for node in grove.walk(root) if node < grove.size])
        if not count % _TURN:
            yield
    return Forest(messages.numbers, sorted(grove.roots, key=newest.__getitem__), grove.children)


ALGORITHMS: Final[dict[str, Callable[[Messages], Threads]]] = {
    "ORDEREDSUBJECT": ordered_subject, "REFERENCES": references, "REFS": refs,
}  # fmt: skip


def _by_date(messages: Messages) -> list[int]:
    """All messages in the order in which they were sent, else in mailbox order (RFC 5256, 2.2)."""
    sent = [
        arrived if keys.sent is None else keys.sent
        for keys, arrived in zip(messages.keys, messages.arrived, strict=True)
    ]
    return sorted(range(len(sent)), key=sent.__getitem__)


class _Grove:
    """Conversations that are being put together.

    Attributes:
        size: how many messages there are.
        ranks: of each message its place in the order of ``_by_date``; of a place that of the message it is sorted by.
        roots, children: as in ``Forest``, in no order yet.
    """

    def __init__(self, messages: Messages) -> None:
        self.keys = messages.keys
        self.size = len(messages.keys)
        self.ranks = [0] * self.size
        for rank, node in enumerate(_by_date(messages)):
            self.ranks[node] = rank
        self.roots: list[int] = []
        self.children: dict[int, list[int]] = {}
        self._parents: dict[int, int] = {}

    def walk(self, root: int) -> Iterator[int]:
        """A node and all below it, each before those below it."""
        children = self.children
        waiting = [root]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(children.get(node, ())))

    # ------------------------------------------------------------ steps 1 to 3

    def link(self) -> Generator[None, None, None]:
        """Put messages below those that they refer to; find the roots, without places that say nothing."""
        keys = self.keys
        table: dict[str, int] = {}
        for node, key in enumerate(keys):
            if key.message_id:
                table.setdefault(key.message_id, node)  # an id that another has already counts for nothing
        yield
        for node, key in enumerate(keys):
            above = -1
            for reference in key.references:
                referred = table.get(reference)
                if referred is None:
                    referred = table[reference] = len(self.ranks)
                    self.ranks.append(0)
                if above >= 0 and referred not in self._parents:
                    self._link(above, referred)
                above = referred
            if above >= 0:
                self._link(above, node)
            if not node % _TURN:
                yield
        self.roots = [node for node in range(len(self.ranks)) if node not in self._parents]
        self._prune()

    def _link(self, parent: int, child: int) -> None:
        """Put a node below another, unless it is above that already: there are no circles (step 1)."""
        parents, children = self._parents, self.children
        before = parents.get(child)
        if before == parent or child == parent:
            return
        if children.get(child):  # a node without children is above nobody
            above: int | None = parent
            while above is not None:
                if above == child:
                    return
                above = parents.get(above)
        if before is not None:
            children[before].remove(child)
        parents[child] = parent
        children.setdefault(parent, []).append(child)

    def _prune(self) -> None:
        """Step 3: places without children go; those with children leave them to who is above.

        To the level of the roots only a single child is left: several stay together.
        """
        size, children = self.size, self.children
        order = [node for root in self.roots if root in children for node in self.walk(root) if node in children]
        for node in reversed(order):  # those below first
            below = children[node]
            if max(below, default=0) >= size:
                children[node] = [
                    kept for child in below for kept in ((child,) if child < size else children.get(child, ()))
                ]
        kept: list[int] = []
        for root in self.roots:
            if root < size or len(children.get(root, ())) > 1:
                kept.append(root)
            else:
                kept += children.get(root, ())
        self.roots = kept

    # ------------------------------------------------------------ steps 4 to 6

    def sorted(self, nodes: Sequence[int]) -> list[int]:
        """Nodes by date; a place by its first child. It is below no other place, and has messages below it only."""
        ranks, children = self.ranks, self.children
        for node in nodes:
            if node >= self.size:
                children[node] = sorted(children[node], key=ranks.__getitem__)
                ranks[node] = ranks[children[node][0]]
        return sorted(nodes, key=ranks.__getitem__)

    def sort_below(self) -> Generator[None, None, None]:
        """Sort what is below the roots."""
        children = self.children
        for count, root in enumerate(self.roots):
            if root in children:
                for node in self.walk(root):
                    if len(below := children.get(node, ())) > 1:
                        children[node] = self.sorted(below)
            if not count % _TURN:
                yield

    def merge_by_subject(self) -> None:
        """Put roots with the same base subject together (step 5)."""
        size, keys, children = self.size, self.keys, self.children
        firsts = [keys[root if root < size else children[root][0]] for root in self.roots]
        table: dict[str, int] = {}
        for root, key in zip(self.roots, firsts, strict=True):
            known = table.setdefault(key.subject, root)
            if known < size and known != root and (root >= size or (keys[known].is_reply and not key.is_reply)):
                table[key.subject] = root
        if len(table) == len(self.roots):
            return
        merged: list[int] = []
        absorbed: set[int] = set()  # roots that stand below a place that was made for several
        for root, key in zip(self.roots, firsts, strict=True):
            if root in absorbed:
                continue
            known = table[key.subject] if key.subject else root
            if known == root:
                merged.append(root)
            elif known >= size:
                children[known] += (root,) if root < size else children[root]
            elif key.is_reply and not keys[known].is_reply:
                children.setdefault(known, []).append(root)
            else:
                together = table[key.subject] = len(self.ranks)
                self.ranks.append(0)
                children[together] = [known, root]
                absorbed.update((known, root))
                merged.append(together)
        self.roots = [root for root in merged if root not in absorbed]

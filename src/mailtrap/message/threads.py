"""Messages into conversations: the algorithms of THREAD (RFC 5256, 3; REFS: draft-ietf-morg-inthread, 4).

Each is a generator that yields now and then, so that others may run, and returns the threads in their order. Nothing
is recursive: a conversation may be as deep as it likes.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from .ordering import ThreadKeys

_TURN: Final = 200  # messages that are looked at before others may run


class Item(NamedTuple):
    """A message to be threaded.

    Attributes:
        number: what it is called in the answer; in mailbox order these rise.
        keys: its facts.
        arrived: its internal date, which stands for a Date field that cannot be read (RFC 5256, 2.2).
    """

    number: int
    keys: ThreadKeys
    arrived: float

    @property
    def sent(self) -> float:
        """When it was sent."""
        return self.arrived if self.keys.sent is None else self.keys.sent


class Node:
    """A message in a conversation, or the place of one that is not there (``item`` is None)."""

    __slots__ = ("children", "item", "parent")

    def __init__(self, item: Item | None = None, children: Iterable["Node"] = ()) -> None:
        self.item = item
        self.parent: Node | None = None
        self.children: list[Node] = list(children)

    def walk(self) -> Iterator["Node"]:
        """This node and all below it, each before those below it."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))


Threads = Generator[None, None, list[Node]]


def ordered_subject(items: Sequence[Item]) -> Threads:
    """ORDEREDSUBJECT: one thread for each base subject; the first message is above all others."""
    yield
    by_subject: dict[str, list[Item]] = {}
    for item in sorted(items, key=lambda item: (item.sent, item.number)):
        by_subject.setdefault(item.keys.subject, []).append(item)
    # in the order of the first message of each: as they were met
    return [Node(first, [Node(item) for item in rest]) for first, *rest in by_subject.values()]


def references(items: Sequence[Item]) -> Threads:
    """REFERENCES: by message ids, then what has the same base subject together."""
    roots = yield from _linked(items)
    roots = _by_date(roots)
    yield
    roots = _merged_by_subject(roots)
    yield
    for root in roots:
        for node in root.walk():
            node.children = _by_date(node.children)
        yield
    return _by_date(roots)


def refs(items: Sequence[Item]) -> Threads:
    """REFS: by message ids alone; the thread with the message that was sent last comes last."""
    roots = yield from _linked(items)
    newest: dict[int, tuple[float, int]] = {}
    for root in roots:
        for node in root.walk():
            node.children = _by_date(node.children)
        newest[id(root)] = max((node.item.sent, node.item.number) for node in root.walk() if node.item is not None)
        yield
    return sorted(roots, key=lambda root: newest[id(root)])


ALGORITHMS: Final[dict[str, Callable[[Sequence[Item]], Threads]]] = {
    "ORDEREDSUBJECT": ordered_subject, "REFERENCES": references, "REFS": refs,
}  # fmt: skip


# ---------------------------------------------------------------- steps 1 to 3


def _linked(items: Sequence[Item]) -> Threads:
    """Messages below those that they refer to; the roots, without places that say nothing."""
    table: dict[str, Node] = {}
    nodes: list[Node] = []
    for count, item in enumerate(items):
        node = table.get(item.keys.message_id) if item.keys.message_id else None
        if node is None or node.item is not None:  # an id that another has already counts for nothing
            node = Node()
            if item.keys.message_id:
                table.setdefault(item.keys.message_id, node)
        node.item = item
        nodes.append(node)
        above: Node | None = None
        for reference in item.keys.references:
            referred = table.get(reference)
            if referred is None:
                referred = table[reference] = Node()
            if above is not None and referred.parent is None:
                _link(above, referred)
            above = referred
        if above is not None:
            _link(above, node)
        if not count % _TURN:
            yield
    everything = dict.fromkeys([*nodes, *table.values()])
    yield
    return _pruned([node for node in everything if node.parent is None])


def _link(parent: Node, child: Node) -> None:
    """Put a node below another, unless it is above that already: there are no circles (step 1)."""
    if child.parent is parent or child is parent:
        return
    if child.children:  # a node without children is above nobody
        above: Node | None = parent
        while above is not None:
            if above is child:
                return
            above = above.parent
    if child.parent is not None:
        child.parent.children.remove(child)
    child.parent = parent
    parent.children.append(child)


def _pruned(roots: list[Node]) -> list[Node]:
    """Step 3: places without children go; those with children leave them to who is above.

    To the level of the roots only a single child is left: several stay together.
    """
    order = [node for root in roots for node in root.walk()]
    for node in reversed(order):  # those below first
        if any(child.item is None for child in node.children):
            node.children = [
                kept for child in node.children for kept in ([child] if child.item is not None else child.children)
            ]
    kept: list[Node] = []
    for root in roots:
        if root.item is not None or len(root.children) > 1:
            kept.append(root)
        else:
            kept += root.children
    return kept


# ---------------------------------------------------------------- steps 4 to 6


def _first(node: Node) -> Item:
    """The message that a node is sorted and called by: a place's is its first child."""
    while node.item is None:
        node = node.children[0]
    return node.item


def _by_date(nodes: list[Node]) -> list[Node]:
    for node in nodes:
        if node.item is None:  # it is below no other place, and has messages below it only
            node.children = _by_date(node.children)
    return sorted(nodes, key=lambda node: ((first := _first(node)).sent, first.number))


def _merged_by_subject(roots: list[Node]) -> list[Node]:
    table: dict[str, Node] = {}
    for root in roots:
        keys = _first(root).keys
        if not keys.subject:
            continue
        known = table.get(keys.subject)
        if known is None or (
            known.item is not None and (root.item is None or (known.item.keys.is_reply and not keys.is_reply))
        ):
            table[keys.subject] = root
    merged: list[Node] = []
    absorbed: set[int] = set()  # roots that stand below a place that was made for several
    for root in roots:
        if id(root) in absorbed:
            continue
        keys = _first(root).keys
        known = table.get(keys.subject) if keys.subject else None
        if known is None or known is root:
            merged.append(root)
        elif known.item is None:
            known.children += [root] if root.item is not None else root.children
        elif keys.is_reply and not known.item.keys.is_reply:
            known.children.append(root)
        else:
            together = table[keys.subject] = Node(None, [known, root])
            absorbed.update((id(known), id(root)))
            merged.append(together)
    return [root for root in merged if id(root) not in absorbed]

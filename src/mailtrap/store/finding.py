"""Messages that a tree fits, of one scope or of all.

What the tree asks of the store (where a message is filed, in which life a mark was taken) is looked up once, before it
is compiled. Then messages are gone through page by page in the order of ``seq``: whoever needs only some stops asking.
A message that is hidden in the record counts as read.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from ..errors import ServerRestarted
from . import conditions, search
from .base import Store
from .rows import ALL, INBOX, CopyRow, Key, MessageRow
from .search import And, Not, Or, Tree

_FIRST: Final = 50  # messages looked at in one go: so many at first, as whoever shows a page needs no more
_PAGE: Final = 500  # and then more each time, up to so many
_HIDDEN: Final = frozenset({"\\Seen"})


def find(
    store: Store, scope: str | None, tree: Tree, *, scopes: Sequence[str], after: int = 0, before: int | None = None,
    newest_first: bool = False, submitted: bool = False,
) -> Iterator[MessageRow]:  # fmt: skip
    """The messages that fit, as ``Store.find`` finds them, by looking at each."""
    test, kinds, _ = search.predicate(bound(tree, store.life, lambda filed: _seqs(store, filed, scopes)))
    boxes: dict[str, int | None] = {}

    def pages() -> Iterator[MessageRow]:
        low, high, size = after, before, min(_FIRST, _PAGE)
        while rows := store.messages(
            scope, after=low, before=high, limit=size, newest_first=newest_first, submitted=submitted
        ):
            yield from _fitting(store, rows, test, kinds, boxes)
            if len(rows) < size:
                return
            size = min(2 * size, _PAGE)
            if newest_first:
                high = rows[-1].seq
            else:
                low = rows[-1].seq

    return pages()


def fits(store: Store, row: MessageRow, tree: Tree) -> bool:
    """Whether a tree fits one message."""

    def filed(wanted: conditions.Filed) -> conditions.Seqs:
        places = [(box.account.address, box.name) for box, _ in store.copies_of(row.seq)]
        return conditions.Seqs(frozenset([row.seq] if any(_is_place(wanted, *place) for place in places) else ()))

    test, kinds, _ = search.predicate(bound(tree, store.life, filed))
    return any(True for _ in _fitting(store, [row], test, kinds, {}))


def bound(tree: Tree, life: Callable[[], str], filed: Callable[[conditions.Filed], Tree]) -> Tree:
    """The tree with what only the store can say put in."""
    match tree:
        case And(trees):
            return And(tuple(bound(part, life, filed) for part in trees))
        case Or(trees):
            return Or(tuple(bound(part, life, filed) for part in trees))
        case Not(part):
            return Not(bound(part, life, filed))
        case conditions.Filed():
            return filed(tree)
        case conditions.After(seq, named) if named:
            if named != life():
                raise ServerRestarted("the mark was taken before the store began anew")
            return conditions.After(seq)
        case _:
            return tree


def _fitting(
    store: Store, rows: Sequence[MessageRow], test: conditions.Test, kinds: frozenset[str], boxes: dict[str, int | None]
) -> Iterator[MessageRow]:
    copies = _record(store, rows, boxes)
    answers = [test(copy, None) for copy in copies]
    asked = [row.seq for row, answer in zip(rows, answers, strict=True) if answer is None]
    known = dict(zip(asked, store.facts(asked, kinds), strict=True)) if asked else {}
    for row, copy, answer in zip(rows, copies, answers, strict=True):
        if answer is None:
            facts = known[row.seq]
            answer = facts is not None and test(copy, facts)  # None: it was taken away meanwhile
        if answer:
            yield row


def _record(store: Store, rows: Sequence[MessageRow], boxes: dict[str, int | None]) -> list[CopyRow]:
    """The copies of messages in the record."""
    found: dict[int, CopyRow] = {}
    by_scope: dict[str, list[int]] = {}
    for row in rows:
        by_scope.setdefault(row.scope, []).append(row.seq)
    for scope, seqs in by_scope.items():
        if scope not in boxes:
            box = store.mailbox(Key(scope, ALL), INBOX)
            boxes[scope] = None if box is None else box.id
        if (id_ := boxes[scope]) is not None:
            found.update((copy.uid, copy) for copy in store.copies(id_, seqs))
    return [found.get(row.seq) or CopyRow(row.seq, row, _HIDDEN, 0, row.received_at, row.received_at) for row in rows]


def _seqs(store: Store, wanted: conditions.Filed, scopes: Sequence[str]) -> conditions.Seqs:
    boxes = mailboxes(store, wanted, scopes)
    return conditions.Seqs(frozenset(copy.message.seq for box in boxes for copy in store.copies(box)))


def mailboxes(store: Store, wanted: conditions.Filed, scopes: Sequence[str]) -> list[int]:
    """The mailboxes that are meant, of the accounts of these scopes."""
    return [
        box.id
        for scope in scopes
        for account in store.accounts(scope)
        for box in store.mailboxes(account.key)
        if _is_place(wanted, account.key.address, box.name)
    ]


def among(
    store: Store, tree: Tree, seqs: Iterable[int], unsure: Collection[int] | None, scopes: Sequence[str]
) -> Iterator[int]:
    """Of some messages those that a tree fits, in the order given.

    Args:
        unsure: those that have to be looked at, the others fit; None: all.
    """
    if unsure is not None and not unsure:
        yield from seqs
        return
    test, kinds, _ = search.predicate(bound(tree, store.life, lambda filed: _seqs(store, filed, scopes)))
    boxes: dict[str, int | None] = {}
    rest, size = iter(seqs), min(_FIRST, _PAGE)
    while page := list(islice(rest, size)):
        size = min(2 * size, _PAGE)
        asked = page if unsure is None else [seq for seq in page if seq in unsure]
        rows = [row for row in store.rows(asked) if row is not None]
        fitting = {row.seq for row in _fitting(store, rows, test, kinds, boxes)}
        yield from (seq for seq in page if seq in fitting or (unsure is not None and seq not in unsure))


def _is_place(wanted: conditions.Filed, account: str, mailbox: str) -> bool:
    if wanted.account is not None and wanted.account.lower() not in account.lower():
        return False
    return wanted.mailbox is None or wanted.mailbox.lower() == mailbox.lower()

"""Messages that a tree fits, of one scope or of all.

What the tree asks of the store (where a message is filed, in which life a mark was taken) is looked up once, before it
is compiled. Then messages are gone through page by page in the order of ``seq``: whoever needs only some stops asking.
A message that is hidden in the record counts as read.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from ..errors import ServerRestarted
from . import conditions, search
from .base import ALL, INBOX, CopyRow, Key, MessageRow, Store
from .search import And, Not, Or, Tree

_PAGE: Final = 500  # messages looked at in one go
_HIDDEN: Final = frozenset({"\\Seen"})


def find(
    store: Store, scope: str | None, tree: Tree, *, scopes: Sequence[str], after: int = 0, before: int | None = None,
    newest_first: bool = False,
) -> Iterator[MessageRow]:  # fmt: skip
    """The messages with ``after < seq < before`` that fit, in the order of ``seq``.

    Args:
        scope: None for all.
        scopes: those whose accounts are looked into where a tree asks where messages are filed.

    Raises:
        ServerRestarted: the tree has a mark of another life.
    """
    test, kinds, _ = search.predicate(bound(tree, store.life, lambda filed: _filed(store, filed, scopes)))
    boxes: dict[str, int | None] = {}

    def pages() -> Iterator[MessageRow]:
        low, high = after, before
        while rows := store.messages(scope, after=low, before=high, limit=_PAGE, newest_first=newest_first):
            yield from _fitting(store, rows, test, kinds, boxes)
            if len(rows) < _PAGE:
                return
            if newest_first:
                high = rows[-1].seq
            else:
                low = rows[-1].seq

    return pages()


def fits(store: Store, row: MessageRow, tree: Tree) -> bool:
    """Whether a tree fits one message."""

    def filed(wanted: conditions.Filed) -> frozenset[int]:
        places = [(box.account.address, box.name) for box, _ in store.copies_of(row.seq)]
        return frozenset([row.seq] if any(_is_place(wanted, *place) for place in places) else ())

    test, kinds, _ = search.predicate(bound(tree, store.life, filed))
    return any(True for _ in _fitting(store, [row], test, kinds, {}))


def bound(tree: Tree, life: Callable[[], str], filed: Callable[[conditions.Filed], frozenset[int]]) -> Tree:
    """The tree with what only the store can say put in."""
    match tree:
        case And(trees):
            return And(tuple(bound(part, life, filed) for part in trees))
        case Or(trees):
            return Or(tuple(bound(part, life, filed) for part in trees))
        case Not(part):
            return Not(bound(part, life, filed))
        case conditions.Filed():
            return conditions.Seqs(filed(tree))
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


def _filed(store: Store, wanted: conditions.Filed, scopes: Sequence[str]) -> frozenset[int]:
    return frozenset(
        copy.message.seq
        for scope in scopes
        for account in store.accounts(scope)
        for box in store.mailboxes(account.key)
        if _is_place(wanted, account.key.address, box.name)
        for copy in store.copies(box.id)
    )


def _is_place(wanted: conditions.Filed, account: str, mailbox: str) -> bool:
    if wanted.account is not None and wanted.account.lower() not in account.lower():
        return False
    return wanted.mailbox is None or wanted.mailbox.lower() == mailbox.lower()

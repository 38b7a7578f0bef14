"""X-GM-EXT-1, Gmail's extension: labels, X-GM-MSGID, X-GM-THRID, X-GM-RAW; offered by the setting ``+X-GM-EXT-1``.

At Gmail a mailbox is a label. Here a message has the label of each other mailbox of the account that has a copy of it:
giving it a label makes a copy there, taking it away takes that copy away. ``\\Starred`` and ``\\Important`` are flags.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from ..errors import NotAllowed, ServerRestarted
from ..store.base import Store
from ..store.conditions import After, Filed, Seqs
from ..store.finding import bound as bind
from ..store.rows import INBOX, CopyRow, Filing, FlagMode, Key, MailboxRow
from ..store.search import All, And, Flag, Not, Numbered, OfThread, Or, Tree
from . import responses, utf7
from .namespace import changed
from .tokens import Scanner, SyntaxFault, decode_name

_FLAGS: Final = {"\\Starred": "\\Flagged", "\\Important": "$Important"}
_USES: Final = {"\\Sent": "\\Sent", "\\Draft": "\\Drafts", "\\Trash": "\\Trash", "\\Spam": "\\Junk", "\\All": "\\All"}
_NAMES: Final = {name.lower(): name for name in ("\\Inbox", *_FLAGS, *_USES)} | {
    "\\drafts": "\\Draft", "\\flagged": "\\Starred", "\\junk": "\\Spam",
}  # fmt: skip
_ALONE: Final = 1 << 60  # numbers of conversations are below, those of messages above


# ---------------------------------------------------------------- conversations


def thread_number(row: CopyRow, thread: str) -> int:
    """A conversation as a number of 64 bits: that of its only message where no other is named."""
    return row.message.number if thread == row.message.id else int(thread, 16) or 1


def of_thread(number: int) -> Tree:
    """The messages of a conversation."""
    return OfThread(f"{number:015x}") if number < _ALONE else Numbered(number)


# ---------------------------------------------------------------- labels


def read_label(scanner: Scanner, separator: str) -> str:
    """A label: a system label in its own spelling, or the name of a mailbox as the store has it.

    Args:
        separator: between the levels of a name on the wire.

    Raises:
        SyntaxFault: it is none.
    """
    start = scanner.position
    text = b"\\" + scanner.atom() if scanner.take(b"\\") else scanner.astring("a label")
    if text.startswith(b"\\"):
        known = _NAMES.get(text.decode("ascii", "replace").lower())
        if known is None:
            raise SyntaxFault("There is no such system label", start)
        return known
    try:
        name = changed(decode_name(text, utf8=scanner.utf8), separator)
    except ValueError as error:
        raise SyntaxFault(f"A label is modified UTF-7: {error}", start) from None
    if not all(name.split("/")):
        raise SyntaxFault("A label is not empty, nor a part of it", start)
    return "\\Inbox" if name.upper() == INBOX else name


def encoded(labels: Iterable[str], *, utf8: bool, separator: str) -> bytes:
    """Labels as they are sent, without parentheses."""
    told = [label if label in _NAMES.values() else changed(label, separator) for label in labels]
    return b" ".join(responses.string(label.encode() if utf8 else utf7.encode(label)) for label in told)


def _label(row: MailboxRow) -> str:
    if row.name == INBOX:
        return "\\Inbox"
    return next((label for label, use in _USES.items() if use in row.special_use), row.name)


def labels(store: Store, account: Key, mailbox: int, rows: Iterable[CopyRow]) -> Sequence[Sequence[str]]:
    """The labels of each copy, without that of the mailbox it is in."""
    found: list[list[str]] = []
    for row in rows:
        places = {
            _label(place)
            for place, _ in store.copies_of(row.message.seq)
            if place.account == account and place.id != mailbox
        }
        flags = {label for label, flag in _FLAGS.items() if flag in row.flags}
        found.append(sorted(places | flags))
    return found


def relabel(
    store: Store, account: Key, mailbox: int, uids: Sequence[int], given: Iterable[str], mode: FlagMode
) -> None:  # fmt: skip
    """Give labels to messages, or take them away, in one commit; with ``replace`` they have these and no others.

    Raises:
        NotAllowed: there is no mailbox of that use.
    """
    boxes = {_label(row): row for row in store.mailboxes(account) if row.selectable}
    wanted = set(given)
    own = next((label for label, row in boxes.items() if row.id == mailbox), None)
    flags = frozenset(_FLAGS[label] for label in wanted & _FLAGS.keys())
    places = wanted - _FLAGS.keys()
    if mode == "remove":
        gone = [boxes[label].name for label in sorted(places & boxes.keys())]
        store.file(mailbox, uids, Filing(without=flags, out_of=gone))
        return
    if any(label.startswith("\\") for label in places - boxes.keys()):
        raise NotAllowed("there is no mailbox of that use")
    into = [boxes[label].name if label in boxes else label for label in sorted(places - {own})]
    if mode == "add":
        store.file(mailbox, uids, Filing(flags, into=into))
        return
    others = [boxes[label].name for label in sorted(boxes.keys() - places - {own})]
    store.file(mailbox, uids, Filing(flags, frozenset(_FLAGS.values()) - flags, into, others))


# ---------------------------------------------------------------- searching


def labelled(label: str) -> Tree:
    """Messages with a label; that of the selected mailbox all in it have."""
    if label in _FLAGS:
        return Flag(_FLAGS[label])
    return Filed(mailbox=INBOX if label == "\\Inbox" else label)


def asks_for_places(tree: Tree) -> bool:
    """Whether only the store can say which messages fit."""
    if isinstance(tree, And | Or):
        return any(map(asks_for_places, tree.trees))
    if isinstance(tree, Not):
        return asks_for_places(tree.tree)
    return isinstance(tree, Filed) or (isinstance(tree, After) and bool(tree.life))


def bound(store: Store, account: Key, tree: Tree) -> Tree:
    """The tree with the messages in the places that it names; an account sees its own mailboxes alone."""

    def filed(wanted: Filed) -> Seqs:
        if wanted.account is not None and wanted.account.lower() not in account.address.lower():
            return Seqs(frozenset())
        seqs = (
            copy.message.seq
            for row in store.mailboxes(account)
            if wanted.mailbox is None or wanted.mailbox.lower() in (row.name.lower(), _label(row).lower())
            for copy in store.copies(row.id)
        )
        return Seqs(frozenset(seqs))

    try:
        return bind(tree, store.life, filed)
    except ServerRestarted:
        return Not(All())  # nothing came since a mark of another life

"""X-GM-EXT-1, Gmail's extension: labels, X-GM-MSGID, X-GM-THRID, X-GM-RAW; offered by the setting ``+X-GM-EXT-1``.

At Gmail a mailbox is a label. Here a message has the label of each other mailbox of the account that has a copy of it:
giving it a label makes a copy there, taking it away takes that copy away. ``\\Starred`` and ``\\Important`` are flags.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ..errors import NotAllowed, ServerRestarted
from ..store.base import Store
from ..store.conditions import After, Filed, Seqs
from ..store.finding import bound as bind
from ..store.rows import INBOX, CopyRow, FlagMode, Key, MailboxRow
from ..store.search import All, And, Flag, Not, Numbered, OfThread, Or, Tree
from . import responses, utf7
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


def read_label(scanner: Scanner) -> str:
    """A label: a system label in its own spelling, or the name of a mailbox.

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
        name = decode_name(text, utf8=scanner.utf8)
    except ValueError as error:
        raise SyntaxFault(f"A label is modified UTF-7: {error}", start) from None
    if not all(name.split("/")):
        raise SyntaxFault("A label is not empty, nor a part of it", start)
    return "\\Inbox" if name.upper() == INBOX else name


def encoded(labels: Iterable[str], *, utf8: bool) -> bytes:
    """Labels as they are sent, without parentheses."""
    return b" ".join(responses.string(label.encode() if utf8 else utf7.encode(label)) for label in labels)


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
    """Give labels to messages, or take them away; with ``replace`` they have these and no others.

    Raises:
        NotAllowed: there is no mailbox of that use.
    """
    boxes = {_label(row): row for row in store.mailboxes(account) if row.selectable}
    wanted = set(given)
    own = next((label for label, row in boxes.items() if row.id == mailbox), None)
    flags = {_FLAGS[label] for label in wanted & _FLAGS.keys()}
    places = wanted - _FLAGS.keys()
    if mode != "remove":
        missing = sorted(places - boxes.keys())
        if any(label.startswith("\\") for label in missing):
            raise NotAllowed("there is no mailbox of that use")
        boxes |= {label: store.create_mailbox(account, label) for label in missing}
    if mode == "replace":
        if gone := set(_FLAGS.values()) - flags:
            store.set_flags(mailbox, uids, gone, "remove")
        for label in boxes.keys() - places - {own}:
            _take_away(store, mailbox, uids, boxes[label])
    if flags:
        store.set_flags(mailbox, uids, flags, "remove" if mode == "remove" else "add")
    for label in sorted(places & boxes.keys()):
        if mode == "remove":
            _take_away(store, mailbox, uids, boxes[label])
        elif label != own:
            _put(store, mailbox, uids, boxes[label])


def _there(store: Store, box: MailboxRow) -> Mapping[int, int]:
    """The messages in a mailbox, with the UID of a copy of each."""
    return {copy.message.seq: copy.uid for copy in store.copies(box.id)}


def _put(store: Store, mailbox: int, uids: Sequence[int], box: MailboxRow) -> None:
    there = _there(store, box)
    missing = [copy.uid for copy in store.copies(mailbox, uids) if copy.message.seq not in there]
    if missing:
        store.copy(mailbox, missing, box.id)


def _take_away(store: Store, mailbox: int, uids: Sequence[int], box: MailboxRow) -> None:
    wanted = {copy.message.seq for copy in store.copies(mailbox, uids)}
    gone = [copy.uid for copy in store.copies(box.id) if copy.message.seq in wanted]
    if gone:
        store.expunge(box.id, gone)


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

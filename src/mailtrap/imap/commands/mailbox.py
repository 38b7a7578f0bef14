"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, STATUS."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ...store.base import Store
from ...store.rows import Key, MailboxRow, Status
from ...wire.steps import Call
from .. import responses
from ..command import AFTER_LOGIN, Handled, command
from ..responses import Refusal, Reply
from ..tokens import Scanner, SyntaxFault
from .names import find, find_parent, locate, new_name, read_name

if TYPE_CHECKING:
    from ..session import IMAPSession

SPECIAL_USES: Final = {
    use.upper(): use for use in ("\\Archive", "\\Drafts", "\\Junk", "\\Sent", "\\Trash", "\\All", "\\Flagged")
}
_REAL_USES: Final = frozenset({"\\Archive", "\\Drafts", "\\Junk", "\\Sent", "\\Trash"})
STATUS_ITEMS: Final = (
    "MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "SIZE", "HIGHESTMODSEQ", "APPENDLIMIT", "MAILBOXID",
    "DELETED", "DELETED-STORAGE",
)  # fmt: skip

# items that exist because of one of these capabilities
_NEEDED: Final = {
    "SIZE": ("STATUS=SIZE", "IMAP4rev2"), "HIGHESTMODSEQ": ("CONDSTORE",), "APPENDLIMIT": ("APPENDLIMIT",),
    "MAILBOXID": ("OBJECTID",), "DELETED": ("IMAP4rev2", "QUOTA=RES-MESSAGE"),
    "DELETED-STORAGE": ("QUOTA=RES-STORAGE",),
}  # fmt: skip


def _of_record(session: "IMAPSession") -> None:
    if session.is_record:
        raise Refusal("The mailboxes of this account are fixed: it is the record of messages", "CANNOT")


@command("CREATE", AFTER_LOGIN, names_mailbox=True)
def create(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 3501, 6.3.3; with a special use: RFC 6154, 3."""
    del uid
    name = read_name(scanner)
    uses: list[str] = []
    if not scanner.ended:
        if not session.offers("CREATE-SPECIAL-USE"):
            scanner.end()
        scanner.space()
        scanner.items(lambda: uses.extend(_uses(scanner)))
    scanner.end()
    _of_record(session)
    checked_uses(uses)
    place = new_name(session, name)
    account = yield from find_parent(session, place)
    row: MailboxRow = yield Call(_create, session.services.store, account, place.name, tuple(uses))
    if not session.offers("OBJECTID"):
        return None
    return Reply("OK", "CREATE completed", f"MAILBOXID ({mailbox_id(row)})")  # RFC 8474, 4.1


def _create(store: Store, account: Key, name: str, uses: tuple[str, ...]) -> MailboxRow:
    return store.create_mailbox(account, name, special_use=uses)


def _uses(scanner: Scanner) -> list[str]:
    start = scanner.position
    if scanner.word("USE") != "USE":
        raise SyntaxFault("Expected USE", start)
    scanner.space()
    return scanner.items(lambda: read_use(scanner), empty=True)


def read_use(scanner: Scanner) -> str:
    """RFC 6154, 6: use-attr; an unknown one as it stands."""
    scanner.expect(b"\\")
    return known_use("\\" + scanner.atom().decode("ascii"))


def known_use(word: str) -> str:
    """A special use in its RFC's spelling; an unknown one as it stands."""
    return SPECIAL_USES.get(word.upper(), word)


def checked_uses(uses: list[str]) -> list[str]:
    """Special uses that a mailbox can be given.

    Raises:
        Refusal: one that it cannot (RFC 6154, 3).
    """
    if any(use not in _REAL_USES for use in uses):
        raise Refusal("A mailbox cannot be given this use", "USEATTR")
    return uses


@command("DELETE", AFTER_LOGIN, names_mailbox=True)
def delete(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 3501, 6.3.4. The selected mailbox may be deleted: then none is selected."""
    del uid
    name = read_name(scanner)
    scanner.end()
    _of_record(session)
    row = yield from find(session, name, "x")
    if row.name == "INBOX":
        raise Refusal("INBOX cannot be deleted", "CANNOT")
    if not row.selectable:
        rows = yield Call(session.services.store.mailboxes, row.account)
        if any(other.name.startswith(row.name + "/") for other in rows):
            raise Refusal("The name has children; delete them first", "HASCHILDREN")  # RFC 9051, 6.3.5
    yield Call(session.services.store.delete_mailbox, row.id)
    if session.view is not None and session.view.mailbox.id == row.id:
        session.view = None
        yield Reply("OK", "The selected mailbox was deleted", "CLOSED").line()
    return None


@command("RENAME", AFTER_LOGIN, names_mailbox=True)
def rename(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 3501, 6.3.5. Sessions that have it selected keep it; INBOX gives its messages away and stays."""
    del uid
    name = read_name(scanner)
    scanner.space()
    new = read_name(scanner)
    scanner.end()
    _of_record(session)
    row = yield from find(session, name, "x")
    place = new_name(session, new)
    if (yield from find_parent(session, place)) != row.account:
        raise Refusal("A mailbox stays in its account", "CANNOT")
    yield Call(session.services.store.rename_mailbox, row.id, place.name)
    return None


@command("SUBSCRIBE", AFTER_LOGIN, names_mailbox=True)
def subscribe(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 3501, 6.3.6: whether there is such a mailbox or not."""
    del uid
    return (yield from _subscribe(session, scanner, on=True))


@command("UNSUBSCRIBE", AFTER_LOGIN, names_mailbox=True)
def unsubscribe(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 3501, 6.3.7: a name that was not subscribed to is left so."""
    del uid
    return (yield from _subscribe(session, scanner, on=False))


def _subscribe(session: "IMAPSession", scanner: Scanner, *, on: bool) -> Handled:
    place = locate(session, read_name(scanner).removesuffix(session.names.separator))
    scanner.end()
    _of_record(session)
    # RFC 4314, 4: as it is not asked whether there is such a mailbox, no right is needed, and nothing is given away
    yield Call(session.services.store.subscribe, session.account, session.names.kept(place), on)
    return None


@command("STATUS", AFTER_LOGIN, names_mailbox=True)
def status(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 3501, 6.3.10; SIZE: RFC 8438."""
    del uid
    name = read_name(scanner)
    scanner.space()
    items = read_status_items(session, scanner)
    scanner.end()
    row = yield from find(session, name, "r")
    if not row.selectable:
        raise Refusal("The mailbox cannot be selected: it only has children", "NONEXISTENT")
    if "HIGHESTMODSEQ" in items and (enabled := session.enable_condstore()):
        yield enabled  # RFC 7162, 3.1.7
    yield (yield status_of(session, row, items))
    return None


def read_status_items(session: "IMAPSession", scanner: Scanner) -> list[str]:
    """RFC 3501, 9: status-att, in parentheses."""

    def item() -> str:
        start = scanner.position
        word = scanner.word("a status item")
        needed = _NEEDED.get(word)
        if (
            word not in STATUS_ITEMS
            or (needed is not None and not any(map(session.offers, needed)))
            or (word == "RECENT" and session.rev2)  # RFC 9051, appendix E
        ):
            raise SyntaxFault(f"{word} is no status item", start)
        return word

    return scanner.items(item)


def mailbox_id(row: MailboxRow) -> str:
    """RFC 8474, 4: what a mailbox keeps when it is renamed, and no other ever has."""
    return f"F{row.id}"


def status_of(session: "IMAPSession", row: MailboxRow, items: Sequence[str]) -> Call:
    """The question that is answered with the STATUS response of a mailbox."""
    limit = session.scope.live.max_message_size
    name = responses.mailbox(session.told(row), utf8=session.utf8)
    return Call(_status_line, session.services.store, row.id, name, items, session.told_of(row.id), limit)


def _status_line(store: Store, mailbox: int, name: bytes, items: Sequence[str], told: int | None, limit: int) -> bytes:
    """The STATUS response of a mailbox.

    Args:
        name: as it is encoded.
        limit: octets of a message that APPEND takes (RFC 7889, 3.1).
        told: what the session was told up to, where it has the mailbox selected and something is withheld: then no
            higher MODSEQ may be said (RFC 7162, 6).
    """
    row = store.mailbox_row(mailbox)
    counts: Status = store.status(mailbox)
    values: dict[str, int | str] = {
        "MESSAGES": counts.messages,
        "RECENT": counts.recent,
        "UIDNEXT": row.uidnext,
        "UIDVALIDITY": row.uidvalidity,
        "UNSEEN": counts.unseen,
        "SIZE": counts.size,
        "HIGHESTMODSEQ": row.highestmodseq if told is None else told,
        "APPENDLIMIT": limit,
        "DELETED": counts.deleted,
        "DELETED-STORAGE": counts.deleted_size,
        "MAILBOXID": f"({mailbox_id(row)})",
    }
    return responses.status(name, [(item, values[item]) for item in dict.fromkeys(items)])

"""Names of mailboxes in commands."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from ... import limits
from ...message.address import Address
from ...store.directory import superiors
from ...store.rows import Key, MailboxRow
from ...wire.steps import Call, Step
from ..namespace import OutsideNamespaces, Place
from ..responses import Refusal
from ..rights import require, rights_of
from ..tokens import Scanner

if TYPE_CHECKING:
    from ..session import IMAPSession


def read_name(scanner: Scanner) -> str:
    """The name of a mailbox, as it stands on the wire.

    Raises:
        Refusal: it is in no known encoding, or too long.
    """
    try:
        name = scanner.mailbox()
    except ValueError as error:
        raise Refusal(f"The name of a mailbox is modified UTF-7 (RFC 3501, 5.1.3): {error}", "CANNOT") from None
    if len(name) > limits.IMAP_NAME:
        raise Refusal("The name of the mailbox is too long", "LIMIT")
    return name


def locate(session: "IMAPSession", name: str, *, missing: str = "NONEXISTENT") -> Place:
    """What a name means.

    Raises:
        Refusal: it lies in no namespace.
    """
    try:
        return session.names.locate(name)
    except OutsideNamespaces as error:
        raise Refusal(f"There is no such mailbox: {error}", missing) from None


def new_name(session: "IMAPSession", name: str) -> Place:
    """Where a mailbox is to be made: without the separator at the end of its name.

    That only says that names below it will follow (RFC 3501, 6.3.3).

    Raises:
        Refusal: it is no name.
    """
    place = locate(session, name.removesuffix(session.names.separator), missing="CANNOT")
    if not all(place.name.split("/")):
        raise Refusal("A name is not empty, and has no empty part before, between or behind its separators", "CANNOT")
    return place


def owner_of(session: "IMAPSession", place: Place) -> Generator[Step, Any, Key]:
    """The account that a place belongs to."""
    if place.owner is None or place.owner == session.account.address:
        return session.account
    key: Key = yield Call(session.services.directory.claim, session.scope, Address(place.owner))
    return key


def look(session: "IMAPSession", place: Place) -> Generator[Step, Any, MailboxRow | None]:
    """The mailbox at a place, whatever the user's rights; None where there is none."""
    key = yield from owner_of(session, place)
    row: MailboxRow | None = yield Call(session.services.store.mailbox, key, place.name)
    return row


def find(
    session: "IMAPSession", name: str, rights: str = "l", *, missing: str = "NONEXISTENT"
) -> Generator[Step, Any, MailboxRow]:
    """The mailbox of a name.

    Args:
        rights: that the user needs (RFC 4314, 4).
        missing: the response code where there is none: TRYCREATE for a target (RFC 3501, 6.3.11).

    Raises:
        Refusal: there is none, or a right is missing.
    """
    place = locate(session, name, missing=missing)
    row = yield from look(session, place)
    if place.owner is not None and missing == "TRYCREATE" and not (yield from _may_make(session, place)):
        missing = "NONEXISTENT"  # the same whether it is there or not, where it cannot be seen (RFC 4314, 6)
    if row is None:
        raise Refusal("There is no such mailbox", missing)
    require(rights_of(row, session.account), rights, missing=missing)
    return row


def find_target(session: "IMAPSession", name: str) -> Generator[Step, Any, MailboxRow]:
    """The mailbox of a name, to put messages into.

    Raises:
        Refusal: there is none, or nothing can be put there.
    """
    row = yield from find(session, name, "i" if not session.is_record else "l", missing="TRYCREATE")
    if session.is_record:
        raise Refusal("Nothing can be put into this account: it is the record of messages", "CANNOT")
    if not row.selectable:
        raise Refusal("The mailbox cannot hold messages: it only has children", "TRYCREATE")
    return row


def _may_make(session: "IMAPSession", place: Place) -> Generator[Step, Any, bool]:
    try:
        yield from find_parent(session, place)
    except Refusal:
        return False
    return True


def find_parent(session: "IMAPSession", place: Place) -> Generator[Step, Any, Key]:
    """The account in which a mailbox is to be made.

    Raises:
        Refusal: the user may not make it there: he needs the right ``k`` on the mailbox above it (RFC 4314, 4), and
            where there is none, the account.
    """
    key = yield from owner_of(session, place)
    for name in reversed(superiors(place.name)):
        row: MailboxRow | None = yield Call(session.services.store.mailbox, key, name)
        if row is not None:
            require(rights_of(row, session.account), "k")
            return key
    if key != session.account:
        raise Refusal("Only its owner makes mailboxes there", "NOPERM")
    return key

"""Names of mailboxes in commands."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from ... import limits
from ...store.base import MailboxRow
from ...wire.steps import Call, Step
from ..responses import Refusal
from ..tokens import Scanner

if TYPE_CHECKING:
    from ..session import IMAPSession


def read_name(scanner: Scanner) -> str:
    """The name of a mailbox.

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


def new_name(name: str) -> str:
    """A name for a mailbox to be made: without the separator at its end.

    That only says that names below it will follow (RFC 3501, 6.3.3).

    Raises:
        Refusal: it is none.
    """
    name = name.removesuffix("/")
    if not all(name.split("/")):
        raise Refusal("A name is not empty, and has no empty part before, between or behind its separators", "CANNOT")
    return name


def find(session: "IMAPSession", name: str, *, missing: str = "NONEXISTENT") -> Generator[Step, Any, MailboxRow]:
    """The mailbox of a name.

    Args:
        missing: the response code where there is none: TRYCREATE for a target (RFC 3501, 6.3.11).

    Raises:
        Refusal: there is none.
    """
    row: MailboxRow | None = yield Call(session.services.store.mailbox, session.account, name)
    if row is None:
        raise Refusal("There is no such mailbox", missing)
    return row


def find_target(session: "IMAPSession", name: str) -> Generator[Step, Any, MailboxRow]:
    """The mailbox of a name, to put messages into.

    Raises:
        Refusal: there is none, or nothing can be put there.
    """
    row = yield from find(session, name, missing="TRYCREATE")
    if session.is_record:
        raise Refusal("Nothing can be put into this account: it is the record of messages", "CANNOT")
    if not row.selectable:
        raise Refusal("The mailbox cannot hold messages: it only has children", "TRYCREATE")
    return row

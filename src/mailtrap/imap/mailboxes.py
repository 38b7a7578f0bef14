"""The mailboxes that a user sees, by their names on the wire."""

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from ..store.rows import MailboxRow
from ..wire.steps import Call, Step
from .rights import identifiers, rights_of

if TYPE_CHECKING:
    from .session import IMAPSession


def seen(session: "IMAPSession") -> Generator[Step, Any, dict[str, MailboxRow]]:
    """The mailboxes that the user may look up (RFC 4314, 4), by their names on the wire: his own, then others'."""
    services, mine = session.services, session.account
    rows: Sequence[MailboxRow] = yield Call(services.store.mailboxes, mine)
    if session.names.others:
        shared: Sequence[MailboxRow] = yield Call(services.directory.shared, session.scope, identifiers(mine))
        rows = [*rows, *(row for row in shared if row.account != mine and "l" in rights_of(row, mine))]
    return {session.told(row): row for row in rows}


def subscriptions(session: "IMAPSession") -> Generator[Step, Any, Sequence[str]]:
    """The names on the wire that the user is subscribed to."""
    kept: Sequence[str] = yield Call(session.services.store.subscriptions, session.account)
    return [session.names.told_kept(name) for name in kept]

"""Sets of mailboxes by what they are: ``personal``, ``subtree x`` (RFC 5465, 6 and 8; RFC 7377, 2.2)."""

from collections.abc import Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..store.rows import INBOX, MailboxRow
from ..wire.steps import Step
from .mailboxes import seen, subscriptions
from .responses import Refusal
from .tokens import Scanner, SyntaxFault

if TYPE_CHECKING:
    from .session import IMAPSession

_ALONE: Final = ("SELECTED", "SELECTED-DELAYED", "INBOXES", "PERSONAL", "SUBSCRIBED")
_WITH_NAMES: Final = ("MAILBOXES", "SUBTREE", "SUBTREE-ONE")
_MOST: Final = 1000  # names in one filter


class Named(NamedTuple):
    """A mailbox by its name on the wire, and what has to be known of it here.

    Attributes:
        own: it is one of the user's own.
        subscribed: the user is subscribed to it.
        selected: it is the selected one.
    """

    name: str
    row: MailboxRow
    own: bool
    subscribed: bool
    selected: bool


class MailboxFilter(NamedTuple):
    """One set: its kind in upper case, and the names on the wire that it is given."""

    kind: str
    names: tuple[str, ...] = ()

    def includes(self, mailbox: Named, separator: str) -> bool:
        """Whether a mailbox is in the set."""
        match self.kind:
            case "SELECTED" | "SELECTED-DELAYED":
                return mailbox.selected
            case "INBOXES":
                return mailbox.own and mailbox.row.name == INBOX  # where mail is delivered
            case "PERSONAL":
                return mailbox.own
            case "SUBSCRIBED":
                return mailbox.subscribed
            case "MAILBOXES":
                return mailbox.name in self.names
            case "SUBTREE":
                return any(mailbox.name == name or _below(mailbox.name, name, separator) for name in self.names)
            case _:
                return any(
                    mailbox.name == name or separator not in (_below(mailbox.name, name, separator) or separator)
                    for name in self.names
                )


def _below(name: str, above: str, separator: str) -> str:
    """What stands behind a name that the other lies below of; ``""`` where it does not."""
    if not above:
        return name
    return name[len(above) + 1 :] if name.startswith(above + separator) else ""


def read_filter(scanner: Scanner) -> MailboxFilter:
    """RFC 5465, 8: filter-mailboxes."""
    start = scanner.position
    word = scanner.word("a kind of mailboxes")
    if word in _ALONE:
        return MailboxFilter(word)
    if word not in _WITH_NAMES:
        raise SyntaxFault(f"{word} is no kind of mailboxes", start)
    scanner.space()
    names = scanner.items(lambda: _name(scanner)) if scanner.at(b"(") else [_name(scanner)]
    if len(names) > _MOST:
        raise Refusal(f"More than {_MOST} names", "LIMIT")
    return MailboxFilter(word, tuple(names))


def _name(scanner: Scanner) -> str:
    try:
        name = scanner.mailbox()
    except ValueError as error:
        raise Refusal(f"The name of a mailbox is modified UTF-7 (RFC 3501, 5.1.3): {error}", "CANNOT") from None
    inside = name[5:6] in ("", "/", ".")
    return INBOX + name[5:] if name[:5].upper() == INBOX and inside else name  # RFC 3501, 5.1: in any case


def chosen(filters: Sequence[MailboxFilter], mailboxes: Iterable[Named], separator: str) -> list[Named]:
    """The mailboxes that are in at least one set, each once, in the order given."""
    return [mailbox for mailbox in mailboxes if any(one.includes(mailbox, separator) for one in filters)]


def named(session: "IMAPSession") -> Generator[Step, Any, list[Named]]:
    """The mailboxes that the user may look up: his own, then others'."""
    rows = yield from seen(session)
    subscribed = frozenset((yield from subscriptions(session)))
    selected = None if session.view is None else session.view.mailbox.id
    return [
        Named(name, row, row.account == session.account, name in subscribed, row.id == selected)
        for name, row in rows.items()
    ]

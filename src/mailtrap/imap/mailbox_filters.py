"""Sets of mailboxes by what they are: ``personal``, ``subtree x`` (RFC 5465, 6 and 8; RFC 7377, 2.2)."""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from ..store.base import MailboxRow, canonical
from .responses import Refusal
from .tokens import Scanner, SyntaxFault

_ALONE: Final = ("SELECTED", "SELECTED-DELAYED", "INBOXES", "PERSONAL", "SUBSCRIBED")
_WITH_NAMES: Final = ("MAILBOXES", "SUBTREE", "SUBTREE-ONE")
_MOST: Final = 1000  # names in one filter


class MailboxFilter(NamedTuple):
    """One set: its kind in upper case, and the names that it is given."""

    kind: str
    names: tuple[str, ...] = ()

    def includes(self, row: MailboxRow, subscribed: Collection[str], selected: int | None) -> bool:
        """Whether a mailbox is in the set.

        Args:
            subscribed: the names subscribed to.
            selected: the id of the selected mailbox.
        """
        match self.kind:
            case "SELECTED" | "SELECTED-DELAYED":
                return row.id == selected
            case "INBOXES":
                return row.name == "INBOX"  # where mail is delivered
            case "PERSONAL":
                return True
            case "SUBSCRIBED":
                return row.name in subscribed
            case "MAILBOXES":
                return row.name in self.names
            case "SUBTREE":
                return any(row.name == name or row.name.startswith(f"{name}/") or not name for name in self.names)
            case _:
                return any(_is_child(row.name, name) for name in self.names)


def _is_child(name: str, above: str) -> bool:
    """Whether a name is that above, or directly below it."""
    if name == above:
        return True
    below = name.removeprefix(f"{above}/") if above else name
    return (not above or below != name) and "/" not in below


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
        return canonical(scanner.mailbox())
    except ValueError as error:
        raise Refusal(f"The name of a mailbox is modified UTF-7 (RFC 3501, 5.1.3): {error}", "CANNOT") from None


def chosen(
    filters: Sequence[MailboxFilter], rows: Sequence[MailboxRow], subscribed: Collection[str], selected: int | None
) -> list[MailboxRow]:
    """The mailboxes that are in at least one set, each once, in the order given."""
    return [row for row in rows if any(one.includes(row, subscribed, selected) for one in filters)]

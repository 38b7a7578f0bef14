"""What NOTIFY (RFC 5465) tells of names: mailboxes that came, went, were renamed, subscribed to, or may not be read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..store.rows import MailboxRow
from . import responses

if TYPE_CHECKING:
    from .session import IMAPSession


@dataclass(slots=True)
class Known:
    """A mailbox as the client knows it.

    Attributes:
        events: those that are told of it.
        barred: whether events of messages were asked for, and it may not be read.
        subscribed: whether the user is subscribed to it.
    """

    name: str
    row: MailboxRow
    events: frozenset[str]
    barred: bool = False
    subscribed: bool = False
    annotations: Mapping[str, bytes] = field(default_factory=dict)


def superiors(session: "IMAPSession", names: Iterable[str]) -> frozenset[str]:
    """The names that have others below them."""
    return frozenset(above for name in names for above in session.names.superiors(name))


def no_access(session: "IMAPSession", known: Known) -> bytes:
    """That a mailbox can be listed and not be read (RFC 5465, 3.1 and 5.9)."""
    return _line(session, ("\\NoAccess",), known.name)


def of_names(
    session: "IMAPSession", before: Mapping[int, Known], now: Mapping[int, Known], parents: frozenset[str]
) -> list[bytes]:
    """RFC 5465, 5.4: mailboxes that came to be, have another name, or went.

    Args:
        before, now: those that are watched, by their ids.
        parents: see ``superiors``.
    """
    lines = []
    names = {known.name: known for known in now.values()}
    told = {id_: known for id_, known in now.items() if "MAILBOXNAME" in known.events}
    renamed = {before[id_].name: known.name for id_, known in told.items() if id_ in before}
    touched: set[str] = set()
    for id_, known in told.items():
        old = before.get(id_)
        if old is None or old.row.selectable != known.row.selectable:
            touched.add(known.name)
            lines.append(_line(session, _attributes(session, known, parents), known.name))
        elif old.name != known.name and not _goes_along(session, old.name, known.name, renamed):
            old_name = responses.mailbox(old.name, utf8=session.utf8)
            extended = b' ("OLDNAME" (%b))' % old_name
            lines.append(_line(session, _attributes(session, known, parents), known.name, extended))
    for id_, old in before.items():
        if id_ in now or old.name in names:
            continue
        if "MAILBOXNAME" in old.events:
            touched.add(old.name)
            lines.append(_line(session, ("\\NonExistent",), old.name))
        elif old.row.account != session.account and old.events:
            lines.append(no_access(session, old))  # RFC 5465, 5.9
    # The one directly above has children now, or has none any more.
    for above in sorted({session.names.superiors(name)[-1] for name in touched if session.names.superiors(name)}):
        known_above = names.get(above)
        if known_above is not None and above not in touched and "MAILBOXNAME" in known_above.events:
            lines.append(_line(session, _attributes(session, known_above, parents), above))
    return lines


def of_access(session: "IMAPSession", before: Mapping[int, Known], now: Mapping[int, Known]) -> list[bytes]:
    """RFC 5465, 5.9: mailboxes that may not be read any more, or may be again."""
    lines = []
    for id_, known in now.items():
        old = before.get(id_)
        if known.barred and (old is None or not old.barred):
            lines.append(no_access(session, known))
        elif old is not None and old.barred and not known.barred:
            lines.append(_line(session, (), known.name))
    return lines


def of_subscriptions(
    session: "IMAPSession", before: Mapping[int, Known], now: Mapping[int, Known], parents: frozenset[str]
) -> list[bytes]:
    """RFC 5465, 5.5: mailboxes that are subscribed to now, or no longer; with all their attributes."""
    was = {known.name for known in before.values() if known.subscribed}
    lines = []
    for known in now.values():
        if "SUBSCRIPTIONCHANGE" in known.events and known.subscribed != (known.name in was):
            attributes = _attributes(session, known, parents)
            lines.append(_line(session, (*attributes, "\\Subscribed") if known.subscribed else attributes, known.name))
    return lines


def _goes_along(session: "IMAPSession", old: str, new: str, renamed: Mapping[str, str]) -> bool:
    """Whether a mailbox only has another name because the one above it has: of children nothing is told."""
    return any(above in renamed and renamed[above] + old[len(above) :] == new for above in session.names.superiors(old))


def _attributes(session: "IMAPSession", known: Known, parents: frozenset[str]) -> Sequence[str]:
    attributes = [] if known.row.selectable else ["\\Noselect"]
    if session.offers("CHILDREN"):
        attributes.append("\\HasChildren" if known.name in parents else "\\HasNoChildren")
    if session.offers("SPECIAL-USE") and known.row.account == session.account:
        attributes += sorted(known.row.special_use)
    return attributes


def _line(session: "IMAPSession", attributes: Sequence[str], name: str, extended: bytes = b"") -> bytes:
    separator = session.names.separator
    return responses.listed(b"LIST", attributes, name, extended, utf8=session.utf8, separator=separator)

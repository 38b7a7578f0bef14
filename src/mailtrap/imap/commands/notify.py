"""NOTIFY (RFC 5465): what is told of other mailboxes, and of the selected one without waiting for a command.

What a client asked for is a list of groups, each a set of mailboxes and the events that are told of them; what
several say of a mailbox adds up. A ``Notifier`` knows how everything looked when the client was told last. A hint
only wakes the session: then everything is looked at again, and what differs is told.
"""

from collections.abc import Generator, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from ... import limits
from ...errors import NoSuchMailbox
from ...store.base import Store
from ...store.rows import ALL, Changes, Key, MailboxRow
from ...wire.machine import Steps
from ...wire.steps import Call, Step, Watch
from .. import changed_names, responses
from ..changed_names import Known
from ..command import AFTER_LOGIN, Handled, command
from ..fetch_items import Item, read_items
from ..mailbox_filters import MailboxFilter, Named, named, read_filter
from ..responses import Refusal, Reply
from ..rights import ANYONE, rights_of
from ..telling import tell
from ..tokens import Scanner, SyntaxFault
from .fetch import answer_for
from .mailbox import status_of

if TYPE_CHECKING:
    from ..session import IMAPSession

_MESSAGES: Final = frozenset({"MESSAGENEW", "MESSAGEEXPUNGE"})
_NAMES: Final = {
    name.upper(): name
    for name in (
        "FlagChange", "MailboxMetadataChange", "MailboxName", "MessageExpunge", "MessageNew", "ServerMetadataChange",
        "SubscriptionChange",
    )
}  # fmt: skip
_OF_MESSAGES: Final = _MESSAGES | {"FLAGCHANGE"}
_SELECTED: Final = ("SELECTED", "SELECTED-DELAYED")
_EVENTS_OF_OTHERS: Final = frozenset({"ANNOTATIONCHANGE"})  # of extensions that are not there


@dataclass(frozen=True, slots=True)
class Group:
    """One event group.

    Attributes:
        events: their names in upper case.
        items: what is told of a new message in the selected mailbox.
    """

    filter: MailboxFilter
    events: frozenset[str]
    items: Sequence[Item] = ()


class Notifier:
    """What one session is to be told, and what it knows.

    Attributes:
        selected: the group of the selected mailbox; None where there is none.
    """

    def __init__(self, groups: Sequence[Group]) -> None:
        self._groups = [group for group in groups if group.filter.kind not in _SELECTED]
        self.selected = next((group for group in groups if group.filter.kind in _SELECTED), None)
        self._known: dict[int, Known] = {}
        self._server: Mapping[str, bytes] = {}
        self._selected: int | None = None  # the mailbox that was selected at the last look
        self._watched: frozenset[Hashable] = frozenset()
        self._every = frozenset[str]().union(*(group.events for group in self._groups))

    @property
    def tells_flags(self) -> bool:
        """Whether flags that others change in the selected mailbox are told."""
        return self.selected is None or "FLAGCHANGE" in self.selected.events

    @property
    def items(self) -> Sequence[Item]:
        """What is told of a new message in the selected mailbox."""
        group = self.selected
        return group.items if group is not None and "MESSAGENEW" in group.events else ()

    def stale(self, session: "IMAPSession") -> bool:
        """Whether another mailbox was selected since it was looked at last."""
        return self._selected != (None if session.view is None else session.view.mailbox.id)

    def attend(self, session: "IMAPSession") -> None:
        """It is looked at now, whatever comes of it."""
        self._selected = None if session.view is None else session.view.mailbox.id

    def arrived(self, session: "IMAPSession", uids: Sequence[int]) -> Steps:
        """Tell of messages that are new in the selected mailbox (RFC 5465, 5.2)."""
        if self.items and uids:
            yield from answer_for(session, self.items, uids)

    # ------------------------------------------------------------ looking

    def begin(self, session: "IMAPSession", *, status: bool) -> Generator[Step, Any, bytes]:
        """Learn how everything looks.

        Args:
            status: the counts of the mailboxes are told (RFC 5465, 3.1).

        Raises:
            Refusal: there are more mailboxes than are watched.
        """
        self.attend(session)
        mailboxes = yield from named(session)
        now = yield from self._look(session, mailboxes)
        if len(now) > limits.IMAP_NOTIFIED:
            raise Refusal("There are too many mailboxes", "NOTIFICATIONOVERFLOW")  # RFC 5465, 5.8
        self._known = now
        self._server = yield from self._server_annotations(session)
        lines = b"".join(changed_names.no_access(session, known) for known in now.values() if known.barred)
        for known in now.values() if status else ():
            if known.events & _OF_MESSAGES and not self._is_selected(session, known.row):
                lines += yield from _status(session, known, first=True)
        return lines

    def news(self, session: "IMAPSession") -> Generator[Step, Any, bytes]:
        """What the client has to be told of now, but of messages in the selected mailbox."""
        self.attend(session)
        mailboxes = yield from named(session)
        now = yield from self._look(session, mailboxes)
        if len(now) > limits.IMAP_NOTIFIED:
            session.notifier = None  # RFC 5465, 5.8: as NOTIFY NONE
            return Reply("OK", "There are too many mailboxes to tell of", "NOTIFICATIONOVERFLOW").line()
        before, self._known = self._known, now
        parents = changed_names.superiors(session, (mailbox.name for mailbox in mailboxes))
        lines = changed_names.of_names(session, before, now, parents)
        lines += changed_names.of_access(session, before, now)
        lines += changed_names.of_subscriptions(session, before, now, parents)
        for id_, known in now.items():
            old = before.get(id_)
            if "MAILBOXMETADATACHANGE" in known.events and (changed := _differ(old, known)):
                lines.append(_metadata(session, known.name, changed))
            if not known.events & _OF_MESSAGES or self._is_selected(session, known.row):
                continue
            since = known.row if old is None else old.row
            if since.highestmodseq != known.row.highestmodseq:
                happened: frozenset[str] = yield Call(_happened, session.services.store, since)
                if happened & known.events:
                    lines.append((yield from _status(session, known)))
        server = yield from self._server_annotations(session)
        if changed := _differing(self._server, server):
            lines.append(_metadata(session, "", changed))
        self._server = server
        return b"".join(lines)

    def watch(self, session: "IMAPSession") -> Watch:
        """What the session has to be woken for."""
        mine = session.account
        wanted: list[Hashable] = [mine, Key(mine.scope, ANYONE)]
        if "SERVERMETADATACHANGE" in self._every:
            wanted.append(Key(mine.scope, ALL))
        wanted += [id_ for id_, known in self._known.items() if known.events & _OF_MESSAGES]
        seconds: float | None = None
        if session.view is not None and self.selected is not None and self.selected.events:
            wanted.append(session.view.mailbox.id)
            seconds = session.patience
        if not self._watched.issuperset(wanted):
            session.woken = True  # what came before it was watched gave no hint: it is looked at once more
        self._watched = frozenset(wanted)
        return Watch(wanted, seconds)

    @staticmethod
    def _is_selected(session: "IMAPSession", row: MailboxRow) -> bool:
        return session.view is not None and session.view.mailbox.id == row.id

    def _events(self, session: "IMAPSession", mailbox: Named) -> frozenset[str]:
        """The events of the groups that a mailbox is in (RFC 5465, 6); from one that says NONE on, no others."""
        events = frozenset[str]()
        for group in self._groups:
            if group.filter.includes(mailbox, session.names.separator):
                if not group.events:
                    break
                events |= group.events
        return events

    def _look(self, session: "IMAPSession", mailboxes: Sequence[Named]) -> Generator[Step, Any, dict[int, Known]]:
        found: dict[int, Known] = {}
        for mailbox in mailboxes:
            if events := self._events(session, mailbox):
                # RFC 5465, 3.1: what can be listed and not be read is told so, and not watched
                readable = "r" in rights_of(mailbox.row, session.account)
                barred = not readable and bool(events & _OF_MESSAGES) and mailbox.row.selectable
                known = Known(mailbox.name, mailbox.row, events if readable else events - _OF_MESSAGES, barred)
                known.subscribed = mailbox.subscribed
                found[mailbox.row.id] = known
        annotated = [id_ for id_, known in found.items() if "MAILBOXMETADATACHANGE" in known.events]
        if annotated:
            kept: Sequence[Mapping[str, bytes]]
            kept = yield Call(session.services.store.annotations, session.account, annotated)
            for id_, annotations in zip(annotated, kept, strict=True):
                found[id_].annotations = annotations
        return found

    def _server_annotations(self, session: "IMAPSession") -> Generator[Step, Any, Mapping[str, bytes]]:
        if "SERVERMETADATACHANGE" not in self._every:
            return {}
        kept: Sequence[Mapping[str, bytes]]
        kept = yield Call(session.services.store.annotations, session.account, [None])
        return kept[0]


def told(session: "IMAPSession") -> Steps:
    """Tell what is new, between two commands and in IDLE."""
    session.woken = False
    notifier = session.notifier
    assert notifier is not None
    notifier.attend(session)
    group = notifier.selected
    if session.view is not None and group is not None and group.events:
        yield from tell(session, expunges=group.filter.kind == "SELECTED")
    if news := (yield from notifier.news(session)):
        yield news
    yield notifier.watch(session) if session.notifier is not None else Watch(())


def _happened(store: Store, since: MailboxRow) -> frozenset[str]:
    """Which events there were in a mailbox since it was as the row says."""
    try:
        changes: Changes = store.changes(since.id, since.highestmodseq)
    except NoSuchMailbox:
        return frozenset()
    happened = set()
    if changes.vanished or not changes.complete:
        happened.add("MESSAGEEXPUNGE")
    if changes.changed and changes.changed[-1].uid >= since.uidnext:
        happened.add("MESSAGENEW")
    if changes.changed and changes.changed[0].uid < since.uidnext:
        happened.add("FLAGCHANGE")
    if changes.uidvalidity != since.uidvalidity:
        happened |= _MESSAGES
    return frozenset(happened)


def _status(session: "IMAPSession", known: Known, *, first: bool = False) -> Generator[Step, Any, bytes]:
    """RFC 5465, 5.1 to 5.3: the STATUS response of a mailbox that is not selected.

    Args:
        first: it is the one that NOTIFY itself asks for (RFC 5465, 3.1).
    """
    items = ["MESSAGES", "UIDNEXT", "UIDVALIDITY"]
    if "FLAGCHANGE" in known.events:
        items.append("UNSEEN")
    if session.condstore or (first and "FLAGCHANGE" in known.events and session.offers("CONDSTORE")):
        items.append("HIGHESTMODSEQ")
    if not known.row.selectable:
        return b""
    try:
        line: bytes = yield status_of(session, known.row, items)
    except NoSuchMailbox:
        return b""  # it is told at the next look
    return line


def _differ(old: Known | None, known: Known) -> list[str]:
    return [] if old is None else _differing(old.annotations, known.annotations)


def _differing(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> list[str]:
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


def _metadata(session: "IMAPSession", name: str, entries: Sequence[str]) -> bytes:
    """RFC 5464, 4.4.2: the METADATA response without values."""
    mailbox = responses.mailbox(name, utf8=session.utf8) if name else b'""'
    return b"* METADATA %b %b\r\n" % (mailbox, b" ".join(responses.astring(entry.encode()) for entry in entries))


# ---------------------------------------------------------------- the command


@command("NOTIFY", AFTER_LOGIN)
def notify(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 5465, 3: instead of what was asked for before."""
    del uid
    start = scanner.position
    word = scanner.word("SET or NONE")
    if word == "NONE":
        scanner.end()
        session.notifier = None
        yield Watch(())
        return None
    if word != "SET":
        raise SyntaxFault(f"{word} is neither SET nor NONE", start)
    scanner.space()
    status = scanner.peek_word() == "STATUS"
    if status:
        scanner.word()
        scanner.space()
    groups = [_read_group(session, scanner)]
    while not scanner.ended:
        scanner.space()
        groups.append(_read_group(session, scanner))
    if sum(group.filter.kind in _SELECTED for group in groups) > 1:
        raise SyntaxFault("SELECTED and SELECTED-DELAYED stand once, and not both")  # RFC 5465, 8
    if unknown := {event for group in groups for event in group.events} - _NAMES.keys():
        listed = " ".join(sorted(_NAMES.values()))
        raise Refusal(f"There is no event {min(unknown)} here", f"BADEVENT ({listed})")  # RFC 5465, 5
    notifier = Notifier(groups)
    if lines := (yield from notifier.begin(session, status=status)):
        yield lines
    session.notifier = notifier
    yield notifier.watch(session)
    return None


def _read_group(session: "IMAPSession", scanner: Scanner) -> Group:
    """RFC 5465, 8: event-group."""
    scanner.open()
    mailboxes = read_filter(scanner)
    scanner.space()
    start = scanner.position
    items: list[Item] = []
    if scanner.at(b"("):
        events = frozenset(scanner.items(lambda: _read_event(session, scanner, items)))
    elif scanner.word("events, or NONE") == "NONE":
        events = frozenset()
    else:
        raise SyntaxFault("Expected events in parentheses, or NONE", start)
    scanner.close()
    if events & _MESSAGES and not events >= _MESSAGES:
        raise SyntaxFault("MessageNew and MessageExpunge go together", start)  # RFC 5465, 5.1
    if events & {"FLAGCHANGE", *_EVENTS_OF_OTHERS} and not events >= _MESSAGES:
        raise SyntaxFault("Such events go with MessageNew and MessageExpunge", start)
    if mailboxes.kind in _SELECTED and not events <= _OF_MESSAGES | _EVENTS_OF_OTHERS:
        raise SyntaxFault("Of the selected mailbox only events of messages are told", start)  # RFC 5465, 6.1
    if items and mailboxes.kind not in _SELECTED:
        raise SyntaxFault("Items of new messages are told of the selected mailbox only", start)  # RFC 5465, 5.2
    return Group(mailboxes, events, items)


def _read_event(session: "IMAPSession", scanner: Scanner, items: list[Item]) -> str:
    event = scanner.word("an event")
    if event == "MESSAGENEW" and scanner.take(b" ("):
        scanner.position -= 1
        # RFC 5465, 5.2: telling of a message does not set \Seen
        items += [replace(item, peek=True) for item in read_items(scanner, session.offers)]
    return event

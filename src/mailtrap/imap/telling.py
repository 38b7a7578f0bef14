"""What others did in the selected mailbox, told to the client: EXPUNGE or VANISHED, EXISTS, RECENT, FETCH.

It is told between two commands or in IDLE, never into the middle of one (RFC 3501, 7).
"""

import re
from collections.abc import Collection, Generator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .. import clock
from ..errors import NoSuchMailbox
from ..store.base import Store
from ..store.rows import Changes, CopyRow, Snapshot
from ..store.search import And, Uids, intervals, next_change
from ..wire.machine import Steps
from ..wire.steps import Call, Step
from . import responses, searching, sequence
from .contexts import Context
from .fetch_items import Item
from .ordered import arranged
from .responses import Goodbye
from .rights import selected_rights
from .view import News, View

if TYPE_CHECKING:
    from .session import IMAPSession

_NUMBERED: Final = re.compile(
    rb"^[^ \r\n]+ (?:FETCH|STORE|COPY|MOVE|REPLACE|(?:UID )?(?:SEARCH|SORT|THREAD)) ", re.IGNORECASE | re.MULTILINE
)


def tell(session: "IMAPSession", *, expunges: bool, explicit: bool = False) -> Steps:
    """Ask the store what is new in the selected mailbox, and say it.

    Args:
        expunges: whether EXPUNGE may be told (RFC 3501, 7.4.1).
        explicit: the command itself expunges, so it is told even where the client did not wait.

    Raises:
        Goodbye: the mailbox was deleted, or has other UIDs now.
    """
    view = session.selected
    store = session.services.store
    mailbox = view.mailbox.id
    try:
        if view.mailbox.account != session.key:
            rights = yield from selected_rights(session)
            if "r" not in rights:
                return  # RFC 4314, 5.1.1: nothing is said of what may not be read any more
            if line := _permitted(view, rights):
                yield line
        found: _Found = yield Call(_find, store, mailbox, view.modseq, view.last, view.read_only or session.rev2)
    except NoSuchMailbox:
        raise Goodbye("The selected mailbox was deleted", "UNAVAILABLE") from None
    changes, current, recent_from = found
    late = bool(view.contexts) and view.due <= clock.now()  # RFC 5032, 2: time has passed
    if changes.highestmodseq == view.modseq and not view.withheld and not late:
        return
    if changes.uidvalidity != view.mailbox.uidvalidity:
        raise Goodbye("The selected mailbox has a new UIDVALIDITY", "UNAVAILABLE")
    if expunges and not explicit and not session.uid_only and (current is not None or view.withheld):
        # a command with numbers that came already was written before the client could know
        expunges = not _NUMBERED.search(session.buffer)
    news = view.apply(changes, expunges=expunges, current=current)
    output = _said(session, view, news, changes, recent_from)
    told: Collection[int] = ()
    if view.contexts:
        if before := _taken_out(view, news):
            output = before + output
        updates = b""
        for context in tuple(view.contexts.values()):
            updates += yield from _updated(session, view, context, changes.changed)
        if news.arrived and any(context.items for context in view.contexts.values()):
            yield output
            output = b""
            told = yield from _arrived(session, view, news.arrived)
        output += updates
    if output:
        yield output
    if news.arrived and session.notifier is not None:
        # RFC 5465, 5.2: behind ADDTO; of those told of above no second time
        yield from session.notifier.arrived(session, [uid for uid in news.arrived if uid not in told])


def _arrived(session: "IMAPSession", view: View, uids: Sequence[int]) -> Generator[Step, Any, Collection[int]]:
    """Tell of new messages that are results what their searches want to be told, before ADDTO (RFC 5465, 7).

    It is one FETCH for each, with what NOTIFY asked for (RFC 5465, 5.2); the UIDs that were told of.
    """
    also: Sequence[Item] = () if session.notifier is None else session.notifier.items
    wanted: dict[tuple[Item, ...], list[int]] = {}
    for uid in uids:
        found = [item for context in view.contexts.values() if uid in context.found for item in context.items]
        if found:
            wanted.setdefault(tuple(dict.fromkeys((*found, *also))), []).append(uid)
    for items, some in wanted.items():
        yield from session.fetched(items, some)
    return {uid for some in wanted.values() for uid in some}


def _taken_out(view: View, news: News) -> bytes:
    """What is expunged leaves the results of updated searches before its number goes (RFC 5267, 4.3.4)."""
    if not news.vanished:
        return b""
    numbers = dict(zip(reversed(news.vanished), news.expunged, strict=True))  # as they were: the highest is told first
    gone = set(news.vanished)
    # where none is a result nothing is said; where one is, its number is the one before any EXPUNGE
    return b"".join(context.response(context.without(gone), numbers.__getitem__) for context in view.contexts.values())


def _updated(
    session: "IMAPSession", view: View, context: Context, copies: Sequence[CopyRow]
) -> Generator[Step, Any, bytes]:
    """What became and what is no longer a result of an updated search, among the messages that changed.

    Where time alone can have changed it, that is every message.
    """
    store, mailbox = session.services.store, view.mailbox.id
    late = context.due <= clock.now()
    changed: Sequence[int] = view.present() if late else [copy.uid for copy in copies]
    if not changed:
        return b""
    try:
        if late:
            context.due = yield from searching.next_change(store, mailbox, changed, context.tree)
            fitting = yield from searching.find(store, mailbox, changed, context.tree)
        else:
            if seconds := intervals(context.tree):
                context.due = min(context.due, next_change(seconds, [row.internal_date for row in copies], clock.now()))
            fitting = yield Call(store.search, mailbox, And((Uids.of(changed), context.tree)))
        found = sorted({*context.found}.difference(changed).union(view.known(fitting)))
        if context.criteria is not None:
            scores = (yield from searching.scored(store, mailbox, found, context.tree)) if context.fuzzy else {}
            found = list((yield from arranged(store, mailbox, found, context.criteria, scores)))
    except NoSuchMailbox:
        return b""  # it is told at the next question
    return context.response(context.become(found), view.number)


def _permitted(view: View, rights: frozenset[str]) -> bytes:
    """FLAGS and PERMANENTFLAGS where the user may change others than he was told (RFC 4314, 5.1.1)."""
    before = [right in view.rights for right in "stw"]
    view.rights = rights
    if view.read_only or before == [right in rights for right in "stw"]:
        return b""
    return responses.flag_lines(view.keywords, view.permanent)


class _Found(NamedTuple):
    """What happened; where UIDs came or went also all there are, and where they came the lowest recent one."""

    changes: Changes
    current: Snapshot | None = None
    recent_from: int | None = None


def _find(store: Store, mailbox: int, since: int, last: int, peek: bool) -> _Found:
    """Ask a store what happened in a mailbox after a MODSEQ.

    Args:
        last: the highest UID that is known.
        peek: nothing is taken as recent (RFC 3501, 2.3.2).
    """
    changes = store.changes(mailbox, since)
    came = bool(changes.changed) and changes.changed[-1].uid > last
    if not (came or changes.vanished) and changes.complete:
        return _Found(changes)
    recent_from = store.take_recent(mailbox, peek=peek) if came else None
    current = store.snapshot(mailbox)
    if current.mailbox.highestmodseq != changes.highestmodseq:
        # what came between the questions may have been taken as recent too: it is told now
        changes = store.changes(mailbox, since)
    return _Found(changes, current, recent_from)


def _said(session: "IMAPSession", view: View, news: News, changes: Changes, recent_from: int | None) -> bytes:
    if news.vanished and ("QRESYNC" in session.enabled or session.uid_only):
        lines = [b"* VANISHED %b\r\n" % sequence.encode(news.vanished)]  # RFC 7162, 3.2.10.2; RFC 9586, 3.2
    else:
        lines = [b"* %d EXPUNGE\r\n" % number for number in news.expunged]
    if news.exists is not None:
        if recent_from is not None and not session.rev2:
            view.add_recent(max(recent_from, news.arrived[0]), news.arrived[-1])
        lines.append(b"* %d EXISTS\r\n" % news.exists)
        if not session.rev2:
            lines.append(b"* %d RECENT\r\n" % view.recent)
    lines.append(new_keywords(view, changes.changed))
    if session.notifier is None or session.notifier.tells_flags:
        lines += [flags_line(session, view, number, copy) for number, copy in news.changed]
    return b"".join(lines)


def flags_line(session: "IMAPSession", view: View, number: int, copy: CopyRow) -> bytes:
    """FETCH with the flags of a copy; UIDFETCH where there are no numbers (RFC 9586, 3.3)."""
    modseq = b" MODSEQ (%d)" % copy.modseq if session.condstore else b""
    if session.uid_only:
        return b"* %d UIDFETCH (FLAGS (%b)%b)\r\n" % (copy.uid, flags_of(view, copy), modseq)
    return b"* %d FETCH (UID %d FLAGS (%b)%b)\r\n" % (number, copy.uid, flags_of(view, copy), modseq)


def flags_of(view: View, copy: CopyRow) -> bytes:
    """The flags of a copy as a session sees them, without parentheses."""
    if view.is_recent(copy.uid):
        return responses.recent_flags(copy.flags)
    return responses.flags(copy.flags)


def new_keywords(view: View, copies: Sequence[CopyRow]) -> bytes:
    """FLAGS and PERMANENTFLAGS where keywords came to be that the client does not know (RFC 3501, 7.2.6)."""
    used = {copy.flags for copy in copies if copy.flags}
    found = {keyword for flags in used for keyword in flags if not keyword.startswith("\\")}
    if found <= view.keywords:
        return b""
    view.keywords |= found
    return responses.flag_lines(view.keywords, view.permanent)

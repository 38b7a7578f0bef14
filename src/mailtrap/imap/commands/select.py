"""SELECT, EXAMINE, CLOSE, UNSELECT, EXPUNGE: the selected mailbox."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ...store.base import Snapshot, Store
from ...wire.steps import Call
from .. import responses
from ..command import AFTER_LOGIN, WITH_MAILBOX, Handled, command
from ..responses import Refusal, Reply
from ..tokens import Scanner
from ..view import View
from .names import find, read_name

if TYPE_CHECKING:
    from ..session import IMAPSession


class Overview(NamedTuple):
    """What SELECT has to say of a mailbox."""

    snapshot: Snapshot
    recent_from: int
    keywords: frozenset[str]
    first_unseen: int  # its sequence number; 0 where all were seen


def overview(store: Store, mailbox: int, peek: bool) -> Overview:
    """A mailbox as SELECT finds it."""
    # Before the snapshot: what comes between the two was taken by this session, and is recent for it.
    recent_from = store.take_recent(mailbox, peek=peek)
    snapshot = store.snapshot(mailbox)
    keywords: set[str] = set()
    first_unseen = 0
    flag_sets: set[frozenset[str]] = set()
    for copy in store.copies(mailbox):
        flag_sets.add(copy.flags)
        if not first_unseen and "\\Seen" not in copy.flags:
            first_unseen = bisect_left(snapshot.uids, copy.uid) + 1
    for flags in flag_sets:
        keywords.update(flag for flag in flags if flag[0] != "\\")
    if first_unseen > len(snapshot.uids):  # it came after the snapshot
        first_unseen = 0
    return Overview(snapshot, recent_from, frozenset(keywords), first_unseen)


@command("SELECT", AFTER_LOGIN, names_mailbox=True, fresh=True)
def select(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 3501, 6.3.1."""
    del uid
    return (yield from _open(session, scanner, read_only=False))


@command("EXAMINE", AFTER_LOGIN, names_mailbox=True, fresh=True)
def examine(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 3501, 6.3.2: nothing changes, ``\\Recent`` neither."""
    del uid
    return (yield from _open(session, scanner, read_only=True))


def _open(session: "IMAPSession", scanner: Scanner, *, read_only: bool) -> Handled:
    name = read_name(scanner)
    scanner.end()
    session.view = None  # RFC 3501, 6.3.1: a SELECT that fails leaves none selected
    row = yield from find(session, name)
    if not row.selectable:
        raise Refusal("The mailbox cannot be selected: it only has children", "NONEXISTENT")
    seen: Overview = yield Call(overview, session.services.store, row.id, read_only)
    mailbox, uids = seen.snapshot.mailbox, seen.snapshot.uids
    view = View(seen.snapshot, read_only=read_only, keywords=seen.keywords)
    if uids:
        view.add_recent(seen.recent_from, uids[-1])
    session.view = view
    lines = [
        responses.flag_lines(seen.keywords, read_only=read_only),
        b"* %d EXISTS\r\n* %d RECENT\r\n" % (len(uids), view.recent),
    ]
    if seen.first_unseen:
        lines.append(b"* OK [UNSEEN %d] The first unseen message\r\n" % seen.first_unseen)
    lines.append(b"* OK [UIDVALIDITY %d] UIDs are valid\r\n" % mailbox.uidvalidity)
    lines.append(b"* OK [UIDNEXT %d] The next UID\r\n" % mailbox.uidnext)
    yield b"".join(lines)
    if read_only:
        return Reply("OK", "EXAMINE completed", "READ-ONLY")
    return Reply("OK", "SELECT completed", "READ-WRITE")


@command("CLOSE", WITH_MAILBOX, arguments=False, fresh=True)
def close(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 3501, 6.4.2: expunges without telling; after EXAMINE nothing."""
    del scanner, uid
    view = session.selected
    if not view.read_only:
        yield Call(expunge_deleted, session.services.store, view.mailbox.id, None)
    session.view = None
    return None


@command("UNSELECT", WITH_MAILBOX, arguments=False, fresh=True)
def unselect(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 3691: as CLOSE, and nothing is expunged."""
    del scanner, uid
    session.view = None
    yield from ()
    return None


@command("EXPUNGE", WITH_MAILBOX, arguments=None, has_uid=True, explicit=True)
def expunge(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 3501, 6.4.3; of some UIDs only: RFC 4315, 2.1. What is gone is told before the tagged reply."""
    wanted = None
    if uid:
        scanner.space()
        wanted = scanner.sequence_set()
    scanner.end()
    view = session.writable()
    uids = None if wanted is None else view.find(wanted, uid=True)
    yield Call(expunge_deleted, session.services.store, view.mailbox.id, uids)
    return None


def expunge_deleted(store: Store, mailbox: int, uids: Sequence[int] | None) -> Sequence[int]:
    """Take away the copies with ``\\Deleted``, of these UIDs or of all; those that were."""
    deleted = [copy.uid for copy in store.copies(mailbox, uids) if "\\Deleted" in copy.flags]
    return store.expunge(mailbox, deleted) if deleted else ()

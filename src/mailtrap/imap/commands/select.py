"""SELECT, EXAMINE, CLOSE, UNSELECT, EXPUNGE: the selected mailbox."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ...errors import NoSuchMailbox
from ...store.base import Store
from ...store.rows import Changes, MailboxRow, Snapshot
from ...wire.machine import Steps
from ...wire.steps import Call
from .. import responses, sequence
from ..command import AFTER_LOGIN, WITH_MAILBOX, Handled, command
from ..message_limit import told_limit
from ..responses import Refusal, Reply
from ..rights import require, rights_of, selected_rights
from ..sequence import SAVED, STAR, SequenceSet
from ..telling import tell
from ..tokens import Scanner, SyntaxFault
from ..view import View
from .fetch import flag_plan, slices, vanished_earlier
from .mailbox import mailbox_id
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
    flags, unseen = store.marks(mailbox)
    position = bisect_left(snapshot.uids, unseen) if unseen else len(snapshot.uids)
    first_unseen = position + 1 if position < len(snapshot.uids) else 0  # none, or one that came after the snapshot
    keywords = frozenset(flag for flag in flags if not flag.startswith("\\"))
    return Overview(snapshot, recent_from, keywords, first_unseen)


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
    condstore, resync = _read_parameters(session, scanner)
    scanner.end()
    if session.view is not None:
        session.view = None  # RFC 3501, 6.3.1: a SELECT that fails leaves none selected
        yield Reply("OK", "The mailbox before it is closed", "CLOSED").line()  # RFC 7162, 3.2.11
    if condstore:
        session.enable_condstore()
    row = yield from find(session, name, "r")
    if not row.selectable:
        raise Refusal("The mailbox cannot be selected: it only has children", "NONEXISTENT")
    rights = rights_of(row, session.account)
    read_only = read_only or rights.isdisjoint("iestw")  # RFC 4314, 5.2
    seen: Overview = yield Call(overview, session.services.store, row.id, read_only or session.rev2)
    mailbox, uids = seen.snapshot.mailbox, seen.snapshot.uids
    view = View(seen.snapshot, read_only=read_only, keywords=seen.keywords, rights=rights)
    if uids and not session.rev2:
        view.add_recent(seen.recent_from, uids[-1])
    session.view = view
    lines = [
        responses.flag_lines(seen.keywords, view.permanent),
        b"* %d EXISTS\r\n" % len(uids),
    ]
    if session.rev2:
        # RFC 9051, 6.3.2; and no RECENT, no UNSEEN
        lines.append(responses.listed(b"LIST", (), session.told(row), utf8=True, separator=session.names.separator))
    else:
        lines.append(b"* %d RECENT\r\n" % view.recent)
        if seen.first_unseen and not session.uid_only:  # RFC 9586, 3.5
            lines.append(b"* OK [UNSEEN %d] The first unseen message\r\n" % seen.first_unseen)
    lines.append(b"* OK [UIDVALIDITY %d] UIDs are valid\r\n" % mailbox.uidvalidity)
    lines.append(b"* OK [UIDNEXT %d] The next UID\r\n" % mailbox.uidnext)
    if session.offers("OBJECTID"):
        lines.append(b"* OK [MAILBOXID (%b)] It keeps this\r\n" % mailbox_id(mailbox).encode())  # RFC 8474, 4.2
    if session.offers("CONDSTORE"):
        lines.append(b"* OK [HIGHESTMODSEQ %d] The highest\r\n" % mailbox.highestmodseq)
    yield b"".join(lines)
    if resync is not None and resync.uidvalidity == mailbox.uidvalidity:
        yield from _resync(session, view, resync)
    if read_only:
        return Reply("OK", "EXAMINE completed", "READ-ONLY")
    return Reply("OK", "SELECT completed", "READ-WRITE")


class Resync(NamedTuple):
    """What a client knows of a mailbox (RFC 7162, 3.2.5)."""

    uidvalidity: int
    modseq: int
    uids: SequenceSet


def _read_parameters(session: "IMAPSession", scanner: Scanner) -> tuple[bool, Resync | None]:
    """RFC 7162, 3.1.8 and 3.2.5: whether CONDSTORE is asked for, and QRESYNC."""
    condstore = False
    resync: Resync | None = None

    def parameter() -> None:
        nonlocal condstore, resync
        start = scanner.position
        word = scanner.word("CONDSTORE or QRESYNC")
        if word == "CONDSTORE":
            condstore = True
        elif word == "QRESYNC" and "QRESYNC" in session.enabled:
            scanner.space()
            resync, matched = _read_resync(scanner)
            session.note_numbers(matched)
        elif word == "QRESYNC":
            raise Refusal("QRESYNC has to be enabled first", "CLIENTBUG", "BAD")  # RFC 7162, 3.2.5
        else:
            raise SyntaxFault(f"{word} is no parameter of SELECT", start)

    if session.offers("CONDSTORE") and not scanner.ended:
        scanner.space()
        scanner.items(parameter)
    return condstore, resync


def _read_resync(scanner: Scanner) -> tuple[Resync, bool]:
    """UIDVALIDITY, MODSEQ, perhaps the UIDs that are known; whether there are pairs of numbers and UIDs behind them."""
    scanner.open()
    uidvalidity = scanner.number()
    scanner.space()
    modseq = scanner.number(63)
    uids: SequenceSet = ((1, STAR),)
    matched = False
    if scanner.take(b" "):
        matched = scanner.at(b"(")
        if not matched:
            uids = _read_known(scanner)
            matched = scanner.take(b" ")
        if matched:  # which number each UID had would only spare telling what vanished long ago
            scanner.open()
            _read_known(scanner)
            scanner.space()
            _read_known(scanner)
            scanner.close()
    scanner.close()
    return Resync(uidvalidity, modseq, uids), matched


def _read_known(scanner: Scanner) -> SequenceSet:
    """A set of what a client knows; ``*`` would be what it does not know (RFC 7162, 3.2.5)."""
    start = scanner.position
    found = scanner.sequence_set()
    if found == SAVED or any(high == STAR for _, high in found):
        raise SyntaxFault("Neither * nor $ stands in a set of what is known", start)
    return found


def _resync(session: "IMAPSession", view: View, known: Resync) -> Steps:
    """Tell what happened since the client was here (RFC 7162, 3.2.5.1)."""
    changes: Changes = yield Call(session.services.store.changes, view.mailbox.id, known.modseq)
    if line := vanished_earlier(view, changes, known.uids):
        yield line
    last = view.uids[-1] if view.uids else 0
    rows = [copy for copy in changes.changed if sequence.contains(known.uids, copy.uid, last) and view.number(copy.uid)]
    plan = flag_plan(session, uid=True)
    for part in slices(rows):
        yield plan(view.numbers([row.uid for row in part]), part)


@command("CLOSE", WITH_MAILBOX, arguments=False, fresh=True)
def close(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 3501, 6.4.2: expunges without telling; after EXAMINE nothing."""
    del scanner, uid
    view = session.selected
    session.view = None
    if view.read_only:
        return None
    store = session.services.store
    try:
        row: MailboxRow = yield Call(store.mailbox_row, view.mailbox.id)
        if "e" not in rights_of(row, session.account):
            return None  # RFC 4314, 4: then nothing is expunged, and it is no error
        gone = yield Call(expunge_deleted, store, view.mailbox.id, None)
        if not (gone and session.condstore):
            return None
        row = yield Call(store.mailbox_row, view.mailbox.id)
    except NoSuchMailbox:
        return None  # it was deleted: there is nothing to expunge, and CLOSE knows no NO (RFC 3501, 6.4.2)
    return Reply("OK", "CLOSE completed", f"HIGHESTMODSEQ {row.highestmodseq}")  # RFC 7162, 3.2.8


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
    require((yield from selected_rights(session)), "e")
    uids = None if wanted is None else view.find(wanted, uid=True)
    limit = session.scope.live.imap_message_limit
    gone: Sequence[int] = yield Call(expunge_deleted, session.services.store, view.mailbox.id, uids, limit)
    code = told_limit(session, gone)
    if code or not session.condstore:
        return Reply("OK", "EXPUNGE completed", code)
    yield from tell(session, expunges=True, explicit=True)
    return Reply("OK", "EXPUNGE completed", f"HIGHESTMODSEQ {view.told}")  # RFC 7162, 3.2.7


def expunge_deleted(store: Store, mailbox: int, uids: Sequence[int] | None, limit: int = 0) -> Sequence[int]:
    """Take away the copies with ``\\Deleted``, of these UIDs or of all; those that were.

    Args:
        limit: how many at most, the newest; 0: all.
    """
    deleted = [copy.uid for copy in store.copies(mailbox, uids) if "\\Deleted" in copy.flags]
    return store.expunge(mailbox, deleted[-limit:]) if deleted else ()

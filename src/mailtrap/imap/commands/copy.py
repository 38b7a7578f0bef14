"""COPY and MOVE (RFC 3501, 6.4.7; RFC 6851), with COPYUID (RFC 4315)."""

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import NoSuchMailbox
from ...store.rows import CopyRow, MailboxRow
from ...wire.steps import Call, Step
from .. import sequence
from ..command import WITH_MAILBOX, Handled, command
from ..message_limit import not_more
from ..responses import RIGHT_OF_FLAG, Refusal, Reply
from ..rights import require, rights_of, selected_rights
from ..telling import tell
from ..tokens import Scanner
from .fetch import EXPUNGED_MEANWHILE
from .names import find_target, read_name

if TYPE_CHECKING:
    from ..session import IMAPSession


@command("COPY", WITH_MAILBOX, has_uid=True, numbered=True)
def copy(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 3501, 6.4.7: all or none."""
    return (yield from _carry(session, scanner, uid=uid, move=False))


@command("MOVE", WITH_MAILBOX, has_uid=True, explicit=True)
def move(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 6851, 3: COPYUID comes before the EXPUNGEs, which come before the tagged reply."""
    return (yield from _carry(session, scanner, uid=uid, move=True))


def _carry(session: "IMAPSession", scanner: Scanner, *, uid: bool, move: bool) -> Handled:
    wanted = scanner.sequence_set()
    scanner.space()
    name = read_name(scanner)
    scanner.end()
    view = session.writable() if move else session.selected
    uids = view.find(wanted, uid=uid)
    not_more(session, len(uids))  # all or none
    target = yield from find_target(session, name)
    if move:
        require((yield from selected_rights(session)), "te")  # RFC 6851, 4.1: as STORE and EXPUNGE
    verb = f"{'UID ' if uid else ''}{'MOVE' if move else 'COPY'}"
    if not uids:
        return Reply("OK", f"{verb} completed: there are no such messages")
    store = session.services.store
    if not uid and view.withheld:
        there = yield Call(store.copies, view.mailbox.id, uids)
        if len(there) < len(uids):
            raise Refusal(EXPUNGED_MEANWHILE, "EXPUNGEISSUED")  # RFC 2180, 4.4
    function = store.move if move else store.copy
    try:
        pairs: Sequence[tuple[int, int]] = yield Call(function, view.mailbox.id, uids, target.id)
    except NoSuchMailbox:
        raise Refusal("One of the mailboxes was deleted meanwhile", "TRYCREATE") from None
    yield from _without(session, target, [new for _, new in pairs])
    if not pairs:
        return Reply("OK", f"{verb} completed: there are no such messages")
    if not session.offers("UIDPLUS"):
        return None
    code = b"COPYUID %d %b %b" % (
        target.uidvalidity, sequence.encode(old for old, _ in pairs), sequence.encode(new for _, new in pairs)
    )  # fmt: skip
    if not move:
        return Reply("OK", f"{verb} completed", code)
    yield Reply("OK", "Moved", code).line()
    if not session.condstore:
        return None
    yield from tell(session, expunges=True, explicit=True)
    return Reply("OK", f"{verb} completed", f"HIGHESTMODSEQ {view.told}")  # RFC 7162, 3.2.7; RFC 6851, 4.4


def _without(session: "IMAPSession", target: MailboxRow, uids: Sequence[int]) -> Generator[Step, Any, None]:
    """Take those flags away from copies that the user may not set where they are now (RFC 4314, 4)."""
    rights = rights_of(target, session.account)
    if rights >= {"s", "t", "w"} or not uids:
        return
    copies: Sequence[CopyRow] = yield Call(session.services.store.copies, target.id, uids)
    flags = {flag for copy in copies for flag in copy.flags if RIGHT_OF_FLAG.get(flag, "w") not in rights}
    if flags:
        yield Call(session.services.store.set_flags, target.id, uids, flags, "remove")

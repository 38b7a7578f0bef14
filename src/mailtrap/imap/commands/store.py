"""STORE (RFC 3501, 6.4.6)."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from ...store.rows import CopyRow, FlagMode
from ...wire.steps import Call
from .. import gmail, sequence
from ..command import WITH_MAILBOX, Handled, command
from ..fetch_items import plain
from ..message_limit import newest
from ..responses import Refusal, Reply
from ..rights import permitted, selected_rights
from ..sequence import SequenceSet
from ..telling import new_keywords, tell
from ..tokens import Scanner, SyntaxFault
from .fetch import EXPUNGED_MEANWHILE, UID, answer_for, flag_plan, slices

if TYPE_CHECKING:
    from ..session import IMAPSession

_MODES: Final[dict[str, FlagMode]] = {"FLAGS": "replace", "+FLAGS": "add", "-FLAGS": "remove"}

_LABEL_MODES: Final[dict[str, FlagMode]] = {
    "X-GM-LABELS": "replace", "+X-GM-LABELS": "add", "-X-GM-LABELS": "remove",
}  # fmt: skip


@command("STORE", WITH_MAILBOX, has_uid=True, numbered=True, quiet=True)
def store(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 3501, 6.4.6: one command is one change, however many messages."""
    wanted = scanner.sequence_set()
    scanner.space()
    since = _read_unchanged_since(scanner) if session.offers("CONDSTORE") and scanner.at(b"(") else None
    start = scanner.position
    word = scanner.word("FLAGS, +FLAGS or -FLAGS")
    silent = word.endswith(".SILENT")
    mode = _MODES.get(word.removesuffix(".SILENT"))
    if word.removesuffix(".SILENT") in _LABEL_MODES and session.offers("X-GM-EXT-1"):
        return (yield from _store_labels(session, scanner, wanted, word, uid=uid))
    if mode is None:
        raise SyntaxFault(f"{word} is none of FLAGS, +FLAGS and -FLAGS", start)
    scanner.space()
    flags = _flags(scanner)
    scanner.end()
    view = session.writable()
    # RFC 4314, 4: what the user may change is changed, and it fails where that is nothing
    rights = yield from selected_rights(session)
    asked, flags = flags, permitted(flags, rights)
    if (asked and not flags) or rights.isdisjoint("stw"):
        raise Refusal("The right to change these flags is missing", "NOPERM")
    if mode == "replace" and not rights >= {"s", "t", "w"}:
        raise Refusal("Flags can be added and removed here, and not replaced", "NOPERM")
    uids, code = newest(session, view.find(wanted, uid=uid))
    if since is not None and (enabled := session.enable_condstore()):
        yield enabled
    if silent:  # what others did is told before, so that it is not taken for what this command does
        yield from tell(session, expunges=False)
    rows: Sequence[CopyRow]
    left: Sequence[int]
    change = partial(session.services.store.set_flags, unchanged_since=since)
    rows, left = yield Call(change, view.mailbox.id, uids, flags, mode)
    if fresh := new_keywords(view, rows):
        yield fresh
    view.note(rows, silent=silent)
    if not silent or session.condstore:
        plan = flag_plan(session, uid=uid, silent=silent)
        for part in slices(rows):
            yield plan(view.numbers([row.uid for row in part]), part)
    if len(rows) + len(left) < len(uids) and not uid:
        raise Refusal(EXPUNGED_MEANWHILE, "EXPUNGEISSUED")  # RFC 2180, 4.2; RFC 5530, 3
    if left:
        # RFC 7162, 3.1.3: some had changed since, and were left alone
        modified = sequence.encode(left if uid else view.numbers(left))
        return Reply("OK", "Conditional STORE failed for some", b"MODIFIED " + modified)
    return Reply("OK", f"{'UID ' if uid else ''}STORE completed", code)


def _read_unchanged_since(scanner: Scanner) -> int:
    """RFC 7162, 3.1.3: the one modifier there is."""
    scanner.open()
    start = scanner.position
    if scanner.word("UNCHANGEDSINCE") != "UNCHANGEDSINCE":
        raise SyntaxFault("Expected UNCHANGEDSINCE", start)
    scanner.space()
    since = scanner.number(63)
    scanner.close()
    scanner.space()
    return since


def _flags(scanner: Scanner) -> frozenset[str]:
    """RFC 3501, 9: store-att-flags: in parentheses or not."""
    if scanner.at(b"("):
        return scanner.flags()
    found = [scanner.flag()]
    while scanner.take(b" "):
        found.append(scanner.flag())
    return frozenset(found)


def _store_labels(session: "IMAPSession", scanner: Scanner, wanted: SequenceSet, word: str, *, uid: bool) -> Handled:
    """X-GM-EXT-1: a label is a mailbox that has a copy of the message too, or a flag."""
    silent = word.endswith(".SILENT")
    mode = _LABEL_MODES[word.removesuffix(".SILENT")]
    scanner.space()
    labels = scanner.items(lambda: gmail.read_label(scanner, session.names.separator), empty=True)
    scanner.end()
    view = session.writable()
    if session.is_record:
        raise Refusal("Nothing can be put into this account: it is the record of messages", "CANNOT")
    if view.mailbox.account != session.account:
        raise Refusal("Labels are given in one's own mailboxes", "NOPERM")
    uids = view.find(wanted, uid=uid)
    yield Call(gmail.relabel, session.services.store, session.account, view.mailbox.id, uids, labels, mode)
    if not silent:
        yield from answer_for(session, [*((UID,) if uid and not session.uid_only else ()), plain("X-GM-LABELS")], uids)
    return Reply("OK", f"{'UID ' if uid else ''}STORE completed")

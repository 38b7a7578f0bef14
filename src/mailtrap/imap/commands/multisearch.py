"""MULTISEARCH (RFC 7377): one search in several mailboxes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ...errors import NoSuchMailbox
from ...store.rows import Key, MailboxRow, Snapshot
from ...wire.steps import Call
from .. import responses, results, searching
from ..command import AFTER_LOGIN, Handled, command
from ..mailbox_filters import MailboxFilter, chosen, named, read_filter
from ..responses import Refusal, Reply
from ..results import correlator, esearch, read_return
from ..rights import rights_of
from ..search_keys import Reader, Tree, read_charset
from ..tokens import Scanner, SyntaxFault
from ..view import View

if TYPE_CHECKING:
    from ..session import IMAPSession

_NOWHERE: Final = Snapshot(MailboxRow(0, Key("", ""), "", 0, 1, 0), ())


@command("ESEARCH", AFTER_LOGIN, quiet=True)
def extended_search(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 7377, 2: the answer has UIDs, and one response for each mailbox in which something was found."""
    del uid
    filters = _read_source(scanner)
    if session.view is None and any(one.kind == "SELECTED" for one in filters):
        raise Refusal("No mailbox is selected", "CLIENTBUG", "BAD")
    wanted = read_return(scanner, session.offers, context="") or results.ALL
    charset = read_charset(scanner)
    of_selected = all(one.kind == "SELECTED" for one in filters)

    def read(view: View) -> tuple[Reader, Tree]:
        keys = scanner.ahead()
        reader = Reader(keys, view, session.offers, charset, not session.rev2)
        tree = reader.keys()
        keys.end()
        if (reader.numbered or reader.saved) and not of_selected:
            raise SyntaxFault("Message numbers mean nothing in several mailboxes")  # RFC 7377, 2.1
        if "RELEVANCY" in wanted and not reader.fuzzy:
            raise SyntaxFault("RELEVANCY needs a FUZZY key")
        return reader, tree

    reader, _ = read(session.view or View(_NOWHERE, read_only=True))  # a fault is told before anything is done
    session.note_numbers(reader.numbered)
    if reader.modseq and (enabled := session.enable_condstore()):
        yield enabled
    store = session.services.store
    mailboxes = yield from named(session)
    for mailbox in chosen(filters, mailboxes, session.names.separator):
        row = mailbox.row
        if not row.selectable or "r" not in rights_of(row, session.account):
            continue
        try:
            view = session.view
            if view is None or not mailbox.selected:
                view = View((yield Call(store.snapshot, row.id)), read_only=True)
            _, tree = read(view)
            found = view.known((yield from searching.find(store, row.id, view.uids, tree)))
            if not found:
                continue
            modseq = b""
            if reader.modseq:
                modseq = yield from searching.highest_modseq(store, row.id, wanted.returned(found))
            scores: Sequence[int] = ()
            if "RELEVANCY" in wanted:
                of_each = yield from searching.scored(store, row.id, found, tree)
                scores = [of_each.get(message, 1) for message in found]
        except NoSuchMailbox:
            continue  # it was deleted meanwhile
        name = responses.mailbox(mailbox.name, utf8=session.utf8)
        where = b" MAILBOX %b UIDVALIDITY %d" % (name, view.mailbox.uidvalidity)
        begin = correlator(session.tag, uid=True, mailbox=where)
        yield esearch(begin, wanted, found, modseq=modseq, scores=scores)
    return Reply("OK", "ESEARCH completed")


def _read_source(scanner: Scanner) -> list[MailboxFilter]:
    """RFC 7377, 4: where to search; without it the selected mailbox."""
    if scanner.peek_word() != "IN":
        return [MailboxFilter("SELECTED")]
    scanner.word()
    scanner.space()
    start = scanner.position
    filters = scanner.items(lambda: read_filter(scanner))
    if any(one.kind == "SELECTED-DELAYED" for one in filters):
        raise SyntaxFault("SELECTED-DELAYED is for NOTIFY", start)
    scanner.space()
    return filters

"""MULTISEARCH (RFC 7377): one search in several mailboxes."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ...errors import NoSuchMailbox
from ...store.rows import Key, MailboxRow, Snapshot
from ...wire.machine import Steps
from ...wire.steps import Call, Step
from .. import responses, results, searching
from ..command import AFTER_LOGIN, Handled, command
from ..contexts import Context
from ..mailbox_filters import MailboxFilter, Named, chosen, named, read_filter
from ..responses import Refusal, Reply
from ..results import Wanted, correlator, esearch, read_return
from ..rights import rights_of
from ..search_keys import Reader, Tree, read_charset
from ..tokens import Scanner, SyntaxFault
from ..view import View
from .names import find
from .search import forget_saved, keep_updated, not_updated

if TYPE_CHECKING:
    from ..session import IMAPSession

_NOWHERE: Final = Snapshot(MailboxRow(0, Key("", ""), "", 0, 1, 0), ())


@dataclass(slots=True)
class _Search:
    """One command: what is searched for, and how it is answered.

    Attributes:
        scanner: stands before the keys; they are read for each mailbox anew, as ``*`` is each one's own.
        of_selected: the selected mailbox is the only source.
        kept: whether results are kept up to date.
    """

    session: "IMAPSession"
    scanner: Scanner
    wanted: Wanted
    charset: str | None
    of_selected: bool
    kept: bool = False

    def read(self, view: View) -> tuple[Reader, Tree]:
        """The keys as they mean something in one mailbox.

        Raises:
            SyntaxFault: they cannot be understood, or mean nothing in several mailboxes.
        """
        keys = self.scanner.ahead()
        session = self.session
        reader = Reader(keys, view, session.offers, self.charset, not session.rev2, session.names.separator)
        tree = reader.keys()
        keys.end()
        if (reader.numbered or reader.saved) and not self.of_selected:
            raise SyntaxFault("Message numbers mean nothing in several mailboxes")  # RFC 7377, 2.1
        if "RELEVANCY" in self.wanted and not reader.fuzzy:
            raise SyntaxFault("RELEVANCY needs a FUZZY key")
        return reader, tree

    def within(self, mailbox: Named) -> Steps:
        """Search one mailbox, and answer: with nothing where nothing is found, whatever is wanted (RFC 7377, 2.1)."""
        session, store, row, wanted = self.session, self.session.services.store, mailbox.row, self.wanted
        view = session.view
        if view is None or not mailbox.selected:
            view = View((yield Call(store.snapshot, row.id)), read_only=True)
        reader, tree = self.read(view)
        found = view.known((yield from searching.find(store, row.id, view.uids, tree)))
        name = responses.mailbox(mailbox.name, utf8=session.utf8)
        where = b" MAILBOX %b UIDVALIDITY %d" % (name, view.mailbox.uidvalidity)
        if mailbox.selected and "UPDATE" in wanted:
            yield from keep_updated(
                session, Context(session.tag, True, tree, None, list(found), reader.fuzzy, where, wanted.items)
            )
            self.kept = True
        if not found:
            return
        if "SAVE" in wanted:
            view.saved = sorted(wanted.returned(found))
        if not wanted.answered:
            return
        modseq = b""
        if reader.modseq:
            modseq = yield from searching.highest_modseq(store, row.id, wanted.returned(found))
        scores: Sequence[int] = ()
        if "RELEVANCY" in wanted:
            of_each = yield from searching.scored(store, row.id, found, tree)
            scores = [of_each.get(message, 1) for message in found]
        begin = correlator(session.tag, uid=True, mailbox=where)
        yield esearch(begin, wanted, found, modseq=modseq, scores=scores)


@command("ESEARCH", AFTER_LOGIN, quiet=True)
def extended_search(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 7377, 2: the answer has UIDs, and one response for each mailbox in which something was found."""
    del uid
    filters = _read_source(scanner)
    if session.view is None and any(one.kind == "SELECTED" for one in filters):
        raise Refusal("No mailbox is selected", "CLIENTBUG", "BAD")
    of_selected = all(one.kind == "SELECTED" for one in filters)
    wanted = _read_wanted(session, scanner, of_selected=of_selected)
    search = _Search(session, scanner, wanted, read_charset(scanner), of_selected)
    # a fault is told before anything is done
    reader, _ = search.read(session.view or View(_NOWHERE, read_only=True))
    session.note_numbers(reader.numbered)
    if reader.modseq and (enabled := session.enable_condstore()):
        yield enabled
    if "SAVE" in wanted:
        forget_saved(session, wanted)  # where nothing is found, and where it fails
    sources = yield from _sources(session, filters)
    for mailbox in chosen(filters, sources, session.names.separator):
        if mailbox.row.selectable and "r" in rights_of(mailbox.row, session.account):
            try:
                yield from search.within(mailbox)
            except NoSuchMailbox:
                continue  # it was deleted meanwhile
    if "UPDATE" in wanted and not search.kept:
        yield not_updated(session.tag, "Only the selected mailbox is watched, and it was not searched")
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


def _read_wanted(session: "IMAPSession", scanner: Scanner, *, of_selected: bool) -> Wanted:
    """What is to be returned. What is saved or kept up to date is of the selected mailbox (RFC 7377, 2.2)."""
    wanted = read_return(scanner, session.offers, context="SEARCH") or results.ALL
    if "SAVE" in wanted and not of_selected:
        raise SyntaxFault("Only what is found in the selected mailbox can be saved")
    if "UPDATE" in wanted:
        if session.view is None:
            raise Refusal("No mailbox is selected", "CLIENTBUG", "BAD")
        if session.tag in session.view.contexts:
            raise SyntaxFault("The tag is that of an updated search")  # RFC 5267, 4.3
    return wanted


def _sources(session: "IMAPSession", filters: Sequence[MailboxFilter]) -> Generator[Step, Any, list[Named]]:
    """The mailboxes that can be searched: those the user may look up, and those that are named (RFC 7377, 2.2)."""
    mailboxes = yield from named(session)
    known = {mailbox.name for mailbox in mailboxes}
    for name in [name for one in filters if one.kind == "MAILBOXES" for name in one.names if name not in known]:
        known.add(name)
        try:
            row = yield from find(session, name, "r")
        except Refusal:
            continue
        selected = session.view is not None and session.view.mailbox.id == row.id
        mailboxes.append(Named(name, row, row.account == session.account, False, selected))
    return mailboxes

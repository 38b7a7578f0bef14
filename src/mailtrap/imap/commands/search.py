"""SEARCH (RFC 3501, 6.4.4), ESEARCH (RFC 4731), SEARCHRES (RFC 5182), contexts (RFC 5267), FUZZY (RFC 6203)."""

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from ... import limits
from ...wire.steps import Step
from .. import gmail, results, searching
from ..command import WITH_MAILBOX, Handled, command
from ..contexts import Context
from ..message_limit import newest
from ..ordered import Criterion, arranged
from ..responses import Refusal, Reply
from ..results import Wanted, correlator, esearch, read_return
from ..search_keys import Reader, read_charset
from ..tokens import Scanner, SyntaxFault

if TYPE_CHECKING:
    from ..session import IMAPSession


@command("SEARCH", WITH_MAILBOX, has_uid=True, numbered=True, quiet=True)
def search(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 3501, 6.4.4."""
    wanted = (
        read_return(scanner, session.offers, context="SEARCH") if session.rev2 or session.offers("ESEARCH") else None
    )
    plain = wanted is None and not session.rev2  # RFC 9051, 6.4.4: the answer of IMAP4rev2 is always ESEARCH
    wanted = wanted or results.ALL
    start = scanner.position
    try:
        charset = read_charset(scanner)
    except Refusal:
        forget_saved(session, wanted)
        raise
    if charset is not None and "UTF8=ACCEPT" in session.enabled:
        raise SyntaxFault("Once UTF8=ACCEPT is enabled there is no CHARSET", start)  # RFC 6855, 3
    return (yield from answer(session, scanner, "SEARCH", wanted, charset, None, plain=plain, uid=uid))


@command("CANCELUPDATE", WITH_MAILBOX)
def cancel_update(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 5267, 4.3.5: by the tags of the searches."""
    del uid
    tags = [scanner.string("the tag of a search, as a string")]
    while not scanner.ended:
        scanner.space()
        tags.append(scanner.string("the tag of a search, as a string"))
    contexts = session.selected.contexts
    if unknown := [tag for tag in tags if tag not in contexts]:
        raise Refusal(f"There is no updated search {unknown[0].decode('ascii', 'replace')}", kind="BAD")
    for tag in tags:
        contexts.pop(tag, None)
    yield from ()
    return None


def forget_saved(session: "IMAPSession", wanted: Wanted) -> None:
    """A search that fails with NO leaves nothing saved; one that fails with BAD changes nothing (RFC 5182, 2.1)."""
    if "SAVE" in wanted:
        session.selected.saved = ()


def answer(
    session: "IMAPSession", scanner: Scanner, verb: str, wanted: Wanted, charset: str | None,
    criteria: tuple[Criterion, ...] | None, *, plain: bool, uid: bool,
) -> Handled:  # fmt: skip
    """Read the keys, search, and answer as SEARCH and SORT do.

    Args:
        criteria: how the results are sorted; None: they are in mailbox order.
        plain: without ESEARCH.
    """
    view, store = session.selected, session.services.store
    tag, mailbox = session.tag, view.mailbox.id
    reader = Reader(scanner, view, session.offers, charset, not session.rev2, session.names.separator)
    tree = reader.keys()
    scanner.end()
    if not reader.fuzzy and ("RELEVANCY" in wanted or "RELEVANCY" in (name for name, _ in criteria or ())):
        raise SyntaxFault("RELEVANCY needs a FUZZY key")  # RFC 6203, 4 and 6
    if "UPDATE" in wanted and tag in view.contexts:
        raise SyntaxFault("The tag is that of an updated search")  # RFC 5267, 4.3
    session.note_numbers(reader.numbered)  # RFC 9051, 7.5.1: then UID SEARCH must not tell of EXPUNGE either
    if reader.modseq and (enabled := session.enable_condstore()):
        yield enabled
    try:
        found: Sequence[int] = view.known((yield from searching.find(store, mailbox, view.uids, tree)))
        scores = (yield from searching.scored(store, mailbox, found, tree)) if reader.fuzzy else {}
        if criteria is not None:
            found = yield from arranged(store, mailbox, found, criteria, scores)
    except Exception:
        forget_saved(session, wanted)
        raise
    found, code = newest(session, found) if criteria is None else (found, "")
    numbers = found if uid else view.places(found) if criteria else view.numbers(found)
    modseq = b""
    if reader.modseq and found:  # RFC 7162, 3.1.5: of what is returned
        modseq = yield from searching.highest_modseq(store, mailbox, wanted.returned(found))
    if plain:
        listed = " ".join(["", *map(str, numbers)]).encode()
        yield b"* %b%b%b\r\n" % (verb.encode(), listed, b" (MODSEQ %b)" % modseq if modseq else b"")
    else:
        if "SAVE" in wanted:
            view.saved = sorted(wanted.returned(found))
        if "UPDATE" in wanted:
            context = Context(tag, uid, tree, criteria, list(found), reader.fuzzy, items=wanted.items)
            yield from keep_updated(session, context)
        if wanted.answered:
            scores_of = [scores.get(message, 1) for message in found] if "RELEVANCY" in wanted else ()
            yield esearch(correlator(tag, uid=uid), wanted, numbers, modseq=modseq, scores=scores_of)
    return Reply("OK", f"{'UID ' if uid else ''}{verb} completed", code)


def keep_updated(session: "IMAPSession", context: Context) -> Generator[Step, Any, None]:
    """Keep the results up to date, or say that they are not (RFC 5267, 4.3.1)."""
    view = session.selected
    contexts = view.contexts
    if gmail.asks_for_places(context.tree):
        reason = "What is in other mailboxes is not watched"
    elif len(contexts) >= limits.IMAP_CONTEXTS:
        reason = "Too many searches are kept up to date"
    else:
        contexts[context.tag] = context
        store = session.services.store
        context.due = yield from searching.next_change(store, view.mailbox.id, view.uids, context.tree)
        if session.notifier is not None:
            yield session.notifier.watch(session)  # which wakes the session when it is due
        return
    yield not_updated(context.tag, reason)


def not_updated(tag: bytes, reason: str) -> bytes:
    """RFC 5267, 4.3.1: the results are not kept up to date."""
    return Reply("NO", reason, b'NOUPDATE "%b"' % tag).line()

"""SORT (RFC 5256, 3; ESORT and CONTEXT=SORT: RFC 5267; SORT=DISPLAY: RFC 5957) and THREAD."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ... import clock
from ...message import threads
from ...message.facts import Facts
from ...message.ordering import ThreadKeys
from ...store.rows import CopyRow
from .. import results, searching, threading
from ..command import WITH_MAILBOX, Handled, command
from ..ordered import read_criteria
from ..responses import Refusal, Reply
from ..results import read_return
from ..search_keys import Reader, charset
from ..tokens import Scanner, SyntaxFault
from .search import answer, forget_saved

if TYPE_CHECKING:
    from ..session import IMAPSession

ALGORITHMS: Final = tuple(threads.ALGORITHMS)


@command("SORT", WITH_MAILBOX, has_uid=True, numbered=True, quiet=True)
def sort(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 5256, 3."""
    wanted = None
    if session.offers("ESORT") or session.offers("CONTEXT=SORT"):
        wanted = read_return(scanner, session.offers, context="SORT")
    criteria = read_criteria(scanner, session.offers)
    scanner.space()
    try:
        codec = charset(scanner)
    except Refusal:
        forget_saved(session, wanted or results.ALL)
        raise
    plain = wanted is None
    return (yield from answer(session, scanner, "SORT", wanted or results.ALL, codec, criteria, plain=plain, uid=uid))


@command("THREAD", WITH_MAILBOX, has_uid=True, numbered=True, quiet=True)
def thread(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 5256, 3."""
    start = scanner.position
    name = scanner.word("the name of a threading algorithm")
    if name not in threads.ALGORITHMS or not session.offers(f"THREAD={name}"):
        raise SyntaxFault(f"There is no threading algorithm {name}", start)
    scanner.space()
    codec = charset(scanner)
    reader = Reader(scanner, session.selected, session.offers, codec, not session.rev2, session.names.separator)
    tree = reader.keys()
    scanner.end()
    view, store = session.selected, session.services.store
    session.note_numbers(reader.numbered)
    if reader.modseq and (enabled := session.enable_condstore()):
        yield enabled
    found: Sequence[int] = view.known((yield from searching.find(store, view.mailbox.id, view.uids, tree)))
    uids: list[int] = []
    arrived: list[float] = []
    keys: list[ThreadKeys] = []

    def keep(copies: Sequence[CopyRow], facts: Sequence[Facts]) -> None:
        uids.extend([copy.uid for copy in copies])
        arrived.extend([copy.internal_date for copy in copies])
        keys.extend([known.threading for known in facts if known.threading is not None])

    yield from searching.known(store, view.mailbox.id, found, ("threading",), keep)
    work = threads.ALGORITHMS[name](threads.Messages(uids if uid else view.places(uids), keys, arrived))
    paused = clock.monotonic()
    while True:
        try:
            next(work)
        except StopIteration as done:
            forest: threads.Forest = done.value
            break
        paused = yield from searching.breathe(paused)
    yield threading.response(forest)
    return Reply("OK", f"{'UID ' if uid else ''}THREAD completed")

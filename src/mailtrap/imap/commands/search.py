"""SEARCH (RFC 3501, 6.4.4), ESEARCH (RFC 4731), SEARCHRES (RFC 5182)."""

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any, Final

from ... import clock
from ...store.base import CopyRow
from ...store.search import And, Uids, predicate
from ...wire.steps import Call, Step
from .. import responses, sequence
from ..command import WITH_MAILBOX, Handled, command
from ..responses import Reply
from ..search_keys import Reader, Tree, read_charset
from ..tokens import Scanner, SyntaxFault
from .fetch import breathe

if TYPE_CHECKING:
    from ..session import IMAPSession

_RETURN: Final = ("MIN", "MAX", "ALL", "COUNT", "SAVE")
_FEW: Final = 16  # messages in the first slice of a search in the text; more when it goes quickly
_MANY: Final = 512
_QUICK: Final = 0.002  # seconds: a slice below it may grow


@command("SEARCH", WITH_MAILBOX, has_uid=True, numbered=True, quiet=True)
def search(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 3501, 6.4.4."""
    view = session.selected
    returned = _read_return(session, scanner)
    if returned is not None and "SAVE" in returned:
        view.saved = ()  # RFC 5182, 2.1: a search that fails leaves it empty
    if returned is None and session.rev2:
        returned = {"ALL"}  # RFC 9051, 6.4.4: the answer is always ESEARCH
    start = scanner.position
    charset = read_charset(scanner)
    if charset is not None and "UTF8=ACCEPT" in session.enabled:
        raise SyntaxFault("Once UTF8=ACCEPT is enabled there is no CHARSET", start)  # RFC 6855, 3
    reader = Reader(scanner, view, session.offers, charset, not session.rev2)
    tree = reader.keys()
    scanner.end()
    session.uses_numbers |= reader.numbered  # RFC 9051, 7.5.1: then UID SEARCH must not tell of EXPUNGE either
    if reader.modseq and (enabled := session.enable_condstore()):
        yield enabled
    found = view.known((yield from _find(session, tree)))
    numbers = found if uid else view.numbers(found)
    modseq = b""
    if reader.modseq and found:
        ends = _saved({"SAVE", *(returned or ())}, found)  # RFC 7162, 3.1.5: of what is returned
        copies: Sequence[CopyRow] = yield Call(session.services.store.copies, view.mailbox.id, ends)
        modseq = b"%d" % max((copy.modseq for copy in copies), default=0)
    if returned is None:
        listed = b"".join([b" %d" % number for number in numbers])
        yield b"* SEARCH%b%b\r\n" % (listed, b" (MODSEQ %b)" % modseq if modseq else b"")
    else:
        if "SAVE" in returned:
            view.saved = _saved(returned, found)
        if returned != {"SAVE"}:
            yield _extended(session.tag, returned, numbers, modseq, uid=uid)
    return Reply("OK", f"{'UID ' if uid else ''}SEARCH completed")


def _read_return(session: "IMAPSession", scanner: Scanner) -> set[str] | None:
    """RFC 4731, 3.1: what is to be returned; None for a plain SEARCH, and ALL where nothing is named."""
    if scanner.peek_word() != "RETURN" or not session.offers("ESEARCH"):
        return None
    scanner.word()
    scanner.space()

    def option() -> str:
        start = scanner.position
        word = scanner.word("MIN, MAX, ALL, COUNT or SAVE")
        if word not in _RETURN or (word == "SAVE" and not session.offers("SEARCHRES")):
            raise SyntaxFault(f"{word} is no result option", start)
        return word

    options = set(scanner.items(option, empty=True))
    scanner.space()
    return options or {"ALL"}


def _find(session: "IMAPSession", tree: Tree) -> Generator[Step, Any, Sequence[int]]:
    """The UIDs. What has to be computed from the messages of a store in memory is done in slices."""
    view, store = session.selected, session.services.store
    if store.blocking or not predicate(tree).kinds:
        everything: Sequence[int] = yield Call(store.search, view.mailbox.id, tree)
        return everything
    uids = view.uids
    found: list[int] = []
    size, position = _FEW, 0
    paused = clock.monotonic()
    while position < len(uids):
        began = clock.monotonic()
        part = uids[position : position + size]
        position += len(part)
        found += yield Call(store.search, view.mailbox.id, And((Uids(((part[0], part[-1]),)), tree)))
        size = min(size * 2, _MANY) if clock.monotonic() - began < _QUICK else max(size // 2, 1)
        paused = yield from breathe(paused)
    return found


def _saved(returned: set[str], found: Sequence[int]) -> Sequence[int]:
    """RFC 5182, 2.1: with MIN or MAX alone only these are saved."""
    if returned & {"ALL", "COUNT"} or not returned & {"MIN", "MAX"} or not found:
        return found
    ends = {found[0]} if "MIN" in returned else set()
    if "MAX" in returned:
        ends.add(found[-1])
    return sorted(ends)


def _extended(tag: bytes, returned: set[str], numbers: Sequence[int], modseq: bytes, *, uid: bool) -> bytes:
    """RFC 4731, 3.1 and 3.2: the ESEARCH response."""
    parts = [b"* ESEARCH (TAG %b)" % responses.string(tag)]
    if uid:
        parts.append(b"UID")
    if numbers:
        if "MIN" in returned:
            parts.append(b"MIN %d" % numbers[0])
        if "MAX" in returned:
            parts.append(b"MAX %d" % numbers[-1])
        if "ALL" in returned:
            parts.append(b"ALL %b" % sequence.encode(numbers))
    if "COUNT" in returned:
        parts.append(b"COUNT %d" % len(numbers))
    if modseq:
        parts.append(b"MODSEQ " + modseq)
    return b" ".join(parts) + b"\r\n"

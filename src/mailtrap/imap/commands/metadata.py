"""Annotations of mailboxes and of the server: GETMETADATA and SETMETADATA (RFC 5464)."""

import re
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ... import limits
from ...store.rows import PRIVATE, SHARED, MailboxRow
from ...wire.steps import Call, Step
from .. import responses
from ..command import AFTER_LOGIN, Handled, command
from ..responses import Refusal, Reply
from ..rights import require, rights_of
from ..tokens import Scanner, SyntaxFault
from .mailbox import checked_uses, known_use
from .names import find, read_name

if TYPE_CHECKING:
    from ..session import IMAPSession

_READABLE: Final = frozenset("rswip")  # RFC 5464, 3.3: with one of these, and l
# RFC 5464, 3.2: no wildcards, no // and no / at the end; letters and what is printable besides
_SPECIAL_USE: Final = f"{PRIVATE}specialuse"  # RFC 6154, 4
_ADMIN: Final = f"{SHARED}admin"  # RFC 5464, 3.2.1.1
_VENDOR: Final = re.compile(r"/(?:private|shared)/vendor(?:/[^/]+)?")  # RFC 5464, 3.2: of a vendor's, four components
_ENTRY: Final = re.compile(r"(?:/[^/*%\x00-\x1f\x7f-\uffff]+)+")


@dataclass(slots=True)
class _Options:
    """RFC 5464, 4.2.1 and 4.2.2."""

    maxsize: int | None = None
    depth: str = "0"


@command("GETMETADATA", AFTER_LOGIN)
def get_metadata(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 5464, 4.2. Options may stand before the mailbox or, as its errata say, behind it."""
    del uid
    options = _read_options(scanner)
    if options is not None:
        scanner.space()
    name = read_name(scanner)
    scanner.space()
    if options is None and (options := _read_options(scanner)) is not None:
        scanner.space()
    options = options or _Options()
    entry = partial(read_entry, scanner, above=options.depth != "0")
    asked = scanner.items(entry) if scanner.at(b"(") else [entry()]
    scanner.end()
    row = yield from _subject(session, name)
    if row is not None and not readable(session, row):
        raise Refusal("The right to read the annotations is missing", "NOPERM")
    mailboxes = [None if row is None else row.id]
    found: Sequence[Mapping[str, bytes]]
    found = yield Call(session.services.store.annotations, session.account, mailboxes)
    values = _chosen(found[0] if row is None else with_use(session, row, found[0]), asked, options.depth)
    longest = 0
    if options.maxsize is not None:
        longest = max((len(value) for _, value in values if value is not None), default=0)
        values = [(entry, value) for entry, value in values if value is None or len(value) <= options.maxsize]
    if values:
        yield metadata_line(session, "" if row is None else session.told(row), values)
    if options.maxsize is not None and longest > options.maxsize:
        return Reply("OK", "Some values are longer", f"METADATA LONGENTRIES {longest}")  # RFC 5464, 4.2.1
    return None


def _read_options(scanner: Scanner) -> _Options | None:
    """The options, where they come next: their names tell them from a list of entries."""
    if not re.match(rb"\((?:MAXSIZE|DEPTH) ", scanner.text[scanner.position :], re.IGNORECASE):
        return None
    options = _Options()

    def option() -> None:
        start = scanner.position
        word = scanner.word("MAXSIZE or DEPTH")
        scanner.space()
        if word == "MAXSIZE":
            options.maxsize = scanner.number()
            return
        if word != "DEPTH":
            raise SyntaxFault(f"{word} is no option of GETMETADATA", start)
        start = scanner.position
        options.depth = scanner.word("0, 1 or infinity").lower()
        if options.depth not in ("0", "1", "infinity"):
            raise SyntaxFault("A depth is 0, 1 or infinity", start)

    scanner.items(option)
    return options


def _chosen(kept: Mapping[str, bytes], asked: Iterable[str], depth: str) -> list[tuple[str, bytes | None]]:
    """RFC 5464, 4.2.2: the entries themselves; with a depth those below them, one level or all."""
    if depth == "0":
        return [(entry, kept.get(entry)) for entry in dict.fromkeys(asked)]
    found: dict[str, bytes | None] = {}
    for entry in asked:
        for name in sorted(kept):
            below = name.startswith(f"{entry}/") and (depth != "1" or "/" not in name[len(entry) + 1 :])
            if name == entry or below:
                found[name] = kept[name]
    return list(found.items())


@command("SETMETADATA", AFTER_LOGIN)
def set_metadata(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 5464, 4.3: all of them or none; NIL removes."""
    del uid
    name = read_name(scanner)
    scanner.space()
    start = scanner.position
    entries = dict(scanner.items(lambda: _pair(scanner)))
    scanner.end()
    if short := [entry for entry in entries if _VENDOR.fullmatch(entry)]:
        raise SyntaxFault(f"{short[0]} only stands above entries of a vendor", start)
    row = yield from _subject(session, name)
    if session.is_record:
        raise Refusal("There are no annotations here: it is the record of messages", "CANNOT")
    if row is None:
        if _ADMIN in entries:
            raise Refusal(f"{_ADMIN} is read-only", "CANNOT")
    else:
        if not readable(session, row):
            raise Refusal("The right to set annotations is missing", "NOPERM")
        if any(entry.startswith(SHARED) for entry in entries):
            require(rights_of(row, session.account), "w")
    if any(value is not None and len(value) > limits.IMAP_ANNOTATION for value in entries.values()):
        raise Refusal("A value is too long", f"METADATA MAXSIZE {limits.IMAP_ANNOTATION}")  # RFC 5464, 4.3
    store, mailbox = session.services.store, None if row is None else row.id
    uses = _uses(session, row, entries.pop(_SPECIAL_USE)) if row is not None and _SPECIAL_USE in entries else None
    kept: Sequence[Mapping[str, bytes]] = yield Call(store.annotations, session.account, [mailbox])
    if len({*kept[0], *(entry for entry, value in entries.items() if value is not None)}) > limits.IMAP_ANNOTATIONS:
        raise Refusal("There are too many annotations", "METADATA TOOMANY")
    if uses is not None:
        yield Call(store.set_special_use, mailbox, uses)
    if entries:
        yield Call(store.annotate, session.account, mailbox, entries)
    return None


def with_use(session: "IMAPSession", row: MailboxRow, kept: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """A mailbox's annotations with the one that tells its special uses, which are its owner's (RFC 6154, 2 and 4)."""
    if row.account != session.account or not row.special_use:
        return kept
    return {**kept, _SPECIAL_USE: " ".join(sorted(row.special_use)).encode("ascii")}


def _uses(session: "IMAPSession", row: MailboxRow, value: bytes | None) -> list[str]:
    """The special uses that a client wants a mailbox to have. Its mailbox is asked as CREATE would be (RFC 6154, 4)."""
    if row.account != session.account or not row.selectable:
        raise Refusal("Only a mailbox of one's own can have a special use", "USEATTR")
    return checked_uses([] if value is None else [known_use(use) for use in value.decode("ascii", "replace").split()])


def _subject(session: "IMAPSession", name: str) -> Generator[Step, Any, MailboxRow | None]:
    """The mailbox that is annotated; None: the server (RFC 5464, 4.2)."""
    return (yield from find(session, name, "l")) if name else None


def _pair(scanner: Scanner) -> tuple[str, bytes | None]:
    entry = read_entry(scanner)
    scanner.space()
    scanner.take(b"~") if scanner.at(b"~{") else None
    return entry, scanner.nstring()


def read_entry(scanner: Scanner, *, above: bool = False) -> str:
    """RFC 5464, 3.2: the name of an entry, in lower case: it is the same in any.

    Args:
        above: whether it may be ``/private`` and ``/shared`` themselves, which only stand above entries.
    """
    start = scanner.position
    name = scanner.astring("the name of an entry").decode("utf-8", "replace").lower()
    known = name.startswith((PRIVATE, SHARED)) or (above and f"{name}/" in (PRIVATE, SHARED))
    if not known or not _ENTRY.fullmatch(name):
        raise SyntaxFault("An entry is a path below /private or /shared", start)
    return name


def readable(session: "IMAPSession", row: MailboxRow) -> bool:
    """Whether the user may see the annotations of a mailbox (RFC 5464, 3.3)."""
    rights = rights_of(row, session.account)
    return "l" in rights and not rights.isdisjoint(_READABLE)


def metadata_line(session: "IMAPSession", name: str, values: Iterable[tuple[str, bytes | None]]) -> bytes:
    """The METADATA response with values (RFC 5464, 4.4.1).

    Args:
        name: of the mailbox on the wire; ``""`` for the server.
    """
    pairs = b" ".join(b"%b %b" % (responses.astring(entry.encode()), _value(value)) for entry, value in values)
    return b"* METADATA %b (%b)\r\n" % (responses.mailbox(name, utf8=session.utf8) if name else b'""', pairs)


def _value(value: bytes | None) -> bytes:
    """A value, whatever its octets: only a literal8 may hold NUL."""
    if value is not None and b"\0" in value:
        return b"~{%d}\r\n%b" % (len(value), value)
    return responses.nstring(value)

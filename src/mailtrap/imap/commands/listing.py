"""LIST and LSUB: RFC 3501, 6.3.8 and 6.3.9; LIST-EXTENDED: RFC 5258; LIST-STATUS: RFC 5819; SPECIAL-USE: RFC 6154."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ... import limits
from ...errors import NoSuchMailbox
from ...store.base import MailboxRow
from ...wire.steps import Call
from .. import responses
from ..command import AFTER_LOGIN, Handled, command
from ..responses import Refusal
from ..tokens import Scanner, SyntaxFault, decode_name
from .mailbox import read_status_items, status_of

if TYPE_CHECKING:
    from ..session import IMAPSession

_SELECTION: Final = ("SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE")
_RETURN: Final = ("SUBSCRIBED", "CHILDREN", "SPECIAL-USE", "STATUS")
_PATTERNS: Final = 100  # patterns in one LIST


@dataclass(slots=True)
class Asked:
    """What a LIST asks for."""

    selection: set[str] = field(default_factory=set)
    returned: set[str] = field(default_factory=set)
    status: list[str] = field(default_factory=list)
    patterns: list[str] = field(default_factory=list)
    extended: bool = False


@dataclass(slots=True)
class _Name:
    """A name that LIST may answer with."""

    name: str
    row: MailboxRow | None
    subscribed: bool = False
    children: bool = False
    inside: bool = False  # something below it is subscribed to, and is not listed by itself (CHILDINFO)


def matches(pattern: str, name: str) -> bool:
    """Whether a name fits a pattern: ``*`` is anything, ``%`` anything but the separator (RFC 3501, 6.3.8).

    All ways are followed at once, so the cost is the product of the two lengths, whatever the pattern.
    """
    if pattern == "*":
        return True
    if not ("*" in pattern or "%" in pattern):
        return pattern == name
    reached = {0}
    for wanted in pattern:
        if not reached:
            return False
        following: set[int] = set()
        if wanted == "*":
            following.update(range(min(reached), len(name) + 1))
        elif wanted == "%":
            end = -1
            for position in sorted(reached):
                if position > end:  # else it lies in what the one before it reaches
                    found = name.find("/", position)
                    end = len(name) if found < 0 else found
                    following.update(range(position, end + 1))
        else:
            following.update(position + 1 for position in reached if position < len(name) and name[position] == wanted)
        reached = following
    return len(name) in reached


def _fits(patterns: Iterable[str], name: str) -> bool:
    for pattern in patterns:
        if matches(pattern, name):
            return True
        # RFC 3501, 5.1: INBOX is the same in any case
        if name[:5] == "INBOX" and pattern[:5].upper() == "INBOX" and matches("INBOX" + pattern[5:], name):
            return True
        if name == "INBOX" and matches(pattern.upper(), name):
            return True
    return False


@command("LIST", AFTER_LOGIN)
def list_mailboxes(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 3501, 6.3.8, and its extensions."""
    del uid
    asked = _read(session, scanner)
    scanner.end()
    if asked.patterns == [""] and not asked.extended:
        yield responses.listed(b"LIST", ("\\Noselect",), "")  # RFC 3501, 6.3.8: the separator and the root
        return None
    if "HIGHESTMODSEQ" in asked.status and (enabled := session.enable_condstore()):
        yield enabled  # RFC 7162, 3.1.7
    store = session.services.store
    rows: Sequence[MailboxRow] = yield Call(store.mailboxes, session.account)
    subscribed: Sequence[str] = yield Call(store.subscriptions, session.account)
    lines: list[bytes] = []
    for entry in _chosen(asked, rows, subscribed):
        lines.append(_line(session, asked, entry))
        if asked.status and entry.row is not None and entry.row.selectable:
            try:
                line = yield status_of(session, entry.row, asked.status)
            except NoSuchMailbox:
                continue  # it was deleted meanwhile: RFC 5819, 2: without STATUS
            lines.append(line)
    yield b"".join(lines)
    return None


def _line(session: "IMAPSession", asked: Asked, entry: _Name) -> bytes:
    attributes: list[str] = []
    row = entry.row
    if row is None:
        attributes.append("\\NonExistent")
    elif not row.selectable:
        attributes.append("\\Noselect")
    if row is not None and session.offers("CHILDREN"):
        attributes.append("\\HasChildren" if entry.children else "\\HasNoChildren")
    if row is not None and session.offers("SPECIAL-USE"):
        attributes += sorted(row.special_use)
    if entry.subscribed and ("SUBSCRIBED" in asked.returned or "SUBSCRIBED" in asked.selection):
        attributes.append("\\Subscribed")
    # RFC 5258, 3.5: what is below fits the selection though this may not
    extended = b' ("CHILDINFO" ("SUBSCRIBED"))' if entry.inside else b""
    return responses.listed(b"LIST", attributes, entry.name, extended, utf8=session.utf8)


def _chosen(asked: Asked, rows: Sequence[MailboxRow], subscribed: Sequence[str]) -> list[_Name]:
    names = {row.name: _Name(row.name, row) for row in rows}
    for name in names:
        for superior in _superiors(name):
            if superior in names:
                names[superior].children = True
    if "SUBSCRIBED" in asked.selection:
        for name in subscribed:
            names.setdefault(name, _Name(name, None))
    for name in subscribed:
        if name in names:
            names[name].subscribed = True
    fitting = [entry for entry in names.values() if _fits(asked.patterns, entry.name)]
    if "SPECIAL-USE" in asked.selection:
        fitting = [entry for entry in fitting if entry.row is not None and entry.row.special_use]
    if "SUBSCRIBED" not in asked.selection:
        return fitting
    if "RECURSIVEMATCH" in asked.selection:
        _mark_inside(asked, names, fitting)
    return [entry for entry in fitting if entry.subscribed or entry.inside]


def _mark_inside(asked: Asked, names: dict[str, _Name], fitting: list[_Name]) -> None:
    """RFC 5258, 3.5: names above a subscribed one that does not fit the pattern itself."""
    by_name = {entry.name: entry for entry in fitting}
    for entry in list(names.values()):
        if entry.subscribed and entry.name not in by_name:
            for superior in _superiors(entry.name):
                if superior in by_name:
                    by_name[superior].inside = True
                elif superior not in names and _fits(asked.patterns, superior):
                    above = by_name[superior] = _Name(superior, None, inside=True)
                    fitting.append(above)


def _superiors(name: str) -> list[str]:
    return [name[:position] for position, character in enumerate(name) if character == "/"]


@command("LSUB", AFTER_LOGIN)
def list_subscribed(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 3501, 6.3.9: names of mailboxes that are not there are told too.

    With ``%`` a name above a subscribed one is told as ``\\Noselect``.
    """
    del uid
    reference = _reference(scanner)
    scanner.space()
    pattern = reference + _pattern(scanner)
    scanner.end()
    store = session.services.store
    subscribed: Sequence[str] = yield Call(store.subscriptions, session.account)
    lines: dict[str, bytes] = {}
    for name in subscribed:
        if _fits((pattern,), name):
            lines[name] = responses.listed(b"LSUB", (), name, utf8=session.utf8)
            continue
        if pattern.endswith("%"):
            for superior in _superiors(name):
                if superior not in subscribed and _fits((pattern,), superior):
                    line = responses.listed(b"LSUB", ("\\Noselect",), superior, utf8=session.utf8)
                    lines.setdefault(superior, line)
    yield b"".join(lines.values())
    return None


# ---------------------------------------------------------------- reading


def _read(session: "IMAPSession", scanner: Scanner) -> Asked:
    asked = Asked()
    if scanner.at(b"(") and session.offers("LIST-EXTENDED"):
        asked.extended = True
        asked.selection.update(scanner.items(lambda: _option(session, scanner, _SELECTION), empty=True))
        scanner.space()
        if "RECURSIVEMATCH" in asked.selection and not asked.selection & {"SUBSCRIBED", "SPECIAL-USE"}:
            raise SyntaxFault("RECURSIVEMATCH does not stand alone")  # RFC 5258, 3
    reference = _reference(scanner)
    scanner.space()
    if scanner.at(b"(") and session.offers("LIST-EXTENDED"):
        asked.extended = True
        patterns = scanner.items(lambda: _pattern(scanner))
        if len(patterns) > _PATTERNS:
            raise Refusal(f"More than {_PATTERNS} patterns", "LIMIT")
        asked.patterns = [reference + pattern for pattern in patterns]
    else:
        pattern = _pattern(scanner)
        # RFC 3501, 6.3.8: an empty name asks for the separator, whatever the reference
        asked.patterns = [reference + pattern if pattern else ""]
    if not scanner.ended and session.offers("LIST-EXTENDED"):
        scanner.space()
        asked.extended = True
        start = scanner.position
        if scanner.word("RETURN") != "RETURN":
            raise SyntaxFault("Expected RETURN", start)
        scanner.space()
        scanner.items(lambda: _return(session, scanner, asked), empty=True)
    return asked


def _return(session: "IMAPSession", scanner: Scanner, asked: Asked) -> None:
    option = _option(session, scanner, _RETURN)
    if option == "STATUS":
        if not session.offers("LIST-STATUS"):
            raise SyntaxFault("STATUS is no return option here")
        scanner.space()
        asked.status = read_status_items(session, scanner)
    asked.returned.add(option)


def _option(session: "IMAPSession", scanner: Scanner, known: Sequence[str]) -> str:
    start = scanner.position
    option = scanner.word("an option")
    if option not in known or (option == "SPECIAL-USE" and not session.offers("SPECIAL-USE")):
        raise SyntaxFault(f"{option} is no option here", start)
    return option


def _reference(scanner: Scanner) -> str:
    return _decoded(scanner.astring("a reference name"), scanner)


def _pattern(scanner: Scanner) -> str:
    return _decoded(scanner.list_mailbox(), scanner)


def _decoded(text: bytes, scanner: Scanner) -> str:
    if len(text) > limits.IMAP_NAME:
        raise Refusal("The pattern is too long", "LIMIT")
    try:
        return decode_name(text, utf8=scanner.utf8)
    except ValueError as error:
        raise Refusal(f"The name of a mailbox is modified UTF-7 (RFC 3501, 5.1.3): {error}", "CANNOT") from None

"""LIST and LSUB: RFC 3501, 6.3.8 and 6.3.9; LIST-EXTENDED: RFC 5258.

What comes with the names: LIST-STATUS: RFC 5819; SPECIAL-USE: RFC 6154; LIST-MYRIGHTS: RFC 8440; LIST-METADATA:
RFC 9590.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ... import limits
from ...errors import NoSuchMailbox
from ...store.rows import MailboxRow
from ...wire.steps import Call
from .. import responses
from ..command import AFTER_LOGIN, Handled, command
from ..mailboxes import seen, subscriptions
from ..namespace import Namespace
from ..responses import Refusal
from ..rights import rights_of
from ..tokens import Scanner, SyntaxFault, decode_name
from .acl import my_rights
from .mailbox import read_status_items, status_of
from .metadata import metadata_line, read_entry, readable, with_use

if TYPE_CHECKING:
    from ..session import IMAPSession

_SELECTION: Final = ("SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE")
# which names are chosen; one of them has to stand beside RECURSIVEMATCH (RFC 5258, 3.1)
_CHOOSING: Final = ("SUBSCRIBED", "SPECIAL-USE")
_RETURN: Final = ("SUBSCRIBED", "CHILDREN", "SPECIAL-USE", "STATUS", "MYRIGHTS", "METADATA")
# options that exist because of a capability
_NEEDED: Final = {
    "SPECIAL-USE": "SPECIAL-USE", "STATUS": "LIST-STATUS", "MYRIGHTS": "LIST-MYRIGHTS", "METADATA": "LIST-METADATA",
}  # fmt: skip
_PATTERNS: Final = 100  # patterns in one LIST


@dataclass(slots=True)
class Asked:
    """What a LIST asks for."""

    selection: set[str] = field(default_factory=set)
    returned: set[str] = field(default_factory=set)
    status: list[str] = field(default_factory=list)
    entries: list[str] = field(default_factory=list)
    patterns: list[str] = field(default_factory=list)
    extended: bool = False


@dataclass(slots=True)
class _Name:
    """A name that LIST may answer with, as it stands on the wire."""

    name: str
    row: MailboxRow | None
    level: bool = False  # no mailbox, and only there because others lie below it
    uses: AbstractSet[str] = frozenset()  # its special uses, where it is the user's own (RFC 6154, 2)
    subscribed: bool = False
    children: bool = False
    inside: bool = False  # what is below it is selected, and is not listed by itself (CHILDINFO)

    def selected(self, options: AbstractSet[str]) -> bool:
        """Whether it meets the selection options, all of them (RFC 5258, 3.1)."""
        if "SUBSCRIBED" in options and not self.subscribed:
            return False
        return "SPECIAL-USE" not in options or bool(self.uses)


def matches(pattern: str, name: str, separator: str = "/") -> bool:
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
                    found = name.find(separator, position)
                    end = len(name) if found < 0 else found
                    following.update(range(position, end + 1))
        else:
            following.update(position + 1 for position in reached if position < len(name) and name[position] == wanted)
        reached = following
    return len(name) in reached


def fits(patterns: Iterable[str], name: str, separator: str) -> bool:
    """Whether a name fits one of the patterns."""
    for pattern in patterns:
        if matches(pattern, name, separator):
            return True
        # RFC 3501, 5.1: INBOX is the same in any case
        if name[:5] == "INBOX" and pattern[:5].upper() == "INBOX" and matches("INBOX" + pattern[5:], name, separator):
            return True
        if name == "INBOX" and matches(pattern.upper(), name, separator):
            return True
    return False


@command("LIST", AFTER_LOGIN)
def list_mailboxes(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 3501, 6.3.8, and its extensions."""
    del uid
    asked = _read(session, scanner)
    scanner.end()
    if asked.patterns == [""] and not asked.extended:
        # RFC 3501, 6.3.8: the separator and the root
        yield responses.listed(b"LIST", ("\\Noselect",), "", separator=session.names.separator)
        return None
    if "HIGHESTMODSEQ" in asked.status and (enabled := session.enable_condstore()):
        yield enabled  # RFC 7162, 3.1.7
    rows = yield from seen(session)
    subscribed = yield from subscriptions(session)
    lines: list[bytes] = []
    chosen = _chosen(session, asked, rows, subscribed)
    annotated: dict[int, Mapping[str, bytes]] = {}
    if asked.entries:
        ids = [entry.row.id for entry in chosen if entry.row is not None and readable(session, entry.row)]
        found: Sequence[Mapping[str, bytes]] = yield Call(session.services.store.annotations, session.account, ids)
        annotated = dict(zip(ids, found, strict=True))
    for entry in chosen:
        row = entry.row
        lines.append(_line(session, asked, entry))
        if row is None or not entry.selected(asked.selection):
            continue  # RFC 5819, 2; RFC 8440, 4: nothing more of what stands here for what is below it
        if asked.status and row.selectable and "r" in rights_of(row, session.account):
            try:
                line = yield status_of(session, row, asked.status)
            except NoSuchMailbox:
                continue  # it was deleted meanwhile: RFC 5819, 2: without STATUS
            lines.append(line)
        if "MYRIGHTS" in asked.returned:
            lines.append(my_rights(session, row))  # RFC 8440, 3
        if row.id in annotated:
            kept = with_use(session, row, annotated[row.id])
            values = [(name, kept.get(name)) for name in asked.entries]  # RFC 9590, 3
            lines.append(metadata_line(session, entry.name, values))
    yield b"".join(lines)
    return None


def _line(session: "IMAPSession", asked: Asked, entry: _Name) -> bytes:
    attributes: list[str] = []
    row = entry.row
    if entry.level or (row is not None and not row.selectable):
        attributes.append("\\Noselect")
    elif row is None:
        attributes.append("\\NonExistent")
    if (row is not None or entry.level) and session.offers("CHILDREN"):
        attributes.append("\\HasChildren" if entry.children else "\\HasNoChildren")
    if session.offers("SPECIAL-USE"):
        attributes += sorted(entry.uses)
    if entry.subscribed and ("SUBSCRIBED" in asked.returned or "SUBSCRIBED" in asked.selection):
        attributes.append("\\Subscribed")
    # RFC 5258, 3.5: what is below fits the selection though this may not
    extended = b""
    if entry.inside:
        criteria = " ".join(f'"{option}"' for option in _CHOOSING if option in asked.selection)
        extended = b' ("CHILDINFO" (%b))' % criteria.encode("ascii")
    return responses.listed(
        b"LIST", attributes, entry.name, extended, utf8=session.utf8, separator=session.names.separator
    )


def _chosen(
    session: "IMAPSession", asked: Asked, rows: Mapping[str, MailboxRow], subscribed: Sequence[str]
) -> list[_Name]:
    namespace = session.names
    names: dict[str, _Name] = {}
    for name, row in rows.items():
        for superior in namespace.superiors(name):
            if superior not in names:
                names[superior] = _Name(superior, rows.get(superior), level=superior not in rows)
            names[superior].children = True
        entry = names.setdefault(name, _Name(name, row))
        if row.account == session.account:
            entry.uses = row.special_use
    if "SUBSCRIBED" in asked.selection:
        for name in subscribed:
            names.setdefault(name, _Name(name, None))
    for name in subscribed:
        if name in names:
            names[name].subscribed = True
    fitting = [entry for entry in names.values() if fits(asked.patterns, entry.name, namespace.separator)]
    if "RECURSIVEMATCH" in asked.selection:
        _mark_inside(namespace, asked, names, fitting)
    return [entry for entry in fitting if entry.inside or entry.selected(asked.selection)]


def _mark_inside(namespace: Namespace, asked: Asked, names: dict[str, _Name], fitting: list[_Name]) -> None:
    """RFC 5258, 3.5: names above one that is selected, and does not fit the pattern itself."""
    by_name = {entry.name: entry for entry in fitting}
    for entry in list(names.values()):
        if entry.name not in by_name and entry.selected(asked.selection):
            for superior in namespace.superiors(entry.name):
                if superior in by_name:
                    by_name[superior].inside = True
                elif superior not in names and fits(asked.patterns, superior, namespace.separator):
                    above = by_name[superior] = _Name(superior, None, inside=True)
                    fitting.append(above)


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
    subscribed = yield from subscriptions(session)
    separator = session.names.separator
    told: dict[str, tuple[str, ...]] = {}
    for name in subscribed:
        if fits((pattern,), name, separator):
            told[name] = ()
            continue
        if pattern.endswith("%"):
            for superior in session.names.superiors(name):
                if superior not in subscribed and fits((pattern,), superior, separator):
                    told.setdefault(superior, ("\\Noselect",))
    yield b"".join(
        responses.listed(b"LSUB", attributes, name, utf8=session.utf8, separator=separator)
        for name, attributes in told.items()
    )
    return None


# ---------------------------------------------------------------- reading


def _read(session: "IMAPSession", scanner: Scanner) -> Asked:
    asked = Asked()
    if scanner.at(b"(") and session.offers("LIST-EXTENDED"):
        asked.extended = True
        asked.selection.update(scanner.items(lambda: _option(session, scanner, _SELECTION), empty=True))
        scanner.space()
        if "RECURSIVEMATCH" in asked.selection and not asked.selection.intersection(_CHOOSING):
            # RFC 5258, 3.1. The grammar of RFC 6154 would have SUBSCRIBED alone beside it; the sentence is about any
            # option that chooses, and Dovecot takes SPECIAL-USE too.
            raise SyntaxFault("RECURSIVEMATCH does not stand alone")
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
        scanner.space()
        asked.status = read_status_items(session, scanner)
    elif option == "METADATA":
        scanner.space()
        asked.entries = scanner.items(lambda: read_entry(scanner))
    asked.returned.add(option)


def _option(session: "IMAPSession", scanner: Scanner, known: Sequence[str]) -> str:
    start = scanner.position
    option = scanner.word("an option")
    if option not in known or (option in _NEEDED and not session.offers(_NEEDED[option])):
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

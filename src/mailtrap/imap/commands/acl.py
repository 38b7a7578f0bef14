"""Rights on mailboxes: GETACL, SETACL, DELETEACL, LISTRIGHTS, MYRIGHTS (RFC 4314)."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final

from ...store.base import Store
from ...store.rows import FlagMode, MailboxRow
from ...wire.scram import prepare
from ...wire.steps import Call, Step
from .. import responses
from ..command import AFTER_LOGIN, Handled, command
from ..responses import Refusal
from ..rights import EVERY, OWNED, identifier, read_rights, require, rights_of, told
from ..tokens import Scanner, SyntaxFault
from .names import find, read_name

if TYPE_CHECKING:
    from ..session import IMAPSession

_SHOWING: Final = frozenset("lrikxa")  # RFC 4314, 4: with one of these MYRIGHTS answers


@command("SETACL", AFTER_LOGIN, names_mailbox=True)
def set_acl(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 4314, 3.1: rights instead of those that were, or with ``+`` and ``-`` more and less."""
    del uid
    name, who = _whom(scanner)
    scanner.space()
    start = scanner.position
    text = _text(scanner, "rights")
    scanner.end()
    mode: FlagMode = "add" if text[:1] == "+" else "remove" if text[:1] == "-" else "replace"
    try:
        rights = read_rights(text[mode != "replace" :])
    except ValueError as error:
        raise SyntaxFault(str(error), start) from None  # RFC 4314, 3.1: BAD
    row = yield from _administered(session, name)
    yield Call(_change, session.services.store, row.id, identifier(who), rights, mode)
    return None


def _change(store: Store, mailbox: int, who: str, rights: str, mode: FlagMode) -> None:
    row = store.mailbox_row(mailbox)
    if mode != "replace" and who == row.account.address and who not in row.acl:
        # the list does not name the owner yet: he has every right
        rights = EVERY if mode == "add" else "".join(right for right in EVERY if right not in rights)
        mode = "replace"
    store.set_rights(mailbox, who, rights, mode)


@command("DELETEACL", AFTER_LOGIN, names_mailbox=True)
def delete_acl(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 4314, 3.2. What is not in the list is taken out of it all the same."""
    del uid
    row, who = yield from _administered_for(session, scanner)
    yield Call(session.services.store.set_rights, row.id, identifier(who), None)
    return None


@command("GETACL", AFTER_LOGIN, names_mailbox=True)
def get_acl(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 4314, 3.3 and 3.6."""
    del uid
    name = read_name(scanner)
    scanner.end()
    row = yield from _administered(session, name)
    owner = row.account.address
    entries = {owner: EVERY, **row.acl}
    if owner in row.acl:
        entries[owner] = "".join(set(row.acl[owner]) | OWNED)
    pairs = b"".join(
        b" %b %b" % (_astring(who), responses.astring(told(rights).encode())) for who, rights in entries.items()
    )
    yield b"* ACL %b%b\r\n" % (_name(session, row), pairs)
    return None


@command("LISTRIGHTS", AFTER_LOGIN, names_mailbox=True)
def list_rights(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 4314, 3.4 and 3.7: what an identifier always has, and what it may be given, each by itself.

    The identifier is told as the client wrote it (RFC 4314, 3.4).
    """
    del uid
    row, who = yield from _administered_for(session, scanner)
    always = "".join(right for right in EVERY if right in OWNED) if identifier(who) == row.account.address else ""
    rest = [right.encode() for right in EVERY if right not in always]
    yield b"* LISTRIGHTS %b %b %b %b c d\r\n" % (
        _name(session, row), _astring(who), responses.astring(always.encode()), b" ".join(rest)
    )  # fmt: skip
    return None


@command("MYRIGHTS", AFTER_LOGIN, names_mailbox=True)
def own_rights(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 4314, 3.5 and 3.8."""
    del uid
    name = read_name(scanner)
    scanner.end()
    row = yield from find(session, name, "")
    if rights_of(row, session.account).isdisjoint(_SHOWING):
        raise Refusal("There is no such mailbox", "NONEXISTENT")
    yield my_rights(session, row)
    return None


def my_rights(session: "IMAPSession", row: MailboxRow) -> bytes:
    """The MYRIGHTS response of a mailbox."""
    return b"* MYRIGHTS %b %b\r\n" % (_name(session, row), told(rights_of(row, session.account)).encode())


def _administered(session: "IMAPSession", name: str) -> Generator[Step, Any, MailboxRow]:
    row = yield from find(session, name, "")
    require(rights_of(row, session.account), "a")
    if session.is_record:
        raise Refusal("Who has which rights here is fixed: it is the record of messages", "CANNOT")
    return row


def _administered_for(session: "IMAPSession", scanner: Scanner) -> Generator[Step, Any, tuple[MailboxRow, str]]:
    """The mailbox and the identifier that end a command."""
    name, who = _whom(scanner)
    scanner.end()
    return (yield from _administered(session, name)), who


def _name(session: "IMAPSession", row: MailboxRow) -> bytes:
    return responses.mailbox(session.told(row), utf8=session.utf8)


def _astring(text: str) -> bytes:
    return responses.astring(text.encode("utf-8", "replace"))


def _decoded(scanner: Scanner, expected: str) -> str:
    start = scanner.position
    try:
        return scanner.astring(expected).decode("utf-8")
    except UnicodeError:
        raise SyntaxFault(f"Expected {expected} in UTF-8", start) from None


def _text(scanner: Scanner, expected: str) -> str:
    start = scanner.position
    text = _decoded(scanner, expected)
    if text and not text.isprintable():
        raise SyntaxFault(f"Expected {expected} without control characters", start)
    return text


def _whom(scanner: Scanner) -> tuple[str, str]:
    """The name of a mailbox and an identifier, prepared (RFC 4314, 3)."""
    name = read_name(scanner)
    scanner.space()
    start = scanner.position
    text = prepare(_decoded(scanner, "an identifier"))
    if text is None or not text.removeprefix("-"):
        raise SyntaxFault("An identifier is not empty, and has no such characters", start)
    return name, text

"""APPEND, of one message or several, and REPLACE (RFC 3501, 6.3.11; RFC 8508).

MULTIAPPEND: RFC 3502; literal8: RFC 3516, 4.4; UTF8: RFC 6855, 4, and RFC 9755; CATENATE: RFC 4469.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ... import limits
from ...delivery.intake import AppendDone, Appended, Refused
from ...errors import NoSuchMailbox, OverQuota
from ...store.rows import AccountRow, MailboxRow, Receipt, Usage
from ...wire.steps import Call, Later, Step
from .. import sequence
from ..command import AFTER_LOGIN, WITH_MAILBOX, Gate, Handled, command
from ..message_limit import not_more
from ..responses import Refusal, Reply
from ..rights import permitted, require, rights_of, selected_rights
from ..tokens import Scanner, SyntaxFault
from .fetch import EXPUNGED_MEANWHILE
from .names import find_target, read_name
from .urls import Part, load

if TYPE_CHECKING:
    from ..session import IMAPSession


@dataclass(slots=True)
class _Message:
    """A message as a command gives it; its parts are octets, and URLs of messages that are there."""

    parts: Sequence[Part]
    flags: frozenset[str]
    date: float | None


def _gate(session: "IMAPSession", scanner: Scanner) -> Generator[Step, Any, Gate]:
    """Before a message is read: that there is a mailbox for it, and room."""
    target = yield from find_target(session, read_name(scanner))
    store, key = session.services.store, target.account
    account: AccountRow | None = yield Call(store.account, key)
    quota, messages = (None, None) if account is None else (account.quota, account.message_quota)
    used = Usage(0, 0) if quota is messages is None else (yield Call(store.used, key))

    def gate(size: int, total: int) -> Generator[Step, Any, None]:
        _not_too_large(session, size, total)
        over = quota is not None and used.octets + total > quota
        if over or (messages is not None and used.messages >= messages):
            raise Refusal("Over quota", "OVERQUOTA")  # RFC 5530, 3
        yield from ()

    return gate


def _replace_gate(session: "IMAPSession", scanner: Scanner) -> Generator[Step, Any, Gate]:
    """The same for REPLACE. What goes makes room: the quota is asked when all is known."""
    scanner.number()
    scanner.space()
    yield from find_target(session, read_name(scanner))

    def gate(size: int, total: int) -> Generator[Step, Any, None]:
        _not_too_large(session, size, total)
        yield from ()

    return gate


def _not_too_large(session: "IMAPSession", size: int, total: int) -> None:
    most = session.scope.live.max_message_size
    if size > most or total > max(most, limits.IMAP_APPEND):
        raise Refusal("The message is too large", "TOOBIG")  # RFC 4469, 4.2


@command("APPEND", AFTER_LOGIN, names_mailbox=True, gate=_gate)
def append(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 3501, 6.3.11: all messages or none."""
    del uid
    name = read_name(scanner)
    messages = [_message(session, scanner)]
    while not scanner.ended and session.offers("MULTIAPPEND"):
        messages.append(_message(session, scanner))
    scanner.end()
    not_more(session, len(messages))
    row = yield from find_target(session, name)
    code = yield from _keep(session, row, messages)
    return Reply("OK", "APPEND completed", code) if session.offers("UIDPLUS") else None


@command("REPLACE", WITH_MAILBOX, has_uid=True, numbered=True, explicit=True, gate=_replace_gate)
def replace(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 8508, 3: a message comes and another goes, in one commit."""
    start = scanner.position
    number = scanner.number()
    if not number:
        raise SyntaxFault("A message number is not zero", start)
    scanner.space()
    name = read_name(scanner)
    message = _message(session, scanner)
    scanner.end()
    view = session.writable()
    found = view.find(((number, number),), uid=uid)
    if not found:
        raise Refusal("There is no such message", "NONEXISTENT")
    require((yield from selected_rights(session)), "te")  # as STORE and EXPUNGE
    row = yield from find_target(session, name)
    if not (yield Call(session.services.store.copies, view.mailbox.id, found)):
        raise Refusal(EXPUNGED_MEANWHILE, "EXPUNGEISSUED")
    code = yield from _keep(session, row, [message], replaces=[(view.mailbox.id, found[0])])
    session.uses_numbers = False  # what is gone is told before the tagged reply (RFC 8508, 3.4)
    if session.offers("UIDPLUS"):
        yield Reply("OK", "The replacement is there", code).line()
    return None


def _keep(
    session: "IMAPSession", row: MailboxRow, messages: Sequence[_Message], replaces: Sequence[tuple[int, int]] = ()
) -> Generator[Step, Any, bytes]:
    """Put messages into a mailbox; the response code APPENDUID.

    Raises:
        Refusal: nothing was put there.
    """
    rights = rights_of(row, session.account)
    appended = []
    for message in messages:
        raw = yield from load(session, message.parts)
        if not raw:
            raise Refusal("A message without a single octet", "CANNOT")  # RFC 3502, 6.3.11: an empty one gives up
        if len(raw) > session.scope.live.max_message_size:
            raise Refusal("The message is too large", "TOOBIG")
        flags = permitted(message.flags, rights)  # RFC 4314, 4
        appended.append(Appended(raw, flags, message.date, replaces))
    services = session.services
    call: Callable[[AppendDone], None] = partial(
        services.intake.append, session.record, session.scope, row.account, row.name, appended
    )
    try:
        receipts: Sequence[Receipt] = yield Later(call)
    except Refused as refused:
        raise Refusal(str(refused), "CANNOT") from None
    except NoSuchMailbox:
        raise Refusal("The mailbox was deleted meanwhile", "TRYCREATE") from None
    except OverQuota:
        raise Refusal("Over quota", "OVERQUOTA") from None
    placed = [receipt.placed[0] for receipt in receipts]
    return b"APPENDUID %d %b" % (placed[0].uidvalidity, sequence.encode(copy.uid for copy in placed))


def _message(session: "IMAPSession", scanner: Scanner) -> _Message:
    """RFC 3501, 9: append-message."""
    scanner.space()
    flags: frozenset[str] = frozenset()
    date = None
    if scanner.at(b"("):
        flags = scanner.flags()
        scanner.space()
    if scanner.at(b'"'):
        date = scanner.date_time()
        scanner.space()
    if session.offers("UTF8=ACCEPT") and scanner.take(b"UTF8 ("):
        scanner.take(b"~")
        message = _Message([scanner.literal()], flags, date)
        scanner.expect(b")")
        return message
    if session.offers("CATENATE") and scanner.peek_word() == "CATENATE":
        scanner.word()
        scanner.space()
        return _Message(scanner.items(lambda: _part(scanner)), flags, date)
    return _Message([_literal(session, scanner)], flags, date)


def _literal(session: "IMAPSession", scanner: Scanner) -> bytes:
    if session.offers("BINARY"):
        scanner.take(b"~")  # nothing is changed on the way in: binary parts stay binary
    if not scanner.at(b"{"):
        raise SyntaxFault("The message has to be a literal", scanner.position)
    return scanner.literal()


def _part(scanner: Scanner) -> Part:
    """RFC 4469, 5: cat-part."""
    start = scanner.position
    kind = scanner.word("TEXT or URL")
    scanner.space()
    if kind == "TEXT":
        scanner.take(b"~")
        return scanner.literal()
    if kind != "URL":
        raise SyntaxFault(f"A part is TEXT or URL, not {kind}", start)
    return scanner.astring("a URL").decode("utf-8", "replace")

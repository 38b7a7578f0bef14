"""APPEND, of one message or several (RFC 3501, 6.3.11).

MULTIAPPEND: RFC 3502; literal8: RFC 3516, 4.4; UTF8: RFC 6855, 4.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ... import limits
from ...delivery.intake import AppendDone, Appended, Refused
from ...errors import NoSuchMailbox, OverQuota
from ...store.base import AccountRow, Receipt, Usage
from ...wire.steps import Call, Later
from .. import sequence
from ..command import AFTER_LOGIN, Gate, Handled, command
from ..responses import Refusal, Reply
from ..rights import permitted, rights_of
from ..tokens import Scanner, SyntaxFault
from .names import find_target, read_name

if TYPE_CHECKING:
    from collections.abc import Generator

    from ...wire.steps import Step
    from ..session import IMAPSession


def _gate(session: "IMAPSession", scanner: Scanner) -> "Generator[Step, Any, Gate]":
    """Before a message is read: that there is a mailbox for it, and room."""
    target = yield from find_target(session, read_name(scanner))
    store, key = session.services.store, target.account
    account: AccountRow | None = yield Call(store.account, key)
    quota, messages = (None, None) if account is None else (account.quota, account.message_quota)
    used = Usage(0, 0) if quota is messages is None else (yield Call(store.used, key))

    def gate(size: int, total: int) -> "Generator[Step, Any, None]":
        if size > (most := session.scope.live.max_message_size) or total > max(most, limits.IMAP_APPEND):
            raise Refusal("The message is too large", "TOOBIG")  # RFC 4469, 4.2
        over = quota is not None and used.octets + total > quota
        if over or (messages is not None and used.messages >= messages):
            raise Refusal("Over quota", "OVERQUOTA")  # RFC 5530, 3
        yield from ()

    return gate


@command("APPEND", AFTER_LOGIN, names_mailbox=True, gate=_gate)
def append(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 3501, 6.3.11: all messages or none."""
    del uid
    name = read_name(scanner)
    messages = [_message(session, scanner)]
    while not scanner.ended and session.offers("MULTIAPPEND"):
        messages.append(_message(session, scanner))
    scanner.end()
    row = yield from find_target(session, name)
    if any(not message.raw for message in messages):
        raise Refusal("A message without a single octet", "CANNOT")  # RFC 3502, 6.3.11: an empty one gives up
    rights = rights_of(row, session.account)
    messages = [replace(message, flags=permitted(message.flags, rights)) for message in messages]  # RFC 4314, 4
    services = session.services
    call: Callable[[AppendDone], None] = partial(
        services.intake.append, session.record, session.scope, row.account, row.name, messages
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
    if not session.offers("UIDPLUS"):
        return None
    code = b"APPENDUID %d %b" % (placed[0].uidvalidity, sequence.encode(copy.uid for copy in placed))
    return Reply("OK", "APPEND completed", code)


def _message(session: "IMAPSession", scanner: Scanner) -> Appended:
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
        message = Appended(scanner.literal(), flags, date)
        scanner.expect(b")")
        return message
    if session.offers("BINARY"):
        scanner.take(b"~")  # nothing is changed on the way in: binary parts stay binary
    if not scanner.at(b"{"):
        raise SyntaxFault("The message has to be a literal", scanner.position)
    return Appended(scanner.literal(), flags, date)

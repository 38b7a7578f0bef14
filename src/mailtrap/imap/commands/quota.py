"""How much may be kept: GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208).

Each account has one quota root, named by its address, over all its mailboxes.
"""

from typing import TYPE_CHECKING, Final

from ...message.address import Address
from ...store.base import Store
from ...store.rows import AccountRow, Key
from ...wire.steps import Call
from .. import responses
from ..command import AFTER_LOGIN, Handled, command
from ..responses import Refusal
from ..rights import require, rights_of
from ..tokens import Scanner
from .names import locate, look, owner_of, read_name

if TYPE_CHECKING:
    from ..session import IMAPSession

_RESOURCES: Final = ("STORAGE", "MESSAGE")
_UNIT: Final = 1024  # octets in one unit of STORAGE (RFC 9208, 5.1)
_BITS: Final = 63  # of a limit, and of what is kept for it (RFC 9208, 7)


@command("GETQUOTA", AFTER_LOGIN)
def get_quota(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 9208, 4.1.1. Of other users' roots nobody is told."""
    del uid
    root = _root(scanner)
    scanner.end()
    _own(session, root)
    yield (yield Call(_quota_line, session.services.store, session.account))
    return None


@command("GETQUOTAROOT", AFTER_LOGIN, names_mailbox=True)
def get_quota_root(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 9208, 4.1.2. With other users' mailboxes it needs the right to read (RFC 9208, 8).

    Of one's own there need not be such a mailbox: it is told what would hold if it came to be.
    """
    del uid
    name = read_name(scanner)
    scanner.end()
    place = locate(session, name)
    row = yield from look(session, place)
    if row is not None:
        require(rights_of(row, session.account), "r")
    elif (yield from owner_of(session, place)) != session.account:
        raise Refusal("There is no such mailbox", "NONEXISTENT")
    account = session.account if row is None else row.account
    root = responses.astring(account.address.encode("utf-8", "replace"))
    told = session.names.told(account, place.name if row is None else row.name, session.account)
    yield b"* QUOTAROOT %b %b\r\n" % (responses.mailbox(told, utf8=session.utf8), root)
    yield (yield Call(_quota_line, session.services.store, account))
    return None


@command("SETQUOTA", AFTER_LOGIN)
def set_quota(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 9208, 4.1.3, where the capability QUOTASET is on: a resource that is not named has no limit any more."""
    del uid
    root = _root(scanner)
    scanner.space()
    asked = dict(scanner.items(lambda: _limit(scanner), empty=True))
    scanner.end()
    _own(session, root)
    if session.is_record:
        raise Refusal("The record of messages has no limits", "CANNOT")
    # RFC 9208, 4.1.3: what is written well and cannot be set is NO
    if unknown := sorted(asked.keys() - set(_RESOURCES)):
        raise Refusal(f"{unknown[0]} is no resource here", "CANNOT")
    storage = asked.get("STORAGE")
    octets = None if storage is None else storage * _UNIT
    if octets is not None and octets >= 1 << _BITS:
        raise Refusal("The limit is too high", "CANNOT")
    yield Call(session.services.store.set_quota, session.account, octets, asked.get("MESSAGE"))
    yield (yield Call(_quota_line, session.services.store, session.account))
    return None


def _limit(scanner: Scanner) -> tuple[str, int]:
    resource = scanner.word("STORAGE or MESSAGE")
    scanner.space()
    return resource, scanner.number(_BITS)


def _root(scanner: Scanner) -> str:
    return scanner.astring("the name of a quota root").decode("utf-8", "replace")


def _own(session: "IMAPSession", root: str) -> None:
    if Address(root).account != session.account.address:
        raise Refusal("There is no such quota root", "NONEXISTENT")


def _quota_line(store: Store, account: Key) -> bytes:
    """The QUOTA response (RFC 9208, 4.2.1): what is used of the resources that have a limit."""
    row: AccountRow | None = store.account(account)
    used = store.used(account)
    values = []
    if row is not None and row.quota is not None:
        values.append(b"STORAGE %d %d" % (-(-used.octets // _UNIT), row.quota // _UNIT))
    if row is not None and row.message_quota is not None:
        values.append(b"MESSAGE %d %d" % (used.messages, row.message_quota))
    root = responses.astring(account.address.encode("utf-8", "replace"))
    return b"* QUOTA %b (%b)\r\n" % (root, b" ".join(values))

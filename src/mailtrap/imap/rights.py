"""What a user may do with a mailbox (RFC 4314).

A mailbox's list of rights names *identifiers*: addresses, ``anyone``, and either with ``-`` before it for rights that
are taken away. The owner has every right unless the list names him, and never loses those that are needed to look at
his mail and to change the list.
"""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final

from ..message.address import Address
from ..store.rows import ALL, Key, MailboxRow
from ..wire.steps import Call, Step
from .responses import RIGHT_OF_FLAG, Refusal

if TYPE_CHECKING:
    from .session import IMAPSession

EVERY: Final = "lrswipkxtea"  # RFC 4314, 2.1, in the order they are told
OWNED: Final = frozenset("lra")  # what an owner cannot lose (RFC 4314, 3.7)
ANYONE: Final = "anyone"
_EVERY: Final = frozenset(EVERY)
_RECORD: Final = frozenset("lrswte")  # of the account ``all``
_OLD: Final = {"c": "k", "d": "xte"}  # RFC 4314, 2.1.1: what the rights of RFC 2086 became


def identifiers(key: Key) -> tuple[str, str]:
    """The identifiers that mean a user."""
    return key.address, ANYONE


def identifier(text: str) -> str:
    """An identifier as lists have it: addresses in their one form."""
    negative, name = ("-", text[1:]) if text.startswith("-") else ("", text)
    return negative + (ANYONE if name.lower() == ANYONE else Address(name).account)


def rights_of(row: MailboxRow, key: Key) -> frozenset[str]:
    """The rights of a user on a mailbox."""
    mine = row.account == key
    if not row.acl:
        return (_RECORD if key.address == ALL else _EVERY) if mine else frozenset()
    granted = set(row.acl.get(key.address, EVERY if mine else ""))
    granted.update(row.acl.get(ANYONE, ""))
    granted.difference_update(row.acl.get(f"-{key.address}", ""), row.acl.get(f"-{ANYONE}", ""))
    return frozenset(granted) | OWNED if mine else frozenset(granted)


def read_rights(text: str) -> str:
    """The rights that a client names.

    Raises:
        ValueError: one that there is not.
    """
    rights = "".join(_OLD.get(right, right) for right in text)
    if unknown := set(rights) - _EVERY:
        raise ValueError(f"There is no right {min(unknown)}")
    return rights


def told(rights: frozenset[str] | str) -> str:
    """Rights as a client is told them, with those of RFC 2086 that have a part among them (RFC 4314, 2.1.1)."""
    known = "".join(right for right in EVERY if right in rights)
    return known + "".join(old for old, parts in _OLD.items() if not set(parts).isdisjoint(rights))


def require(rights: frozenset[str], needed: str, *, missing: str = "NONEXISTENT") -> None:
    """That a user has all of these rights.

    Args:
        missing: the response code where there is no such mailbox.

    Raises:
        Refusal: one is missing (RFC 4314, 6). Without the right to look a mailbox up it is not there.
    """
    if "l" not in rights and rights.isdisjoint(needed):
        raise Refusal("There is no such mailbox", missing)
    for right in needed:
        if right not in rights:
            raise Refusal(f"The right {right} is missing", "NOPERM")


def selected_rights(session: "IMAPSession") -> Generator[Step, Any, frozenset[str]]:
    """What the user may do with the selected mailbox at this moment."""
    row: MailboxRow = yield Call(session.services.store.mailbox_row, session.selected.mailbox.id)
    return rights_of(row, session.account)


def permitted(flags: frozenset[str], rights: frozenset[str]) -> frozenset[str]:
    """Those of the flags that a user may set or take away."""
    if rights >= {"s", "t", "w"}:
        return flags
    return frozenset(flag for flag in flags if RIGHT_OF_FLAG.get(flag, "w") in rights)

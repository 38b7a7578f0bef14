"""What every store keeps to about names of mailboxes, rights and annotations."""

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache

from ..errors import NotAllowed
from .rows import ALL, INBOX, PRIVATE, SHARED, FlagMode, Key


@lru_cache(maxsize=1024)
def checked_name(name: str) -> str:
    """A mailbox's name as it is kept; ``NotAllowed`` when it is none."""
    if not all(name.split("/")):
        raise NotAllowed(f"{name!r} cannot be the name of a mailbox")
    return canonical(name)


def superiors(name: str) -> list[str]:
    """The names above a name, the highest first: ``a/b/c`` has ``a`` and ``a/b``."""
    parts = name.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def canonical(name: str) -> str:
    """A mailbox's name as it is kept: INBOX is INBOX in any case (RFC 3501, 5.1), alone or as a superior name."""
    if name[:5].upper() == INBOX and (len(name) == 5 or name[5] == "/"):
        return INBOX + name[5:]
    return name


def changed_rights(
    acl: Mapping[str, str], identifier: str, rights: Iterable[str] | None, mode: FlagMode
) -> dict[str, str]:
    """A list of rights with one identifier's changed, or taken out."""
    becomes = dict(acl)
    if rights is None:
        becomes.pop(identifier, None)
        return becomes
    had, asked = set(acl.get(identifier, "")), set(rights)
    new = had | asked if mode == "add" else had - asked if mode == "remove" else asked
    becomes[identifier] = "".join(sorted(new))
    return becomes


def names_one_of(acl: Mapping[str, str], identifiers: Collection[str]) -> bool:
    """Whether a list gives one of these identifiers a right."""
    return any(acl.get(identifier) for identifier in identifiers)


def audience(account: Key, acl: Mapping[str, str]) -> set[Key]:
    """Who sees a mailbox in a list: its account, and those its list of rights names."""
    return {account, *(Key(account.scope, identifier.removeprefix("-")) for identifier in acl)}


def checked_entries(key: Key, entries: Mapping[str, bytes | None]) -> Mapping[str, bytes | None]:
    """Annotations that may be kept; ``NotAllowed`` where one may not."""
    for name in entries:
        if not name.startswith((PRIVATE, SHARED)):
            raise NotAllowed(f"{name!r} cannot be the name of an annotation")
        if name.startswith(PRIVATE) and key.address == ALL:
            raise NotAllowed("the account all has no annotations of its own")
    return entries

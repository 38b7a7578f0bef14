"""Sets of flags: how they change, and one object for each that exists.

Flags and keywords are compared without case (RFC 9051, 2.3.2; RFC 5788, 2). System flags are kept in the spelling
of the RFC, keywords as they were written first. A set is interned: copies with the same flags share one object.
"""

from collections.abc import Iterable
from typing import Final

from .rows import NO_FLAGS, FlagMode

SEEN: Final = "\\Seen"
DELETED: Final = "\\Deleted"
_SYSTEM: Final = {flag.lower(): flag for flag in (SEEN, DELETED, "\\Answered", "\\Flagged", "\\Draft")}
_RECENT: Final = "\\recent"  # never kept: it belongs to a session
_KNOWN: Final = 4096  # sets that are remembered; what is beyond is only made anew

_canonical: dict[frozenset[str], frozenset[str]] = {}


def canonical(flags: Iterable[str]) -> frozenset[str]:
    """The set as it is kept; equal sets are mostly one object."""
    asked = flags if isinstance(flags, frozenset) else frozenset(flags)
    if not asked:
        return NO_FLAGS
    kept = _canonical.get(asked)
    if kept is None:
        spelled: dict[str, str] = {}
        for flag in sorted(asked):
            spelled.setdefault(flag.lower(), _SYSTEM.get(flag.lower(), flag))
        spelled.pop(_RECENT, None)
        kept = _intern(frozenset(spelled.values()))
        _remember(asked, kept)
    return kept


def change(old: frozenset[str], flags: frozenset[str], mode: FlagMode) -> frozenset[str]:
    """What ``old`` becomes; the very same object when nothing changes. Both sets are canonical."""
    has = {flag.lower(): flag for flag in old}
    asked = {flag.lower(): flag for flag in flags}
    if mode == "remove":
        new = frozenset(flag for lower, flag in has.items() if lower not in asked)
    elif mode == "add":
        new = old.union(flag for lower, flag in asked.items() if lower not in has)
    else:
        new = frozenset(has.get(lower, flag) for lower, flag in asked.items())
    return old if new == old else _intern(new)


def _intern(flags: frozenset[str]) -> frozenset[str]:
    found = _canonical.get(flags)
    if found is None:
        found = flags
        _remember(flags, flags)
    return found


def _remember(asked: frozenset[str], kept: frozenset[str]) -> None:
    if len(_canonical) >= _KNOWN:
        _canonical.clear()
    _canonical[asked] = kept

"""Names that callers give: what a mistyped one may have meant, and the one thing that was asked for."""

from collections.abc import Sequence
from typing import Any

from .criteria import matches_value


def nearest(name: str, known: frozenset[str] | Sequence[str]) -> str:
    """What a mistyped name may have meant, as the end of a sentence."""
    import difflib

    close = difflib.get_close_matches(name, sorted(known), 1, 0.5)
    return f": did you mean {close[0]!r}?" if close else f": it is one of {', '.join(sorted(known))}"


def single(noun: str, items: Sequence[Any], criteria: dict[str, Any], known: Sequence[str]) -> Any:
    """The one item that matches."""
    __tracebackhide__ = True
    for name in criteria:
        if name not in known:
            raise TypeError(f"{name!r} is no attribute of a {noun}{nearest(name, known)}")
    found = [item for item in items if all(matches_value(value, getattr(item, n)) for n, value in criteria.items())]
    if len(found) == 1:
        return found[0]
    asked = ", ".join(f"{name}={value!r}" for name, value in criteria.items()) or f"any {noun}"
    count = f"{len(found)} {noun}s match" if found else f"no {noun} matches"
    there = "\n".join(f"  {item!r}" for item in (found or items)) or "  none at all"
    raise AssertionError(f"{count} {asked}, where one was expected; {'they are' if found else 'there are'}:\n{there}")

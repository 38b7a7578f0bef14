"""What a caller asks for, compared with what there is.

A ``str`` means equal, a compiled pattern searches, a callable is asked, an object with its own ``__eq__`` is honoured,
a list means these in any order, a tuple in this order. An attribute that is a list matches a single
expectation when one of its items does.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any

from .address import Address, normalize


def matches_value(expected: Any, actual: Any) -> bool:
    """Whether one value, or one item of a list-valued attribute, is what was expected."""
    if isinstance(actual, Sequence | AbstractSet) and not isinstance(actual, str | bytes):
        if isinstance(expected, list | tuple | set | frozenset):
            return _matches_items(expected, list(actual))
        if callable(expected) and not _compares(expected):
            return bool(expected(actual))
        return any(matches_value(expected, item) for item in actual) or _own_equal(expected, actual)
    if isinstance(expected, re.Pattern):
        return _search(expected, actual)
    if isinstance(expected, list | set | frozenset):
        return any(matches_value(item, actual) for item in expected)
    if isinstance(expected, str):
        return _equal_text(expected, actual)
    if callable(expected) and not _compares(expected):
        return bool(expected(actual))
    return bool(expected == actual)


def _matches_items(expected: Iterable[Any], actual: list[Any]) -> bool:
    wanted = list(expected)
    if len(wanted) != len(actual):
        return False
    if isinstance(expected, tuple):
        return all(matches_value(want, item) for want, item in zip(wanted, actual, strict=True))
    return _assign(wanted, actual)


def _assign(wanted: list[Any], actual: list[Any]) -> bool:
    """Whether each wanted can have an actual of its own, as many as there are (augmenting paths)."""
    fits = [[place for place, item in enumerate(actual) if matches_value(want, item)] for want in wanted]
    taken: dict[int, int] = {}  # place in actual -> place in wanted

    def find(want: int, tried: set[int]) -> bool:
        for place in fits[want]:
            if place not in tried:
                tried.add(place)
                if place not in taken or find(taken[place], tried):
                    taken[place] = want
                    return True
        return False

    return all(find(want, set()) for want in range(len(wanted)))


def _equal_text(expected: str, actual: Any) -> bool:
    if isinstance(actual, Address):
        return str.__eq__(normalize(expected), str(actual))
    return isinstance(actual, str) and str.__eq__(expected, str(actual))


def _search(pattern: re.Pattern[Any], actual: Any) -> bool:
    if isinstance(pattern.pattern, bytes):
        return isinstance(actual, bytes) and pattern.search(actual) is not None
    if isinstance(actual, bytes):
        actual = actual.decode("utf-8", "replace")
    elif isinstance(actual, datetime):
        actual = actual.isoformat()
    return isinstance(actual, str) and pattern.search(actual) is not None


def _own_equal(expected: Any, actual: Any) -> bool:
    return _compares(expected) and bool(expected == actual)


def _compares(expected: Any) -> bool:
    """Whether it brings an ``__eq__`` of its own (``mock.ANY``, dirty-equals)."""
    own: object = type(expected).__eq__
    return own is not object.__eq__ and not isinstance(expected, str | re.Pattern)


def matches_header(expected: Mapping[str, Any], get_all: Callable[[str], Sequence[str]]) -> bool:
    """Whether for each name one header of it matches; None expects that there is none."""
    for name, value in expected.items():
        found = get_all(name)
        if value is None:
            if found:
                return False
        elif not any(matches_value(value, item) for item in found):
            return False
    return True

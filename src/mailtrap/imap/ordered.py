"""The order of SORT (RFC 5256, 2.2 and 3; SORT=DISPLAY: RFC 5957; RELEVANCY: RFC 6203, 6)."""

from collections.abc import Callable, Generator, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple, TypeAlias

from ..message.facts import Facts
from ..message.ordering import SortKeys
from ..store.base import Store
from ..store.rows import CopyRow
from ..wire.steps import Step
from . import searching
from .tokens import Scanner, SyntaxFault

_MOST: Final = 20  # criteria in one SORT


class Criterion(NamedTuple):
    """One key, and whether its order is reversed."""

    name: str
    reverse: bool = False


Column: TypeAlias = Callable[[Sequence[CopyRow], Sequence[SortKeys]], Sequence[Any]]


def _key(name: str) -> Column:
    get = attrgetter(name)
    return lambda _, keys: list(map(get, keys))


def _sent(copies: Sequence[CopyRow], keys: Sequence[SortKeys]) -> Sequence[float]:
    """The internal date stands for a Date field that cannot be read (RFC 5256, 2.2)."""
    return [
        copy.internal_date if key.sent is None else key.sent for copy, key in zip(copies, keys, strict=True)
    ]  # fmt: skip


_OF_COPY: Final[dict[str, Column]] = {
    "ARRIVAL": lambda copies, _: [copy.internal_date for copy in copies],
    "SIZE": lambda copies, _: [copy.size for copy in copies],
}
_OF_FACTS: Final[dict[str, Column]] = {
    "CC": _key("cc"),
    "DATE": _sent,
    "DISPLAYFROM": _key("display_from"),
    "DISPLAYTO": _key("display_to"),
    "FROM": _key("from_"),
    "SUBJECT": _key("subject"),
    "TO": _key("to"),
}
_COLUMNS: Final = {**_OF_COPY, **_OF_FACTS}
_NEEDED: Final = {"DISPLAYFROM": "SORT=DISPLAY", "DISPLAYTO": "SORT=DISPLAY", "RELEVANCY": "SEARCH=FUZZY"}


def read_criteria(scanner: Scanner, offers: Callable[[str], bool]) -> tuple[Criterion, ...]:
    """RFC 5256, 5: sort-criteria."""
    start = scanner.position

    def criterion() -> Criterion:
        word = scanner.word("a sort criterion")
        reverse = word == "REVERSE"
        if reverse:
            scanner.space()
            word = scanner.word("a sort criterion")
        if (word not in _OF_COPY and word not in _OF_FACTS and word != "RELEVANCY") or (
            word in _NEEDED and not offers(_NEEDED[word])
        ):
            raise SyntaxFault(f"{word} is no sort criterion", start)
        return Criterion(word, reverse)

    criteria = scanner.items(criterion)
    if len(criteria) > _MOST:
        raise SyntaxFault(f"More than {_MOST} sort criteria", start)
    return tuple(criteria)


def arranged(
    store: Store, mailbox: int, uids: Sequence[int], criteria: Sequence[Criterion], scores: Mapping[int, int]
) -> Generator[Step, Any, Sequence[int]]:
    """UIDs (ascending) in the order of the criteria; what is alike stays in mailbox order, reversed or not.

    Args:
        scores: how well each message fits, for RELEVANCY: the best come first.
    """
    kinds = ("sorting",) if any(criterion.name in _OF_FACTS for criterion in criteria) else ()
    found: list[int] = []
    columns: list[list[Any]] = [[] for _ in criteria]

    def keep(copies: Sequence[CopyRow], facts: Sequence[Facts]) -> None:
        found.extend([copy.uid for copy in copies])
        keys = [known.sorting for known in facts if known.sorting is not None]
        for (name, _), column in zip(criteria, columns, strict=True):
            if name == "RELEVANCY":
                column += [-scores.get(copy.uid, 0) for copy in copies]
            else:
                column += _COLUMNS[name](copies, keys)

    yield from searching.known(store, mailbox, uids, kinds, keep)
    order = list(range(len(found)))
    for (_, reverse), column in zip(reversed(criteria), reversed(columns), strict=True):
        order.sort(key=column.__getitem__, reverse=reverse)
    return [found[place] for place in order]

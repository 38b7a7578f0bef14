"""The order of SORT (RFC 5256, 2.2 and 3; SORT=DISPLAY: RFC 5957; RELEVANCY: RFC 6203, 6)."""

from collections.abc import Callable, Generator, Mapping, Sequence
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


def _keys(facts: Facts) -> SortKeys:
    assert facts.sorting is not None
    return facts.sorting


Entry: TypeAlias = tuple[CopyRow, Facts]
_OF_COPY: Final[dict[str, Callable[[Entry], Any]]] = {
    "ARRIVAL": lambda entry: entry[0].internal_date,
    "SIZE": lambda entry: entry[0].size,
}
_OF_FACTS: Final[dict[str, Callable[[Entry], Any]]] = {
    "CC": lambda entry: _keys(entry[1]).cc,
    "DATE": lambda entry: entry[0].internal_date if (sent := _keys(entry[1]).sent) is None else sent,
    "DISPLAYFROM": lambda entry: _keys(entry[1]).display_from,
    "DISPLAYTO": lambda entry: _keys(entry[1]).display_to,
    "FROM": lambda entry: _keys(entry[1]).from_,
    "SUBJECT": lambda entry: _keys(entry[1]).subject,
    "TO": lambda entry: _keys(entry[1]).to,
}
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
    entries = yield from searching.known(store, mailbox, uids, kinds)
    for name, reverse in reversed(criteria):
        if name == "RELEVANCY":
            entries.sort(key=lambda entry: -scores.get(entry[0].uid, 0), reverse=reverse)
        else:
            entries.sort(key=_OF_COPY.get(name) or _OF_FACTS[name], reverse=reverse)
    return [row.uid for row, _ in entries]

"""Text that is nearly the one that is looked for: FUZZY of SEARCH (RFC 6203).

A text fits where each of its words is there, in any order, and accents do not count. A word of four letters or more is
also found where one letter of it is wrong, missing or too much, or two neighbours have changed places.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from ..message import fields
from ..message.collation import folded
from ..message.facts import Facts
from .conditions import Test
from .rows import CopyRow

_MARKS: Final = re.compile("[\u0300-\u036f]+")
_WORD: Final = re.compile(r"\w+")
_SHORT: Final = 4  # letters: a shorter word is found as it is only
_PHRASE, _EXACT, _NEAR = 100, 90, 60  # scores, of 1 to 100 (RFC 6203, 4)


@dataclass(frozen=True, slots=True)
class Alike:
    """The words of a text are, exactly or nearly, in a header field, in the body, or in either of them."""

    part: Literal["header", "body", "text"]
    text: str
    name: str = ""

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of facts that decide it."""
        return _KINDS[self.part]


_KINDS: Final = {
    "header": frozenset({"headers"}), "body": frozenset({"text"}), "text": frozenset({"headers", "text"}),
}  # fmt: skip


def compiled(tree: Alike) -> tuple[Test, frozenset[str]]:
    """The condition as a test, and the kinds of facts that it needs."""
    measure = _measure(tree)

    def test(copy: CopyRow, facts: Facts | None) -> bool | None:
        return None if facts is None else measure(copy, facts) > 0

    return test, tree.kinds


def score(conditions: Iterable[Alike]) -> Callable[[CopyRow, Facts], int]:
    """How well a message fits, from 1 to 100: the best of these conditions."""
    measures = [_measure(condition) for condition in conditions]
    return lambda copy, facts: max(1, *(measure(copy, facts) for measure in measures))


def _measure(tree: Alike) -> Callable[[CopyRow, Facts], int]:
    if not tree.text:
        name = tree.name.lower()
        if tree.part != "header":
            return lambda _copy, _facts: _PHRASE
        return lambda copy, facts: _PHRASE if any(field == name for field, _ in _headers(copy, facts)) else 0
    phrase = _plain(tree.text)
    words = tuple(_WORD.findall(phrase)) or (phrase,)

    def measure(copy: CopyRow, facts: Facts) -> int:
        return max((_fit(phrase, words, _plain(text)) for text in _texts(tree, copy, facts)), default=0)

    return measure


def _plain(text: str) -> str:
    """Text without case and accents."""
    text = folded(text)
    return text if text.isascii() else _MARKS.sub("", text)


def _texts(tree: Alike, copy: CopyRow, facts: Facts) -> Iterable[str]:
    if tree.part == "header":
        name = tree.name.lower()
        return [value for field, value in _headers(copy, facts) if field == name]
    assert facts.text is not None
    if tree.part == "body":
        return [facts.text]
    return [*(value for _, value in _headers(copy, facts)), facts.text]


def _headers(copy: CopyRow, facts: Facts) -> Iterable[tuple[str, str]]:
    assert facts.headers is not None
    if not copy.prefix:
        return facts.headers
    return (*fields.decoded(fields.split(copy.prefix)), *facts.headers)


def _fit(phrase: str, words: tuple[str, ...], text: str) -> int:
    """How well a text fits; 0 where a word is missing."""
    if phrase in text:
        return _PHRASE
    total = 0
    there: set[str] | None = None
    for word in words:
        if word in text:
            total += _EXACT
            continue
        if len(word) < _SHORT:
            return 0
        if there is None:
            there = set(_WORD.findall(text))
        if not any(abs(len(other) - len(word)) <= 1 and _near(word, other) for other in there):
            return 0
        total += _NEAR
    return total // len(words)


@lru_cache(maxsize=4096)
def _near(word: str, other: str) -> bool:
    """Whether one change makes one word the other: a letter more, less or another, or two neighbours swapped."""
    start = 0
    shorter = min(len(word), len(other))
    while start < shorter and word[start] == other[start]:
        start += 1
    end = 0
    while end < shorter - start and word[-1 - end] == other[-1 - end]:
        end += 1
    rest, others = word[start : len(word) - end], other[start : len(other) - end]
    return (len(rest) <= 1 and len(others) <= 1) or (len(rest) == len(others) == 2 and rest == others[::-1])

"""Result options of SEARCH, SORT and ESEARCH, and the ESEARCH response.

RFC 4731: MIN, MAX, ALL, COUNT. RFC 5182: SAVE. RFC 5267: CONTEXT, UPDATE. RFC 6203: RELEVANCY. RFC 9394: PARTIAL.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from . import responses, sequence
from .fetch_items import Item, read_items
from .tokens import Scanner, SyntaxFault

_RANGE: Final = re.compile(rb"(-?)([1-9][0-9]{0,9}):(-?)([1-9][0-9]{0,9})")
_NEEDED: Final = {"SAVE": ("SEARCHRES",), "RELEVANCY": ("SEARCH=FUZZY",)}
_OPTIONS: Final = ("MIN", "MAX", "ALL", "COUNT", "SAVE", "PARTIAL", "CONTEXT", "UPDATE", "RELEVANCY")


@dataclass(frozen=True, slots=True)
class Range:
    """Some of the results by their places, counted from 1; from the end where ``newest`` (RFC 9394, 3.1)."""

    low: int
    high: int
    newest: bool
    text: bytes

    @classmethod
    def read(cls, scanner: Scanner, *, newest: bool) -> "Range":
        """RFC 9394, 4: partial-range.

        Args:
            newest: whether places may be counted from the end.
        """
        start = scanner.position
        text = scanner.match(_RANGE, "a range of results such as 1:100")
        found = _RANGE.match(text)
        assert found is not None
        if found[1] != found[3]:
            raise SyntaxFault("A range counts from one end", start)
        if found[1] and not newest:
            raise SyntaxFault("A range counts from the first result here", start)
        low, high = sorted((int(found[2]), int(found[4])))
        if high >= sequence.STAR:
            raise SyntaxFault("The number is too large", start)
        return cls(low, high, bool(found[1]), text)

    def of(self, found: Sequence[int]) -> Sequence[int]:
        """Those of the results, in their order."""
        if self.newest:
            return found[max(len(found) - self.high, 0) : max(len(found) - self.low + 1, 0)]
        return found[self.low - 1 : self.high]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be returned.

    Attributes:
        options: names; never empty.
        partial: the range of PARTIAL.
        items: what UPDATE is to tell of new results (RFC 5465, 7).
    """

    options: frozenset[str]
    partial: Range | None = None
    items: Sequence[Item] = ()

    def __contains__(self, option: str) -> bool:
        return option in self.options

    @property
    def answered(self) -> bool:
        """Whether there is a response: none where the results are only kept (RFC 5182, 2.1)."""
        return self.options != {"SAVE"}

    def returned(self, found: Sequence[int]) -> Sequence[int]:
        """The results that are named in the answer or stand for it; what SAVE keeps (RFC 5182, 2.1; RFC 9394, 3.1)."""
        if self.options & {"ALL", "COUNT"} or not self.options & {"MIN", "MAX", "PARTIAL"} or not found:
            return found
        some = set(self.partial.of(found)) if self.partial is not None else set()
        if "MIN" in self:
            some.add(found[0])
        if "MAX" in self:
            some.add(found[-1])
        return sorted(some)


ALL: Final = Wanted(frozenset({"ALL"}))


def read_return(
    scanner: Scanner, offers: Callable[[str], bool], *, context: Literal["SEARCH", "SORT"]
) -> Wanted | None:  # fmt: skip
    """RETURN and its options where they come next, and the space behind; None for the plain form.

    Args:
        offers: whether a capability holds, and with it the options that it brings.
        context: of which kind contexts are.
    """
    if scanner.peek_word() != "RETURN":
        return None
    scanner.word()
    scanner.space()
    partial: Range | None = None
    items: list[Item] = []

    def option() -> str:
        nonlocal partial
        start = scanner.position
        word = scanner.word("a result option")
        if word not in _OPTIONS or not _is_offered(word, offers, context):
            raise SyntaxFault(f"{word} is no result option here", start)
        if word == "PARTIAL":
            if partial is not None:
                raise SyntaxFault("PARTIAL stands once", start)  # RFC 5267, 4.4
            scanner.space()
            partial = Range.read(scanner, newest=offers("PARTIAL"))
        if word == "UPDATE" and scanner.at(b" (") and offers("NOTIFY"):
            scanner.space()
            items.extend(replace(item, peek=True) for item in read_items(scanner, offers))
        return word

    options = frozenset(scanner.items(option, empty=True))
    scanner.space()
    if "ALL" in options and partial is not None:
        raise SyntaxFault("PARTIAL and ALL exclude each other")  # RFC 5267, 4.4
    return Wanted(options, partial, tuple(dict.fromkeys(items))) if options else ALL


def _is_offered(word: str, offers: Callable[[str], bool], context: str) -> bool:
    if word in ("CONTEXT", "UPDATE"):
        return offers(f"CONTEXT={context}")
    if word == "PARTIAL":
        return offers("PARTIAL") or offers(f"CONTEXT={context}")
    return all(map(offers, _NEEDED.get(word, ())))


def correlator(tag: bytes, *, uid: bool, mailbox: bytes = b"") -> bytes:
    """How an ESEARCH response begins.

    Args:
        mailbox: of which one it is, with its UIDVALIDITY (RFC 7377, 2.1).
    """
    return b"* ESEARCH (TAG %b%b)%b" % (responses.string(tag), mailbox, b" UID" if uid else b"")


def esearch(
    begin: bytes, wanted: Wanted, numbers: Sequence[int], *, modseq: bytes = b"", scores: Sequence[int] = ()
) -> bytes:
    """The ESEARCH response (RFC 4731, 3.1).

    Args:
        begin: see ``correlator``.
        numbers: the results in their order.
        scores: how well each fits, for RELEVANCY (RFC 6203, 4).
    """
    parts = [begin]
    if numbers:
        if "MIN" in wanted:
            parts.append(b"MIN %d" % numbers[0])
        if "MAX" in wanted:
            parts.append(b"MAX %d" % numbers[-1])
        if "ALL" in wanted:
            parts.append(b"ALL %b" % sequence.encode(numbers))
    if "COUNT" in wanted:
        parts.append(b"COUNT %d" % len(numbers))
    if wanted.partial is not None:
        some = wanted.partial.of(numbers)
        parts.append(b"PARTIAL (%b %b)" % (wanted.partial.text, sequence.encode(some) or b"NIL"))
    if modseq:
        parts.append(b"MODSEQ " + modseq)
    if "RELEVANCY" in wanted and numbers:
        parts.append(b"RELEVANCY (%b)" % b" ".join([b"%d" % score for score in scores]))
    return b" ".join(parts) + b"\r\n"

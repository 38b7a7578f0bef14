"""Sequence sets: ``1,3:5,7:*`` (RFC 3501, 9: sequence-set), of sequence numbers or of UIDs.

A parsed set is a tuple of pairs; ``*`` is ``STAR``, larger than any number.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import Final

SequenceSet = tuple[tuple[int, int], ...]

STAR: Final = 1 << 32  # a number is at most 2**32 - 1 (RFC 3501, 9: nz-number)
SAVED: Final[SequenceSet] = ((0, 0),)  # ``$``: what the last SEARCH RETURN (SAVE) found (RFC 5182)
PATTERN: Final = re.compile(
    rb"(?:\$|(?:[1-9][0-9]{0,9}|\*)(?::(?:[1-9][0-9]{0,9}|\*))?"
    rb"(?:,(?:[1-9][0-9]{0,9}|\*)(?::(?:[1-9][0-9]{0,9}|\*))?)*)"
)


def parse(text: bytes) -> SequenceSet:
    """The set in a text that ``PATTERN`` matches.

    Raises:
        ValueError: a number above 2**32 - 1.
    """
    if text == b"$":
        return SAVED
    pairs = []
    for part in text.split(b","):
        first, colon, last = part.partition(b":")
        low = STAR if first == b"*" else int(first)
        high = low if not colon else STAR if last == b"*" else int(last)
        if (low >= STAR and first != b"*") or (high >= STAR and (last or first) != b"*"):
            raise ValueError("a number above 4294967295")
        pairs.append((low, high) if low <= high else (high, low))  # RFC 3501, 9: seq-range, in either order
    return tuple(pairs)


def positions(wanted: SequenceSet, count: int) -> Sequence[int] | None:
    """The sequence numbers of a set, ascending, each once; None where one is above ``count``.

    RFC 3501, 9 (seq-number): a number above the number of messages is an error, ``*`` in an empty mailbox too.
    """
    found: set[int] = set()
    for low, high in wanted:
        if high == STAR:
            high = count
            low = count if low == STAR else low
        if not 0 < low <= high <= count:
            return None
        if len(wanted) == 1:
            return range(low, high + 1)
        found.update(range(low, high + 1))
    return sorted(found)


def uids(wanted: SequenceSet, known: Sequence[int]) -> Sequence[int]:
    """The UIDs of a set among the known ones (ascending), each once; those that are not there are passed over.

    ``n:*`` has the last one even where n is above it (RFC 3501, 6.4.8).
    """
    if not known:
        return ()
    last = known[-1]
    spans = []
    for low, high in wanted:
        if high == STAR:
            high = last
            low = min(low, last)
        spans.append((bisect_left(known, low), bisect_right(known, high)))
    if len(spans) == 1:
        start, end = spans[0]
        return known[start:end]
    found: set[int] = set()
    for start, end in spans:
        found.update(known[start:end])
    return sorted(found)


def contains(wanted: SequenceSet, number: int, last: int) -> bool:
    """Whether a number is in a set whose ``*`` is ``last``."""
    for low, high in wanted:
        if high == STAR:
            high, low = last, min(low, last)
        if low <= number <= high:
            return True
    return False


def gaps(wanted: SequenceSet, known: Sequence[int], last: int) -> list[tuple[int, int]]:
    """The ranges of a set, up to ``last``, in which none of the known numbers (ascending) is."""
    found: list[tuple[int, int]] = []
    for low, high in sorted((min(low, last), min(high, last)) for low, high in wanted):
        start = max(low, found[-1][1] + 1 if found else 1)
        for number in known[bisect_left(known, start) : bisect_right(known, high)]:
            if start < number:
                found.append((start, number - 1))
            start = number + 1
        if start <= high:
            found.append((start, high))
    return found


def encode_ranges(ranges: Iterable[tuple[int, int]]) -> bytes:
    """Ranges as a set."""
    return b",".join(b"%d" % low if low == high else b"%d:%d" % (low, high) for low, high in ranges)


def encode(numbers: Iterable[int]) -> bytes:
    """Numbers in their order as a set: neighbours that rise by one as a range, nothing sorted.

    So the first of a COPYUID's two sets still belongs to the first of the other (RFC 4315, 3).
    """
    parts: list[bytes] = []
    start = end = -1
    for number in numbers:
        if number == end + 1 and start >= 0:
            end = number
            continue
        if start >= 0:
            parts.append(b"%d" % start if start == end else b"%d:%d" % (start, end))
        start = end = number
    if start >= 0:
        parts.append(b"%d" % start if start == end else b"%d:%d" % (start, end))
    return b",".join(parts)

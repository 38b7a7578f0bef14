"""What was computed from messages' bytes, in one bounded cache per store.

The oldest use goes first. Bounded by weight, not by number: a body's text weighs a thousand times what a size does.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from threading import Lock
from typing import Generic, TypeVar

from .. import limits
from ..message import facts as computing
from ..message.facts import Facts

T = TypeVar("T")


class Cache(Generic[T]):
    """Values by number, up to a weight in octets. Thread-safe."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.weight = 0
        self._lock = Lock()
        self._kept: OrderedDict[int, tuple[T, int]] = OrderedDict()

    def get(self, numbers: Collection[int]) -> dict[int, T]:
        """Those that are there."""
        found = {}
        with self._lock:
            for number in numbers:
                entry = self._kept.get(number)
                if entry is not None:
                    found[number] = entry[0]
                    self._kept.move_to_end(number)
        return found

    def put(self, number: int, value: T, weight: int) -> None:
        """Keep a value, or correct its weight. One that is heavier than the limit is not kept."""
        with self._lock:
            self._drop(number)
            if weight > self.limit:
                return
            self._kept[number] = value, weight
            self.weight += weight
            while self.weight > self.limit:
                _, (_, gone) = self._kept.popitem(last=False)
                self.weight -= gone

    def discard(self, numbers: Collection[int]) -> None:
        """Forget these."""
        with self._lock:
            for number in numbers:
                self._drop(number)

    def _drop(self, number: int) -> None:
        if (entry := self._kept.pop(number, None)) is not None:
            self.weight -= entry[1]

    def __len__(self) -> int:
        return len(self._kept)


class FactsCache:
    """The facts of a store's messages, computed when they are asked for."""

    def __init__(self) -> None:
        self._cache: Cache[Facts] = Cache(limits.FACTS_CACHE)

    def get(
        self, seqs: Sequence[int], kinds: Collection[str], raw: Callable[[int], bytes | None]
    ) -> Sequence[Facts | None]:
        """For each message its facts with these kinds filled in; None where ``raw(seq)`` is None.

        ``raw`` is only asked where something has to be computed. No lock is held meanwhile: two threads that ask for
        the same at once both compute it, with the same result.
        """
        known = self._cache.get(seqs)
        if len(known) == len(seqs) and not computing.any_missing(known.values(), kinds):
            return [known[seq] for seq in seqs]
        answer: list[Facts | None] = []
        for seq in seqs:
            facts = known.get(seq)
            if facts is None or facts.missing(kinds):
                body = raw(seq)
                if body is None:
                    answer.append(None)
                    continue
                if facts is None:
                    facts = known[seq] = Facts()
                computing.compute(facts, body, kinds)
                self._cache.put(seq, facts, computing.weight(facts))
            answer.append(facts)
        return answer

    def discard(self, seqs: Collection[int]) -> None:
        """Forget messages that were taken away."""
        self._cache.discard(seqs)

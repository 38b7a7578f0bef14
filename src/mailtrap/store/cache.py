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
    """The facts of a store's messages, computed when they are asked for.

    Invariants: ``weight`` is the sum of the weights of what is kept, and at most the limit after each call. To find
    what is there takes no lock and moves nothing: ten thousand at once are asked for with every command. What was asked
    for again since it was last looked at is passed over once when something has to go (second chance).
    """

    def __init__(self) -> None:
        self.limit = limits.FACTS_CACHE
        self.weight = 0
        self._lock = Lock()
        self._kept: OrderedDict[int, Facts] = OrderedDict()  # the next to go first

    def find(self, seqs: Sequence[int], kinds: Collection[str]) -> list[Facts] | None:
        """The facts of these messages, where all of them are known with all these kinds; else None."""
        known = list(map(self._kept.get, seqs))
        if None in known:
            return None
        found: list[Facts] = known  # type: ignore[assignment]  # just looked at
        if computing.any_missing(found, kinds):
            return None
        for facts in found:
            facts.asked = True
        return found

    def get(
        self, seqs: Sequence[int], kinds: Collection[str], raw: Callable[[int], bytes | None]
    ) -> Sequence[Facts | None]:
        """For each message its facts with these kinds filled in; None where ``raw(seq)`` is None.

        ``raw`` is only asked where something has to be computed. No lock is held meanwhile: two threads that ask for
        the same at once both compute it, with the same result.
        """
        if (found := self.find(seqs, kinds)) is not None:
            return found
        answer: list[Facts | None] = []
        fresh: dict[int, Facts] = {}
        for seq in seqs:
            facts = fresh.get(seq) or self._kept.get(seq)
            if facts is not None:
                facts.asked = True
            if facts is None or facts.missing(kinds):
                body = raw(seq)
                if body is None:
                    answer.append(None)
                    continue
                facts = facts or Facts()
                computing.compute(facts, body, kinds)
                fresh[seq] = facts
            answer.append(facts)
        self._keep(fresh)
        return answer

    def discard(self, seqs: Collection[int]) -> None:
        """Forget messages that were taken away."""
        with self._lock:
            for seq in seqs:
                self._drop(seq)

    def _keep(self, fresh: dict[int, Facts]) -> None:
        with self._lock:
            for seq, facts in fresh.items():
                self._drop(seq)
                facts.weight = computing.weight(facts)
                if facts.weight > self.limit:
                    continue
                self._kept[seq] = facts
                self.weight += facts.weight
            while self.weight > self.limit:
                seq = next(iter(self._kept))
                facts = self._kept[seq]
                if facts.asked:
                    facts.asked = False
                    self._kept.move_to_end(seq)
                else:
                    self._drop(seq)

    def _drop(self, seq: int) -> None:
        if (facts := self._kept.pop(seq, None)) is not None:
            self.weight -= facts.weight
            facts.weight = 0

    def __len__(self) -> int:
        return len(self._kept)

"""How much is kept: where there is more than the settings allow, the oldest messages make room.

Whoever waits for one that went is told so: a scope remembers the newest of its own that were evicted, with envelope and
header; the store counts all of them.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from .. import clock, limits
from ..background import Background
from ..errors import StoreError
from ..scopes import Scopes
from ..store.base import Store
from ..store.rows import Hint, MessageRow, Tally

_AT_ONCE: Final = 200  # messages that go with one commit: others must get their turn
_SLACK: Final = 100  # once there is too much, one part in so many more goes, so that not each mail costs a removal


@dataclass(frozen=True, slots=True)
class Evicted:
    """A message that made room.

    Attributes:
        head: its header, as far as it was kept.
        reason: the setting that it went for, as it was written.
    """

    row: MessageRow
    head: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Most:
    """What is kept at most: ``octets`` of the bytes as they came, ``seconds`` since they did. 0 is no limit."""

    messages: int = 0
    octets: int = 0
    seconds: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.messages or self.octets or self.seconds)


class Retention:
    """Keeps a store within limits. After each commit it looks, and when the oldest message has become too old.

    In a store in memory that is done in the thread that committed, else in a thread of its own.
    """

    def __init__(self, store: Store, scopes: Scopes, most: Most, report: Callable[[BaseException], None]) -> None:
        self._store = store
        self._scopes = scopes
        self._most = most
        self._report = report
        self._log = logging.getLogger("mailtrap")
        self._background = Background("mailtrap-retention", self._run)
        self._evicting = threading.Lock()
        self._seq = -1  # what was looked at

    def start(self) -> None:
        """Look at what is there already."""
        if self._most:
            self._look()

    def hint(self, hint: Hint) -> None:
        """Something was committed."""
        if self._most and hint.seq > self._seq:  # not what only removes
            self._seq = hint.seq
            self._look()

    def close(self) -> None:
        """End the thread; call it before the store is closed."""
        self._background.close()

    def _look(self) -> None:
        if not self._store.blocking and self._evicting.acquire(blocking=False):
            try:
                self._evict()
            finally:
                self._evicting.release()
            if not self._most.seconds:
                return
        self._background.wake()

    def _run(self) -> None:
        patience: float | None = None
        while self._background.due(patience):
            try:
                with self._evicting:
                    patience = self._evict()
            except StoreError as error:
                patience = None  # the next commit tries again
                self._report(error)

    def _evict(self) -> float | None:
        """Remove what is too much; seconds until the next message is too old, None where none will be."""
        over = Most()  # down to these
        while True:
            # The page before the counts: what another server removes between the two is not removed for twice.
            page = self._store.messages(limit=_AT_ONCE)
            tally = self._store.tally()
            over = self._goals(tally, over)
            going = self._choose(page, tally, over)
            if not going:
                if not page or not self._most.seconds:
                    return None
                return max(0.0, page[0].received_at + self._most.seconds - clock.now())
            self._remember([row for row, _ in going[-limits.EVICTIONS :]], dict(going))
            self._store.remove([row.seq for row, _ in going], evicted=True)
            for row, reason in going:
                self._log.info("evicted %s, %d octets: %s", row.id, row.size, reason)

    def _goals(self, tally: Tally, before: Most) -> Most:
        most = self._most
        messages, octets = before.messages, before.octets
        if most.messages and tally.messages > most.messages:
            messages = most.messages - most.messages // _SLACK
        if most.octets and tally.octets > most.octets:
            octets = most.octets - most.octets // _SLACK
        return Most(messages, octets)

    def _choose(self, page: Sequence[MessageRow], tally: Tally, goals: Most) -> list[tuple[MessageRow, str]]:
        most = self._most
        messages, octets = tally.messages, tally.octets
        oldest = clock.now() - most.seconds
        chosen: list[tuple[MessageRow, str]] = []
        for row in page:
            newest = messages <= 1  # it stays, however large it is: it was just said to be kept
            if goals.messages and messages > goals.messages and not newest:
                reason = f"max_messages = {most.messages}"
            elif goals.octets and octets > goals.octets and not newest:
                reason = f"max_bytes = {most.octets}"
            elif most.seconds and row.received_at <= oldest:
                reason = f"max_age = {most.seconds:g}"
            else:
                break
            messages -= 1
            octets -= row.size
            chosen.append((row, reason))
        return chosen

    def _remember(self, rows: Sequence[MessageRow], reasons: dict[MessageRow, str]) -> None:
        """Note them with their scopes, before they go: then whoever looks finds them there or here."""
        for row in rows:
            scope = self._scopes.named(row.scope)
            if scope is None or any(known.row.seq == row.seq for known in scope.evicted):
                continue  # of a server that was; or a removal that failed before
            try:
                raw = self._store.raw(row.seq)
            except StoreError:
                continue  # it went meanwhile
            scope.evicted.append(Evicted(row, _head(raw), reasons[row]))


def _head(raw: bytes) -> bytes:
    ends = [end + 2 for empty in (b"\n\n", b"\n\r\n") if (end := raw.find(empty, 0, limits.EVICTED_HEAD)) >= 0]
    return raw[: min(ends, default=limits.EVICTED_HEAD)]

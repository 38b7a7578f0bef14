"""The shaping layer: what a bad network does to the octets of one connection.

Several shapes on one connection combine: the slowest rate holds, each damage is done, whichever end comes first is the
end. Octets are counted from a shape's installation, on the wire, when they pass.
"""

import math
from collections.abc import Iterable
from typing import Final

from ..wire.steps import Shape

TICKS: Final = 20  # portions a second, of a slowed connection
_GARBLED: Final = 64  # of so many octets one bit is changed


class Throttle:
    """A queue that lets so many octets a second pass."""

    def __init__(self) -> None:
        self.rate = math.inf
        self._queue = bytearray()
        self._credit = 0.0
        self._at: float | None = None

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, data: bytes | memoryview) -> None:
        """Octets came."""
        self._queue += data

    def take(self, now: float) -> bytes:
        """The octets that may pass by now. now: seconds on the clock of all calls."""
        queue = self._queue
        if self.rate == math.inf:
            data = bytes(queue)
            queue.clear()
            return data
        if self._at is not None:
            # Credit does not pile up while nothing is sent: one portion at the most.
            self._credit = min(self._credit + (now - self._at) * self.rate, self._portion)
        self._at = now
        # A due time is a sum of floats: the octet it was computed for must not be missed by the last bit.
        count = min(int(self._credit + 1e-6), len(queue))
        if count < min(len(queue), int(self._portion)):
            return b""
        self._credit -= count
        data = bytes(memoryview(queue)[:count])
        del queue[:count]
        return data

    @property
    def due(self) -> float | None:
        """When ``take()`` will give something; None when it never will."""
        if not self._queue or self.rate <= 0:
            return None
        if self.rate == math.inf or self._at is None:
            return self._at if self._at is not None else 0.0
        wanted = min(len(self._queue), int(self._portion))
        return self._at + max(0.0, wanted - self._credit) / self.rate

    def clear(self) -> None:
        """Drop what is queued."""
        self._queue.clear()

    @property
    def _portion(self) -> float:
        return max(1.0, self.rate / TICKS)


class _Counted:
    """One shape and what has passed since it was installed."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.received = self.sent = self.left = self.garbled = 0


class Shaper:
    """The shapes of one connection.

    Attributes:
        cut: whether the connection ends now.
        reset: whether it ends with a TCP reset.
        inward: octets that came and have not passed.
        outward: octets that are to leave and have not passed.
    """

    def __init__(self) -> None:
        self.cut = False
        self.reset = False
        self.inward = Throttle()
        self.outward = Throttle()
        self._shapes: list[_Counted] = []

    def add(self, shape: Shape) -> None:
        """One more shape, from here on."""
        self._shapes.append(_Counted(shape))
        if shape.bytes_per_second is not None:
            for way in (self.inward, self.outward):
                way.rate = min(way.rate, shape.bytes_per_second)
        if shape.disconnect_after is not None and shape.disconnect_after <= 0:
            self._end(shape)

    def inbound(self, now: float) -> bytes:
        """What has come in by now."""
        data = b"" if self.cut else self.inward.take(now)
        if not data:
            return b""
        for entry in self._shapes:
            limit = entry.shape.disconnect_after
            if limit is not None and entry.received + len(data) >= limit:
                data = data[: limit - entry.received]
                self._end(entry.shape)
        for entry in self._shapes:
            entry.received += len(data)
        return data

    def outbound(self, now: float) -> bytes:
        """What leaves by now."""
        data = b"" if self.cut else self.outward.take(now)
        if not data:
            return b""
        for entry in self._shapes:
            shape = entry.shape
            if shape.garble:
                data = self._garble(entry, data)
            if shape.truncate is not None:
                data = data[: max(0, shape.truncate - entry.left)]
                entry.left += len(data)
            if shape.disconnect_after is not None and entry.sent + len(data) >= shape.disconnect_after:
                data = data[: shape.disconnect_after - entry.sent]
                self._end(shape)
            entry.sent += len(data)
        return data

    @property
    def due(self) -> float | None:
        """When something more will pass; None when nothing waits."""
        times = [way.due for way in (self.inward, self.outward)]
        return None if self.cut else min(_known(times), default=None)

    def _end(self, shape: Shape) -> None:
        self.cut = True
        self.reset = self.reset or shape.reset

    def _garble(self, entry: _Counted, data: bytes) -> bytes:
        damaged = bytearray(data)
        for index in range(-entry.garbled % _GARBLED, len(damaged), _GARBLED):
            damaged[index] ^= 0x20
        entry.garbled += len(damaged)
        return bytes(damaged)


def _known(times: Iterable[float | None]) -> list[float]:
    return [time for time in times if time is not None]

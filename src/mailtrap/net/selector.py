"""The event loop's selector, which calls connections itself.

For each piece of input asyncio queues a handle and runs it in a context, and for each socket it makes both. What is
watched here is called at once, while the loop selects. Everything else goes asyncio's way.

All happens in the loop thread. Who is called may stop watching any socket, also one whose event was found in the same
look and is still to be told: so whoever is called sees for himself whether he still watches.
"""

import selectors
from collections.abc import Callable
from typing import Final

READ: Final = selectors.EVENT_READ
WRITE: Final = selectors.EVENT_WRITE

OnEvent = Callable[[int], None]


class Selector(selectors.DefaultSelector):
    """A selector for an asyncio loop.

    Args:
        on_error: is told of every exception that a called function let out.
    """

    def __init__(self, on_error: Callable[[BaseException], None]) -> None:
        super().__init__()
        self._on_error = on_error

    def watch(self, fd: int, events: int, function: OnEvent) -> None:
        """Call a function with ``READ`` or ``WRITE``, or both, whenever a socket is ready; it is not watched yet."""
        self.register(fd, events, function)

    def rewatch(self, fd: int, events: int, function: OnEvent) -> None:
        """Watch it for something else."""
        self.modify(fd, events, function)

    def unwatch(self, fd: int) -> None:
        """Watch it no longer."""
        self.unregister(fd)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """As any selector's, for asyncio's own; ours are called."""
        others = []
        for event in super().select(timeout):
            function = event[0].data
            if type(function) is tuple:  # what asyncio keeps there: a handle for reading and one for writing
                others.append(event)
                continue
            try:
                function(event[1])
            except Exception as error:  # noqa: BLE001  told; the others have their turn
                self._on_error(error)
        return others

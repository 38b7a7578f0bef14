"""What all connections of a server share: loop, receive buffer, workers, watchers, one timer for all timeouts.

Invariants: drivers are touched in the loop thread only. ``hint``, ``listen`` and ``close`` may be called from any other
thread. One timer at most is scheduled per server, and none without connections.
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Hashable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from .. import limits
from ..clock import monotonic
from ..scopes import Scope
from ..store.rows import Hint
from ..wire.steps import Done
from .loop import LoopThread
from .transport import Acceptor, Transport
from .workers import Workers

if TYPE_CHECKING:
    import ssl

    from .driver import Driver

Report = Callable[[BaseException, Scope | None], None]
ContextProvider = Callable[[], "ssl.SSLContext"]

_SLOWEST: Final = 1.0  # seconds between two looks at the connections
_FASTEST: Final = 0.01
_TOGETHER: Final = 256  # sessions that are woken before the first of them is heard


class Hub:
    """The common ground of a server's connections.

    Attributes:
        loop: the event loop.
        store_blocking: whether a ``Call`` goes to a worker thread because the store does I/O.
        report: is told of every exception that a session let out, and the scope it worked for.
        tls: makes the context for STARTTLS; may be slow, is called in a worker thread and once.
        drivers: the live connections. The one place where they come and go is ``opened`` and ``closed``.
        view: the buffer that every connection reads into; whoever is given a part of it copies at once.
        held: while many sessions are woken, what they say: sent behind each other it costs half as much as between,
            where every client that hears something may take the processor. Else None.
    """

    def __init__(
        self, thread: LoopThread, *, report: Report, store_blocking: bool = False, tls: ContextProvider | None = None
    ) -> None:
        """thread: is running."""
        assert thread.loop is not None
        assert thread.selector is not None
        self.thread = thread
        self.loop = thread.loop
        self._selector = thread.selector
        self.store_blocking = store_blocking
        self.report = report
        self.tls = tls
        self.drivers: set[Driver] = set()
        self.view = memoryview(bytearray(limits.RECEIVE_BUFFER))
        self.held: list[tuple[Driver, bytes]] | None = None
        self.closing = False
        self._workers: Workers | None = None
        self._contexts: dict[ContextProvider, ssl.SSLContext] = {}
        self._acceptors: list[Acceptor] = []
        self._unfinished: set[Driver] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._empty: asyncio.Event | None = None
        self._watched: dict[Hashable, set[Driver]] = {}
        self._hinted: set[Hashable] = set()
        self._hint_lock = threading.Lock()
        self._sweep: asyncio.TimerHandle | None = None
        self._interval = _SLOWEST

    # ------------------------------------------------------------ connections

    def listen(self, sock: socket.socket, factory: "Callable[[], Driver]") -> None:
        """Accept connections on a bound socket, which is the hub's from now on; each gets a driver."""
        self.thread.call_soon(self._listen, sock, factory)

    def _listen(self, sock: socket.socket, factory: "Callable[[], Driver]") -> None:
        def connected(connection: socket.socket, address: Any) -> None:
            try:
                Transport(self.loop, self._selector, connection, address, self.view, factory())
            except BaseException as error:  # noqa: BLE001  reported; the others are served
                connection.close()
                self.report(error, None)

        def starved(error: OSError) -> None:
            self.report(error, None)

        self._acceptors.append(Acceptor(self.loop, self._selector, sock, connected, starved))

    def opened(self, driver: "Driver") -> None:
        """A connection is there."""
        self.drivers.add(driver)
        wanted = driver.patience / 4
        if self._sweep is None or wanted < self._interval:
            self._schedule(wanted)

    def crowd(self, driver: "Driver") -> str:
        """Why there is no room for one more connection of its scope; ``""`` where there is."""
        live, scope = driver.machine.scope.live, driver.machine.record.scope
        total, each = live.max_connections, live.max_connections_per_peer
        if not total and not each:
            return ""
        others = [
            other
            for other in self.drivers
            if other is not driver
            and other.begun
            and other.machine.record.scope == scope
            and not other.machine.turned_away
        ]
        if total and len(others) >= total:
            return "Too many connections"
        if each and driver.peer[0] and sum(other.peer[0] == driver.peer[0] for other in others) >= each:
            return "Too many connections from your address"
        return ""

    def closed(self, driver: "Driver") -> None:
        """A connection is gone."""
        self.drivers.discard(driver)
        self._look_whether_empty()

    def unfinished(self, driver: "Driver", now: bool) -> None:
        """A connection is gone, but a call of its session is not done; or (``now`` False) it is."""
        if now:
            self._unfinished.add(driver)
        elif driver in self._unfinished:
            self._unfinished.discard(driver)
            self._look_whether_empty()

    def _look_whether_empty(self) -> None:
        if self._empty is not None:
            self._empty.set()

    def close(self, timeout: float = 2.0) -> None:
        """Stop accepting, end every connection, and let calls that have begun finish.

        timeout: seconds it may take. Output that the transports hold is given a short while to leave.
        """
        deadline = monotonic() + timeout
        self.closing = True
        if not self.thread.running:
            return
        with suppress(TimeoutError):  # then the loop is stuck in somebody's function; it is a daemon thread
            self.thread.call(self._close(deadline), timeout + 0.5)
        if self._workers is not None:
            self._workers.stop(max(0.0, deadline - monotonic()))

    async def _close(self, deadline: float) -> None:
        patience = min(0.25, (deadline - monotonic()) / 4)
        for acceptor in self._acceptors:
            acceptor.close()
        self._acceptors.clear()
        self._empty = asyncio.Event()
        for driver in list(self.drivers):
            driver.leave()
        await self._emptied(self.drivers, patience)
        for driver in list(self.drivers):
            driver.abort()
        await self._emptied(self.drivers, patience)
        await self._emptied(self._unfinished, deadline - monotonic())
        for task in list(self._tasks):
            task.cancel()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    async def _emptied(self, drivers: "set[Driver]", patience: float) -> None:
        assert self._empty is not None
        deadline = self.loop.time() + patience
        while drivers and (left := deadline - self.loop.time()) > 0:
            self._empty.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), left)

    # ------------------------------------------------------------ timeouts

    def _schedule(self, wanted: float) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
        self._interval = min(_SLOWEST, max(_FASTEST, wanted))
        self._sweep = self.loop.call_later(self._interval, self._swept)

    def _swept(self) -> None:
        self._sweep = None
        if not self.drivers:
            self._interval = _SLOWEST
            return
        now = self.loop.time()
        for driver in list(self.drivers):
            driver.swept(now)
        self._schedule(min((driver.patience for driver in self.drivers), default=_SLOWEST) / 4)

    # ------------------------------------------------------------ watchers

    def watch(self, driver: "Driver", before: Sequence[Hashable], wanted: Sequence[Hashable]) -> None:
        """The driver, which watched these before, is woken at hints on those from now on."""
        for watched in before:
            if (drivers := self._watched.get(watched)) is not None:
                drivers.discard(driver)
                if not drivers:
                    del self._watched[watched]
        for watched in wanted:
            self._watched.setdefault(watched, set()).add(driver)

    def hint(self, hint: Hint) -> None:
        """Wake who watches one of these mailboxes or accounts. From any thread; many hints at once are one wake-up.

        Nobody is woken before this returns: a deliverer's reply does not wait for its readers.
        """
        watched = self._watched
        if not watched:
            return
        hit: list[Hashable] = [mailbox for mailbox in hint.mailboxes if mailbox in watched]
        hit += [account for account in hint.accounts if account in watched]
        if not hit:
            return
        with self._hint_lock:
            first = not self._hinted
            self._hinted.update(hit)
        if first:
            self.thread.post(self._wake)

    def _wake(self) -> None:
        with self._hint_lock:
            hinted, self._hinted = self._hinted, set()
        drivers = list({driver for watched in hinted for driver in self._watched.get(watched, ())})
        for start in range(0, len(drivers), _TOGETHER):
            held: list[tuple[Driver, bytes]] = []
            self.held = held
            try:
                for driver in drivers[start : start + _TOGETHER]:
                    driver.hinted()
            finally:
                self.held = None
                for driver, data in held:
                    driver.let_go(data)

    # ------------------------------------------------------------ work

    def work(self, function: Callable[..., Any], args: tuple[Any, ...], done: Done) -> None:
        """Call a function in a worker thread; ``done`` is called there."""
        if self._workers is None:
            self._workers = Workers(limits.WORKERS)
        self._workers.run(function, args, done)

    def context(self, provider: ContextProvider, done: Done) -> None:
        """Give the context of a provider to ``done``, in the loop thread: at once where it is made already."""
        if (made := self._contexts.get(provider)) is not None:
            done(made, None)
            return

        def keep(context: "ssl.SSLContext | None", error: BaseException | None) -> None:
            if context is not None:
                self._contexts[provider] = context
            done(context, error)

        self.work(provider, (), lambda context, error: self.thread.post(keep, context, error))

    def run_coroutine(self, coroutine: Coroutine[Any, Any, Any], done: Done) -> None:
        """Run a coroutine in the loop and tell ``done`` its result. Call it in the loop thread.

        ``done`` gets the exception it ended with, also where it was cancelled because the server stops.
        """
        task = self.loop.create_task(coroutine)
        self._tasks.add(task)

        def ended(task: asyncio.Task[Any]) -> None:
            self._tasks.discard(task)
            if task.cancelled():
                done(None, asyncio.CancelledError())
            elif (error := task.exception()) is not None:
                done(None, error)
            else:
                done(task.result(), None)

        task.add_done_callback(ended)

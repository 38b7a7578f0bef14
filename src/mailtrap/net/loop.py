"""The one thread that has the event loop of a server.

Invariants: everything about a connection but its ``Call``s happens in this thread. A process forked from the server's
has no such thread: there every method but ``stop`` raises, and nothing of the parent's is touched.
"""

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from ..errors import MailtrapError
from .selector import Selector

T = TypeVar("T")
OnError = Callable[[BaseException], None]


class LoopThread:
    """A daemon thread with an asyncio loop.

    Attributes:
        loop: the loop; None before ``start()``.
        selector: the loop's, for whoever has sockets; likewise.
        ident: the thread's identifier; 0 before ``start()``.
    """

    def __init__(self, on_error: OnError | None = None, name: str = "mailtrap") -> None:
        """on_error: is told, in the loop thread, of every exception that a callback let out."""
        self._on_error = on_error
        self._name = name
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._posted: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._woken = False
        self._stopping = False
        self.loop: asyncio.AbstractEventLoop | None = None
        self.selector: Selector | None = None
        self.ident = 0

    @property
    def running(self) -> bool:
        """Whether the thread is there and this process is its own."""
        return self._thread is not None and self._thread.is_alive() and self._pid == os.getpid()

    def start(self) -> None:
        """Start the thread; it is running on return. Nothing happens when it runs already."""
        if self.running:
            return
        self._pid = os.getpid()
        self._stopping = False
        # Whatever loops the program under test likes: connections are called by this one's selector.
        self.selector = Selector(self._failed)
        self.loop = loop = asyncio.SelectorEventLoop(self.selector)
        if self._on_error is not None:
            loop.set_exception_handler(self._told)
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(loop, ready), name=self._name, daemon=True)
        self._thread.start()
        ready.wait()

    def stop(self, timeout: float = 5.0) -> bool:
        """Stop the loop, cancel its tasks and end the thread, waiting at most so many seconds. Idempotent.

        Returns:
            Whether the thread has ended.
        """
        thread, loop = self._thread, self.loop
        if thread is None or loop is None or not self.running:
            return True
        if not self._stopping:  # a second stop() of the loop would stop its last work too
            self._stopping = True
            loop.call_soon_threadsafe(loop.stop)
        if thread is not threading.current_thread():
            thread.join(timeout)
        return not thread.is_alive()

    def call(self, coroutine: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Run a coroutine in the loop, from another thread, and give what it returns.

        Raises:
            MailtrapError: the loop does not run, or runs in the parent process.
            TimeoutError: it took longer than ``timeout`` seconds; it was cancelled.
        """
        try:
            loop = self._usable()
        except MailtrapError:
            coroutine.close()
            raise
        future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            raise

    def call_soon(self, function: Callable[..., object], *args: Any) -> None:
        """Call a function in the loop, from any thread.

        Raises:
            MailtrapError: the loop does not run, or runs in the parent process.
        """
        self._usable().call_soon_threadsafe(function, *args)

    def post(self, function: Callable[..., object], *args: Any) -> None:
        """As ``call_soon``, but many at once wake the loop once, and a loop that has stopped drops it."""
        self._posted.append((function, args))
        # The flag goes down before the queue is emptied (_drain), so whoever finds it up was in time.
        if not self._woken and self.loop is not None:
            self._woken = True
            # from the loop's own thread it needs no wake-up, which is two system calls
            call = self.loop.call_soon if threading.get_ident() == self.ident else self.loop.call_soon_threadsafe
            try:
                call(self._drain)
            except RuntimeError:  # the loop is closed
                self._woken = False
                self._posted.clear()

    def _drain(self) -> None:
        self._woken = False
        posted = self._posted
        for _ in range(len(posted)):
            function, args = posted.popleft()
            try:
                function(*args)
            except BaseException as error:  # noqa: BLE001  the others still have their turn
                assert self.loop is not None
                self.loop.call_exception_handler({"message": "in a posted call", "exception": error})

    def _usable(self) -> asyncio.AbstractEventLoop:
        if self.loop is None or self._thread is None:
            raise MailtrapError("the server is not running: call start() first")
        if self._pid != os.getpid():
            raise MailtrapError(
                "this server was started before the process forked, and runs in the parent alone; "
                "start a server of its own in the child, or connect to the parent's ports"
            )
        if self.loop.is_closed():
            raise MailtrapError("the server has stopped")
        return self.loop

    def _failed(self, error: BaseException) -> None:
        assert self.loop is not None
        self.loop.call_exception_handler({"message": "a connection let an exception out", "exception": error})

    def _told(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        assert self._on_error is not None
        self._on_error(context.get("exception") or RuntimeError(str(context.get("message"))))

    def _run(self, loop: asyncio.AbstractEventLoop, ready: threading.Event) -> None:
        asyncio.set_event_loop(loop)
        self.ident = threading.get_ident()
        loop.call_soon(ready.set)
        try:
            self._run_until_stopped(loop)
        finally:
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            if tasks:
                loop.run_until_complete(asyncio.wait(tasks, timeout=1.0))
                loop.run_until_complete(asyncio.sleep(0))  # and whoever waits for them in another thread hears of it
            loop.run_until_complete(loop.shutdown_asyncgens())
            asyncio.set_event_loop(None)
            loop.close()

    def _run_until_stopped(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self._stopping:
            try:
                loop.run_forever()
            except BaseException as error:  # noqa: BLE001  told
                # asyncio lets SystemExit and KeyboardInterrupt through: a hook that raises one must not end the server.
                if self._on_error is not None:
                    self._on_error(error)

"""One plugin manager per server: who is installed, and how hooks are called."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from importlib import metadata
from typing import Any

import pluggy

from .errors import HookTimeout
from .hookspecs import PROJECT, Specifications

Report = Callable[[BaseException], None]


class Plugins:
    """The plugins of one server."""

    def __init__(self, objects: Iterable[object], report: Report) -> None:
        self.manager = pluggy.PluginManager(PROJECT)
        self.manager.add_hookspecs(Specifications)
        self._report = report
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        for name, plugin in _installed():
            self.manager.register(plugin, name)
        for plugin in objects:
            self.manager.register(plugin)
        self.manager.check_pending()

    def has(self, hook: str) -> bool:
        """Whether anybody implements it."""
        return bool(self._hook(hook).get_hookimpls())

    def call(self, hook: str, **arguments: Any) -> Any:
        """Call a hook here and now; exceptions come out."""
        return self._hook(hook)(**arguments)

    def before(
        self, hook: str, timeout: float, done: Callable[[Any, BaseException | None], None], *,
        report: Report | None = None, **arguments: Any,
    ) -> None:  # fmt: skip
        """Ask a ``before_*`` hook; ``done(answer, error)`` is called once, from whatever thread.

        An error is also reported. After ``timeout`` seconds it is ``HookTimeout``; the hook may run on, unheard.

        Args:
            report: takes errors, where it is known what they belong to.
        """
        caller = self._hook(hook)
        report = report or self._report
        if _fast(caller):
            done(*self._outcome(caller, arguments, report))
            return
        once = threading.Lock()

        def finish(answer: Any, error: BaseException | None) -> None:
            if once.acquire(blocking=False):
                timer.cancel()
                done(answer, error)

        def expire() -> None:
            error = HookTimeout(f"{hook} took longer than {timeout:g} seconds")
            report(error)
            finish(None, error)

        timer = threading.Timer(timeout, expire)
        timer.daemon = True
        timer.start()
        self._workers().submit(lambda: finish(*self._outcome(caller, arguments, report)))

    def after(self, hook: str, **arguments: Any) -> None:
        """Tell an ``after_*`` hook, in a worker thread unless it is fast; its errors are reported."""
        caller = self._hook(hook)
        if _fast(caller):
            self._outcome(caller, arguments, self._report)
        else:
            self._workers().submit(self._outcome, caller, arguments, self._report)

    def close(self) -> None:
        """Let what was begun finish by itself; a hook that hangs must not hang the server's stop."""
        if self._pool is not None:
            self._pool.shutdown(wait=False)

    @staticmethod
    def _outcome(
        caller: pluggy.HookCaller, arguments: dict[str, Any], report: Report
    ) -> tuple[Any, BaseException | None]:
        try:
            return caller(**arguments), None
        except Exception as error:  # noqa: BLE001  a plugin may raise anything; it becomes a 451 and is reported
            report(error)
            return None, error

    def _hook(self, hook: str) -> pluggy.HookCaller:
        caller: pluggy.HookCaller = getattr(self.manager.hook, hook)
        return caller

    def _workers(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(8, thread_name_prefix="mailtrap-hook")
            return self._pool


def _fast(caller: pluggy.HookCaller) -> bool:
    """Whether all who implement a hook, if anybody does, may be called at once."""
    return all(getattr(impl.function, "mailtrap_fast", False) for impl in caller.get_hookimpls())


@lru_cache(maxsize=1)
def _installed() -> tuple[tuple[str, object], ...]:
    """The plugins of the entry-point group, loaded once per process."""
    return tuple((entry.name, entry.load()) for entry in metadata.entry_points(group=PROJECT))

"""``AsyncMailServer`` behind the synchronous interface, so that the same tests run on it: each coroutine is awaited."""

import ast
import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mailtrap import MailServer
from pytest_mailtrap import AsyncMailServer

_STUB = ast.parse((Path(__file__).parents[1] / "data/interface.pyi").read_text("utf-8"))


def names_of(kind: str) -> set[str]:
    """The public names of a class, but those that Python calls itself."""
    (found,) = [node for node in _STUB.body if isinstance(node, ast.ClassDef) and node.name == kind]
    names = {node.name for node in found.body if isinstance(node, ast.FunctionDef)}
    names |= {ast.unparse(node.target) for node in found.body if isinstance(node, ast.AnnAssign)}
    return {name for name in names if not name.startswith("__")}


PUBLIC = names_of("MailServer")


class Facade:
    """A server as its tests see it. A public name is the facade's; others are the server's below it."""

    def __init__(self, server: MailServer, runner: asyncio.Runner) -> None:
        self._facade = AsyncMailServer(server)
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        if name not in PUBLIC and not hasattr(AsyncMailServer, name):
            return getattr(self._facade.server, name)
        found = getattr(self._facade, name)
        if inspect.iscoroutinefunction(found):
            return lambda *args, **kw: self._run(found(*args, **kw))
        if name in ("expect_message", "scope"):
            return lambda *args, **kw: self._entered(found, *args, **kw)
        return found

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        if threading.current_thread() is threading.main_thread():
            return self._runner.run(coroutine)
        return asyncio.run(coroutine)  # a test's own thread

    @contextmanager
    def _entered(self, function: Callable[..., Any], *args: Any, **kw: Any) -> Iterator[Any]:
        async def call(manager: Any, name: str, *args: Any) -> Any:
            return await getattr(manager, name)(*args)

        manager = function(*args, **kw)
        found = self._run(call(manager, "__aenter__"))
        try:
            yield Facade(found.server, self._runner) if isinstance(found, AsyncMailServer) else found
        except BaseException as error:
            if not self._run(call(manager, "__aexit__", type(error), error, error.__traceback__)):
                raise
        else:
            self._run(call(manager, "__aexit__", None, None, None))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """It is over a server that somebody else stops."""

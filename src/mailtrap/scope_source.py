"""What waits, and messages that are gone, ask of the server."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from .explain import Situation
from .message.model import Message
from .waiting import Bell, Mark

if TYPE_CHECKING:
    from .server import MailServer
    from .transcript import Session

M = TypeVar("M", bound=Message)


class Remains:
    """What is asked of a server by a message of which only the header is left."""

    def __init__(self, server: "MailServer", head: bytes) -> None:
        self._server = server
        self._head = head

    def _raw(self, _: int) -> bytes:
        return self._head

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)


class ScopeSource:
    """What the waits of one scope ask of its server."""

    def __init__(self, server: "MailServer") -> None:
        self._server = server
        self.bell: Bell = server._parts.bell

    def mark(self) -> Mark:
        return self._server.mark()

    def messages_after(self, seq: int) -> Sequence[Message]:
        return [self._server._message(row) for row in self._server._rows(after=seq)]

    def default_timeout(self) -> float:
        return self._server._scope.live.timeout

    def open_sessions(self) -> Sequence["Session"]:
        return [session for session in self._server.sessions if session.open]

    def open_transactions(self) -> Sequence["Session"]:
        return [session for session in self.open_sessions() if session.transaction]

    def listen(self, listener: "Callable[[Session, str], None]") -> Callable[[], None]:
        return self._server._parts.commands.listen(listener)

    def refuse_fork(self) -> None:
        self._server._parts.refuse_fork()

    def given(self, messages: list[M]) -> list[M]:
        return self._server._given(messages)

    def situation(self) -> Situation:
        server = self._server
        own = self.messages_after(0)
        newest = server._parts.store.messages(None, limit=200, newest_first=True)
        outside = [server._message(row) for row in reversed(newest) if row.scope != server.name]
        sessions = server.sessions
        return Situation(
            own, server.refused, outside, [session for session in sessions if session.open],
            sessions[-1] if sessions else None, evicted=server.evicted, hint=server._hint_on_scopes,
            empty=server._empty_accounts(),
        )  # fmt: skip

"""What a protocol session is given of the server."""

from collections.abc import Callable
from dataclasses import dataclass

from ..faults import RuleBook
from ..plugins import Plugins
from ..scopes import Scope, Scopes
from ..store.base import Store
from ..transcript import Session
from .accounts import Directory
from .intake import Intake


@dataclass(frozen=True, slots=True)
class Services:
    """One per server, shared by all sessions, never changed after the start.

    Attributes:
        store: for ``imap`` and ``pop3``; SMTP sees intake and directory only.
        report: takes an exception that belongs into the errors of a scope.
        commands: who waits for a command of a client.
        hostname: the server's name in greetings.
    """

    scopes: Scopes
    rules: RuleBook
    store: Store
    intake: Intake
    directory: Directory
    plugins: Plugins
    report: Callable[[BaseException, Scope], None]
    commands: "Commands"
    hostname: str = "mailtrap.test"


class Commands:
    """Who waits for a command of a client (``wait_for_command``); without anybody it costs one attribute test."""

    __slots__ = ("_listeners", "listening")

    def __init__(self) -> None:
        self.listening = False
        self._listeners: tuple[Callable[[Session, str], None], ...] = ()

    def heard(self, session: Session, verb: str) -> None:
        """A session carries out a command. It must be called before the reply."""
        for listener in self._listeners:
            listener(session, verb)

    def listen(self, listener: Callable[[Session, str], None]) -> Callable[[], None]:
        """Call somebody for each command, in the session's thread; returns what ends it."""
        self._listeners = (*self._listeners, listener)
        self.listening = True

        def end() -> None:
            self._listeners = tuple(other for other in self._listeners if other is not listener)
            self.listening = bool(self._listeners)

        return end

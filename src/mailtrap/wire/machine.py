"""What every session is: a generator of steps over a buffer, with the seam for faults.

A protocol subclasses ``Machine`` and writes ``run()``: a generator that yields steps and reads straight down.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from typing import Any

from ..faults import Disconnected, Respond, RuleBook
from ..scopes import Scope
from ..transcript import Session
from .steps import Call, Close, Delay, Hold, Shape, Step

Steps = Generator[Step, Any, Any]


class Machine(ABC):
    """One connection's session. It owns its state; it never sees a socket.

    Attributes:
        record: the public record of the session.
        scope: whose live settings, rules and errors hold for it now.
        buffer: input not yet understood.
        eof: True when the client will send no more.
        woken: True when a hint on a watched mailbox came since it was last set to False.
        timeout: seconds without input after which ``expired()`` is asked; may change at any step.
        turned_away: why the connection is too many, said in the place of the greeting; ``""``: it is not.
        release: gives back what the session holds in the store (a maildrop's lock), or None. Where it is set when the
            connection is gone, the driver calls it once, after ``close()``, and as it answers a ``Call``: in a worker
            thread where the store does I/O. Calling it for what is not held does nothing.
    """

    timeout: float = 300.0
    turned_away: str = ""

    def __init__(self, record: Session, scope: Scope, rules: RuleBook) -> None:
        self.record = record
        self.scope = scope
        self.buffer = bytearray()
        self.eof = False
        self.woken = False
        self.ended = False
        self.release: Callable[[], None] | None = None
        self._rules = rules
        self._answer: Any = None
        self._error: BaseException | None = None
        self._steps = self.run()

    # ------------------------------------------------------------ the driver's side

    def receive(self, data: bytes | bytearray | memoryview) -> None:
        """Input came. It is only buffered."""
        self.buffer += data

    def end_of_input(self) -> None:
        """The client will send no more; it still gets every reply."""
        self.eof = True

    def wake(self) -> None:
        """A hint on a watched mailbox came."""
        self.woken = True

    def next(self) -> Step:
        """The next step. After ``Close`` there is none."""
        try:
            if self._error is not None:
                error, self._error = self._error, None
                return self._steps.throw(error)
            answer, self._answer = self._answer, None
            return self._steps.send(answer)
        except StopIteration:
            self.ended = True
            return Close()
        except Disconnected as fault:
            self.ended = True
            return Close(abort=True, reset=fault.reset)

    def answer(self, value: Any) -> None:
        """The last step's result; the next ``next()`` continues with it."""
        self._answer = value

    def fail(self, error: BaseException) -> None:
        """The last step failed; the next ``next()`` raises this where the session waits."""
        self._error = error

    def expired(self) -> bytes:
        """What to say when the client was silent for ``timeout`` seconds; the connection then ends."""
        return b""

    def outlived(self) -> bytes:
        """What to say when the session has lasted longer than ``session_timeout``; the connection then ends."""
        return self.expired()

    def close(self) -> None:
        """The connection is gone. Called after the ``Call`` or ``Later`` under way, if any, has ended."""
        self.ended = True
        self._steps.close()

    # ------------------------------------------------------------ the protocol's side

    @abstractmethod
    def run(self) -> Steps:
        """The conversation, from the greeting to the end."""

    def ask(self, stage: str, verb: str, **facts: Any) -> Generator[Step, Any, Respond | None]:
        """Ask the fault rules; carry out what they say. Call it only where ``self._rules.active``.

        Args:
            stage: ``before`` (nothing done yet), ``reply`` (done, its reply not sent), ``after`` (sent).
            verb: the command, upper case.
            facts: what rules can match: recipient, sender, user, mailbox, peer.

        Returns:
            The reply to give instead of what would have been done or said, or None.

        Raises:
            Disconnected: the rule ends the connection now.
        """
        answer: Respond | None = None
        facts.setdefault("peer", self.record.peer[0])
        facts.setdefault("user", self.record.user)
        for rule in self._rules.matching(self.scope, self.record.listener, stage, verb, facts):
            for action in rule.actions:
                if isinstance(action, Respond):
                    answer = action
                elif isinstance(action, Delay | Hold | Shape):
                    yield action
                elif isinstance(action, BaseException):
                    raise action
                else:
                    function: Callable[[], object] = action
                    yield Call(function, worker=True)
        return answer

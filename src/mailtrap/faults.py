"""Failures on demand: rules that say what happens at the nth RCPT, for this recipient, and how often.

The sessions ask at one seam, before each command and each reply; without rules that costs one attribute test.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

from .errors import ConfigError
from .message.criteria import matches_value
from .scopes import Scope
from .wire.steps import Delay, Hold, Shape

Stage = Literal["before", "after", "reply"]
_FACTS = frozenset({"recipient", "sender", "user", "mailbox", "peer"})


@dataclass(frozen=True, slots=True)
class Respond:
    """A reply to give instead: a code or a status word, and a text."""

    reply: int | str
    text: str


class Disconnected(Exception):
    """A rule ended the connection."""

    def __init__(self, reset: bool) -> None:
        super().__init__("disconnected by a rule")
        self.reset = reset


Action = Respond | Delay | Hold | Shape | BaseException | Callable[[], object]


class Rule:
    """What to do when it matches; actions chain, in order. As a context manager it is removed at the end.

    Attributes:
        hits: how often it acted.
    """

    def __init__(
        self, book: "RuleBook", scope: Scope, listener: str, command: str, stage: Stage,
        nth: int | None, after: int, times: int | None, match: Mapping[str, Any],
    ) -> None:  # fmt: skip
        self.hits = 0
        self.actions: list[Action] = []
        self.scope = scope
        self.listener = listener
        self.command = command.upper()
        self.stage = stage
        self._book = book
        self._nth, self._after, self._times = nth, after, times
        self._match = dict(match)
        self._seen = 0
        self._released = threading.Event()
        self._held: list[Callable[[], None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def __repr__(self) -> str:
        return f"<Rule {self.listener} {self.command} {self.stage} {self._match or ''} hits={self.hits}>"

    @property
    def active(self) -> bool:
        """Whether it can still act: it is not removed and its ``times`` are not used up."""
        return self in self._book and not self._spent

    @property
    def _spent(self) -> bool:
        return (self._times is not None and self.hits >= self._times) or (
            self._nth is not None and self._seen >= self._nth
        )

    def respond_with(self, reply: int | str, text: str = "", *, times: int | None = None) -> Self:
        """Give this reply instead.

        Args:
            reply: SMTP: a code (200 to 599); IMAP: ``NO``, ``BAD``, ``OK``, ``BYE``; POP3: ``-ERR`` or ``+OK``.
            text: what follows; for SMTP with the enhanced status code, as in ``"4.2.1 Mailbox busy"``.
            times: how often the rule acts; then it lets all pass.
        """
        if isinstance(reply, int) and not 200 <= reply <= 599:
            raise ConfigError(f"{reply} is no reply code: 200 to 599")
        if "\r" in text or "\n" in text:
            raise ConfigError("a reply's text is one line")
        if times is not None:
            self._times = times
        return self._add(Respond(reply, text))

    def delay(self, seconds: float) -> Self:
        """Wait so many seconds first."""
        return self._add(Delay(seconds))

    def stall(self) -> Self:
        """Wait until ``release()``."""
        return self._add(Hold(self._hold))

    def release(self) -> None:
        """Let every stalled session go on, and stall none any more."""
        with self._book.lock:
            self._released.set()
            held, self._held = self._held, []
        for callback in held:
            callback()

    def disconnect(self, *, after_bytes: int = 0, reset: bool = False) -> Self:
        """End the connection: now, or after so many further octets in one direction.

        Args:
            after_bytes: octets received or sent from here on before it ends.
            reset: end it with a TCP reset, not with a clean close.
        """
        if after_bytes:
            return self._add(Shape(disconnect_after=after_bytes, reset=reset))
        return self._add(Disconnected(reset))

    def throttle(self, bytes_per_second: float) -> Self:
        """Slow the connection down, from here on, in both directions."""
        return self._add(Shape(bytes_per_second=bytes_per_second))

    def truncate(self, size: int) -> Self:
        """Let so many further octets of output leave, and drop the rest silently."""
        return self._add(Shape(truncate=size))

    def garble(self) -> Self:
        """Damage the output from here on."""
        return self._add(Shape(garble=True))

    def run(self, function: Callable[[], object]) -> Self:
        """Call a function (in a worker thread) and go on when it has returned."""
        return self._add(function)

    def raise_(self, error: BaseException) -> Self:
        """Raise this inside the server, as a bug would be."""
        return self._add(error)

    def remove(self) -> None:
        """Take the rule away; stalled sessions go on."""
        self._book.remove(self)
        self.release()

    def _add(self, action: Action) -> Self:
        with self._book.lock:
            self.actions.append(action)
            self._book.refresh()
        return self

    def _hold(self, callback: Callable[[], None]) -> None:
        with self._book.lock:
            if not self._released.is_set():
                self._held.append(callback)
                return
        callback()

    def take(self, scope: Scope, listener: str, stage: str, verb: str, facts: Mapping[str, Any]) -> bool:
        """Whether it acts on this command; counts it when it does. Called with the book's lock held."""
        if self.stage != stage or self.listener != listener or self.command not in (verb, "*"):
            return False
        if not scope.within(self.scope):
            return False
        for name, expected in self._match.items():
            if not matches_value(expected, facts.get(name)):
                return False
        if self._spent:
            return False
        self._seen += 1
        if self._seen <= self._after or (self._nth is not None and self._seen != self._nth):
            return False
        self.hits += 1
        return True


class RuleBook:
    """The rules of one server, of all its scopes.

    Attributes:
        active: whether there is any rule at all: the one attribute that sessions test.
    """

    def __init__(self) -> None:
        self.active = False
        self.lock = threading.RLock()
        self._rules: list[Rule] = []

    def __contains__(self, rule: Rule) -> bool:
        return rule in self._rules

    def add(
        self, scope: Scope, listener: str, command: str, *, stage: Stage = "before", nth: int | None = None,
        after: int = 0, times: int | None = None, match: Mapping[str, Any],
    ) -> Rule:  # fmt: skip
        """A new rule at the end of the book; it acts once it has an action.

        Raises:
            ConfigError: an unknown stage or name to match.
        """
        if stage not in ("before", "after", "reply"):
            raise ConfigError(f"no stage {stage!r}: before, after, reply")
        if unknown := sorted(set(match) - _FACTS):
            raise ConfigError(f"a rule cannot match {', '.join(unknown)}: {', '.join(sorted(_FACTS))}")
        rule = Rule(self, scope, listener, command, stage, nth, after, times, match)
        with self.lock:
            self._rules.append(rule)
        return rule

    def remove(self, rule: Rule) -> None:
        """Take one rule away; nothing happens when it is not there."""
        with self.lock:
            if rule in self._rules:
                self._rules.remove(rule)
            self.refresh()

    def clear(self, scope: Scope) -> None:
        """Take away the rules of one scope."""
        for rule in [rule for rule in self._rules if rule.scope is scope]:
            rule.remove()

    def refresh(self) -> None:
        """Set ``active`` anew. Called with the lock held."""
        self.active = any(rule.actions for rule in self._rules)

    def matching(self, scope: Scope, listener: str, stage: str, verb: str, facts: Mapping[str, Any]) -> list[Rule]:
        """The rules that act on this command, in the order they were made; each is counted."""
        with self.lock:
            return [
                rule for rule in self._rules
                if rule.actions and rule.take(scope, listener, stage, verb, facts)
            ]  # fmt: skip

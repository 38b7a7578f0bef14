"""Failures on demand: rules that say what happens at the nth RCPT, for this recipient, and how often.

The sessions ask at one seam, before each command and each reply; without rules that costs one attribute test.
"""

import difflib
import itertools
import math
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Literal, Self

from .errors import ConfigError
from .message.criteria import matches_value
from .scopes import Scope
from .wire.steps import Delay, Hold, Shape

Stage = Literal["before", "after", "reply"]
_FACTS = frozenset({"recipient", "sender", "user", "mailbox", "peer"})
# What a rule may be asked for in writing: its methods and their arguments. ``run`` and ``raise_`` take objects.
WRITTEN: Final[Mapping[str, frozenset[str]]] = {
    "respond_with": frozenset({"reply", "text", "times"}), "delay": frozenset({"seconds"}), "stall": frozenset(),
    "disconnect": frozenset({"after_bytes", "reset"}), "throttle": frozenset({"bytes_per_second"}),
    "truncate": frozenset({"size"}), "garble": frozenset(),
}  # fmt: skip


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
        id: its number in the book.
        asked: its actions as they were asked for, each method with its arguments.
    """

    def __init__(
        self, book: "RuleBook", scope: Scope, listener: str, command: str, stage: Stage,
        nth: int | None, after: int, times: int | None, match: Mapping[str, Any],
    ) -> None:  # fmt: skip
        self.id = next(book.numbers)
        self._hits = 0
        self.actions: list[Action] = []
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self.scope = scope
        self.listener = listener
        self.command = command.upper()
        self.stage = stage
        self._book = book
        self.nth, self.after, self.times = nth, after, times
        self.match: Mapping[str, Any] = dict(match)
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
        return f"<Rule {self.listener} {self.command} {self.stage} {self.match or ''} hits={self.hits}>"

    @property
    def hits(self) -> int:
        """How often it acted."""
        return self._hits

    @property
    def active(self) -> bool:
        """Whether it can still act: it is not removed and its ``times`` are not used up."""
        return self in self._book and not self._spent

    @property
    def _spent(self) -> bool:
        used_up = self.times is not None and self._hits >= self.times
        return used_up or (self.nth is not None and self._seen >= self.nth)

    def respond_with(self, reply: int | str, text: str = "", *, times: int | None = None) -> Self:
        """Give this reply instead.

        Args:
            reply: SMTP: a code (200 to 599); IMAP: ``NO``, ``BAD``, ``OK``, ``BYE``; POP3: ``-ERR`` or ``+OK``.
            text: what follows; for SMTP with the enhanced status code, as in ``"4.2.1 Mailbox busy"``.
            times: how often the rule acts; then it lets all pass.

        Raises:
            ConfigError: it is no reply of this listener's protocol, or more than a line.
        """
        _check_reply(self.listener, reply)
        if not isinstance(text, str) or "\r" in text or "\n" in text:
            raise ConfigError("a reply's text is one line")
        if times is not None:
            self.times = _number("times", times, whole=True)
        return self._add("respond_with", Respond(reply, text), reply=reply, text=text, times=times)

    def delay(self, seconds: float) -> Self:
        """Wait so many seconds first."""
        return self._add("delay", Delay(_number("seconds", seconds)), seconds=seconds)

    def stall(self) -> Self:
        """Wait until ``release()``."""
        return self._add("stall", Hold(self._hold))

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
        _number("after_bytes", after_bytes, whole=True)
        if not isinstance(reset, bool):
            raise ConfigError(f"reset is True or False, not {reset!r}")
        action: Action = Shape(disconnect_after=after_bytes, reset=reset) if after_bytes else Disconnected(reset)
        return self._add("disconnect", action, after_bytes=after_bytes, reset=reset)

    def throttle(self, bytes_per_second: float) -> Self:
        """Slow the connection down, from here on, in both directions."""
        _number("bytes_per_second", bytes_per_second)
        return self._add("throttle", Shape(bytes_per_second=bytes_per_second), bytes_per_second=bytes_per_second)

    def truncate(self, size: int) -> Self:
        """Let so many further octets of output leave, and drop the rest silently."""
        return self._add("truncate", Shape(truncate=_number("size", size, whole=True)), size=size)

    def garble(self) -> Self:
        """Damage the output from here on."""
        return self._add("garble", Shape(garble=True))

    def run(self, function: Callable[[], object]) -> Self:
        """Call a function (in a worker thread) and go on when it has returned."""
        return self._add("run", function, function=function)

    def raise_(self, error: BaseException) -> Self:
        """Raise this inside the server, as a bug would be."""
        return self._add("raise_", error, error=error)

    def remove(self) -> None:
        """Take the rule away; stalled sessions go on."""
        self._book.remove(self)
        self.release()

    def _add(self, method: str, action: Action, **arguments: Any) -> Self:
        with self._book.lock:
            self.actions.append(action)
            self.asked.append((method, {name: value for name, value in arguments.items() if value is not None}))
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
        if not self._concerns(scope, facts):
            return False
        for name, expected in self.match.items():
            if not matches_value(expected, facts.get(name)):
                return False
        if self._spent:
            return False
        self._seen += 1
        if self._seen <= self.after or (self.nth is not None and self._seen != self.nth):
            return False
        self._hits += 1
        return True

    def _concerns(self, scope: Scope, facts: Mapping[str, Any]) -> bool:
        """Whether a command is one of the rule's scope: of a session in it, or about an address of its domain."""
        if scope.within(self.scope):
            return True
        if not self.scope.domain or self.scope.closed:
            return False
        return any(_of_domain(facts.get(name), self.scope.domain) for name in _NAMING)


_ANYWHERE: Final = ("*", "CONNECT")  # commands of rules for every listener
_NAMING: Final = ("recipient", "user", "sender")
_WITH_CODES: Final = ("smtp", "smtps", "submission", "lmtp")


def _of_domain(fact: Any, domain: str) -> bool:
    if isinstance(fact, str):
        return fact.endswith(f"@{domain}")
    return isinstance(fact, Sequence) and any(_of_domain(item, domain) for item in fact)


def _check_reply(listener: str, reply: Any) -> None:
    code = int(reply) if isinstance(reply, int) or (isinstance(reply, str) and reply.isdecimal()) else None
    if isinstance(reply, bool) or (code is None and (listener in _WITH_CODES or not isinstance(reply, str))):
        raise ConfigError(f"{reply!r} is no reply of {listener}")
    if code is not None and not 200 <= code <= 599:
        raise ConfigError(f"{reply} is no reply code: 200 to 599")


def _number(name: str, value: Any, *, whole: bool = False) -> Any:
    fits = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not fits or not 0 <= value < math.inf:
        raise ConfigError(f"{name} is a {'whole ' if whole else ''}number, 0 or more, not {value!r}")
    return value


class RuleBook:
    """The rules of one server, of all its scopes.

    Args:
        verbs: the commands there are on a listener; without it a rule may name any.

    Attributes:
        numbers: the next rule's.
        active: whether there is any rule at all: the one attribute that sessions test.
    """

    def __init__(self, verbs: Callable[[str], Collection[str]] | None = None) -> None:
        self._verbs = verbs
        self.numbers = itertools.count(1)
        self.active = False
        self.lock = threading.RLock()
        self._rules: list[Rule] = []

    def of(self, scope: Scope) -> Sequence[Rule]:
        """The rules of one scope, oldest first."""
        with self.lock:
            return [rule for rule in self._rules if rule.scope is scope]

    def __contains__(self, rule: Rule) -> bool:
        return rule in self._rules

    def add(
        self, scope: Scope, listener: str, command: str, *, stage: Stage = "before", nth: int | None = None,
        after: int = 0, times: int | None = None, match: Mapping[str, Any],
    ) -> Rule:  # fmt: skip
        """A new rule at the end of the book; it acts once it has an action.

        Raises:
            ConfigError: an unknown command, stage or name to match.
        """
        self._check_command(listener, command.upper())
        if stage not in ("before", "after", "reply"):
            raise ConfigError(f"no stage {stage!r}: before, after, reply")
        if unknown := sorted(set(match) - _FACTS):
            raise ConfigError(f"a rule cannot match {', '.join(unknown)}: {', '.join(sorted(_FACTS))}")
        for name, value in (("nth", nth), ("times", times), ("after", after)):
            if value is not None or name == "after":
                _number(name, value, whole=True)
        rule = Rule(self, scope, listener, command, stage, nth, after, times, match)
        with self.lock:
            self._rules.append(rule)
        return rule

    def _check_command(self, listener: str, command: str) -> None:
        """A rule for a command that never comes would wait for it in vain, and its test would blame the program."""
        if self._verbs is None or command in _ANYWHERE or command in (verbs := self._verbs(listener)):
            return
        without_uid = command.removeprefix("UID ")
        if without_uid in verbs:
            raise ConfigError(f"{listener} has no command {command!r}: UID {without_uid} is {without_uid!r} for rules")
        near = difflib.get_close_matches(command, sorted({*verbs, *_ANYWHERE}), n=1)
        raise ConfigError(f"{listener} has no command {command!r}" + (f"; the nearest is {near[0]!r}" if near else ""))

    def remove(self, rule: Rule) -> None:
        """Take one rule away; nothing happens when it is not there."""
        with self.lock:
            if rule in self._rules:
                self._rules.remove(rule)
            self.refresh()

    def clear(self, scope: Scope) -> None:
        """Take away the rules of one scope."""
        for rule in self.of(scope):
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

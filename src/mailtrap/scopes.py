"""Scopes: whose mail, accounts, rules, refusals, errors and live settings these are.

A server begins with one; a test's fixture is one. What a scope does not have is looked up in its parent.
"""

import dataclasses
import re
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from . import config, limits
from .errors import ConfigError

if TYPE_CHECKING:
    from .delivery.refusal import Refusal
    from .delivery.retention import Evicted

SCOPE_TLD = "test"  # RFC 2606: never a real domain


class Scope:
    """One scope.

    Attributes:
        name: ``""`` for a server's first.
        label: its name as a DNS label; its mail domain is ``<label>.test``; ``""`` for a server's first.
        parent: the scope it was opened in; None for a server's first.
        live: its live settings now: its own, over its parent's.
        refused: what was turned away in it, oldest first.
        evicted: the newest of its messages that made room for others, oldest first.
        evicted_before: how many of its messages had been evicted when it was cleared last.
        errors: exceptions inside the server while working for it.
        closed: whether it was left; mail that arrives for it later is late.
    """

    def __init__(self, name: str, label: str, parent: "Scope | None", settings: Mapping[str, Any]) -> None:
        self.name = name
        self.label = label
        self.parent = parent
        self.children: list[Scope] = []
        self.refused: deque[Refusal] = deque(maxlen=limits.REFUSALS)
        self.evicted: deque[Evicted] = deque(maxlen=limits.EVICTIONS)
        self.evicted_before = 0
        self.errors: deque[BaseException] = deque(maxlen=limits.ERRORS)
        self.closed = False
        self._own = dict(settings)
        self.live = self._resolve()

    @property
    def domain(self) -> str:
        """The mail domain that names this scope; ``""`` for a server's first."""
        return f"{self.label}.{SCOPE_TLD}" if self.label else ""

    def lineage(self) -> Iterator["Scope"]:
        """This scope, its parent, and so on."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    def within(self, other: "Scope") -> bool:
        """Whether it is the other or was opened below it."""
        return self is other or any(scope is other for scope in self.lineage())

    def change(self, **settings: Any) -> None:
        """Change live settings of this scope and so of those below it.

        Raises:
            ConfigError: an unknown or a boot setting, or a value that does not fit.
        """
        checked = {name: config.check(name, value) for name, value in settings.items()}
        if boot := sorted(set(checked) - set(config.LIVE)):
            raise ConfigError(f"{', '.join(boot)} cannot change while the server runs")
        self._own.update(checked)
        self._refresh()

    def restore(self) -> None:
        """Give up this scope's own live settings."""
        self._own.clear()
        self._refresh()

    def _refresh(self) -> None:
        self.live = self._resolve()
        for child in self.children:
            child._refresh()

    def _resolve(self) -> config.Live:
        base = config.Live() if self.parent is None else self.parent.live
        return dataclasses.replace(base, **self._own) if self._own else base

    def __repr__(self) -> str:
        return f"<Scope {self.name or '(first)'}>"


class Scopes:
    """All scopes of one server.

    Attributes:
        root: the first.
        alone: there is no scope but the first.
        current: the scope that mail and readers which name none belong to.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.root = Scope("", "", None, settings)
        self.current = self.root
        self.alone = True
        self._lock = threading.Lock()
        self._by_label: dict[str, Scope] = {}
        self._by_name: dict[str, Scope] = {"": self.root}
        # The last number that was put behind a name, and behind a label: none is given back.
        self._numbers: tuple[dict[str, int], dict[str, int]] = {}, {}
        self._entered: list[Scope] = [self.root]

    def open(self, parent: Scope, name: str | None, settings: Mapping[str, Any]) -> Scope:
        """A new scope below ``parent``; a name that is taken gets a number."""
        with self._lock:
            number = len(self._by_name)
            names, labels = self._numbers
            unique = _untaken(name or f"scope-{number}", self._by_name, names)
            label = _untaken(_label(unique) or f"scope-{number}", self._by_label, labels)
            scope = Scope(unique, label, parent, settings)
            parent.children.append(scope)
            self.alone = False
            self._by_name[unique] = scope
            self._by_label[scope.label] = scope
            return scope

    def enter(self, scope: Scope) -> None:
        """Make it the current one."""
        with self._lock:
            self._entered.append(scope)
            self.current = scope

    def leave(self, scope: Scope) -> None:
        """Close it, and what was entered below it and not left; the one entered before, and not closed, is current."""
        with self._lock:
            scope.closed = True
            remaining = []
            for entered in self._entered:
                if entered.within(scope):
                    entered.closed = True
                else:
                    remaining.append(entered)
            self._entered = remaining
            self.current = remaining[-1]

    def named(self, name: str) -> Scope | None:
        """The scope of that name."""
        return self._by_name.get(name)

    def by_domain(self, domain: str) -> Scope | None:
        """The scope that a mail domain names, or None."""
        if not self._by_label or not domain.endswith(f".{SCOPE_TLD}"):
            return None
        return self._by_label.get(domain[: -len(SCOPE_TLD) - 1])

    def __iter__(self) -> Iterator[Scope]:
        return iter(list(self._by_name.values()))

    def __len__(self) -> int:
        return len(self._by_name)


def _label(name: str) -> str:
    """A DNS label out of any text: letters, digits and hyphens, short enough for a number behind (RFC 1035, 2.3.4)."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:50].strip("-")


def _untaken(name: str, taken: Mapping[str, object], numbers: dict[str, int]) -> str:
    """The name, with a number behind it where it is taken: a run may open thousands of one name."""
    if name not in taken:
        return name
    number = numbers.get(name, 1)
    while (unique := f"{name}-{(number := number + 1)}") in taken:
        pass
    numbers[name] = number
    return unique

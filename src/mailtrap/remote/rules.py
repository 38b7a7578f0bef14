"""Fault rules of a server elsewhere, with the methods of ``Rule``."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn, Self

from ..errors import MailtrapError
from ..faults import Rule, RuleBook, Stage
from ..scopes import Scope
from .client import Client

_FLAGS: Final = {re.IGNORECASE: "i", re.MULTILINE: "m", re.DOTALL: "s", re.VERBOSE: "x", re.ASCII: "a"}


class NotOverHTTP(MailtrapError, AttributeError):
    """What only a server in the process can do."""


class RemoteRule(Rule):
    """A rule that a server elsewhere keeps; each action is told to it at once."""

    def __init__(self, book: "RemoteRules", scope: Scope, described: Mapping[str, Any]) -> None:
        super().__init__(
            book, scope, described["listener"], described["command"], described["stage"], described["nth"],
            described["after"], described["times"], described["match"],
        )  # fmt: skip
        self.id = described["id"]
        self.asked = [
            (action["action"], {name: value for name, value in action.items() if name != "action"})
            for action in described["actions"]
        ]
        self._client = book.client

    @property
    def hits(self) -> int:
        """How often it acted. After its end, what was known last."""
        self._look()
        return self._hits

    @property
    def active(self) -> bool:
        """Whether it can still act."""
        found = self._look()
        return found is not None and bool(found["active"])

    def _look(self) -> Mapping[str, Any] | None:
        """What the server says of it now; None where it is gone."""
        rules: list[Mapping[str, Any]] = self._client.json("GET", "/faults", {"scope": self.scope.name})
        found = next((each for each in rules if each["id"] == self.id), None)
        if found is not None:
            self._hits = int(found["hits"])
        return found

    def release(self) -> None:
        """Let every stalled session go on, and stall none any more."""
        if self._look() is not None:
            self._client.json("POST", f"/faults/{self.id}/release")

    def remove(self) -> None:
        """Take the rule away; stalled sessions go on. Nothing happens when it is gone already."""
        if self._look() is not None:
            self._client.json("DELETE", f"/faults/{self.id}")

    def run(self, function: Callable[[], object]) -> NoReturn:
        """Not over HTTP."""
        raise NotOverHTTP(f"{function!r} can be run by a server in the process alone")

    def raise_(self, error: BaseException) -> NoReturn:
        """Not over HTTP."""
        raise NotOverHTTP(f"{error!r} can be raised in a server in the process alone")

    def _add(self, method: str, action: Any, **arguments: Any) -> Self:
        super()._add(method, action, **arguments)
        self._client.json("POST", f"/faults/{self.id}/actions", body={"action": method, **self.asked[-1][1]})
        return self


class RemoteRules(RuleBook):
    """The rules of a server elsewhere."""

    def __init__(self, client: Client) -> None:
        super().__init__()
        self.client = client

    def add(
        self, scope: Scope, listener: str, command: str, *, stage: Stage = "before", nth: int | None = None,
        after: int = 0, times: int | None = None, match: Mapping[str, Any],
    ) -> Rule:  # fmt: skip
        """A new rule; it acts once it has an action.

        Raises:
            ConfigError: an unknown stage or name to match.
            NotOverHTTP: a condition that cannot be written down.
        """
        body = {
            "listener": listener, "command": command, "stage": stage, "nth": nth, "after": after, "times": times,
            "match": {name: _written(name, value) for name, value in match.items()},
        }  # fmt: skip
        return RemoteRule(self, scope, self.client.json("POST", "/faults", {"scope": scope.name}, body))

    def of(self, scope: Scope) -> Sequence[Rule]:
        """The rules of one scope, oldest first."""
        found = self.client.json("GET", "/faults", {"scope": scope.name})
        return [RemoteRule(self, scope, described) for described in found]

    def clear(self, scope: Scope) -> None:
        """Take away the rules of one scope."""
        self.client.json("DELETE", "/faults", {"scope": scope.name})


def _written(name: str, value: Any) -> Any:
    """A condition as JSON has it. A pattern's flags go into the pattern."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
        flags = "".join(letter for flag, letter in _FLAGS.items() if value.flags & flag)
        return {"matches": f"(?{flags}){value.pattern}" if flags else value.pattern}
    if isinstance(value, list) and not any(isinstance(item, list) for item in value):
        return [_written(name, item) for item in value]
    raise NotOverHTTP(f"{name}={value!r}: a rule of a connected client compares texts, patterns and lists of them")

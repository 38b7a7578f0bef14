"""Drives SASL without sockets: mechanisms by their requests, whole logins by their steps."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from mailtrap.wire.requests import (
    Challenge,
    CheckPassword,
    CheckToken,
    CheckUser,
    IsOffered,
    NeedBinding,
    NeedNames,
    NeedPassword,
)


class Exchange:
    """A mechanism run to its end against a table of passwords; ``challenges`` and ``asked`` are what it yielded.

    names: of the client's certificate. bindings: of the connection. offered: mechanisms.
    """

    def __init__(
        self, mechanism: Any, passwords: dict[str, str], *, names: tuple[str, ...] = (),
        bindings: dict[str, bytes] | None = None, offered: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        self._names, self._bindings, self._offered = names, bindings or {}, offered
        self.challenges: list[bytes] = []
        self.asked: list[Any] = []
        self.user: str | None = None
        self._mechanism = mechanism
        self._passwords = passwords

    def run(self, responses: Iterable[bytes] | Callable[[bytes], bytes]) -> str:
        """The user it let in; what it raises comes out."""
        if callable(responses):
            respond = responses
        else:
            each = iter(responses)

            def respond(_challenge: bytes) -> bytes:
                return next(each)

        answer: Any = None
        while True:
            try:
                request = self._mechanism.send(answer)
            except StopIteration as done:
                self.user = done.value
                return done.value
            self.asked.append(request)
            match request:
                case Challenge(data):
                    self.challenges.append(data)
                    answer = respond(data)
                case NeedPassword(user):
                    answer = self._passwords.get(user)
                case CheckPassword(user, secret) | CheckToken(user, secret):
                    answer = self._passwords.get(user) == secret
                case CheckUser(user):
                    answer = user in self._passwords
                case NeedNames():
                    answer = self._names
                case NeedBinding(kind):
                    answer = self._bindings.get(kind)
                case IsOffered(mechanism):
                    answer = mechanism in self._offered


@pytest.fixture
def exchange() -> type[Exchange]:
    """Runs a mechanism."""
    return Exchange

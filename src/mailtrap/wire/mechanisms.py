"""The server's side of SASL mechanisms (RFC 4422), without I/O and without the accounts.

A mechanism is a generator. It yields *requests* and is sent their answers, and returns the user whose credentials
were right:

    Challenge(data)             answered with the client's response, decoded
    NeedPassword(user)          answered with the password, or None where none is known
    CheckPassword(user, text)   answered with whether this user may come in with this password

It raises ``BadResponse`` where the client broke the mechanism's syntax, and ``AuthenticationFailed`` where the
credentials are wrong. An unknown user and a wrong password take the same path to the same answer.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Final, final

from .reply import Reply


class SASLError(Exception):
    """An authentication that did not succeed; the text may be shown to the client."""

    @property
    def reply(self) -> Reply:
        """As SMTP says it (RFC 4954, 6)."""
        return Reply(454, "4.7.0", str(self))


class BadResponse(SASLError):
    """What the client sent is no base64 or not what the mechanism asks for, or it gave up (``*``)."""

    @property
    def reply(self) -> Reply:
        """RFC 4954, 4: 501."""
        return Reply(501, "5.5.2", str(self))


class AuthenticationFailed(SASLError):
    """The credentials are wrong, whichever part of them.

    Attributes:
        user: who it was to be.
    """

    def __init__(self, user: str, text: str = "Authentication credentials invalid") -> None:
        super().__init__(text)
        self.user = user

    @property
    def reply(self) -> Reply:
        """RFC 4954, 6: 535."""
        return Reply(535, "5.7.8", str(self))


@final
@dataclass(frozen=True, slots=True)
class Challenge:
    """Send this; answered with the response, both without base64."""

    data: bytes


@final
@dataclass(frozen=True, slots=True)
class NeedPassword:
    """Answered with the user's password in clear; None where there is no such user or any password is accepted."""

    user: str


@final
@dataclass(frozen=True, slots=True)
class CheckPassword:
    """Answered with True or False."""

    user: str
    password: str


Request = Challenge | NeedPassword | CheckPassword
Mechanism = Generator[Request, Any, str]
Maker = Callable[[bytes | None, str], Mechanism]  # the initial response, decoded; the server's name


def plain(initial: bytes | None, hostname: str) -> Mechanism:  # noqa: ARG001
    """PLAIN (RFC 4616): ``authzid NUL authcid NUL password``."""
    response = (yield Challenge(b"")) if initial is None else initial
    parts = response.split(b"\0")
    if len(parts) != 3:
        raise BadResponse("PLAIN is authorization identity, NUL, user, NUL, password")
    user = _name(parts[1])
    _same_identity(_name(parts[0]), user)
    return (yield from _checked(user, _text(parts[2])))


def login(initial: bytes | None, hostname: str) -> Mechanism:  # noqa: ARG001
    """LOGIN: never a standard; the prompts are those that clients expect."""
    user = _name((yield Challenge(b"Username:")) if initial is None else initial)
    return (yield from _checked(user, _text((yield Challenge(b"Password:")))))


def _checked(user: str, password: str) -> Mechanism:
    if not (yield CheckPassword(user, password)):
        raise AuthenticationFailed(user)
    return user


def _text(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise BadResponse("User names and passwords are UTF-8") from None


def _name(octets: bytes) -> str:
    name = _text(octets)
    if not name.isprintable():
        raise BadResponse("A user name has no control characters")
    return name


def _same_identity(authzid: str, user: str) -> None:
    # RFC 4616, 2: who may act as somebody else is the server's choice; here nobody may
    if authzid and authzid != user:
        raise AuthenticationFailed(user, "Nobody may act as another user here")


MECHANISMS: Final[Mapping[str, Maker]] = {
    "PLAIN": plain,
    "LOGIN": login,
}

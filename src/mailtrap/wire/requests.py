"""What a SASL mechanism asks for, and how it fails (RFC 4422).

A mechanism is the server's side, without I/O and without the accounts: a generator that yields *requests*, is sent
their answers, and returns the user whose credentials were right:

    Challenge(data)             answered with the client's response; both without base64
    NeedPassword(user)          answered with the password, or None where none is known
    CheckPassword(user, text)   answered with whether this user may come in with this password
    CheckToken(user, text)      the same for an OAuth token
    CheckUser(user)             the same for somebody whose identity is proven
    NeedNames()                 answered with whom the client's verified certificate is for; may be none
    NeedBinding(kind)           answered with the data of this channel binding (RFC 5929); None: there is none
    IsOffered(mechanism)        answered with whether the client could have chosen this mechanism
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, final

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
    """The credentials are wrong, whichever part of them: an unknown user is answered as a wrong password is.

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
    """Send this to the client."""

    data: bytes


@final
@dataclass(frozen=True, slots=True)
class NeedPassword:
    """Give this user's password in clear."""

    user: str


@final
@dataclass(frozen=True, slots=True)
class CheckPassword:
    """Say whether this user may come in with this password."""

    user: str
    password: str


@final
@dataclass(frozen=True, slots=True)
class CheckToken:
    """Say whether this user may come in with this OAuth token."""

    user: str
    token: str


@final
@dataclass(frozen=True, slots=True)
class CheckUser:
    """Say whether this user, who is who he says, may come in."""

    user: str


@final
@dataclass(frozen=True, slots=True)
class NeedNames:
    """Give the names in the client's verified certificate."""


@final
@dataclass(frozen=True, slots=True)
class NeedBinding:
    """Give the data of a channel binding of this connection."""

    kind: str


@final
@dataclass(frozen=True, slots=True)
class IsOffered:
    """Say whether a mechanism is offered now."""

    mechanism: str


AboutUser = NeedPassword | CheckPassword | CheckToken | CheckUser
Request = Challenge | AboutUser | NeedNames | NeedBinding | IsOffered
Mechanism = Generator[Request, Any, str]


def text(octets: bytes) -> str:
    """What a client sent, as UTF-8."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise BadResponse("User names and passwords are UTF-8") from None


def name(octets: bytes) -> str:
    """A user's name. It is shown and logged, so it is one line."""
    user = text(octets)
    if not user.isprintable():
        raise BadResponse("A user name has no control characters")
    return user


def same_identity(authzid: str, user: str) -> None:
    """Refuse to let somebody act as somebody else: who may is the server's choice (RFC 4422, 3.4.1), here nobody."""
    if authzid and authzid != user:
        raise AuthenticationFailed(user, "Nobody may act as another user here")

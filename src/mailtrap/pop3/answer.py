"""What a command answers, and the table entry of a command."""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..wire.steps import Step

if TYPE_CHECKING:
    from .session import POP3Session


class Then(Enum):
    """What comes after an answer."""

    GO_ON = 0
    END = 1
    TLS = 2


class Answer(NamedTuple):
    """A status line without its end; and a multi-line body with its final dot, whole or in pieces, None without one."""

    status: bytes
    body: bytes | Iterable[bytes] | None = None
    then: Then = Then.GO_ON


class State(Enum):
    """The states of RFC 1939, 3, that a command may be valid in; UPDATE takes none."""

    AUTHORIZATION = "before the login"
    TRANSACTION = "after the login"


AnswerSteps = Generator[Step, Any, Answer]
BEFORE: Final = State.AUTHORIZATION
AFTER: Final = State.TRANSACTION


@dataclass(frozen=True, slots=True)
class Command:
    """A command.

    Attributes:
        verb: upper case.
        run: carries it out; is given what follows the verb and one space. A generator where it asks the store.
        state: it is valid in; None: in both.
        capability: what has to be offered for the command to be known; None: always known.
        multiline: whether it answers ``+OK`` with a body: always, never, or None: without an argument.
        secret: it carries what must not be written down.
    """

    verb: str
    run: "Callable[[POP3Session, bytes], Answer | AnswerSteps]"
    state: State | None
    capability: str | None = None
    multiline: bool | None = False
    secret: bool = False

    def multiline_with(self, argument: bytes) -> bool:
        """Whether it answers ``+OK`` with a body."""
        return no_argument(argument) if self.multiline is None else self.multiline


def ok(text: str) -> Answer:
    """A positive single line."""
    return Answer(b"+OK " + text.encode())


def error(text: str, code: str | None = None) -> Answer:
    """A negative one, with a response code (RFC 2449, 8; RFC 3206)."""
    return Answer((f"-ERR [{code}] {text}" if code else f"-ERR {text}").encode())


def no_argument(argument: bytes) -> bool:
    """Whether there is none; spaces at the end of a line are passed over."""
    return not argument.strip(b" ")

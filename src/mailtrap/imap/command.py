"""What a command is to the dispatcher: its verb, its states, its handler.

A handler reads its arguments from the scanner, all of them before it does anything, and is a generator of steps:
``bytes`` to send, ``Call`` to the store. It returns its tagged reply, or None for plain OK, or raises ``Refusal``.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ..wire.steps import Step
from .responses import Reply
from .tokens import Scanner

if TYPE_CHECKING:
    from .session import IMAPSession

Handled = Generator[Step, Any, Reply | None]
Handler = Callable[["IMAPSession", Scanner, bool], Handled]
Gate = Callable[[int, int], Generator[Step, Any, None]]
GateMaker = Callable[["IMAPSession", Scanner], Generator[Step, Any, Gate]]

NOT_AUTHENTICATED: Final = "not authenticated"
AUTHENTICATED: Final = "authenticated"
SELECTED: Final = "selected"
ANY: Final = frozenset({NOT_AUTHENTICATED, AUTHENTICATED, SELECTED})
BEFORE_LOGIN: Final = frozenset({NOT_AUTHENTICATED})
AFTER_LOGIN: Final = frozenset({AUTHENTICATED, SELECTED})
WITH_MAILBOX: Final = frozenset({SELECTED})


@dataclass(frozen=True, slots=True)
class Spec:
    """One command.

    Attributes:
        states: in which it is possible (RFC 3501, 3).
        arguments: True: something follows the verb; False: nothing may; None: the handler looks.
        has_uid: there is a form with ``UID`` before it, whose handler is called with True.
        numbered: it has sequence numbers, so EXPUNGE must not be told in it (RFC 3501, 7.4.1).
        names_mailbox: its first argument is a mailbox, which fault rules can match.
        quiet: what it answers is in the transcript by its size.
        recorded: it writes what it answers into the transcript itself.
        fresh: nothing is told before its tagged reply: there is nothing to tell, or no mailbox any more.
        explicit: it expunges by itself.
        announced: it tells ``wait_for_command`` itself, because it lasts.
        gate: makes what decides on its literals once its arguments before them are known: called with the size of
            each and the sum so far, it raises ``Refusal`` for one that is not wanted.
    """

    verb: str
    handler: Handler
    states: frozenset[str]
    arguments: bool | None = True
    has_uid: bool = False
    numbered: bool = False
    names_mailbox: bool = False
    quiet: bool = False
    recorded: bool = False
    fresh: bool = False
    explicit: bool = False
    announced: bool = False
    gate: GateMaker | None = None


REGISTRY: Final[dict[str, Spec]] = {}


def command(verb: str, states: frozenset[str], **details: Any) -> Callable[[Handler], Handler]:
    """Enter a handler into the registry."""

    def enter(handler: Handler) -> Handler:
        assert verb not in REGISTRY
        REGISTRY[verb] = Spec(verb, handler, states, **details)
        return handler

    return enter

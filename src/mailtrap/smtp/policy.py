"""Somebody beside the server who is asked at each command: how a handler of another library has its say.

The session knows only this. It asks through ``Later`` steps, so that the answer may take its time and come from
whatever thread.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..message.envelope import Envelope
from ..wire.reply import Reply
from ..wire.steps import Done


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to ``DATA``.

    Attributes:
        reply: to the client; a negative one keeps the mail out of the store; None: the store's own.
        envelope: what the mail is kept under; None: what the session has.
    """

    reply: Reply | None = None
    envelope: Envelope | None = None


@dataclass(frozen=True, slots=True)
class Challenge:
    """An answer to ``AUTH`` and ``RESPONSE`` that asks the client for a line: sent as it is, then ``RESPONSE``."""

    line: bytes


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The last answer to ``AUTH`` and ``RESPONSE`` when somebody has come in."""

    reply: Reply
    user: str


class Policy(Protocol):
    """Who is asked.

    Attributes:
        hooks: the questions it wants: ``EHLO HELO MAIL RCPT DATA RSET NOOP QUIT VRFY STARTTLS AUTH EXCEPTION``.
        mechanisms: what it adds to the AUTH line, in upper case; with ``AUTH`` among the hooks.
    """

    @property
    def hooks(self) -> Collection[str]: ...

    @property
    def mechanisms(self) -> Sequence[str]: ...

    def ask(self, hook: str, arguments: tuple[Any, ...], done: Done) -> None:
        """Ask; ``done(answer, None)`` is called once, or ``done(None, error)``.

        ========== ============================================ ==================================================
        hook       arguments                                    answer
        ========== ============================================ ==================================================
        EHLO       name, lines of the reply                     a ``Reply``, or None: go on as usual
        HELO       name                                         the same
        MAIL       ``Address``, parameters                      the same
        RCPT       ``Address``, parameters                      the same; a positive reply accepts the recipient
        DATA       the message, ``Envelope``                    a ``Verdict``
        RSET QUIT  nothing                                      a ``Reply``, or None
        NOOP VRFY  the argument                                 the same
        STARTTLS   ``transcript.TLS``                           whether the client may go on
        AUTH       mechanism, initial response (str or None)    ``Challenge``, ``Authenticated``, ``Reply`` (refused),
                                                                or None: refused, and the reply was sent
        RESPONSE   the client's line                            the same
        EXCEPTION  the exception                                a ``Reply``
        ========== ============================================ ==================================================
        """

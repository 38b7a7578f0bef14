"""What there is in a test's scope, gathered at one moment, so that it can be shown when the server is gone."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from mailtrap import MailServer, Message, Refusal, Session, StoreError

MESSAGES: Final = 200  # the newest; older ones are counted only
# What no XML or HTML may contain, and lone surrogates. A terminal's escapes come with a failure's text.
_UNREADABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Found:
    """The mail of one test.

    Attributes:
        messages: of every origin, oldest first.
        older: how many more there were before them.
        submitted: how many of all ``mailserver.messages`` has.
        refused: what was turned away, oldest first.
        errors: of the server.
        sessions: the newest connections, oldest first.
    """

    messages: Sequence[Message]
    older: int
    submitted: int
    refused: Sequence[Refusal]
    errors: Sequence[BaseException]
    sessions: Sequence[Session]

    def __bool__(self) -> bool:
        """Whether there was mail, or what should have been."""
        return bool(self.messages or self.refused or self.errors)


def find(server: MailServer, *, to_keep: bool = False) -> Found:
    """Gather it.

    Args:
        to_keep: it will be read when the server is gone, so messages are read now.

    Raises:
        MailtrapError: the server cannot be asked any more.
    """
    everything = server.page(newest_first=False)
    messages = everything[-MESSAGES:]
    if to_keep:
        for message in messages:
            with suppress(StoreError):  # cleared meanwhile; whoever reads it is told so again
                message.raw  # noqa: B018  it stays with the message
    submitted = sum(message.origin in ("smtp", "lmtp", "http") for message in everything)
    return Found(
        messages, len(everything) - len(messages), submitted, server.refused, server.errors, server.sessions
    )  # fmt: skip


def readable(text: str) -> str:
    """The text without characters that no file of text should have; U+FFFD is in their place."""
    return _UNREADABLE.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))

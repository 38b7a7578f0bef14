"""How a command ends that raised, or whose end a fault rule gives."""

from collections.abc import Generator
from typing import Any, Final

from ..delivery.services import Services
from ..errors import MailboxExists, NoSuchAccount, NoSuchMailbox, NotAllowed, OverQuota, StoreError
from ..faults import Respond
from ..scopes import Scope
from ..wire.lines import LineTooLong
from ..wire.steps import Step
from .responses import Kind, Refusal, Reply
from .tokens import SyntaxFault

_STORE_REPLIES: Final[tuple[tuple[type[StoreError], str, str], ...]] = (
    (NoSuchMailbox, "NONEXISTENT", "No such mailbox"),
    (MailboxExists, "ALREADYEXISTS", "There is a mailbox of that name"),
    (NotAllowed, "CANNOT", "That is not possible"),
    (OverQuota, "OVERQUOTA", "Over quota"),
    (NoSuchAccount, "UNAVAILABLE", "The account is gone"),
)


def reply_to(error: Exception, services: Services, scope: Scope) -> Reply:
    """The reply to a command that raised this; what nobody foresaw is reported, and no word of it is said."""
    if isinstance(error, Refusal):
        return error.reply
    if isinstance(error, SyntaxFault):
        return Reply("BAD", str(error))
    if isinstance(error, LineTooLong):
        return Reply("BAD", "The line is too long", "TOOBIG")
    for kind, code, text in _STORE_REPLIES:
        if isinstance(error, kind):
            return Reply("NO", text, code)
    services.report(error, scope)
    if isinstance(error, StoreError):
        return Reply("NO", "The store cannot answer now; try again later", "UNAVAILABLE")
    return Reply("NO", "Internal error", "SERVERBUG")


def as_reply(answer: Respond, default: Kind = "NO") -> Reply:
    """A fault rule's reply: a status word as it is, anything else as the default."""
    word = str(answer.reply).upper()
    if word in ("OK", "NO", "BAD", "BYE"):
        default = word  # type: ignore[assignment]  # it is one of them
    return Reply(default, answer.text or "As a rule says")


def as_answer(answer: Respond) -> Generator[Step, Any, Reply]:
    """The same in the place of a handler's steps."""
    yield from ()
    return as_reply(answer)

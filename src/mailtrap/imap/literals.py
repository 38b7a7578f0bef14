"""Whether a literal is wanted, before a single octet of it is read (RFC 7888; RFC 9051, 4.3)."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final

from .. import limits
from ..wire.steps import Step
from .collect import Announced
from .command import Gate
from .endings import reply_to
from .responses import Refusal, Reply
from .tokens import Incomplete, Scanner

if TYPE_CHECKING:
    from .session import IMAPSession

_LITERAL_MINUS: Final = 4096  # octets of a literal that need not be waited for (RFC 7888, 5)


def asked(
    session: "IMAPSession", event: Announced, gate: Gate | None
) -> Generator[Step, Any, tuple[Gate | None, Reply | None]]:
    """Ask who takes the command; its gate for the literals that follow, and the refusal of this one.

    Args:
        gate: of the literals before it; None: there is none yet.
    """
    try:
        if not event.synchronizing and not session.offers("LITERAL+"):
            if not session.offers("LITERAL-"):
                raise Refusal("A literal has to wait for the continuation", kind="BAD")
            if event.size > _LITERAL_MINUS:
                raise Refusal("A literal over 4096 octets has to wait for the continuation", "TOOBIG", "BAD")
        if gate is None:
            gate = yield from _gate(session, event)
        if gate is not None:
            yield from gate(event.size, event.total)
        elif event.size > limits.IMAP_LITERAL or event.total > limits.IMAP_LITERALS:
            raise Refusal("The literal is too long", "TOOBIG", "BAD")
    except Exception as error:  # noqa: BLE001  whatever a handler raises is a reply
        return gate, reply_to(error, session.services, session.scope)
    return gate, None


def _gate(session: "IMAPSession", event: Announced) -> Generator[Step, Any, Gate | None]:
    """What decides on the literals of this command; None for those that are arguments."""
    scanner = Scanner(event.command.text, event.command.literals, utf8=session.utf8)
    scanner.tag()
    scanner.space()
    spec, _ = session.spec_of(scanner)
    if spec.gate is None:
        return None
    scanner.space()
    try:
        return (yield from spec.gate(session, scanner))
    except Incomplete:
        return None  # the literal is an argument before the message

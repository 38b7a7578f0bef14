"""What CAPA says (RFC 2449): what is true for this session at this moment."""

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from ..wire import sasl
from ..wire.steps import Step

if TYPE_CHECKING:
    from .session import POP3Session


def offers(session: "POP3Session", name: str) -> bool:
    """Whether a capability, or CAPA or APOP, is not taken away by the setting ``pop3_capabilities``."""
    changes = session.scope.live.pop3_capabilities
    return not changes or f"-{name}" not in {change.upper() for change in changes}


def starttls_offered(session: "POP3Session") -> bool:
    """Whether STLS is possible now."""
    return session.scope.live.starttls != "off" and not session.tls and not session.utf8 and offers(session, "STLS")


def capabilities(session: "POP3Session") -> Generator[Step, Any, Sequence[str]]:
    """The capabilities, one line each."""
    scope = session.scope
    lines = ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING"]
    # announced in both states and alike in both (RFC 2449, 6.2, 6.3); not where they would be refused
    if sasl.allowed(scope.live, session.tls):
        lines.append("USER")
    if mechanisms := (yield from session.mechanisms()):
        lines.append(f"SASL {' '.join(mechanisms)}")
    if session.maildrop is None and starttls_offered(session):
        lines.append("STLS")  # RFC 2595, 4: in the AUTHORIZATION state only
    lines += ["UTF8 USER", "LANG", "EXPIRE NEVER", "LOGIN-DELAY 0", "IMPLEMENTATION Mailtrap"]
    kept = [line for line in lines if offers(session, line.partition(" ")[0])]
    # ``+NAME`` adds a line as it stands; those of mechanisms are honoured where mechanisms are counted
    changes = scope.live.pop3_capabilities
    added = (change[1:] for change in changes if change[:1] == "+" and not change[1:].upper().startswith("AUTH="))
    return kept + sorted(set(added).difference(kept))

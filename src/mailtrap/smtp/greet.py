"""EHLO, HELO, LHLO and STARTTLS: who is there, and how the conversation goes on."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final

from ..transcript import TLS
from ..wire import sasl
from ..wire.reply import Reply
from ..wire.steps import Later, StartTLS, Step
from . import extensions, replies

if TYPE_CHECKING:
    from .session import SMTPSession

CommandSteps = Generator[Step, Any, Reply | None]

# The replies to EHLO and HELO have no enhanced status code (RFC 2034, 4).
_EHLO_SYNTAX: Final = Reply(501, None, "Syntax: EHLO name")
_HELO_SYNTAX: Final = Reply(501, None, "Syntax: HELO name")
_LHLO_SYNTAX: Final = Reply(501, None, "Syntax: LHLO name")


def ehlo(session: "SMTPSession", name: str) -> CommandSteps:
    """EHLO (RFC 5321, 4.1.1.1). The name is not checked against anything (4.1.4), but it is ASCII (RFC 6531, 3.7.1)."""
    if session.flavour == "lmtp":
        return replies.NOT_LHLO
    return (yield from _extended(session, name, _EHLO_SYNTAX))


def lhlo(session: "SMTPSession", name: str) -> CommandSteps:
    """LHLO (RFC 2033, 4.1)."""
    if session.flavour != "lmtp":
        return replies.NOT_LMTP
    return (yield from _extended(session, name, _LHLO_SYNTAX))


def helo(session: "SMTPSession", name: str) -> CommandSteps:
    """HELO (RFC 5321, 4.1.1.1)."""
    if session.flavour == "lmtp":
        return replies.NOT_LHLO
    if not _is_name(name):
        return _HELO_SYNTAX
    session.end_transaction()
    policy = session.policy
    if policy is not None and "HELO" in policy.hooks:
        reply: Reply | None = yield Later(policy.ask, "HELO", (name,))
        if reply is not None and not reply.positive:
            return reply
        _introduced(session, name, extended=False)
        if reply is not None:
            return reply
    _introduced(session, name, extended=False)
    return replies.hello(250, session.services.hostname)


def _extended(session: "SMTPSession", name: str, syntax: Reply) -> CommandSteps:
    if not _is_name(name):
        return syntax
    # as RSET (RFC 5321, 4.1.4); what is offered is the current scope's
    session.end_transaction()
    session.scope = session.services.scopes.current
    session.timeout = session.live.smtp_timeout
    offer = extensions.offer(session.live)
    session.mechanisms = ()
    if "AUTH" in offer.keywords:
        session.mechanisms = yield from mechanisms(session)
    lines = [session.services.hostname]
    lines += [f"{row.keyword} {rest}".rstrip() for row in offer.rows if (rest := row.line(session)) is not None]
    policy = session.policy
    if policy is not None and "EHLO" in policy.hooks:
        answer: Reply | None = yield Later(policy.ask, "EHLO", (name, tuple(lines)))
        if answer is not None:
            if answer.positive:
                _introduced(session, name, extended=True)
            return answer
    _introduced(session, name, extended=True)
    return replies.hello(250, *lines)


def _is_name(name: str) -> bool:
    return bool(name) and name.isascii()


def _introduced(session: "SMTPSession", name: str, *, extended: bool) -> None:
    session.helo = session.record.helo = name
    session.extended = extended


def mechanisms(session: "SMTPSession") -> Generator[Step, Any, tuple[str, ...]]:
    """What AUTH takes now: the server's mechanisms and the policy's."""
    policy = session.policy
    if policy is not None and "AUTH" in policy.hooks:
        return tuple(policy.mechanisms) if sasl.allowed(session.live, session.secure) else ()
    live = session.live
    return (
        yield from sasl.offered(
            session.services, session.record, session.scope, tls=session.secure, changes=live.smtp_extensions
        )
    )


def starttls(session: "SMTPSession", argument: str) -> CommandSteps:
    """STARTTLS (RFC 3207): everything the client said before is forgotten, and what it sent after is dropped."""
    if session.secure:
        return replies.TLS_ALREADY
    if session.live.starttls == "off" or "STARTTLS" not in extensions.offer(session.live).keywords:
        return replies.NOT_OFFERED
    if argument:
        return replies.NO_ARGUMENT
    if session.buffer:
        session.record.note(b"%d octets after STARTTLS are dropped" % len(session.buffer))
        session.buffer.clear()
    yield session.say(replies.READY_FOR_TLS)
    tls: TLS = yield StartTLS()
    session.record.tls = tls
    session.forget()
    session.secure = True
    policy = session.policy
    if policy is not None and "STARTTLS" in policy.hooks:
        session.tls_refused = not (yield Later(policy.ask, "STARTTLS", (tls,)))
    return None

"""AUTH (RFC 4954). The mechanisms are in ``wire``; a policy may bring its own."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from .. import limits
from ..wire import sasl
from ..wire.lines import LineTooLong, read_line
from ..wire.reply import Reply
from ..wire.steps import Later, Step
from . import extensions, replies
from .greet import mechanisms
from .policy import Authenticated, Challenge, Policy

if TYPE_CHECKING:
    from .session import SMTPSession

CommandSteps = Generator[Step, Any, Reply | None]


def auth(session: "SMTPSession", argument: str) -> CommandSteps:
    """AUTH, once, outside a transaction, after EHLO (RFC 4954, 4)."""
    words = argument.split()
    if (reply := _out_of_place(session)) is not None:
        return reply
    if not 1 <= len(words) <= 2 or not argument.isascii():
        return Reply(501, "5.5.4", "Syntax: AUTH mechanism [initial-response]")
    if not sasl.allowed(session.live, session.secure):
        return replies.AUTH_NEEDS_TLS
    mechanism = words[0].upper()
    offered = yield from mechanisms(session)
    if mechanism not in offered:
        return replies.NO_SUCH_MECHANISM
    initial = words[1] if len(words) > 1 else None
    policy = session.policy
    if policy is not None and "AUTH" in policy.hooks:
        return (yield from _by_policy(session, policy, mechanism, initial))
    try:
        who = yield from sasl.authenticate(
            session.services, session.record, session.scope, mechanism, None if initial is None else initial.encode(),
            prompt=b"334 ", read_line=lambda: read_line(session, limits.SMTP_LINE, limits.SMTP_LINE_END),
            offered=offered,
        )  # fmt: skip
    except sasl.SASLError as error:
        return error.reply
    session.user = who.user
    return replies.AUTHENTICATED


def _out_of_place(session: "SMTPSession") -> Reply | None:
    if "AUTH" not in extensions.offer(session.live).keywords:
        return replies.NOT_OFFERED
    if not session.extended:
        return replies.HELLO_FIRST
    if session.transaction is not None:
        return replies.AUTH_IN_MAIL
    if session.user is not None:
        return replies.AUTH_TWICE
    return None


def _by_policy(session: "SMTPSession", policy: Policy, mechanism: str, initial: str | None) -> CommandSteps:
    answer: Challenge | Authenticated | Reply | None = yield Later(policy.ask, "AUTH", (mechanism, initial))
    while isinstance(answer, Challenge):
        session.record.reply(answer.line)
        yield answer.line
        try:
            line = yield from read_line(session, limits.SMTP_LINE, limits.SMTP_LINE_END)
        except LineTooLong:
            session.record.note(b"a response over the limit")
            line = b"*"
        session.record.note(b"a response of %d octets" % len(line))
        answer = yield Later(policy.ask, "RESPONSE", (line,))
    if answer is None or isinstance(answer, Reply):
        return answer
    session.user = session.record.user = answer.user
    session.record.mechanism = mechanism
    return answer.reply

"""MAIL, RCPT and RSET: the envelope (RFC 5321, 3.3 and 4.1.1)."""

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any

from ..message.envelope import NO_PARAMETERS, Envelope, Parameters
from ..wire.reply import Reply
from ..wire.steps import Later, Step
from . import extensions, grammar, replies
from .transaction import Transaction

if TYPE_CHECKING:
    from ..message.address import Address
    from .session import SMTPSession

CommandSteps = Generator[Step, Any, Reply | None]


def mail(session: "SMTPSession", argument: str) -> CommandSteps:
    """MAIL FROM (RFC 5321, 4.1.1.2). The scope current now is the mail's, to its end."""
    if session.helo is None:
        return replies.HELLO_FIRST
    if session.transaction is not None:
        return replies.NESTED_MAIL
    if session.user is None and _needs_auth(session):
        return replies.AUTH_FIRST
    if argument[:5].upper() != "FROM:":
        return replies.MAIL_SYNTAX
    try:
        address, rest = grammar.parse_path(argument[5:])
    except grammar.BadPath:
        return replies.BAD_SENDER
    parameters = NO_PARAMETERS if rest is None else grammar.parse_parameters(rest)
    if parameters is None:
        return replies.PARAMETER_SYNTAX
    transaction = Transaction(session.scope, address, parameters)
    reply = _check_parameters(session, argument, transaction, parameters, rcpt=False)
    if reply is None and session.rules.active:
        reply = yield from session.overruled("MAIL", sender=address)
    policy = session.policy
    if reply is None and policy is not None and "MAIL" in policy.hooks:
        answer: Reply | None = yield Later(policy.ask, "MAIL", (address, parameters))
        if answer is not None and answer.positive:
            session.transaction = transaction
        if answer is not None:
            reply = answer
    if reply is not None:
        if not reply.positive:
            session.at_hand = Envelope(address, (), parameters)
        return reply
    session.transaction = transaction
    return replies.SENDER_OK


def rcpt(session: "SMTPSession", argument: str) -> CommandSteps:
    """RCPT TO (RFC 5321, 4.1.1.3). Duplicates are kept."""
    transaction = session.transaction
    if transaction is None:
        return replies.MAIL_FIRST if session.helo is not None else replies.HELLO_FIRST
    if transaction.chunks is not None:
        return replies.RCPT_AFTER_BDAT
    if argument[:3].upper() != "TO:":
        return replies.RCPT_SYNTAX
    try:
        address, rest = grammar.parse_path(argument[3:])
    except grammar.BadPath:
        transaction.refused += 1
        return replies.BAD_RECIPIENT
    parameters = NO_PARAMETERS if rest is None else grammar.parse_parameters(rest)
    if parameters is None:
        reply: Reply | None = replies.PARAMETER_SYNTAX
    elif not address:
        reply = replies.BAD_RECIPIENT  # the null path is a sender's only (RFC 5321, 4.1.1.3)
    else:
        reply = yield from _decide(session, argument, transaction, address, parameters)
    if reply is not None and not reply.positive:
        transaction.refused += 1
        session.at_hand = transaction.envelope(address, parameters or NO_PARAMETERS)
        return reply
    return reply or replies.RECIPIENT_OK


def _decide(
    session: "SMTPSession", argument: str, transaction: Transaction, address: "Address", parameters: Parameters
) -> CommandSteps:
    """Whether a recipient is accepted; it is added to the transaction then. A positive reply is the policy's own."""
    reply = _check_parameters(session, argument, transaction, parameters, rcpt=True)
    if reply is not None:
        return reply
    if session.rules.active and (reply := (yield from session.overruled("RCPT", recipient=address))) is not None:
        return reply
    scope = transaction.scope
    if len(transaction.recipients) >= scope.live.max_recipients:
        return replies.TOO_MANY_RECIPIENTS
    policy = session.policy
    answer: Reply | None = None  # the policy's
    if policy is not None and "RCPT" in policy.hooks:
        answer = yield Later(policy.ask, "RCPT", (address, parameters))
        if answer is not None and not answer.positive:
            return answer
    intake = session.services.intake
    if not intake.trusts(scope, address):
        refusal: Reply | None = yield Later(
            intake.recipient, session.record, scope, transaction.mail_from, address, parameters
        )
        if refusal is not None:
            return refusal
    transaction.recipients.append(address)
    transaction.recipient_parameters.append(parameters)
    return answer


def rset(session: "SMTPSession", argument: str) -> CommandSteps:
    """RSET (RFC 5321, 4.1.1.5)."""
    if argument:
        return replies.NO_ARGUMENT
    session.transaction = None
    policy = session.policy
    if policy is not None and "RSET" in policy.hooks:
        answer: Reply | None = yield Later(policy.ask, "RSET", ())
        if answer is not None:
            return answer
    return replies.OK


def _check_parameters(
    session: "SMTPSession", argument: str, transaction: Transaction, parameters: Parameters, *, rcpt: bool
) -> Reply | None:
    if parameters:
        if not session.extended:  # nothing was offered to a client that said HELO
            known: Mapping[str, extensions.Parameter] = {}
        else:
            offer = extensions.offer(transaction.scope.live)
            known = offer.rcpt if rcpt else offer.mail
        if (reply := extensions.check(known, transaction, parameters)) is not None:
            return reply
    if not transaction.utf8 and not argument.isascii():
        return replies.NEEDS_UTF8
    return None


def _needs_auth(session: "SMTPSession") -> bool:
    live = session.live
    policy = session.policy
    return (
        live.require_auth
        or (session.flavour == "submission" and live.routing == "strict")
        or (policy is not None and policy.requires_auth)
    )

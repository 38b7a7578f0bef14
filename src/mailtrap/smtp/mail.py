"""MAIL, RCPT and RSET: the envelope (RFC 5321, 3.3 and 4.1.1)."""

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any

from ..message.address import Address
from ..message.envelope import NO_PARAMETERS, Parameters
from ..wire.reply import Reply
from ..wire.steps import Later, Step
from . import extensions, grammar, replies
from .transaction import Transaction

if TYPE_CHECKING:
    from .session import SMTPSession

CommandSteps = Generator[Step, Any, Reply | None]
Outcome = Reply | CommandSteps | None


def mail(session: "SMTPSession", argument: str) -> Outcome:
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
    if (reply := _check_parameters(session, argument, transaction, parameters, rcpt=False)) is not None:
        return _sender_refused(session, transaction, reply)
    if session.rules.active or session.policy is not None:
        return _ask_about_sender(session, transaction)
    session.open_transaction(transaction)
    return replies.SENDER_OK


def _ask_about_sender(session: "SMTPSession", transaction: Transaction) -> CommandSteps:
    reply: Reply | None = None
    if session.rules.active:
        reply = yield from session.overruled("MAIL", sender=transaction.mail_from)
        if reply is not None and reply.positive:
            return reply  # the rule says so, but MAIL was not carried out
    policy = session.policy
    if reply is None and policy is not None and "MAIL" in policy.hooks:
        reply = yield Later(policy.ask, "MAIL", (transaction.mail_from, transaction.parameters))
    if reply is not None and not reply.positive:
        return _sender_refused(session, transaction, reply)
    session.open_transaction(transaction)
    return reply or replies.SENDER_OK


def _sender_refused(session: "SMTPSession", transaction: Transaction, reply: Reply) -> Reply:
    session.at_hand = transaction.envelope()
    return reply


def rcpt(session: "SMTPSession", argument: str) -> Outcome:
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
        return _recipient_refused(session, transaction, address, NO_PARAMETERS, replies.PARAMETER_SYNTAX)
    if not address:  # the null path is a sender's only (RFC 5321, 4.1.1.3)
        reply: Reply | None = replies.BAD_RECIPIENT
    else:
        reply = _check_parameters(session, argument, transaction, parameters, rcpt=True)
    if reply is not None:
        return _recipient_refused(session, transaction, address, parameters, reply)
    scope = transaction.scope
    if (
        session.rules.active
        or session.policy is not None
        or len(transaction.recipients) >= scope.live.max_recipients
        or not session.services.intake.trusts(scope, address)
    ):
        return _ask_about_recipient(session, transaction, address, parameters)
    transaction.recipients.append(address)
    transaction.recipient_parameters.append(parameters)
    return replies.RECIPIENT_OK


def _ask_about_recipient(
    session: "SMTPSession", transaction: Transaction, address: Address, parameters: Parameters
) -> CommandSteps:
    reply: Reply | None = None
    if session.rules.active:
        reply = yield from session.overruled("RCPT", recipient=address)
        if reply is not None and reply.positive:
            return reply  # the rule says so, but RCPT was not carried out
    scope = transaction.scope
    if reply is None and len(transaction.recipients) >= scope.live.max_recipients:
        reply = replies.TOO_MANY_RECIPIENTS
    policy = session.policy
    accepted = replies.RECIPIENT_OK
    if reply is None and policy is not None and "RCPT" in policy.hooks:
        answer: Reply | None = yield Later(policy.ask, "RCPT", (address, parameters))
        if answer is not None and answer.positive:
            accepted = answer
        else:
            reply = answer
    intake = session.services.intake
    if reply is None and not intake.trusts(scope, address):
        reply = yield Later(intake.recipient, session.record, scope, transaction.mail_from, address, parameters)
    if reply is not None:
        return _recipient_refused(session, transaction, address, parameters, reply)
    transaction.recipients.append(address)
    transaction.recipient_parameters.append(parameters)
    return accepted


def _recipient_refused(
    session: "SMTPSession", transaction: Transaction, address: Address, parameters: Parameters, reply: Reply
) -> Reply:
    transaction.refused += 1
    session.at_hand = transaction.envelope(address, parameters)
    return reply


def rset(session: "SMTPSession", argument: str) -> CommandSteps:
    """RSET (RFC 5321, 4.1.1.5)."""
    if argument:
        return replies.NO_ARGUMENT
    session.end_transaction()
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
            known: Mapping[str, extensions.Taken] = {}
        else:
            offer = extensions.offer(transaction.scope.live)
            known = offer.rcpt if rcpt else offer.mail
        if (reply := extensions.check(session, known, transaction, parameters)) is not None:
            return reply
    if not transaction.utf8 and not argument.isascii():
        return replies.NEEDS_UTF8
    return None


def _needs_auth(session: "SMTPSession") -> bool:
    live = session.live
    return live.require_auth or (session.flavour == "submission" and live.routing == "strict")

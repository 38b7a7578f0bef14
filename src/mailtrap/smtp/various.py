"""NOOP, VRFY, EXPN, HELP and QUIT."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from ..errors import StoreError
from ..wire.reply import Reply
from ..wire.steps import Call, Later, Step
from . import extensions, grammar, replies

if TYPE_CHECKING:
    from .session import SMTPSession

CommandSteps = Generator[Step, Any, Reply | None]


def noop(session: "SMTPSession", argument: str) -> CommandSteps:
    """NOOP; its argument is ignored (RFC 5321, 4.1.1.9)."""
    return (yield from _asked(session, "NOOP", argument)) or replies.OK


def quit_(session: "SMTPSession", argument: str) -> CommandSteps:
    """QUIT (RFC 5321, 4.1.1.10). What was sent behind it is not looked at."""
    if argument:
        return replies.NO_ARGUMENT
    reply = (yield from _asked(session, "QUIT")) or replies.BYE
    session.ending = True
    return reply


def vrfy(session: "SMTPSession", argument: str) -> CommandSteps:
    """VRFY: yes or no where RCPT would ask (strict routing); where it takes everybody, 252 (RFC 5321, 3.5.3)."""
    return (yield from _verify(session, "VRFY", argument))


def expn(session: "SMTPSession", argument: str) -> CommandSteps:
    """EXPN: there are no lists here, so each address is a list of itself (RFC 5321, 3.5.2)."""
    return (yield from _verify(session, "EXPN", argument))


def _verify(session: "SMTPSession", verb: str, argument: str) -> CommandSteps:
    if verb not in extensions.offer(session.live).keywords:
        return replies.NOT_OFFERED
    words = argument.split()
    utf8 = session.extended and len(words) == 2 and words[1].upper() == "SMTPUTF8"  # RFC 6531, 3.7.4.2
    if not words or (len(words) > 1 and not utf8):
        return Reply(501, "5.5.4", f"Syntax: {verb} address")
    if not utf8 and not argument.isascii():
        return replies.NEEDS_UTF8
    try:
        address, _ = grammar.parse_path(words[0])
    except grammar.BadPath:
        return replies.BAD_RECIPIENT
    if not address:
        return replies.BAD_RECIPIENT
    if verb == "VRFY" and (answer := (yield from _asked(session, verb, str(address)))) is not None:
        return answer
    try:
        known: bool | None = yield Call(session.services.intake.knows, session.scope, address)
    except StoreError as error:
        session.services.report(error, session.scope)
        return replies.FAILED
    if known is None and verb == "VRFY":
        return Reply(252, "2.0.0", f"<{address}>")
    if known is False:
        return Reply(550, "5.1.1", f"<{address}> is not known here")
    return Reply(250, "2.1.5", f"<{address}>")


def help_(session: "SMTPSession", argument: str) -> CommandSteps:
    """HELP (RFC 5321, 4.1.1.8)."""
    from .session import COMMANDS

    if "HELP" not in extensions.offer(session.live).keywords:
        return replies.NOT_OFFERED
    yield from ()
    if not argument:
        verbs = " ".join(command.verb for command in COMMANDS.values() if command.there(session))
        return Reply(214, "2.0.0", "Commands:", verbs)
    command = COMMANDS.get(argument[:4].upper().encode())
    if command is None or command.verb != argument.upper() or not command.there(session):
        return Reply(504, "5.5.4", "There is no such command")
    return Reply(214, "2.0.0", f"Syntax: {command.syntax}")


def _asked(session: "SMTPSession", hook: str, *arguments: str) -> CommandSteps:
    policy = session.policy
    if policy is None or hook not in policy.hooks:
        return None
    answer: Reply | None = yield Later(policy.ask, hook, arguments)
    return answer

"""One SMTP, submission or LMTP conversation: reading lines, dispatch, replies, faults (RFC 5321, RFC 2033).

Invariants: the buffer is never searched twice over the same octets; a command's octets leave the buffer before it is
carried out; each command gets its reply before the next one is looked at; no secret gets into the record.
"""

import re
from collections.abc import Callable, Generator
from typing import Any, Final, Literal, NamedTuple

from .. import limits
from ..config import Live
from ..delivery.refusal import Refusal
from ..delivery.services import Services
from ..faults import Disconnected
from ..message.address import Address
from ..message.envelope import Envelope
from ..scopes import Scope
from ..transcript import Session
from ..wire.lines import InputEnded
from ..wire.machine import Machine, Steps
from ..wire.reply import Reply
from ..wire.steps import NEED_DATA, Later, Step
from . import auth, data, extensions, greet, mail, replies, various
from .policy import Policy
from .transaction import Transaction

Flavour = Literal["smtp", "submission", "lmtp"]
Handler = Callable[["SMTPSession", str], Generator[Step, Any, Reply | None]]


class Command(NamedTuple):
    """One command.

    Attributes:
        verb: upper case.
        run: carries it out; its value is the reply, None when it was said already.
        syntax: for HELP.
        turns_away: a negative reply to it is a refusal and is recorded.
        asks: it asks the rules itself before it is carried out, for it knows what they can match.
        before_tls: it is possible where STARTTLS is required and has not come yet (RFC 3207, 4).
    """

    verb: str
    run: Handler
    syntax: str
    turns_away: bool = False
    asks: bool = False
    before_tls: bool = False


COMMANDS: Final = {
    command.verb[:4].encode(): command
    for command in (
        Command("EHLO", greet.ehlo, "EHLO name", before_tls=True),
        Command("HELO", greet.helo, "HELO name"),
        Command("LHLO", greet.lhlo, "LHLO name", before_tls=True),
        Command("STARTTLS", greet.starttls, "STARTTLS", before_tls=True),
        Command("AUTH", auth.auth, "AUTH mechanism [initial-response]", turns_away=True),
        Command("MAIL", mail.mail, "MAIL FROM:<address> [parameters]", turns_away=True, asks=True),
        Command("RCPT", mail.rcpt, "RCPT TO:<address> [parameters]", turns_away=True, asks=True),
        Command("DATA", data.data, "DATA", turns_away=True),
        Command("BDAT", data.bdat, "BDAT octets [LAST]", turns_away=True, asks=True),
        Command("RSET", mail.rset, "RSET"),
        Command("NOOP", various.noop, "NOOP [anything]", before_tls=True),
        Command("VRFY", various.vrfy, "VRFY address"),
        Command("EXPN", various.expn, "EXPN address"),
        Command("HELP", various.help_, "HELP [command]"),
        Command("QUIT", various.quit_, "QUIT", before_tls=True),
    )
}

_HTTP: Final = re.compile(rb"(?:GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PRI) ")
_TLS_HANDSHAKE: Final = 0x16  # the first octet of a TLS record with a ClientHello (RFC 8446, 5.1)
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CREDENTIALS: Final = re.compile(rb"\s*(AUTH(?:\s+[\w-]+)?)\s+\S", re.IGNORECASE)
_LF: Final = 10
_CR: Final = 13
_BEHIND_VERB: Final = frozenset({b" ", b"\t", b""})


class SMTPSession(Machine):
    """The state machine.

    Attributes:
        services: of the server.
        rules: its fault rules.
        flavour: smtp, submission or lmtp.
        secure: whether the connection has TLS.
        helo: what the client called itself; None before EHLO, HELO or LHLO.
        extended: whether it said EHLO or LHLO.
        user: who has authenticated; None: nobody.
        transaction: open from MAIL to the end of the data; else None.
        mechanisms: what the last reply to EHLO offered for AUTH.
        policy: who is asked beside the server.
        ending: no further command is read.
    """

    def __init__(
        self, record: Session, scope: Scope, services: Services, *, flavour: Flavour, implicit_tls: bool = False,
        policy: Policy | None = None,
    ) -> None:  # fmt: skip
        """
        Args:
            record: of the connection.
            scope: current when it was made.
            services: of the server.
            flavour: what is spoken: ``submission`` requires AUTH where routing is strict (RFC 6409, 4.3).
            implicit_tls: the connection has TLS from its first octet (RFC 8314).
            policy: somebody to be asked beside the server.
        """
        super().__init__(record, scope, services.rules)
        self.services = services
        self.rules = services.rules
        self.flavour: Final = flavour
        self.secure = implicit_tls
        self.policy = policy
        self.helo: str | None = None
        self.extended = False
        self.user: str | None = None
        self.transaction: Transaction | None = None
        self.mechanisms: tuple[str, ...] = ()
        self.ending = False
        self.facts: dict[str, Any] = {}  # of the command being carried out, for the rules
        self.at_hand: Envelope | None = None  # what a refusal is recorded with, where it is not the transaction's
        self.recorded = False  # the command's refusal is recorded already
        self.tls_refused = False  # the policy did not like the client's TLS
        self._first = True  # nothing was understood yet
        self._silent = False  # after a failed AUTH what is unknown may be its responses
        self.timeout = scope.live.smtp_timeout

    # ------------------------------------------------------------ the driver's side

    def expired(self) -> bytes:
        """421 before the end (RFC 5321, 4.5.3.2)."""
        return self.say(replies.TIMEOUT)

    def run(self) -> Steps:
        """The conversation."""
        greeting = Reply(220, None, f"{self.services.hostname} {'LMTP' if self.flavour == 'lmtp' else 'ESMTP'} ready")
        if self.rules.active and (answer := (yield from self.ask("before", "CONNECT"))) is not None:
            greeting = replies.of_rule(answer)
            self.ending = not greeting.positive
        yield self.say(greeting)
        if self.ending:
            self.refuse("CONNECT", greeting)
            return
        try:
            yield from self._commands()
        except InputEnded:
            if self.transaction is not None:
                self.record.note(b"the client was gone before the end of its mail")

    # ------------------------------------------------------------ the loop

    def _commands(self) -> Steps:
        record = self.record
        services = self.services
        rules = self.rules
        unknown = 0
        while not self.ending:
            line = yield from self._read_line()
            if self.transaction is None:
                self.scope = services.scopes.current
            command = find_command(line)
            if command is None:
                unknown += 1
                self._log_unknown(line)
                self.ending = unknown == limits.UNKNOWN_COMMANDS
                yield self.say(replies.TOO_MANY_UNKNOWN if self.ending else replies.UNKNOWN)
                continue
            unknown = 0
            verb = command.verb
            if verb == "MAIL" and self.transaction is None:
                record.cut()  # what was said before is no part of this mail's transcript
            argument = self._argument(verb, line)
            if services.commands.listening:
                services.commands.heard(record, verb)
            if isinstance(argument, Reply):
                reply: Reply | None = argument
            else:
                reply = yield from self._carry_out(command, argument)
            self._silent = verb == "AUTH" and reply is not None and not reply.positive
            if reply is not None:
                if rules.active and (answer := (yield from self.ask("reply", verb, **self.facts))) is not None:
                    reply = replies.of_rule(answer)
                yield self.say(reply)
                if rules.active:
                    yield from self.ask("after", verb, **self.facts)

    def _read_line(self) -> Generator[Step, Any, bytes]:
        """The next line without its end: CRLF, or LF alone.

        Raises:
            InputEnded: there is none, or this is not our protocol.
        """
        buffer = self.buffer
        searched = 0
        while True:
            end = buffer.find(_LF, searched)
            if self._first and buffer and (buffer[0] == _TLS_HANDSHAKE or (end > 0 and _HTTP.match(buffer))):
                text = "the first octets are another protocol's"
                self.record.note(text.encode())
                self.refuse("CONNECT", text)
                raise InputEnded
            if end < 0 and len(buffer) <= limits.SMTP_LINE_END:
                searched = len(buffer)
                if self.eof:
                    raise InputEnded
                yield NEED_DATA
                continue
            self._first = False
            if 0 <= end < limits.SMTP_LINE:
                line = bytes(buffer[: end - 1 if end and buffer[end - 1] == _CR else end])
                del buffer[: end + 1]
                return line
            self.record.note(b"a line over the limit")
            if end < 0 or end > limits.SMTP_LINE_END:
                yield self.say(replies.ENDLESS_LINE)
                raise InputEnded
            del buffer[: end + 1]
            searched = 0
            yield self.say(replies.LINE_TOO_LONG)

    def _argument(self, verb: str, line: bytes) -> str | Reply:
        """What stands behind the verb; or the reply to a line that is no text. The line goes into the record."""
        try:
            text = line.decode()
        except UnicodeDecodeError:
            self.record.command(verb.encode() + b" (no UTF-8)")
            return replies.NOT_TEXT
        if not text.isprintable() and _CONTROLS.search(text := text.replace("\t", " ")) is not None:
            self.record.command(verb.encode() + b" (control characters)")
            return replies.CONTROLS
        self.record.command(redacted(line) if verb == "AUTH" else line)
        return text[len(verb) + 1 :].rstrip()  # trailing white space is tolerated (RFC 5321, 4.1.1)

    def _carry_out(self, command: Command, argument: str) -> Generator[Step, Any, Reply | None]:
        """One command; its reply, None where it has been said."""
        self.facts = {}
        self.at_hand, self.recorded = None, False
        try:
            reply: Reply | None = None
            if self.scope.live.starttls == "required" and not self.secure and not command.before_tls:
                reply = replies.TLS_FIRST
            elif self.tls_refused and command.verb != "QUIT":
                reply = replies.TLS_POOR
            elif self.rules.active:
                self.facts = self.transaction_facts()
                if not command.asks:
                    reply = yield from self.overruled(command.verb)
            if reply is None:
                reply = yield from command.run(self, argument)
        except (Disconnected, InputEnded):
            raise
        except Exception as error:  # noqa: BLE001  one command's failure must not end the conversation
            reply = yield from self._failed(error)
        if reply is not None and reply.code >= 400 and command.turns_away and not self.recorded:
            self.refuse(command.verb, reply)
        return reply

    def _failed(self, error: Exception) -> Generator[Step, Any, Reply]:
        policy = self.policy
        if policy is not None and "EXCEPTION" in policy.hooks:
            try:
                reply: Reply = yield Later(policy.ask, "EXCEPTION", (error,))
            except Exception as another:  # noqa: BLE001  the policy is not ours
                self.services.report(another, self.scope)
            else:
                return reply
        self.services.report(error, self.scope)
        return replies.FAILED

    def _log_unknown(self, line: bytes) -> None:
        """What is not understood may be a password all the same."""
        if self._silent:
            line = b"***"
        elif _CREDENTIALS.match(line) is not None:
            line = redacted(line)
        self.record.command(_CONTROLS.sub("?", line.decode("utf-8", "replace")).encode())

    # ------------------------------------------------------------ for the commands

    @property
    def live(self) -> Live:
        """The live settings that hold now."""
        return self.scope.live

    def say(self, reply: Reply) -> bytes:
        """Note a reply in the record; returns what to send."""
        text = reply.encoded if self._enhanced() else reply.plain
        self.record.reply(text)
        return text

    def spoken(self, reply: Reply) -> bytes:
        """A reply as it is sent to this client."""
        return reply.encoded if self._enhanced() else reply.plain

    def _enhanced(self) -> bool:
        changes = self.scope.live.smtp_extensions
        return not changes or "ENHANCEDSTATUSCODES" in extensions.offer(self.scope.live).keywords

    def overruled(self, verb: str, **facts: Any) -> Generator[Step, Any, Reply | None]:
        """Ask the rules whether a command is to be carried out; a reply says no. Only where rules are active."""
        self.facts.update(facts)
        answer = yield from self.ask("before", verb, **self.facts)
        return None if answer is None else replies.of_rule(answer)

    def transaction_facts(self) -> dict[str, Any]:
        """What rules can match in the open transaction."""
        transaction = self.transaction
        if transaction is None:
            return {}
        return {"sender": transaction.mail_from, "recipient": tuple(transaction.recipients)}

    def refuse(
        self, stage: str, reply: Reply | str, *, envelope: Envelope | None = None, raw: bytes | None = None,
        size: int | None = None,
    ) -> None:  # fmt: skip
        """Record that something was turned away. Commands out of order (5.5.1) are no mail turned away."""
        self.recorded = True
        if isinstance(reply, Reply) and reply.enhanced == "5.5.1":
            return
        envelope = envelope or self.at_hand
        if envelope is None:
            envelope = Envelope(Address(), ()) if self.transaction is None else self.transaction.envelope()
        text = self.spoken(reply).decode().rstrip("\r\n") if isinstance(reply, Reply) else reply
        self.services.intake.refuse(self.scope, Refusal(stage, text, envelope, self.record, raw=raw, size=size))

    def forget(self) -> None:
        """As after the greeting (RFC 3207, 4.2)."""
        self.helo = None
        self.extended = False
        self.user = None
        self.transaction = None
        self.mechanisms = ()
        self.record.helo = self.record.user = self.record.mechanism = None


def find_command(line: bytes) -> Command | None:
    """The command that a line begins with."""
    command = COMMANDS.get(line[:4].upper())
    if command is None:
        return None
    size = len(command.verb)
    if size != 4 and line[:size].upper() != command.verb.encode():
        return None
    return command if line[size : size + 1] in _BEHIND_VERB else None


def redacted(line: bytes) -> bytes:
    """An AUTH command without its initial response."""
    words = line.split(None, 2)
    return b" ".join([*words[:2], b"***"]) if len(words) > 2 else line

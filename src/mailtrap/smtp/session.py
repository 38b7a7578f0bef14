"""One SMTP, submission or LMTP conversation: reading lines, dispatch, replies, faults (RFC 5321, RFC 2033).

Invariants: the buffer is never searched twice over the same octets; a command's octets leave the buffer before it is
carried out; each command gets its reply before the next one is looked at; no secret gets into the record.
"""

import re
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

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
from ..wire.secrets import MASK, redacted
from ..wire.steps import NEED_DATA, Later, Step
from . import auth, data, extensions, greet, mail, replies, various, xclient
from .policy import Policy
from .transaction import Transaction

Flavour = Literal["smtp", "submission", "lmtp"]
CommandSteps = Generator[Step, Any, Reply | None]
Outcome = Reply | CommandSteps | None  # the reply, or the steps to it; None: it was said already
Handler = Callable[["SMTPSession", str], Outcome]


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        verb: upper case.
        run: carries it out.
        syntax: for HELP.
        turns_away: a negative reply to it is a refusal and is recorded.
        asks: it asks the rules itself before it is carried out, for it knows what they can match.
        before_tls: it is possible where STARTTLS is required and has not come yet (RFC 3207, 4).
        begins: a mail begins with it, where none is open.
        secret: what follows a failed one may be a client's responses.
        keyword: of EHLO, without which it is not there.
        flavours: in which it is there.
    """

    verb: str
    run: Handler
    syntax: str
    turns_away: bool = False
    asks: bool = False
    before_tls: bool = False
    begins: bool = False
    secret: bool = False
    keyword: str | None = None
    flavours: tuple[Flavour, ...] = ("smtp", "submission", "lmtp")

    def there(self, session: "SMTPSession") -> bool:
        """Whether it is offered now: for HELP; each command says itself that it is not."""
        return session.flavour in self.flavours and (self.keyword is None or extensions.offered(session, self.keyword))


# A line of a client: its command, what stands behind it (or the reply to what cannot stand there), and its log.
Understood = tuple[Command, str | Reply, bytes]

_SMTP: Final[tuple[Flavour, ...]] = ("smtp", "submission")
COMMANDS: Final = {
    command.verb[:4].encode(): command
    for command in (
        Command("EHLO", greet.ehlo, "EHLO name", before_tls=True, flavours=_SMTP),
        Command("HELO", greet.helo, "HELO name", flavours=_SMTP),
        Command("LHLO", greet.lhlo, "LHLO name", before_tls=True, flavours=("lmtp",)),
        Command("STARTTLS", greet.starttls, "STARTTLS", before_tls=True, keyword="STARTTLS"),
        Command("AUTH", auth.auth, "AUTH mechanism [initial-response]", turns_away=True, secret=True, keyword="AUTH"),
        Command("MAIL", mail.mail, "MAIL FROM:<address> [parameters]", turns_away=True, asks=True, begins=True),
        Command("RCPT", mail.rcpt, "RCPT TO:<address> [parameters]", turns_away=True, asks=True),
        Command("DATA", data.data, "DATA", turns_away=True),
        Command("BDAT", data.bdat, "BDAT octets [LAST]", turns_away=True, asks=True, keyword="CHUNKING"),
        Command("RSET", mail.rset, "RSET"),
        Command("NOOP", various.noop, "NOOP [anything]", before_tls=True),
        Command("VRFY", various.vrfy, "VRFY address", keyword="VRFY"),
        Command("EXPN", various.expn, "EXPN address", keyword="EXPN"),
        Command("HELP", various.help_, "HELP [command]"),
        Command(
            "XCLIENT",
            xclient.xclient,
            "XCLIENT attribute=value ...",
            turns_away=True,
            before_tls=True,
            keyword="XCLIENT",
        ),
        Command("QUIT", various.quit_, "QUIT", before_tls=True),
    )
}

_HTTP: Final = re.compile(rb"(?:GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PRI) ")
_TLS_HANDSHAKE: Final = b"\x16"  # the first octet of a TLS record with a ClientHello (RFC 8446, 5.1)
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LINE: Final = limits.SMTP_LINE
_SHORT_LINE: Final = 120  # octets of a line that is likely to come again
_AUTH: Final = b"aA"  # what AUTH begins with: its lines are not remembered
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
        origin: the host that the connection came from, whatever XCLIENT said since.
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
        self.origin = record.peer[0]
        self.facts: dict[str, Any] = {}  # of the command being carried out, for the rules
        self.at_hand: Envelope | None = None  # what a refusal is recorded with, where it is not the transaction's
        self.recorded = False  # the command's refusal is recorded already
        self.tls_refused = False  # the policy did not like the client's TLS
        self._silent = False  # after a failed AUTH what is unknown may be its responses
        self.timeout = scope.live.smtp_timeout

    # ------------------------------------------------------------ the driver's side

    def expired(self) -> bytes:
        """421 before the end (RFC 5321, 4.5.3.2)."""
        return self.say(replies.TIMEOUT)

    def outlived(self) -> bytes:
        """421 here too."""
        return self.say(replies.OUTLIVED)

    def greeting(self) -> Generator[Step, Any, Reply]:
        """The first reply to a client."""
        if self.turned_away:
            return Reply(421, "4.3.2", self.turned_away)
        if self.rules.active and (reply := (yield from self.overruled("CONNECT"))) is not None:
            return reply
        return replies.hello(220, f"{self.services.hostname} {'LMTP' if self.flavour == 'lmtp' else 'ESMTP'} ready")

    def run(self) -> Steps:
        """The conversation."""
        self.origin = self.record.peer[0]  # known by now, also where a PROXY header gave it
        greeting = yield from self.greeting()
        yield self.say(greeting)
        if not greeting.positive:
            self.refuse("CONNECT", greeting)
            return
        try:
            if (yield from self._is_ours()):
                yield from self._commands()
        except InputEnded:
            if self.transaction is not None:
                self.record.note(b"the client was gone before the end of its mail")

    # ------------------------------------------------------------ the loop

    def _is_ours(self) -> Generator[Step, Any, bool]:
        """Whether the first line may be SMTP: it is neither HTTP nor TLS."""
        buffer = self.buffer
        searched = 0
        while buffer.find(b"\n", searched) < 0 and len(buffer) <= limits.SMTP_LINE_END and not self.eof:
            if buffer[:1] == _TLS_HANDSHAKE:
                break
            searched = len(buffer)
            yield NEED_DATA
        tls = buffer[:1] == _TLS_HANDSHAKE
        if not tls and _HTTP.match(buffer) is None:
            return True
        text = f"another protocol: {'TLS' if tls else 'HTTP'} from the first octet"
        self.record.note(text.encode())
        self.refuse("CONNECT", text)
        return False

    def _commands(self) -> Steps:  # noqa: C901  one loop, for speed
        buffer, record, rules, scopes = self.buffer, self.record, self.rules, self.services.scopes
        commands = self.services.commands
        searched = unknown = 0
        while not self.ending:
            if not buffer and not self.eof:
                yield NEED_DATA
                continue
            end = buffer.find(b"\n", searched)
            if end < 0 and len(buffer) <= limits.SMTP_LINE_END:
                if self.eof:
                    return
                searched = len(buffer)
                yield NEED_DATA
                continue
            searched = 0
            if not 0 <= end < _LINE:
                yield self._too_long(end)
                continue
            line = bytes(buffer[: end + 1])
            del buffer[: end + 1]
            if self.transaction is None:
                self.scope = scopes.current
            understood = _often_understood(line) if end < _SHORT_LINE and line[0] not in _AUTH else understand(line)
            if understood is None:
                unknown += 1
                yield self._unknown(_without_end(line), unknown)
                continue
            unknown = 0
            command, argument, logged = understood
            if command.begins and self.transaction is None:
                record.part()  # what was said before is no part of this mail's transcript
            if rules.active:
                self.facts = self._transaction_facts()
            record.command(logged)
            if commands.listening:
                commands.heard(record, command.verb)
            if type(argument) is Reply:
                reply: Reply | None = argument
            else:
                try:
                    if self.tls_refused or (not self.secure and self.scope.live.starttls == "required"):
                        outcome = self._guarded(command, argument)
                    elif rules.active and not command.asks:
                        outcome = self._overruled_or(command, argument)
                    else:
                        outcome = command.run(self, argument)
                    reply = outcome if outcome is None or type(outcome) is Reply else (yield from outcome)
                except (Disconnected, InputEnded):
                    raise
                except Exception as error:  # noqa: BLE001  one command's failure must not end the conversation
                    reply = yield from self._failed(error)
                    if reply.positive:
                        self.at_hand, self.recorded = None, False
                if reply is None or not reply.positive:
                    if reply is not None and command.turns_away and not self.recorded:
                        self.refuse(command.verb, reply)
                    self.at_hand, self.recorded = None, False
            self._silent = command.secret and (reply is None or not reply.positive)
            if reply is None:
                continue
            if rules.active:
                reply = (yield from self.conclude("reply", command.verb)) or reply
            yield self.say(reply)
            if rules.active:
                yield from self.conclude("after", command.verb)

    def _guarded(self, command: Command, argument: str) -> Outcome:
        """Carry out one command, or begin to, where TLS is wanted and not there, or not liked."""
        if not self.secure and not command.before_tls and self.scope.live.starttls == "required":
            return replies.TLS_FIRST
        if self.tls_refused and command.verb != "QUIT":
            return replies.TLS_POOR
        if self.rules.active and not command.asks:
            return self._overruled_or(command, argument)
        return command.run(self, argument)

    def _overruled_or(self, command: Command, argument: str) -> CommandSteps:
        reply = yield from self.overruled(command.verb)
        if reply is not None:
            return reply
        outcome = command.run(self, argument)
        return outcome if outcome is None or isinstance(outcome, Reply) else (yield from outcome)

    def _too_long(self, end: int) -> bytes:
        """A line that is over the limit, up to its end where it has one (RFC 5321, 4.5.3.1.9)."""
        self.record.note(b"a line over the limit")
        self.ending = not 0 <= end <= limits.SMTP_LINE_END
        del self.buffer[: end + 1]
        return self.say(replies.ENDLESS_LINE if self.ending else replies.LINE_TOO_LONG)

    def _unknown(self, line: bytes, number: int) -> bytes:
        """What is no command; it may be a password all the same."""
        line = MASK if self._silent else redacted(line)
        self.record.command(_CONTROLS.sub("?", line.decode("utf-8", "replace")).encode())
        self.ending = 0 < self.scope.live.max_bad_commands <= number
        return self.say(replies.TOO_MANY_UNKNOWN if self.ending else replies.UNKNOWN)

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

    # ------------------------------------------------------------ for the commands

    @property
    def live(self) -> Live:
        """The live settings that hold now."""
        return self.scope.live

    def say(self, reply: Reply) -> bytes:
        """Note a reply in the record; returns what to send."""
        if self.scope.live.smtp_extensions:
            text = self.spoken(reply)
            self.record.reply(text)
            return text
        self.record.add(reply.logged)
        return reply.encoded

    def spoken(self, reply: Reply) -> bytes:
        """A reply as it is sent to this client."""
        live = self.scope.live
        if live.smtp_extensions and "ENHANCEDSTATUSCODES" not in extensions.offer(live).keywords:
            return reply.plain
        return reply.encoded

    def overruled(self, verb: str, **facts: Any) -> Generator[Step, Any, Reply | None]:
        """Ask the rules whether a command is to be carried out; a reply says no. Only where rules are active."""
        self.facts.update(facts)
        return (yield from self._asked("before", verb))

    def _asked(self, stage: str, verb: str) -> Generator[Step, Any, Reply | None]:
        answer = yield from self.ask(stage, verb, **self.facts)
        return None if answer is None else replies.of_rule(answer)

    def conclude(self, stage: Literal["reply", "after"], verb: str) -> Generator[Step, Any, Reply | None]:
        """Ask the rules about a command that was carried out; a reply takes the place of its own."""
        try:
            return (yield from self._asked(stage, verb))
        except Disconnected:
            raise
        except Exception as error:  # noqa: BLE001  a rule may raise anything, as a bug would
            self.services.report(error, self.scope)
            return replies.FAILED

    def _transaction_facts(self) -> dict[str, Any]:
        transaction = self.transaction
        if transaction is None:
            return {}
        return {"sender": transaction.mail_from, "recipient": tuple(transaction.recipients)}

    def open_transaction(self, transaction: Transaction) -> None:
        """MAIL was accepted."""
        self.transaction = transaction
        self.record.begin_transaction()

    def end_transaction(self) -> None:
        """It is over, or there was none."""
        if self.transaction is not None:
            self.transaction = None
            self.record.end_transaction()

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
        self.end_transaction()
        self.mechanisms = ()
        self.record.helo = self.record.user = self.record.mechanism = None


def _without_end(line: bytes) -> bytes:
    return line[:-2] if line[-2:] == b"\r\n" else line[:-1]


def find_command(line: bytes) -> Command | None:
    """The command that a line begins with."""
    command = COMMANDS.get(line[:4].upper())
    if command is None:
        return None
    size = len(command.verb)
    if size != 4 and line[:size].upper() != command.verb.encode():
        return None
    return command if line[size : size + 1] in _BEHIND_VERB else None


def understand(line: bytes) -> Understood | None:
    """A line with its end, as far as it can be understood without a session; None where it begins with no command."""
    line = _without_end(line)
    command = find_command(line)
    if command is None:
        return None
    verb = command.verb
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return command, replies.NOT_TEXT, verb.encode() + b" (no UTF-8)"
    if not text.isprintable() and _CONTROLS.search(text := text.replace("\t", " ")) is not None:
        return command, replies.CONTROLS, verb.encode() + b" (control characters)"
    # trailing white space is tolerated (RFC 5321, 4.1.1)
    return command, text[len(verb) + 1 :].rstrip(), redacted(line) if verb == "AUTH" else line


_often_understood = lru_cache(maxsize=4096)(understand)  # never of AUTH: its lines have secrets

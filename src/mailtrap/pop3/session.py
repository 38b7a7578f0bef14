"""One POP3 connection: reads commands, asks the fault rules, writes answers. The commands are in their own modules."""

import os
import re
from collections.abc import Generator
from typing import Any, Final

from .. import clock, limits
from ..delivery.refusal import Refusal
from ..delivery.services import Services
from ..errors import StoreError
from ..faults import Disconnected, Respond
from ..message.address import Address
from ..message.envelope import Envelope
from ..scopes import Scope
from ..transcript import Session
from ..wire import sasl
from ..wire.lines import InputEnded, LineTooLong, read_line
from ..wire.machine import Machine, Steps
from ..wire.secrets import redacted
from ..wire.steps import NEED_DATA, StartTLS, Step
from .answer import Answer, AnswerSteps, Command, State, Then, error
from .capabilities import offers
from .commands import COMMANDS
from .maildrop import Maildrop, NoSuchMessage

_HTTP: Final = re.compile(rb"(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|TRACE|CONNECT|PRI) [^ ]+ HTTP/")
_TLS_RECORD: Final = 0x16
_TOO_LONG: Final = b"-ERR The line is too long"


class POP3Session(Machine):
    """A POP3 session (RFC 1939).

    Attributes:
        services: of the server.
        maildrop: what was opened; None in the AUTHORIZATION state.
        name: what USER said, until PASS used it.
        utf8: whether the client said UTF8.
        tls: whether the connection has TLS.
        banner: the timestamp of the greeting, which APOP hashes; None where APOP is not offered.
    """

    # expired() says nothing: RFC 1939, 3: the end without a response, and no message is removed

    def __init__(self, record: Session, scope: Scope, services: Services, *, implicit_tls: bool = False) -> None:
        super().__init__(record, scope, services.rules)
        self.services = services
        self.maildrop: Maildrop | None = None
        self.name: str | None = None
        self.utf8 = False
        self.tls = implicit_tls
        self.banner: bytes | None = None
        self.timeout = scope.live.pop3_timeout
        self._unknown = 0  # in a row

    @property
    def state(self) -> State:
        """Where the session is."""
        return State.AUTHORIZATION if self.maildrop is None else State.TRANSACTION

    # ------------------------------------------------------------ the conversation

    def run(self) -> Steps:
        """The conversation."""
        try:
            if not (yield from self._greet()):
                return
            while not self.buffer and not self.eof:
                yield NEED_DATA
            if self.buffer and self.buffer[0] == _TLS_RECORD:  # it has no line end to wait for
                yield self._foreign()
                return
            yield from self._commands()
        except InputEnded:
            if not self.eof:
                yield self._line(_TOO_LONG)

    def _greet(self) -> Generator[Step, Any, bool]:
        """Say hello; whether the session goes on."""
        if self.turned_away:
            answer = error(self.turned_away, "SYS/TEMP")  # RFC 3206, 3
            self.refuse("CONNECT", answer)
            yield self._line(answer.status)
            return False
        if self._rules.active and (response := (yield from self.ask("before", "CONNECT"))) is not None:
            answer = _instead(response)
            if not _positive(answer):
                self.refuse("CONNECT", answer)
            yield self._line(answer.status)
            return _positive(answer)
        hostname = self.services.hostname.encode()
        greeting = b"+OK %b POP3 server ready" % hostname
        if offers(self, "APOP") and (yield from sasl.knows_passwords(self.services, self.scope)):
            # another one at each connection (RFC 1939, 7)
            self.banner = b"<%b.%d@%b>" % (os.urandom(8).hex().encode(), clock.now(), hostname)
            greeting += b" " + self.banner
        yield self._line(greeting)
        if self._rules.active:
            yield from self.ask("after", "CONNECT")
        return True

    def line(self) -> Generator[Step, Any, bytes]:
        """The next line of input, without its end; ``LineTooLong`` or ``InputEnded``."""
        return read_line(self, limits.POP3_LINE, limits.POP3_LINE_END)

    def _commands(self) -> Steps:  # noqa: C901  one loop, for speed
        """Read one command after the other and answer each, to the end of the session."""
        buffer, record, services, rules = self.buffer, self.record, self.services, self._rules
        first = True
        while True:
            while not buffer and not self.eof:
                yield NEED_DATA
            try:
                if 0 < (end := buffer.find(b"\r\n")) < limits.POP3_LINE - 1 and buffer.find(b"\n", 0, end) < 0:
                    line = bytes(buffer[:end])  # as in nearly every case: it is here, whole
                    del buffer[: end + 2]
                else:
                    line = yield from self.line()
            except LineTooLong:
                record.note(b"a line over the limit")
                yield self._line(_TOO_LONG)
                first = False
                continue
            word, _, argument = line.partition(b" ")
            command = COMMANDS.get(word.upper())
            if command is not None:
                record.command(redacted(line) if command.secret else line)
                verb = command.verb
                if command.capability is not None and not offers(self, command.capability):
                    command = None
            else:
                record.command(redacted(line))  # a mistyped password is still a secret
                verb = word.decode("ascii", "replace").upper()
                if first and _HTTP.match(line):
                    yield self._foreign()
                    return
            first = False
            if self.maildrop is None:
                self.scope = services.scopes.current  # a reader belongs to the scope current at the login
            if services.commands.listening:
                services.commands.heard(record, verb)
            try:
                if rules.active:
                    answer = yield from self._ruled(command, verb, argument)
                else:
                    outcome = self._begin(command, argument)
                    answer = outcome if isinstance(outcome, Answer) else (yield from outcome)
            except NoSuchMessage as failure:
                answer = error(str(failure))
            except (Disconnected, InputEnded):
                raise
            except StoreError as failure:
                services.report(failure, self.scope)
                answer = error("The store cannot answer now; try again later", "SYS/TEMP")
            except Exception as failure:  # noqa: BLE001  a bug, or a rule's: reported, and the session goes on
                services.report(failure, self.scope)
                answer = error("Something went wrong in the server", "SYS/TEMP")
            status, body, then = answer
            if body is None:
                yield self._line(status)
            elif isinstance(body, bytes):
                record.reply(status)
                yield b"%b\r\n%b" % (status, body)
            else:
                yield self._line(status)
                yield from body
            if (then is not Then.GO_ON or rules.active) and not (yield from self._after(answer, verb)):
                return

    def _ruled(self, command: Command | None, verb: str, argument: bytes) -> AnswerSteps:
        """Carry out a command, unless a rule answers instead."""
        if (response := (yield from self.ask("before", verb, **self._facts()))) is not None:
            answer = _instead(response)
            if command is not None and command.multiline_with(argument) and _positive(answer):
                return answer._replace(body=(b".\r\n",))  # else the client waits for it
            return answer
        answer = yield from self._carry_out(command, argument)
        if (response := (yield from self.ask("reply", verb, **self._facts()))) is not None:
            instead = _instead(response)
            listing = answer.body is not None and _positive(instead)
            return Answer(instead.status, (b".\r\n",) if listing else None, answer.then)
        return answer

    def _facts(self) -> dict[str, str | None]:
        return {
            "user": self.record.user or self.name,
            "mailbox": None if self.maildrop is None else "INBOX",
        }

    def _carry_out(self, command: Command | None, argument: bytes) -> AnswerSteps:
        """Carry out a command, to its answer."""
        try:
            outcome = self._begin(command, argument)
            return outcome if isinstance(outcome, Answer) else (yield from outcome)
        except NoSuchMessage as failure:
            return error(str(failure))

    def _begin(self, command: Command | None, argument: bytes) -> Answer | AnswerSteps:
        """Carry out a command, or begin to."""
        if command is None:
            self._unknown += 1
            if 0 < self.scope.live.max_bad_commands <= self._unknown:
                return Answer(b"-ERR Too many unknown commands", then=Then.END)
            return Answer(b"-ERR Unknown command")
        self._unknown = 0
        if command.state is not None and command.state is not self.state:
            return error("Not " + ("before" if self.maildrop is None else "after") + " the login")
        return command.run(self, argument)

    def _after(self, answer: Answer, verb: str) -> Generator[Step, Any, bool]:
        """Do what comes after an answer that was given; whether the session goes on."""
        if answer.then is Then.TLS and _positive(answer):
            self.record.tls = yield StartTLS()  # which drops what came with the command in clear
            self.tls = True
            self.name = None  # what was said before TLS is forgotten (RFC 2595, 4)
        if self._rules.active:
            yield from self.ask("after", verb, **self._facts())
        return answer.then is not Then.END

    def _line(self, status: bytes) -> bytes:
        self.record.reply(status)
        return status + b"\r\n"

    def _foreign(self) -> bytes:
        self.record.note(b"the client speaks another protocol")
        return self._line(b"-ERR This is a POP3 server")

    # ------------------------------------------------------------ for the commands

    def mechanisms(self) -> Generator[Step, Any, tuple[str, ...]]:
        """The SASL mechanisms offered now."""
        return sasl.offered(
            self.services, self.record, self.scope, tls=self.tls, changes=self.scope.live.pop3_capabilities
        )

    def refuse(self, stage: str, answer: Answer, user: str = "") -> None:
        """Record that a login or the connection was turned away."""
        scope = self.services.directory.scope_of(user, self.scope)
        refusal = Refusal(stage, answer.status.decode("utf-8", "replace"), Envelope(Address(), ()), self.record)
        self.services.intake.refuse(scope, refusal)


def _instead(response: Respond) -> Answer:
    """What a rule says instead: ``+OK``, anything else is ``-ERR``."""
    word = b"+OK" if response.reply == "+OK" else b"-ERR"
    return Answer(b"%b %b" % (word, response.text.encode("utf-8", "replace")) if response.text else word)


def _positive(answer: Answer) -> bool:
    return answer.status.startswith(b"+OK")

"""The conversation of one IMAP connection: states, dispatch, and what is told between commands.

Invariants:

- One command at a time, in the order they came; each gets exactly one tagged reply, unless the connection ends.
- What others changed is told between two commands (or in IDLE), before the tagged reply, never into the middle of one.
- No exception of a handler ends the session: it is reported, and the command is answered NO [SERVERBUG].
"""

import math
import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import Any, Final

from .. import clock, limits
from ..delivery.refusal import Refusal as Turned
from ..delivery.services import Services
from ..faults import Disconnected
from ..message.address import Address
from ..message.envelope import Envelope
from ..scopes import Scope
from ..store.rows import ALL, Key, MailboxRow
from ..transcript import Session
from ..wire.lines import InputEnded
from ..wire.lines import read_line as read_line_of
from ..wire.machine import Machine, Steps
from ..wire.steps import NEED_DATA, Close, Pause, Step
from . import capabilities, responses
from .collect import Collector, Command, Dropped, Overflow
from .command import AUTHENTICATED, NOT_AUTHENTICATED, SELECTED, WITH_MAILBOX, Gate, Handled, Spec
from .commands import COMMANDS
from .commands.fetch import answer_for
from .commands.notify import Notifier, told
from .endings import as_answer, as_reply, reply_to
from .fetch_items import Item
from .literals import asked
from .log import Log
from .namespace import Namespace
from .responses import Goodbye, Refusal, Reply
from .rights import require, selected_rights
from .telling import tell
from .tokens import Incomplete, Scanner, SyntaxFault
from .view import View

_HTTP: Final = re.compile(rb"(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|TRACE|CONNECT|PRI) \S+ HTTP/\d")
_TLS_RECORD: Final = b"\x16\x03"
_SOON: Final = 1.0  # seconds: what could not be looked at is looked at again
_TAG: Final = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\+]+')


class IMAPSession(Machine):
    """One connection.

    Attributes:
        services: of the server.
        implicit_tls: whether TLS was there from the first octet.
        key: the account; None before the login.
        view: the selected mailbox; None where none is.
        enabled: what the client enabled (RFC 5161).
        uses_numbers: whether this command has sequence numbers, so that EXPUNGE must wait.
        compressed: whether the connection has the deflate layer.
        logging_out: whether the session ends after the tagged reply of this command.
        notifier: what the client is told without asking (RFC 5465); None: what happens in the selected mailbox.
        afterwards: what is done after that reply has left, where it is OK.
        tag: of the command that is carried out.
    """

    def __init__(self, record: Session, scope: Scope, services: Services, *, implicit_tls: bool = False) -> None:
        self.services = services
        self.implicit_tls = implicit_tls
        self.key: Key | None = None
        self.view: View | None = None
        self.enabled: set[str] = set()
        self.uses_numbers = False
        self.compressed = False
        self.notifier: Notifier | None = None
        self.logging_out = False
        self.afterwards: Callable[[], Steps] | None = None
        self._unknown = 0
        self.tag = b"*"
        self._log = Log(record)
        super().__init__(record, scope, services.rules)
        self.collector = Collector(self.buffer)

    # ------------------------------------------------------------ what handlers ask

    @property
    def secure(self) -> bool:
        """Whether the connection has TLS."""
        return self.implicit_tls or self.record.tls is not None

    @property
    def account(self) -> Key:
        """The account that is logged in."""
        assert self.key is not None
        return self.key

    @property
    def selected(self) -> View:
        """The selected mailbox."""
        assert self.view is not None
        return self.view

    def offers(self, name: str) -> bool:
        """Whether a capability holds for this session now."""
        capability = capabilities.BY_NAME[name.upper()]
        changes = self.scope.live.imap_capabilities
        if capabilities.switched_off(name, changes):
            return False
        if not capability.default and not any(change.upper() == f"+{name.upper()}" for change in changes):
            return False
        if capability.needs and not self.offers(capability.needs):
            return False
        return capability.when is None or capability.when(self)

    @property
    def condstore(self) -> bool:
        """Whether the client has enabled CONDSTORE, by whatever command (RFC 7162, 3.1)."""
        return "CONDSTORE" in self.enabled

    @property
    def rev2(self) -> bool:
        """Whether the client has enabled IMAP4rev2 (RFC 9051, 6.3.1)."""
        return "IMAP4REV2" in self.enabled

    @property
    def utf8(self) -> bool:
        """Whether names of mailboxes are UTF-8 (RFC 9051, 5.1; RFC 6855, 3)."""
        return self.rev2 or "UTF8=ACCEPT" in self.enabled

    @property
    def names(self) -> Namespace:
        """How mailboxes are called."""
        return Namespace.of(self.scope.live)

    def told(self, row: MailboxRow) -> str:
        """The name of a mailbox on the wire."""
        return self.names.told(row.account, row.name, self.account)

    @property
    def uid_only(self) -> bool:
        """Whether there are no message numbers, neither in commands nor in responses (RFC 9586)."""
        return "UIDONLY" in self.enabled

    def note_numbers(self, used: bool) -> None:
        """A command has message numbers, or not.

        Raises:
            Refusal: there are none (RFC 9586, 3).
        """
        if used and self.uid_only:
            raise Refusal("With UIDONLY there are no message numbers", "UIDREQUIRED", "BAD")
        self.uses_numbers |= used

    def enable_condstore(self) -> bytes:
        """The client used CONDSTORE. At the first time with a mailbox selected there is something to say."""
        if self.condstore:
            return b""
        self.enabled.add("CONDSTORE")
        return b"" if self.view is None else b"* OK [HIGHESTMODSEQ %d] The highest\r\n" % self.view.told

    def told_of(self, mailbox: int) -> int | None:
        """Up to which MODSEQ the client was told, where that mailbox is selected and something is withheld."""
        view = self.view
        return view.told if view is not None and view.mailbox.id == mailbox and view.withheld else None

    def forget_login(self) -> None:
        """As it was before the login: nobody, no mailbox, nothing enabled (RFC 8437, 3)."""
        self.key = None
        self.view = None
        self.notifier = None
        self.enabled.clear()
        self.record.user = self.record.mechanism = None
        self.scope = self.services.scopes.current
        self.record.scope = self.scope.name
        self.timeout = self.scope.live.imap_timeout

    def writable(self) -> View:
        """The selected mailbox, to change it.

        Raises:
            Refusal: it was selected with EXAMINE.
        """
        if self.selected.read_only:
            raise Refusal("The mailbox was selected read-only", "CANNOT")
        return self.selected

    def fetched(self, items: Sequence[Item], uids: Sequence[int]) -> Steps:
        """Tell of messages in the selected mailbox as FETCH does."""
        yield from answer_for(self, items, uids)

    @property
    def patience(self) -> float | None:
        """Seconds until time alone changes the results of an updated search; None: it does not.

        It is past where the mailbox may not be read at the moment.
        """
        due = math.inf if self.view is None else self.view.due
        if due == math.inf:
            return None
        left = due - clock.now()
        return left if left > 0 else _SOON

    def read_line(self) -> Generator[Step, Any, bytes]:
        """One line that belongs to a command that has begun: a SASL response, DONE."""
        return read_line_of(self, limits.IMAP_LINE, limits.IMAP_LINE_END)

    # ------------------------------------------------------------ the conversation

    def run(self) -> Steps:
        """From the greeting to the end."""
        self.timeout = self.scope.live.imap_timeout
        try:
            if (yield from self._greet()):
                while not self.logging_out and (command := (yield from self._collect())) is not None:
                    yield from self._perform(command)
        except Goodbye as goodbye:
            yield self._log.untagged(goodbye.reply)
        except InputEnded:
            pass
        yield Close()

    def expired(self) -> bytes:
        """RFC 3501, 5.4."""
        return self._bye("Idle for too long")

    def outlived(self) -> bytes:
        """The same for another reason."""
        return self._bye("The session has lasted too long")

    def _bye(self, text: str, code: str = "") -> bytes:
        return self._log.untagged(Reply("BYE", text, code))

    def _greet(self) -> Generator[Step, Any, bool]:
        if self.turned_away:
            line = self._bye(self.turned_away, "UNAVAILABLE")  # RFC 5530, 3
            reply = line.decode().strip().removeprefix("* ")
            refusal = Turned("CONNECT", reply, Envelope(Address(), ()), self.record)
            self.services.intake.refuse(self.scope, refusal)
            yield line
            return False
        code = b"CAPABILITY " + (yield from capabilities.offered(self))
        greeting = Reply("OK", f"{self.services.hostname} ready", code)
        if self._rules.active:
            answer = yield from self.ask("before", "CONNECT")
            if answer is not None:
                greeting = as_reply(answer, "BYE")
        yield self._log.untagged(greeting)
        return greeting.kind != "BYE"

    # ------------------------------------------------------------ collecting

    def _collect(self) -> Generator[Step, Any, Command | None]:
        """The next whole command; None where the input ends."""
        first = self._log.commands == 0 and self.key is None
        gate: Gate | None = None
        refused: Reply | None = None
        while True:
            if first and len(self.buffer) >= len(_TLS_RECORD):
                first = False
                if self.buffer.startswith(_TLS_RECORD):
                    self.record.note(b"a TLS record on a connection without TLS")
                    return None
            event = self.collector.next()
            if event is None:
                if self.eof:
                    return None
                if self._has_news():
                    yield from self._notify()
                    continue  # a command may have come meanwhile
                yield NEED_DATA
            elif isinstance(event, Command):
                return event
            elif isinstance(event, Overflow):
                raise Goodbye("That is too much", "TOOBIG")
            elif isinstance(event, Dropped):
                self._log.command(event.text)
                reply = refused or Reply("BAD", "The command line is too long", "TOOBIG")
                yield from self._finish(_tag_of(event.text), reply)
                gate = refused = None
            else:
                gate, refused = yield from asked(self, event, gate)
                if refused is None:
                    self.collector.accept()
                    if event.synchronizing:
                        yield b"+ Ready for the literal\r\n"
                    continue
                self.collector.refuse()
                if event.synchronizing:
                    self._log.command(event.command.text)
                    yield from self._finish(_tag_of(event.command.text), refused)
                    gate = refused = None

    def _has_news(self) -> bool:
        """Whether to look for what a client has to be told now, between two commands (RFC 5465, 3)."""
        notifier = self.notifier
        return notifier is not None and self.collector.between and (self.woken or notifier.stale(self))

    def _notify(self) -> Steps:
        try:
            yield from self._log.kept(told(self))
        except (Goodbye, Disconnected):
            raise
        except Exception as error:  # noqa: BLE001  the next hint is another chance
            self.services.report(error, self.scope)

    # ------------------------------------------------------------ one command

    def _perform(self, command: Command) -> Steps:
        scanner = Scanner(command.text, command.literals, utf8=self.utf8)
        first = self._log.commands == 0 and self.key is None
        if first and _HTTP.match(command.text):
            self._log.command(command.text)
            raise Goodbye("This is IMAP, not HTTP")
        try:
            tag = scanner.tag()
            scanner.space()
        except SyntaxFault as fault:
            self._log.command(command.text)
            yield from self._finish(b"*", self._not_understood(Reply("BAD", f"No command: {fault}")))
            return
        try:
            spec, uid = self.spec_of(scanner)
        except (Refusal, SyntaxFault) as problem:
            self._log.command(command.text)
            reply = problem.reply if isinstance(problem, Refusal) else Reply("BAD", str(problem))
            known = isinstance(problem, Refusal) and reply.code == "CLIENTBUG"
            yield from self._finish(tag, reply if known else self._not_understood(reply))
            return
        self._unknown = 0
        self._log.command(command.text)
        for literal in command.literals:
            self.record.note(b"%d octets of a literal" % len(literal))
        yield from self._carry_out(tag, spec, uid, scanner)

    def spec_of(self, scanner: Scanner) -> tuple[Spec, bool]:
        """The command that comes next, and whether it is its UID form.

        Raises:
            Refusal: there is none of that name, or not in this state.
        """
        verb = scanner.word("a command")
        uid = verb == "UID"
        if uid:
            scanner.space()
            verb = scanner.word("a command")
        spec = COMMANDS.get(verb)
        if spec is None or (uid and not spec.has_uid):
            raise Refusal(f"Unknown command {'UID ' if uid else ''}{verb}", kind="BAD")
        needed = capabilities.needed_by(verb) if verb not in ("STARTTLS", "COMPRESS") else ()  # they say why not
        if uid and verb == "EXPUNGE":
            needed = ("UIDPLUS",)
        if needed and not any(map(self.offers, needed)):
            raise Refusal(f"Unknown command {verb}", kind="BAD")
        state = NOT_AUTHENTICATED if self.key is None else AUTHENTICATED if self.view is None else SELECTED
        if state not in spec.states:
            if state == NOT_AUTHENTICATED:
                when = "after the login"
            else:
                when = "while a mailbox is selected" if SELECTED in spec.states else "before the login"
            raise Refusal(f"{verb} is possible only {when}", "CLIENTBUG", "BAD")  # RFC 5530, 3
        return spec, uid

    def _not_understood(self, reply: Reply) -> Reply:
        self._unknown += 1
        if 0 < self.scope.live.max_bad_commands <= self._unknown:
            raise Goodbye("Too many commands that are none")
        return reply

    def _carry_out(self, tag: bytes, spec: Spec, uid: bool, scanner: Scanner) -> Steps:
        self.tag = tag
        self.uses_numbers = spec.numbered and not uid
        facts: dict[str, Any] = {}
        try:
            if self._rules.active:
                facts = self._facts(spec, scanner)
                answer = yield from self.ask("before", spec.verb, **facts)
                reply = yield from self._handle(spec, uid, scanner) if answer is None else as_answer(answer)
            else:
                reply = yield from self._handle(spec, uid, scanner)
        except (Goodbye, Disconnected, InputEnded):
            raise
        except Exception as error:  # noqa: BLE001  whatever a handler raises is a reply
            reply = reply_to(error, self.services, self.scope)
        if self.view is not None and reply.kind != "BAD" and not spec.fresh:
            try:
                yield from self._log.kept(tell(self, expunges=not self.uses_numbers, explicit=spec.explicit))
            except (Goodbye, Disconnected):
                raise
            except Exception as error:  # noqa: BLE001  the command is done: its reply stands
                self.services.report(error, self.scope)
            if self.condstore and self.view.withheld:
                # RFC 7162, 6: the client must not take a MODSEQ it saw for one up to which it knows everything
                code = f"HIGHESTMODSEQ {self.view.told}"
                if reply.kind == "OK" and not reply.code:
                    reply = replace(reply, code=code)
                else:
                    yield self._log.untagged(Reply("OK", "Something expunged is not told yet", code))
        if self._rules.active:
            answer = yield from self.ask("reply", spec.verb, **facts)
            reply = reply if answer is None else as_reply(answer)
        if not spec.announced:
            self.heard(spec.verb)
        yield from self._finish(tag, reply)
        afterwards, self.afterwards = self.afterwards, None
        if afterwards is not None and reply.kind == "OK":
            yield from afterwards()
        if self._rules.active:
            yield from self.ask("after", spec.verb, **facts)

    def _handle(self, spec: Spec, uid: bool, scanner: Scanner) -> Generator[Step, Any, Reply]:
        if spec.arguments:
            scanner.space()
        elif spec.arguments is not None:
            scanner.end()
        if spec.states is WITH_MAILBOX and not spec.fresh and self.selected.mailbox.account != self.key:
            require((yield from selected_rights(self)), "r")  # which another may take away at any time (RFC 4314, 4)
        if self.uid_only and spec.has_uid and not uid and spec.verb != "EXPUNGE":
            self.note_numbers(True)
        handler = self._in_progress(spec.handler(self, scanner, uid))
        reply = yield from (handler if spec.recorded else self._log.kept(handler, quiet=spec.quiet))
        return reply or Reply("OK", f"{'UID ' if uid else ''}{spec.verb} completed")

    def _in_progress(self, handler: Handled) -> Handled:
        """Tell from time to time that a command goes on, and how far it has come (RFC 9585)."""
        told = clock.monotonic()
        answer: Any = None
        error: Exception | None = None
        while True:
            try:
                step = handler.send(answer) if error is None else handler.throw(error)
            except StopIteration as done:
                reply: Reply | None = done.value
                return reply
            answer = error = None
            if type(step) is Pause and self.offers("INPROGRESS"):
                now = clock.monotonic()
                if now - told >= self.scope.live.imap_progress:
                    told = now
                    yield responses.in_progress(self.tag, step.done, step.total)
            try:
                answer = yield step
            except Exception as raised:  # noqa: BLE001  the driver's error belongs to the handler
                error = raised

    def heard(self, verb: str) -> None:
        """Tell who waits for a command of this client (``wait_for_command``)."""
        if self.services.commands.listening:
            self.services.commands.heard(self.record, verb)

    def _finish(self, tag: bytes, reply: Reply) -> Steps:
        """The tagged reply."""
        if reply.kind == "BYE":
            raise Goodbye(reply.text, reply.code)
        yield self._log.tagged(reply, tag)

    def _facts(self, spec: Spec, scanner: Scanner) -> dict[str, Any]:
        """What fault rules can match."""
        facts: dict[str, Any] = {}
        ahead = scanner.ahead()
        try:
            if spec.verb == "LOGIN":
                ahead.space()
                facts["user"] = ahead.astring().decode("utf-8", "replace")
            elif spec.names_mailbox:
                ahead.space()
                name = ahead.mailbox()
                place = self.names.locate(name)
                facts["mailbox"] = place.name if place.owner is None else name
        except (SyntaxFault, Incomplete, ValueError):
            pass  # what cannot be read is refused by the handler
        if "mailbox" not in facts and self.view is not None:
            facts["mailbox"] = self.view.mailbox.name
        return facts

    @property
    def is_record(self) -> bool:
        """Whether this is the account ``all``, into which nothing can be put."""
        return self.account.address == ALL


def _tag_of(text: bytes) -> bytes:
    found = _TAG.match(text)
    return found[0] if found and text[found.end() : found.end() + 1] in (b" ", b"\r", b"\n", b"") else b"*"

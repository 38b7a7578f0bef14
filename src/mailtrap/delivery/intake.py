"""The one door by which mail enters: hooks, routing, refusals, then the store.

Protocol sessions hand over *envelope and bytes*; what comes back is a reply. APPEND and ``deliver()`` name the mailbox
themselves and skip routing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from functools import lru_cache
from typing import Any, Final

from .. import clock
from ..errors import HookTimeout, NotAllowed, OverQuota, StoreError
from ..hookspecs import Change, Refuse
from ..message.address import Address
from ..message.envelope import NO_PARAMETERS, Envelope, Parameters
from ..plugins import Plugins
from ..scopes import Scope, Scopes
from ..store.base import Store
from ..store.rows import ALL, INBOX, NO_FLAGS, Delivery, Key, Origin, Receipt, Target
from ..transcript import Session
from ..wire.reply import Reply
from .accounts import Directory
from .refusal import Refusal

KEPT: Final = Reply(250, "2.0.0", "Ok: kept")
NO_SUCH_USER: Final = Reply(550, "5.1.1", "No such user here")
NOT_TO_ALL: Final = Reply(550, "5.1.1", "Nothing can be put into this account")
STORE_FAILED: Final = Reply(451, "4.3.0", "The store cannot take mail now; try again later")
HOOK_FAILED: Final = Reply(451, "4.3.0", "A plugin failed; try again later")
HOOK_SLOW: Final = Reply(451, "4.3.5", "A plugin took too long; try again later")
MAILBOX_FULL: Final = Reply(552, "5.2.2", "Mailbox full")
MAILBOX_FULL_NOW: Final = Reply(452, "4.2.2", "Mailbox full; try again later")

RecipientDone = Callable[[Reply | None, BaseException | None], None]
MailDone = Callable[["Outcome", BaseException | None], None]
AppendDone = Callable[[Sequence[Receipt] | None, BaseException | None], None]


@dataclass(slots=True)
class Outcome:
    """What became of a mail: ``KEPT`` and its receipts (one for each scope its recipients name), or a refusal.

    Attributes:
        turned_away: recipients for whom it was not kept though it was for others (RFC 2033, 4.2).
    """

    reply: Reply
    receipts: Sequence[Receipt] = ()
    turned_away: Mapping[Address, Reply] = field(default_factory=dict)


@dataclass(slots=True)
class Incoming:
    """A mail that has come in whole.

    Attributes:
        scope: current at MAIL FROM; a recipient whose domain names another scope is filed there.
        transcript: of its transaction, as ``Session.cut()`` gives it.
    """

    session: Session
    scope: Scope
    origin: Origin
    envelope: Envelope
    raw: bytes
    transcript: bytes = b""


@dataclass(frozen=True, slots=True)
class Appended:
    """One message of an APPEND.

    Attributes:
        replaces: copies that go in the same commit, as mailbox and UID (RFC 8508).
    """

    raw: bytes
    flags: frozenset[str] = NO_FLAGS
    internal_date: float | None = None
    replaces: Sequence[tuple[int, int]] = ()


class Refused(StoreError):
    """A hook refused an APPEND; the text is what the client is told."""


class Intake:
    """The intake of one server."""

    def __init__(
        self, store: Store, scopes: Scopes, directory: Directory, plugins: Plugins,
        *, report: Callable[[BaseException, Scope], None], in_worker: Callable[..., None],
        refused: Callable[[Refusal], None], kept: Callable[[Sequence[Receipt]], None] | None, hostname: str,
    ) -> None:  # fmt: skip
        """
        Args:
            report: takes an exception that belongs into the errors of a scope.
            in_worker: runs a function with arguments in a worker thread.
            refused: is told of every refusal after it was recorded.
            kept: is told of what was kept; None where nobody asks.
            hostname: of the server, for Received.
        """
        self._store = store
        self._scopes = scopes
        self._directory = directory
        self._plugins = plugins
        self._report = report
        self._in_worker = in_worker
        self._refused = refused
        self._kept = kept
        self._hostname = hostname
        self._hooked_recipients = plugins.has("mailtrap_before_recipient")
        self._hooked_messages = plugins.has("mailtrap_before_message")

    # ------------------------------------------------------------ recipients

    def trusts(self, scope: Scope, recipient: Address) -> bool:
        """Whether a recipient is accepted without asking anybody: then ``recipient()`` need not be called."""
        if self._hooked_recipients:
            return False
        scope = self._scopes.by_domain(recipient.domain) or scope
        return scope.live.routing == "open" and recipient.account != ALL

    def recipient(
        self, session: Session, scope: Scope, mail_from: Address, recipient: Address, parameters: Parameters,
        done: RecipientDone,
    ) -> None:  # fmt: skip
        """Decide on one RCPT: ``done(None, None)`` accepts, ``done(reply, None)`` refuses."""

        def route() -> None:
            try:
                done(self._route(scope, recipient), None)
            except StoreError as error:
                self._report(error, scope)
                done(STORE_FAILED, None)

        def asked(answer: Any, error: BaseException | None) -> None:
            if error is not None:
                done(HOOK_SLOW if isinstance(error, HookTimeout) else HOOK_FAILED, None)
            elif isinstance(answer, Refuse):
                done(Reply.parse(answer.code, answer.text), None)
            else:
                self._apart(route)

        if self._hooked_recipients:
            self._plugins.before(
                "mailtrap_before_recipient", scope.live.hook_timeout, asked,
                report=lambda error: self._report(error, self._named(scope, (recipient,))),
                session=session, mail_from=mail_from, recipient=recipient, parameters=parameters,
            )  # fmt: skip
        else:
            self._apart(route)

    def knows(self, scope: Scope, recipient: Address) -> bool | None:
        """Whether a recipient is one (VRFY); None where it would be accepted without being known. Asks the store."""
        scope = self._scopes.by_domain(recipient.domain) or scope
        if self._route(scope, recipient) is not None:
            return False
        return True if scope.live.routing == "strict" and self._is_local(scope, recipient) else None

    def _route(self, scope: Scope, recipient: Address) -> Reply | None:
        scope = self._scopes.by_domain(recipient.domain) or scope
        if recipient.account == ALL:
            return NOT_TO_ALL
        if scope.live.routing == "strict" and self._is_local(scope, recipient):
            return None if self._directory.accepts(scope, recipient) else NO_SUCH_USER
        return None

    @staticmethod
    def _is_local(scope: Scope, recipient: Address) -> bool:
        domains = scope.live.local_domains
        return not domains or not recipient.domain or recipient.domain in domains or recipient.domain == scope.domain

    # ------------------------------------------------------------ whole mails

    def submit(self, mail: Incoming, done: MailDone) -> None:
        """Take a mail in; ``done(outcome, None)`` is called once it is kept or refused, from whatever thread.

        A refusal is recorded here.
        """
        if self._hooked_messages:

            def asked(answer: Any, error: BaseException | None) -> None:
                if error is not None:
                    self._turn_away(mail, HOOK_SLOW if isinstance(error, HookTimeout) else HOOK_FAILED, done)
                elif isinstance(answer, Refuse):
                    self._turn_away(mail, Reply.parse(answer.code, answer.text), done)
                else:
                    self._route_mail(_changed(mail, answer), done)

            self._plugins.before(
                "mailtrap_before_message", mail.scope.live.hook_timeout, asked,
                report=lambda error: self._report(error, self._named(mail.scope, mail.envelope.recipients)),
                session=mail.session, origin=mail.origin, envelope=mail.envelope, raw=mail.raw,
            )  # fmt: skip
        else:
            self._route_mail(mail, done)

    def _route_mail(self, mail: Incoming, done: MailDone) -> None:
        if self._scopes.alone:
            self._keep(mail, done)  # nothing is looked up
        else:
            self._apart(lambda: self._keep(mail, done))

    def _keep(self, mail: Incoming, done: MailDone) -> None:
        try:
            batch = self._deliveries(mail)
        except StoreError as error:
            self._report(error, mail.scope)
            self._turn_away(mail, STORE_FAILED, done)
            return

        def submitted(receipts: Sequence[Receipt] | None, error: BaseException | None) -> None:
            if error is None:
                assert receipts is not None
                if self._kept is not None:
                    self._kept(receipts)
                done(Outcome(KEPT, receipts), None)
            elif isinstance(error, OverQuota):
                self._over_quota(mail, error, done)
            else:
                self._report(error, mail.scope)
                self._turn_away(mail, STORE_FAILED, done)

        self._store.submit(batch, submitted)

    def _over_quota(self, mail: Incoming, error: OverQuota, done: MailDone) -> None:
        """Somebody has no room. With LMTP the others still get the mail: each is answered for (RFC 2033, 4.2)."""
        reply = MAILBOX_FULL if mail.scope.live.over_quota == "reject" else MAILBOX_FULL_NOW
        envelope = mail.envelope
        rest: list[tuple[Address, Parameters]] = []
        full: list[tuple[Address, Parameters]] = []
        for recipient, given in zip(envelope.recipients, envelope.recipient_parameters, strict=True):
            scope = self._scopes.by_domain(recipient.domain) or mail.scope
            has_room = (scope.name, recipient.account) != error.account
            (rest if has_room else full).append((recipient, given))
        if mail.origin != "lmtp" or not rest or not full:
            self._turn_away(mail, reply, done)
            return
        turned_away = {recipient: reply for recipient, _ in full}
        self.refuse(mail.scope, Refusal("DATA", reply, _narrowed(envelope, full), mail.session, raw=mail.raw))

        def kept(outcome: Outcome, error: BaseException | None) -> None:
            done(Outcome(outcome.reply, outcome.receipts, {**outcome.turned_away, **turned_away}), error)

        self._keep(replace(mail, envelope=_narrowed(envelope, rest)), kept)

    def _turn_away(self, mail: Incoming, reply: Reply, done: MailDone) -> None:
        stage = "DATA" if mail.origin in ("smtp", "lmtp") else "POST"
        self.refuse(mail.scope, Refusal(stage, reply, mail.envelope, mail.session, raw=mail.raw))
        done(Outcome(reply), None)

    def _deliveries(self, mail: Incoming) -> list[Delivery]:
        """One delivery for each scope that the recipients name; a recipient named twice gets one copy."""
        live = mail.scope.live
        if self._scopes.alone and not live.local_domains and not live.delivery_headers:
            recipients = mail.envelope.recipients
            if len(recipients) == 1:
                targets = _plain_targets(recipients[0].account)
            else:
                accounts = dict.fromkeys([recipient.account for recipient in recipients])
                targets = tuple([_plain_targets(account)[0] for account in accounts])
            return [Delivery("", mail.origin, mail.raw, mail.envelope, targets, mail.session, mail.transcript)]
        by_scope: dict[str, dict[Key, Target]] = {}
        envelope = mail.envelope
        for recipient in envelope.recipients:
            scope = self._scopes.by_domain(recipient.domain) or mail.scope
            keys = by_scope.setdefault(scope.name, {})
            if not self._is_local(scope, recipient):
                continue  # outgoing: it is recorded, and filed nowhere here
            key = self._directory.claim(scope, recipient)
            if key not in keys:
                headers = scope.live.delivery_headers
                keys[key] = Target(key, prefix=self._prefix(headers, mail, recipient) if headers else b"")
        return [
            Delivery(name, mail.origin, mail.raw, envelope, tuple(keys.values()), mail.session, mail.transcript)
            for name, keys in (by_scope or {mail.scope.name: {}}).items()
        ]

    def _prefix(self, headers: Sequence[str], mail: Incoming, recipient: Address) -> bytes:
        session = mail.session
        peer = f" ([{session.peer[0]}])" if session.peer[0] else ""  # none on a Unix socket
        values = {
            "return-path": f"<{mail.envelope.mail_from.original}>",  # RFC 5321, 4.4
            "delivered-to": str(recipient),
            "received": (
                f"from {session.helo or 'unknown'}{peer}\r\n\tby {self._hostname} with "
                f"{session.protocol.upper()} id {session.id};\r\n\t{formatdate(clock.now())}"
            ),
        }
        return "".join(f"{name}: {values[name.lower()]}\r\n" for name in headers).encode("utf-8", "replace")

    # ------------------------------------------------------------ named mailboxes

    def append(
        self, session: Session, scope: Scope, account: Key, mailbox: str, messages: Sequence[Appended], done: AppendDone
    ) -> None:
        """Put messages into a named mailbox (RFC 9051, 6.3.12): all of them or none.

        ``done(receipts, None)``, or ``done(None, error)`` with ``NoSuchMailbox``, ``NotAllowed``, ``OverQuota``,
        ``Refused`` or another ``StoreError``.
        """
        envelope = Envelope(Address(), (Address(account.address),))
        batch = [
            Delivery(
                scope.name, "append", message.raw, envelope,
                (Target(account, mailbox, False, message.flags, message.internal_date),), session,
                replaces=message.replaces,
            )
            for message in messages
        ]  # fmt: skip

        def appended(receipts: Sequence[Receipt] | None, error: BaseException | None) -> None:
            if receipts is not None and self._kept is not None:
                self._kept(receipts)
            done(receipts, error)

        def asked(index: int) -> Callable[[Any, BaseException | None], None]:
            def answered(answer: Any, error: BaseException | None) -> None:
                if error is not None:
                    done(None, Refused("A plugin failed"))
                elif isinstance(answer, Refuse):
                    self.refuse(scope, Refusal("APPEND", answer.text, envelope, session, raw=batch[index].raw))
                    done(None, Refused(answer.text))
                else:
                    if isinstance(answer, Change) and answer.raw is not None:
                        batch[index].raw = answer.raw
                    ask(index + 1)

            return answered

        def ask(index: int) -> None:
            if not self._hooked_messages or index == len(batch):
                self._store.submit(batch, appended)
                return
            self._plugins.before(
                "mailtrap_before_message", scope.live.hook_timeout, asked(index),
                report=lambda error: self._report(error, scope),
                session=session, origin="append", envelope=envelope, raw=batch[index].raw,
            )  # fmt: skip

        ask(0)

    def place(
        self, scope: Scope, raw: bytes, recipients: Sequence[Address], *, mail_from: Address, mailbox: str = INBOX,
        flags: frozenset[str] = NO_FLAGS, internal_date: float | None = None,
    ) -> Receipt:  # fmt: skip
        """Put a message into a mailbox of each recipient, from Python: no hooks, no routing.

        Raises:
            NotAllowed: a recipient is ``all``.
            StoreError: the store could not; nothing is half done.
        """
        scope = self._directory.scope_of(recipients[0], scope) if recipients else scope
        keys = dict.fromkeys(self._directory.claim(scope, recipient) for recipient in recipients)
        if any(key.address == ALL for key in keys):
            raise NotAllowed("nothing can be put into the account 'all': it is the record of messages")
        targets = tuple(Target(key, mailbox, True, flags, internal_date) for key in keys)
        envelope = Envelope(mail_from, recipients, NO_PARAMETERS)
        receipt = self._store.deliver(Delivery(scope.name, "deliver", raw, envelope, targets))
        if self._kept is not None:
            self._kept((receipt,))
        return receipt

    # ------------------------------------------------------------ refusals

    def refuse(self, scope: Scope, refusal: Refusal) -> None:
        """Record that something was turned away. A recipient that names a scope takes it there."""
        target = self._named(scope, refusal.envelope.recipients)
        refusal.scope = target.name
        target.refused.append(refusal)
        self._plugins.after("mailtrap_after_refusal", refusal=refusal)
        self._refused(refusal)

    def _named(self, scope: Scope, recipients: Sequence[Address]) -> Scope:
        """The scope that the last recipient's domain names; ``scope`` where it names none."""
        return (self._scopes.by_domain(recipients[-1].domain) if recipients else None) or scope

    def _apart(self, function: Callable[[], None]) -> None:
        """Run what asks the store: here where it is in memory, else in a worker thread."""
        if self._store.blocking:
            self._in_worker(function)
        else:
            function()


@lru_cache(maxsize=4096)
def _plain_targets(account: str) -> tuple[Target, ...]:
    """One object for all mails to an address in a server's first scope: they are many, and it never changes."""
    return (Target(Key("", account)),)


def _narrowed(envelope: Envelope, recipients: Sequence[tuple[Address, Parameters]]) -> Envelope:
    """An envelope with some of its recipients."""
    parameters = [given for _, given in recipients]
    return Envelope(envelope.mail_from, [one for one, _ in recipients], envelope.mail_parameters, parameters)


def _changed(mail: Incoming, answer: Any) -> Incoming:
    if not isinstance(answer, Change):
        return mail
    return replace(
        mail,
        raw=mail.raw if answer.raw is None else answer.raw,
        envelope=mail.envelope if answer.envelope is None else answer.envelope,
    )

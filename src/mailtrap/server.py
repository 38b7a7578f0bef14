"""MailServer: a mail server for tests, and a scope of one.

``MailServer()`` is a server of its own; ``server.scope()`` gives a view of the same server with mail, accounts, rules
and live settings of its own. Both are this class.
"""

import itertools
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from . import clock
from . import parts as _parts_module
from .config import BOOT, LIVE
from .endpoints import Endpoints
from .errors import NoSuchAccount, StoreError
from .explain import Evictions
from .faults import Rule
from .mailboxes import Account, Mailbox
from .message.address import Address
from .message.compose import MailLike, to_bytes
from .message.envelope import Envelope
from .message.model import Copy, Message
from .parts import Parts
from .record import Record
from .scope_source import Remains, ScopeSource
from .scopes import Scope
from .store.rows import ALL, CopyRow, Key, MailboxRow, MessageRow, Receipt
from .waiting import SUBMITTED, Bell, Expected, Mark, Waits

if TYPE_CHECKING:
    from .delivery.refusal import Refusal
    from .transcript import Session

MOST_USERS: Final = 10  # whose accounts an explanation looks at
_T = TypeVar("_T")
M = TypeVar("M", bound=Message)


class MailServer(Endpoints, Record):
    """A mail server for tests.

    As a context manager it is started and stopped. Settings are those of ``config.py``; without any it keeps mail in
    memory and listens on free ports of the loopback interface.

    Attributes:
        looks: the ``seq`` of each message that was given to whoever uses this object: by a wait, in ``messages``, in a
            mailbox. None: nobody wants to know.

    Raises:
        ConfigError: an unknown setting or a value that does not fit.
    """

    def __init__(self, **settings: Any) -> None:
        boot, live = _parts_module.boot_settings(settings)
        self._adopt(Parts(boot, live), None)
        self._parts.message_of = self._message
        for declared in boot.accounts:
            address, _, password = declared.partition(":")
            self.add_account(address, password or None)
        if boot.seed and not self._parts.store.head():
            self._seed_all(boot.seed)

    def _adopt(self, parts: Parts, scope: Scope | None) -> None:
        self._parts = parts
        self._scope = scope or parts.scopes.root
        self._owns = scope is None
        self._locals: dict[str, Iterator[int]] = {}
        self.looks: set[int] | None = None
        self._waits = Waits(ScopeSource(self))

    @classmethod
    def connect(cls, url: str, **settings: Any) -> "MailServer":
        """The same interface over a running server's HTTP listener.

        Raises:
            MailtrapError: nothing answers there, or it is no mailtrap server of a version that fits.
        """
        from .remote import connect

        return connect(url, settings)

    # ------------------------------------------------------------ life

    def start(self) -> Self:
        """Bind every listener and serve; everything is ready on return.

        Raises:
            PortInUse: a port is taken; the text names the listener.
        """
        if self._owns:
            self._parts.start(self._make_app)
            if self._parts.plugins.has("mailtrap_server_started"):
                try:
                    self._parts.plugins.call("mailtrap_server_started", server=self)
                except BaseException:
                    self._parts.stop()  # whoever gets an exception has no server that he could stop
                    raise
        else:
            self._parts.scopes.enter(self._scope)
        return self

    def stop(self) -> None:
        """End connections, close sockets and the store; of a scope: leave it. A second call does nothing."""
        if not self._owns:
            self._parts.scopes.leave(self._scope)
            return
        try:
            if self._parts.running and self._parts.plugins.has("mailtrap_server_stopping"):
                self._parts.plugins.call("mailtrap_server_stopping", server=self)
        finally:
            self._parts.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def load_http(self) -> None:
        """Load now what the HTTP listener needs, which its first connection waits for otherwise; else nothing."""
        self._parts.load_http()

    def _make_app(self) -> Callable[..., Any]:
        from .web import create_app

        return create_app(self)

    # ------------------------------------------------------------ where it is

    @property
    def ca_pem(self) -> str:
        """The certificate, PEM, that a client must trust to trust this server."""
        return self._parts.certificates.ca_pem

    def ssl_context(self) -> ssl.SSLContext:
        """A client's TLS context that trusts this server."""
        return self._parts.certificates.client_context()

    def config_for(self, framework: str) -> dict[str, Any]:
        """What a framework needs to send here: ``"django" "flask-mail" "fastapi-mail" "env"``.

        Raises:
            ConfigError: another name.
        """
        from .frameworks import config_for

        return config_for(framework, self)

    # ------------------------------------------------------------ look

    @property
    def name(self) -> str:
        """The scope's name; ``""`` for a server's first."""
        return self._scope.name

    @property
    def messages(self) -> Sequence[Message]:
        """What was submitted (smtp, lmtp, http) in this scope so far, oldest first."""
        return self._given([self._message(row) for row in self._rows() if row.origin in SUBMITTED])

    def select(self, **criteria: Any) -> Sequence[Message]:
        """Those of ``messages`` that match now, oldest first."""
        found = [self._message(row) for row in self._rows() if row.origin in SUBMITTED]
        return self._given([message for message in found if message.matches(**criteria)])

    @property
    def accounts(self) -> Sequence[Account]:
        """The scope's own accounts; those declared above it are its own from now on, and begin as they are there."""
        for scope in self._scope.lineage():
            if scope is not self._scope:
                for row in self._parts.store.accounts(scope.name):
                    if row.declared:
                        self._parts.directory.claim(self._scope, Address(row.key.address))
        return [Account(self, row.key) for row in self._parts.store.accounts(self._scope.name)]

    @property
    def sessions(self) -> Sequence["Session"]:
        """The newest connections of this scope, oldest first."""
        return [session for session in list(self._parts.sessions) if session.scope == self._scope.name]

    @property
    def refused(self) -> Sequence["Refusal"]:
        """What was turned away in this scope, oldest first."""
        return list(self._scope.refused)

    @property
    def evicted(self) -> "Evictions":
        """What of this scope made room for other messages (``max_messages max_bytes max_age``) since ``clear()``."""
        tally, gone = self.tally(), list(self._scope.evicted)
        known = [Message(one.row, Remains(self, one.head)) for one in gone]
        reasons = dict.fromkeys(one.reason for one in gone)
        return Evictions(tally.evicted - self._scope.evicted_before, tally.last_evicted, known, tuple(reasons))

    @property
    def errors(self) -> Sequence[BaseException]:
        """Exceptions inside the server while it worked for this scope; ``clear()`` accepts them."""
        return list(self._scope.errors)

    def account(self, address: str) -> Account:
        """The account of an address; with open routing it comes to be.

        Raises:
            NoSuchAccount: with strict routing, an account that was not declared.
        """
        found = Address(address)
        row = self._parts.directory.find(self._scope, found)
        if row is None and self._scope.live.routing == "strict":
            names = ", ".join(str(account.address) for account in self.accounts) or "none"
            raise NoSuchAccount(f"there is no account {address}; declared are: {names}")
        return Account(self, self._parts.directory.open_account(self._scope, found))

    def mailbox(self, account: str, name: str = "INBOX") -> Mailbox:
        """A mailbox of an account.

        Raises:
            NoSuchAccount: as ``account()``.
            NoSuchMailbox: the account has none of that name.
        """
        return self.account(account).mailbox(name)

    @property
    def rules(self) -> Sequence[Rule]:
        """The fault rules of this scope that are not removed, oldest first."""
        return self._parts.rules.of(self._scope)

    def mark(self) -> Mark:
        """This moment in the order of commits, for ``since=``."""
        return Mark(self._parts.store.life(), self._parts.store.head())

    # ------------------------------------------------------------ wait

    def message(self, *, timeout: float | None = None, **criteria: Any) -> Message:
        """Wait for the one message that matches.

        Args:
            timeout: seconds; the setting ``timeout`` when not given.
            criteria: names of message attributes, ``header=``, ``where=``, ``since=`` a mark.

        Raises:
            MessageNotFound: none matched in time; the text says what came instead.
            AmbiguousMessage: more than one matches.
        """
        __tracebackhide__ = True
        return self._waits.message(timeout, criteria)

    def latest(self, *, timeout: float | None = None, **criteria: Any) -> Message:
        """The newest message that matches; waits as ``message()`` where none does."""
        __tracebackhide__ = True
        return self._waits.latest(timeout, criteria)

    def wait_for(
        self, *, at_least: int | None = None, exactly: int | None = None, settle: float = 0.0,
        timeout: float | None = None, **criteria: Any,
    ) -> Sequence[Message]:  # fmt: skip
        """Wait until so many messages match; one where neither number is given.

        Args:
            at_least: return as soon as there are so many.
            exactly: as ``at_least``, but more of them are an error.
            settle: seconds in which no further one may come.

        Raises:
            MessageNotFound: too few in time.
            UnexpectedMessage: more than ``exactly``.
        """
        __tracebackhide__ = True
        return self._waits.several(at_least, exactly, settle, timeout, criteria)

    def expect_message(self, *, timeout: float | None = None, **criteria: Any) -> AbstractContextManager[Expected]:
        """Wait, after the block, for the one message that it made come: ``with ... as info`` gives ``info.value``."""
        __tracebackhide__ = True
        return self._waits.expected(timeout, criteria)

    def assert_no_message(self, *, within: float | None = None, **criteria: Any) -> None:
        """Fail if a message matches.

        Args:
            within: seconds to watch. Without it: until every SMTP transaction that is open now has ended.

        Raises:
            UnexpectedMessage: one matched.
        """
        __tracebackhide__ = True
        self._waits.none(within, criteria)

    def wait_until_quiet(self, for_: float = 0.1, *, timeout: float | None = None) -> None:
        """Wait until no message came and no transaction was open for ``for_`` seconds."""
        __tracebackhide__ = True
        self._waits.quiet(for_, timeout)

    def wait_for_command(
        self, command: str, *, protocol: str = "imap", user: str | None = None, timeout: float | None = None
    ) -> "Session":
        """The session that carries out a command now, or the next that does."""
        __tracebackhide__ = True
        return self._waits.command(command, protocol, user, timeout)

    def wait_until(
        self, probe: Callable[[], _T | None], *, error: Callable[[float], Exception], timeout: float | None = None
    ) -> _T:
        """Wait until a function gives something else than None: it is asked now, and after each change.

        Args:
            error: gives what is raised when the time is over, from the seconds that were waited.
        """
        __tracebackhide__ = True
        return self._waits.until(probe, timeout, error)

    # ------------------------------------------------------------ put in

    def add_account(
        self, address: str, password: str | None = None, *, quota: int | None = None, message_quota: int | None = None
    ) -> Account:
        """Declare an account.

        Args:
            password: the only one it accepts; None accepts any (or the setting ``default_password``).
            quota: octets of all mail in it.
            message_quota: how many messages it may keep.
        """
        key = Key(self._scope.name, Address(address).account)
        self._parts.store.put_account(key, password=password, quota=quota, message_quota=message_quota)
        return Account(self, key)

    def address(self, local: str = "user") -> Address:
        """An address of this scope's own domain; asked again for the same local part it gives another."""
        number = next(self._locals.setdefault(local, itertools.count(1)))
        return Address(f"{local if number == 1 else f'{local}-{number}'}@{self.domain}")

    def deliver(
        self, mail: MailLike, *, recipients: str | Sequence[str], mail_from: str = "", mailbox: str = "INBOX",
        flags: Iterable[str] = (), internal_date: datetime | None = None,
    ) -> Message:  # fmt: skip
        """Put a mail into a mailbox of each recipient, without SMTP.

        Args:
            mail: bytes (kept as they are), an ``EmailMessage`` or a ``Message``.
            mailbox: it comes to be where there is none.
            flags: ``"\\Seen"`` ... and keywords.
            internal_date: now when not given.

        Raises:
            StoreError: it could not be kept (``OverQuota``), or a recipient is ``all``.
        """
        names = [recipients] if isinstance(recipients, str) else list(recipients)
        receipt = self._parts.intake.place(
            self._scope, to_bytes(mail), [Address(name) for name in names], mail_from=Address(mail_from),
            mailbox=mailbox, flags=frozenset(flags),
            internal_date=None if internal_date is None else internal_date.timestamp(),
        )  # fmt: skip
        return self._received(receipt)

    def send(
        self, mail: MailLike, *, recipients: str | Sequence[str], mail_from: str = "", peer: tuple[str, int] = ("", 0)
    ) -> Message:
        """Submit a mail as the HTTP API does: hooks, routing, limits and refusals as over SMTP; its origin is ``http``.

        Args:
            peer: who sent it, for the record of the connection.

        Raises:
            Posted: it was refused; ``reply`` is what an SMTP client would have been told.
        """
        from .delivery.posting import post
        from .transcript import Session

        names = [recipients] if isinstance(recipients, str) else list(recipients)
        session = Session("http", peer, "http", scope=self._scope.name)
        self._parts.sessions.append(session)
        try:
            receipts = post(
                self._parts.intake, session, self._scope, to_bytes(mail), Address(mail_from),
                [Address(name) for name in names],
            )  # fmt: skip
        finally:
            session.close()
        return self._received(receipts[0])

    def seed(self, source: Path | str | Mapping[str, Any]) -> None:
        """Fill mailboxes from a file or folder (.eml, mbox, Maildir, TOML) or a description.

        Raises:
            ConfigError: it is none of these, or the description does not fit.
        """
        from .seeding import seed

        seed(self, source)

    def _seed_all(self, sources: Iterable[str]) -> None:
        """Seed at the beginning of a server; when a source is none, there is no server."""
        try:
            for source in sources:
                self.seed(source)
        except BaseException:
            self._parts.stop()
            raise

    def issue_token(self, user: str, *, expires_in: float = 3600) -> str:
        """An OAuth token for XOAUTH2 and OAUTHBEARER, valid for so many seconds (not at all when negative)."""
        return self._parts.directory.issue_token(self._scope, user, expires_in)

    def aiosmtpd_handler(self) -> object:
        """A handler that keeps mail here, for an aiosmtpd ``Controller`` of your own."""
        from .smtp.store_handler import StoreHandler

        return StoreHandler(self._parts.services, self._scope)

    # ------------------------------------------------------------ change

    def scope(self, name: str | None = None, **live_settings: Any) -> "MailServer":
        """A scope below this one, entered as a context manager.

        Args:
            name: its mail domain is ``<name>.test``; one that is taken gets a number.
            live_settings: settings that hold in it.

        Raises:
            ConfigError: an unknown or a boot setting, or a value that does not fit.
        """
        scope = self._parts.scopes.open(self._scope, name, {})
        if live_settings:
            scope.change(**live_settings)
        view = MailServer.__new__(MailServer)
        view._adopt(self._parts, scope)
        return view

    def configure(self, **live_settings: Any) -> None:
        """Change live settings of this scope, from now on.

        Raises:
            ConfigError: an unknown or a boot setting, or a value that does not fit.
        """
        self._scope.change(**live_settings)

    def clear(self) -> None:
        """Forget the messages and copies of this scope, its refusals and its errors."""
        self._parts.store.clear(self._scope.name)
        self._scope.refused.clear()
        self._scope.evicted.clear()
        self._scope.evicted_before = self.tally().evicted
        self._scope.errors.clear()

    def reset(self) -> None:
        """``clear()``, and its accounts, rules and own live settings too."""
        self.clear()
        self._parts.rules.clear(self._scope)
        for row in self._parts.store.accounts(self._scope.name):
            self._parts.store.remove_account(row.key)
        self._parts.directory.forget(self._scope)
        self._scope.restore()

    # ------------------------------------------------------------ for the web and the plugin; see Record

    def record(self) -> Mailbox:
        """The INBOX of the account ``all``: the record of this scope's messages, with read state and tags as flags."""
        return Account(self, Key(self._scope.name, ALL)).mailbox()

    def view(self, name: str | None = None) -> "MailServer | None":
        """The scope of a name, open or closed; None when there is none. Without a name: the one that is current."""
        scopes = self._parts.scopes
        scope = scopes.current if name is None else scopes.named(name)
        if scope is None or scope is self._scope:
            return self if scope is not None else None
        view = MailServer.__new__(MailServer)
        view._adopt(self._parts, scope)
        return view

    @property
    def all_sessions(self) -> Sequence["Session"]:
        """The newest connections of every scope, oldest first."""
        return list(self._parts.sessions)

    @property
    def all_refused(self) -> Sequence["Refusal"]:
        """What was turned away in every scope, oldest first."""
        return sorted((refusal for scope in self._parts.scopes for refusal in list(scope.refused)), key=lambda r: r.at)

    def report(self, error: BaseException) -> None:
        """Keep an error inside the server with this scope's errors."""
        self._parts.report(error, self._scope)

    @property
    def bell(self) -> Bell:
        """Rings at each commit, refusal and error of the whole server, and when it stops."""
        return self._parts.bell

    @property
    def stopped(self) -> bool:
        """Whether it ran and does no longer."""
        return self._parts.stopped

    @property
    def started_at(self) -> datetime | None:
        """When it was started, aware, UTC; None before."""
        started = self._parts.started_at
        return None if started is None else clock.to_datetime(started)

    @property
    def settings(self) -> Mapping[str, Any]:
        """Boot settings, and the live ones that hold in this scope now, by name."""
        boot, live = self._parts.boot, self._scope.live
        return {name: getattr(boot if name in BOOT else live, name) for name in (*BOOT, *LIVE)}

    @property
    def domain(self) -> str:
        """The mail domain of this scope's addresses: ``<scope>.test``, or the server's name for its first scope."""
        return self._scope.domain or self._parts.boot.hostname

    def _empty_accounts(self) -> list[str]:
        """Accounts that a reader logged in to and that never had mail: a name that was mistyped, for instance."""
        users = dict.fromkeys(s.user for s in self.sessions if s.protocol in ("imap", "pop3") and s.user)
        found = []
        for user in list(users)[-MOST_USERS:]:
            try:
                if Address(user).account != ALL and self.mailbox(user).uidnext == 1:
                    found.append(user)
            except StoreError:
                continue  # removed since
        return found

    @property
    def _hint_on_scopes(self) -> str:
        """Which mail comes into this scope."""
        if self._scope.parent is None:
            return ""
        return (
            f"here is mail that came while this scope was current, and mail for {self.domain}: see mailserver.address()"
        )

    # ------------------------------------------------------------ what messages and mailboxes ask

    def _rows(self, after: int = 0) -> Sequence[MessageRow]:
        self._parts.refuse_fork()
        return self._parts.store.messages(self._scope.name, after=after)

    def _received(self, receipt: Receipt) -> Message:
        row = self._parts.store.message(receipt.seq)
        if row is None:
            raise StoreError(f"message {receipt.id} was kept, and removed again before it could be looked at")
        return self._message(row)

    def _message(self, row: MessageRow) -> Message:
        return Message(row, self)

    def _given(self, messages: list[M]) -> list[M]:
        """The messages, noted as given to somebody."""
        if self.looks is not None:
            self.looks.update(message.seq for message in messages)
        return messages

    def _fits(self, row: MessageRow, query: str) -> bool:
        from .store.finding import fits
        from .store.query import parse

        return fits(self._parts.store, row, parse(query))

    def _copy(self, mailbox: Mailbox, row: CopyRow) -> Copy:
        return Copy(row, mailbox, self)

    def _raw(self, seq: int) -> bytes:
        return self._parts.store.raw(seq)

    def _copies(self, seq: int) -> Sequence[Copy]:
        return [self._copy(self._mailbox(box), row) for box, row in self._parts.store.copies_of(seq)]

    def _copy_row(self, mailbox: Mailbox, uid: int) -> CopyRow | None:
        rows = self._parts.store.copies(mailbox._id, [uid])
        return rows[0] if rows else None

    def _mailbox(self, row: MailboxRow) -> Mailbox:
        return Mailbox(self, Account(self, row.account), row)

    @staticmethod
    def _own_envelope(account: Key) -> Envelope:
        return Envelope(Address(), (Address(account.address),))

    def __repr__(self) -> str:
        state = "running" if self._parts.running else "stopped"
        return f"<MailServer {self._scope.name or '(first scope)'} {state}>"

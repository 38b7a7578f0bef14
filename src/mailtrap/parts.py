"""The parts of a running server, put together once: store, delivery, listeners, loop, plugins.

Only ``server.py`` uses this module; a server and the scopes opened on it share one ``Parts``.
"""

import dataclasses
import os
import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, Final

from . import clock, config, limits
from .delivery.accounts import Directory
from .delivery.intake import Intake
from .delivery.refusal import Refusal
from .delivery.retention import Most, Retention
from .delivery.services import Commands, Services
from .endpoint import LISTENERS
from .errors import ConfigError, MailtrapError
from .faults import RuleBook
from .net.certificates import Certificates
from .net.driver import Driver
from .net.http import HTTPServer
from .net.hub import Hub
from .net.listeners import bind
from .net.loop import LoopThread
from .net.unix import UnixListener
from .plugins import Plugins
from .scopes import Scope, Scopes
from .smtp.edge import Edge
from .smtp.session import COMMANDS as OF_SMTP
from .smtp.session import Flavour, SMTPSession
from .store.base import Store
from .store.open import open_store
from .store.rows import Hint, MessageRow, Receipt
from .transcript import ProtocolName, Session
from .waiting import Bell
from .wire.machine import Machine

if TYPE_CHECKING:
    import socket

_PROTOCOLS: Final[dict[str, ProtocolName]] = {
    "smtp": "smtp", "smtps": "smtp", "submission": "smtp", "lmtp": "lmtp",
    "pop3": "pop3", "pop3s": "pop3", "imap": "imap", "imaps": "imap",
}  # fmt: skip


class Parts:
    """What one server is made of.

    Attributes:
        addresses: listener to host and port, once it is started.
        sockets: listener to its Unix socket, likewise.
        sessions: the newest session records, oldest first.
        bell: rings at each commit, refusal and error, and at the stop.
        started_at: seconds since the epoch; None before the start.
    """

    def __init__(self, boot: config.Boot, live: dict[str, Any]) -> None:
        self.boot = boot
        self.scopes = Scopes(live)
        self.rules = RuleBook(_verbs)
        self.bell = Bell()
        self.commands = Commands()
        self.sessions: deque[Session] = deque(maxlen=limits.SESSIONS)
        self.plugins = Plugins(boot.plugins, lambda error: self.report(error, self.scopes.current))
        self.store: Store = open_store(boot.store, self._store_schemes())
        self.store.report = lambda error: self.report(error, self.scopes.current)
        self.retention = Retention(
            self.store, self.scopes, Most(boot.max_messages, boot.max_bytes, boot.max_age), self.store.report
        )
        self.directory = Directory(self.store, self.scopes)
        self.intake = Intake(
            self.store, self.scopes, self.directory, self.plugins, report=self.report, in_worker=self._in_worker,
            refused=self._refused, kept=self._kept if self.plugins.has("mailtrap_after_message") else None,
            hostname=boot.hostname,
        )  # fmt: skip
        self.services = Services(
            self.scopes, self.rules, self.store, self.intake, self.directory, self.plugins, self.report, self.commands,
            boot.hostname,
        )  # fmt: skip
        self.certificates = Certificates(
            (boot.hostname, *_named(boot.host)), cert_file=boot.tls_cert, key_file=boot.tls_key,
            client_ca=boot.tls_client_ca, minimum=boot.tls_minimum, key_type=boot.tls_key_type,
        )  # fmt: skip
        self.message_of: Callable[[MessageRow], Any] | None = None  # the public message of a row
        self.addresses: dict[str, tuple[str, int]] = {}
        self.sockets: dict[str, UnixListener] = {}
        self.http: HTTPServer | None = None
        self._loop: LoopThread | None = None
        self._hub: Hub | None = None
        self._unsubscribe: Callable[[], None] | None = self.store.subscribe_hints(self._hint)
        self._lock = threading.Lock()
        self._pid = 0
        self.started_at: float | None = None

    # ------------------------------------------------------------ life

    @property
    def running(self) -> bool:
        """Whether its listeners are bound."""
        return self._hub is not None

    def refuse_fork(self) -> None:
        """Raise in a process that was forked from the server's: what is in its memory is a picture of then."""
        if self._pid and self._pid != os.getpid():
            raise MailtrapError(
                "this server was started before the process forked, and runs in the parent alone; "
                "start a server of its own in the child, or connect to the parent's HTTP listener"
            )

    @property
    def stopped(self) -> bool:
        """Whether it ran and does no longer."""
        return self._hub is None and self.started_at is not None

    def start(self, make_app: Callable[[], Any]) -> None:
        """Bind every listener in the calling thread, then serve.

        Raises:
            PortInUse: a port is taken; nothing stays bound.
            MailtrapError: it was stopped before, or runs already.
        """
        with self._lock:
            if self._hub is not None:
                raise MailtrapError("the server runs already")
            if self._pid:
                raise MailtrapError("a stopped server does not start again: make a new one")
            sockets, self.sockets = self._bind()
            self._pid = os.getpid()
            self.started_at = clock.now()
            self._loop = LoopThread(lambda error: self._report_driver(error, None))
            self._loop.start()
            self._hub = Hub(
                self._loop, report=self._report_driver, store_blocking=self.store.blocking, tls=self.certificates
            )
            for name, sock in sockets.items():
                self.addresses[name] = sock.getsockname()[:2]
                if name == "http":
                    self.http = HTTPServer(sock, make_app, lambda error: self._report_driver(error, None))
                    self.http.start()
                else:
                    self._hub.listen(sock, self._factory(name))
            for name, listener in self.sockets.items():
                self._hub.listen(listener.sock, self._factory(name))
        self.retention.start()

    def load_http(self) -> None:
        """Make the HTTP listener's application, if there is a listener."""
        if (http := self.http) is not None:
            http.load()

    def stop(self) -> None:
        """End every connection, close every socket and the store. Bounded in time; a second call does nothing."""
        with self._lock:
            hub, self._hub = self._hub, None
            self.bell.ring()  # event streams end before their connections do
            if self.http is not None:
                self.http.stop()
                self.http = None
            if self._unsubscribe is not None:
                self._unsubscribe()
                self._unsubscribe = None
            if hub is not None:
                hub.close()
            if self._loop is not None:
                self._loop.stop()
                self._loop = None
            self.plugins.close()
            self.retention.close()
            if not self._pid or self._pid == os.getpid():
                self.store.close()
                for listener in self.sockets.values():
                    listener.remove()
            self.addresses.clear()
            self.sockets = {}

    def _bind(self) -> "tuple[dict[str, socket.socket], dict[str, UnixListener]]":
        sockets: dict[str, socket.socket] = {}
        unix: dict[str, UnixListener] = {}
        try:
            for name in LISTENERS:
                port = getattr(self.boot, f"{name}_port")
                if port is not None:
                    sockets[name] = bind(name, self.boot.host, port)
                if path := getattr(self.boot, f"{name}_socket", None):
                    unix[name] = UnixListener(name, path, int(self.boot.socket_mode, 8))
        except MailtrapError:
            for sock in sockets.values():
                sock.close()
            for listener in unix.values():
                listener.sock.close()
                listener.remove()
            raise
        return sockets, unix

    def _factory(self, listener: str) -> Callable[[], Driver]:
        """What makes a connection's driver: its session is made when the peer is known."""
        protocol = _PROTOCOLS[listener]
        implicit = listener in ("smtps", "pop3s", "imaps")
        tls = self.certificates if implicit else None
        make = self._machine_maker(listener, protocol, implicit)
        hub = self._hub
        assert hub is not None
        if protocol in ("smtp", "lmtp"):
            handler = self.boot.smtp_handler
            return lambda: Edge(hub, make, tls, handler=handler, hostname=self.boot.hostname)
        return lambda: Driver(hub, make, tls)

    def _machine_maker(self, listener: str, protocol: ProtocolName, implicit: bool) -> Callable[..., Machine]:
        services = self.services
        if protocol in ("smtp", "lmtp"):
            flavour: Flavour = "submission" if listener == "submission" else "lmtp" if listener == "lmtp" else "smtp"

            def smtp(peer: tuple[str, int], policy: Any = None) -> Machine:
                record, scope = self._record(protocol, peer, listener)
                return SMTPSession(record, scope, services, flavour=flavour, implicit_tls=implicit, policy=policy)

            return smtp
        if protocol == "pop3":

            def pop3(peer: tuple[str, int]) -> Machine:
                from .pop3.session import POP3Session  # here, as IMAP below: most tests read with neither

                return POP3Session(*self._record(protocol, peer, listener), services, implicit_tls=implicit)

            return pop3

        def imap(peer: tuple[str, int]) -> Machine:
            from .imap.session import IMAPSession

            return IMAPSession(*self._record(protocol, peer, listener), services, implicit_tls=implicit)

        return imap

    def _record(self, protocol: ProtocolName, peer: tuple[str, int], listener: str) -> tuple[Session, Scope]:
        scope = self.scopes.current
        record = Session(protocol, peer, listener, scope=scope.name)
        self.sessions.append(record)
        return record, scope

    def _store_schemes(self) -> dict[str, Callable[[str], Store]]:
        schemes: dict[str, Callable[[str], Store]] = {}
        if self.plugins.has("mailtrap_store_schemes"):
            for found in self.plugins.call("mailtrap_store_schemes"):
                schemes.update(found)
        return schemes

    # ------------------------------------------------------------ what the parts tell

    def report(self, error: BaseException, scope: Scope) -> None:
        """An error inside the server while it worked for a scope."""
        scope.errors.append(error)
        self.bell.ring()

    def _report_driver(self, error: BaseException, scope: Scope | None) -> None:
        self.report(error, scope or self.scopes.current)

    def _refused(self, refusal: Refusal) -> None:  # noqa: ARG002  who waits asks the scope
        self.bell.ring()

    def _kept(self, receipts: Sequence[Receipt]) -> None:
        for receipt in receipts:
            if self.message_of is not None:
                self.plugins.after("mailtrap_after_message", message=self.message_of(receipt.message))

    def _hint(self, hint: Hint) -> None:
        if (hub := self._hub) is not None:
            hub.hint(hint)
        self.bell.ring()
        self.retention.hint(hint)

    def _worked(self, result: Any, error: BaseException | None) -> None:  # noqa: ARG002
        if error is not None:
            self._report_driver(error, None)

    def _in_worker(self, function: Callable[..., None], *args: Any) -> None:
        hub = self._hub
        if hub is None:
            function(*args)  # not started, or stopped: whoever calls is no event loop of ours
        else:
            hub.work(function, args, self._worked)


def _verbs(listener: str) -> Collection[str]:
    """The commands there are on a listener. Modules are loaded where a rule asks, as where a connection does."""
    protocol = _PROTOCOLS[listener]
    if protocol == "imap":
        from .imap.commands import COMMANDS as OF_IMAP

        return OF_IMAP.keys()
    if protocol == "pop3":
        from .pop3.commands import COMMANDS as OF_POP3

        return [command.verb for command in OF_POP3.values()]
    return [command.verb for command in OF_SMTP.values()]


def _named(host: str) -> tuple[str, ...]:
    """What clients call an address that listeners are bound to; those that stand for all addresses are no name."""
    return () if host in ("", "0.0.0.0", "::") else (host,)  # noqa: S104  it is only compared


def boot_settings(settings: dict[str, Any]) -> tuple[config.Boot, dict[str, Any]]:
    """Sort and check what a server was given.

    Raises:
        ConfigError: an unknown setting, a value that does not fit, or half a certificate.
    """
    boot, live = config.split(settings)
    made = dataclasses.replace(config.Boot(), **boot)
    if (made.tls_cert is None) != (made.tls_key is None):
        raise ConfigError("tls_cert and tls_key go together")
    return made, live

"""``MailServer`` over HTTP."""

import ssl
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final, NoReturn

from .. import config
from ..endpoint import LISTENERS
from ..errors import ConfigError, MailtrapError, MessageNotFound, ServerError, ServerRestarted, UnexpectedMessage
from ..explain import Evictions
from ..mailboxes import Account
from ..message.compose import MailLike, to_bytes
from ..message.model import Message
from ..scope_source import Remains, ScopeSource
from ..scopes import SCOPE_TLD, Scope
from ..server import MailServer
from ..store.query import parse
from ..store.rows import Key, Tally
from ..waiting import Mark, Waits, seconds_of
from ..web import API
from . import forms
from .client import PATIENCE, Client
from .follow import FollowingBell
from .rules import NotOverHTTP, RemoteRules
from .store import RemoteStore

if TYPE_CHECKING:
    from ..delivery.refusal import Refusal
    from ..transcript import Session

_PORTS: Final = {f"{name}_port": name for name in LISTENERS}
_CLIENT: Final = {"timeout", "exclusive", *_PORTS}  # settings of a client
_TOLD: Final = ("routing", "starttls", "timeout")  # settings that the server tells and this side acts on


def open_remote(url: str, settings: Mapping[str, Any]) -> "RemoteServer":
    """See ``connect``."""
    for name, value in settings.items():
        if name not in _CLIENT:
            config.check(name, value)
            raise ConfigError(
                f"{name} belongs to the running server; a client has timeout, exclusive and the listeners' ports"
            )
    client = Client(url)
    try:
        return _connected(client, url, settings)
    except BaseException:
        client.close()
        raise


def _connected(client: Client, url: str, settings: Mapping[str, Any]) -> "RemoteServer":
    info = client.json("GET", "/info", {"scope": ""})
    if not isinstance(info, dict) or info.get("name") != "mailtrap":
        raise MailtrapError(f"{url} is no mailtrap server")
    if info.get("api") != API:
        raise MailtrapError(
            f"{url} is mailtrap {info.get('version')} and speaks version {info.get('api')} of the interface; "
            f"this client speaks {API}"
        )
    ports = {_PORTS[name]: config.check(name, value) for name, value in settings.items() if name in _PORTS}
    parts = RemoteParts(client, info, ports, bool(settings.get("exclusive", False)))
    scope = Scope("", "", None, {name: info["settings"][name] for name in _TOLD if name in info["settings"]})
    if "timeout" in settings:
        scope.change(timeout=settings["timeout"])
    return RemoteServer(parts, scope)


class _Directory:
    """In place of the directory: the server keeps its own."""

    def forget(self, _: Scope) -> None:
        """The server has done so."""


class _Boot:
    """Of the boot settings the one that this side needs."""

    def __init__(self, hostname: str) -> None:
        self.hostname = hostname


class RemoteParts:
    """What takes the place of a server's parts. Other parts are not there: asking for one is ``NotOverHTTP``."""

    running = True
    stopped = False

    def refuse_fork(self) -> None:
        """A fork has connections of its own."""

    def __init__(
        self, client: Client, info: Mapping[str, Any], ports: Mapping[str, int | None], exclusive: bool
    ) -> None:
        self.client = client
        self.exclusive = exclusive
        client.life = info["mark"].rpartition(":")[0]
        self.boot = _Boot(info["hostname"])
        self.store = RemoteStore(client)
        self.bell = FollowingBell(client)
        self.rules = RemoteRules(client)
        self.sockets: dict[str, Any] = {}  # paths of the server's machine
        self.directory = _Directory()
        started = forms.as_datetime(info["started_at"])
        self.started_at = None if started is None else started.timestamp()
        self.addresses = {
            name: (client.host, found["port"] if ports.get(name) is None else ports[name])
            for name, found in client.json("GET", "/endpoints").items()
            if found["host"]
        }

    def __getattr__(self, name: str) -> NoReturn:
        raise NotOverHTTP(f"a connected client cannot do this: it needs the server's {name.strip('_')}")


class RemoteServer(MailServer):
    """A scope of a server elsewhere. ``start()`` does nothing; ``stop()`` leaves, and the server goes on."""

    def __init__(self, parts: RemoteParts, scope: Scope) -> None:
        self._client = parts.client
        self._adopt(parts, scope)  # type: ignore[arg-type]  # it has the parts that are used below
        self._waits = RemoteWaits(self, parts.client)
        self._opened = scope.parent is not None
        self._told: dict[str, ServerError] = {}

    @property
    def _query(self) -> dict[str, str]:
        return {"scope": self._scope.name}

    # ------------------------------------------------------------ life

    def start(self) -> "RemoteServer":
        """The server runs. A scope that an exclusive client opened is current from now on."""
        if self._opened and self._remote_parts.exclusive:
            self._client.json("POST", f"/scopes/{self._scope.name}/enter")
        return self

    def stop(self) -> None:
        """Leave. A scope that was opened here is closed; its mail stays."""
        if self._scope.parent is None:
            self._parts.bell.close()  # type: ignore[attr-defined]  # a FollowingBell
            self._client.close()
        elif self._opened:
            self._opened = False
            with suppress(ServerRestarted):  # then there is nothing to be left
                self._client.json("DELETE", f"/scopes/{self._scope.name}")

    @property
    def ca_pem(self) -> str:
        """The certificate, PEM, that a client must trust to trust this server."""
        return self._client.raw("GET", "/ca.pem").decode("ascii")

    def ssl_context(self) -> ssl.SSLContext:
        """A client's TLS context that trusts this server alone, under whatever name it was reached."""
        context = ssl.create_default_context(cadata=self.ca_pem)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        # Its certificate cannot know what a container network or a port mapping calls it.
        context.check_hostname = _is_local(self._client.host)
        return context

    # ------------------------------------------------------------ look

    @property
    def accounts(self) -> Sequence[Account]:
        """The scope's own accounts, and those it inherits and has not used yet."""
        return [self._account(found) for found in self._client.json("GET", "/accounts", self._query)]

    def account(self, address: str) -> Account:
        """The account of an address; with open routing it comes to be. ``NoSuchAccount`` with strict routing."""
        return self._account(self._client.json("POST", "/accounts", self._query, {"address": address, "open": True}))

    def _account(self, described: Mapping[str, Any]) -> Account:
        return Account(self, Key(described["scope"], described["address"]))

    @property
    def sessions(self) -> Sequence["Session"]:
        """The newest connections of this scope, oldest first."""
        return self._sessions(self._scope.name)

    @property
    def all_sessions(self) -> Sequence["Session"]:
        """The newest connections of every scope, oldest first."""
        return self._sessions("*")

    def _sessions(self, scope: str) -> list["Session"]:
        found = self._client.json("GET", "/sessions", {"scope": scope})
        return [forms.RemoteSession(described, self._client) for described in found]

    @property
    def refused(self) -> Sequence["Refusal"]:
        """What was turned away in this scope, oldest first."""
        return self._refused(self._scope.name)

    @property
    def all_refused(self) -> Sequence["Refusal"]:
        """What was turned away in every scope, oldest first."""
        return self._refused("*")

    def _refused(self, scope: str) -> list["Refusal"]:
        found = self._client.json("GET", "/refused", {"scope": scope})
        return [forms.RemoteRefusal(described, self._client) for described in found]

    @property
    def evicted(self) -> Evictions:
        """What of this scope made room for other messages since ``clear()``."""
        found = self._client.json("GET", "/evicted", self._query)
        known = []
        for described in found["newest"]:
            head = forms.raw(described) or b""
            known.append(Message(forms.RemoteRow(described, self._client), Remains(self, head)))
        return Evictions(found["messages"], found["last"], known, found["reasons"])

    def tally(self, *, all_scopes: bool = False) -> Tally:
        """How many messages there are, unread and evicted ones, and their octets."""
        store: Any = self._parts.store
        found: Tally = store.tally(None if all_scopes else self._scope.name)
        return found

    @property
    def errors(self) -> Sequence[BaseException]:
        """Exceptions inside the server while it worked for this scope, each as a ``ServerError`` that describes it."""
        __tracebackhide__ = True
        found = self._client.json("GET", "/errors", self._query)
        # the same error is the same object each time, as it is in the process
        self._told = {
            error["id"]: self._told.get(error["id"]) or ServerError(f"{error['type']}: {error['message']}")
            for error in found
        }
        return list(self._told.values())

    def search(
        self, query: str, *, limit: int | None = None, before: int | None = None, after: int = 0,
        all_scopes: bool = False, newest_first: bool = True, submitted: bool = False, skip: int = 0,
        zone: tzinfo = UTC,
    ) -> Sequence[Message]:  # fmt: skip
        """Messages that a query fits, in the order of ``seq``; the server searches."""
        parse(query, zone)  # so that the error is the same as of a server in the process
        if zone is not UTC:
            raise NotOverHTTP("times in a query of a connected client are UTC where they name no zone")
        rows = self._parts.store.messages(  # type: ignore[call-arg]  # a RemoteStore
            None if all_scopes else self._scope.name, after=after, before=before, limit=limit,
            newest_first=newest_first, submitted=submitted, skip=skip, query=query,
        )  # fmt: skip
        return [self._message(row) for row in rows]

    def mark(self) -> Mark:
        """This moment in the order of commits, for ``since=``."""
        life, seq = self._parts.store.mark()  # type: ignore[attr-defined]  # a RemoteStore
        return Mark(life, seq)

    @property
    def scopes(self) -> Sequence[str]:
        """The names of all scopes of the server, the first one's ``""`` included."""
        return [scope["name"] for scope in self._client.json("GET", "/scopes")]

    def view(self, name: str | None = None) -> "MailServer | None":
        """The scope of a name; None when there is none. Without a name: the one that is current there."""
        if name is None:
            name = self._client.json("GET", "/info")["scope"]
        if name == self._scope.name:
            return self
        there = next((scope for scope in self._client.json("GET", "/scopes") if scope["name"] == name), None)
        if there is None:
            return None
        root = next(scope for scope in reversed(list(self._scope.lineage())))
        view = RemoteServer(self._remote_parts, _scope(there, root, {}) if name else root)
        view._opened = False
        return view

    @property
    def _hint_on_scopes(self) -> str:
        if self._scope.parent is None or self._remote_parts.exclusive:
            return super()._hint_on_scopes
        return (
            f"on a server that others use too, here is mail for {self.domain} alone: use mailserver.address(), "
            "or say that nobody else uses it (--mailtrap-exclusive)"
        )

    @property
    def _remote_parts(self) -> RemoteParts:
        parts: Any = self._parts
        found: RemoteParts = parts
        return found

    @property
    def settings(self) -> Mapping[str, Any]:
        """Not told by the server but in part."""
        raise NotOverHTTP("a connected client does not know the server's settings")

    def report(self, error: BaseException) -> None:
        """Errors of the server are its own to report."""
        raise NotOverHTTP("a connected client cannot report an error of the server") from error

    # ------------------------------------------------------------ put in

    def deliver(
        self, mail: MailLike, *, recipients: str | Sequence[str], mail_from: str = "", mailbox: str = "INBOX",
        flags: Iterable[str] = (), internal_date: datetime | None = None,
    ) -> Message:  # fmt: skip
        """Put a mail into a mailbox of each recipient, without SMTP."""
        more = [("mailbox", mailbox), *(("flag", flag) for flag in flags)]
        date = None if internal_date is None else internal_date.timestamp()
        return self._post(mail, recipients, mail_from, [*more, ("internal_date", forms.moment(date))])

    def send(
        self, mail: MailLike, *, recipients: str | Sequence[str], mail_from: str = "",
        peer: tuple[str, int] = ("", 0),  # noqa: ARG002  it is what the server sees
    ) -> Message:  # fmt: skip
        """Submit a mail over HTTP: hooks, routing, limits and refusals as over SMTP.

        Raises:
            StoreError: it was refused; the text is what an SMTP client would have been told.
        """
        return self._post(mail, recipients, mail_from, [("origin", "http")])

    def _post(
        self, mail: MailLike, recipients: str | Sequence[str], mail_from: str, more: Iterable[tuple[str, Any]]
    ) -> Message:
        names = [recipients] if isinstance(recipients, str) else list(recipients)
        query = [("scope", self._scope.name), ("mail_from", mail_from), *(("recipient", name) for name in names), *more]
        made = self._client.json("POST", "/messages", query, to_bytes(mail))
        found = self.get(made["id"])
        if found is None:
            raise MailtrapError(f"message {made['id']} was cleared as soon as it was delivered")
        return found

    def issue_token(self, user: str, *, expires_in: float = 3600) -> str:
        """An OAuth token for XOAUTH2 and OAUTHBEARER."""
        body = {"user": user, "expires_in": expires_in}
        return str(self._client.json("POST", "/tokens", self._query, body)["token"])

    def aiosmtpd_handler(self) -> object:
        """Not over HTTP."""
        raise NotOverHTTP("a handler for aiosmtpd needs a server in the process")

    # ------------------------------------------------------------ change

    def scope(self, name: str | None = None, **live_settings: Any) -> "MailServer":
        """A scope below this one. On a server that others use too, its mail names it by its domain."""
        checked = {setting: config.check(setting, value) for setting, value in live_settings.items()}
        if boot := sorted(set(checked) - set(config.LIVE)):
            raise ConfigError(f"{', '.join(boot)} cannot change while the server runs")
        body = {"name": name, "parent": self._scope.name, "settings": _for_json(checked)}
        made = self._client.json("POST", "/scopes", body=body)
        return RemoteServer(self._remote_parts, _scope(made, self._scope, checked))

    def configure(self, **live_settings: Any) -> None:
        """Change live settings of this scope; ``timeout`` of this client alone."""
        checked = {setting: config.check(setting, value) for setting, value in live_settings.items()}
        there = {setting: value for setting, value in checked.items() if setting != "timeout"}
        if there:
            self._client.json("PATCH", "/settings", self._query, _for_json(there))
        self._scope.change(**checked)

    def clear(self) -> None:
        """Forget the messages and copies of this scope, its refusals and its errors."""
        self._client.json("DELETE", "/messages", self._query)

    def reset(self) -> None:
        """``clear()``, and its accounts, rules and own live settings too."""
        self._client.json("POST", "/reset", self._query)

    def delete(self, messages: Iterable[Message]) -> int:
        """Take messages and their copies away; how many there were."""
        body = {"ids": [message.id for message in messages]}
        return int(self._client.json("DELETE", "/messages", body=body)["deleted"])

    def __repr__(self) -> str:
        return f"<MailServer {self._scope.name or '(first scope)'} at {self._client.url}>"


class RemoteWaits(Waits):
    """Waits whose wake-ups come over HTTP. What only the server can see, it waits for."""

    def __init__(self, server: RemoteServer, client: Client) -> None:
        super().__init__(ScopeSource(server))
        self._server = server
        self._client = client

    def command(self, command: str, protocol: str, user: str | None, timeout: float | None) -> "Session":
        """The session that carries out a command now, or the next that does."""
        __tracebackhide__ = True
        limit = self._source.default_timeout() if timeout is None else seconds_of("timeout", timeout)
        query = {"command": command, "protocol": protocol, "user": user, "timeout": limit, "scope": self._server.name}
        found = self._client.json("GET", "/command", query, patience=limit + PATIENCE)
        if not found["found"]:
            raise MessageNotFound(found["explanation"])
        return forms.RemoteSession(found["session"], self._client)

    def _transactions_over(self) -> None:
        __tracebackhide__ = True
        found = self._client.json("GET", "/settled", {"scope": self._server.name}, patience=10 * PATIENCE)
        if not found["settled"]:
            raise UnexpectedMessage(found["explanation"])


def _scope(described: Mapping[str, Any], parent: Scope, settings: Mapping[str, Any]) -> Scope:
    return Scope(described["name"], described["domain"].removesuffix(f".{SCOPE_TLD}"), parent, settings)


def _for_json(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: sorted(value) if isinstance(value, frozenset) else list(value) if isinstance(value, tuple) else value
        for name, value in settings.items()
    }


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

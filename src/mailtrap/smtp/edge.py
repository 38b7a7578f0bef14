"""aiosmtpd at the edge: the one module that knows it, and that may know asyncio.

``Edge``, the driver of SMTP connections, *is* an ``aiosmtpd.smtp.SMTP``. A handler written for aiosmtpd is asked
through ``HandlerPolicy``: ``handle_EHLO`` to ``handle_exception``, ``auth_MECHANISM``, ``authenticator``. It gets real
aiosmtpd ``Session`` and ``Envelope`` objects, and the texts it returns are the replies. The other direction of its
contract, a handler of ours behind a user's own ``Controller``, is ``store_handler``.

What a handler decides holds for the client; the mail it accepted (2xx from ``handle_DATA``, or without that method) is
kept here as well, under the envelope it left behind, with the bytes as they came. Methods may be plain functions, too.
"""

import asyncio
import inspect
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from aiosmtpd import smtp

from ..message.address import Address
from ..message.envelope import NO_PARAMETERS, Envelope, Parameters
from ..net.driver import Driver
from ..transcript import TLS
from ..wire.reply import Reply
from .policy import Authenticated, Challenge, Verdict
from .session import SMTPSession

if TYPE_CHECKING:
    from ..net.hub import ContextProvider, Hub
    from ..wire.machine import Machine
    from ..wire.steps import Done

_MISSING: Final = smtp.MISSING
_HOOKS: Final = frozenset({"EHLO", "HELO", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "QUIT", "VRFY", "STARTTLS"})
_ACCEPTED: Final = Reply(235, "2.7.0", "Authentication successful")
_INVALID: Final = Reply(535, "5.7.8", "Authentication credentials invalid")


class Edge(Driver, smtp.SMTP):
    """One connection: our driver, with the attributes that handlers use of an ``aiosmtpd.smtp.SMTP``.

    aiosmtpd's ``__init__`` is not called: it looks at every method of itself and of the handler, for each
    connection. What it would set comes to be when it is asked for.
    """

    _closed = None  # asked for by aiosmtpd's __del__
    _policy: "HandlerPolicy | None" = None

    def __init__(
        self, hub: "Hub", make_machine: "Callable[..., Machine]", tls: "ContextProvider | None" = None, *,
        handler: object | None = None, hostname: str = "",
    ) -> None:  # fmt: skip
        """
        Args:
            hub: as for ``Driver``.
            make_machine: takes the peer, and ``policy=``.
            tls: as for ``Driver``.
            handler: written for aiosmtpd, or None.
            hostname: of the server.
        """
        Driver.__init__(self, hub, make_machine, tls)
        if handler is not None:
            self._policy = policy = HandlerPolicy(self, handler)
            self._make_machine = lambda peer: make_machine(peer, policy=policy)
        self._hostname = hostname

    @property
    def smtp_session(self) -> SMTPSession:
        """The state machine of this connection."""
        assert isinstance(self.machine, SMTPSession)
        return self.machine

    async def push(self, status: str | bytes) -> None:
        """Send a line to the client, now (aiosmtpd's method, which handlers call)."""
        line = (status.encode() if isinstance(status, str) else status) + b"\r\n"
        self.machine.record.reply(line)
        self.send(line)

    async def challenge_auth(
        self,
        challenge: str | bytes,
        encode_to_b64: bool = True,
        log_client_response: bool = False,  # noqa: ARG002
    ) -> Any:
        """Ask the client for a response, decoded (aiosmtpd's method, which ``auth_MECHANISM`` methods call)."""
        from base64 import b64encode
        from binascii import Error, a2b_base64

        assert self._policy is not None
        octets = challenge.encode() if isinstance(challenge, str) else challenge
        line = await self._policy.challenge(b"334 " + (b64encode(octets) if encode_to_b64 else octets) + b"\r\n")
        if line == b"*":
            await self.push("501 5.7.0 Auth aborted")
            return _MISSING
        try:
            return a2b_base64(line.strip(), strict_mode=True)
        except Error:
            await self.push("501 5.5.2 Can't decode base64")
            return _MISSING

    def _lost(self) -> None:
        super()._lost()
        if self._policy is not None:
            self._policy.give_up()


def _make_session(edge: Edge) -> smtp.Session:
    machine = edge.smtp_session
    session = smtp.Session(edge.hub.loop)
    session.peer = _peer(edge)
    session.host_name = machine.helo
    session.extended_smtp = machine.extended
    session.authenticated = True if machine.user is not None else None
    session.ssl = _ssl_info(machine.record.tls)
    return session


def _peer(edge: Edge) -> Any:
    """The client as aiosmtpd tells it; or the one that a proxy speaks for."""
    peername = edge.transport.get_extra_info("peername")  # type: ignore[union-attr]
    told = edge.machine.record.peer
    return peername if not peername or tuple(peername[:2]) == told else told


def _ssl_info(tls: TLS | None) -> dict[str, Any] | None:
    if tls is None:
        return None
    return {"cipher": (tls.cipher, tls.version, None), "server_name": tls.server_name}


def _make_envelope(edge: Edge) -> smtp.Envelope:
    envelope = smtp.Envelope()
    transaction = edge.smtp_session.transaction
    if transaction is not None:
        envelope.mail_from = _path(transaction.mail_from)
        envelope.mail_options = _options(transaction.parameters)
        envelope.smtp_utf8 = transaction.utf8
        envelope.rcpt_tos = [_path(recipient) for recipient in transaction.recipients]
    return envelope


_LAZY: Final[Mapping[str, Callable[[Edge], Any]]] = {
    "session": _make_session,
    "envelope": _make_envelope,
    "transport": lambda edge: edge._wire,
    "loop": lambda edge: edge.hub.loop,
    "hostname": lambda edge: edge._hostname,
    "event_handler": lambda edge: None if edge._policy is None else edge._policy.handler,
    "data_size_limit": lambda edge: edge.machine.scope.live.max_message_size or None,
    "enable_SMTPUTF8": lambda _edge: True,
    "tls_context": lambda _edge: None,
    "require_starttls": lambda edge: edge.machine.scope.live.starttls == "required",
    "_decode_data": lambda _edge: False,
    "_authenticator": lambda edge: getattr(edge.event_handler, "authenticator", None),
    "_auth_callback": lambda _edge: smtp.login_always_fail,
    "_handle_hooks": lambda edge: {
        name[7:]: getattr(edge.event_handler, name) for name in dir(edge.event_handler) if name.startswith("handle_")
    },
}


class _Lazy:
    """One of them. ``Edge`` has no ``__getattr__``: with one, every attribute of a connection is looked up slowly."""

    def __init__(self, name: str, make: Callable[[Edge], Any]) -> None:
        self._name = name
        self._make = make

    def __get__(self, edge: Edge | None, owner: type[Edge]) -> Any:
        if edge is None:
            return self
        value = self._make(edge)
        if edge._policy is not None or self._name not in ("session", "envelope"):
            vars(edge)[self._name] = value  # without a handler nobody keeps those two up to date: made anew
        return value


for _name, _make in _LAZY.items():
    setattr(Edge, _name, _Lazy(_name, _make))


def _path(address: Address) -> str:
    """An address as aiosmtpd gives it: without source route, the null path in its brackets."""
    if not address:
        return "<>"
    return str(address) if address.original.startswith("@") else address.original


def _options(parameters: Parameters) -> list[str]:
    return [name if value is None else f"{name}={value}" for name, value in parameters.items()]


def parse_status(status: str | bytes) -> Reply:
    """The reply that a handler returned as text, one line or several.

    Raises:
        ValueError: it does not begin with a reply code.
    """
    text = status.decode("utf-8", "replace") if isinstance(status, bytes) else status
    lines = text.splitlines()
    if not lines or len(lines[-1]) < 3 or not lines[-1][:3].isdigit() or not "200" <= lines[-1][:3] <= "599":
        raise ValueError(f"a handler's answer begins with a reply code, and this does not: {status!r}")
    if len(lines) == 1:
        return Reply.parse(int(text[:3]), text[4:])
    return Reply(int(lines[-1][:3]), None, *(line[4:] for line in lines))


class HandlerPolicy:
    """Asks a handler that was written for aiosmtpd. A hook that it has not keeps aiosmtpd's envelope up to date."""

    def __init__(self, edge: Edge, handler: object) -> None:
        self.handler: Any = handler
        self._edge = edge
        self._auth: dict[str, Callable[..., Any]] | None = None
        self._done: Done | None = None
        self._response: asyncio.Future[bytes] | None = None
        hooks = set(_HOOKS)
        if hasattr(handler, "handle_exception"):
            hooks.add("EXCEPTION")
        if hasattr(handler, "authenticator") or any(name.startswith("auth_") for name in dir(type(handler))):
            hooks.add("AUTH")
        self.hooks: Collection[str] = hooks
        self._answers: Mapping[str, Callable[..., Any]] = {
            "EHLO": self._ehlo, "HELO": self._helo, "MAIL": self._mail, "RCPT": self._rcpt, "DATA": self._data,
            "RSET": self._rset, "NOOP": self._noop, "QUIT": self._quit, "VRFY": self._vrfy,
            "STARTTLS": self._starttls, "AUTH": self._auth_command, "EXCEPTION": self._exception,
        }  # fmt: skip

    @property
    def mechanisms(self) -> Sequence[str]:
        """The handler's, and aiosmtpd's own where it has an authenticator."""
        return tuple(sorted(self._auth_methods))

    def ask(self, hook: str, arguments: tuple[Any, ...], done: "Done") -> None:
        """See ``Policy``."""
        if hook == "RESPONSE":
            self._done = done
            if self._response is not None and not self._response.done():
                self._response.set_result(arguments[0])
            return
        answer = self._answers[hook](*arguments)
        if not isinstance(answer, Coroutine):
            done(answer, None)
        elif hook == "AUTH":
            self._done = done
            self._edge.run_coroutine(answer, self._finish)
        else:
            self._edge.run_coroutine(answer, done)

    async def challenge(self, line: bytes) -> bytes:
        """Send a challenge; the client's line."""
        self._response = self._edge.hub.loop.create_future()
        self._finish(Challenge(line), None)
        return await self._response

    def give_up(self) -> None:
        """The connection is gone: nobody will answer a challenge."""
        if self._response is not None:
            self._done = None
            self._response.cancel()

    def _finish(self, answer: Any, error: BaseException | None) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(answer, error)

    # ------------------------------------------------------------ calling

    async def _call(self, hook: Callable[..., Any], *arguments: Any) -> Any:
        edge = self._edge
        session: Any = self._session  # aiosmtpd declares its login data as None
        user = edge.smtp_session.user
        if user is not None and not session.authenticated:  # by the server's own mechanisms
            session.authenticated = True
            session._login_data = user.encode()
        answer = hook(edge, session, edge.envelope, *arguments)
        return await answer if inspect.isawaitable(answer) else answer

    def _hook(self, name: str) -> Callable[..., Any] | None:
        hook: Callable[..., Any] | None = getattr(self.handler, f"handle_{name}", None)
        return hook

    async def _status(self, hook: Callable[..., Any], *arguments: Any) -> Reply | None:
        status = await self._call(hook, *arguments)
        return None if status is _MISSING or status is None else parse_status(status)

    def _simple(self, name: str, *arguments: Any) -> Any:
        hook = self._hook(name)
        return None if hook is None else self._status(hook, *arguments)

    @property
    def _session(self) -> smtp.Session:
        session = self._edge.session
        assert session is not None
        return session

    @property
    def _envelope(self) -> smtp.Envelope:
        envelope = self._edge.envelope
        assert envelope is not None
        return envelope

    # ------------------------------------------------------------ the hooks

    def _ehlo(self, name: str, lines: Sequence[str]) -> Any:
        self._edge.envelope = smtp.Envelope()
        self._session.peer = _peer(self._edge)
        self._session.extended_smtp = True
        hook = self._hook("EHLO")
        if hook is None:
            self._session.host_name = name
            return None
        return self._say_hello(hook, name, lines)

    async def _say_hello(self, hook: Callable[..., Any], name: str, lines: Sequence[str]) -> Reply | None:
        texts = [f"250-{line}" for line in lines[:-1]] + [f"250 {lines[-1]}"]
        if len(inspect.signature(hook).parameters) == 4:  # the older form: it gives the last line alone
            status = await self._call(hook, name)
            texts[-1:] = [f"250-{lines[-1]}", str(status)]
        else:
            answer = await self._call(hook, name, texts)
            if answer is _MISSING or answer is None:
                return None
            texts = [answer] if isinstance(answer, str) else list(answer)
        return parse_status("\n".join(texts))

    def _helo(self, name: str) -> Any:
        self._edge.envelope = smtp.Envelope()
        self._session.peer = _peer(self._edge)
        self._session.extended_smtp = False
        if self._hook("HELO") is None:
            self._session.host_name = name
        return self._simple("HELO", name)

    def _mail(self, address: Address, parameters: Parameters) -> Any:
        envelope = self._edge.envelope = smtp.Envelope()
        envelope.smtp_utf8 = "SMTPUTF8" in parameters
        options = _options(parameters)
        if (hook := self._hook("MAIL")) is not None:
            return self._status(hook, _path(address), options)
        envelope.mail_from = _path(address)
        envelope.mail_options.extend(options)
        return None

    def _rcpt(self, address: Address, parameters: Parameters) -> Any:
        options = _options(parameters)
        if (hook := self._hook("RCPT")) is not None:
            return self._status(hook, _path(address), options)
        self._envelope.rcpt_tos.append(_path(address))
        self._envelope.rcpt_options.extend(options)
        return None

    async def _data(self, raw: bytes, ours: Envelope) -> Verdict:
        envelope = self._envelope
        envelope.content = envelope.original_content = raw
        try:
            hook = self._hook("DATA")
            reply = None if hook is None else await self._status(hook)
        finally:
            self._edge.envelope = smtp.Envelope()
        return Verdict(reply, _rewritten(envelope, ours))

    def _rset(self) -> Any:
        self._edge.envelope = smtp.Envelope()
        return self._simple("RSET")

    def _noop(self, argument: str) -> Any:
        return self._simple("NOOP", argument or None)

    def _quit(self) -> Any:
        return self._simple("QUIT")

    def _vrfy(self, address: str) -> Any:
        return self._simple("VRFY", address)

    async def _starttls(self, tls: TLS) -> bool:
        edge = self._edge
        edge.session = _make_session(edge)  # what was said before is forgotten
        edge.session.ssl = _ssl_info(tls)
        edge.envelope = smtp.Envelope()
        hook = self._hook("STARTTLS")
        return hook is None or bool(await self._call(hook))

    async def _exception(self, error: Exception) -> Reply:
        answer = self.handler.handle_exception(error)
        return parse_status(await answer if inspect.isawaitable(answer) else answer)

    # ------------------------------------------------------------ AUTH

    @property
    def _auth_methods(self) -> Mapping[str, Callable[..., Any]]:
        if self._auth is None:
            sources: list[object] = [self.handler]
            if hasattr(self.handler, "authenticator"):
                sources.insert(0, self._edge)
            self._auth = {
                getattr(method, "__auth_mechanism_name__", name[5:].replace("__", "-")).upper(): method
                for source in sources
                for name in dir(type(source))
                if name.startswith("auth_") and callable(method := getattr(source, name))
            }
        return self._auth

    async def _auth_command(self, mechanism: str, initial: str | None) -> Authenticated | Reply | None:
        arguments = [mechanism] if initial is None else [mechanism, initial]
        if (hook := self._hook("AUTH")) is not None and (status := await self._call(hook, arguments)) is not _MISSING:
            reply = parse_status(status)
            return Authenticated(reply, "") if reply.code == 235 else reply
        answer = self._auth_methods[mechanism](self._edge, arguments)
        result = await answer if inspect.isawaitable(answer) else answer
        if isinstance(result, smtp.AuthResult):
            if result.success:
                return self._let_in(result.auth_data, result.message)
            if result.handled:
                return None  # the method has replied
            return _INVALID if result.message is None else parse_status(result.message)
        if result is None:
            return None
        return _INVALID if result is _MISSING or result is False else self._let_in(result, None)

    def _let_in(self, data: Any, message: str | None) -> Authenticated:
        session = self._session
        session.authenticated = True
        session.auth_data = data
        session._login_data = getattr(data, "login", data)
        login = session._login_data
        user = login.decode("utf-8", "replace") if isinstance(login, bytes) else str(login)
        return Authenticated(_ACCEPTED if message is None else parse_status(message), user)


def _rewritten(envelope: smtp.Envelope, ours: Envelope) -> Envelope | None:
    """The envelope that a handler left behind; None where it is what the client said."""
    mail_from = envelope.mail_from if envelope.mail_from is not None else _path(ours.mail_from)
    recipients = [str(recipient) for recipient in envelope.rcpt_tos]
    if mail_from == _path(ours.mail_from) and recipients in ([], [_path(recipient) for recipient in ours.recipients]):
        return None
    said = dict(zip(map(_path, ours.recipients), ours.recipient_parameters, strict=True))
    return Envelope(
        Address("" if mail_from == "<>" else mail_from),
        [Address(recipient) for recipient in recipients] if recipients else ours.recipients,
        ours.mail_parameters,
        [said.get(recipient, NO_PARAMETERS) for recipient in recipients] if recipients else ours.recipient_parameters,
    )

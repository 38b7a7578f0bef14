"""A handler that keeps mail here, for a user's own aiosmtpd ``Controller``: the other direction of ``edge``."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..delivery.intake import Incoming, Outcome
from ..delivery.refusal import Refusal
from ..message.address import Address
from ..message.envelope import NO_PARAMETERS, Envelope
from ..transcript import Session
from ..wire.reply import Reply
from . import grammar

if TYPE_CHECKING:
    import asyncio

    from aiosmtpd import smtp

    from ..delivery.services import Services
    from ..scopes import Scope
    from ..wire.steps import Done


class StoreHandler:
    """Keeps mail here, behind a user's own aiosmtpd ``Controller``, with routing, hooks and refusals.

    aiosmtpd tells no handler when a connection ends, so each mail has a session record of its own.
    """

    def __init__(self, services: "Services", scope: "Scope") -> None:
        self._services = services
        self._scope = scope

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self,
        server: "smtp.SMTP",
        session: "smtp.Session",
        envelope: "smtp.Envelope",
        address: str,
        rcpt_options: list[str],
    ) -> str:  # fmt: skip
        """Routing decides; a recipient that is accepted is added to the envelope."""
        parameters = grammar.parse_parameters(" ".join(rcpt_options)) or NO_PARAMETERS
        recipient, sender = _address(address), _address(envelope.mail_from)
        record = self._record(session)
        intake = self._services.intake
        reply: Reply | None = await _outcome(
            server.loop, lambda done: intake.recipient(record, self._scope, sender, recipient, parameters, done)
        )
        if reply is not None:
            said = Envelope(sender, [*map(_address, envelope.rcpt_tos), recipient])
            intake.refuse(self._scope, Refusal("RCPT", reply, said, record))
            record.close()
            return str(reply)
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(rcpt_options)
        return "250 2.1.5 Ok"

    async def handle_DATA(  # noqa: N802  aiosmtpd's name
        self, server: "smtp.SMTP", session: "smtp.Session", envelope: "smtp.Envelope"
    ) -> str:
        """The mail is kept when this returns 250."""
        raw = envelope.original_content
        if raw is None:
            raw = envelope.content.encode("utf-8", "surrogateescape") if isinstance(envelope.content, str) else b""
        record = self._record(session)
        record.note(b"%d octets of message, taken in by aiosmtpd" % len(raw))
        parameters = grammar.parse_parameters(" ".join(envelope.mail_options)) or NO_PARAMETERS
        said = Envelope(_address(envelope.mail_from), [_address(text) for text in envelope.rcpt_tos], parameters)
        mail = Incoming(record, self._scope, "smtp", said, raw, record.cut())
        outcome: Outcome = await _outcome(server.loop, lambda done: self._services.intake.submit(mail, done))
        record.close()
        return str(outcome.reply)

    def _record(self, session: "smtp.Session") -> Session:
        peer: Any = session.peer  # declared as str, and a tuple where it is TCP
        host, port = (str(peer[0]), int(peer[1])) if isinstance(peer, tuple) and len(peer) > 1 else (str(peer or ""), 0)
        record = Session("smtp", (host, port), "aiosmtpd", scope=self._scope.name)
        record.helo = session.host_name
        if session.authenticated:
            login = session._login_data
            record.user = login.decode("utf-8", "replace") if isinstance(login, bytes) else str(login)
        return record


def _address(text: str | None) -> Address:
    return Address("" if text in (None, "<>") else text or "")


async def _outcome(loop: "asyncio.AbstractEventLoop", begin: "Callable[[Done], None]") -> Any:
    """Begin something that tells its end from whatever thread, and wait for it without holding the loop."""
    future: asyncio.Future[Any] = loop.create_future()

    def finish(value: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)

    def done(value: Any, error: BaseException | None) -> None:
        loop.call_soon_threadsafe(finish, value, error)

    begin(done)
    return await future

"""XCLIENT: a trusted peer says whom it speaks for. Postfix's extension (its ``XCLIENT_README``).

Who is trusted is decided by the address that the connection came from, or that a PROXY header gave, never by what
XCLIENT itself said.
"""

import re
from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any, Final

from ..wire import peers, sasl
from ..wire.reply import Reply
from ..wire.steps import Step
from . import grammar, replies

if TYPE_CHECKING:
    from .session import SMTPSession

CommandSteps = Generator[Step, Any, Reply | None]

UNKNOWN: Final = "unknown"  # the host of a client whose address is not available
_UNAVAILABLE: Final = frozenset({"", "[UNAVAILABLE]", "[TEMPUNAVAIL]"})  # nginx sends LOGIN= for nobody
_NAME: Final = re.compile(r"[\w.-]{1,255}", re.ASCII)


def trusted(session: "SMTPSession") -> bool:
    """Whether XCLIENT is offered to this client."""
    networks = session.live.trusted_proxies
    return bool(networks) and peers.trusted(networks, session.origin)


def xclient(session: "SMTPSession", argument: str) -> CommandSteps:
    """XCLIENT: the conversation begins anew, with a greeting, as if this client had connected."""
    if not trusted(session):
        return replies.XCLIENT_DENIED
    if session.transaction is not None:
        return replies.XCLIENT_IN_MAIL
    said: dict[str, str | int | None] = {}
    for word in argument.split():
        name, equals, value = word.partition("=")
        name = name.upper()
        read = _ATTRIBUTES.get(name)
        if read is None or not equals:
            return replies.XCLIENT_SYNTAX
        try:
            said[name] = None if value.upper() in _UNAVAILABLE else read(value)
        except ValueError:
            return Reply(501, "5.5.4", f"That is no {name}")
    if not said:
        return replies.XCLIENT_SYNTAX
    return (yield from _begin_anew(session, said))


def _begin_anew(session: "SMTPSession", said: Mapping[str, Any]) -> CommandSteps:
    session.forget()
    record = session.record
    host, port = record.peer
    host = (said["ADDR"] or UNKNOWN) if "ADDR" in said else host
    record.peer = (host, (said["PORT"] or 0) if "PORT" in said else port)
    record.note(f"the client is {record.peer[0]}:{record.peer[1]}".encode())
    if said.get("HELO") is not None:
        session.helo = record.helo = said["HELO"]
        session.extended = said.get("PROTO") == "ESMTP"
    if said.get("LOGIN") is not None:
        try:
            who = yield from sasl.log_in(session.services, record, session.scope, said["LOGIN"], "XCLIENT")
        except sasl.SASLError as error:
            return error.reply
        session.user = who.user
    reply: Reply = yield from session.greeting()
    session.ending = not reply.positive
    return reply


def _name(value: str) -> str:
    text = _text(value)
    if _NAME.fullmatch(text) is None:
        raise ValueError(value)
    return text


def _text(value: str) -> str:
    if not grammar.is_xtext(value):
        raise ValueError(value)
    text = grammar.decode_xtext(value)
    if not text.isprintable() or not 1 <= len(text) <= 255:
        raise ValueError(value)
    return text


def _helo(value: str) -> str:
    text = _text(value)
    if not text.isascii():
        raise ValueError(value)
    return text


def _address(value: str) -> str:
    text = _text(value)
    six = text[:5].upper() == "IPV6:"
    address = peers.ip_address(text[5:], 6) if six else peers.ip_address(text)
    if address is None:
        raise ValueError(value)
    return address


def _port(value: str) -> int:
    number = peers.port(value)
    if number is None:
        raise ValueError(value)
    return number


def _protocol(value: str) -> str:
    if value.upper() not in ("SMTP", "ESMTP"):
        raise ValueError(value)
    return value.upper()


_ATTRIBUTES: Final[Mapping[str, Callable[[str], str | int]]] = {
    "NAME": _name, "ADDR": _address, "PORT": _port, "PROTO": _protocol, "HELO": _helo, "LOGIN": _text,
    "DESTADDR": _address, "DESTPORT": _port,
}  # fmt: skip
ATTRIBUTES: Final = " ".join(_ATTRIBUTES)

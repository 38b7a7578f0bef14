"""Logging in: STARTTLS, LOGIN, AUTHENTICATE."""

from functools import partial
from typing import TYPE_CHECKING

from ...delivery.accounts import Login
from ...delivery.refusal import Refusal as Record
from ...message.address import Address
from ...message.envelope import Envelope
from ...wire import sasl
from ...wire.machine import Steps
from ...wire.steps import EndDeflate, StartDeflate, StartTLS, Watch
from .. import capabilities
from ..command import AFTER_LOGIN, BEFORE_LOGIN, Handled, command
from ..responses import Refusal, Reply
from ..tokens import Scanner, SyntaxFault

if TYPE_CHECKING:
    from ..session import IMAPSession


@command("STARTTLS", BEFORE_LOGIN, arguments=False)
def starttls(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 3501, 6.2.1. What came in clear behind it is dropped: nobody may put words into the TLS session."""
    del scanner, uid
    if session.secure:
        raise Refusal("TLS is there already", "CLIENTBUG", "BAD")
    if not session.offers("STARTTLS"):
        raise Refusal("STARTTLS is not offered", kind="BAD")
    session.afterwards = partial(_start_tls, session)
    yield from ()
    return Reply("OK", "Begin the TLS handshake")


def _start_tls(session: "IMAPSession") -> Steps:
    session.buffer.clear()
    session.record.tls = yield StartTLS()
    session.record.note(b"TLS begins")


@command("LOGIN", BEFORE_LOGIN)
def login(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 3501, 6.2.3."""
    del uid
    start = scanner.position
    user = scanner.astring("a user name")
    scanner.space()
    password = scanner.astring("a password")
    scanner.end()
    name = user.decode("utf-8", "surrogateescape")
    if not name.isprintable():
        raise SyntaxFault("A user name that is no UTF-8, or has control characters", start)
    scope = session.services.scopes.current
    if not sasl.allowed(scope.live, session.secure):
        raise Refusal("A login needs TLS first", "PRIVACYREQUIRED")  # RFC 5530, 3
    try:
        who = yield from sasl.check_password(
            session.services, session.record, scope, name, password.decode("utf-8", "surrogateescape"),
            mechanism="LOGIN",
        )  # fmt: skip
    except sasl.SASLError as error:
        raise _refused(session, "LOGIN", error) from None
    return (yield from _welcome(session, who))


@command("AUTHENTICATE", BEFORE_LOGIN, recorded=True)
def authenticate(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 3501, 6.2.2; with an initial response: RFC 4959."""
    del uid
    mechanism = scanner.word("the name of a mechanism")
    initial = None
    if not scanner.ended:
        scanner.space()
        initial = scanner.text[scanner.position :]
        if not session.offers("SASL-IR"):
            raise Refusal("There is no initial response here", kind="BAD")
    services, scope = session.services, session.services.scopes.current
    if not sasl.allowed(scope.live, session.secure):
        raise Refusal("A login needs TLS first", "PRIVACYREQUIRED")
    offered = yield from sasl.offered(
        services, session.record, scope, tls=session.secure, changes=scope.live.imap_capabilities
    )
    if mechanism not in offered:
        raise Refusal("That mechanism is not offered", "CANNOT")
    try:
        who = yield from sasl.authenticate(
            services, session.record, scope, mechanism, initial, prompt=b"+ ", read_line=session.read_line,
            offered=offered,
        )  # fmt: skip
    except sasl.SASLError as error:
        raise _refused(session, "AUTHENTICATE", error) from None
    return (yield from _welcome(session, who))


@command("UNAUTHENTICATE", AFTER_LOGIN, arguments=False, fresh=True)
def unauthenticate(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 8437, 3: as before the login; nothing is expunged. TLS stays, compression ends behind the reply (4.1)."""
    del scanner, uid
    session.forget_login()
    if session.compressed:
        session.afterwards = partial(_end_deflate, session)
    yield Watch(())
    return Reply("OK", "Logged out", b"CAPABILITY " + (yield from capabilities.offered(session)))


@command("COMPRESS", AFTER_LOGIN)
def compress(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 4978, 3: what follows the tagged reply is compressed, both ways."""
    del uid
    mechanism = scanner.word("the name of a compression mechanism")
    scanner.end()
    if mechanism != "DEFLATE":
        raise Refusal(f"There is no compression {mechanism} here", "CANNOT")
    if session.compressed:
        raise Refusal("The connection is compressed already", "COMPRESSIONACTIVE")
    if not session.offers("COMPRESS=DEFLATE"):
        raise Refusal("Compression is not offered", kind="BAD")
    session.afterwards = partial(_start_deflate, session)
    yield from ()
    return Reply("OK", "Compression begins")


def _start_deflate(session: "IMAPSession") -> Steps:
    session.compressed = True
    yield StartDeflate()
    session.record.note(b"compression begins")


def _end_deflate(session: "IMAPSession") -> Steps:
    session.compressed = False
    yield EndDeflate()
    session.record.note(b"compression ends")


def _welcome(session: "IMAPSession", who: Login) -> Handled:
    session.key = who.key
    session.scope = who.scope
    session.record.scope = who.scope.name
    session.timeout = who.scope.live.imap_timeout
    return Reply("OK", "Logged in", b"CAPABILITY " + (yield from capabilities.offered(session)))


def _refused(session: "IMAPSession", stage: str, error: sasl.SASLError) -> Refusal:
    if isinstance(error, sasl.BadResponse):
        return Refusal(str(error), kind="BAD")
    code = "AUTHENTICATIONFAILED"
    if isinstance(error, sasl.LoginRefused):
        code = "AUTHORIZATIONFAILED"
    elif isinstance(error, sasl.Unavailable):
        code = "UNAVAILABLE"
    refusal = Refusal(str(error), code)
    reply = refusal.reply.line(b"*").decode("utf-8").strip().removeprefix("* ")
    session.services.intake.refuse(
        session.services.scopes.current, Record(stage, reply, Envelope(Address(), ()), session.record)
    )
    return refusal

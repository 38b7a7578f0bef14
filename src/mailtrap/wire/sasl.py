"""Logging in, for all three protocols: AUTH and AUTHENTICATE with SASL, and the commands that carry a password.

What differs between the protocols is how a challenge is written and how a line is read; they give both:

    try:
        who = yield from sasl.authenticate(
            services, record, scope, "PLAIN", initial, prompt=b"334 ", read_line=self.read_line
        )
    except sasl.SASLError as error: ...

    error                  SMTP (error.reply)   POP3                IMAP
    BadResponse            501 5.5.2            -ERR                BAD
    AuthenticationFailed   535 5.7.8            -ERR [AUTH]         NO [AUTHENTICATIONFAILED]
    LoginRefused           the plugin's own     -ERR [AUTH]         NO [AUTHORIZATIONFAILED]
    Unavailable            454 4.7.0            -ERR [SYS/TEMP]     NO [UNAVAILABLE]

``error.reply`` is the SMTP reply; ``str(error)`` is the text alone. Recording the refusal
(``services.intake.refuse``) is the protocol's, for it knows the reply as it was sent. No response and no password
gets into the record.
"""

from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable, Collection, Generator
from typing import TYPE_CHECKING, Any, Final

from ..errors import StoreError
from ..hookspecs import Refuse
from .lines import LineTooLong
from .mechanisms import MECHANISMS
from .reply import Reply
from .requests import (
    AboutUser,
    AuthenticationFailed,
    BadResponse,
    Challenge,
    CheckPassword,
    CheckToken,
    CheckUser,
    IsOffered,
    Mechanism,
    NeedBinding,
    NeedNames,
    NeedPassword,
    SASLError,
)
from .steps import Call, Later, Step

if TYPE_CHECKING:
    from ..config import Live
    from ..delivery.accounts import Login
    from ..delivery.services import Services
    from ..scopes import Scope
    from ..transcript import TLS, Session

__all__ = [
    "AuthenticationFailed", "BadResponse", "LoginRefused", "SASLError", "Unavailable", "allowed", "authenticate",
    "check_password", "knows_passwords", "log_in", "offered",
]  # fmt: skip

ReadLine = Callable[[], Generator[Step, Any, bytes]]
LoginSteps = Generator[Step, Any, "Login"]

_ALWAYS: Final = ("PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER")
_KNOWING: Final = ("SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5")  # the server has to know the password


class LoginRefused(SASLError):
    """The credentials were right and a plugin said no."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(" ".join(reply.lines))
        self._reply = reply

    @property
    def reply(self) -> Reply:
        """As the plugin gave it."""
        return self._reply


class Unavailable(SASLError):
    """The store or a plugin failed; it was reported."""


def allowed(live: "Live", tls: bool) -> bool:
    """Whether a login is possible now; where it is not, STARTTLS has to come first."""
    return tls or (live.auth_before_tls and live.starttls != "required")


def offered(
    services: "Services", record: "Session", scope: "Scope", *, tls: bool, changes: frozenset[str] = frozenset()
) -> Generator[Step, Any, tuple[str, ...]]:
    """The mechanisms that are offered now, best first; empty where a login is not allowed before TLS.

    Nothing is kept: accounts may come and go, so it is asked at each EHLO, CAPA or CAPABILITY, and at each AUTH.
    EXTERNAL is offered where the client has a verified certificate with a name. SCRAM with -PLUS is offered only where
    it was added: clients that see it over TLS 1.3 bind to ``tls-exporter`` (RFC 9266), which Python cannot give.

    Args:
        services: of the server.
        record: of the session.
        scope: current at this moment.
        tls: whether the connection has TLS.
        changes: the protocol's setting; ``-AUTH=LOGIN`` takes a mechanism away, ``+AUTH=ANONYMOUS`` adds one.
    """
    if not allowed(scope.live, tls):
        return ()
    names = list(_ALWAYS)
    if (yield from knows_passwords(services, scope)):
        names[:0] = _KNOWING
    if _possible("EXTERNAL", record.tls):
        names.append("EXTERNAL")
    for change in sorted(changes):
        sign, _, name = change.upper().partition("AUTH=")
        if sign == "-" and name in names:
            names.remove(name)
        elif sign == "+" and name in MECHANISMS and name not in names and _possible(name, record.tls):
            names.append(name)
    return tuple(names)


def _possible(mechanism: str, tls: "TLS | None") -> bool:
    """Whether the connection has what the mechanism builds on."""
    if mechanism == "EXTERNAL":
        return tls is not None and bool(tls.client_names)
    return not mechanism.endswith("-PLUS") or (tls is not None and bool(tls.bindings))


def knows_passwords(services: "Services", scope: "Scope") -> Generator[Step, Any, bool]:
    """Whether mechanisms may be offered for which the server has to know the password: CRAM, SCRAM, APOP."""
    try:
        return bool((yield Call(services.directory.knows_passwords, scope)))
    except StoreError as error:
        services.report(error, scope)
        return False


def authenticate(
    services: "Services", record: "Session", scope: "Scope", mechanism: str, initial: bytes | None, *,
    prompt: bytes, read_line: ReadLine, offered: Collection[str] = (),
) -> LoginSteps:  # fmt: skip
    """Carry out AUTH or AUTHENTICATE. On success ``record.user`` and ``record.mechanism`` are set.

    Args:
        services: of the server.
        record: of the session; challenges are noted in it, of responses their size.
        scope: current at this moment.
        mechanism: a name out of ``offered()``, upper case.
        initial: the initial response as it stood in the command, in base64, ``b"="`` for an empty one (RFC 4954, 4;
            RFC 5034, 4; RFC 4959, 3); None where there was none.
        prompt: what a challenge begins with: ``b"334 "``, ``b"+ "``.
        read_line: reads one line without its end; its exceptions come out, but ``LineTooLong`` is a ``BadResponse``.
        offered: the mechanisms that the client could choose from.

    Raises:
        BadResponse, AuthenticationFailed, LoginRefused, Unavailable: see the module.
    """
    response = None if initial is None else b"" if initial == b"=" else _decode(initial)
    steps: Mechanism = MECHANISMS[mechanism](response, services.hostname)
    answer: Any = None
    while True:
        try:
            request = steps.send(answer)
        except StopIteration as done:
            return (yield from log_in(services, record, scope, done.value, mechanism))
        if isinstance(request, Challenge):
            line = prompt + b64encode(request.data) + b"\r\n"
            record.reply(line)
            yield line
            answer = _decode((yield from _response(record, read_line)))
        elif isinstance(request, NeedNames):
            answer = () if record.tls is None else record.tls.client_names
        elif isinstance(request, NeedBinding):
            answer = None if record.tls is None else record.tls.bindings.get(request.kind)
        elif isinstance(request, IsOffered):
            answer = request.mechanism in offered
        else:
            answer = yield from _asked(services, scope, request)


def check_password(
    services: "Services", record: "Session", scope: "Scope", user: str, password: str, *, mechanism: str
) -> LoginSteps:
    """The login of a command that carries the password itself: PASS, LOGIN.

    Raises:
        AuthenticationFailed, LoginRefused, Unavailable: see the module.
    """
    if not (yield from _asked(services, scope, CheckPassword(user, password))):
        raise AuthenticationFailed(user)
    return (yield from log_in(services, record, scope, user, mechanism))


def log_in(services: "Services", record: "Session", scope: "Scope", user: str, mechanism: str) -> LoginSteps:
    """Let somebody in whose credentials were right, unless a plugin refuses (``mailtrap_before_login``).

    Raises:
        LoginRefused, Unavailable: see the module.
    """
    if services.plugins.has("mailtrap_before_login"):

        def ask(done: Callable[[Any, BaseException | None], None]) -> None:
            services.plugins.before(
                "mailtrap_before_login", scope.live.hook_timeout, done,
                session=record, user=user, mechanism=mechanism,
            )  # fmt: skip

        try:
            answer = yield Later(ask)
        except Exception:  # noqa: BLE001  a plugin may raise anything; it was reported where it was called
            raise Unavailable("A plugin failed; try again later") from None
        if isinstance(answer, Refuse):
            raise LoginRefused(Reply.parse(answer.code, answer.text))
    who: Login = yield from _called(services, scope, Call(services.directory.login, user, scope))
    record.user = user
    record.mechanism = mechanism
    return who


def _asked(services: "Services", scope: "Scope", request: AboutUser) -> Generator[Step, Any, Any]:
    directory = services.directory
    match request:
        case NeedPassword(user):
            call = Call(directory.password, user, scope)
        case CheckPassword(user, password):
            call = Call(directory.check, user, password, scope)
        case CheckToken(user, token):
            call = Call(directory.check_token, user, token, scope)
        case CheckUser(user):
            call = Call(directory.admits, user, scope)
    return (yield from _called(services, scope, call))


def _called(services: "Services", scope: "Scope", call: Call) -> Generator[Step, Any, Any]:
    try:
        return (yield call)
    except StoreError as error:
        services.report(error, scope)
        raise Unavailable("The store cannot answer now; try again later") from None


def _response(record: "Session", read_line: ReadLine) -> Generator[Step, Any, bytes]:
    try:
        line = yield from read_line()
    except LineTooLong:
        record.note(b"a response over the limit")
        raise BadResponse("The response is too long") from None
    if line == b"*":  # RFC 4954, 4; RFC 5034, 4; RFC 9051, 6.2.2
        record.note(b"the client gave up")
        raise BadResponse("Authentication cancelled")
    record.note(b"a response of %d octets" % len(line))
    return line


def _decode(line: bytes) -> bytes:
    try:
        return a2b_base64(line, strict_mode=True)
    except Base64Error:
        raise BadResponse("The response is no base64") from None

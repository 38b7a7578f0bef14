"""The commands of the AUTHORIZATION state: how somebody logs in and gets the maildrop."""

import hashlib
import hmac
from collections.abc import Generator
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ..delivery.accounts import Login
from ..errors import NoSuchMailbox
from ..store.rows import INBOX, MailboxRow, Snapshot
from ..wire import sasl
from ..wire.steps import Call, Pause, Step
from .answer import Answer, AnswerSteps, Then, error, no_argument, ok
from .capabilities import starttls_offered
from .maildrop import Maildrop

if TYPE_CHECKING:
    from .session import POP3Session

_ROWS: Final = 1000  # copies that are asked for at once while a maildrop is opened


def user(session: "POP3Session", argument: bytes) -> Answer:
    """USER (RFC 1939, 7). Whether there is such a user is not said."""
    if (refused := _too_early(session)) is not None:
        return refused
    name = _name(argument)
    if name is None:
        return error("USER has the name of a user")
    session.name = name
    return ok("Go on with PASS")


def password(session: "POP3Session", argument: bytes) -> AnswerSteps:
    """PASS (RFC 1939, 7): all behind the one space is the password, spaces too."""
    if (refused := _too_early(session)) is not None:
        return refused
    name, session.name = session.name, None  # after a wrong password USER comes first again
    if name is None:
        return error("USER comes first")
    text = _text(argument)
    if text is None:
        return error("A password is UTF-8")
    return (
        yield from _log_in(
            session, "PASS", name,
            sasl.check_password(session.services, session.record, session.scope, name, text, mechanism="USER"),
        )
    )  # fmt: skip


def apop(session: "POP3Session", argument: bytes) -> AnswerSteps:
    """APOP (RFC 1939, 7): the MD5 of the greeting's timestamp and the password."""
    if session.banner is None:
        return error("APOP is not offered: the greeting had no timestamp")
    if (refused := _too_early(session)) is not None:
        return refused
    words, space, digest = argument.strip(b" ").rpartition(b" ")
    name = _name(words)
    if not space or name is None:
        return error("APOP has a name and a digest")
    return (yield from _log_in(session, "APOP", name, _check_digest(session, session.banner, name, digest)))


def _check_digest(session: "POP3Session", banner: bytes, name: str, digest: bytes) -> Generator[Step, Any, Login]:
    services, scope = session.services, session.scope
    known: str | None = yield Call(services.directory.password, name, scope)
    expected = hashlib.md5(banner + (known or "").encode(), usedforsecurity=False).hexdigest().encode()
    if known is None or not hmac.compare_digest(expected, digest.lower()):
        raise sasl.AuthenticationFailed(name)
    return (yield from sasl.check_password(services, session.record, scope, name, known, mechanism="APOP"))


def auth(session: "POP3Session", argument: bytes) -> AnswerSteps:
    """AUTH (RFC 5034, 4). Without a mechanism it lists them, as clients older than CAPA ask."""
    if (refused := _too_early(session)) is not None:
        return refused
    offered = yield from session.mechanisms()
    words = argument.split()
    if not words:
        return Answer(b"+OK Mechanisms follow", ["".join(f"{name}\r\n" for name in offered).encode(), b".\r\n"])
    if len(words) > 2:
        return error("AUTH has a mechanism and perhaps an initial response")
    mechanism = words[0].decode("ascii", "replace").upper()
    if mechanism not in offered:
        return error("That mechanism is not offered")
    steps = sasl.authenticate(
        session.services, session.record, session.scope, mechanism, words[1] if len(words) > 1 else None,
        prompt=b"+ ", read_line=session.line, offered=offered,
    )  # fmt: skip
    return (yield from _log_in(session, "AUTH", "", steps))


def stls(session: "POP3Session", argument: bytes) -> Answer:
    """STLS (RFC 2595, 4)."""
    if not no_argument(argument):
        return error("STLS has no argument")
    if session.tls:
        return error("TLS is on already")
    if session.utf8:
        return error("STLS comes before UTF8")  # RFC 6856, 2.1
    if not starttls_offered(session):
        return error("STLS is not offered")
    return Answer(b"+OK Begin TLS", then=Then.TLS)


def utf8(session: "POP3Session", argument: bytes) -> Answer:
    """UTF8 (RFC 6856, 2.1): messages are served octet for octet; without it, those with UTF-8 in header fields not."""
    if not no_argument(argument):
        return error("UTF8 has no argument")
    session.utf8 = True
    return ok("UTF8 enabled")


# ---------------------------------------------------------------- the login


def _too_early(session: "POP3Session") -> Answer | None:
    if sasl.allowed(session.scope.live, session.tls):
        return None
    return error("A login is not allowed before TLS: say STLS")


def _log_in(session: "POP3Session", stage: str, name: str, steps: Generator[Step, Any, Login]) -> AnswerSteps:
    """Carry out a login and open the maildrop; say and record it where that is refused."""
    try:
        who = yield from steps
    except sasl.AuthenticationFailed as failure:
        name, answer = failure.user, error(str(failure), "AUTH")
    except sasl.LoginRefused as failure:
        answer = error(str(failure), "AUTH")
    except sasl.Unavailable as failure:
        answer = error(str(failure), "SYS/TEMP")
    except sasl.BadResponse as failure:
        answer = error(str(failure))
    else:
        record = session.record
        mechanism, record.user, record.mechanism = record.mechanism, None, None
        maildrop = yield from _open(session, who)
        if maildrop is not None:
            record.user, record.mechanism, record.scope = who.user, mechanism, who.scope.name
            session.maildrop = maildrop
            session.scope = who.scope
            session.timeout = who.scope.live.pop3_timeout
            return Answer(b"+OK %d messages, %d octets" % maildrop.totals)
        name, answer = who.user, error("Another POP3 session has this maildrop", "IN-USE")
    session.refuse(stage, answer, name)
    return answer


def _open(session: "POP3Session", who: Login) -> Generator[Step, Any, Maildrop | None]:
    """Lock the mailbox and look what is in it (RFC 1939, 4); None where another session has the lock."""
    store, owner = session.services.store, session.record.id
    mailbox: MailboxRow | None = yield Call(store.mailbox, who.key, INBOX)
    if mailbox is None:
        raise NoSuchMailbox("the account was removed while its user logged in")
    # set before the lock is asked for: the connection may be gone when the answer comes
    session.release = partial(store.unlock_maildrop, mailbox.id, owner)
    if not (yield Call(store.lock_maildrop, mailbox.id, owner)):
        session.release = None
        return None
    try:
        snapshot: Snapshot = yield Call(store.snapshot, mailbox.id)
        maildrop = Maildrop(snapshot.mailbox, utf8=session.utf8)
        for start in range(0, len(snapshot.uids), _ROWS):
            if start:
                yield Pause()
            yield Call(maildrop.add, store, snapshot.uids[start : start + _ROWS])
    except Exception:
        yield from give_back(session)
        raise
    return maildrop


def give_back(session: "POP3Session") -> Generator[Step, Any, None]:
    """Give the lock back, where there is one."""
    if (release := session.release) is not None:
        yield Call(release)
        session.release = None


def _name(octets: bytes) -> str | None:
    """A user's name: one line of UTF-8; None where it is none."""
    name = _text(octets.strip(b" "))
    return name if name and name.isprintable() else None


def _text(octets: bytes) -> str | None:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return None

"""The table of commands, and those of the TRANSACTION state and of both."""

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Final

from ..errors import NoSuchMailbox, StoreError
from ..wire.steps import Call
from . import authorization
from .answer import AFTER, BEFORE, Answer, AnswerSteps, Command, Then, error, no_argument, ok
from .capabilities import capabilities
from .maildrop import Maildrop, dotted, top

if TYPE_CHECKING:
    from .session import POP3Session

_LANGUAGES: Final = {"en": "English", "i-default": "Default"}  # RFC 6856, 3.2
_GONE: Final = "Somebody else has expunged that message"


def _capa(session: "POP3Session", argument: bytes) -> AnswerSteps:
    """CAPA (RFC 2449, 5)."""
    if not no_argument(argument):
        return error("CAPA has no argument")
    lines = yield from capabilities(session)
    return Answer(b"+OK Capabilities follow", ["".join(f"{line}\r\n" for line in lines).encode(), b".\r\n"])


def _stat(session: "POP3Session", argument: bytes) -> Answer:
    """STAT (RFC 1939, 5)."""
    if not no_argument(argument):
        return error("STAT has no argument")
    return Answer(b"+OK %d %d" % _maildrop(session).totals)


def _list(session: "POP3Session", argument: bytes) -> Answer:
    """LIST (RFC 1939, 5)."""
    maildrop = _maildrop(session)
    if no_argument(argument):
        return Answer(b"+OK %d messages, %d octets" % maildrop.totals, _ended(maildrop.listing()))
    index = maildrop.index(argument.strip(b" "))
    return Answer(b"+OK %d %d" % (index + 1, maildrop.size(index)))


def _uidl(session: "POP3Session", argument: bytes) -> Answer:
    """UIDL (RFC 1939, 7)."""
    maildrop = _maildrop(session)
    if no_argument(argument):
        return Answer(b"+OK Unique-ids follow", _ended(maildrop.unique_ids()))
    index = maildrop.index(argument.strip(b" "))
    return Answer(b"+OK %d %b" % (index + 1, maildrop.unique_id(index)))


def _retr(session: "POP3Session", argument: bytes) -> AnswerSteps:
    """RETR (RFC 1939, 5)."""
    maildrop = _maildrop(session)
    data: bytes | None = yield Call(maildrop.read, session.services.store, maildrop.index(argument.strip(b" ")))
    if data is None:
        return error(_GONE)
    return Answer(b"+OK %d octets" % len(data), dotted(data))


def _top(session: "POP3Session", argument: bytes) -> AnswerSteps:
    """TOP (RFC 1939, 7)."""
    words = argument.split()
    if len(words) != 2 or not words[1].isdigit():
        return error("TOP has a message number and a number of lines")
    maildrop = _maildrop(session)
    data: bytes | None = yield Call(maildrop.read, session.services.store, maildrop.index(words[0]))
    if data is None:
        return error(_GONE)
    # more lines than octets are all lines; int() takes no more than 4300 digits
    lines = int(words[1]) if len(words[1]) < 20 else len(data)
    return Answer(b"+OK Top follows", dotted(top(data, lines)))


def _dele(session: "POP3Session", argument: bytes) -> Answer:
    """DELE (RFC 1939, 5): marks; only QUIT removes."""
    maildrop = _maildrop(session)
    index = maildrop.index(argument.strip(b" "))
    maildrop.mark(index)
    return Answer(b"+OK Message %d marked as deleted" % (index + 1))


def _rset(session: "POP3Session", argument: bytes) -> Answer:
    """RSET (RFC 1939, 5)."""
    if not no_argument(argument):
        return error("RSET has no argument")
    maildrop = _maildrop(session)
    maildrop.unmark()
    return Answer(b"+OK %d messages, %d octets" % maildrop.totals)


def _noop(_session: "POP3Session", argument: bytes) -> Answer:
    """NOOP (RFC 1939, 5)."""
    return ok("Nothing done") if no_argument(argument) else error("NOOP has no argument")


def _lang(_session: "POP3Session", argument: bytes) -> Answer:
    """LANG (RFC 6856, 3): every text is English."""
    words = argument.decode("ascii", "replace").split()
    if not words:
        lines = "".join(f"{tag} {name}\r\n" for tag, name in _LANGUAGES.items())
        return Answer(b"+OK Languages follow", [lines.encode(), b".\r\n"])
    if len(words) > 1 or words[0].lower() not in (*_LANGUAGES, "*"):
        return error("That language is not spoken here")
    return ok(f"{'en' if words[0] == '*' else words[0].lower()} Language set")


def _quit(session: "POP3Session", argument: bytes) -> AnswerSteps:
    """QUIT (RFC 1939, 4 and 6): the UPDATE state; what is marked is removed, then the lock is given back."""
    if not no_argument(argument):
        return error("QUIT has no argument")
    maildrop = session.maildrop
    if maildrop is None:
        return Answer(b"+OK Bye", then=Then.END)
    session.maildrop = None  # whatever happens now, no message is read or marked any more
    try:
        removed = yield Call(maildrop.update, session.services.store)
    except NoSuchMailbox:  # the account was removed, and what was marked with it
        removed = 0
    except StoreError as failure:
        session.services.report(failure, session.scope)
        return Answer(b"-ERR [SYS/TEMP] Some deleted messages are not removed", then=Then.END)
    yield from authorization.give_back(session)
    return Answer(b"+OK Bye, %d messages removed" % removed, then=Then.END)


def _maildrop(session: "POP3Session") -> Maildrop:
    assert session.maildrop is not None  # the state was looked at
    return session.maildrop


def _ended(pieces: Iterable[bytes]) -> Iterable[bytes]:
    return chain(pieces, (b".\r\n",))


COMMANDS: Final[Mapping[bytes, Command]] = {
    command.verb.encode(): command
    for command in (
        Command("CAPA", _capa, None, "CAPA", multiline=True),
        Command("USER", authorization.user, BEFORE, "USER"),
        Command("PASS", authorization.password, BEFORE, "USER", secret=True),
        Command("APOP", authorization.apop, BEFORE, "APOP", secret=True),
        Command("AUTH", authorization.auth, BEFORE, "SASL", multiline=None, secret=True),
        Command("STLS", authorization.stls, BEFORE, "STLS"),
        Command("UTF8", authorization.utf8, BEFORE, "UTF8"),
        Command("LANG", _lang, None, "LANG", multiline=None),
        Command("STAT", _stat, AFTER),
        Command("LIST", _list, AFTER, multiline=None),
        Command("UIDL", _uidl, AFTER, "UIDL", multiline=None),
        Command("RETR", _retr, AFTER, multiline=True),
        Command("TOP", _top, AFTER, "TOP", multiline=True),
        Command("DELE", _dele, AFTER),
        Command("RSET", _rset, AFTER),
        Command("NOOP", _noop, AFTER),
        Command("QUIT", _quit, None),
    )
}

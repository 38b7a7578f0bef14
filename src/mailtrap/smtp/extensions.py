"""What EHLO offers: one row for each keyword, and one function for each parameter of MAIL and RCPT it brings.

A keyword is offered when its row is on (by default, or by the live setting ``smtp_extensions``: ``-KEYWORD`` takes one
away, ``+KEYWORD`` adds one), what it needs is on too, and its line is not None. A parameter whose keyword is not
offered gets 555. To add an extension, add a row, and a function for each of its parameters.

What asks for a service of a relay (BY, HOLDFOR, MT-PRIORITY, REQUIRETLS) is checked and kept in the envelope; the mail
is kept at once whatever it asks for: a test looks at the parameter.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from .. import clock
from ..wire.reply import Reply
from . import grammar, replies, xclient
from .transaction import Transaction

if TYPE_CHECKING:
    from ..config import Live
    from .session import SMTPSession

# Checks one parameter's value and, where it has a meaning for the session, notes it in the transaction.
Parameter = Callable[["Transaction", str | None], Reply | None]
# What follows the keyword in the reply to EHLO; None: not offered now.
Line = Callable[["SMTPSession"], str | None]


def _bare(_session: "SMTPSession") -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Extension:
    """One row.

    Attributes:
        keyword: of EHLO.
        source: the document.
        default: whether it is on where no setting says otherwise.
        needs: keywords that must be on too.
        line: what follows the keyword.
        mail: its parameters of MAIL.
        rcpt: its parameters of RCPT.
    """

    keyword: str
    source: str
    default: bool = True
    needs: tuple[str, ...] = ()
    line: Line = _bare
    mail: Mapping[str, Parameter] = field(default_factory=dict)
    rcpt: Mapping[str, Parameter] = field(default_factory=dict)


class Taken(NamedTuple):
    """A parameter that is taken while its row is offered."""

    row: Extension
    check: Parameter


@dataclass(frozen=True, slots=True)
class Offer:
    """What one value of the setting comes to.

    Attributes:
        rows: of the keywords that are on.
        keywords: their names.
        mail: the parameters that MAIL takes.
        rcpt: the parameters that RCPT takes.
    """

    rows: tuple[Extension, ...]
    keywords: frozenset[str]
    mail: Mapping[str, Taken]
    rcpt: Mapping[str, Taken]


# ---------------------------------------------------------------- parameters of MAIL


def _bad(text: str) -> Reply:
    return Reply(501, "5.5.4", text)


def size(transaction: Transaction, value: str | None) -> Reply | None:
    """``SIZE=octets`` (RFC 1870, 5): a message that is too large is refused before it is sent."""
    if value is None or not (value.isascii() and value.isdigit()) or len(value) > 20:
        return _bad("SIZE is a number of octets")
    limit = transaction.scope.live.max_message_size
    return replies.TOO_BIG if limit and int(value) > limit else None


def body(transaction: Transaction, value: str | None) -> Reply | None:
    """``BODY=7BIT`` and ``BODY=8BITMIME`` (RFC 6152, 3); ``BODY=BINARYMIME`` where it is offered (RFC 3030, 3)."""
    kind = (value or "").upper()
    if kind == "BINARYMIME" and "BINARYMIME" in offer(transaction.scope.live).keywords:
        transaction.binary = True
    elif kind not in ("7BIT", "8BITMIME"):
        return _bad("BODY is 7BIT, 8BITMIME or an offered BINARYMIME")
    return None


def smtputf8(transaction: Transaction, value: str | None) -> Reply | None:
    """``SMTPUTF8``, without a value (RFC 6531, 3.4)."""
    if value is not None:
        return _bad("SMTPUTF8 has no value")
    transaction.utf8 = True
    return None


def ret(_transaction: Transaction, value: str | None) -> Reply | None:
    """``RET=FULL`` or ``RET=HDRS`` (RFC 3461, 4.3)."""
    return None if (value or "").upper() in ("FULL", "HDRS") else _bad("RET is FULL or HDRS")


def envid(_transaction: Transaction, value: str | None) -> Reply | None:
    """``ENVID=xtext``, at most 100 octets (RFC 3461, 4.4)."""
    if value is None or len(value) > 100 or not grammar.is_xtext(value):
        return _bad("ENVID is xtext of at most 100 octets")
    return None if grammar.decode_xtext(value).isprintable() else _bad("ENVID stands for printable characters")


def auth(_transaction: Transaction, value: str | None) -> Reply | None:
    """``AUTH=<>`` or ``AUTH=mailbox`` in xtext (RFC 4954, 5). Kept as it came; nobody is asked whether it is true.

    A mailbox in angle brackets passes too: curl puts them around every one, and Postfix takes it.
    """
    if value is not None and grammar.is_xtext(value):
        decoded = grammar.decode_xtext(value)
        if decoded[:1] == "<" and decoded[-1:] == ">":
            decoded = decoded[1:-1]
        if value == "<>" or grammar.is_mailbox(decoded):
            return None
    return _bad("AUTH is <> or a mailbox in xtext")


_BY: Final = re.compile(r"([+-]?)([0-9]{1,9});([NR])T?", re.IGNORECASE)


def by(_transaction: Transaction, value: str | None) -> Reply | None:
    """``BY=seconds;mode`` (RFC 2852, 4): R(eturn) or N(otify), each perhaps with T(race); R has time left."""
    found = _BY.fullmatch(value or "")
    if found is None:
        return _bad("BY is seconds;N, seconds;NT, seconds;R or seconds;RT")
    if found[3] in "Rr" and (found[1] == "-" or not int(found[2])):
        return _bad("BY with the mode R is more than 0 seconds")
    return None


_INTERVAL: Final = re.compile(r"[1-9][0-9]{0,8}")
_DATE: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})", re.IGNORECASE
)
MAX_HOLD: Final = 366 * 86400  # seconds


def holdfor(transaction: Transaction, value: str | None) -> Reply | None:
    """``HOLDFOR=seconds``, not with HOLDUNTIL (RFC 4865, 4)."""
    if "HOLDUNTIL" in transaction.parameters:
        return _HOLD_ONCE
    if value is None or _INTERVAL.fullmatch(value) is None:
        return _bad("HOLDFOR is a number of seconds, from 1")
    return None if int(value) <= MAX_HOLD else _HOLD_LONG


def holduntil(transaction: Transaction, value: str | None) -> Reply | None:
    """``HOLDUNTIL=date-time`` (RFC 4865, 4), in the form of RFC 3339, 5.6. One that has passed holds nothing."""
    if "HOLDFOR" in transaction.parameters:
        return _HOLD_ONCE
    if value is None or _DATE.fullmatch(value) is None:
        return _HOLD_DATE
    try:
        until = datetime.fromisoformat(value.upper())
        return None if until <= _latest() else _HOLD_LONG
    except (ValueError, OverflowError):  # no such day; or beyond the years that there are
        return _HOLD_DATE


def _latest() -> datetime:
    """The last moment that a mail may be held until: a midnight, so that EHLO's reply changes once a day."""
    return datetime.fromtimestamp((clock.now() + MAX_HOLD) // 86400 * 86400 + 86400, UTC)


_HOLD_ONCE: Final = _bad("HOLDFOR or HOLDUNTIL, not both")
_HOLD_LONG: Final = _bad("A mail is not held for so long")
_HOLD_DATE: Final = _bad("HOLDUNTIL is a date and time: 2030-12-24T18:00:00Z")


def mt_priority(_transaction: Transaction, value: str | None) -> Reply | None:
    """``MT-PRIORITY=n``, -9 to 9 (RFC 6710, 7)."""
    return None if re.fullmatch(r"0|-?[1-9]", value or "") else _bad("MT-PRIORITY is a number, -9 to 9")


def requiretls(_transaction: Transaction, value: str | None) -> Reply | None:
    """``REQUIRETLS``, without a value (RFC 8689, 2)."""
    return None if value is None else _bad("REQUIRETLS has no value")


# ---------------------------------------------------------------- parameters of RCPT

_NOTIFY: Final = frozenset({"SUCCESS", "FAILURE", "DELAY"})
_ORCPT: Final = re.compile(r"([A-Za-z0-9.!#$%&'*/?^_`{|}~-]+);(.+)")  # atom ";" original-recipient-address
_UTF8_XTEXT: Final = re.compile(r"(?:[!-*,-<>-\[\]-~]|\\x\{[0-9A-F]{2,6}\}|\+[0-9A-F]{2}|[^\x00-\x7f])+")


def notify(_transaction: Transaction, value: str | None) -> Reply | None:
    """``NOTIFY=NEVER``, or some of SUCCESS, FAILURE, DELAY (RFC 3461, 4.1)."""
    words = (value or "").upper().split(",")
    if words == ["NEVER"] or (_NOTIFY.issuperset(words) and len(set(words)) == len(words)):
        return None
    return _bad("NOTIFY is NEVER or a list of SUCCESS, FAILURE, DELAY")


def orcpt(transaction: Transaction, value: str | None) -> Reply | None:
    """``ORCPT=type;xtext``, at most 500 octets (RFC 3461, 4.2); the type utf-8 has its own escapes (RFC 6533, 3)."""
    found = _ORCPT.fullmatch(value or "")
    if found is None or len(value or "") > 500:
        return _bad("ORCPT is type;address of at most 500 octets")
    kind, address = found.groups()
    if kind.lower() == "utf-8":
        fits = _UTF8_XTEXT.fullmatch(address) is not None and (transaction.utf8 or address.isascii())
    else:
        fits = grammar.is_xtext(address)
    return None if fits else _bad("The address of ORCPT is xtext")


# ---------------------------------------------------------------- lines of EHLO


def _size_line(session: "SMTPSession") -> str:
    return str(session.scope.live.max_message_size)  # 0: no limit (RFC 1870, 4)


def _limits_line(session: "SMTPSession") -> str:
    return f"RCPTMAX={session.scope.live.max_recipients}"


def _starttls_line(session: "SMTPSession") -> str | None:
    return "" if not session.secure and session.scope.live.starttls != "off" else None


def _auth_line(session: "SMTPSession") -> str | None:
    return " ".join(session.mechanisms) or None


def _futurerelease_line(session: "SMTPSession") -> str | None:
    if session.flavour == "lmtp":  # it is for submission (RFC 4865, 4)
        return None
    return f"{MAX_HOLD} {_latest():%Y-%m-%dT%H:%M:%SZ}"


def _xclient_line(session: "SMTPSession") -> str | None:
    return xclient.ATTRIBUTES if xclient.trusted(session) else None


def _requiretls_line(session: "SMTPSession") -> str | None:
    return "" if session.secure else None  # RFC 8689, 2: never without TLS


# ---------------------------------------------------------------- the table

TABLE: Final = (
    Extension("PIPELINING", "RFC 2920"),
    Extension("SIZE", "RFC 1870", line=_size_line, mail={"SIZE": size}),
    Extension("8BITMIME", "RFC 6152", mail={"BODY": body}),
    Extension("SMTPUTF8", "RFC 6531", needs=("8BITMIME",), mail={"SMTPUTF8": smtputf8}, rcpt={}),
    Extension("ENHANCEDSTATUSCODES", "RFC 2034"),
    Extension("CHUNKING", "RFC 3030"),
    Extension("BINARYMIME", "RFC 3030", needs=("CHUNKING", "8BITMIME")),
    Extension("DSN", "RFC 3461", mail={"RET": ret, "ENVID": envid}, rcpt={"NOTIFY": notify, "ORCPT": orcpt}),
    Extension("STARTTLS", "RFC 3207", line=_starttls_line),
    Extension("AUTH", "RFC 4954", line=_auth_line, mail={"AUTH": auth}),
    Extension("LIMITS", "RFC 9422", line=_limits_line),
    Extension("REQUIRETLS", "RFC 8689", line=_requiretls_line, mail={"REQUIRETLS": requiretls}),
    Extension("DELIVERBY", "RFC 2852", default=False, mail={"BY": by}),
    Extension(
        "FUTURERELEASE",
        "RFC 4865",
        default=False,
        line=_futurerelease_line,
        mail={"HOLDFOR": holdfor, "HOLDUNTIL": holduntil},
    ),
    Extension("MT-PRIORITY", "RFC 6710", default=False, mail={"MT-PRIORITY": mt_priority}),
    Extension("XCLIENT", "Postfix", line=_xclient_line),
    Extension("VRFY", "RFC 5321"),
    Extension("EXPN", "RFC 5321", default=False),
    Extension("HELP", "RFC 5321"),
)


def offer(live: "Live") -> Offer:
    """What these live settings offer."""
    return _offer(live.smtp_extensions)


def offered(session: "SMTPSession", keyword: str) -> bool:
    """Whether a keyword is offered to this client now."""
    return any(row.keyword == keyword and row.line(session) is not None for row in offer(session.live).rows)


@lru_cache(maxsize=64)
def _offer(changes: frozenset[str]) -> Offer:
    upper = {change.upper() for change in changes}
    on = {row.keyword for row in TABLE if row.default or f"+{row.keyword}" in upper}
    on -= {change[1:] for change in upper if change[:1] == "-"}
    rows = tuple(row for row in TABLE if row.keyword in on and on.issuperset(row.needs))
    return Offer(
        rows,
        frozenset(row.keyword for row in rows),
        {name: Taken(row, parameter) for row in rows for name, parameter in row.mail.items()},
        {name: Taken(row, parameter) for row in rows for name, parameter in row.rcpt.items()},
    )


def check(
    session: "SMTPSession", known: Mapping[str, Taken], transaction: Transaction,
    parameters: Mapping[str, str | None],
) -> Reply | None:  # fmt: skip
    """Check parameters; the first that is not understood is the reply."""
    for name, value in parameters.items():
        taken = known.get(name)
        if taken is None or taken.row.line(session) is None:
            return Reply(555, "5.5.4", f"The parameter {name} is not offered")  # RFC 5321, 4.1.1.11
        if (reply := taken.check(transaction, value)) is not None:
            return reply
    return None

"""What EHLO offers: one row for each keyword, and one function for each parameter of MAIL and RCPT it brings.

A keyword is offered when its row is on (by default, or by the live setting ``smtp_extensions``: ``-KEYWORD`` takes one
away, ``+KEYWORD`` adds one), what it needs is on too, and its line is not None. A parameter whose keyword is not
offered gets 555. To add an extension, add a row, and a function for each of its parameters.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from ..wire.reply import Reply
from . import grammar, replies
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
    mail: Mapping[str, Parameter]
    rcpt: Mapping[str, Parameter]


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
    """``AUTH=<>`` or ``AUTH=mailbox`` in xtext (RFC 4954, 5). Kept as it came; nobody is asked whether it is true."""
    if value == "<>":
        return None
    if value is None or not grammar.is_xtext(value) or not grammar.is_mailbox(grammar.decode_xtext(value)):
        return _bad("AUTH is <> or a mailbox in xtext")
    return None


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
    Extension("VRFY", "RFC 5321"),
    Extension("EXPN", "RFC 5321", default=False),
    Extension("HELP", "RFC 5321"),
)


def offer(live: "Live") -> Offer:
    """What these live settings offer."""
    return _offer(live.smtp_extensions)


@lru_cache(maxsize=64)
def _offer(changes: frozenset[str]) -> Offer:
    upper = {change.upper() for change in changes}
    on = {row.keyword for row in TABLE if row.default or f"+{row.keyword}" in upper}
    on -= {change[1:] for change in upper if change[:1] == "-"}
    rows = tuple(row for row in TABLE if row.keyword in on and on.issuperset(row.needs))
    return Offer(
        rows,
        frozenset(row.keyword for row in rows),
        {name: parameter for row in rows for name, parameter in row.mail.items()},
        {name: parameter for row in rows for name, parameter in row.rcpt.items()},
    )


def check(
    known: Mapping[str, Parameter], transaction: Transaction, parameters: Mapping[str, str | None]
) -> Reply | None:
    """Check parameters; the first that is not understood is the reply."""
    for name, value in parameters.items():
        if (parameter := known.get(name)) is None:
            return Reply(555, "5.5.4", f"The parameter {name} is not offered")  # RFC 5321, 4.1.1.11
        if (reply := parameter(transaction, value)) is not None:
            return reply
    return None

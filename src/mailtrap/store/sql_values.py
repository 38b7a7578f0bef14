"""How values stand in the columns of stores that speak SQL.

Text is kept as text. What a column cannot hold (NUL, and bytes of a client that were no UTF-8) is escaped: SUB, then
four hexadecimal digits; so is SUB itself. What is not text is JSON, in ASCII.
"""

import json
import re
from functools import lru_cache
from typing import Any, Final

from ..message.address import Address
from ..message.envelope import NO_PARAMETERS, Envelope, Parameters
from .flags import canonical

_ESCAPE: Final = "\x1a"
_dense: Final = json.JSONEncoder(separators=(",", ":")).encode
_UNFIT: Final = re.compile("[\0\x1a\ud800-\udfff]")
_ESCAPED: Final = re.compile("\x1a([0-9a-f]{4})")


def text(value: str) -> str:
    """Any ``str`` as a column; equal ones give equal columns, others do not."""
    if value.isascii() and value.isprintable():
        return value
    return _UNFIT.sub(lambda found: f"{_ESCAPE}{ord(found[0]):04x}", value)


def untext(column: str) -> str:
    """The ``str`` of a column."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), column) if _ESCAPE in column else column


@lru_cache(maxsize=1024)
def flags_column(flags: frozenset[str]) -> str:
    """A set of flags as a column."""
    return json.dumps(sorted(flags)) if flags else ""


@lru_cache(maxsize=1024)
def flags_of(column: str) -> frozenset[str]:
    """The set of flags of a column, interned."""
    return canonical(json.loads(column) if column else ())


def envelope_column(envelope: Envelope) -> str:
    """An envelope as a column."""
    return _dense(
        [
            _address_json(envelope.mail_from),
            [_address_json(recipient) for recipient in envelope.recipients],
            dict(envelope.mail_parameters),
            [dict(parameters) for parameters in envelope.recipient_parameters]
            if any(envelope.recipient_parameters)
            else [],
        ]
    )


def envelope_of(column: str) -> Envelope:
    """The envelope of a column."""
    mail_from, recipients, mail_parameters, recipient_parameters = json.loads(column)
    return Envelope(
        _address(mail_from),
        [_address(recipient) for recipient in recipients],
        _parameters(mail_parameters),
        [_parameters(parameters) for parameters in recipient_parameters],
    )


def _parameters(parameters: dict[str, str | None]) -> Parameters:
    return parameters or NO_PARAMETERS


def _address_json(address: Address) -> Any:
    if address.original == address and not address.name:
        return str(address)
    return [str(address), address.name, address.original]


def _address(value: Any) -> Address:
    known, name, original = (value, "", value) if isinstance(value, str) else value
    # Not by its constructor, which would bring the address into its one form a second time.
    address = str.__new__(Address, known)
    address.name = name
    address.original = original
    return address

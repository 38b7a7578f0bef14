"""The envelope: what was said in MAIL and RCPT, byte for byte."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from .address import Address

Parameters = Mapping[str, str | None]
NO_PARAMETERS: Final[Parameters] = MappingProxyType({})
_ONCE: Final = (NO_PARAMETERS,)


class Addresses(tuple[Address, ...]):
    """Addresses in their order; equal to a list of the same, too, as tests like to write it."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return tuple.__eq__(self, tuple(other) if isinstance(other, list) else other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = tuple.__hash__


class Envelope:
    """Who sent it and to whom, apart from what the headers say (RFC 5321, 2.3.1).

    Attributes:
        mail_from: the reverse-path; ``""`` for the null one.
        recipients: one for each accepted RCPT, in order, duplicates kept.
        mail_parameters: of MAIL, as sent: keyword in upper case to value, case kept; None without ``=``.
        recipient_parameters: of each RCPT, in the order of ``recipients``.
    """

    __slots__ = ("mail_from", "mail_parameters", "recipient_parameters", "recipients")

    def __init__(
        self,
        mail_from: Address,
        recipients: Sequence[Address],
        mail_parameters: Parameters = NO_PARAMETERS,
        recipient_parameters: Sequence[Parameters] = (),
    ) -> None:
        self.mail_from = mail_from
        self.recipients: Sequence[Address] = Addresses(recipients)
        self.mail_parameters = mail_parameters
        if len(self.recipients) == 1 and (not recipient_parameters or recipient_parameters[0] is NO_PARAMETERS):
            recipient_parameters = _ONCE  # by far the most: one object for all
        elif len(recipient_parameters) != len(self.recipients):
            recipient_parameters = (NO_PARAMETERS,) * len(self.recipients)
        self.recipient_parameters: Sequence[Parameters] = tuple(recipient_parameters)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Envelope):
            return NotImplemented
        return (
            self.mail_from == other.mail_from
            and self.recipients == other.recipients
            and self.mail_parameters == other.mail_parameters
            and self.recipient_parameters == other.recipient_parameters
        )

    __hash__ = None  # type: ignore[assignment]  # it holds mappings

    def __repr__(self) -> str:
        return f"<Envelope {self.mail_from!s} -> {', '.join(self.recipients)}>"

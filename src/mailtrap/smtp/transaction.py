"""What has been said between MAIL and the end of its data."""

from ..message.address import Address
from ..message.envelope import NO_PARAMETERS, Envelope, Parameters
from ..scopes import Scope


class Transaction:
    """A mail transaction (RFC 5321, 3.3).

    Attributes:
        scope: current at MAIL; its live settings hold to the end of the transaction.
        utf8: SMTPUTF8 was said.
        binary: BODY=BINARYMIME was said: only BDAT can follow (RFC 3030, 3).
        refused: how many recipients were refused.
        chunks: what BDAT brought; None before the first BDAT.
        size: octets that BDAT brought, those dropped included.
        dropped: a chunk was refused, and so everything that follows it will be (RFC 3030, 2).
    """

    __slots__ = (
        "binary", "chunks", "dropped", "mail_from", "parameters", "recipient_parameters", "recipients", "refused",
        "scope", "size", "utf8",
    )  # fmt: skip

    def __init__(self, scope: Scope, mail_from: Address, parameters: Parameters) -> None:
        self.scope = scope
        self.mail_from = mail_from
        self.parameters = parameters
        self.recipients: list[Address] = []
        self.recipient_parameters: list[Parameters] = []
        self.utf8 = False
        self.binary = False
        self.refused = 0
        self.chunks: list[bytes] | None = None
        self.size = 0
        self.dropped = False

    def envelope(self, refused: Address | None = None, parameters: Parameters = NO_PARAMETERS) -> Envelope:
        """The envelope as far as it has come, and a recipient that was not accepted as its last."""
        if refused is None:
            return Envelope(self.mail_from, self.recipients, self.parameters, self.recipient_parameters)
        return Envelope(
            self.mail_from, [*self.recipients, refused], self.parameters, [*self.recipient_parameters, parameters]
        )

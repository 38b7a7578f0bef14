"""What is computed from a message's bytes, once, and kept by the store.

Sizes and offsets count the message as IMAP and POP3 serve it: a bare LF as CRLF (``structure.served``).
"""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .structure import Part

KINDS: Final = ("size", "structure", "envelope", "body", "bodystructure", "headers", "text", "preview")


class Facts:
    """What is known of one message; None where it was not asked for yet.

    Attributes:
        size: octets as served.
        structure: the tree of MIME parts with byte offsets.
        envelope: the IMAP ENVELOPE, encoded (RFC 3501, 7.4.2).
        body: the IMAP BODY, encoded: BODYSTRUCTURE without extension data.
        bodystructure: the IMAP BODYSTRUCTURE, encoded.
        headers: header fields as pairs of lower-case name and decoded, unfolded value, in order.
        text: everything searchable: the decoded bodies of text parts, in lower case.
        preview: the beginning of the readable text, at most 200 characters (RFC 8970).
    """

    __slots__ = KINDS

    size: int | None
    structure: "Part | None"
    envelope: bytes | None
    body: bytes | None
    bodystructure: bytes | None
    headers: tuple[tuple[str, str], ...] | None
    text: str | None
    preview: str | None

    def __init__(self, **known: Any) -> None:
        for kind in KINDS:
            setattr(self, kind, known.get(kind))

    def missing(self, kinds: Collection[str]) -> list[str]:
        """The kinds of these that are not known yet."""
        return [kind for kind in kinds if getattr(self, kind) is None]

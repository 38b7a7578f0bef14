"""SMTP and LMTP replies as typed values, encoded once (RFC 5321, 4.2; RFC 2034)."""

from typing import Final, final

from ..transcript import said


@final
class Reply:
    """A code, an enhanced status code and lines of text.

    Args:
        code: 200 to 599 (RFC 5321, 4.2.1).
        enhanced: ``"2.1.0"`` (RFC 3463); None for the replies that have none: the greeting and those to EHLO and HELO.
        lines: at least one; control characters are replaced, so that no text can forge a reply.

    Attributes:
        logged: as a transcript has what is sent.
        encoded: as it is sent, with the enhanced status code on each line (RFC 2034, 4).
        plain: as it is sent where ENHANCEDSTATUSCODES is not offered.
        positive: whether it says yes or go on (2xx, 3xx).
    """

    __slots__ = ("code", "encoded", "enhanced", "lines", "logged", "plain", "positive")

    def __init__(self, code: int, enhanced: str | None, *lines: str) -> None:
        self.code: Final = code
        self.enhanced: Final = enhanced
        self.lines: Final = tuple(_one_line(line) for line in lines or ("",))
        self.positive: Final = code < 400
        self.encoded: Final = self._encode(enhanced)
        self.plain: Final = self.encoded if enhanced is None else self._encode(None)
        self.logged: Final = said(self.encoded)

    @classmethod
    def parse(cls, code: int, text: str) -> "Reply":
        """A reply out of a text that may begin with an enhanced status code: ``(450, "4.2.1 Mailbox busy")``."""
        first, _, rest = text.partition(" ")
        parts = first.split(".")
        if len(parts) == 3 and all(part.isascii() and part.isdigit() and len(part) <= 3 for part in parts):
            return cls(code, first, rest)
        return cls(code, None, text)

    def _encode(self, enhanced: str | None) -> bytes:
        status = f"{enhanced} " if enhanced else ""
        last = len(self.lines) - 1
        return "".join(
            f"{self.code}{' ' if number == last else '-'}{status}{line}".rstrip() + "\r\n"
            if status or line
            else f"{self.code}{' ' if number == last else '-'}\r\n"
            for number, line in enumerate(self.lines)
        ).encode("utf-8", "replace")

    def __str__(self) -> str:
        return self.encoded.decode().rstrip("\r\n")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reply) and self.encoded == other.encoded

    def __hash__(self) -> int:
        return hash(self.encoded)

    def __repr__(self) -> str:
        return f"<Reply {self}>"


def _one_line(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)

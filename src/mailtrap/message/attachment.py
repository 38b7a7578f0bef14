"""What a mail carries beside its body: attachments and links."""

import re
from pathlib import Path
from typing import Final, NamedTuple

from .parse import Mail
from .structure import Part

ATTACHMENT_CRITERIA: Final = ("filename", "content_type", "content", "content_id", "size", "sha256")
_UNSAFE: Final = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]+')
_RESERVED: Final = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|\Z)", re.IGNORECASE)


class Attachment:
    """A part that is no body text: attached or inline.

    Attributes:
        filename: decoded; None where the mail gives none.
        content_type: ``type/subtype`` in lower case.
        content: without the transfer encoding.
        content_id: without angle brackets, as ``cid:`` links have it.
        size: octets of ``content``.
        sha256: of ``content``, hexadecimal.
    """

    __slots__ = ("_content", "_mail", "_part", "content_id", "content_type", "filename")

    def __init__(self, mail: Mail, part: Part) -> None:
        self._mail = mail
        self._part = part
        self._content: bytes | None = None
        self.filename: str | None = part.filename
        self.content_type: str = part.content_type
        self.content_id: str | None = None if part.id is None else part.id.decode("utf-8", "replace").strip("<>")

    @property
    def content(self) -> bytes:
        """The content, decoded."""
        if self._content is None:
            self._content = self._mail.content(self._part)
        return self._content

    @property
    def size(self) -> int:
        """Octets of the content."""
        return len(self.content)

    @property
    def sha256(self) -> str:
        """Of the content, hexadecimal."""
        from hashlib import sha256

        return sha256(self.content).hexdigest()

    def save(self, path: Path | str) -> Path:
        """Write the content to a file; in a folder, under a safe form of its name. Gives the path written."""
        target = Path(path)
        if target.is_dir():
            target /= safe_name(self.filename or "attachment")
        target.write_bytes(self.content)
        return target

    def __repr__(self) -> str:
        return f"<Attachment {self.filename!r} {self.content_type}>"


class Link(NamedTuple):
    """A link in a mail; ``text`` is what stands in it, of a bare URL the URL; ``title`` its title attribute."""

    href: str
    text: str
    title: str | None = None


def safe_name(name: str) -> str:
    """A file name out of any text: no folders, nothing that Windows refuses, at most 150 characters."""
    safe = _UNSAFE.sub("_", name.replace("\\", "/").rpartition("/")[2]).strip(". ") or "attachment"
    if _RESERVED.match(safe):
        safe = f"_{safe}"
    stem, dot, extension = safe.rpartition(".")
    return f"{stem[:130]}{dot}{extension[:19]}" if dot else safe[:150]

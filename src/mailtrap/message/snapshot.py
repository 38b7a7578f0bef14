"""A stable text of a mail, for comparing with a stored one. What differs at each run is masked."""

import re
from collections.abc import Sequence
from hashlib import sha256
from re import Pattern
from typing import Final

from . import charsets, fields
from .parse import Mail
from .structure import Part

# Fields whose whole value differs at each run.
_MASKED: Final = {
    "date": "<date>", "resent-date": "<date>", "message-id": "<message-id>", "resent-message-id": "<message-id>",
    "in-reply-to": "<message-ids>", "references": "<message-ids>", "received": "<received>",
    "x-received": "<received>", "content-id": "<content-id>", "thread-index": "<thread-index>",
    "arc-seal": "<signature>", "arc-message-signature": "<signature>", "feedback-id": "<id>",
}  # fmt: skip
_SIGNATURE_TAG: Final = re.compile(r"\b(b|bh|t|x)=[^;]*")
_BOUNDARY: Final = re.compile(r"""(?i)\bboundary\s*=\s*(?:"[^"]*"|[^;\s]+)""")
_CID: Final = re.compile(r"(?i)\bcid:[^\s\"'>)]+")


def snapshot(mail: Mail, mask: Sequence[str | Pattern[str]] = ()) -> str:
    """The header fields in order, then each part with its text, or its size and digest; lines end in LF.

    Dates, ids, boundaries, trace fields and signature values are masked, and whatever ``mask`` finds.
    """
    out = [_field(name, value) for name, value in mail.headers.pairs]
    out += _part(mail, mail.root, "", top=True)
    text = "\n".join(out).rstrip("\n") + "\n"
    for wanted in mask:
        if isinstance(wanted, str):
            if wanted:
                text = text.replace(wanted, "<masked>")
        else:
            text = wanted.sub("<masked>", text)
    return text


def _field(name: str, value: str) -> str:
    lower = name.lower()
    if lower in _MASKED:
        value = _MASKED[lower]
    elif lower == "content-type":
        value = _BOUNDARY.sub("boundary=<boundary>", value)
    elif lower == "dkim-signature":
        value = _SIGNATURE_TAG.sub(lambda match: f"{match.group(1)}=<signature>", value)
    return f"{name}: {value}"


def _part(mail: Mail, part: Part, indent: str, *, top: bool = False) -> list[str]:
    out: list[str] = []
    if not top:
        out.append(f"{indent}--- {part.content_type}")
        for name, value in fields.split(mail.data, part.header, part.body):
            out.append(indent + _field(name.decode("latin-1"), charsets.header_text(value)))
    out.append("")
    if part.children:
        for child in part.children:
            out += _part(mail, child, f"{indent}  " if part.type == "message" else indent)
        return out
    if part.type == "text":
        text = _CID.sub("cid:<content-id>", mail.text_of(part))
        out += [f"{indent}{line}".rstrip() for line in text.split("\n")]
    else:
        content = mail.content(part)
        out.append(f"{indent}({len(content)} octets, sha256 {sha256(content).hexdigest()[:16]})")
    return out

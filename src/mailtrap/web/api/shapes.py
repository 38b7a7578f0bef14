"""Mailpit's JSON shapes: its field names, capitals included, as its own clients type them."""

import hashlib
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from email.policy import compat32
from typing import Any, Final
from urllib.parse import unquote

from ...message.address import Address
from ...message.model import Attachment, Message
from .. import describe
from ..summaries import Summary, bare_id

Json = dict[str, Any]
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_EMPTY_LINE: Final = re.compile(rb"\n\r?\n")
_FOLD: Final = re.compile(r"\r?\n[ \t]+")
_LIST_LINK: Final = re.compile(r"<([^<>\s]+)>")


def address(found: Address | None) -> Json | None:
    """An address; null where there is none."""
    return None if found is None else {"Name": found.name, "Address": str(found)}


def addresses(found: Sequence[Address]) -> list[Json]:
    """Addresses; an empty list where there are none."""
    return [{"Name": item.name, "Address": str(item)} for item in found]


def is_read(flags: Collection[str] | None) -> bool:
    """Whether it was read; what is hidden in the record was dealt with."""
    return flags is None or "\\Seen" in flags


def tags(flags: Collection[str] | None) -> list[str]:
    """The tags: keywords, but not those that programs keep for themselves."""
    return sorted(flag for flag in flags or () if flag[:1] not in "\\$")


def created(message: Message) -> str:
    """When it came, as RFC 3339 with a Z."""
    return message.received_at.isoformat().replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Line:
    """A ``MessageSummary`` as JSON: what never changes of it is encoded once, around what may change."""

    head: str
    middle: str
    tail: str

    @classmethod
    def of(cls, message: Message, parsed: Summary) -> "Line":
        """That of a message."""
        head = {"ID": message.id, "MessageID": parsed.message_id}
        middle = {
            "From": address(parsed.from_),
            "To": addresses(parsed.to),
            "Cc": addresses(parsed.cc),
            "Bcc": addresses(parsed.bcc),
            "ReplyTo": addresses(parsed.reply_to),
            "Subject": parsed.subject,
            "Created": created(message),
        }
        tail = {"Size": message.size, "Attachments": parsed.attachments, "Snippet": parsed.snippet}
        return cls(f'{encoded(head)[:-1]},"Read":', f',{encoded(middle)[1:-1]},"Username":', f",{encoded(tail)[1:]}")

    def text(self, user: str, flags: Collection[str] | None) -> str:
        """All of it, with who sent it and the flags that it has now."""
        read = "true" if is_read(flags) else "false"
        found = tags(flags) if flags else ()
        shown = encoded(found) if found else "[]"
        who = encoded(user) if user else '""'
        return f'{self.head}{read}{self.middle}{who},"Tags":{shown}{self.tail}'


def encoded(value: Any) -> str:
    """JSON without spaces."""
    return json.dumps(value, separators=(",", ":"))


def message(found: Message, flags: Collection[str] | None) -> Json:
    """A ``Message``."""
    date = found.date
    numbered = describe.parts(found)
    return {
        "ID": found.id,
        "MessageID": bare_id(found),
        "From": address(found.from_ if found.from_ or found.from_.name else None),
        "To": addresses(found.to),
        "Cc": addresses(found.cc),
        "Bcc": addresses(found.bcc),
        "ReplyTo": addresses(found.reply_to),
        "ReturnPath": _return_path(found),
        "Subject": found.subject,
        "ListUnsubscribe": list_unsubscribe(found),
        "Date": created(found) if date is None else date.isoformat().replace("+00:00", "Z"),
        "Tags": tags(flags),
        "Username": found.session.user or "",
        "Text": found.text or "",
        "HTML": found.html or "",
        "Size": found.size,
        "Inline": [attachment(number, part) for number, part, inline in numbered if inline],
        "Attachments": [attachment(number, part) for number, part, inline in numbered if not inline],
    }


def _return_path(found: Message) -> str:
    header = found.headers.get("Return-Path")
    return str(found.mail_from) if header is None else header.strip().removeprefix("<").removesuffix(">")


def attachment(number: str, part: Attachment) -> Json:
    """An ``Attachment``."""
    content = part.content
    return {
        "PartID": number,
        "FileName": part.filename or "",
        "ContentType": part.content_type,
        "ContentID": part.content_id or "",
        "Size": part.size,
        "Checksums": {
            "MD5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
            "SHA1": hashlib.sha1(content, usedforsecurity=False).hexdigest(),
            "SHA256": part.sha256,
        },
    }


def list_unsubscribe(found: Message) -> Json:
    """What List-Unsubscribe offers (RFC 2369, 3.2; RFC 8058, 3.1)."""
    header = found.headers.get("List-Unsubscribe", "")
    post = found.headers.get("List-Unsubscribe-Post", "")
    links = _LIST_LINK.findall(header)
    errors = []
    if header and not links:
        errors.append("no link in angle brackets")
    errors += [f"neither mailto nor http: {link}" for link in links if not _is_link(link)]
    if post and post.strip() != "List-Unsubscribe=One-Click":
        errors.append("List-Unsubscribe-Post is not List-Unsubscribe=One-Click")
    elif post and not any(link.lower().startswith("https:") for link in links):
        errors.append("one-click needs an https link")
    return {
        "Header": header,
        "Links": [unquote(link) if link.lower().startswith("mailto:") else link for link in links],
        "Errors": "; ".join(errors),
        "HeaderPost": post,
    }


def _is_link(link: str) -> bool:
    return link.lower().startswith(("mailto:", "http://", "https://"))


def headers(raw: bytes) -> dict[str, list[str]]:
    """Header fields, unfolded but not decoded, under the canonical form of their names."""
    found: dict[str, list[str]] = {}
    end = _EMPTY_LINE.search(raw)
    block = raw if end is None else raw[: end.end()]
    for name, value in BytesHeaderParser(policy=compat32).parsebytes(block).raw_items():
        text = _FOLD.sub(" ", str(value)).strip().encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        found.setdefault(canonical(name), []).append(text)
    return found


def canonical(name: str) -> str:
    """The canonical form of a field's name: ``message-ID`` is ``Message-Id``; what is no token stays."""
    if _TOKEN.match(name) is None:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "-".join(word[:1].upper() + word[1:].lower() for word in name.split("-"))

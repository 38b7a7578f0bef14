"""A mail made of the JSON that Mailpit's ``POST /api/v1/send`` takes."""

import base64
import binascii
import mimetypes
import re
from collections.abc import Mapping
from email.headerregistry import Address as HeaderAddress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from typing import Any, Final, NamedTuple

from ... import clock

_ADDRESS: Final = re.compile(r"[^\s@<>()\[\]\\,;:\"]+@[^\s@<>()\\,;:\"]+\Z")
_CONTENT_TYPE: Final = re.compile(r"([\w.+-]{1,100})/([\w.+-]{1,100})\Z", re.ASCII)
_FIELD: Final = re.compile(r"[!-9;-~]+\Z")
_OURS: Final = frozenset(
    ("from", "to", "cc", "bcc", "reply-to", "subject", "mime-version", "content-type", "content-transfer-encoding")
)
_KNOWN: Final = frozenset(
    ("From", "To", "Cc", "Bcc", "ReplyTo", "Subject", "Text", "HTML", "Headers", "Tags", "Attachments")
)


class Invalid(ValueError):
    """What was asked for cannot be made; the text is for whoever asked."""


class Outgoing(NamedTuple):
    """A mail that was made, its envelope, and the tags it is to get."""

    raw: bytes
    mail_from: str
    recipients: list[str]
    tags: list[str]


def compose(asked: Mapping[str, Any], hostname: str) -> Outgoing:
    """Make the mail.

    Args:
        hostname: for the Message-ID.

    Raises:
        Invalid: a value that does not fit; the text names it.
    """
    if unknown := sorted(set(asked) - _KNOWN):
        raise Invalid(f"unknown field: {unknown[0]}")
    mail = EmailMessage(policy=SMTP)
    sender = _person("From", asked.get("From"))
    mail["From"] = sender
    recipients = []
    for field, header in (("To", "To"), ("Cc", "Cc"), ("ReplyTo", "Reply-To")):
        people = [_person(field, item) for item in _list(asked, field)]
        if people:
            mail[header] = people
        if field != "ReplyTo":
            recipients += [person.addr_spec for person in people]
    for item in _list(asked, "Bcc"):
        recipients.append(_address("Bcc", item))
    if not recipients:
        raise Invalid("no recipients: give at least one address in To, Cc or Bcc")
    mail["Subject"] = _one_line("Subject", asked.get("Subject", ""))
    _headers(mail, asked)
    if "Date" not in mail:
        mail["Date"] = formatdate(clock.now())
    if "Message-ID" not in mail:
        mail["Message-ID"] = make_msgid(domain=hostname)
    _content(mail, asked)
    tags = [_tag(item) for item in _list(asked, "Tags")]
    try:
        raw = mail.as_bytes()
    except UnicodeEncodeError:
        raw = mail.as_bytes(policy=SMTP.clone(utf8=True))  # RFC 6532, 3: an address beyond ASCII
    return Outgoing(raw, sender.addr_spec, list(dict.fromkeys(recipients)), tags)


def _content(mail: EmailMessage, asked: Mapping[str, Any]) -> None:
    text, html = _text(asked, "Text"), _text(asked, "HTML")
    if text or not html:
        mail.set_content(text)
        if html:
            mail.add_alternative(html, subtype="html")
    else:
        mail.set_content(html, subtype="html")
    body = mail.get_body(("html",))
    for item in _list(asked, "Attachments"):
        if not isinstance(item, dict):
            raise Invalid("Attachments is a list of objects")
        content, main, sub, filename = _attachment(item)
        content_id = _one_line("ContentID", item.get("ContentID", ""))
        if content_id and isinstance(body, EmailMessage):
            body.add_related(
                content, main, sub, cid=f"<{content_id.strip('<>')}>", filename=filename, disposition="inline"
            )
        else:
            mail.add_attachment(content, main, sub, filename=filename)


def _attachment(item: Mapping[str, Any]) -> tuple[bytes, str, str, str]:
    filename = _one_line("Filename", item.get("Filename", "")) or "attachment"
    content = item.get("Content", "")
    if not isinstance(content, str):
        raise Invalid("Content of an attachment is base64")
    try:
        decoded = base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid(f"the content of {filename} is not base64") from error
    kind = item.get("ContentType") or mimetypes.guess_type(filename)[0] or "application/octet-stream"
    found = _CONTENT_TYPE.match(kind) if isinstance(kind, str) else None
    if found is None or found[1].lower() in ("multipart", "message"):
        raise Invalid(f"invalid ContentType of {filename}: {kind}")
    return decoded, found[1], found[2], filename


def _headers(mail: EmailMessage, asked: Mapping[str, Any]) -> None:
    headers = asked.get("Headers") or {}
    if not isinstance(headers, dict):
        raise Invalid("Headers is an object of names and values")
    for name, value in headers.items():
        if _FIELD.match(name) is None or name.lower() in _OURS:
            raise Invalid(f"invalid header name: {name}")
        line = _one_line(name, value)
        try:
            mail[name] = line
        except (ValueError, IndexError, AttributeError, TypeError) as error:
            raise Invalid(f"invalid header: {name}") from error


def _person(field: str, value: Any) -> HeaderAddress:
    if not isinstance(value, dict):
        raise Invalid(f"invalid {field} address: {'' if value is None else value}")
    name = value.get("Name") or ""
    return HeaderAddress(_one_line(f"{field} name", name), addr_spec=_address(field, value.get("Email")))


def _address(field: str, value: Any) -> str:
    if not isinstance(value, str) or _ADDRESS.match(value) is None or len(value) > 320:
        raise Invalid(f"invalid {field} address: {'' if value is None else value}")
    return value


def _list(asked: Mapping[str, Any], field: str) -> list[Any]:
    found = asked.get(field)
    if found is None:
        return []
    if not isinstance(found, list):
        raise Invalid(f"{field} is a list")
    return found


def _text(asked: Mapping[str, Any], field: str) -> str:
    found = asked.get(field) or ""
    if not isinstance(found, str):
        raise Invalid(f"{field} is a text")
    return found.encode("utf-8", "replace").decode()


def _one_line(field: str, value: Any) -> str:
    if not isinstance(value, str) or any(character in value for character in "\r\n\0"):
        raise Invalid(f"{field} is a text of one line")
    return value.encode("utf-8", "replace").decode()


def _tag(value: Any) -> str:
    if not isinstance(value, str) or re.fullmatch(r"[\w.-]{1,100}", value, re.ASCII) is None:
        raise Invalid(f"invalid tag: {value}")
    return value

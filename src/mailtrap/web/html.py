"""The HTML of a mail as a page that can do nothing: no scripts, no forms, nothing loaded but its own inline parts.

Three walls, each enough alone: the frame around it is sandboxed, the answer's policy sandboxes it again when it is
opened by itself, and the policy allows no source but styles in the mail and the mail's own parts.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

from flask import Response, request, url_for

from ..message.model import Message
from . import describe
from .problems import Problem

# Repetitions are bounded in these patterns: else a mail made for it would keep them busy for hours.
# Links open in a window of their own; scripts, forms and navigation of the viewer stay impossible.
SANDBOX: Final = "allow-popups allow-popups-to-escape-sandbox"
_CID: Final = re.compile(r"""(?P<before>(?:=|url\()\s{0,9}["']?\s{0,9})cid:(?P<id>[^"'\s>)]+)""", re.IGNORECASE)
_HEAD: Final = re.compile(r"<head(?:\s[^>]{0,500})?>", re.IGNORECASE)
_HTML: Final = re.compile(r"<html(?:\s[^>]{0,500})?>", re.IGNORECASE)
_DOCTYPE: Final = re.compile(r"\s{0,99}<!doctype[^>]{0,500}>", re.IGNORECASE)
_REMOTE: Final = re.compile(
    r"""<(?:img|input|video|audio|source|link|iframe)\b[^>]{0,500}?"""
    r"""\b(?:src|srcset|href|poster)\s{0,9}=\s{0,9}["']?\s{0,9}(?:https?:)?//"""
    r"""|(?:\bbackground\s{0,9}=|url\()\s{0,9}["']?\s{0,9}(?:https?:)?//|@import""",
    re.IGNORECASE,
)
_HOST: Final = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]+)?\Z")
_LOOKED_AT: Final = 128 * 1024  # characters in which remote content is looked for


def page(message: Message) -> Response:
    """The page.

    Raises:
        Problem: 404, the message has no HTML.
    """
    if message.html is None:
        raise Problem(404, "this message has no HTML", kind="NoSuchPart")
    parts = {
        part.content_id: url_for("viewer.part", id=message.id, part=number)
        for number, part, _ in describe.parts(message)
        if part.content_id
    }
    text = with_base(with_parts(message.html, parts))
    response = Response(text.encode("utf-8", "replace"), content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = policy(url_for("viewer.message", id=message.id) + "/part/")
    return response


def policy(own_parts: str) -> str:
    """What the page may do."""
    # A policy cannot name an IPv6 address; there all of this server is allowed.
    own = f"{request.host}{own_parts}" if _HOST.match(request.host) else "'self'"
    return "; ".join((
        "default-src 'none'", f"img-src data: {own}", "style-src 'unsafe-inline'", "font-src data:",
        "form-action 'none'", "base-uri 'none'", "frame-ancestors 'self'", f"sandbox {SANDBOX}",
    ))  # fmt: skip


def with_parts(text: str, parts: Mapping[str, str]) -> str:
    """The HTML with ``cid:`` (RFC 2392, 2) made addresses of this server, where there is such a part."""

    def put(found: re.Match[str]) -> str:
        address = parts.get(unquote(found["id"])) or parts.get(found["id"])
        return found[0] if address is None else f"{found['before']}{address}"

    return _CID.sub(put, text) if parts else text


def with_base(text: str) -> str:
    """The HTML whose links open a window of their own, still in the mode that its doctype chose."""
    found = _HEAD.search(text, 0, 65536) or _HTML.search(text, 0, 65536) or _DOCTYPE.match(text)
    place = 0 if found is None else found.end()
    return f'{text[:place]}<base target="_blank">{text[place:]}'


def loads_remote(text: str) -> bool:
    """Whether it would load something from elsewhere, which it cannot here."""
    return _REMOTE.search(text, 0, _LOOKED_AT) is not None

"""Bytes out of mails as files. Whatever they are, no browser runs them: they come sandboxed and are not sniffed."""

import re
from typing import Final
from urllib.parse import quote

from flask import Response

from ..message.model import Message
from . import describe
from .guard import EMBEDDABLE, FOREIGN_POLICY
from .problems import Problem

_CONTENT_TYPE: Final = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}\Z", re.ASCII)
_UNSAFE: Final = re.compile(r"[^\w.()+ -]+", re.ASCII)


def raw(content: bytes, name: str, *, download: bool = False) -> Response:
    """A whole mail, as plain text."""
    response = Response(content, mimetype="message/rfc822" if download else "text/plain")
    if download:
        response.headers["Content-Disposition"] = disposition("attachment", name)
    response.headers["Content-Security-Policy"] = FOREIGN_POLICY
    return response


def part(message: Message, number: str, *, download: bool = False) -> Response:
    """An attachment by the number that ``describe.parts`` gives it.

    Raises:
        Problem: 404, there is none of this number.
    """
    found = next((part for own, part, _ in describe.parts(message) if own == number), None)
    if found is None:
        raise Problem(404, f"message {message.id} has no part {number!r}", kind="NoSuchPart")
    kind = found.content_type if _CONTENT_TYPE.match(found.content_type) else "application/octet-stream"
    response = Response(found.content, content_type=kind)
    name = found.filename or f"part-{number}"
    response.headers["Content-Disposition"] = disposition("attachment" if download else "inline", name)
    response.headers["Content-Security-Policy"] = FOREIGN_POLICY
    response.headers[EMBEDDABLE] = "1"
    return response


def disposition(kind: str, name: str) -> str:
    """A Content-Disposition with a file name that is nothing but a name (RFC 6266, 4.3; appendix D)."""
    name = name.replace("\\", "/").rpartition("/")[2]
    name = "".join(character for character in name if character.isprintable())[:200].strip(" .") or "attachment"
    name = name.encode("utf-8", "replace").decode()
    plain = _UNSAFE.sub("_", name)
    extended = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'{kind}; filename="{plain}"{extended}'

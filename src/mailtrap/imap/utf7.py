"""Mailbox names on the wire of IMAP4rev1: modified UTF-7 (RFC 3501, 5.1.3).

Printable ASCII stands for itself, ``&`` is ``&-``, and everything else is a shift of modified base64 over UTF-16BE.
There is exactly one encoding of a name, so ``encode(decode(name)) == name`` for every name that ``decode`` takes.
"""

import binascii
import re
from typing import Final

_SHIFTED: Final = re.compile(r"[^\x20-\x7e]+")
_SHIFT: Final = re.compile(rb"&([A-Za-z0-9+,]*)-")


def encode(name: str) -> bytes:
    """A name as it is sent. Lone surrogates, which no Unicode text has, become U+FFFD."""
    text = name.replace("&", "&-")
    if text.isascii() and text.isprintable():
        return text.encode("ascii")
    return _SHIFTED.sub(_shift, text).encode("ascii")


def _shift(match: re.Match[str]) -> str:
    try:
        units = match[0].encode("utf-16-be")
    except UnicodeEncodeError:
        units = match[0].encode("utf-16-be", "surrogatepass").decode("utf-16-be", "replace").encode("utf-16-be")
    coded = binascii.b2a_base64(units, newline=False).rstrip(b"=").replace(b"/", b",")
    return f"&{coded.decode('ascii')}-"


def decode(name: bytes) -> str:
    """A name as it was sent.

    Raises:
        ValueError: it is no modified UTF-7, or not the one way to write that name: a shift that is not closed, that
            holds half a character or one that needs no shift, two shifts side by side.
    """
    if b"&" not in name:
        text = name.decode("ascii")
    else:
        text = "".join(_parts(name))
    if encode(text) != name:
        raise ValueError("not in the one form of modified UTF-7")
    return text


def _parts(name: bytes) -> list[str]:
    parts: list[str] = []
    position = 0
    while (start := name.find(b"&", position)) >= 0:
        parts.append(name[position:start].decode("ascii"))
        shift = _SHIFT.match(name, start)
        if shift is None:
            raise ValueError("a shift that is not closed")
        coded = shift[1].replace(b",", b"/")
        if coded:
            units = binascii.a2b_base64(coded + b"=" * (-len(coded) % 4))
            parts.append(units.decode("utf-16-be"))
        else:
            parts.append("&")
        position = shift.end()
    parts.append(name[position:].decode("ascii"))
    return parts

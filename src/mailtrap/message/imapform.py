"""What IMAP says of a message: ENVELOPE, BODY and BODYSTRUCTURE, encoded (RFC 3501, 7.4.2; RFC 9051, 7.5.2).

A string is quoted where it may be and a literal where it must: with 8-bit octets or line ends. No string may hold NUL
(RFC 3501, 9, CHAR8): it is sent as a question mark.
"""

import re
from typing import Final

from . import addresses, fields
from .structure import Part

_NOT_PLAIN: Final = re.compile(rb"[^\x20-\x21\x23-\x5b\x5d-\x7e]")
_NOT_QUOTABLE: Final = re.compile(rb"[\x00\r\n\x80-\xff]")
_ENVELOPE_FIELDS: Final = frozenset(
    (b"date", b"subject", b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc", b"in-reply-to", b"message-id")
)
_LISTS: Final = (b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc")


def string(value: bytes) -> bytes:
    """A string: quoted, or a literal (RFC 3501, 4.3)."""
    if _NOT_PLAIN.search(value) is None:
        return b'"%b"' % value
    if _NOT_QUOTABLE.search(value) is None:
        return b'"%b"' % value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    value = value.replace(b"\0", b"?")
    if _NOT_QUOTABLE.search(value) is None:
        return string(value)
    return b"{%d}\r\n%b" % (len(value), value)


def nstring(value: bytes | None) -> bytes:
    """A string, or NIL for what is not there."""
    if value is None:
        return b"NIL"
    return b'"%b"' % value if _NOT_PLAIN.search(value) is None else string(value)


# ---------------------------------------------------------------- ENVELOPE


def envelope(found: fields.Fields) -> bytes:
    """The ENVELOPE of a message with these fields. Sender and Reply-To are From where they are absent or empty."""
    values: dict[bytes, bytes] = {}
    more: dict[bytes, list[bytes]] = {}  # some programs write a field for each recipient
    for name, value in found:
        name = name.lower()
        if name in _ENVELOPE_FIELDS:
            if name not in values:
                values[name] = value
            elif name in _LISTS:
                more.setdefault(name, [values[name]]).append(value)
    for name, repeated in more.items():
        values[name] = b",".join(repeated)
    author, own_sender, own_reply_to, to, cc, bcc = [
        _address_list(values[name]) if name in values else b"NIL" for name in _LISTS
    ]
    date, subject, reference, own_id = [
        nstring(fields.unfold(values[name])) if name in values else b"NIL"
        for name in (b"date", b"subject", b"in-reply-to", b"message-id")
    ]
    sender = author if own_sender == b"NIL" else own_sender
    reply_to = author if own_reply_to == b"NIL" else own_reply_to
    return b"(%b %b %b %b %b %b %b %b %b %b)" % (
        date, subject, author, sender, reply_to, to, cc, bcc, reference, own_id
    )  # fmt: skip


def _address_list(value: bytes) -> bytes:
    entries = addresses.parse(value)
    if not entries:
        return b"NIL"
    return b"(%b)" % b"".join(
        [
            b"(%b %b %b %b)" % (nstring(name), nstring(route), nstring(local), nstring(domain))
            for name, route, local, domain in entries
        ]
    )


# ---------------------------------------------------------------- BODY and BODYSTRUCTURE


_ASCII: Final = ((b"charset", b"us-ascii"),)


def bodystructure(data: bytes, root: Part) -> bytes:
    """The BODYSTRUCTURE of a message, with extension data."""
    return _body(data, root, True)


def body(data: bytes, root: Part) -> bytes:
    """The BODY of a message: its structure without extension data."""
    return _body(data, root, False)


def _body(data: bytes, part: Part, extended: bool) -> bytes:
    if part.type == "multipart":
        inner = b"".join([_body(data, child, extended) for child in part.children])
        subtype = string(part.subtype.encode("latin-1"))
        if not extended:
            return b"(%b %b)" % (inner, subtype)
        return b"(%b %b %b %b)" % (inner, subtype, _parameters(part.params), _extension(part))
    params = part.params
    if not params and part.type == "text":
        params = _ASCII  # RFC 2045, 5.2 and RFC 2046, 4.1.2: what is meant where nothing is said
    out = [
        string(part.type.encode("latin-1")), string(part.subtype.encode("latin-1")), _parameters(params),
        nstring(part.id), nstring(part.description), string(part.encoding), b"%d" % (part.end - part.body),
    ]  # fmt: skip
    if part.is_message:
        inside = part.children[0]
        out += (
            envelope(fields.split(data, inside.header, inside.body)),
            _body(data, inside, extended),
            b"%d" % part.lines,
        )
    elif part.type == "text":
        out.append(b"%d" % part.lines)
    if extended:
        out += nstring(part.md5), _extension(part)
    return b"(%b)" % b" ".join(out)


def _extension(part: Part) -> bytes:
    """Disposition, language, location."""
    disposition = b"NIL"
    if part.disposition is not None:
        disposition = b"(%b %b)" % (string(part.disposition), _parameters(part.disposition_params))
    language = b"NIL"
    if part.language:
        language = b"(%b)" % b" ".join(map(string, part.language))
    return b"%b %b %b" % (disposition, language, nstring(part.location))


def _parameters(params: tuple[tuple[bytes, bytes], ...]) -> bytes:
    if not params:
        return b"NIL"
    return b"(%b)" % b" ".join([b"%b %b" % (string(name), string(value)) for name, value in params])

"""What a client that does not know UTF-8 in header fields gets of a mail that has it (RFC 6858): a surrogate.

Addresses that are not ASCII are replaced by one that cannot be used and whose name says which it stands for, names and
the subject are encoded (RFC 2047), MIME parameters and other fields that are not ASCII are left out. What is no UTF-8
is no internationalized mail but a mistake of its program: it stays as it is, to be seen.
"""

from collections.abc import Iterator
from typing import Final

from . import addresses, parameters
from .addresses import GROUP_END, Entry
from .fields import WHOLE_FIELD, unfold
from .structure import parse, served, served_size

INVALID: Final = b"<internationalized@address.invalid>"  # RFC 2606, 2: nobody's
_ADDRESSES: Final = frozenset(
    prefix + name for prefix in (b"", b"resent-") for name in (b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc")
)
_WITH_PARAMETERS: Final = frozenset({b"content-type", b"content-disposition"})
_LINE: Final = 76  # characters of a line with encoded words, at most


def plain_size(raw: bytes) -> int:
    """Octets of a message as it is served to such a client."""
    return served_size(raw) if raw.isascii() else len(surrogate(served(raw)))


def surrogate(data: bytes) -> bytes:
    """A message for such a client; itself where its header is ASCII.

    Args:
        data: as it is served: with CRLF.
    """
    if data.isascii():
        return data
    root = parse(data)
    if data[: root.body].isascii():
        return data  # body parts' header fields alone make no internationalized mail
    pieces: list[bytes] = []
    position = 0
    for part in root.walk():
        header = data[part.header : part.body]
        if not header.isascii():
            pieces += data[position : part.header], plain_fields(header)
            position = part.body
    pieces.append(data[position:])
    return b"".join(pieces)


def plain_fields(header: bytes) -> bytes:
    """The fields of a header for such a client."""
    return header if header.isascii() else b"".join(_fields(header))


def _fields(header: bytes) -> Iterator[bytes]:
    position = 0
    for match in WHOLE_FIELD.finditer(header):
        yield header[position : match.start()]
        position = match.end()
        yield _field(match.group(), match.group(1))
    yield header[position:]


def _field(field: bytes, name: bytes) -> bytes:
    if field.isascii() or not _is_utf8(field):
        return field
    kind = name.lower()
    if kind == b"subject":  # RFC 6858, 2.3
        value: bytes | None = _encoded(_value(field), len("Subject: "))
    elif kind in _ADDRESSES:  # 2.1
        value = _list(addresses.parse(_value(field)))
    elif kind in _WITH_PARAMETERS:  # 2.2
        value = _with_parameters(_value(field))
    else:  # 2.4
        value = None
    return b"" if value is None else b"%b: %b\r\n" % (name, value)


def _value(field: bytes) -> bytes:
    return unfold(field.partition(b":")[2])


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True


def _encoded(text: bytes, used: int = 1) -> bytes:
    """Encoded words (RFC 2047). used: characters of the first line that are taken already."""
    from email.header import Header

    return (
        Header(text.decode(), "utf-8", maxlinelen=_LINE, header_name=" " * used).encode(linesep="\r\n").encode("ascii")
    )


def _list(entries: list[Entry]) -> bytes:
    written = b""
    opened = False  # nothing stands in this group, or list, yet
    for entry in entries:
        if entry == GROUP_END:
            written += b";"
            opened = False
            continue
        if written:
            written += b"\r\n " if opened else b",\r\n "
        opened = entry.domain is None
        written += _phrase(entry.local or b"") + b":" if opened else _mailbox(entry)
    return written


def _mailbox(entry: Entry) -> bytes:
    name, local, domain = entry.name or b"", entry.local or b"", entry.domain or b""
    address = addresses.quote_local(local.decode("utf-8", "replace")).encode() + (b"@" + domain if domain else b"")
    if address.isascii():
        return _phrase(name) + b" <" + address + b">" if name else address
    return _phrase(name + b" " + address if name else address) + b" " + INVALID


def _phrase(text: bytes) -> bytes:
    if not text.isascii():
        return _encoded(text)
    if b"=?" in text:  # encoded words: within quotes they would be none (RFC 2047, 5)
        return text
    return b'"%b"' % text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def _with_parameters(value: bytes) -> bytes | None:
    main, found = parameters.parse(value)
    if not main.isascii():
        return None
    written = main
    for name, content in found:
        if name.isascii() and content.isascii():
            extended = name.endswith(b"*")  # RFC 2231, 4: without quotes
            quoted = content.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
            written += b"; %b=%b" % (name, content if extended else b'"%b"' % quoted)
    return written

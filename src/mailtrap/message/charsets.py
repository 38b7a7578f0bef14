"""Bytes of whatever charset to text. Nothing here raises: what cannot be decoded shows as U+FFFD."""

import binascii
import codecs
import re
from functools import lru_cache
from typing import Final

# Names that mail programs write and Python does not know.
_ALIASES: Final = {
    "ansi": "cp1252", "unicode": "utf-16", "x-unknown": "utf-8", "unknown-8bit": "utf-8", "unknown": "utf-8",
    "x-sjis": "shift_jis", "x-gbk": "gbk", "x-mac-roman": "mac_roman", "unicode-1-1-utf-7": "utf-7",
    "x-user-defined": "latin-1", "iso-8859-8-i": "iso-8859-8", "iso-8859-8-e": "iso-8859-8",
    "iso-8859-6-i": "iso-8859-6", "iso-8859-6-e": "iso-8859-6", "gb2312": "gb18030", "gbk": "gb18030",
    "ks_c_5601-1987": "cp949", "ks_c_5601": "cp949", "us-ascii": "utf-8", "ascii": "utf-8",
}  # fmt: skip
# Text encodings of Python that are no charsets: they raise, warn or take quadratic time on foreign input.
_NO_CHARSETS: Final = {"unicode_escape", "raw_unicode_escape", "punycode", "idna", "undefined", "mbcs", "oem"}
_LONGEST_NAME: Final = 40

_WORD: Final = re.compile(r"=\?([^?*\s]{1,60})(?:\*[^?\s]{0,20})?\?([bBqQ])\?([^?]*)\?=")
_OF_UTF_8: Final = re.compile("[^\x00-\x7f\ufffd]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_QUOTED: Final = re.compile(rb"=([0-9A-Fa-f]{2})")


@lru_cache(maxsize=256)
def codec(charset: str) -> str | None:
    """The name of Python's codec for a charset; None where it has none."""
    name = charset.strip().lower()
    if not name or len(name) > _LONGEST_NAME or not name.isascii() or not name.isprintable():
        return None
    name = _ALIASES.get(name, name)
    try:
        found = codecs.lookup(name).name
        if found.replace("-", "_") in _NO_CHARSETS:
            return None
        b"a".decode(found, "replace")  # refuses those that are not text: base64, zip
    except (LookupError, ValueError):
        return None
    return found


def decode(data: bytes, charset: str | None = None) -> str:
    """Text out of bytes.

    An unknown charset is read as UTF-8 where the bytes have something of it, else as Windows-1252, which is what
    undeclared 8-bit mail mostly is. Bytes that do not fit a known charset show as U+FFFD.
    """
    name = "utf-8" if charset is None else codec(charset)
    if name is not None and name != "utf-8":
        try:
            text = data.decode(name)
        except UnicodeError:
            if name != "cp1252":
                text = data.decode(name, "replace")
                return _SURROGATE.sub("\ufffd", text)
        else:
            # UTF-7 can say half a character, which nothing that has to be written may hold
            return _SURROGATE.sub("\ufffd", text) if name == "utf-7" else text
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
        return text if _OF_UTF_8.search(text) is not None else data.decode("cp1252", "replace")


def decode_words(text: str) -> str:
    """A header's text with its encoded words decoded (RFC 2047).

    White space between two of them is dropped (6.2). Words that split a character, which RFC 2047 forbids and mail
    programs do, are joined first. What is no valid word stays as it stood.
    """
    if "=?" not in text:
        return text
    out: list[str] = []
    pending, pending_charset = b"", ""
    last = 0
    for match in _WORD.finditer(text):
        charset, encoding, payload = match.group(1).lower(), match.group(2), match.group(3)
        data = _decode_b(payload) if encoding in "bB" else _decode_q(payload)
        if data is None or codec(charset) is None:
            continue
        between = text[last : match.start()]
        adjacent = last > 0 and (not between or between.isspace())
        if not adjacent or charset != pending_charset:
            out.append(decode(pending, pending_charset))
            pending = b""
            if not adjacent:
                out.append(between)
        pending, pending_charset = pending + data, charset
        last = match.end()
    if not last:
        return text
    return "".join([*out, decode(pending, pending_charset), text[last:]])


def _decode_b(payload: str) -> bytes | None:
    try:
        data = payload.encode("ascii").rstrip(b"=")
        return binascii.a2b_base64(data + b"=" * (-len(data) % 4))
    except (ValueError, binascii.Error):
        return None


def _decode_q(payload: str) -> bytes | None:
    try:
        data = payload.encode("ascii").replace(b"_", b" ")
    except ValueError:
        return None
    return _QUOTED.sub(lambda match: bytes.fromhex(match.group(1).decode()), data)


def header_text(value: bytes) -> str:
    """A header's value as text: unfolded, stripped, decoded."""
    text = value.decode("ascii") if value.isascii() else decode(value)
    if "\n" in text:
        text = text.replace("\r\n", "").replace("\n", "")
    return decode_words(text.strip())


def decode_base64(data: bytes) -> bytes:
    """Content that came as base64; what is not of its alphabet is passed over, a torn end kept as far as it goes."""
    try:
        return binascii.a2b_base64(data)
    except binascii.Error:
        kept = re.sub(rb"[^A-Za-z0-9+/]", b"", data.partition(b"=")[0])
        if len(kept) % 4 == 1:
            kept = kept[:-1]
        return binascii.a2b_base64(kept + b"=" * (-len(kept) % 4))


def transfer_decode(data: bytes, encoding: bytes) -> bytes:
    """Content without its Content-Transfer-Encoding (RFC 2045, 6); an unknown one leaves it alone."""
    if encoding == b"base64":
        return decode_base64(data)
    if encoding == b"quoted-printable":
        return binascii.a2b_qp(data)
    if encoding in (b"x-uuencode", b"uuencode", b"x-uue"):
        return _decode_uu(data)
    return data


def _decode_uu(data: bytes) -> bytes:
    out: list[bytes] = []
    inside = False
    for line in data.splitlines():
        if not inside:
            inside = line.startswith(b"begin ")
        elif line.strip() == b"end":
            break
        else:
            try:
                out.append(binascii.a2b_uu(line))
            except binascii.Error:
                # some encoders leave rubbish behind the last group: as many groups as the length asks for
                length = (line[0] - 32) & 63 if line else 0
                try:
                    out.append(binascii.a2b_uu(line[: 1 + (length + 2) // 3 * 4]))
                except binascii.Error:
                    continue
    return b"".join(out) if inside else data

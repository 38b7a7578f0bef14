"""Values with parameters: Content-Type, Content-Disposition (RFC 2045, 5.1; RFC 2183; RFC 2231). Never raises."""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from .charsets import decode, decode_words

Parameters = tuple[tuple[bytes, bytes], ...]

_LONGEST: Final = 16_384  # of a value that is looked at
_SHORT: Final = 60  # values up to here are few in kind and are remembered: they have no boundary
_MOST: Final = 200  # parameters that are looked at
_MAIN: Final = re.compile(rb"[^;]*")
_PARAMETER: Final = re.compile(rb';\s*+([^\s=;"]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"|([^;]*))', re.DOTALL)
_ESCAPED: Final = re.compile(rb"\\(.)", re.DOTALL)
_UNSAFE: Final = re.compile(rb"[^A-Za-z0-9_.\-~']")
_QUOTED_OCTET: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_CONTINUED: Final = re.compile(rb"([^*]+)\*(?:(\d{1,3})(\*)?)?\Z")


class Value(NamedTuple):
    """What stands before the first semicolon, in lower case, and the parameters, names in lower case."""

    main: bytes
    parameters: Parameters


def parse(value: bytes) -> Value:
    """Split a value. Of parameters that repeat the first counts; continuations are joined (RFC 2231, 3).

    A joined parameter with a charset keeps it: its name ends with ``*``, its value is as RFC 2231, 4 writes it.
    """
    value = value.strip()
    return _parse_short(value) if len(value) < _SHORT else _parse(value[:_LONGEST])


def _parse(value: bytes) -> Value:
    if b"(" in value:
        value = _without_comments(value)
    main = _MAIN.match(value)
    assert main is not None  # it matches nothing too
    found: dict[bytes, bytes] = {}
    continued = False
    for number, match in enumerate(_PARAMETER.finditer(value, main.end())):
        if number == _MOST:
            break
        name, quoted, token = match.groups()
        name = name.lower()
        if quoted is not None:
            if b"\\" in quoted:
                quoted = _ESCAPED.sub(rb"\1", quoted)
            if b"\n" in quoted:
                quoted = quoted.replace(b"\r\n", b"").replace(b"\n", b"")
            found.setdefault(name, quoted)
        else:
            found.setdefault(name, token.strip().strip(b'"'))
        continued = continued or b"*" in name
    parameters = _joined(found) if continued else found
    return Value(main.group().strip().lower(), tuple(parameters.items()))


_parse_short = lru_cache(maxsize=512)(_parse)


def _joined(found: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Continuations put together: ``name*0*``, ``name*1`` become ``name*``."""
    pieces: dict[bytes, dict[int, tuple[bytes, bool]]] = {}
    whole: dict[bytes, bytes] = {}
    for name, value in found.items():
        match = _CONTINUED.match(name)
        if match is None or match.group(2) is None:
            whole.setdefault(name, value)
        else:
            pieces.setdefault(match.group(1), {})[int(match.group(2))] = (value, match.group(3) is not None)
    for base, numbered in pieces.items():
        ordered = [numbered[number] for number in range(len(numbered)) if number in numbered]
        if not ordered:
            ordered = [numbered[number] for number in sorted(numbered)]
        if any(extended for _, extended in ordered):
            joined = b"".join(
                value if extended else _UNSAFE.sub(lambda match: b"%%%02X" % ord(match.group()), value)
                for value, extended in ordered
            )
            whole.setdefault(base + b"*", joined)
        else:
            whole.setdefault(base, b"".join(value for value, _ in ordered))
    return whole


def _unquote(value: bytes) -> bytes:
    return _QUOTED_OCTET.sub(lambda match: bytes.fromhex(match.group(1).decode()), value)


def _without_comments(value: bytes) -> bytes:
    """A value with its comments (RFC 5322, 3.2.2) taken out; parentheses in quotes stay."""
    out = bytearray()
    depth = 0
    quoted = escaped = False
    for byte in value:
        if escaped:
            escaped = False
        elif byte == 0x5C:  # a backslash
            escaped = quoted or depth > 0
        elif byte == 0x22 and not depth:
            quoted = not quoted
        elif byte == 0x28 and not quoted:
            depth += 1
            continue
        elif byte == 0x29 and depth:
            depth -= 1
            continue
        if not depth:
            out.append(byte)
    return bytes(out) if not depth else value  # a comment without end is none


def text(parameters: Parameters, name: bytes) -> str | None:
    """One parameter as text: RFC 2231 where it is there, else encoded words, which many write; None without it."""
    plain: bytes | None = None
    extended = name + b"*"
    for key, value in parameters:
        if key == extended:
            charset, quote, rest = value.partition(b"'")
            _, second, encoded = rest.partition(b"'")
            if quote and second:
                return decode(_unquote(encoded), charset.decode("latin-1") or None)
            return decode(_unquote(value))
        if key == name:
            plain = value
    if plain is None:
        return None
    return plain.decode("ascii") if plain.isascii() and b"=?" not in plain else decode_words(decode(plain))

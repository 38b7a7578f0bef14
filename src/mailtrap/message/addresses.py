"""Address lists in header fields (RFC 5322, 3.4), obsolete forms and broken ones included. Never raises.

Work is linear in the length: what is looked for in vain once (a closing quote, parenthesis or bracket) is not looked
for again, its opening is then an ordinary character.
"""

import re
from typing import Final, NamedTuple

from .address import Address
from .charsets import decode, decode_words

# What nearly every list is made of: a bare address, or one behind a name, plain or quoted.
_ATOM: Final = rb"[^\s<>@\"(),:;\\\[\]]++"
_COMMON: Final = re.compile(
    rb'\s*+(?:(?:"([^"\\\r\n]*+)"\s*+|([^<>@"(),:;\\]*+))<(' + _ATOM + rb")@(" + _ATOM + rb")>|"
    rb"(" + _ATOM + rb")@(" + _ATOM + rb"))\s*+(?:,\s*+|\Z)"
)
_TOKEN: Final = re.compile(rb"[ \t\r\n]+|[^\s\"(<>,:;@\[\\]+|.", re.DOTALL)
_QUOTED: Final = re.compile(rb'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_LITERAL: Final = re.compile(rb"\[[^\[\]\r\n]{0,300}\]")
_ESCAPED: Final = re.compile(rb"\\(.)", re.DOTALL)
_SPACES: Final = re.compile(rb"[ \t\r\n]+")


class Entry(NamedTuple):
    """One entry of an IMAP address list (RFC 3501, 7.4.2).

    A group begins with an entry that has its name in ``local`` and no ``domain``, and ends with one of four Nones.
    An address without ``@`` has an empty ``domain``.
    """

    name: bytes | None
    route: bytes | None
    local: bytes | None
    domain: bytes | None


GROUP_END: Final = Entry(None, None, None, None)


def parse(value: bytes) -> list[Entry]:
    """The entries of an address list, as they stand: encoded words are not decoded, quotes and folding are gone."""
    entries: list[Entry] = []
    position, size = 0, len(value)
    match_common = _COMMON.match
    while position < size:
        match = match_common(value, position)
        if match is None:
            _Scanner(value, position, entries).run()
            break
        quoted, plain, local, domain, bare_local, bare_domain = match.groups()
        if local is None:
            entries.append(Entry(None, None, bare_local, bare_domain))
        else:
            name = _SPACES.sub(b" ", plain).strip() if quoted is None else quoted
            entries.append(Entry(name or None, None, local, domain))
        position = match.end()
    return entries


def addresses(value: bytes) -> list[Address]:
    """The addresses of a list, names decoded, groups resolved."""
    return [address(entry) for entry in parse(value) if entry.domain is not None]


def address(entry: Entry) -> Address:
    """An entry as an address."""
    local, domain = decode(entry.local or b""), decode(entry.domain or b"")
    name = decode_words(decode(entry.name)) if entry.name else ""
    return Address(f"{quote_local(local)}@{domain}" if domain else local, name)


def quote_local(local: str) -> str:
    """A local part as it stands in an addr-spec: quoted where it must be."""
    if not local or not re.search(r'[\s<>@"(),:;\\\[\]]', local):
        return local
    return '"' + local.replace("\\", "\\\\").replace('"', '\\"') + '"'


class _Scanner:
    """The whole grammar, for what the expression for common forms does not match."""

    def __init__(self, value: bytes, position: int, entries: list[Entry]) -> None:
        self.value = value
        self.position = position
        self.entries = entries
        self.words: list[tuple[str, bytes]] = []  # kind: word, quoted, @, space
        self.comment = b""
        self.angle: list[tuple[str, bytes]] | None = None  # what stands between < and >
        self.angle_done = False
        self.in_group = False
        self.hopeless = set[int]()  # opening characters whose closing ones do not come

    def run(self) -> None:
        value, size = self.value, len(self.value)
        while self.position < size:
            byte = value[self.position]
            if byte == 0x22 and byte not in self.hopeless:  # "
                if (match := _QUOTED.match(value, self.position)) is None:
                    self.hopeless.add(byte)
                    continue
                text = match.group(1)
                self.add("quoted", _ESCAPED.sub(rb"\1", text) if b"\\" in text else text)
                self.position = match.end()
            elif byte == 0x28 and byte not in self.hopeless:  # (
                if (end := self.comment_end()) < 0:
                    self.hopeless.add(byte)
                    continue
                self.comment = value[self.position + 1 : end - 1].strip()
                self.add("space", b" ")
                self.position = end
            elif byte == 0x5B and (match := _LITERAL.match(value, self.position)) is not None:  # [
                self.add("word", match.group())
                self.position = match.end()
            else:
                match = _TOKEN.match(value, self.position)
                assert match is not None  # it matches any character
                self.position = match.end()
                self.token(match.group())
        self.flush()
        if self.in_group:
            self.entries.append(GROUP_END)

    def token(self, token: bytes) -> None:
        if token == b",":
            if self.angle is not None and not self.angle_done and self.angle and self.angle[0][0] == "@":
                self.add("word", token)  # between the hops of a route
            else:
                self.flush()
        elif token == b";":
            self.flush()
            if self.in_group:
                self.entries.append(GROUP_END)
                self.in_group = False
        elif token == b"<" and self.angle is None:
            self.angle = []
        elif token == b">":
            self.angle_done = self.angle is not None
        elif token == b":" and self.angle is None and not self.in_group:
            name = _phrase(self.words)
            self.entries.append(Entry(None, None, name, None))
            self.words, self.comment = [], b""
            self.in_group = True
        elif token == b"@":
            self.add("@", token)
        elif token.isspace():
            self.add("space", b" ")
        else:
            self.add("word", token)

    def add(self, kind: str, text: bytes) -> None:
        if self.angle is None:
            self.words.append((kind, text))
        elif not self.angle_done:
            self.angle.append((kind, text))

    def flush(self) -> None:
        """An entry is complete."""
        words, angle, comment = self.words, self.angle, self.comment
        self.words, self.angle, self.comment, self.angle_done = [], None, b"", False
        name: bytes | None
        route: bytes | None = None
        if angle is not None:
            name = _phrase(words)
            if angle and angle[0][0] == "@":
                colon = next((at for at, (_, text) in enumerate(angle) if text == b":"), None)
                if colon is not None:
                    route = b"".join(text for kind, text in angle[:colon] if kind != "space")
                    angle = angle[colon + 1 :]
            _, local, domain = _addr_spec(angle)
            if not (name or local or domain):
                return
        else:
            name, local, domain = _addr_spec(words)
            if not (local or domain):
                return
        self.entries.append(Entry(name or _SPACES.sub(b" ", comment) or None, route, local, domain))

    def comment_end(self) -> int:
        """Where the comment that begins here ends; -1 when it does not."""
        value, depth, position, size = self.value, 0, self.position, len(self.value)
        while position < size:
            byte = value[position]
            if byte == 0x5C:
                position += 1
            elif byte == 0x28:
                depth += 1
            elif byte == 0x29:
                depth -= 1
                if not depth:
                    return position + 1
            position += 1
        return -1


def _phrase(words: list[tuple[str, bytes]]) -> bytes:
    """A display name: words with one space where there was white space."""
    return _SPACES.sub(b" ", b"".join(text for _, text in words)).strip()


def _addr_spec(words: list[tuple[str, bytes]]) -> tuple[bytes | None, bytes, bytes]:
    """A name that stands before an address without brackets, the local part, the domain."""
    at = max((place for place, (kind, _) in enumerate(words) if kind == "@"), default=None)
    if at is None:
        return None, _phrase(words), b""
    domain = b"".join(text for kind, text in words[at + 1 :] if kind != "space")
    local = words[:at]
    while local and local[-1][0] == "space":
        local.pop()
    # White space stands around dots in obsolete addresses (RFC 5322, 4.4); elsewhere it ends a name.
    for place in range(len(local) - 1, 0, -1):
        if local[place][0] != "space":
            continue
        if not (local[place - 1][1].endswith(b".") or local[place + 1][1].startswith(b".")):
            name = _phrase(local[:place])
            return name, b"".join(text for kind, text in local[place:] if kind != "space"), domain
    return None, b"".join(text for kind, text in local if kind != "space"), domain

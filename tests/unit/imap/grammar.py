"""A reader of what the server says, that takes nothing the grammar does not (RFC 3501, 9; RFC 9051, 9)."""

import re

_NUMBER = re.compile(rb"\d+")
_ATOM = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\\]]+')
_QUOTED = re.compile(rb'"((?:[^"\\\r\n\x00\x80-\xff]|\\["\\])*)"')
_LITERAL = re.compile(rb"~?\{(\d+)\}\r\n")
_LABEL = re.compile(rb"[A-Z0-9.-]+")


class Reader:
    """A position in octets; every method fails with an AssertionError where the grammar is broken."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def match(self, pattern: re.Pattern[bytes]) -> re.Match[bytes]:
        found = pattern.match(self.data, self.at)
        assert found, (pattern, self.data[self.at : self.at + 60], self.data)
        self.at = found.end()
        return found

    def take(self, token: bytes) -> bool:
        if self.data.startswith(token, self.at):
            self.at += len(token)
            return True
        return False

    def expect(self, token: bytes) -> None:
        assert self.take(token), (token, self.data[self.at : self.at + 60], self.data)

    def number(self) -> int:
        return int(self.match(_NUMBER)[0])

    def string(self) -> bytes:
        if self.data.startswith(b'"', self.at):
            return re.sub(rb"\\(.)", rb"\1", self.match(_QUOTED)[1])
        binary = self.data.startswith(b"~", self.at)
        size = int(self.match(_LITERAL)[1])
        value = self.data[self.at : self.at + size]
        assert len(value) == size
        assert binary or b"\0" not in value, "a literal has no NUL (RFC 3501, 9: CHAR8)"
        self.at += size
        return value

    def nstring(self) -> bytes | None:
        return None if self.take(b"NIL") else self.string()

    # ------------------------------------------------------------ ENVELOPE

    def envelope(self) -> list:
        self.expect(b"(")
        found = [self.nstring()]
        self.expect(b" ")
        found.append(self.nstring())
        for _ in range(6):
            self.expect(b" ")
            found.append(self.addresses())
        for _ in range(2):
            self.expect(b" ")
            found.append(self.nstring())
        self.expect(b")")
        return found

    def addresses(self) -> list | None:
        if self.take(b"NIL"):
            return None
        self.expect(b"(")
        found = []
        while not self.take(b")"):  # there is at least one: an empty list is NIL
            self.expect(b"(")
            entry = [self.nstring()]
            for _ in range(3):
                self.expect(b" ")
                entry.append(self.nstring())
            self.expect(b")")
            found.append(entry)
        assert found
        return found

    # ------------------------------------------------------------ BODY, BODYSTRUCTURE

    def body(self, *, extended: bool, depth: int = 0) -> None:
        self.expect(b"(")
        if self.data.startswith(b"(", self.at):
            while self.data.startswith(b"(", self.at):
                self.body(extended=extended, depth=depth + 1)
            self.expect(b" ")
            assert self.string()
            if extended:
                self.expect(b" ")
                self.parameters()
                self.extension()
        else:
            self.one_part(extended=extended, depth=depth)
        self.expect(b")")

    def one_part(self, *, extended: bool, depth: int) -> None:
        kind = self.string().lower()
        self.expect(b" ")
        subtype = self.string().lower()
        self.expect(b" ")
        self.parameters()
        for _ in range(2):
            self.expect(b" ")
            self.nstring()
        self.expect(b" ")
        encoding = self.string()
        self.expect(b" ")
        self.number()
        encoded = subtype == b"global" and encoding.lower() not in (b"7bit", b"8bit", b"binary")
        if kind == b"message" and subtype in (b"rfc822", b"global") and not encoded:
            self.expect(b" ")
            self.envelope()
            self.expect(b" ")
            self.body(extended=extended, depth=depth + 1)
            self.expect(b" ")
            self.number()
        elif kind == b"text":
            self.expect(b" ")
            self.number()
        if extended:
            self.expect(b" ")
            self.nstring()
            self.extension()

    def parameters(self) -> None:
        if self.take(b"NIL"):
            return
        self.expect(b"(")
        self.string()
        self.expect(b" ")
        self.string()
        while self.take(b" "):
            self.string()
            self.expect(b" ")
            self.string()
        self.expect(b")")

    def extension(self) -> None:
        """Disposition, language, location."""
        self.expect(b" ")
        if not self.take(b"NIL"):
            self.expect(b"(")
            self.string()
            self.expect(b" ")
            self.parameters()
            self.expect(b")")
        self.expect(b" ")
        if not self.take(b"NIL"):
            if self.take(b"("):
                self.string()
                while self.take(b" "):
                    self.string()
                self.expect(b")")
            else:
                self.string()
        self.expect(b" ")
        self.nstring()

    # ------------------------------------------------------------ FETCH

    def fetch(self) -> dict[bytes, object]:
        """One FETCH response: values by the labels of items; None for structures."""
        self.expect(b"* ")
        self.number()
        self.expect(b" FETCH (")
        found: dict[bytes, object] = {}
        while True:
            start = self.at
            name = self.match(_LABEL)[0]
            if self.take(b"["):
                end = self.data.index(b"]", self.at)
                self.at = end + 1
                if self.take(b"<"):
                    self.number()
                    self.expect(b">")
            label = self.data[start : self.at]
            self.expect(b" ")
            found[label] = self.item(name)
            if self.take(b")\r\n"):
                return found
            self.expect(b" ")

    def item(self, name: bytes) -> object:
        if name == b"ENVELOPE":
            return self.envelope()
        if name in (b"BODY", b"BODYSTRUCTURE") and self.data.startswith(b"(", self.at):
            return self.body(extended=name == b"BODYSTRUCTURE")
        if name in (b"RFC822.SIZE", b"UID", b"BINARY.SIZE"):
            return self.number()
        if name == b"FLAGS":
            self.expect(b"(")
            end = self.data.index(b")", self.at)
            flags = self.data[self.at : end].split()
            assert all(_ATOM.fullmatch(flag.removeprefix(b"\\")) for flag in flags)
            self.at = end + 1
            return flags
        return self.nstring()

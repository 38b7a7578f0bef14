"""The bytes of a mail as they are served, and the tree of its MIME parts by byte offsets.

Invariants: ``served(served(x)) == served(x)``. For every part ``header <= body <= end``; its children lie between
``body`` and ``end``, in order, and do not overlap. What lies between them are delimiter lines, preamble and epilogue.
``parse`` takes any bytes and never raises; what is broken becomes the nearest thing that can be shown, and ``broken``
says so. Work is linear in the size, save for the counting of lines in nested messages.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from .. import limits
from . import parameters
from .fields import CONTENT_FIELD, FIELD, FIELD_START, NO_FIELD, has_separator, unfold

_BARE_LF: Final = re.compile(rb"\n(?<!\r\n)")  # in this form the search is for LF alone, and as fast
_TOKEN: Final = re.compile(rb"[^\s/;,]+\Z")
_LONGEST_DELIMITER: Final = 300  # RFC 2046, 5.1.1 allows 70; a longer line is none
_CHARSET_ASCII: Final = ((b"charset", b"us-ascii"),)


def served(raw: bytes) -> bytes:
    """A message as IMAP and POP3 serve it: each bare LF as CRLF. The same object when there is none."""
    if _BARE_LF.search(raw) is None:
        return raw
    return raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def served_size(raw: bytes) -> int:
    """``len(served(raw))`` without making it."""
    size = len(raw)
    bare = raw.count(b"\n") - raw.count(b"\r\n")
    return size + bare if bare else size


class Part:
    """One MIME part: what its header says and where it lies in the served message.

    Attributes:
        type, subtype: in lower case; ``text/plain`` where nothing valid was said (RFC 2045, 5.2).
        params: of Content-Type; names in lower case, values as they are.
        id, description, location, md5: header values, unfolded; None where absent.
        encoding: Content-Transfer-Encoding in lower case; ``7bit`` where absent.
        disposition: Content-Disposition in lower case, without parameters; None where absent.
        disposition_params: its parameters.
        language: Content-Language, one for each tag.
        header, body, end: where its header, its body and what comes after it begin.
        lines: line ends in its body; 0 for a multipart, where nobody asks.
        children: of a multipart; of a ``message/rfc822`` or ``message/global`` the one message inside.
        broken: what is wrong with it, in a sentence; None where nothing is.
    """

    __slots__ = (
        "body", "broken", "children", "description", "disposition", "disposition_params", "encoding", "end", "header",
        "id", "language", "lines", "location", "md5", "params", "subtype", "type",
    )  # fmt: skip

    def __init__(self, header: int, body: int) -> None:
        self.type = "text"
        self.subtype = "plain"
        self.params: parameters.Parameters = ()
        self.id: bytes | None = None
        self.description: bytes | None = None
        self.encoding = b"7bit"
        self.disposition: bytes | None = None
        self.disposition_params: parameters.Parameters = ()
        self.language: tuple[bytes, ...] = ()
        self.location: bytes | None = None
        self.md5: bytes | None = None
        self.header = header
        self.body = body
        self.end = body
        self.lines = 0
        self.children: Sequence[Part] = ()
        self.broken: str | None = None

    @property
    def content_type(self) -> str:
        """``type/subtype`` in lower case."""
        return f"{self.type}/{self.subtype}"

    @property
    def is_message(self) -> bool:
        """Whether a whole message lies inside, as ``children[0]``."""
        return self.type == "message" and bool(self.children)

    def param(self, name: str) -> str | None:
        """A parameter of Content-Type, decoded."""
        return parameters.text(self.params, name.encode()) if self.params else None

    @property
    def filename(self) -> str | None:
        """``filename`` of Content-Disposition, else ``name`` of Content-Type; decoded."""
        found = parameters.text(self.disposition_params, b"filename") if self.disposition_params else None
        return found or self.param("name")

    def walk(self) -> Iterator["Part"]:
        """This part and all below it, in order, messages inside included."""
        waiting = [self]
        while waiting:
            part = waiting.pop()
            yield part
            if part.children:
                waiting.extend(reversed(part.children))

    def __repr__(self) -> str:
        return f"<Part {self.content_type} {self.header}:{self.body}:{self.end}>"


def parse(data: bytes) -> Part:
    """The tree of a message as it is served."""
    return _Parser(data).run()


class _Open:
    """A part whose end is not known yet."""

    __slots__ = ("boundary", "depth", "outer", "part")

    def __init__(self, part: Part, depth: int) -> None:
        self.part = part
        self.depth = depth
        self.boundary: bytes | None = None  # of a multipart until it is closed
        self.outer: int | None = None  # who else has this boundary, further out


class _Parser:
    """One pass over the lines that begin with ``--``. Open parts are a stack: outer delimiters end inner parts."""

    __slots__ = ("boundaries", "count", "data", "next_blank", "size", "stack")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)
        self.stack: list[_Open] = []
        self.boundaries: dict[bytes, int] = {}  # open boundary -> its place in the stack, innermost
        self.next_blank = -2  # the first empty line at or behind where one was looked for last; -2: not yet
        self.count = 0

    def run(self) -> Part:
        root = self.open(0, digest=False)
        position = self.stack[-1].part.body - 1
        while self.boundaries:
            found = self.delimiter(max(position, 0), self.size)
            if found is None:
                break
            line, position, place, closes = found
            while len(self.stack) > place + 1:
                self.close(line - 2)
            top = self.stack[place]
            if closes:
                self.forget(top)
            else:
                digest = top.part.subtype == "digest"
                self.open(position, digest)
                position = self.stack[-1].part.body
            position = max(position - 1, 0)
        while self.stack:
            self.close(self.size)
        return root

    def open(self, start: int, digest: bool) -> Part:
        """Begin a part, and the messages inside it if it is one."""
        first: Part | None = None
        while True:
            body = self.header_end(start, first is None and not self.stack)
            part = Part(start, body)
            if digest:
                part.type, part.subtype = "message", "rfc822"  # RFC 2046, 5.1.5
            digest = False
            if body > start:
                _describe(part, self.data)
            if self.stack:
                above = self.stack[-1].part
                if not isinstance(above.children, list):
                    above.children = []
                above.children.append(part)
            depth = self.stack[-1].depth + 1 if self.stack else 1
            top = _Open(part, depth)
            self.stack.append(top)
            self.count += 1
            first = first or part
            room = depth < limits.MIME_DEPTH and self.count < limits.MIME_PARTS
            if part.type == "multipart":
                self.open_multipart(top, room)
                return first
            if part.type != "message" or not _holds_message(part):
                return first
            if not room:
                part.type, part.subtype = "application", "octet-stream"
                part.broken = "nested deeper, or of more parts, than is looked at"
                return first
            start = body

    def open_multipart(self, top: _Open, room: bool) -> None:
        part = top.part
        boundary = next((value for name, value in part.params if name == b"boundary"), b"").rstrip()
        if not room:
            part.broken = "nested deeper, or of more parts, than is looked at"
        elif not boundary or len(boundary) > _LONGEST_DELIMITER - 10:
            part.broken = "a multipart without a boundary"
        else:
            top.boundary = boundary
            top.outer = self.boundaries.get(boundary)
            self.boundaries[boundary] = len(self.stack) - 1

    def forget(self, top: _Open) -> None:
        """A multipart's delimiters count no longer."""
        if top.boundary is not None:
            if top.outer is None:
                del self.boundaries[top.boundary]
            else:
                self.boundaries[top.boundary] = top.outer
            top.boundary = None

    def close(self, end: int) -> None:
        """The innermost part ends here: the CRLF before a delimiter belongs to that (RFC 2046, 5.1.1)."""
        top = self.stack.pop()
        part = top.part
        if part.type == "multipart":
            if top.boundary is not None and part.children:
                part.broken = part.broken or "a multipart without its closing delimiter"
            self.forget(top)
        part.end = max(part.body, end)
        if part.children:
            part.end = max(part.end, part.children[-1].end)
        elif part.type == "multipart":
            # A multipart of nothing cannot be told in IMAP. It is shown as the text it is.
            part.broken = part.broken or "a multipart in which its boundary never comes"
            part.type, part.subtype, part.params = "text", "plain", _CHARSET_ASCII
        if part.type != "multipart":
            part.lines = self.data.count(b"\n", part.body, part.end)

    def delimiter(self, start: int, stop: int) -> tuple[int, int, int, bool] | None:
        """The next line that delimits an open multipart.

        Returns:
            Where it begins, where the line behind it begins, the multipart's place in the stack, whether it closes it.
        """
        data, boundaries = self.data, self.boundaries
        if self.count >= limits.MIME_PARTS:
            return None
        position = start
        while (position := data.find(b"\n--", position, stop)) >= 0:
            line = position + 1
            position = data.find(b"\n", line)
            if position < 0:
                position = self.size
            if position - line > _LONGEST_DELIMITER:
                continue
            token = data[line + 2 : position].rstrip()  # white space may stand behind it (RFC 2046, 5.1.1)
            place = boundaries.get(token)
            closes = False
            if place is None and token.endswith(b"--"):
                place = boundaries.get(token[:-2])
                closes = True
            if place is not None:
                return line, min(position + 1, self.size), place, closes
        return None

    def header_end(self, start: int, root: bool) -> int:
        """Where the body of a part begins whose header begins here.

        That is behind the first empty line. Without one, or where the first line is no field, it is the first line that
        is neither field nor continuation. A delimiter ends a header, too.
        """
        data = self.data
        if root and data.startswith((b"From ", b">From ")):  # of a mailbox file: it is no field, and no body either
            start = data.find(b"\n") + 1
        if data.startswith(b"\r\n", start):
            return start + 2
        if FIELD_START.match(data, start) is None:
            return start
        blank = self.blank(start)
        end = blank + 4 if blank >= 0 else self.size
        if self.boundaries and (cut := self.delimiter(start - 1, end)) is not None:
            blank, end = -1, cut[0]
        if blank < 0 and (junk := NO_FIELD.search(data, start, end)) is not None:
            end = junk.start()
        return end

    def blank(self, start: int) -> int:
        """The first empty line's CRLF CRLF at or behind an offset; -1 without one. Each byte is searched once."""
        if self.next_blank != -1 and self.next_blank < start:
            self.next_blank = self.data.find(b"\r\n\r\n", start)
        return self.next_blank


def _describe(part: Part, data: bytes) -> None:
    """Read a part's Content fields; of those that repeat the first counts."""
    seen: dict[bytes, bytes] = {}
    if part.header or not data.startswith((b"C", b"c")):
        found = CONTENT_FIELD.findall(data, max(part.header - 1, 0), part.body)
    else:  # no line end stands before the first
        found = [field for field in FIELD.findall(data, 0, part.body) if field[0].lower().startswith(b"content-")]
    for name, value in found:
        seen.setdefault(name.lower(), value)
    for name, value in seen.items():
        if name == b"content-type":
            read = _short_content_type if len(value) < _SHORT else _content_type
            part.type, part.subtype, part.params, part.broken = read(value)
        elif name == b"content-transfer-encoding":
            part.encoding = parameters.parse(unfold(value)).main or b"7bit"
        elif name == b"content-disposition":
            main, params = parameters.parse(value)
            part.disposition, part.disposition_params = main or None, params
        elif name == b"content-language":
            tags = (tag.strip() for tag in unfold(value).split(b","))
            part.language = tuple(tag for tag in tags if tag)
        elif (attribute := _SIMPLE.get(name)) is not None:
            setattr(part, attribute, unfold(value))


def _holds_message(part: Part) -> bool:
    """Whether a message lies in a part as it stands: that of message/global may be encoded (RFC 6532, 3.7)."""
    return part.subtype == "rfc822" or (part.subtype == "global" and part.encoding in (b"7bit", b"8bit", b"binary"))


_SIMPLE: Final = {
    b"content-id": "id",
    b"content-description": "description",
    b"content-location": "location",
    b"content-md5": "md5",
}


def _content_type(value: bytes) -> tuple[str, str, parameters.Parameters, str | None]:
    """Type, subtype, parameters, and what is wrong with them."""
    if (usual := _MULTIPART.fullmatch(value)) is not None:
        return "multipart", usual[1].decode().lower(), ((b"boundary", usual[2]),), None
    main, params = parameters.parse(value)
    kind, slash, subtype = main.partition(b"/")
    kind, subtype = kind.strip(), subtype.strip()
    if slash and _TOKEN.match(kind) and _TOKEN.match(subtype):
        return kind.decode("latin-1"), subtype.decode("latin-1"), params, None
    if main == b"text":  # of old mailers
        return "text", "plain", params, None
    return "text", "plain", (), f"the content type {main.decode('latin-1')!r} is none"


# what nearly every multipart says
_MULTIPART: Final = re.compile(rb'\s*multipart/([a-z]+)\s*;\s*boundary\s*=\s*"([^"\\\r\n]{1,200})"\s*', re.IGNORECASE)
_SHORT: Final = 60  # values up to here are few in kind and are remembered: they have no boundary
_short_content_type = lru_cache(maxsize=512)(_content_type)


def lacks_separator(data: bytes, part: Part) -> bool:
    """Whether no empty line stands between a part's header and its body."""
    return part.end > part.body > part.header and not has_separator(data, part.header, part.body)


def header_end(data: bytes) -> int:
    """Where the body of a served message begins; the rest of it is not looked at."""
    return _Parser(data).header_end(0, root=True)

"""What is computed from a message's bytes, once, and kept by the store.

Sizes and offsets count the message as IMAP and POP3 serve it: a bare LF as CRLF (``structure.served``).
"""

from collections.abc import Callable, Collection, Iterable
from operator import attrgetter
from sys import getsizeof
from typing import Any, Final

from . import fields, imapform, ordering
from .collation import folded
from .ordering import SortKeys, ThreadKeys
from .parse import Mail
from .structure import Part, parse, served, served_size
from .surrogate import plain_size

KINDS: Final = (
    "size", "structure", "envelope", "body", "bodystructure", "header", "headers", "head", "text", "preview",
    "attached", "sorting", "threading", "plain_size",
)  # fmt: skip


class Facts:
    """What is known of one message; None where it was not asked for yet.

    Attributes:
        size: octets as served.
        structure: the tree of MIME parts with byte offsets.
        envelope: the IMAP ENVELOPE, encoded (RFC 3501, 7.4.2).
        body: the IMAP BODY, encoded: BODYSTRUCTURE without extension data.
        bodystructure: the IMAP BODYSTRUCTURE, encoded.
        header: the header as served, its empty line included.
        headers: header fields as pairs of lower-case name and decoded, unfolded value, in order.
        head: the header fields for searching: ``name: value`` of each on a line, folded for comparison. A line end in a
            value, which only an encoded word can bring, has a space behind it, so it begins no field.
        text: everything searchable: the bodies of text parts, those of messages inside included, decoded, HTML as
            its text, folded for comparison (``collation.folded``).
        preview: the beginning of the readable text, at most 200 characters (RFC 8970).
        attached: for each attachment and each inline part its file name, folded, and whether it is inline.
        sorting: what SORT compares (RFC 5256).
        threading: what THREAD looks at.
        plain_size: octets as served to who does not know UTF-8 in header fields (``surrogate``).
        weight, asked: of whoever keeps them: about how many octets they take, and whether somebody wanted them lately.
    """

    __slots__ = (*KINDS, "_subset", "asked", "weight")

    size: int | None
    structure: Part | None
    envelope: bytes | None
    body: bytes | None
    bodystructure: bytes | None
    header: bytes | None
    headers: tuple[tuple[str, str], ...] | None
    head: str | None
    text: str | None
    preview: str | None
    attached: tuple[tuple[str, bool], ...] | None
    sorting: SortKeys | None
    threading: ThreadKeys | None
    plain_size: int | None

    weight: int
    asked: bool

    def __init__(self) -> None:
        self.size = self.structure = self.envelope = self.body = self.bodystructure = None
        self.header = self.headers = self.head = self.text = self.preview = self.attached = None
        self.sorting = self.threading = self.plain_size = None
        self.weight = 0
        self.asked = False
        self._subset: tuple[frozenset[bytes], bool, bytes] | None = None

    def subset(self, names: frozenset[bytes], inverse: bool) -> bytes:
        """Of ``header``, which is known, the fields of these names, or all others: see ``fields.subset``.

        What was asked for last is kept: a client asks for the same of every message, again and again.
        """
        kept = self._subset
        if kept is not None and kept[0] == names and kept[1] is inverse:
            return kept[2]
        header = self.header or b""
        found = fields.subset(header, 0, len(header), names, inverse)
        self._subset = names, inverse, found
        return found

    def missing(self, kinds: Collection[str]) -> list[str]:
        """The kinds of these that are not known yet."""
        return [kind for kind in kinds if getattr(self, kind) is None]


def any_missing(known: Collection[Facts], kinds: Collection[str]) -> bool:
    """Whether one of these facts lacks one of these kinds: fast, for many that are all there."""
    return any(None in map(attrgetter(kind), known) for kind in kinds)


def compute(facts: Facts, raw: bytes, kinds: Collection[str]) -> None:
    """Fill in the kinds of these that are missing. The tree is kept where another kind needed it.

    It never raises on whatever bytes. Two threads may do it at once: both find the same.
    """
    missing = facts.missing(kinds)
    if not missing:
        return
    mail = Mail(raw)
    if not _OF_HEADER.issuperset(missing):
        known = facts.structure
        # its offsets count the message as served, which is longer where it is another
        mail.data = raw if known is not None and known.end == len(raw) else served(raw)
        mail.root = facts.structure = known or parse(mail.data)
    for kind in missing:
        if getattr(facts, kind) is None:
            setattr(facts, kind, _COMPUTE[kind](mail))


def head_text(decoded: Iterable[tuple[str, str]]) -> str:
    """Decoded header fields as ``Facts.head`` has them."""
    lines = [f"{name}: {value}" for name, value in decoded]
    text = "\n".join(lines)
    if text.count("\n") >= len(lines) > 0:
        text = "\n".join([line.replace("\n", "\n ") for line in lines])
    return folded(text)


def named_in(head: str, name: str, text: str) -> bool:
    """Whether a field has a text in its value, or is there where the text is empty.

    Args:
        head: header fields, as ``Facts.head``.
        name, text: folded; the text is of one line.
    """
    if text not in head:  # most messages
        return False
    begin = f"\n{name}: "
    found = -1
    if not head.startswith(begin[1:]) and (found := head.find(begin)) < 0:
        return False
    while True:
        value = found + len(begin)
        end = head.find("\n", value)
        while end >= 0 and head.startswith(" ", end + 1):  # a line end in the value
            end = head.find("\n", end + 1)
        if end < 0:
            return head.find(text, value) >= 0
        if head.find(text, value, end) >= 0:
            return True
        found = head.find(begin, end)
        if found < 0:
            return False


def _text(mail: Mail) -> str:
    root = mail.root
    if root.type == "text":
        return folded(_readable(mail, root))
    return folded("\n".join([_readable(mail, part) for part in root.walk() if part.type == "text"]))


def _preview(mail: Mail) -> str:
    return " ".join(mail.plain[:_PREVIEW_SOURCE].split())[:_PREVIEW]


def _attached(mail: Mail) -> tuple[tuple[str, bool], ...]:
    def name(part: Part) -> str:
        return folded(part.filename or "")

    roles = mail.roles
    return (*((name(part), False) for part in roles.attachments), *((name(part), True) for part in roles.inline))


def _readable(mail: Mail, part: Part) -> str:
    text = mail.text_of(part)
    if part.subtype != "html":
        return text
    from .markup import to_text

    return to_text(text)


_OF_HEADER: Final = frozenset(  # kinds that need no tree
    ("size", "envelope", "header", "headers", "head", "sorting", "threading", "plain_size")
)
_PREVIEW: Final = 200  # characters (RFC 8970, 3.2)
_PREVIEW_SOURCE: Final = 4_000  # characters of the text it is made of
_COMPUTE: Final[dict[str, Callable[[Mail], Any]]] = {
    "size": lambda mail: served_size(mail.raw),
    "structure": lambda mail: mail.root,
    "envelope": lambda mail: imapform.envelope(mail.fields),
    "body": lambda mail: imapform.body(mail.data, mail.root),
    "bodystructure": lambda mail: imapform.bodystructure(mail.data, mail.root),
    "header": lambda mail: mail.header,
    "headers": lambda mail: fields.decoded(mail.fields),
    "head": lambda mail: head_text(fields.decoded(mail.fields)),
    "text": _text,
    "preview": _preview,
    "attached": _attached,
    "sorting": lambda mail: ordering.sort_keys(mail.fields),
    "threading": lambda mail: ordering.thread_keys(mail.fields),
    "plain_size": lambda mail: plain_size(mail.raw),
}


def weight(facts: Facts) -> int:
    """About how many octets they take in memory."""
    octets = 200
    whole = (facts.envelope, facts.body, facts.bodystructure, facts.header, facts.head, facts.text, facts.preview)
    octets += sum([getsizeof(value) for value in whole if value is not None])
    if facts.header is not None:
        octets += getsizeof(facts.header)  # a subset of it may be kept, too
    if facts.headers is not None:
        octets += sum([72 + getsizeof(value) for _, value in facts.headers])  # their names are shared
    if facts.attached is not None:
        octets += sum(120 + getsizeof(name) for name, _ in facts.attached)
    if facts.sorting is not None:
        octets += 150 + sum(map(getsizeof, set(facts.sorting)))
    if facts.threading is not None:
        octets += 120 + getsizeof(facts.threading.subject) + getsizeof(facts.threading.message_id)
        octets += sum(8 + getsizeof(reference) for reference in facts.threading.references)
    if facts.structure is not None:
        octets += sum([450 + 100 * len(part.params) for part in facts.structure.walk()])
    return octets

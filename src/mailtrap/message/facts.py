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
        head: the header fields for searching: ``name: value`` of each on a line, folded for comparison.
        text: everything searchable: the bodies of text parts, those of messages inside included, decoded, HTML as
            its text, folded for comparison (``collation.folded``).
        preview: the beginning of the readable text, at most 200 characters (RFC 8970).
        attached: for each attachment and each inline part its file name, folded, and whether it is inline.
        sorting: what SORT compares (RFC 5256).
        threading: what THREAD looks at.
        plain_size: octets as served to who does not know UTF-8 in header fields (``surrogate``).
    """

    __slots__ = KINDS

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

    def __init__(self, **known: Any) -> None:
        for kind in KINDS:
            setattr(self, kind, known.get(kind))

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
        mail.data = served(raw)
        mail.root = facts.structure = facts.structure or parse(mail.data)
    for kind in missing:
        if getattr(facts, kind) is None:
            setattr(facts, kind, _COMPUTE[kind](mail))


def head_text(decoded: Iterable[tuple[str, str]]) -> str:
    """Decoded header fields as ``Facts.head`` has them."""
    return folded("\n".join([f"{name}: {value}" for name, value in decoded]))


def _text(mail: Mail) -> str:
    return folded("\n".join(_readable(mail, part) for part in mail.root.walk() if part.type == "text"))


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
    for value in whole:
        if value is not None:
            octets += getsizeof(value)
    if facts.headers is not None:
        octets += sum(64 + getsizeof(name) + getsizeof(value) for name, value in facts.headers)
    if facts.attached is not None:
        octets += sum(120 + getsizeof(name) for name, _ in facts.attached)
    if facts.sorting is not None:
        octets += 200 + sum(getsizeof(key) for key in facts.sorting)
    if facts.threading is not None:
        octets += 200 + getsizeof(facts.threading.subject) + getsizeof(facts.threading.message_id)
        octets += sum(8 + getsizeof(reference) for reference in facts.threading.references)
    if facts.structure is not None:
        octets += 700 * sum(1 for _ in facts.structure.walk())
    return octets

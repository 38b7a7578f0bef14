"""Conditions on a message as a whole, beside those of IMAP: envelope, origin, session, attachments, where it is filed.

They stand in the same trees as those of ``tree``, and are tested of a copy in the record (the account ``all``).
``Filed`` and ``After`` ask the store: ``finding`` puts ``Seqs``, and ``After`` without a life, in their place before a
tree is compiled.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from ..message.collation import folded
from ..message.facts import Facts
from .rows import CopyRow

Test: TypeAlias = Callable[[CopyRow, Facts | None], bool | None]

READ_BY_PEOPLE: Final = frozenset(("from", "to", "cc", "bcc", "reply-to", "subject", "message-id"))
_BETWEEN: Final = re.compile(r"[\s<>,;:()\"]+")


@dataclass(frozen=True, slots=True)
class Words:
    """The text is where people look: in the body, the addresses, the subject, the Message-ID, a file name.

    In a text with spaces, any white space of the message counts as one space.
    """

    text: str


@dataclass(frozen=True, slots=True)
class EnvelopeFrom:
    """The text is in the reverse-path; ``<>`` is the null one."""

    text: str


@dataclass(frozen=True, slots=True)
class EnvelopeTo:
    """The text is in an accepted recipient."""

    text: str


@dataclass(frozen=True, slots=True)
class Blind:
    """The text is in a Bcc field, or in a recipient that no header names."""

    text: str


@dataclass(frozen=True, slots=True)
class Tagged:
    """It has a tag: a keyword that no program keeps for itself."""


@dataclass(frozen=True, slots=True)
class Attached:
    """It has an attachment, or an inline part."""

    inline: bool = False


@dataclass(frozen=True, slots=True)
class CameBy:
    """Its origin: ``smtp lmtp http append deliver queue``."""

    origin: str


@dataclass(frozen=True, slots=True)
class InScope:
    """It belongs to the scope of this name."""

    scope: str


@dataclass(frozen=True, slots=True)
class OfSession:
    """It came by the connection with this id."""

    session: str


@dataclass(frozen=True, slots=True)
class ReceivedBefore:
    """It was received before this moment, in seconds since the epoch."""

    moment: float


@dataclass(frozen=True, slots=True)
class ReceivedSince:
    """It was received at this moment or later."""

    moment: float


@dataclass(frozen=True, slots=True)
class After:
    """Its ``seq`` is greater; in the life of the store that is named, where one is."""

    seq: int
    life: str = ""


@dataclass(frozen=True, slots=True)
class Seqs:
    """Its ``seq`` is one of these."""

    seqs: frozenset[int]


@dataclass(frozen=True, slots=True)
class Filed:
    """It has a copy in an account whose address has this text, in a mailbox of this name; None: in any."""

    account: str | None = None
    mailbox: str | None = None


Cheap: TypeAlias = (
    EnvelopeFrom | EnvelopeTo | Tagged | CameBy | InScope | OfSession | ReceivedBefore | ReceivedSince | After | Seqs
)
Costly: TypeAlias = Words | Blind | Attached
Condition: TypeAlias = Cheap | Costly | Filed


def is_tag(flag: str) -> bool:
    """Whether a flag is a tag of somebody, and none that programs keep for themselves."""
    return flag[:1] not in "\\$"


def cheap(tree: Cheap) -> Test:
    """A condition that the copy decides."""
    match tree:
        case EnvelopeFrom("<>"):
            return lambda copy, _: not copy.message.envelope.mail_from
        case EnvelopeFrom(text):
            looked_for = folded(text)
            return lambda copy, _: looked_for in folded(copy.message.envelope.mail_from)
        case EnvelopeTo(text):
            wanted = folded(text)
            return lambda copy, _: any(wanted in folded(recipient) for recipient in copy.message.envelope.recipients)
        case Tagged():
            return lambda copy, _: any(map(is_tag, copy.flags))
        case CameBy(origin):
            return lambda copy, _: copy.message.origin == origin
        case InScope(scope):
            return lambda copy, _: copy.message.scope == scope
        case OfSession(session):
            return lambda copy, _: copy.message.session is not None and copy.message.session.id == session
        case ReceivedBefore(moment):
            return lambda copy, _: copy.message.received_at < moment
        case ReceivedSince(moment):
            return lambda copy, _: copy.message.received_at >= moment
        case After(seq):
            return lambda copy, _: copy.message.seq > seq
        case Seqs(seqs):
            return lambda copy, _: copy.message.seq in seqs


def costly(tree: Costly) -> tuple[Test, frozenset[str]]:
    """A condition that facts decide, and the kinds of them."""
    if isinstance(tree, Words):
        return _words(folded(tree.text)), frozenset({"headers", "text", "attached"})
    if isinstance(tree, Blind):
        return _blind(folded(tree.text)), frozenset({"headers"})
    inline = tree.inline

    def attached(_: CopyRow, facts: Facts | None) -> bool | None:
        if facts is None:
            return None
        assert facts.attached is not None
        return any(shown is inline for _, shown in facts.attached)

    return attached, frozenset({"attached"})


def _words(text: str) -> Test:
    wanted = " ".join(text.split())
    as_it_is = wanted == text and " " not in text

    def has(found: str) -> bool:
        return text in found if as_it_is else wanted in " ".join(found.split())

    def test(copy: CopyRow, facts: Facts | None) -> bool | None:
        if facts is None:
            return None
        assert facts.headers is not None
        assert facts.text is not None
        assert facts.attached is not None
        return (
            has(facts.text)
            or any(has(folded(value)) for name, value in facts.headers if name in READ_BY_PEOPLE)
            or any(has(name) for name, _ in facts.attached)
            or any(has(folded(address)) for address in copy.message.envelope.recipients)
        )

    return test


def _blind(text: str) -> Test:
    def test(copy: CopyRow, facts: Facts | None) -> bool | None:
        if facts is None:
            return None
        assert facts.headers is not None
        if any(name == "bcc" and text in folded(value) for name, value in facts.headers):
            return True
        recipients = [address.lower() for address in copy.message.envelope.recipients if text in folded(address)]
        return bool(recipients) and bool(hidden(recipients, facts.headers))

    return test


def hidden(recipients: Iterable[str], headers: Iterable[tuple[str, str]]) -> list[str]:
    """Those of lower-case recipients that no header names."""
    named = _named(headers)
    return [recipient for recipient in recipients if recipient not in named]


def _named(headers: Iterable[tuple[str, str]]) -> set[str]:
    """The addresses that the header names as recipients, and other words."""
    return {
        word
        for name, value in headers
        if name.removeprefix("resent-") in ("to", "cc", "bcc")
        for word in _BETWEEN.split(value.lower())
    }

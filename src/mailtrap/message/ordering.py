"""What messages are sorted and threaded by, computed once from their header fields (RFC 5256, 2; RFC 5957)."""

import re
from datetime import date
from hashlib import sha1
from typing import Final, NamedTuple

from .. import limits
from . import addresses, fields
from .charsets import decode, decode_words, header_text
from .collation import sort_key
from .parse import parse_date
from .subject import base_subject

_MESSAGE_ID: Final = re.compile(r'<\s*+(?:"((?:[^"\\]|\\.)*+)"|([^<>@\s"]++))@([^<>@\s]++)\s*+>')
_DAY: Final = re.compile(r"\b(\d{1,2})[ \t-]+([A-Za-z]{3})[a-z]*[ \t-]+(\d{4})\b")
_USUAL: Final = re.compile(
    r"(?:[A-Za-z]{3}, )?(\d{1,2}) ([A-Za-z]{3}) (\d{4}) (\d\d):(\d\d):(\d\d) ([+-]\d{4})(?![^ ])", re.ASCII
)
_MONTH_NAMES: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS: Final = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_EPOCH: Final = date(1970, 1, 1).toordinal()
_ESCAPED: Final = re.compile(r"\\(.)")


class SortKeys(NamedTuple):
    """What SORT compares; text is collated already.

    Attributes:
        subject: the base subject.
        sent: what the Date field says, in seconds since the epoch; None where it says nothing that can be read.
        from_, to, cc: the mailbox of the first address; a group's name; ``""`` where there is none.
        display_from, display_to: its name where it has one, else its address.
    """

    subject: str
    sent: float | None
    from_: str
    to: str
    cc: str
    display_from: str
    display_to: str


class ThreadKeys(NamedTuple):
    """What THREAD looks at.

    Attributes:
        message_id: without brackets; ``""`` where there is none that is one.
        references: message ids, the oldest first: of References, else the first of In-Reply-To (RFC 5256, 3).
        subject: the base subject, collated.
        is_reply: whether the subject says that the message answers or forwards another.
        sent: as in ``SortKeys``.
    """

    message_id: str
    references: tuple[str, ...]
    subject: str
    is_reply: bool
    sent: float | None

    @property
    def root(self) -> str:
        """The id of the oldest message that is known of the conversation: one for all that name it (RFC 8474, 5.2).

        ``""`` where the message has no id and names no other.
        """
        oldest = self.references[0] if self.references else self.message_id
        return sha1(oldest.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()[:15] if oldest else ""


def sort_keys(found: fields.Fields) -> SortKeys:
    """The keys of a message with these fields."""
    values = _first_of_each(found)
    from_, display_from = _first_address(values.get(b"from"))
    to, display_to = _first_address(values.get(b"to"))
    subject = base_subject(_text(values, b"subject"))
    return SortKeys(
        sort_key(subject.base), sent_date(_text(values, b"date")), from_, to, _first_address(values.get(b"cc"))[0],
        display_from, display_to,
    )  # fmt: skip


def thread_keys(found: fields.Fields) -> ThreadKeys:
    """The keys of a message with these fields."""
    values = _first_of_each(found)
    subject = base_subject(_text(values, b"subject"))
    own = message_ids(_text(values, b"message-id"))
    references = message_ids(_text(values, b"references")) or message_ids(_text(values, b"in-reply-to"))[:1]
    if len(references) > limits.REFERENCES:
        references = [references[0], *references[1 - limits.REFERENCES :]]
    return ThreadKeys(
        own[0] if own else "", tuple(references), sort_key(subject.base), subject.is_reply,
        sent_date(_text(values, b"date")),
    )  # fmt: skip


def message_ids(text: str) -> list[str]:
    """The message ids in a text, without brackets, and without quotes that say nothing (RFC 5256, 3)."""
    return [
        (_ESCAPED.sub(r"\1", quoted) if quoted else plain) + "@" + domain
        for quoted, plain, domain in _MESSAGE_ID.findall(text)
    ]


def sent_date(text: str) -> float | None:
    """Seconds since the epoch; without its time where that is none (RFC 5256, 2.2); None where no day is there."""
    if not text:
        return None
    if (usual := _USUAL.match(text)) is not None and (month := _MONTHS.get(usual[2].lower())) is not None:
        day, year, hour, minute, second, zone = int(usual[1]), *map(int, usual.group(3, 4, 5, 6, 7))
        if (
            0 < day < 29 and year > 999 and hour < 24 and minute < 60 and second < 60 and abs(zone) < 2400
        ):  # no month is shorter
            offset = (abs(zone) // 100 * 60 + abs(zone) % 100) * (60 if zone >= 0 else -60)
            return float(
                (date(year, month, day).toordinal() - _EPOCH) * 86400 + hour * 3600 + minute * 60 + second - offset
            )
    found = parse_date(text)
    if found is None and (written := _DAY.search(text[:200])) is not None:
        found = parse_date(f"{written[1]} {written[2]} {written[3]} 00:00:00 +0000")
    if found is None:
        return None
    try:
        return found.timestamp()
    except (OverflowError, ValueError):
        return None


def _first_of_each(found: fields.Fields) -> dict[bytes, bytes]:
    values: dict[bytes, bytes] = {}
    for name, value in found:
        values.setdefault(name.lower(), value)
    return values


def _text(values: dict[bytes, bytes], name: bytes) -> str:
    value = values.get(name)
    return "" if value is None else header_text(value)


def _first_address(value: bytes | None) -> tuple[str, str]:
    """The mailbox of the first address, and what is shown of it; a group by its name (RFC 5957, 3)."""
    if value is None:
        return "", ""
    first = next(iter(addresses.parse(value)), None)
    if first is None or first.local is None:
        return "", ""
    mailbox = decode_words(decode(first.local)) if first.domain is None else decode(first.local)
    if first.name:
        shown = decode_words(decode(first.name))
    else:
        shown = f"{mailbox}@{decode(first.domain)}" if first.domain else mailbox
    return sort_key(mailbox), sort_key(shown)

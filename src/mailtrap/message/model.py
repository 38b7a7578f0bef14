"""The public classes: Message, Copy, Attachment, Link.

Invariants: making a Message parses nothing. What was parsed is kept on the object, and shared with its copies that
were made from it. Nothing raises on bad mail; a message that was cleared meanwhile raises ``StoreError`` where its
bytes are needed and were not read before.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from re import Pattern
from typing import TYPE_CHECKING, Any, Final, Never, Protocol, Self

from .. import clock
from ..errors import StoreError
from .address import Address
from .attachment import ATTACHMENT_CRITERIA, Attachment, Link
from .criteria import matches_header, matches_value
from .envelope import Envelope
from .naming import nearest, single
from .parse import Headers, Mail

if TYPE_CHECKING:
    from email.message import EmailMessage

    from ..checks import Finding
    from ..mailboxes import Account, Mailbox
    from ..store.rows import CopyRow, MessageRow, Origin
    from ..transcript import Session

__all__ = ["Attachment", "Copy", "Link", "Message", "Owner"]


class Owner(Protocol):
    """What messages ask of the server they belong to."""

    def _raw(self, seq: int) -> bytes:
        """The exact bytes; ``StoreError`` when the message is gone."""

    def _copies(self, seq: int) -> "Sequence[Copy]":
        """Its copies now."""

    def _copy_row(self, mailbox: "Mailbox", uid: int) -> "CopyRow | None":
        """A copy as it is now; None when it was expunged. ``NoSuchMailbox`` when its mailbox is gone."""

    def _fits(self, row: "MessageRow", query: str) -> bool:
        """Whether a query fits a message; ``QueryError`` when it cannot be understood."""


class Message:
    """One mail as it was received. Immutable; parsed on first use; nothing here raises on bad mail."""

    __slots__ = ("__weakref__", "_mail", "_owner", "_row", "_session")

    def __init__(self, row: "MessageRow", owner: Owner) -> None:
        self._row = row
        self._owner = owner
        self._mail: Mail | None = None
        self._session: Session | None = None

    @property
    def _parsed(self) -> Mail:
        mail = self._mail
        if mail is None:
            mail = self._mail = Mail(self._owner._raw(self._row.seq))
        return mail

    # ------------------------------------------------------------ what was received

    @property
    def server(self) -> Any:
        """The ``MailServer``, or the scope of it, that it was looked up on."""
        return self._owner

    @property
    def id(self) -> str:
        """Sorts by time."""
        return self._row.id

    @property
    def seq(self) -> int:
        """Its place in the order of commits of the store."""
        return self._row.seq

    @property
    def scope(self) -> str:
        """The name of the scope it belongs to."""
        return self._row.scope

    @property
    def origin(self) -> "Origin":
        """``smtp lmtp http append deliver queue``."""
        return self._row.origin

    @property
    def received_at(self) -> datetime:
        """Aware, UTC."""
        return clock.to_datetime(self._row.received_at)

    @property
    def size(self) -> int:
        """Octets of ``raw``."""
        return self._row.size

    @property
    def raw(self) -> bytes:
        """The exact bytes.

        Raises:
            StoreError: the message was cleared before its bytes were read.
        """
        return self._parsed.raw

    @property
    def email(self) -> "EmailMessage":
        """As ``email`` parses it with ``policy.default``. A header its parser fails on is plain text with a defect."""
        return self._parsed.email

    @property
    def envelope(self) -> Envelope:
        """What was said in MAIL and RCPT."""
        return self._row.envelope

    @property
    def mail_from(self) -> Address:
        """The reverse-path; ``""`` for the null one."""
        return self._row.envelope.mail_from

    @property
    def recipients(self) -> Sequence[Address]:
        """One for each accepted RCPT."""
        return self._row.envelope.recipients

    @property
    def bcc(self) -> Sequence[Address]:
        """Recipients that no header names. Case is not told apart here."""
        named = {
            address.lower()
            for field in (b"to", b"cc", b"bcc", b"resent-to", b"resent-cc", b"resent-bcc")
            for address in self._parsed.addresses(field)
        }
        return [address for address in self.recipients if address.lower() not in named]

    @property
    def session(self) -> "Session":
        """The connection it came by. Without one (``deliver()``): a closed record of the peer ``("", 0)``."""
        if self._row.session is not None:
            return self._row.session
        if self._session is None:
            from ..transcript import Session

            session = Session("smtp", ("", 0), scope=self._row.scope, id=self._row.id)
            session.opened_at = self._row.received_at
            session.close()
            session.closed_at = self._row.received_at
            self._session = session
        return self._session

    @property
    def transcript(self) -> str:
        """The conversation of its own transaction, secrets redacted."""
        return self._row.transcript.decode("utf-8", "replace")

    # ------------------------------------------------------------ header

    @property
    def from_(self) -> Address:
        """The first author; ``""`` where there is none."""
        return next(iter(self._parsed.addresses(b"from")), Address())

    @property
    def to(self) -> Sequence[Address]:
        """Of all To fields; groups are resolved."""
        return self._parsed.addresses(b"to")

    @property
    def cc(self) -> Sequence[Address]:
        """Of all Cc fields."""
        return self._parsed.addresses(b"cc")

    @property
    def reply_to(self) -> Sequence[Address]:
        """Of Reply-To."""
        return self._parsed.addresses(b"reply-to")

    @property
    def subject(self) -> str:
        """Decoded and unfolded; ``""`` where there is none."""
        return self._parsed.text_value(b"subject") or ""

    @property
    def date(self) -> datetime | None:
        """Aware; None where there is none or it cannot be read."""
        return self._parsed.date

    @property
    def message_id(self) -> str | None:
        """The Message-ID with its angle brackets; None where there is none."""
        return self._parsed.text_value(b"message-id")

    @property
    def headers(self) -> Headers:
        """Decoded and unfolded; ``headers.get_all(name)`` for repeated ones."""
        return self._parsed.headers

    # ------------------------------------------------------------ content

    @property
    def text(self) -> str | None:
        """The text alternative, lines ending in LF; None where there is none."""
        return self._parsed.text

    @property
    def html(self) -> str | None:
        """The HTML alternative, lines ending in LF; None where there is none."""
        return self._parsed.html

    @property
    def plain(self) -> str:
        """The text alternative, or the HTML one as text."""
        return self._parsed.plain

    @property
    def html_text(self) -> str | None:
        """The HTML alternative as text; None where there is none."""
        from .markup import to_text

        return None if self.html is None else to_text(self.html)

    @property
    def attachments(self) -> Sequence[Attachment]:
        """What is attached; a message inside is one attachment."""
        mail = self._parsed
        return [Attachment(mail, part) for part in mail.roles.attachments]

    @property
    def inline(self) -> Sequence[Attachment]:
        """What the body shows: images, and alternatives that are neither text nor HTML, as invitations."""
        mail = self._parsed
        return [Attachment(mail, part) for part in mail.roles.inline]

    @property
    def links(self) -> Sequence[Link]:
        """Those of the HTML, then URLs in the text that the HTML has not."""
        from .extract import links

        return links(self._parsed)

    @property
    def codes(self) -> Sequence[str]:
        """One-time codes in text and subject."""
        from .extract import codes

        return codes(self._parsed)

    @property
    def defects(self) -> Sequence[str]:
        """What is wrong with its form, as far as parsing met with it."""
        return self._parsed.defects

    @property
    def copies(self) -> "Sequence[Copy]":
        """Its copies now, without the one in ``all``."""
        return self._owner._copies(self._row.seq)

    # ------------------------------------------------------------ exactly one

    def attachment(self, **criteria: Any) -> Attachment:
        """The one attachment, inline ones included, that matches.

        Args:
            criteria: names of its attributes; values as everywhere.

        Raises:
            AssertionError: none or several match; the text says what there is.
            TypeError: no such attribute.
        """
        __tracebackhide__ = True
        found: Attachment = single("attachment", [*self.attachments, *self.inline], criteria, ATTACHMENT_CRITERIA)
        return found

    def link(self, **criteria: Any) -> Link:
        """The one link that matches: ``href=``, ``text=``, ``title=``.

        Raises:
            AssertionError: none or several match; the text says what there is.
            TypeError: no such attribute.
        """
        __tracebackhide__ = True
        found: Link = single("link", self.links, criteria, Link._fields)
        return found

    def code(self, pattern: str | Pattern[str] | None = None) -> str:
        """The one-time code.

        Args:
            pattern: look for this regular expression in text and subject instead; its first group where it has one.

        Raises:
            AssertionError: there is none, or several different ones.
        """
        __tracebackhide__ = True
        from .extract import search_codes

        found = self.codes if pattern is None else search_codes(self._parsed, pattern)
        if len(found) == 1:
            return found[0]
        if found:
            raise AssertionError(f"{len(found)} codes in {self!r} where one was expected: {', '.join(found)}")
        asked = "" if pattern is None else f" matching {pattern!r}"
        raise AssertionError(f"no code{asked} in {self!r}; its text begins: {self.plain[:300]!r}")

    # ------------------------------------------------------------ as a whole

    def matches(self, **criteria: Any) -> bool:
        """Whether it is what was asked for.

        Args:
            criteria: names of attributes; ``header={name: value}``; ``where=`` a function of the message;
                ``query=`` a query as ``MailServer.search()`` takes. Where texts
                are expected, attachments are compared by file name, a mailbox by name, an account by address.

        Raises:
            TypeError: a name that is no criterion; the text names the nearest.
        """
        known = self._criteria()
        for name in criteria:
            if name not in known:
                raise TypeError(f"{name!r} is no criterion{nearest(name, known)}")
        for name, expected in criteria.items():
            if name == "where":
                if not expected(self):
                    return False
            elif name == "query":
                if not self._owner._fits(self._row, expected):
                    return False
            elif name == "header":
                if not matches_header(expected, self.headers.get_all):
                    return False
            elif not matches_value(expected, self._compared(name, expected)):
                return False
        return True

    def _compared(self, name: str, expected: Any) -> Any:
        """The attribute, or its name where a text is expected and it is a thing that has a name."""
        actual = getattr(self, name)
        if name in _NAMED and _is_text(expected):
            if isinstance(actual, list):
                return [attachment.filename for attachment in actual]
            return actual.name if name == "mailbox" else actual.address
        return actual

    @classmethod
    def _criteria(cls) -> frozenset[str]:
        return MESSAGE_CRITERIA

    def lint(self) -> "Sequence[Finding]":
        """What is wrong with it by the standards."""
        return self.check("lint")

    def check(self, *names: str) -> "Sequence[Finding]":
        """The findings of these checks, in order; of all where none is named.

        Raises:
            ConfigError: no such check; the text names those there are.
        """
        from ..checks import run

        return run(self, names)

    def snapshot(self, mask: Sequence[str | Pattern[str]] = ()) -> str:
        """A stable text of it, for comparing with a stored one: what differs at each run is masked.

        Args:
            mask: further texts and patterns to mask.
        """
        from .snapshot import snapshot

        return snapshot(self._parsed, mask)

    def reply(self, body: str = "", **headers: str) -> "EmailMessage":
        """An answer to it, as a mail program writes one.

        Args:
            headers: replace or add headers; ``_`` in their names is ``-``, ``from_`` is From.
        """
        from .compose import reply

        return reply(self, body, **headers)

    def save(self, path: Path | str) -> Path:
        """Write ``raw`` to a file; in a folder, as ``<id>.eml``. Gives the path written."""
        target = Path(path)
        if target.is_dir():
            target /= f"{self.id}.eml"
        target.write_bytes(self.raw)
        return target

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message) or isinstance(other, Copy):
            return NotImplemented
        return self.id == other.id and self._row.scope == other._row.scope

    def __hash__(self) -> int:
        return hash(self._row.seq)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self  # it cannot change

    def __reduce__(self) -> Never:
        raise TypeError("a message belongs to its server and cannot be pickled: give the other process its .raw")

    def __repr__(self) -> str:
        try:
            subject = repr(self.subject)
        except StoreError:
            subject = "(cleared)"
        recipients = ", ".join(self.recipients[:3]) + (", ..." if len(self.recipients) > 3 else "")
        return f"<{type(self).__name__} #{self.seq} {subject} from <{self.mail_from}> to {recipients or 'nobody'}>"


class Copy(Message):
    """A message in a mailbox: every attribute of the message, and these, read afresh at each access.

    Raises:
        StoreError: from ``flags``, ``modseq`` and ``internal_date`` when it was expunged.
    """

    __slots__ = ("_mailbox", "_message", "_uid")

    def __init__(self, row: "CopyRow", mailbox: "Mailbox", owner: Owner) -> None:
        super().__init__(row.message, owner)
        self._mailbox = mailbox
        self._uid = row.uid
        self._message: Message | None = None

    @property
    def _current(self) -> "CopyRow":
        row = self._owner._copy_row(self._mailbox, self._uid)
        if row is None or row.message.seq != self._row.seq:  # its UID may be another's after renumber()
            raise StoreError(f"{self!r} is not in {self._mailbox!r} any more: it was expunged, moved or renumbered")
        return row

    @property
    def message(self) -> Message:
        """What was received once."""
        if self._message is None:
            self._message = Message(self._row, self._owner)
            self._message._mail = self._parsed  # parsed once for both
        return self._message

    @property
    def mailbox(self) -> "Mailbox":
        """Where it is."""
        return self._mailbox

    @property
    def account(self) -> "Account":
        """Whose it is."""
        return self._mailbox.account

    @property
    def uid(self) -> int:
        """Its UID."""
        return self._uid

    @property
    def flags(self) -> frozenset[str]:
        r"""``"\\Seen"`` ... and keywords."""
        return self._current.flags

    @property
    def modseq(self) -> int:
        """Its MODSEQ (RFC 7162)."""
        return self._current.modseq

    @property
    def internal_date(self) -> datetime:
        """Its INTERNALDATE, aware, UTC."""
        return clock.to_datetime(self._current.internal_date)

    @classmethod
    def _criteria(cls) -> frozenset[str]:
        return COPY_CRITERIA

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Copy):
            return NotImplemented
        return self.id == other.id and self._uid == other._uid and self._mailbox == other._mailbox

    def __hash__(self) -> int:
        return hash((self._row.seq, self._uid))


MESSAGE_CRITERIA: Final = frozenset((
    "id", "seq", "scope", "origin", "received_at", "size", "raw", "email", "envelope", "mail_from",
    "recipients", "bcc", "session", "transcript", "from_", "to", "cc", "reply_to", "subject", "date",
    "message_id", "headers", "text", "html", "plain", "attachments", "inline", "links", "codes", "defects",
    "copies", "header", "where", "query",
))  # fmt: skip
COPY_CRITERIA: Final = MESSAGE_CRITERIA | {"message", "mailbox", "account", "uid", "flags", "modseq", "internal_date"}
_NAMED: Final = frozenset(("attachments", "inline", "mailbox", "account"))


def _is_text(expected: Any) -> bool:
    if isinstance(expected, list | tuple | set | frozenset):
        return bool(expected) and all(_is_text(item) for item in expected)
    return isinstance(expected, str | Pattern)

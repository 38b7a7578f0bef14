"""Accounts and mailboxes as a test sees them: what another device could do, each one command's worth of change."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from .errors import NoSuchMailbox, StoreError
from .message.address import Address
from .message.compose import MailLike, to_bytes
from .message.model import Copy
from .store.rows import CopyRow, Delivery, Key, MailboxRow, Status, Target, Usage

if TYPE_CHECKING:
    from .server import MailServer


class Mailbox:
    """One mailbox. Everything is read afresh at each access; idling clients see each change at once."""

    def __init__(self, server: "MailServer", account: "Account", row: MailboxRow) -> None:
        self.account = account
        self._server = server
        self._store = server._parts.store
        self._id = row.id

    @property
    def server(self) -> "MailServer":
        """The server, or the scope of it, that it was looked up on."""
        return self._server

    @property
    def row(self) -> MailboxRow:
        """The mailbox as the store has it now; ``NoSuchMailbox`` when it was deleted."""
        return self._store.mailbox_row(self._id)

    @property
    def name(self) -> str:
        """Its name; ``/`` separates."""
        return self.row.name

    @property
    def uidvalidity(self) -> int:
        """UIDVALIDITY (RFC 9051, 2.3.1.1)."""
        return self.row.uidvalidity

    @property
    def uidnext(self) -> int:
        """The next UID to be given."""
        return self.row.uidnext

    @property
    def highestmodseq(self) -> int:
        """HIGHESTMODSEQ (RFC 7162, 3.1.2.1)."""
        return self.row.highestmodseq

    @property
    def special_use(self) -> frozenset[str]:
        r"""``{"\\Sent"}`` and the like (RFC 6154)."""
        return self.row.special_use

    @property
    def flags_in_use(self) -> frozenset[str]:
        """The flags and keywords that some copy has."""
        return self._store.marks(self._id)[0]

    @property
    def acl(self) -> Mapping[str, str]:
        """Who may do what with it (RFC 4314): addresses, ``anyone``, and either with ``-`` before it, to their rights.

        The owner has every right, and stands there only where he was restricted.
        """
        return self.row.acl

    def set_rights(self, who: str, rights: str | None) -> None:
        """Share it over IMAP, or end that.

        Args:
            who: an address or ``anyone``; with ``-`` before it the rights are taken away from what he has otherwise.
            rights: letters of RFC 4314, such as ``lrs``; None takes him out of the list.

        Raises:
            ValueError: a right that there is not.
        """
        from .imap.rights import identifier, read_rights  # here: IMAP is loaded when it is used

        self._store.set_rights(self._id, identifier(who), None if rights is None else read_rights(rights))

    @property
    def annotations(self) -> Mapping[str, bytes]:
        """Its annotations as its owner sees them (RFC 5464): ``/private/...`` and ``/shared/...``."""
        return self._store.annotations(self.account.key, [self._id])[0]

    def annotate(self, entries: Mapping[str, bytes | str | None]) -> None:
        """Change its annotations, as its owner would; None as a value removes one.

        Raises:
            NotAllowed: a name below neither ``/private`` nor ``/shared``; then nothing was changed.
        """
        self._store.annotate(self.account.key, self._id, _octets(entries))

    @property
    def messages(self) -> Sequence[Copy]:
        """All copies in it, whatever their origin, ascending by UID."""
        return self._server._given(self._all())

    def _all(self) -> list[Copy]:
        return [self._copy(row) for row in self._store.copies(self._id)]

    def select(self, **criteria: Any) -> Sequence[Copy]:
        """Those of ``messages`` that match now, ascending by UID."""
        return self._server._given([copy for copy in self._all() if copy.matches(**criteria)])

    def copies(self, uids: Iterable[int]) -> Sequence[Copy]:
        """The copies of these UIDs, ascending; those that are not there are passed over."""
        return [self._copy(row) for row in self._store.copies(self._id, uids)]

    @property
    def status(self) -> Status:
        """Its counts now."""
        return self._store.status(self._id)

    def message(self, *, timeout: float | None = None, **criteria: Any) -> Copy:
        """Wait for the one copy that matches.

        Raises:
            MessageNotFound: none came in time; the text says what is there instead.
            AmbiguousMessage: more than one matches.
        """
        __tracebackhide__ = True
        return self._server._waits.copy(self, timeout, criteria)

    def append(self, mail: MailLike, *, flags: Iterable[str] = (), internal_date: datetime | None = None) -> Copy:
        """Put a mail in, as an APPEND would.

        Args:
            mail: bytes (kept as they are), an ``EmailMessage`` or a ``Message``.
            flags: ``"\\Seen"`` ... and keywords.
            internal_date: now when not given.
        """
        row = self.row
        date = None if internal_date is None else internal_date.timestamp()
        target = Target(row.account, row.name, False, frozenset(flags), date)
        receipt = self._store.deliver(
            Delivery(row.account.scope, "append", to_bytes(mail), self._server._own_envelope(row.account), (target,))
        )
        return self.copies([receipt.placed[0].uid])[0]

    def set_flags(
        self, copies: Copy | Sequence[Copy], flags: Iterable[str], mode: Literal["add", "remove", "replace"] = "add"
    ) -> None:
        """Change the flags of copies: one command, one MODSEQ."""
        self._store.set_flags(self._id, _uids(copies), list(flags), mode)

    def copy(self, copies: Copy | Sequence[Copy], to: str) -> Sequence[Copy]:
        """Copy to the mailbox of that name; the new copies, in the order of their UIDs."""
        target = self.account.mailbox(to)
        pairs = self._store.copy(self._id, _uids(copies), target._id)
        return target.copies([new for _, new in pairs])

    def move(self, copies: Copy | Sequence[Copy], to: str) -> Sequence[Copy]:
        """Move to the mailbox of that name; the new copies, in the order of their UIDs."""
        target = self.account.mailbox(to)
        pairs = self._store.move(self._id, _uids(copies), target._id)
        return target.copies([new for _, new in pairs])

    def expunge(self, copies: Copy | Sequence[Copy] | None = None) -> None:
        r"""Take copies away, whatever their flags; None: all that are ``\Deleted``."""
        if copies is None:
            uids = [row.uid for row in self._store.copies(self._id) if "\\Deleted" in row.flags]
        else:
            uids = _uids(copies)
        self._store.expunge(self._id, uids)

    def renumber(self) -> int:
        """Give it a new UIDVALIDITY and its copies new UIDs, as a rebuilt server would; the new UIDVALIDITY."""
        return self._store.renumber(self._id)

    def rename(self, name: str) -> None:
        """Rename it with its children."""
        self._store.rename_mailbox(self._id, name)

    def delete(self) -> None:
        """Delete it with the copies in it."""
        self._store.delete_mailbox(self._id)

    def __repr__(self) -> str:
        try:
            return f"<Mailbox {self.name!r} of {self.account.address}>"
        except StoreError:
            return f"<Mailbox of {self.account.address}, deleted>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mailbox) and (self._id, self._store) == (other._id, other._store)

    def __hash__(self) -> int:
        return hash(self._id)

    def _copy(self, row: CopyRow) -> Copy:
        return self._server._copy(self, row)


class Account:
    """One account of a scope."""

    def __init__(self, server: "MailServer", key: Key) -> None:
        self._server = server
        self._store = server._parts.store
        self.key = key

    @property
    def address(self) -> Address:
        """What it is kept under."""
        return Address(self.key.address)

    @property
    def password(self) -> str | None:
        """The only one it accepts; None accepts any."""
        row = self._store.account(self.key)
        return None if row is None else row.password

    @property
    def quota(self) -> int | None:
        """Octets that it may keep; None: no limit."""
        row = self._store.account(self.key)
        return None if row is None else row.quota

    @property
    def message_quota(self) -> int | None:
        """How many messages it may keep; None: no limit."""
        row = self._store.account(self.key)
        return None if row is None else row.message_quota

    @property
    def used(self) -> Usage:
        """What it keeps: ``octets``, as they are served, and ``messages``."""
        return self._store.used(self.key)

    def set_quota(self, octets: int | None = None, messages: int | None = None) -> None:
        """Limit what it may keep; None: no limit. What is over it already stays."""
        self._store.set_quota(self.key, octets, messages)

    @property
    def annotations(self) -> Mapping[str, bytes]:
        """The server's annotations as it sees them (RFC 5464): ``/private/...`` are its own."""
        return self._store.annotations(self.key, [None])[0]

    def annotate(self, entries: Mapping[str, bytes | str | None]) -> None:
        """Change the server's annotations as it sees them; None as a value removes one.

        Raises:
            NotAllowed: a name below neither ``/private`` nor ``/shared``; then nothing was changed.
        """
        self._store.annotate(self.key, None, _octets(entries))

    @property
    def mailboxes(self) -> Sequence[Mailbox]:
        """Its mailboxes, INBOX first."""
        return [Mailbox(self._server, self, row) for row in self._store.mailboxes(self.key)]

    def mailbox(self, name: str = "INBOX") -> Mailbox:
        """One of its mailboxes.

        Raises:
            NoSuchMailbox: there is none of that name; the text names those there are.
        """
        row = self._store.mailbox(self.key, name)
        if row is None:
            names = ", ".join(repr(row.name) for row in self._store.mailboxes(self.key)) or "none"
            raise NoSuchMailbox(f"{self.address} has no mailbox {name!r}; it has {names}")
        return Mailbox(self._server, self, row)

    def create(self, name: str, *, special_use: str | None = None, subscribed: bool = True) -> Mailbox:
        r"""Make a mailbox.

        Args:
            name: ``/`` separates; superior names come to be.
            special_use: ``"\\Sent"`` and the like (RFC 6154).
            subscribed: whether clients list it with LSUB.

        Raises:
            MailboxExists: there is one of that name.
        """
        row = self._store.create_mailbox(self.key, name, special_use=[special_use] if special_use else [])
        if subscribed:
            self._store.subscribe(self.key, row.name)
        return Mailbox(self._server, self, row)

    @property
    def subscriptions(self) -> Sequence[str]:
        """The names that its clients are subscribed to, sorted."""
        return self._store.subscriptions(self.key)

    def subscribe(self, name: str, on: bool = True) -> None:
        """Subscribe its clients to a name, or end that. There need not be such a mailbox."""
        self._store.subscribe(self.key, name, on)

    def remove(self) -> None:
        """Take it away with its mailboxes. Its messages stay in ``server.messages``."""
        self._store.remove_account(self.key)
        self._server._parts.directory.forget(self._server._scope)

    def __repr__(self) -> str:
        return f"<Account {self.address}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Account) and (self.key, self._store) == (other.key, other._store)

    def __hash__(self) -> int:
        return hash(self.key)


def _octets(entries: Mapping[str, bytes | str | None]) -> dict[str, bytes | None]:
    """Annotations by their names in lower case, as IMAP clients find them."""
    return {name.lower(): value.encode() if isinstance(value, str) else value for name, value in entries.items()}


def _uids(copies: Copy | Sequence[Copy]) -> list[int]:
    return [copies.uid] if isinstance(copies, Copy) else [copy.uid for copy in copies]

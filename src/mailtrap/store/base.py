"""The contract of a store: small, synchronous, thread-safe and set-oriented.

State answers, hints only wake. A method takes and gives *sets* of UIDs or sequence numbers, so that ``STORE 1:*`` or
a page of a list is one call, one lock, one statement. After a commit, and never under a lock, the store calls its
subscribers with a ``Hint``; whoever missed one finds everything by asking ``changes``.

Invariants, each tested for every store by ``mailtrap.store.contract``:

- ``seq`` is gapless and in the order of commits. A batch is one commit: all of it or nothing.
- UIDs of a mailbox strictly rise and are never given twice. A new UIDVALIDITY is greater than any ever given, and at
  least the Unix time of the store's start.
- One command that changes something is one MODSEQ of its mailbox; one that changes nothing takes none.
- Every message has a copy with UID ``seq`` in the mailbox INBOX of its scope's account ``all``. Expunging it there
  hides the message there only. Nothing else can be put there.
- Rows are never changed after they were given out: a change makes a new row.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING

from ..message.facts import Facts
from .rows import (
    NO_FLAGS,
    AccountRow,
    Changes,
    CopyRow,
    Delivery,
    Filing,
    FlagMode,
    Hint,
    Key,
    MailboxRow,
    MessageRow,
    Receipt,
    Snapshot,
    Status,
    Tally,
    Usage,
    page_of,
    seq_of_id,
)

if TYPE_CHECKING:
    from .search import Tree

Subscriber = Callable[[Hint], None]
SubmitDone = Callable[[Sequence[Receipt] | None, BaseException | None], None]


@dataclass(slots=True)
class _Waiter:
    event: Event = field(default_factory=Event)
    receipts: Sequence[Receipt] | None = None
    error: BaseException | None = None


def _log(error: BaseException) -> None:
    logging.getLogger("mailtrap.store").error("a listener to the store failed", exc_info=error)


class Store(ABC):
    """Where mail is. Every method may be called from every thread.

    Methods that name a mailbox by its id raise ``NoSuchMailbox`` when it was deleted. Methods that ask an account for
    something, or change it, raise ``NoSuchAccount`` when there is none. What would change the account ``all`` or put
    something into it raises ``NotAllowed``: only the flags of its copies change, and expunging hides there.
    Every method raises ``StoreError`` when the store cannot answer; then nothing was changed.

    UIDs are given as any iterable, in any order; those that are not there are passed over. A ``range`` costs only
    what it finds, however large it is. Flags are compared without case and kept as they were written first;
    ``\\Recent`` is never kept.

    Attributes:
        blocking: whether methods do I/O, so that an event loop must not call them.
        report: told what a subscriber, or a ``done``, raised: a commit never fails by it. The server keeps it with its
            errors; without one it is logged.
    """

    blocking: bool = False
    report: Callable[[BaseException], None] = staticmethod(_log)

    # ------------------------------------------------------------ deliveries

    @abstractmethod
    def submit(self, batch: Sequence[Delivery], done: SubmitDone) -> None:
        """Take a batch in: all of it or nothing. Returns at once.

        ``done(receipts, None)`` or ``done(None, error)`` is called once, after the commit, from whatever thread,
        without a lock held; a store in memory calls it before it returns. Errors: ``NoSuchMailbox`` (a target that
        may not be created), ``NotAllowed`` (a target in ``all``), ``OverQuota`` (which names one account that has no
        room), ``StoreError``.
        """

    def deliver(self, delivery: Delivery) -> Receipt:
        """Take one delivery in and wait for the commit."""
        waiter = _Waiter()

        def done(receipts: Sequence[Receipt] | None, error: BaseException | None) -> None:
            waiter.receipts, waiter.error = receipts, error
            waiter.event.set()

        self.submit([delivery], done)
        waiter.event.wait()
        if waiter.error is not None:
            raise waiter.error
        assert waiter.receipts is not None
        return waiter.receipts[0]

    # ------------------------------------------------------------ messages

    @abstractmethod
    def head(self) -> int:
        """The ``seq`` of the newest commit; 0 when there was none."""

    @abstractmethod
    def life(self) -> str:
        """What tells one life of the store from another: changes when ``seq`` began anew."""

    @abstractmethod
    def messages(
        self, scope: str | None = None, *, after: int = 0, before: int | None = None, limit: int | None = None,
        newest_first: bool = False, submitted: bool = False, skip: int = 0,
    ) -> Sequence[MessageRow]:  # fmt: skip
        """Messages with ``after < seq < before``, of one scope or of all, in the order of ``seq``.

        Args:
            submitted: only those whose origin is in ``SUBMITTED``.
            skip: so many are left out at the beginning of the answer.
        """

    @abstractmethod
    def tally(self, scope: str | None = None) -> Tally:
        """The counts of one scope, or of all. It costs the same however much there is."""

    @abstractmethod
    def message(self, seq: int) -> MessageRow | None:
        """One message; None when there is none or it was cleared."""

    def rows(self, seqs: Sequence[int]) -> Sequence[MessageRow | None]:
        """Messages, in this order; None for one that is gone."""
        return [self.message(seq) for seq in seqs]

    def find(
        self, scope: str | None, tree: "Tree", *, scopes: Sequence[str], after: int = 0, before: int | None = None,
        newest_first: bool = False, submitted: bool = False, skip: int = 0, limit: int | None = None,
    ) -> Sequence[int]:  # fmt: skip
        """The ``seq`` of the messages with ``after < seq < before`` that a tree fits, in order.

        A tree is tested of the copy in the record. A message that is hidden there counts as read.

        Args:
            scope: None for all.
            scopes: those whose accounts are looked into where a tree asks where messages are filed.
            submitted, skip, limit: as of ``messages``.

        Raises:
            ServerRestarted: the tree has a mark of another life.
        """
        from .finding import find  # here, because it imports this module

        found = find(
            self, scope, tree, scopes=scopes, after=after, before=before, newest_first=newest_first, submitted=submitted
        )
        return [row.seq for row in page_of(found, skip, limit)]

    def count(
        self, scope: str | None, tree: "Tree", *, scopes: Sequence[str], submitted: bool = False
    ) -> int:  # fmt: skip
        """How many ``find`` would find."""
        return len(self.find(scope, tree, scopes=scopes, submitted=submitted))

    def message_by_id(self, id: str) -> MessageRow | None:  # noqa: A002  the public name
        """One message by its public id; None when there is none."""
        seq = seq_of_id(id)
        row = None if seq is None else self.message(seq)
        return row if row is not None and row.id == id else None

    @abstractmethod
    def raw(self, seq: int) -> bytes:
        """The exact bytes of a message; ``StoreError`` when it is gone."""

    @abstractmethod
    def facts(self, seqs: Sequence[int], kinds: Collection[str]) -> Sequence[Facts | None]:
        """What was computed from the bytes of each message, with at least these kinds filled in.

        From one bounded cache per store; None for a message that is gone. Kinds are names of ``Facts`` attributes.
        """

    @abstractmethod
    def remove(self, seqs: Collection[int], *, evicted: bool = False) -> int:
        """Take messages and all their copies away; how many there were. ``seq`` is never given again.

        Args:
            evicted: they had to make room: ``tally`` counts them.
        """

    @abstractmethod
    def remove_all(self, scope: str | None = None, *, submitted: bool = False) -> int:
        """Take away the messages that ``messages(scope, submitted=submitted)`` gives, as ``remove`` does; how many.

        It makes no object for each.
        """

    @abstractmethod
    def clear(self, scope: str) -> None:
        """Take away all messages of a scope, and all copies in its accounts. Accounts and mailboxes stay."""

    @abstractmethod
    def copies_of(self, seq: int) -> Sequence[tuple[MailboxRow, CopyRow]]:
        """The copies of a message now, without the one in ``all``."""

    # ------------------------------------------------------------ accounts

    @abstractmethod
    def put_account(
        self, key: Key, *, password: str | None = None, quota: int | None = None, message_quota: int | None = None,
        declared: bool = True,
    ) -> AccountRow:  # fmt: skip
        """Make an account with an INBOX, or give it this password and these quotas.

        Not declared: only made when there is none, else left as it is.
        """

    @abstractmethod
    def account(self, key: Key) -> AccountRow | None:
        """One account. ``all`` is there in every scope."""

    @abstractmethod
    def accounts(self, scope: str) -> Sequence[AccountRow]:
        """The accounts of a scope in the order they were made, without ``all``."""

    @abstractmethod
    def passwords(self, scope: str) -> bool | None:
        """Whether each account of a scope but ``all`` has a password; None where there is none.

        It is asked at each EHLO and CAPABILITY: accounts may be many.
        """

    @abstractmethod
    def remove_account(self, key: Key) -> None:
        """Take an account and its mailboxes away; nothing happens when there is none."""

    @abstractmethod
    def fork_account(self, source: Key, target: Key) -> AccountRow:
        """Give a child scope its own account that begins as the source's: password, quotas, mailboxes with their
        rights, subscriptions, its annotations, and copies, with the same UIDs, MODSEQs and UIDVALIDITY. Nothing
        happens when the target is there already.
        """

    @abstractmethod
    def set_quota(self, key: Key, quota: int | None, message_quota: int | None) -> AccountRow:
        """Give an account these quotas; what is over them already stays."""

    @abstractmethod
    def used(self, key: Key) -> Usage:
        """What an account keeps."""

    # ------------------------------------------------------------ mailboxes

    @abstractmethod
    def mailboxes(self, key: Key) -> Sequence[MailboxRow]:
        """An account's mailboxes, INBOX first, then by name. ``all`` has INBOX alone, in every scope."""

    @abstractmethod
    def mailbox(self, key: Key, name: str) -> MailboxRow | None:
        """One mailbox by name (INBOX in any case)."""

    @abstractmethod
    def mailbox_row(self, mailbox: int) -> MailboxRow:
        """One mailbox by id."""

    @abstractmethod
    def create_mailbox(self, key: Key, name: str, *, special_use: Iterable[str] = ()) -> MailboxRow:
        """Make a mailbox; superior names that do not exist come to be, unselectable (``/`` separates).

        It begins with the rights of the mailbox above it, if there is one.
        Raises ``MailboxExists``; a name that was unselectable becomes selectable. ``NotAllowed`` for a name that is
        none: empty, or with an empty part.
        """

    @abstractmethod
    def delete_mailbox(self, mailbox: int) -> None:
        """Take a mailbox and its copies away. One with children stays as a name that cannot be selected, with a new id.

        ``NotAllowed`` for INBOX and for a name that is already unselectable and has children.
        """

    @abstractmethod
    def rename_mailbox(self, mailbox: int, name: str) -> None:
        """Rename a mailbox with its children; id, UIDs and UIDVALIDITY stay.

        INBOX: its copies move to a new mailbox, and it stays with its children (RFC 9051, 6.3.6); its annotations are
        copied (RFC 5464, 4.1). A name that an older
        mailbox had with a greater UIDVALIDITY gives a new UIDVALIDITY (RFC 9051, 2.3.1.1). Superior names come to be.
        Raises ``MailboxExists`` for a name that is taken, ``NotAllowed`` for one below itself.
        """

    @abstractmethod
    def subscribe(self, key: Key, name: str, on: bool = True) -> None:
        """Note that a name is subscribed to, whether there is such a mailbox or not."""

    @abstractmethod
    def subscriptions(self, key: Key) -> Sequence[str]:
        """The names subscribed to, sorted. INBOX is subscribed from the beginning."""

    @abstractmethod
    def set_rights(
        self, mailbox: int, identifier: str, rights: Iterable[str] | None, mode: FlagMode = "replace"
    ) -> MailboxRow:
        """Give an identifier rights on a mailbox, some more or some less; None takes it out of the list."""

    @abstractmethod
    def set_special_use(self, mailbox: int, uses: Iterable[str]) -> MailboxRow:
        """Give a mailbox these special uses (RFC 6154) and no others. ``NotAllowed`` for one of the account ``all``."""

    @abstractmethod
    def shared(self, scope: str, identifiers: Collection[str]) -> Sequence[MailboxRow]:
        """The mailboxes of a scope, by account and name, in whose lists one of these identifiers has a right."""

    @abstractmethod
    def annotations(self, key: Key, mailboxes: Sequence[int | None]) -> Sequence[Mapping[str, bytes]]:
        """The annotations (RFC 5464) of each of these mailboxes as an account sees them; None is the server.

        Those under ``/private/`` are the account's own, those under ``/shared/`` everybody's: of the mailbox, or of the
        server in the account's scope. A mailbox that was deleted has none.
        """

    @abstractmethod
    def annotate(self, key: Key, mailbox: int | None, entries: Mapping[str, bytes | None]) -> None:
        """Change annotations of a mailbox, or with None the server's: all of them or none. None as a value removes.

        ``NotAllowed`` for a name that begins with neither ``/private/`` nor ``/shared/``.
        """

    @abstractmethod
    def renumber(self, mailbox: int) -> int:
        """Give a mailbox a new UIDVALIDITY and its copies new UIDs from 1; returns the UIDVALIDITY."""

    @abstractmethod
    def status(self, mailbox: int) -> Status:
        """A mailbox's counts."""

    @abstractmethod
    def take_recent(self, mailbox: int, *, peek: bool = False) -> int:
        """The lowest UID that is ``\\Recent`` for the asking session; after it none is recent for another.

        UIDs from it up are recent. With ``peek`` (EXAMINE, STATUS) nothing changes.
        """

    # ------------------------------------------------------------ copies

    @abstractmethod
    def snapshot(self, mailbox: int) -> Snapshot:
        """A mailbox at one moment."""

    @abstractmethod
    def copies(self, mailbox: int, uids: Iterable[int] | None = None) -> Sequence[CopyRow]:
        """Copies, ascending by UID; None: all. UIDs that are not there are passed over."""

    def marks(self, mailbox: int) -> tuple[frozenset[str], int]:
        """The flags and keywords that some copy has, and the lowest UID without ``\\Seen``; 0 where there is none."""
        used: set[frozenset[str]] = set()
        unseen = 0
        for copy in self.copies(mailbox):
            used.add(copy.flags)
            if not unseen and "\\Seen" not in copy.flags:
                unseen = copy.uid
        return NO_FLAGS.union(*used), unseen

    @abstractmethod
    def changes(self, mailbox: int, since_modseq: int) -> Changes:
        """What happened in a mailbox after a MODSEQ."""

    @abstractmethod
    def set_flags(
        self, mailbox: int, uids: Iterable[int], flags: Iterable[str], mode: FlagMode,
        *, unchanged_since: int | None = None,
    ) -> tuple[Sequence[CopyRow], Sequence[int]]:  # fmt: skip
        """Change flags: one command, one MODSEQ, none where nothing changes.

        Returns:
            The copies as they are now, changed or not, ascending; and the UIDs left alone because their MODSEQ is
            greater than ``unchanged_since`` (RFC 7162, 3.1.3), whose copies are not among the first.
        """

    @abstractmethod
    def copy(self, mailbox: int, uids: Iterable[int], target: int) -> Sequence[tuple[int, int]]:
        """Copy to another mailbox (or the same); pairs of old and new UID, ascending. All or none.

        Flags, internal dates and prefixes go along; the save date is new (RFC 8514, 3). Errors: ``NoSuchMailbox`` (also
        for a target that cannot be selected), ``NotAllowed`` (into ``all``), ``OverQuota``.
        """

    @abstractmethod
    def move(self, mailbox: int, uids: Iterable[int], target: int) -> Sequence[tuple[int, int]]:
        """Move to another mailbox (or the same) in one commit; pairs and errors as ``copy``.

        Out of ``all``: the message is hidden there.
        """

    @abstractmethod
    def file(self, mailbox: int, uids: Iterable[int], filing: Filing) -> None:
        """Change flags of copies, and put their messages into other mailboxes of the account or take them out of some.

        One commit, so one MODSEQ in each mailbox: all of it or nothing. A message that is in a mailbox already gets no
        second copy there. The copies' own mailbox may be among those to be taken out of.
        ``OverQuota``; ``NotAllowed`` for a mailbox of the account ``all``, and for a name that is none.
        """

    @abstractmethod
    def expunge(self, mailbox: int, uids: Iterable[int]) -> Sequence[int]:
        """Take copies away, whatever their flags; the UIDs that were there, ascending. The message stays."""

    def search(self, mailbox: int, tree: "Tree") -> Sequence[int]:
        """The UIDs of the copies that a tree of ``store.search`` fits, ascending."""
        from .search import run  # here, because it imports this module

        return run(self, mailbox, tree)

    # ------------------------------------------------------------ the rest

    @abstractmethod
    def lock_maildrop(self, mailbox: int, owner: str) -> bool:
        """Take the POP3 lock of a mailbox (RFC 1939, 4); False when another owner has it."""

    @abstractmethod
    def unlock_maildrop(self, mailbox: int, owner: str) -> None:
        """Give the lock back; nothing happens when the owner does not have it."""

    @abstractmethod
    def subscribe_hints(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call somebody after each commit, without a lock held; returns what ends it.

        It may ask the store, and change it. It should be quick: others wait behind it. What it raises goes to
        ``report``.
        """

    def close(self) -> None:
        """Give back files, threads and connections. Deliveries that wait are finished or failed first.

        What would change the store afterwards fails with ``StoreError``. A second call does nothing.
        """

"""The record of what came, as lists, pages and searches show it."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Any

from .mailboxes import Mailbox
from .message.model import Message
from .store.rows import ALL, INBOX, FlagMode, Key, MailboxRow, MessageRow, Tally

if TYPE_CHECKING:
    from .parts import Parts
    from .scopes import Scope


class Record:
    """What ``MailServer`` gives to whoever lists messages: the viewer, the API, the command line, the plugin."""

    _parts: "Parts"
    _scope: "Scope"

    if TYPE_CHECKING:  # of the server

        def _message(self, row: MessageRow) -> Message: ...
        def _mailbox(self, row: MailboxRow) -> Mailbox: ...

    @property
    def scopes(self) -> Sequence[str]:
        """The names of all scopes of this server, the first one's ``""`` included."""
        return [scope.name for scope in self._parts.scopes]

    def tally(self, *, all_scopes: bool = False) -> Tally:
        """How many messages there are, unread and evicted ones, and their octets."""
        return self._parts.store.tally(None if all_scopes else self._scope.name)

    def get(self, id: str) -> Message | None:  # noqa: A002  the public name
        """A message of whatever scope by its id; None when there is none."""
        row = self._parts.store.message_by_id(id)
        return None if row is None else self._message(row)

    def page(
        self, *, limit: int | None = None, before: int | None = None, after: int = 0, all_scopes: bool = False,
        newest_first: bool = True, submitted: bool = False, skip: int = 0,
    ) -> Sequence[Message]:  # fmt: skip
        """Messages with ``after < seq < before``, in the order of ``seq``.

        Args:
            submitted: only those that were; else of every origin.
            skip: so many are left out at the beginning of the answer.
        """
        rows = self._parts.store.messages(
            None if all_scopes else self._scope.name, after=after, before=before, limit=limit,
            newest_first=newest_first, submitted=submitted, skip=skip,
        )  # fmt: skip
        return [self._message(row) for row in rows]

    def search(
        self, query: str, *, limit: int | None = None, before: int | None = None, after: int = 0,
        all_scopes: bool = False, newest_first: bool = True, submitted: bool = False, skip: int = 0,
        zone: tzinfo = UTC,
    ) -> Sequence[Message]:  # fmt: skip
        """Messages with ``after < seq < before`` that a query fits, in the order of ``seq``; see ``page()``.

        Args:
            query: in the language of ``store.query``, for instance ``'from:alice subject:"Hello" -is:read'``.
            zone: of times in it that are written without one.

        Raises:
            QueryError: it cannot be understood; the text says where.
            ServerRestarted: it has a mark of another life of the store.
        """
        found = self._find(
            query, zone, all_scopes=all_scopes, after=after, before=before, newest_first=newest_first,
            submitted=submitted, skip=skip, limit=limit,
        )  # fmt: skip
        return [self._message(row) for row in self._parts.store.rows(found) if row is not None]

    def found(
        self, query: str, *, limit: int, skip: int = 0, all_scopes: bool = False, submitted: bool = False,
        zone: tzinfo = UTC,
    ) -> tuple[Sequence[Message], int, int]:  # fmt: skip
        """A page of what ``search()`` gives, and of all it would give: how many, and how many of them are unread."""
        page = self.search(query, limit=limit, skip=skip, all_scopes=all_scopes, submitted=submitted, zone=zone)
        number = self._count(query, zone, all_scopes=all_scopes, submitted=submitted)
        tally = self.tally(all_scopes=all_scopes)
        if not (number and tally.unread):
            unread = 0
        elif submitted and tally.unread == tally.submitted:
            unread = number
        else:
            unread = self._count(f"is:unread {query}", zone, all_scopes=all_scopes, submitted=submitted)
        return page, number, unread

    def _count(self, query: str, zone: tzinfo, *, all_scopes: bool, submitted: bool) -> int:
        from .store.query import parse

        scopes = self.scopes if all_scopes else [scope.name for scope in self._scope.lineage()]
        scope = None if all_scopes else self._scope.name
        return self._parts.store.count(scope, parse(query, zone), scopes=scopes, submitted=submitted)

    def _find(self, query: str, zone: tzinfo, *, all_scopes: bool, **page: Any) -> Sequence[int]:
        from .store.query import parse

        scopes = self.scopes if all_scopes else [scope.name for scope in self._scope.lineage()]
        scope = None if all_scopes else self._scope.name
        return self._parts.store.find(scope, parse(query, zone), scopes=scopes, **page)

    def delete(self, messages: Iterable[Message]) -> int:
        """Take messages and their copies away; how many there were."""
        return self._parts.store.remove([message.seq for message in messages])

    def delete_all(self, *, all_scopes: bool = False, submitted: bool = False) -> int:
        """Take all messages of the scope and their copies away, as ``page()`` would give them; how many there were."""
        return self._parts.store.remove_all(None if all_scopes else self._scope.name, submitted=submitted)

    def record_flags(self, messages: Iterable[Message]) -> dict[int, frozenset[str]]:
        """Read state and tags of messages of whatever scopes, by ``seq``; those hidden in the record are not in it."""
        found: dict[int, frozenset[str]] = {}
        for box, uids in self._records(messages):
            found.update((row.uid, row.flags) for row in self._parts.store.copies(box.id, uids))
        return found

    def set_record_flags(self, messages: Iterable[Message], flags: Iterable[str], mode: FlagMode = "add") -> None:
        """Change read state (``"\\Seen"``) or tags of messages of whatever scopes, in the record of each."""
        names = list(flags)
        for box, uids in self._records(messages):
            self._parts.store.set_flags(box.id, uids, names, mode)

    def _records(self, messages: Iterable[Message]) -> Iterator[tuple[MailboxRow, list[int]]]:
        uids: dict[str, list[int]] = {}
        for message in messages:
            uids.setdefault(message.scope, []).append(message.seq)
        for scope, seqs in uids.items():
            box = self._parts.store.mailbox(Key(scope, ALL), INBOX)
            if box is not None:
                yield box, seqs

    def mailbox_by_id(self, id: int) -> Mailbox:  # noqa: A002
        """A mailbox of whatever scope and account.

        Raises:
            NoSuchMailbox: there is none of that number.
        """
        return self._mailbox(self._parts.store.mailbox_row(id))

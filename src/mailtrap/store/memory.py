"""The store in memory: one lock, nothing parsed on arrival, at most a few hundred octets beside each message's bytes.

``submit`` calls ``done`` before it returns; hints are called after the lock is free, in the thread that committed.
What was asked for is checked before anything is changed, so a call that fails has changed nothing.
"""

import os
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain
from threading import Lock
from typing import Final

from .. import clock
from ..errors import NoSuchMailbox, NotAllowed, StoreError
from ..message.facts import Facts
from ..message.structure import served_size
from .base import Store, SubmitDone, Subscriber
from .cache import FactsCache
from .directory import audience, canonical, checked_entries, checked_name
from .flags import canonical as canonical_flags
from .memory_directory import Account, Directory
from .memory_mailbox import Mailbox, selectable
from .rows import (
    ALL,
    INBOX,
    NO_FLAGS,
    SUBMITTED,
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
    Placed,
    Receipt,
    Snapshot,
    Status,
    Tally,
    Target,
    Usage,
    page_of,
)

_SETTLED: Final = (tuple, list, range, set, frozenset)

_new: Final = tuple.__new__  # what a named tuple's own does, without its frame: three are made for each message

_Place = Mailbox | tuple[Mailbox, ...] | None


class MemoryStore(Store):
    """Mail kept in this process's memory, until it ends."""

    blocking = False

    def __init__(self) -> None:
        self._lock = Lock()
        self._life = os.urandom(8).hex()
        self._closed = False
        self._directory = Directory()
        # The messages from seq ``_first`` on, None where one was taken away: its row, its bytes, and the mailboxes that
        # may have copies of it (one, or a tuple of several).
        self._first = 1
        self._rows: list[MessageRow | None] = []
        self._raws: list[bytes | None] = []
        self._places: list[_Place] = []
        self._facts = FactsCache()
        self._locks: dict[int, str] = {}
        self._subscribers: tuple[Subscriber, ...] = ()

    # ------------------------------------------------------------ deliveries

    def submit(self, batch: Sequence[Delivery], done: SubmitDone) -> None:
        receipts: Sequence[Receipt] | None = None
        error: Exception | None = None
        hint: Hint | None = None
        try:
            receipts, hint = self._commit(batch)
        except Exception as caught:  # noqa: BLE001  whoever waits is told of every error
            error = caught
        try:
            done(receipts, error)
        except Exception as caught:  # noqa: BLE001  the commit stands
            self.report(caught)
        if receipts:
            self._tell(hint)

    def deliver(self, delivery: Delivery) -> Receipt:
        receipts, hint = self._commit((delivery,))
        self._tell(hint)
        return receipts[0]

    def _commit(self, batch: Sequence[Delivery]) -> tuple[list[Receipt], Hint]:
        served = [served_size(delivery.raw) for delivery in batch]
        receipts: list[Receipt] = []
        modseqs: dict[int, int] = {}  # of this commit, by mailbox
        fresh: set[Key] = set()  # accounts that have a mailbox more
        with self._lock:
            if self._closed:
                self._check_open()
            mailboxes = iter(self._admit(batch, served))
            now = clock.now()
            scopes = self._directory.scopes
            seq = self._first + len(self._rows) - 1
            for delivery, size in zip(batch, served, strict=True):
                seq += 1
                raw, received = delivery.raw, delivery.received_at
                if received is None:
                    received = now
                octets = len(raw)
                message = MessageRow(
                    seq, delivery.scope, delivery.origin, received, octets, octets if size == octets else size,
                    delivery.envelope, delivery.session, delivery.transcript,
                )  # fmt: skip
                placed = []
                place: _Place = None
                for target in delivery.targets:
                    mailbox = next(mailboxes)
                    if mailbox is None:
                        mailbox = self._target(target)
                        fresh.add(target.account)
                    modseq = modseqs.get(mailbox.id)
                    if modseq is None:
                        modseq = modseqs[mailbox.id] = mailbox.highestmodseq + 1
                    internal = target.internal_date
                    if internal is None:
                        internal = now
                    flags = canonical_flags(target.flags) if target.flags else NO_FLAGS
                    uid = mailbox.add(message, modseq, flags, internal, now, target.prefix)
                    placed.append(_new(Placed, (mailbox.id, mailbox.uidvalidity, uid)))
                    place = mailbox if place is None else _also(place, mailbox)
                scope = scopes.get(delivery.scope) or self._directory.scope(delivery.scope)
                everything = scope.all
                modseq = modseqs.get(everything.id)
                if modseq is None:
                    modseq = modseqs[everything.id] = everything.highestmodseq + 1
                everything.add(message, modseq, NO_FLAGS, received, received, b"", seq)
                scope.add(message)
                self._rows.append(message)
                self._raws.append(raw)
                self._places.append(place)
                receipts.append(_new(Receipt, (seq, received, tuple(placed), message)))
                if delivery.replaces:
                    self._replace(delivery, modseqs)
        return receipts, _new(Hint, (seq, modseqs, frozenset(fresh)))

    def _replace(self, delivery: Delivery, modseqs: dict[int, int]) -> None:
        """Take away what a delivery comes instead of; in each mailbox it is one MODSEQ with what comes."""
        for id_, uid in delivery.replaces:
            mailbox = self._directory.mailbox(id_)
            if positions := mailbox.find((uid,)):
                mailbox.take(positions, modseqs.setdefault(id_, mailbox.highestmodseq + 1))

    def _admit(self, batch: Sequence[Delivery], served: Sequence[int]) -> list[Mailbox | None]:
        """Raise what would fail, before anything is changed; the mailbox of each target, None where it is to come."""
        found: list[Mailbox | None] = []
        to_come: set[tuple[Key, str]] = set()
        extra: dict[Key, list[int]] = {}  # octets and messages that come
        for delivery, size in zip(batch, served, strict=True):
            for target in delivery.targets:
                key = target.account
                if key.address == ALL:
                    _check_not_all(key)
                if target.flags:
                    canonical_flags(target.flags)  # what is no set of flags fails here
                scope = self._directory.scopes.get(key.scope)
                account = None if scope is None else scope.accounts.get(key.address)
                mailbox = None if account is None else account.mailboxes.get(target.mailbox)
                if mailbox is None or not mailbox.selectable:
                    self._admit_mailbox(account, target, to_come)
                    mailbox = None
                found.append(mailbox)
                if account is not None and (account.quota is not None or account.message_quota is not None):
                    coming = extra.setdefault(key, [0, 0])
                    coming[0] += size + len(target.prefix)
                    coming[1] += 1
            for id_, uid in delivery.replaces:
                there = self._directory.mailbox(id_)
                if there.account in extra and (copies := there.copies(there.find((uid,)))):
                    extra[there.account][0] -= copies[0].size
                    extra[there.account][1] -= 1
        for key, (octets, messages) in extra.items():
            self._directory.account(key).admit(octets, messages)
        return found

    def _admit_mailbox(self, account: Account | None, target: Target, to_come: set[tuple[Key, str]]) -> None:
        name = checked_name(target.mailbox)
        mailbox = None if account is None else account.mailboxes.get(name)
        if mailbox is not None and mailbox.selectable:
            return
        place = (target.account, name)
        if not target.create and name != INBOX and place not in to_come:
            raise NoSuchMailbox(f"{target.account.address} has no mailbox {name!r}")
        to_come.add(place)

    def _target(self, target: Target) -> Mailbox:
        """The mailbox of an admitted target, made where there is none."""
        account = self._directory.find(target.account) or self._directory.add_account(target.account)
        mailbox = account.mailboxes.get(target.mailbox)
        if mailbox is None or not mailbox.selectable:
            mailbox = self._directory.selectable(account, target.mailbox)
        return mailbox

    # ------------------------------------------------------------ messages

    def head(self) -> int:
        with self._lock:
            return self._first + len(self._rows) - 1

    def life(self) -> str:
        return self._life

    def messages(
        self, scope: str | None = None, *, after: int = 0, before: int | None = None, limit: int | None = None,
        newest_first: bool = False, submitted: bool = False, skip: int = 0,
    ) -> Sequence[MessageRow]:  # fmt: skip
        skip = max(skip, 0)
        with self._lock:
            if scope is None:
                first = max(after + 1 - self._first, 0)
                last = len(self._rows) if before is None else max(before - self._first, 0)
                places = range(first, min(last, len(self._rows)))
                some = (self._rows[place] for place in (reversed(places) if newest_first else places))
                rows = (row for row in some if row is not None and (not submitted or row.origin in SUBMITTED))
                return page_of(rows, skip, limit)
            kept = self._directory.scopes.get(scope)
            seqs = array("Q") if kept is None else kept.submitted if submitted else kept.seqs
            low = bisect_right(seqs, after)
            high = len(seqs) if before is None else max(bisect_left(seqs, before), low)
            if skip:
                low, high = (low, max(high - skip, low)) if newest_first else (min(low + skip, high), high)
            if limit is not None:
                count = min(max(limit, 0), high - low)
                low, high = (high - count, high) if newest_first else (low, low + count)
            found = [row for seq in seqs[low:high] if (row := self._rows[seq - self._first]) is not None]
            if newest_first:
                found.reverse()
            return found

    def tally(self, scope: str | None = None) -> Tally:
        with self._lock:
            scopes = self._directory.scopes
            if scope is None:
                return sum((kept.tally() for kept in scopes.values()), Tally())
            return scopes[scope].tally() if scope in scopes else Tally()

    def message(self, seq: int) -> MessageRow | None:
        with self._lock:
            return self._row(seq)

    def raw(self, seq: int) -> bytes:
        with self._lock:
            raw = None if self._row(seq) is None else self._raws[seq - self._first]
        if raw is None:
            raise StoreError(f"message {seq} is gone")
        return raw

    def facts(self, seqs: Sequence[int], kinds: Collection[str]) -> Sequence[Facts | None]:
        if (known := self._facts.find(seqs, kinds)) is not None:
            return known
        with self._lock:
            raws = {seq: self._raws[seq - self._first] for seq in seqs if self._row(seq) is not None}
        found = dict(zip(raws, self._facts.get([*raws], kinds, raws.get), strict=True))
        with self._lock:
            gone = [seq for seq in found if self._row(seq) is None]
        self._facts.discard(gone)  # who took them away meanwhile may have been before what was kept just now
        return [found.get(seq) for seq in seqs]

    def remove(self, seqs: Collection[int], *, evicted: bool = False) -> int:
        with self._lock:
            self._check_open()
            messages = {row for seq in seqs if (row := self._row(seq)) is not None}
            hint = self._remove(messages, evicted=evicted)
        return self._removed(messages, hint)

    def remove_all(self, scope: str | None = None, *, submitted: bool = False) -> int:
        with self._lock:
            self._check_open()
            scopes = self._directory.scopes
            asked = [kept for name, kept in scopes.items() if scope is None or name == scope]
            seqs = chain.from_iterable(kept.submitted if submitted else kept.seqs for kept in asked)
            messages = {row for seq in seqs if (row := self._row(seq)) is not None}
            hint = self._remove(messages)
        return self._removed(messages, hint)

    def _remove(self, messages: Collection[MessageRow], *, evicted: bool = False) -> Hint:
        gone: dict[Mailbox, list[int]] = {}
        self._find_copies(messages, gone)
        self._forget(messages, evicted=evicted)
        return self._take_away(gone)

    def _removed(self, messages: Collection[MessageRow], hint: Hint) -> int:
        if messages:
            self._facts.discard([message.seq for message in messages])
            self._tell(hint)
        return len(messages)

    def clear(self, scope: str) -> None:
        with self._lock:
            self._check_open()
            kept = self._directory.scopes.get(scope)
            if kept is None:
                return
            messages = {row for seq in kept.seqs if (row := self._row(seq)) is not None}
            own = {mailbox for account in kept.accounts.values() for mailbox in account.mailboxes.values()}
            gone = {mailbox: list(mailbox.find(None)) for mailbox in own}
            self._find_copies(messages, gone)
            self._forget(messages)
            hint = self._take_away(gone)
        self._facts.discard([message.seq for message in messages])
        if hint.mailboxes:
            self._tell(hint)

    def copies_of(self, seq: int) -> Sequence[tuple[MailboxRow, CopyRow]]:
        with self._lock:
            message = self._row(seq)
            if message is None:
                return []
            found = []
            for mailbox in _each(self._places[seq - self._first]):
                copies = mailbox.copies(mailbox.positions_of([message]))
                found += [(mailbox.row(), copy) for copy in copies]
            return found

    def _row(self, seq: int) -> MessageRow | None:
        position = seq - self._first
        return self._rows[position] if 0 <= position < len(self._rows) else None

    def _find_copies(self, messages: Collection[MessageRow], gone: dict[Mailbox, list[int]]) -> None:
        """Where these messages have copies, in every mailbox that ``gone`` has no answer for yet."""
        by_mailbox: dict[Mailbox, list[MessageRow]] = {}
        for message in messages:
            by_mailbox.setdefault(self._directory.scopes[message.scope].all, []).append(message)
            for mailbox in _each(self._places[message.seq - self._first]):
                by_mailbox.setdefault(mailbox, []).append(message)
        for mailbox, there in by_mailbox.items():
            if mailbox.alive and mailbox not in gone:
                if mailbox.account.address == ALL:  # where the UID is the seq
                    gone[mailbox] = list(mailbox.find([message.seq for message in there]))
                else:
                    gone[mailbox] = mailbox.positions_of(there)

    def _take_away(self, gone: dict[Mailbox, list[int]]) -> Hint:
        return self._hint(
            [mailbox for mailbox, positions in gone.items() if mailbox.take(positions, mailbox.highestmodseq + 1)]
        )

    def _forget(self, messages: Collection[MessageRow], *, evicted: bool = False) -> None:
        of_scope: dict[str, list[MessageRow]] = {}
        for message in messages:
            position = message.seq - self._first
            self._rows[position] = self._raws[position] = self._places[position] = None
            of_scope.setdefault(message.scope, []).append(message)
        for name, theirs in of_scope.items():
            self._directory.scopes[name].drop(theirs, evicted=evicted)
        # the places of removed messages at the beginning are given back, now and then
        empty = next((at for at, row in enumerate(self._rows) if row is not None), len(self._rows))
        if empty > len(self._rows) // 2:
            for column in (self._rows, self._raws, self._places):
                del column[:empty]
            self._first += empty

    # ------------------------------------------------------------ accounts

    def put_account(
        self, key: Key, *, password: str | None = None, quota: int | None = None, message_quota: int | None = None,
        declared: bool = True,
    ) -> AccountRow:  # fmt: skip
        with self._lock:
            self._check_open()
            _check_not_all(key)
            account = self._directory.find(key)
            if account is None:
                account = self._directory.add_account(key, password, quota, message_quota, declared=declared)
            elif declared:
                account.password, account.declared = password, True
                account.quota, account.message_quota = quota, message_quota
            else:
                return account.row()
            row, hint = account.row(), self._hint((), {key})
        self._tell(hint)
        return row

    def set_quota(self, key: Key, quota: int | None, message_quota: int | None) -> AccountRow:
        with self._lock:
            self._check_open()
            _check_not_all(key)
            account = self._directory.account(key)
            account.quota, account.message_quota = quota, message_quota
            row, hint = account.row(), self._hint((), {key})
        self._tell(hint)
        return row

    def account(self, key: Key) -> AccountRow | None:
        with self._lock:
            if key.address == ALL:
                return AccountRow(key, None, True, None)
            account = self._directory.find(key)
            return None if account is None else account.row()

    def accounts(self, scope: str) -> Sequence[AccountRow]:
        with self._lock:
            kept = self._directory.scopes.get(scope)
            if kept is None:
                return []
            return [account.row() for account in kept.accounts.values() if account.key.address != ALL]

    def passwords(self, scope: str) -> bool | None:
        with self._lock:
            kept = self._directory.scopes.get(scope)
            if kept is None or len(kept.accounts) == 1:  # ``all`` is always there
                return None
            return all(account.password is not None for name, account in kept.accounts.items() if name != ALL)

    def remove_account(self, key: Key) -> None:
        with self._lock:
            self._check_open()
            _check_not_all(key)
            account = self._directory.find(key)
            if account is None:
                return
            gone = self._directory.remove_account(account)
            for box in gone:
                self._locks.pop(box.id, None)
            hint = self._hint(gone, {key}.union(*(audience(key, box.acl) for box in gone)))
        self._tell(hint)

    def fork_account(self, source: Key, target: Key) -> AccountRow:
        with self._lock:
            self._check_open()
            _check_not_all(source)
            _check_not_all(target)
            there = self._directory.find(target)
            if there is not None:
                return there.row()
            account = self._directory.fork(self._directory.account(source), target)
            for mailbox in account.mailboxes.values():
                self._note_places(mailbox.messages(), mailbox)
            row, hint = account.row(), self._hint(account.mailboxes.values(), {target})
        self._tell(hint)
        return row

    def used(self, key: Key) -> Usage:
        with self._lock:
            return self._directory.account(key).used()

    # ------------------------------------------------------------ mailboxes

    def mailboxes(self, key: Key) -> Sequence[MailboxRow]:
        with self._lock:
            found = self._directory.account(key).mailboxes
            return [found[name].row() for name in sorted(found, key=lambda name: (name != INBOX, name))]

    def mailbox(self, key: Key, name: str) -> MailboxRow | None:
        with self._lock:
            account = self._directory.find(key)
            mailbox = None if account is None else account.mailboxes.get(canonical(name))
            return None if mailbox is None else mailbox.row()

    def mailbox_row(self, mailbox: int) -> MailboxRow:
        with self._lock:
            return self._directory.mailbox(mailbox).row()

    def create_mailbox(self, key: Key, name: str, *, special_use: Iterable[str] = ()) -> MailboxRow:
        uses = list(special_use)
        with self._lock:
            self._check_open()
            _check_not_all(key)
            box = self._directory.create(self._directory.account(key), name, uses)
            row, hint = box.row(), self._hint([box], audience(key, box.acl))
        self._tell(hint)
        return row

    def delete_mailbox(self, mailbox: int) -> None:
        with self._lock:
            self._check_open()
            box = self._directory.mailbox(mailbox)
            self._directory.delete(box)
            self._locks.pop(mailbox, None)
            hint = self._hint([box], audience(box.account, box.acl))
        self._tell(hint)

    def rename_mailbox(self, mailbox: int, name: str) -> None:
        with self._lock:
            self._check_open()
            box = self._directory.mailbox(mailbox)
            _check_not_all(box.account)
            name = self._directory.new_name(box, name)
            if box.name == INBOX:
                new = self._directory.selectable(self._directory.account(box.account), name)
                new.annotations = {owner: dict(entries) for owner, entries in box.annotations.items()}
                self._transfer(box, box.find(None), new, move=True)
                hint = self._hint([box, new], audience(box.account, new.acl))
            else:
                moved = self._directory.rename(box, name)
                hint = self._hint(moved, {box.account}.union(*(audience(box.account, other.acl) for other in moved)))
        self._tell(hint)

    def subscribe(self, key: Key, name: str, on: bool = True) -> None:
        with self._lock:
            self._check_open()
            names = self._directory.account(key).subscriptions
            (names.add if on else names.discard)(canonical(name))
            hint = self._hint((), {key})
        self._tell(hint)

    def subscriptions(self, key: Key) -> Sequence[str]:
        with self._lock:
            return sorted(self._directory.account(key).subscriptions)

    def set_rights(
        self, mailbox: int, identifier: str, rights: Iterable[str] | None, mode: FlagMode = "replace"
    ) -> MailboxRow:
        asked = None if rights is None else list(rights)
        with self._lock:
            self._check_open()
            box = self._directory.mailbox(mailbox)
            _check_not_all(box.account)
            before = audience(box.account, box.acl)
            self._directory.set_rights(box, identifier, asked, mode)
            row, hint = box.row(), self._hint([box], before | audience(box.account, box.acl))
        self._tell(hint)
        return row

    def set_special_use(self, mailbox: int, uses: Iterable[str]) -> MailboxRow:
        becomes = frozenset(uses)
        with self._lock:
            self._check_open()
            box = self._directory.mailbox(mailbox)
            _check_not_all(box.account)
            box.special_use = becomes
            row, hint = box.row(), self._hint([box], audience(box.account, box.acl))
        self._tell(hint)
        return row

    def shared(self, scope: str, identifiers: Collection[str]) -> Sequence[MailboxRow]:
        with self._lock:
            return [box.row() for box in self._directory.shared(scope, identifiers)]

    def annotations(self, key: Key, mailboxes: Sequence[int | None]) -> Sequence[Mapping[str, bytes]]:
        with self._lock:
            self._directory.account(key)
            return [self._annotations(key, mailbox) for mailbox in mailboxes]

    def _annotations(self, key: Key, mailbox: int | None) -> Mapping[str, bytes]:
        try:
            return self._directory.annotations(key, None if mailbox is None else self._directory.mailbox(mailbox))
        except NoSuchMailbox:
            return {}

    def annotate(self, key: Key, mailbox: int | None, entries: Mapping[str, bytes | None]) -> None:
        with self._lock:
            self._check_open()
            box = None if mailbox is None else self._directory.mailbox(mailbox)
            if box is not None:
                _check_not_all(box.account)
            self._directory.annotate(key, box, checked_entries(key, entries))
            told = {key} | ({Key(key.scope, ALL)} if box is None else audience(box.account, box.acl))
            hint = self._hint((), told)
        self._tell(hint)

    def renumber(self, mailbox: int) -> int:
        with self._lock:
            self._check_open()
            box = self._directory.mailbox(mailbox)
            _check_not_all(box.account)
            box.renumber(self._directory.next_uidvalidity())
            uidvalidity, hint = box.uidvalidity, self._hint([box])
        self._tell(hint)
        return uidvalidity

    def status(self, mailbox: int) -> Status:
        with self._lock:
            return self._directory.mailbox(mailbox).status()

    def take_recent(self, mailbox: int, *, peek: bool = False) -> int:
        with self._lock:
            return self._directory.mailbox(mailbox).take_recent(peek)

    # ------------------------------------------------------------ copies

    def snapshot(self, mailbox: int) -> Snapshot:
        with self._lock:
            return self._directory.mailbox(mailbox).snapshot()

    def marks(self, mailbox: int) -> tuple[frozenset[str], int]:
        with self._lock:
            return self._directory.mailbox(mailbox).marks()

    def copies(self, mailbox: int, uids: Iterable[int] | None = None) -> Sequence[CopyRow]:
        wanted = _settled(uids)
        with self._lock:
            box = self._directory.mailbox(mailbox)
            return box.copies(box.find(wanted))

    def changes(self, mailbox: int, since_modseq: int) -> Changes:
        with self._lock:
            return self._directory.mailbox(mailbox).changes(since_modseq)

    def set_flags(
        self, mailbox: int, uids: Iterable[int], flags: Iterable[str], mode: FlagMode,
        *, unchanged_since: int | None = None,
    ) -> tuple[Sequence[CopyRow], Sequence[int]]:  # fmt: skip
        wanted = _settled(uids)
        asked = canonical_flags(flags)
        with self._lock:
            self._check_open()
            box = self._directory.mailbox(mailbox)
            before = box.highestmodseq
            answer = box.set_flags(box.find(wanted), asked, mode, unchanged_since)
            hint = None if box.highestmodseq == before else self._hint([box])
        self._tell(hint)
        return answer

    def copy(self, mailbox: int, uids: Iterable[int], target: int) -> Sequence[tuple[int, int]]:
        return self._copy(mailbox, uids, target, move=False)

    def move(self, mailbox: int, uids: Iterable[int], target: int) -> Sequence[tuple[int, int]]:
        return self._copy(mailbox, uids, target, move=True)

    def _copy(self, mailbox: int, uids: Iterable[int], target: int, move: bool) -> list[tuple[int, int]]:
        wanted = _settled(uids)
        with self._lock:
            self._check_open()
            source, destination = self._directory.mailbox(mailbox), selectable(self._directory.mailbox(target))
            _check_not_all(destination.account)
            positions = source.find(wanted)
            if not positions:
                return []
            if not (move and source.account == destination.account):
                account = self._directory.account(destination.account)
                if account.quota is not None or account.message_quota is not None:
                    account.admit(sum(copy.size for copy in source.copies(positions)), len(positions))
            pairs = self._transfer(source, positions, destination, move=move)
            hint = self._hint([source, destination] if move else [destination])
        self._tell(hint)
        return pairs

    def _transfer(
        self, source: Mailbox, positions: Sequence[int], target: Mailbox, *, move: bool
    ) -> list[tuple[int, int]]:
        if not positions:
            return []
        now = clock.now()
        modseq = target.highestmodseq + 1
        copies = source.copies(positions)
        uids = target.extend(copies, modseq, now)
        self._note_places([copy.message for copy in copies], target)
        if move:  # within one mailbox too it is one MODSEQ
            source.take(positions, modseq if source is target else source.highestmodseq + 1)
        return [(copy.uid, uid) for copy, uid in zip(copies, uids, strict=True)]

    def _note_places(self, messages: Iterable[MessageRow], mailbox: Mailbox) -> None:
        places, first = self._places, self._first
        for message in messages:
            position = message.seq - first
            places[position] = _also(places[position], mailbox)

    def file(self, mailbox: int, uids: Iterable[int], filing: Filing) -> None:
        wanted = _settled(uids)
        with self._lock:
            self._check_open()
            box = self._directory.mailbox(mailbox)
            _check_not_all(box.account)
            account = self._directory.account(box.account)
            names = list(dict.fromkeys(map(checked_name, filing.into)))
            positions = box.find(wanted)
            seqs = {copy.message.seq: position for copy, position in zip(box.copies(positions), positions, strict=True)}
            there = {name: self._seqs_in(account.mailboxes.get(name)) for name in names}
            missing = {name: [seqs[seq] for seq in seqs if seq not in there[name]] for name in names}
            self._room_for(account, box, missing.values())
            before = box.highestmodseq
            box.set_flags(positions, canonical_flags(filing.flags), "add", without=canonical_flags(filing.without))
            touched = [box]
            made = False
            for name in names:
                made = made or name not in account.mailboxes
                target = self._directory.selectable(account, name)
                touched.append(target)
                self._transfer(box, missing[name], target, move=False)
            for name in dict.fromkeys(map(canonical, filing.out_of)):
                if (other := account.mailboxes.get(name)) is not None:
                    gone = [at for at, copy in enumerate(other.copies(other.find(None))) if copy.message.seq in seqs]
                    other.take(gone, other.highestmodseq + (other is not box or box.highestmodseq == before))
                    touched.append(other)
            hint = self._hint(touched, audience(account.key, box.acl) if made else ())
        self._tell(hint)

    @staticmethod
    def _seqs_in(box: Mailbox | None) -> Collection[int]:
        return () if box is None else {copy.message.seq for copy in box.copies(box.find(None))}

    @staticmethod
    def _room_for(account: Account, box: Mailbox, missing: Iterable[Sequence[int]]) -> None:
        """Whether copies of those at these positions may come."""
        if account.quota is not None or account.message_quota is not None:
            copies = [copy for positions in missing for copy in box.copies(positions)]
            if copies:
                account.admit(sum(copy.size for copy in copies), len(copies))

    def expunge(self, mailbox: int, uids: Iterable[int]) -> Sequence[int]:
        wanted = _settled(uids)
        with self._lock:
            self._check_open()
            box = self._directory.mailbox(mailbox)
            gone = box.take(box.find(wanted), box.highestmodseq + 1)
            hint = self._hint([box]) if gone else None
        self._tell(hint)
        return gone

    # ------------------------------------------------------------ the rest

    def lock_maildrop(self, mailbox: int, owner: str) -> bool:
        with self._lock:
            self._directory.mailbox(mailbox)
            return self._locks.setdefault(mailbox, owner) == owner

    def unlock_maildrop(self, mailbox: int, owner: str) -> None:
        with self._lock:
            if self._locks.get(mailbox) == owner:
                del self._locks[mailbox]

    def subscribe_hints(self, subscriber: Subscriber) -> Callable[[], None]:
        def call(hint: Hint) -> None:  # an object of its own: one function may subscribe twice
            subscriber(hint)

        def end() -> None:
            with self._lock:
                self._subscribers = tuple(other for other in self._subscribers if other is not call)

        with self._lock:
            self._subscribers = (*self._subscribers, call)
        return end

    def _hint(self, mailboxes: Iterable[Mailbox], accounts: Iterable[Key] = ()) -> Hint:
        modseqs = {mailbox.id: mailbox.highestmodseq for mailbox in mailboxes}
        return Hint(self._first + len(self._rows) - 1, modseqs, frozenset(accounts))

    def _tell(self, hint: Hint | None) -> None:
        if hint is not None:
            for subscriber in self._subscribers:
                try:
                    subscriber(hint)
                except Exception as error:  # noqa: BLE001  the commit stands, and the others are told
                    self.report(error)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._subscribers = ()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the store is closed")


def _settled(uids: Iterable[int] | None) -> Iterable[int] | None:
    """UIDs that can be asked for under the lock: a generator of the caller's must not run there."""
    return uids if uids is None or isinstance(uids, _SETTLED) else list(uids)


def _also(place: _Place, mailbox: Mailbox) -> _Place:
    """A place and one mailbox more."""
    if place is None or place is mailbox:
        return mailbox
    if not isinstance(place, tuple):
        return (place, mailbox)
    return place if mailbox in place else (*_each(place), mailbox)


def _each(place: _Place) -> list[Mailbox]:
    """The mailboxes of a place that are still there."""
    if place is None:
        return []
    return [box for box in (place if isinstance(place, tuple) else (place,)) if box.alive]


def _check_not_all(key: Key) -> None:
    if key.address == ALL:
        raise NotAllowed("the account all is the record of messages: nothing is put there or changed")

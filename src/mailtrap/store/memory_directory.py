"""Scopes, their accounts and the accounts' mailboxes in the memory store: who has what, under which name and id.

The store's lock is held around every call. A method that raises has changed nothing.
"""

from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence

from .. import clock
from ..errors import MailboxExists, NoSuchAccount, NoSuchMailbox, NotAllowed, OverQuota
from .directory import canonical, changed_rights, checked_name, names_one_of, superiors
from .memory_mailbox import Mailbox
from .rows import ALL, INBOX, SHARED, SUBMITTED, AccountRow, FlagMode, Key, MessageRow, Tally, Usage


class Account:
    """An account and its mailboxes by name."""

    __slots__ = (
        "annotations", "declared", "given_up", "key", "mailboxes", "message_quota", "password", "quota",
        "subscriptions",
    )  # fmt: skip

    def __init__(
        self, key: Key, password: str | None = None, quota: int | None = None, message_quota: int | None = None,
        *, declared: bool = False,
    ) -> None:  # fmt: skip
        self.key = key
        self.password = password
        self.quota = quota
        self.message_quota = message_quota
        self.declared = declared
        self.mailboxes: dict[str, Mailbox] = {}
        self.subscriptions = {INBOX}
        self.given_up: dict[str, int] = {}  # the UIDVALIDITY that a name had when its mailbox went
        self.annotations: dict[str, bytes] = {}  # of the server: its own, and everybody's in ``all``

    def row(self) -> AccountRow:
        """The account as it is now."""
        return AccountRow(self.key, self.password, self.declared, self.quota, self.message_quota)

    def used(self) -> Usage:
        """What it keeps."""
        mailboxes = self.mailboxes.values()
        return Usage(sum(mailbox.size for mailbox in mailboxes), sum(map(len, mailboxes)))

    def admit(self, octets: int, messages: int) -> None:
        """Whether so much more may come; ``OverQuota`` where it may not."""
        if self.quota is None and self.message_quota is None:
            return
        used = self.used()
        if self.quota is not None and used.octets + octets > self.quota:
            raise OverQuota(f"{self.key.address} may keep {self.quota} octets", self.key)
        if self.message_quota is not None and used.messages + messages > self.message_quota:
            raise OverQuota(f"{self.key.address} may keep {self.message_quota} messages", self.key)


class Scope:
    """A scope's accounts, ``all`` among them, and the seqs of its messages, ascending."""

    __slots__ = (
        "accounts", "all", "evicted", "evicted_octets", "last_evicted", "octets", "seqs", "submitted",
        "submitted_octets",
    )  # fmt: skip

    def __init__(self, everything: Account) -> None:
        self.accounts: dict[str, Account] = {ALL: everything}
        self.all = everything.mailboxes[INBOX]
        self.seqs = array("Q")
        self.submitted = array("Q")  # those of them that were submitted
        self.octets = self.submitted_octets = 0
        self.evicted = self.evicted_octets = self.last_evicted = 0

    def add(self, message: MessageRow) -> None:
        """A message more, the newest."""
        self.seqs.append(message.seq)
        self.octets += message.size
        if message.origin in SUBMITTED:
            self.submitted.append(message.seq)
            self.submitted_octets += message.size

    def drop(self, messages: Collection[MessageRow], *, evicted: bool) -> None:
        """These are here no longer."""
        octets = sum(message.size for message in messages)
        submitted = [message for message in messages if message.origin in SUBMITTED]
        self.seqs = _without(self.seqs, [message.seq for message in messages])
        self.submitted = _without(self.submitted, [message.seq for message in submitted])
        self.octets -= octets
        self.submitted_octets -= sum(message.size for message in submitted)
        if evicted:
            self.evicted += len(messages)
            self.evicted_octets += octets
            self.last_evicted = max(self.last_evicted, *(message.seq for message in messages))

    def tally(self) -> Tally:
        """The counts."""
        return Tally(
            len(self.seqs), self.octets, len(self.submitted), self.submitted_octets, self.all.unread, self.evicted,
            self.evicted_octets, self.last_evicted,
        )  # fmt: skip


def _without(seqs: "array[int]", gone: Sequence[int]) -> "array[int]":
    """Ascending seqs without some that are among them."""
    if len(gone) == 1:
        del seqs[bisect_left(seqs, gone[0])]
        return seqs
    missing = set(gone)
    return array("Q", [seq for seq in seqs if seq not in missing])


class Directory:
    """All scopes of a store."""

    def __init__(self) -> None:
        self.scopes: dict[str, Scope] = {}
        self._mailboxes: dict[int, Mailbox] = {}
        self._shared: dict[int, Mailbox] = {}  # those with rights
        self._last_id = 0
        self._uidvalidity = int(clock.now()) - 1

    # ------------------------------------------------------------ scopes and accounts

    def scope(self, name: str) -> Scope:
        """A scope; it comes to be when it is asked for."""
        scope = self.scopes.get(name)
        if scope is None:
            everything = Account(Key(name, ALL), declared=True)
            self._add(everything, INBOX, selectable=True)
            scope = self.scopes[name] = Scope(everything)
        return scope

    def find(self, key: Key) -> Account | None:
        """An account; None when there is none."""
        if key.address == ALL:
            return self.scope(key.scope).accounts[ALL]
        scope = self.scopes.get(key.scope)
        return None if scope is None else scope.accounts.get(key.address)

    def account(self, key: Key) -> Account:
        """An account; ``NoSuchAccount`` when there is none."""
        account = self.find(key)
        if account is None:
            raise NoSuchAccount(f"there is no account {key.address!r}")
        return account

    def add_account(
        self, key: Key, password: str | None = None, quota: int | None = None, message_quota: int | None = None,
        *, declared: bool = False,
    ) -> Account:  # fmt: skip
        """A new account with an INBOX."""
        account = Account(key, password, quota, message_quota, declared=declared)
        self._add(account, INBOX, selectable=True)
        self.scope(key.scope).accounts[key.address] = account
        return account

    def remove_account(self, account: Account) -> Sequence[Mailbox]:
        """Take an account away; its mailboxes, which are no more."""
        del self.scopes[account.key.scope].accounts[account.key.address]
        mailboxes = list(account.mailboxes.values())
        for mailbox in mailboxes:
            self._drop(mailbox)
        for other in self.scopes[account.key.scope].accounts.values():  # who is called so again, is another
            for mailbox in other.mailboxes.values():
                mailbox.annotations.pop(account.key, None)
        return mailboxes

    def fork(self, source: Account, target: Key) -> Account:
        """A new account that begins as another is."""
        account = Account(target, source.password, source.quota, source.message_quota, declared=source.declared)
        account.subscriptions = set(source.subscriptions)
        account.given_up = dict(source.given_up)
        account.annotations = dict(source.annotations)
        self.scope(target.scope).accounts[target.address] = account
        for mailbox in source.mailboxes.values():
            self._last_id += 1
            twin = mailbox.fork(self._last_id, target)
            self._mailboxes[twin.id] = account.mailboxes[twin.name] = twin
            if twin.acl:
                self._shared[twin.id] = twin
        return account

    # ------------------------------------------------------------ mailboxes

    def mailbox(self, id: int) -> Mailbox:  # noqa: A002
        """A mailbox; ``NoSuchMailbox`` when it was deleted."""
        mailbox = self._mailboxes.get(id)
        if mailbox is None:
            raise NoSuchMailbox(f"mailbox {id} was deleted")
        return mailbox

    def create(self, account: Account, name: str, special_use: Iterable[str]) -> Mailbox:
        """A new mailbox, or a name that was none to select."""
        name = checked_name(name)
        there = account.mailboxes.get(name)
        if there is not None and there.selectable:
            raise MailboxExists(f"there is a mailbox {name!r} already")
        mailbox = self.selectable(account, name)
        mailbox.special_use = frozenset(special_use)
        return mailbox

    def selectable(self, account: Account, name: str) -> Mailbox:
        """The mailbox of a name, made with the names above it where there is none; it can be selected."""
        name = canonical(name)
        there = account.mailboxes.get(name)
        if there is not None:
            there.selectable = True
            return there
        self._add_superiors(account, name)
        return self._add(account, name, selectable=True)

    def delete(self, mailbox: Mailbox) -> None:
        """Take a mailbox away; where there are others below it, the name stays."""
        if mailbox.name == INBOX:
            raise NotAllowed("INBOX cannot be deleted")
        account = self.account(mailbox.account)
        has_children = any(name.startswith(f"{mailbox.name}/") for name in account.mailboxes)
        if has_children and not mailbox.selectable:
            raise NotAllowed(f"{mailbox.name!r} has mailboxes below it")
        self._drop(mailbox)
        del account.mailboxes[mailbox.name]
        account.given_up[mailbox.name] = mailbox.uidvalidity
        if has_children:
            self._add(account, mailbox.name, selectable=False)

    def new_name(self, mailbox: Mailbox, name: str) -> str:
        """A name that a mailbox may get, as it is kept."""
        name = checked_name(name)
        if name in self.account(mailbox.account).mailboxes:
            raise MailboxExists(f"there is a mailbox {name!r} already")
        if mailbox.name != INBOX and name.startswith(f"{mailbox.name}/"):
            raise NotAllowed(f"{mailbox.name!r} cannot be below itself")
        return name

    def rename(self, mailbox: Mailbox, name: str) -> list[Mailbox]:
        """Rename a mailbox and those below it, which are returned; ``name`` is of ``new_name``."""
        account = self.account(mailbox.account)
        below, start = f"{mailbox.name}/", len(mailbox.name)
        moved = [other for other in account.mailboxes.values() if other is mailbox or other.name.startswith(below)]
        for other in moved:
            del account.mailboxes[other.name]
            account.given_up[other.name] = other.uidvalidity
        for other in moved:
            other.name = name + other.name[start:]
            account.mailboxes[other.name] = other
            if account.given_up.get(other.name, 0) > other.uidvalidity:
                other.uidvalidity = self.next_uidvalidity()
        self._add_superiors(account, name)
        return moved

    def next_uidvalidity(self) -> int:
        """Greater than any that was given."""
        self._uidvalidity += 1
        return self._uidvalidity

    # ------------------------------------------------------------ rights and annotations

    def set_rights(self, mailbox: Mailbox, identifier: str, rights: Iterable[str] | None, mode: FlagMode) -> None:
        """Change the rights of one identifier."""
        mailbox.acl = changed_rights(mailbox.acl, identifier, rights, mode)
        if mailbox.acl:
            self._shared[mailbox.id] = mailbox
        else:
            self._shared.pop(mailbox.id, None)

    def shared(self, scope: str, identifiers: Collection[str]) -> list[Mailbox]:
        """The mailboxes on which one of these has a right."""
        found = [
            mailbox for mailbox in self._shared.values()
            if mailbox.account.scope == scope and names_one_of(mailbox.acl, identifiers)
        ]  # fmt: skip
        return sorted(found, key=lambda mailbox: (mailbox.account.address, mailbox.name != INBOX, mailbox.name))

    def annotations(self, key: Key, mailbox: Mailbox | None) -> dict[str, bytes]:
        """What an account sees at a mailbox, or at the server."""
        if mailbox is None:
            own, all_ = self.account(key).annotations, self.scope(key.scope).accounts[ALL].annotations
            return all_ | own
        return mailbox.annotations.get(None, {}) | mailbox.annotations.get(key, {})

    def annotate(self, key: Key, mailbox: Mailbox | None, entries: Mapping[str, bytes | None]) -> None:
        """Change annotations."""
        own = self.account(key)
        for name, value in entries.items():
            if mailbox is not None:
                kept = mailbox.annotations.setdefault(None if name.startswith(SHARED) else key, {})
            else:
                kept = (self.scope(key.scope).accounts[ALL] if name.startswith(SHARED) else own).annotations
            if value is None:
                kept.pop(name, None)
            else:
                kept[name] = value

    def _add(self, account: Account, name: str, *, selectable: bool) -> Mailbox:
        self._last_id += 1
        mailbox = Mailbox(self._last_id, account.key, name, self.next_uidvalidity(), selectable)
        above = account.mailboxes.get(name.rpartition("/")[0])
        if above is not None and above.acl:
            mailbox.acl = above.acl
            self._shared[mailbox.id] = mailbox
        self._mailboxes[mailbox.id] = account.mailboxes[name] = mailbox
        return mailbox

    def _add_superiors(self, account: Account, name: str) -> None:
        for superior in superiors(name):
            if superior not in account.mailboxes:
                self._add(account, superior, selectable=False)

    def _drop(self, mailbox: Mailbox) -> None:
        mailbox.die()
        self._shared.pop(mailbox.id, None)
        del self._mailboxes[mailbox.id]

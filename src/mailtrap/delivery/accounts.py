"""Whose mailbox an address is, and who may log in.

Look-ups go from a scope to its parents. An account found in a parent is *forked* at its first use in the child: the
child's own begins as a copy of it. So what a session fixture made is there in every test, and what a test does to
it, no other test sees.
"""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from .. import clock
from ..message.address import Address
from ..scopes import Scope, Scopes
from ..store.base import Store
from ..store.rows import ALL, AccountRow, Key, MailboxRow


@dataclass(frozen=True, slots=True)
class Login:
    """Somebody who has authenticated: the scope and the account that are theirs."""

    scope: Scope
    key: Key
    user: str


class Directory:
    """The accounts of one server, over all its scopes. Its methods ask the store."""

    def __init__(self, store: Store, scopes: Scopes) -> None:
        self._store = store
        self._scopes = scopes
        self._tokens: dict[str, tuple[Key, float]] = {}  # OAuth token to whose it is, and until when
        self._own: set[Key] = set()  # keys known to be settled in their scope: no parent needs to be asked

    def scope_of(self, address: str, current: Scope) -> Scope:
        """The scope that the address's domain names, or the current one."""
        return self._scopes.by_domain(Address(address).domain) or current

    def find(self, scope: Scope, address: Address) -> AccountRow | None:
        """The account of an address, in the scope or the nearest parent that has it."""
        for ancestor in scope.lineage():
            if (row := self._store.account(Key(ancestor.name, address.account))) is not None:
                return row
        return None

    def claim(self, scope: Scope, address: Address) -> Key:
        """The key of the scope's own account of an address, forked from a parent's where there is one.

        The account itself need not exist: a delivery or ``open_account`` makes it.
        """
        key = Key(scope.name, address.account)
        if scope.parent is None or key in self._own or key.address == ALL:
            return key
        row = self.find(scope, address)
        if row is not None and row.key != key:
            self._store.fork_account(row.key, key)
        if row is not None:
            self._own.add(key)
        return key

    def shared(self, scope: Scope, identifiers: Collection[str]) -> Sequence[MailboxRow]:
        """The mailboxes of the scope's accounts on which one of these identifiers has a right (``Store.shared``).

        What is shared in a parent is forked, as whatever is used in the child.
        """
        for ancestor in scope.lineage():
            if ancestor is not scope:
                for row in self._store.shared(ancestor.name, identifiers):
                    self.claim(scope, Address(row.account.address))
        return self._store.shared(scope.name, identifiers)

    def open_account(self, scope: Scope, address: Address) -> Key:
        """As ``claim``, and the account is there afterwards."""
        key = self.claim(scope, address)
        if key.address != ALL:
            self._store.put_account(key, declared=False)
        return key

    def forget(self, scope: Scope) -> None:
        """The scope's accounts were removed: ask the parents again."""
        self._own = {key for key in self._own if key.scope != scope.name}

    def accepts(self, scope: Scope, address: Address) -> bool:
        """Whether strict routing takes mail for this address: declared accounts, and the postmaster of the server
        itself and of its local domains (RFC 5321, 4.5.1).
        """
        if address.local.lower() == "postmaster" and address.domain in ("", *scope.live.local_domains):
            return True
        row = self.find(scope, address)
        return row is not None and row.declared and row.key.address != ALL

    # ------------------------------------------------------------ logging in

    def password(self, user: str, current: Scope) -> str | None:
        """The password that a mechanism needs to know (CRAM, SCRAM, APOP); None where none is known."""
        scope = self.scope_of(user, current)
        row = self.find(scope, Address(user))
        if row is not None and row.password is not None:
            return row.password
        return scope.live.default_password

    def knows_passwords(self, current: Scope) -> bool:
        """Whether every account has a password, so that mechanisms which need one may be offered."""
        if current.live.default_password is not None:
            return True
        known = False
        for scope in current.lineage():
            if (here := self._store.passwords(scope.name)) is False:
                return False
            known = known or here is True
        return known

    def check(self, user: str, password: str, current: Scope) -> bool:
        """Whether this user may come in with this password. Compared in clear: this is a server for tests.

        An account with a password accepts only that; one without accepts any. With strict routing only declared
        accounts may log in.
        """
        scope = self.scope_of(user, current)
        address = Address(user)
        row = self.find(scope, address)
        expected = scope.live.default_password if row is None or row.password is None else row.password
        if expected is not None and expected != password:
            return False
        return self._may_log_in(scope, address, row)

    def admits(self, user: str, current: Scope) -> bool:
        """Whether this user may come in where somebody else vouches for him: a certificate."""
        scope = self.scope_of(user, current)
        address = Address(user)
        return self._may_log_in(scope, address, self.find(scope, address))

    @staticmethod
    def _may_log_in(scope: Scope, address: Address, row: AccountRow | None) -> bool:
        if address.account == ALL:
            return True
        return bool(address.account) and (scope.live.routing == "open" or (row is not None and row.declared))

    def login(self, user: str, current: Scope) -> Login:
        """Let a user in whose credentials were checked: the account is there afterwards."""
        scope = self.scope_of(user, current)
        return Login(scope, self.open_account(scope, Address(user)), user)

    def authenticate(self, user: str, password: str, current: Scope) -> Login | None:
        """``check``, then ``login``; None for wrong credentials."""
        return self.login(user, current) if self.check(user, password, current) else None

    # ------------------------------------------------------------ OAuth tokens

    def issue_token(self, scope: Scope, user: str, expires_in: float) -> str:
        """A token for XOAUTH2 and OAUTHBEARER, valid for so many seconds."""
        token = secrets.token_urlsafe(24)
        owner = Key(self.scope_of(user, scope).name, Address(user).account)
        self._tokens[token] = (owner, clock.now() + expires_in)
        return token

    def check_token(self, user: str, token: str, current: Scope) -> bool:
        """Whether the token lets this user in now.

        A token that was issued holds for its user and its time. Where none was issued for the user, it is compared
        as a password is.
        """
        owner = Key(self.scope_of(user, current).name, Address(user).account)
        if (issued := self._tokens.get(token)) is not None:
            return issued[0] == owner and clock.now() < issued[1]
        if any(key == owner for key, _ in list(self._tokens.values())):
            return False
        return self.check(user, token, current)

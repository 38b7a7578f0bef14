"""The store of a server elsewhere, as far as messages, mailboxes and accounts of the public interface ask a store.

It has the methods of ``store.base.Store`` that they use, with the same meaning and errors. Bytes never change, so they
are kept here, as far as room goes.
"""

import base64
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from threading import Lock
from typing import Any, Final

from ..errors import NoSuchAccount, StoreError
from ..message.facts import Facts, compute
from ..store.directory import canonical
from ..store.rows import (
    INBOX,
    AccountRow,
    CopyRow,
    Delivery,
    FlagMode,
    Key,
    MailboxRow,
    MessageRow,
    Placed,
    Receipt,
    Status,
    Tally,
    Usage,
)
from . import forms
from .client import Client

PAGE: Final = 500  # messages asked for at once
FEW: Final = 50  # UIDs that are named in an address; with more, all copies are asked for
KEPT: Final = 64 * 1024 * 1024  # octets of messages that are kept here


class RemoteStore:
    """What the server keeps, asked for each time."""

    blocking = True

    def __init__(self, client: Client) -> None:
        self._client = client
        client.on_restart = self._forget
        self._lock = Lock()
        self._ids: dict[int, str] = {}
        self._bytes: OrderedDict[int, bytes] = OrderedDict()
        self._room = KEPT

    # ------------------------------------------------------------ messages

    def mark(self) -> tuple[str, int]:
        """The life of the store, and the ``seq`` of its newest commit."""
        life, _, seq = self._client.json("GET", "/mark")["mark"].rpartition(":")
        return life, int(seq)

    def life(self) -> str:
        """What tells one life of the store from another."""
        return self.mark()[0]

    def head(self) -> int:
        """The ``seq`` of the newest commit."""
        return self.mark()[1]

    def messages(
        self, scope: str | None = None, *, after: int = 0, before: int | None = None, limit: int | None = None,
        newest_first: bool = False, submitted: bool = False, skip: int = 0, query: str = "",
    ) -> Sequence[MessageRow]:  # fmt: skip
        """Messages with ``after < seq < before`` that a query fits.

        Raises:
            ServerRestarted: the store began anew since it was last asked.
        """
        found: list[MessageRow] = []
        while limit is None or len(found) < limit:
            number = PAGE if limit is None else min(PAGE, limit - len(found))
            page = self._page(
                scope="*" if scope is None else scope, after=after, before=before, limit=number,
                order="newest" if newest_first else "oldest", query=query, submitted=submitted or None, skip=skip,
            )  # fmt: skip
            skip = 0  # of the first page alone
            found += [self._row(described) for described in page]
            if len(page) < number:
                break
            if newest_first:
                before = page[-1]["seq"]
            else:
                after = page[-1]["seq"]
        return found

    def _page(self, **query: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._client.json("GET", "/messages", {"as": "whole", **query})["messages"]
        return found

    def _forget(self) -> None:
        """The server began anew."""
        with self._lock:
            self._ids.clear()
            self._bytes.clear()
            self._room = KEPT

    def _row(self, described: dict[str, Any]) -> MessageRow:
        row = forms.RemoteRow(described, self._client)
        with self._lock:
            self._ids[row.seq] = row.id
        if (raw := forms.raw(described)) is not None:
            self._keep(row.seq, raw)
        return row

    def _keep(self, seq: int, raw: bytes) -> None:
        with self._lock:
            if len(raw) > KEPT or seq in self._bytes:
                return
            self._bytes[seq] = raw
            self._room -= len(raw)
            while self._room < 0:
                self._room += len(self._bytes.popitem(last=False)[1])

    def tally(self, scope: str | None = None) -> Tally:
        """The counts of one scope, or of all."""
        found = self._client.json("GET", "/scopes")
        tallies = [
            Tally(*(described[name] for name in Tally._fields))
            for described in found
            if scope is None or described["name"] == scope
        ]
        return sum(tallies, Tally())

    def message(self, seq: int) -> MessageRow | None:
        """One message; None when there is none."""
        return next(iter(self.messages(after=seq - 1, before=seq + 1)), None)

    def message_by_id(self, id: str) -> MessageRow | None:  # noqa: A002
        """One message by its public id; None when there is none."""
        if not id.isalnum():
            return None
        try:
            return self._row(self._client.json("GET", f"/messages/{id}", {"as": "whole"}))
        except StoreError:
            return None

    def raw(self, seq: int) -> bytes:
        """The exact bytes of a message; ``StoreError`` when it is gone."""
        with self._lock:
            kept, id_ = self._bytes.get(seq), self._ids.get(seq)
        if kept is not None:
            return kept
        if id_ is None:
            row = self.message(seq)
            if row is None:
                raise StoreError(f"message {seq} is gone")
            id_ = row.id
        raw = self._client.raw("GET", f"/messages/{id_}/raw")
        self._keep(seq, raw)
        return raw

    def facts(self, seqs: Sequence[int], kinds: Collection[str]) -> Sequence[Facts | None]:
        """What is computed from the bytes of each message, here; None for a message that is gone."""
        return [self._facts(seq, kinds) for seq in seqs]

    def _facts(self, seq: int, kinds: Collection[str]) -> Facts | None:
        facts = Facts()
        try:
            compute(facts, self.raw(seq), kinds)
        except StoreError:
            return None
        return facts

    def remove(self, seqs: Collection[int]) -> int:
        """Take messages and their copies away; how many there were."""
        ids = [id_ for seq in seqs if (id_ := self._ids.get(seq)) is not None]
        return int(self._client.json("DELETE", "/messages", body={"ids": ids})["deleted"])

    def remove_all(self, scope: str | None = None, *, submitted: bool = False) -> int:
        """Take all messages away, of one scope or of all, or those that were submitted; how many there were."""
        query = {"scope": "*" if scope is None else scope}
        return int(self._client.json("DELETE", "/messages", query, {"submitted": submitted})["deleted"])

    def copies_of(self, seq: int) -> Sequence[tuple[MailboxRow, CopyRow]]:
        """The copies of a message now."""
        if (id_ := self._ids.get(seq)) is None:
            return []
        try:
            found = self._client.json("GET", f"/messages/{id_}/copies")
        except StoreError:
            return []  # it was cleared
        return [(forms.mailbox(copy["mailbox"]), forms.copy(copy, self._client)) for copy in found]

    # ------------------------------------------------------------ accounts and mailboxes

    def put_account(
        self, key: Key, *, password: str | None = None, quota: int | None = None, message_quota: int | None = None,
        declared: bool = True,
    ) -> AccountRow:  # fmt: skip
        """Declare an account."""
        body = {"address": key.address, "password": password, "quota": quota, "message_quota": message_quota,
                "open": not declared}  # fmt: skip
        return _account(self._client.json("POST", "/accounts", {"scope": key.scope}, body))

    def set_quota(self, key: Key, quota: int | None, message_quota: int | None) -> AccountRow:
        """Give an account these quotas."""
        body = {"quota": quota, "message_quota": message_quota}
        return _account(self._client.json("PATCH", f"/accounts/{key.address}", {"scope": key.scope}, body))

    def used(self, key: Key) -> Usage:
        """What an account keeps."""
        used = self._client.json("GET", f"/accounts/{key.address}", {"scope": key.scope})["used"]
        return Usage(used["octets"], used["messages"])

    def account(self, key: Key) -> AccountRow | None:
        """One account; None when there is none."""
        try:
            return _account(self._client.json("GET", f"/accounts/{key.address}", {"scope": key.scope}))
        except NoSuchAccount:
            return None

    def remove_account(self, key: Key) -> None:
        """Take an account and its mailboxes away."""
        self._client.json("DELETE", f"/accounts/{key.address}", {"scope": key.scope})

    def mailboxes(self, key: Key) -> Sequence[MailboxRow]:
        """An account's mailboxes, INBOX first."""
        found = self._client.json("GET", f"/accounts/{key.address}", {"scope": key.scope})
        return [forms.mailbox(described) for described in found["mailboxes"]]

    def mailbox(self, key: Key, name: str) -> MailboxRow | None:
        """One mailbox by name."""
        try:
            return next((row for row in self.mailboxes(key) if row.name == canonical(name)), None)
        except NoSuchAccount:
            return None

    def mailbox_row(self, mailbox: int) -> MailboxRow:
        """One mailbox by its number."""
        return forms.mailbox(self._client.json("GET", f"/mailboxes/{mailbox}"))

    def status(self, mailbox: int) -> Status:
        """A mailbox's counts."""
        return forms.status(self._client.json("GET", f"/mailboxes/{mailbox}"))

    def subscribe(self, key: Key, name: str, on: bool = True) -> None:
        """Note that a name is subscribed to."""
        body = {"account": key.address, "name": name, "subscribed": on}
        self._client.json("POST", "/subscriptions", {"scope": key.scope}, body)

    def subscriptions(self, key: Key) -> Sequence[str]:
        """The names subscribed to, sorted."""
        query = {"scope": key.scope, "account": key.address}
        found: list[str] = self._client.json("GET", "/subscriptions", query)
        return found

    def create_mailbox(self, key: Key, name: str, *, special_use: Iterable[str] = ()) -> MailboxRow:
        """Make a mailbox. Nobody is subscribed to it yet."""
        body = {"account": key.address, "name": name, "special_use": next(iter(special_use), None),
                "subscribed": False}  # fmt: skip
        return forms.mailbox(self._client.json("POST", "/mailboxes", {"scope": key.scope}, body))

    def delete_mailbox(self, mailbox: int) -> None:
        """Take a mailbox and its copies away."""
        self._client.json("DELETE", f"/mailboxes/{mailbox}")

    def rename_mailbox(self, mailbox: int, name: str) -> None:
        """Rename a mailbox with its children."""
        self._client.json("PATCH", f"/mailboxes/{mailbox}", body={"name": name})

    def set_rights(
        self, mailbox: int, identifier: str, rights: Iterable[str] | None, mode: FlagMode = "replace"
    ) -> MailboxRow:
        """Give an identifier rights on a mailbox; None takes it out of the list."""
        assert mode == "replace"  # all that the interface asks for
        body = {"who": identifier, "rights": None if rights is None else "".join(rights)}
        return forms.mailbox(self._client.json("POST", f"/mailboxes/{mailbox}/rights", body=body))

    def annotations(self, key: Key, mailboxes: Sequence[int | None]) -> Sequence[Mapping[str, bytes]]:
        """The annotations of mailboxes, or of the server, as an account sees them."""
        return [
            forms.annotations(self._client.json("GET", *_annotated(key, mailbox))) for mailbox in mailboxes
        ]  # fmt: skip

    def annotate(self, key: Key, mailbox: int | None, entries: Mapping[str, bytes | None]) -> None:
        """Change annotations of a mailbox, or of the server."""
        body = {name: None if value is None else base64.b64encode(value).decode("ascii")
                for name, value in entries.items()}  # fmt: skip
        self._client.json("POST", *_annotated(key, mailbox), body)

    def renumber(self, mailbox: int) -> int:
        """Give a mailbox a new UIDVALIDITY."""
        return int(self._change(mailbox, "renumber", {})["uidvalidity"])

    # ------------------------------------------------------------ copies

    def deliver(self, delivery: Delivery) -> Receipt:
        """Put one message into one mailbox, as APPEND does."""
        (target,) = delivery.targets
        row = self.mailbox(target.account, target.mailbox or INBOX)
        if row is None:
            raise StoreError(f"{target.account.address} has no mailbox {target.mailbox!r}")
        query = [
            *(("flag", flag) for flag in sorted(target.flags)),
            ("internal_date", forms.moment(target.internal_date)),
        ]
        made = self._client.json("POST", f"/mailboxes/{row.id}/copies", query, delivery.raw)
        copy = forms.copy(made, self._client)
        placed = Placed(row.id, row.uidvalidity, copy.uid)
        return Receipt(copy.message.seq, copy.message.received_at, (placed,), copy.message)

    def copies(self, mailbox: int, uids: Iterable[int] | None = None) -> Sequence[CopyRow]:
        """Copies, ascending by UID; None: all."""
        wanted = None if uids is None else set(uids)
        if wanted is not None and not wanted:
            return []
        named = [("uid", uid) for uid in sorted(wanted)] if wanted is not None and len(wanted) <= FEW else []
        found = [
            forms.copy(copy, self._client) for copy in self._client.json("GET", f"/mailboxes/{mailbox}/copies", named)
        ]
        with self._lock:
            self._ids.update((row.message.seq, row.message.id) for row in found)
        return [row for row in found if wanted is None or row.uid in wanted]

    def marks(self, mailbox: int) -> tuple[frozenset[str], int]:
        """The flags and keywords that some copy has, and the lowest UID without ``\\Seen``; 0 where there is none."""
        copies = self.copies(mailbox)
        unseen = next((copy.uid for copy in copies if "\\Seen" not in copy.flags), 0)
        return frozenset[str]().union(*(copy.flags for copy in copies)), unseen

    def set_flags(
        self, mailbox: int, uids: Iterable[int], flags: Iterable[str], mode: FlagMode
    ) -> tuple[Sequence[CopyRow], Sequence[int]]:
        """Change flags: one command, one MODSEQ."""
        body = {"uids": sorted(set(uids)), "flags": list(flags), "mode": mode}
        return [forms.copy(copy, self._client) for copy in self._change(mailbox, "flags", body)], []

    def copy(self, mailbox: int, uids: Iterable[int], target: int) -> Sequence[tuple[int, int]]:
        """Copy to another mailbox of the same account; pairs of old and new UID."""
        return self._elsewhere(mailbox, "copy", uids, target)

    def move(self, mailbox: int, uids: Iterable[int], target: int) -> Sequence[tuple[int, int]]:
        """Move to another mailbox of the same account; pairs of old and new UID."""
        return self._elsewhere(mailbox, "move", uids, target)

    def _elsewhere(self, mailbox: int, change: str, uids: Iterable[int], target: int) -> list[tuple[int, int]]:
        body = {"uids": sorted(set(uids)), "to": self.mailbox_row(target).name}
        return [(old, new) for old, new in self._change(mailbox, change, body)["uids"]]

    def expunge(self, mailbox: int, uids: Iterable[int]) -> Sequence[int]:
        """Take copies away, whatever their flags."""
        wanted = sorted(set(uids))
        self._change(mailbox, "expunge", {"uids": wanted})
        return wanted

    def _change(self, mailbox: int, change: str, body: dict[str, Any]) -> Any:
        return self._client.json("POST", f"/mailboxes/{mailbox}/{change}", body=body)


def _account(described: dict[str, Any]) -> AccountRow:
    return AccountRow(
        Key(described["scope"], described["address"]), described["password"], True, described["quota"],
        described["message_quota"],
    )  # fmt: skip


def _annotated(key: Key, mailbox: int | None) -> tuple[str, dict[str, str]]:
    """Where annotations are, and the query."""
    if mailbox is None:
        return "/annotations", {"scope": key.scope, "account": key.address}
    return f"/mailboxes/{mailbox}/annotations", {}

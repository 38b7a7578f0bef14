"""What the tests of the contract share."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ... import clock
from ...message.address import Address
from ...message.envelope import Envelope
from ..base import Store
from ..rows import ALL, INBOX, CopyRow, Delivery, Hint, Key, Receipt, Target

BOB = Key("s", "bob@example.com")
EVE = Key("s", "eve@example.com")
EVERYTHING = range(1, 2**63)
PATIENCE = 30.0  # seconds until a test that waits is stuck


def mail(number: int = 0, size: int = 0) -> bytes:
    """A small message."""
    head = b"From: a@example.com\r\nTo: bob@example.com\r\nSubject: Number %d\r\n\r\n" % number
    return head + b"x" * size + b"\r\n"


def delivery(*targets: Target | Key, raw: bytes | None = None, scope: str = "s", **given: Any) -> Delivery:
    """A delivery with what a test does not care about filled in."""
    envelope = Envelope(Address("a@example.com"), [Address("bob@example.com")])
    places = [target if isinstance(target, Target) else Target(target) for target in targets]
    return Delivery(scope, given.pop("origin", "smtp"), mail() if raw is None else raw, envelope, places, **given)


def uids(copies: Iterable[CopyRow]) -> list[int]:
    """Their UIDs."""
    return [copy.uid for copy in copies]


def run_together(*functions: Callable[[], None]) -> None:
    """Run each in a thread of its own; raise the first error."""
    errors: list[BaseException] = []
    barrier = threading.Barrier(len(functions))

    def run(function: Callable[[], None]) -> None:
        try:
            barrier.wait(PATIENCE)
            function()
        except BaseException as error:  # noqa: BLE001  raised below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(function,), daemon=True) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "a thread is stuck"
    if errors:
        raise errors[0]


def submit(store: Store, batch: Sequence[Delivery]) -> Sequence[Receipt]:
    """Submit and wait."""
    answers: list[tuple[Sequence[Receipt] | None, BaseException | None]] = []
    called = threading.Event()

    def done(receipts: Sequence[Receipt] | None, error: BaseException | None) -> None:
        answers.append((receipts, error))
        called.set()

    store.submit(batch, done)
    assert called.wait(PATIENCE)
    receipts, error = answers[0]
    if error is not None:
        raise error
    assert receipts is not None
    return receipts


class Inbox:
    """Bob's INBOX with some messages in it."""

    def __init__(self, store: Store, messages: int = 0, name: str = INBOX, key: Key = BOB) -> None:
        self.store = store
        for number in range(messages):
            store.deliver(delivery(Target(key, name), raw=mail(number + 1)))
        if store.account(key) is None:
            store.put_account(key)
        row = store.mailbox(key, name) or store.create_mailbox(key, name)
        self.id = row.id

    @property
    def modseq(self) -> int:
        return self.store.mailbox_row(self.id).highestmodseq

    @property
    def uids(self) -> list[int]:
        return list(self.store.snapshot(self.id).uids)

    def flags(self) -> dict[int, frozenset[str]]:
        return {copy.uid: copy.flags for copy in self.store.copies(self.id)}

    def subjects(self) -> list[int]:
        """The numbers of the messages, in the order of their copies."""
        raws = [self.store.raw(copy.message.seq) for copy in self.store.copies(self.id)]
        return [int(raw.partition(b"Number ")[2].split(b"\r\n")[0]) for raw in raws]


class Contract:
    """The hook that says how a store is made, and what tests ask often."""

    examples = 60
    servers = 1  # stores on the same mail that the model is compared with

    def make(self, path: Path) -> Store:
        """A store; ``path`` is a folder of its own, which may have to be made."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        store = self.make(tmp_path)
        yield store
        store.close()

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what another thread does soon."""
        end = clock.monotonic() + PATIENCE
        while not condition():
            assert clock.monotonic() < end, "it does not come"
            clock.sleep(0.001)

    def settle(self, store: Store) -> None:
        """Wait until hints of what was done before have been told."""
        told = threading.Event()
        key = Key("settle", "settle@example.com")
        account = store.put_account(key)
        row = store.mailbox(account.key, INBOX)
        assert row is not None

        def subscriber(hint: Hint) -> None:
            if row.id in hint.mailboxes:
                told.set()

        end = store.subscribe_hints(subscriber)
        store.deliver(delivery(key, scope="settle"))
        assert told.wait(PATIENCE)
        end()

    def everything(self, store: Store, scope: str = "s") -> Sequence[CopyRow]:
        """The copies in ``all``."""
        row = store.mailbox(Key(scope, ALL), INBOX)
        assert row is not None
        return store.copies(row.id)

    def state(self, store: Store, scope: str = "s") -> Any:
        """All that can be asked of a scope, to be compared."""
        accounts = [store.account(Key(scope, ALL)), *store.accounts(scope)]
        return (
            store.head(),
            [(row.seq, row.id, row.envelope, store.raw(row.seq)) for row in store.messages()],
            [
                (
                    account,
                    list(store.subscriptions(account.key)),
                    store.annotations(account.key, [None, *(row.id for row in store.mailboxes(account.key))]),
                    [
                        (
                            row,
                            store.status(row.id),
                            store.take_recent(row.id, peek=True),
                            [
                                (copy.uid, copy.message.seq, copy.flags, copy.modseq, copy.internal_date,
                                 copy.save_date, copy.prefix)
                                for copy in store.copies(row.id)
                            ],
                        )
                        for row in store.mailboxes(account.key)
                    ],
                )
                for account in accounts
                if account is not None
            ],
        )  # fmt: skip

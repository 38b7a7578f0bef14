"""What several stores on one must do, each as if it belonged to another server."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from ...errors import NoSuchMailbox, OverQuota
from ..base import Store
from ..rows import INBOX, Hint, Key, Target
from .common import BOB, EVE, EVERYTHING, PATIENCE, Contract, Inbox, delivery, mail, run_together, uids

Pair = tuple[Store, Store]


class Shared(Contract):
    """``make`` with the path of a store that is open opens another on the same mail."""

    @pytest.fixture
    def pair(self, tmp_path: Path) -> Iterator[Pair]:
        pair = self.make(tmp_path / "shared"), self.make(tmp_path / "shared")
        yield pair
        for store in pair:
            store.close()

    def test_what_one_does_the_other_sees(self, pair: Pair) -> None:
        one, other = pair
        assert one.life() == other.life()
        box = Inbox(one, 3)
        assert [row.seq for row in other.messages("s")] == [1, 2, 3]
        assert other.mailboxes(BOB) == one.mailboxes(BOB)
        assert other.raw(2) == one.raw(2)
        assert other.facts([2], ["headers"])[0] is not None
        other.set_flags(box.id, [2], ["\\Seen"], "add")
        other.expunge(box.id, [3])
        assert box.flags() == {1: frozenset(), 2: {"\\Seen"}}
        one.remove([2])
        assert other.message(2) is None
        assert list(other.facts([2], ["headers"])) == [None]
        assert uids(other.copies(box.id)) == [1]
        assert one.tally("s") == other.tally("s")
        assert other.deliver(delivery(BOB)).seq == 4
        assert one.deliver(delivery(BOB)).placed[0].uid == 5

    def test_a_hint_reaches_the_other(self, pair: Pair) -> None:
        one, other = pair
        box = Inbox(one)
        made = one.create_mailbox(BOB, "Work")
        hints: list[Hint] = []
        other.subscribe_hints(hints.append)

        def told(mailbox: int, modseq: int, seq: int) -> bool:
            return any(hint.mailboxes.get(mailbox) == modseq and hint.seq == seq for hint in hints)

        one.deliver(delivery(BOB))
        self.until(lambda: told(box.id, 2, 1))
        one.set_flags(box.id, [1], ["\\Seen"], "add")
        self.until(lambda: told(box.id, 3, 1))
        one.delete_mailbox(made.id)
        self.until(lambda: any(made.id in hint.mailboxes for hint in hints))
        with pytest.raises(NoSuchMailbox):
            other.mailbox_row(made.id)
        one.put_account(EVE)
        self.until(lambda: any(EVE in hint.accounts for hint in hints))

    def test_a_hint_of_very_many_mailboxes_reaches_the_other(self, pair: Pair) -> None:
        one, other = pair
        told: set[int] = set()
        accounts: set[Key] = set()

        def subscriber(hint: Hint) -> None:
            told.update(hint.mailboxes)
            accounts.update(hint.accounts)

        other.subscribe_hints(subscriber)
        keys = [Key("s", f"{'very-' * 10}long-{number}@example.com") for number in range(400)]
        receipt = one.deliver(delivery(*keys))
        self.until(lambda: told >= {place.mailbox for place in receipt.placed} and accounts >= set(keys))

    def test_a_follower_of_all_misses_nothing(self, pair: Pair) -> None:
        one, other = pair
        woken = threading.Event()
        other.subscribe_hints(lambda _: woken.set())
        seen: list[int] = []
        total = 160

        def follow() -> None:
            while len(seen) < total:
                assert woken.wait(PATIENCE)
                woken.clear()
                seen.extend(row.seq for row in other.messages("s", after=seen[-1] if seen else 0))

        def deliver(store: Store) -> None:
            for _ in range(total // 8):
                store.deliver(delivery(BOB))

        run_together(follow, *[partial(deliver, store) for store in pair for _ in range(4)])
        assert seen == list(range(1, total + 1))
        assert Inbox(one).uids == seen

    def test_opposite_orders_do_not_deadlock_over_all(self, pair: Pair) -> None:
        one, other = pair
        bob, eve = Inbox(one, 10), Inbox(one, 10, key=EVE)
        here, there = Inbox(other), Inbox(other, key=EVE)

        def deliver(store: Store, *targets: Key) -> Callable[[], None]:
            def run() -> None:
                for number in range(15):
                    store.deliver(delivery(*targets, Target(targets[0], f"New {number}")))

            return run

        def move(source: Inbox, target: Inbox) -> Callable[[], None]:
            def run() -> None:
                for _ in range(15):
                    source.store.move(source.id, source.uids[:3], target.id)

            return run

        def rename(store: Store, key: Key, above: str) -> Callable[[], None]:
            def run() -> None:
                for number in range(10):
                    row = store.create_mailbox(key, f"{above}/{number}/below")
                    store.rename_mailbox(row.id, f"Other/{above}/{number}")

            return run

        run_together(
            deliver(one, BOB, EVE), deliver(other, EVE, BOB), move(bob, eve), move(there, here), rename(one, BOB, "a"),
            rename(other, BOB, "b"), rename(other, EVE, "a"),
        )  # fmt: skip
        assert len(bob.uids) + len(eve.uids) == 20 + 2 * 15 * 2
        assert one.head() == 50
        for key in (BOB, EVE):
            assert [row.uidnext for row in one.mailboxes(key) if row.name.startswith("New")] == [2] * 15

    def test_what_is_copied_and_removed_at_once_is_gone(self, pair: Pair) -> None:
        one, other = pair
        box = Inbox(one, 20)
        targets = [one.create_mailbox(BOB, f"To {number}").id for number in range(4)]

        def copy() -> None:
            for target in targets:
                other.copy(box.id, EVERYTHING, target)

        def remove() -> None:
            for seq in range(1, 21):
                assert one.remove([seq]) == 1

        run_together(copy, remove)
        for mailbox in (box.id, *targets):
            assert list(other.copies(mailbox)) == []
            assert one.status(mailbox).messages == one.status(mailbox).size == 0

    def test_all_is_removed_while_mail_comes_and_is_copied(self, pair: Pair) -> None:
        one, other = pair
        box = Inbox(one, 20)
        targets = [one.create_mailbox(BOB, f"To {number}").id for number in range(4)]
        removed: list[int] = []

        def copy() -> None:
            for target in targets:
                other.copy(box.id, EVERYTHING, target)

        def remove() -> None:
            removed.extend(one.remove_all("s", submitted=number % 2 == 0) for number in range(4))

        def deliver() -> None:
            for _ in range(20):
                other.deliver(delivery(BOB, EVE))

        run_together(copy, remove, deliver)
        rows = one.messages()
        assert len(rows) + sum(removed) == 40
        tally = one.tally("s")
        assert (tally.messages, tally.octets, tally.unread) == (len(rows), sum(row.size for row in rows), len(rows))
        there = {row.seq for row in rows}
        for mailbox in (box.id, *targets):
            copies = other.copies(mailbox)
            assert {copy.message.seq for copy in copies} <= there
            assert one.status(mailbox).messages == one.status(mailbox).unseen == len(copies)
        removed.append(one.remove_all())
        assert sum(removed) == 40
        assert [one.status(mailbox).messages for mailbox in (box.id, *targets)] == [0] * 5

    def test_the_same_account_is_made_once(self, pair: Pair) -> None:
        def deliver(store: Store, key: Key) -> None:
            store.deliver(delivery(Target(key, "Work/Now")))

        for number in range(8):
            key = Key("s", f"new-{number}@example.com")
            run_together(*[partial(deliver, store, key) for store in (*pair, *pair)])
            for store in pair:
                assert [row.name for row in store.mailboxes(key)] == [INBOX, "Work", "Work/Now"]
            row = pair[0].mailbox(key, "Work/Now")
            assert row is not None
            assert row.uidnext == 5
        assert len(pair[1].accounts("s")) == 8
        assert pair[0].head() == 32

    def test_uidvalidities_rise_over_all(self, pair: Pair) -> None:
        pair[0].put_account(BOB)
        given = [
            store.create_mailbox(BOB, f"{turn}-{at}").uidvalidity for turn in "abc" for at, store in enumerate(pair)
        ]
        assert given == sorted(set(given))

    def test_a_quota_holds_over_all(self, pair: Pair) -> None:
        pair[0].put_account(BOB, message_quota=20)
        refused: list[bool] = []

        def deliver(store: Store, name: str) -> None:
            for number in range(15):
                try:
                    store.deliver(delivery(Target(BOB, name), raw=mail(number)))
                except OverQuota:
                    refused.append(True)

        run_together(*[partial(deliver, store, name) for store in pair for name in ("a", "b")])
        assert pair[1].used(BOB).messages == 20
        assert len(refused) == 40

    def test_the_lock_of_a_maildrop_is_for_all(self, pair: Pair) -> None:
        one, other = pair
        box = Inbox(one)
        assert one.lock_maildrop(box.id, "one")
        assert not other.lock_maildrop(box.id, "two")
        assert not other.lock_maildrop(box.id, "one")
        other.unlock_maildrop(box.id, "one")
        assert not other.lock_maildrop(box.id, "two")
        one.unlock_maildrop(box.id, "one")
        assert other.lock_maildrop(box.id, "two")
        assert not one.lock_maildrop(box.id, "one")
        other.close()
        self.until(lambda: one.lock_maildrop(box.id, "one"))

    def test_one_goes_on_when_the_other_closes(self, pair: Pair) -> None:
        one, other = pair
        told = threading.Event()
        one.subscribe_hints(lambda _: told.set())
        other.deliver(delivery(BOB))
        assert told.wait(PATIENCE)
        other.close()
        assert one.deliver(delivery(BOB)).seq == 2
        assert uids(one.copies(Inbox(one).id)) == [1, 2]

"""Deliveries, batches and hints."""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest

from ... import clock
from ...errors import NoSuchMailbox, NotAllowed, OverQuota
from ...message.address import Address
from ...message.envelope import Envelope
from ...transcript import Session
from ..base import Store
from ..rows import ALL, INBOX, Delivery, Hint, Key, Receipt, Target, same
from .common import BOB, EVE, EVERYTHING, PATIENCE, Contract, Inbox, delivery, mail, run_together, submit, uids


class Deliveries(Contract):
    """``submit`` and ``deliver``."""

    def test_a_delivery_is_kept_as_it_came(self, store: Store) -> None:
        raw = b"Subject: caf\xe9\n\nbare\nlines\r\n\x00\xff"
        session = Session("smtp", ("192.0.2.1", 25), "smtp", scope="s")
        envelope = Envelope(
            Address("A@EXAMPLE.com"), [Address("b@x"), Address("b@x")], {"SIZE": "7", "SMTPUTF8": None},
            [{"NOTIFY": "NEVER"}, {}],
        )  # fmt: skip
        receipt = store.deliver(Delivery("s", "lmtp", raw, envelope, [Target(BOB)], session, b"C hello\n"))
        row = store.message(receipt.seq)
        assert row is not None
        assert receipt.message == row
        assert (receipt.message.id, receipt.message.session) == (row.id, row.session)
        assert store.raw(receipt.seq) == raw
        assert (row.seq, row.id, row.scope, row.origin) == (1, receipt.id, "s", "lmtp")
        assert (row.size, row.served_size) == (len(raw), len(raw) + 3)
        assert row.envelope == envelope
        assert row.envelope.mail_from.original == "A@EXAMPLE.com"
        assert (row.transcript, row.received_at) == (b"C hello\n", receipt.received_at)
        assert row.session is session
        assert abs(receipt.received_at - clock.now()) < PATIENCE

    @pytest.mark.parametrize(
        "envelope",
        [
            Envelope(Address(""), []),
            Envelope(Address("ü@exämple.com"), [Address('"a b\\"c"@x'), Address("@", original="@a:@")]),
            Envelope(Address("\udcff@x"), [Address("a\0b@x")], {"X": "\udcff"}, [{"ORCPT": "rfc822;a+40b"}]),
        ],
    )
    def test_strange_envelopes_are_kept(self, store: Store, envelope: Envelope) -> None:
        receipt = store.deliver(Delivery("s", "smtp", b"", envelope))
        row = store.message(receipt.seq)
        assert row is not None
        assert row.envelope == envelope
        assert [r.original for r in row.envelope.recipients] == [r.original for r in envelope.recipients]
        assert store.raw(receipt.seq) == b""

    def test_strange_names_are_kept(self, store: Store) -> None:
        key = Key("s\0\udcff", "\udcff\0ü@x")
        store.deliver(delivery(Target(key, "\udcff ü\0", flags=frozenset({"\udcff", "a b"})), scope=key.scope))
        row = store.mailbox(key, "\udcff ü\0")
        assert row is not None
        assert store.copies(row.id)[0].flags == {"\udcff", "a b"}
        assert [account.key for account in store.accounts(key.scope)] == [key]
        assert [message.scope for message in store.messages(key.scope)] == [key.scope]

    def test_seq_is_gapless_over_scopes(self, store: Store) -> None:
        assert store.head() == 0
        for number, scope in enumerate(["s", "t", "s", "u"]):
            assert store.deliver(delivery(scope=scope)).seq == number + 1
            assert store.head() == number + 1
        assert [row.seq for row in store.messages()] == [1, 2, 3, 4]
        assert [row.seq for row in store.messages("s")] == [1, 3]

    def test_a_target_says_how_its_copy_begins(self, store: Store) -> None:
        prefix = b"Delivered-To: bob@example.com\r\n"
        target = Target(BOB, "Work", flags=frozenset({"\\seen", "work"}), internal_date=123.5, prefix=prefix)
        receipt = store.deliver(delivery(target, BOB))
        work, inbox = store.mailbox(BOB, "Work"), store.mailbox(BOB, INBOX)
        assert work is not None
        assert inbox is not None
        assert [place.mailbox for place in receipt.placed] == [work.id, inbox.id]
        assert [place.uidvalidity for place in receipt.placed] == [work.uidvalidity, inbox.uidvalidity]
        assert [place.uid for place in receipt.placed] == [1, 1]
        (copy,) = store.copies(work.id)
        assert (copy.flags, copy.internal_date, copy.prefix) == (frozenset({"\\Seen", "work"}), 123.5, prefix)
        assert (copy.size, copy.save_date) == (len(mail()) + len(prefix), receipt.received_at)
        (plain,) = store.copies(inbox.id)
        assert (plain.flags, plain.internal_date, plain.prefix) == (frozenset(), receipt.received_at, b"")
        assert same(plain.message, copy.message)
        assert store.raw(receipt.seq) == mail()

    def test_a_delivery_has_the_time_it_is_given(self, store: Store) -> None:
        receipt = store.deliver(delivery(BOB, received_at=1_000_000_000.25))
        assert receipt.received_at == 1_000_000_000.25
        row = store.message_by_id(receipt.id)
        assert row is not None
        assert row.received_at == 1_000_000_000.25
        (copy,) = store.copies(receipt.placed[0].mailbox)
        assert copy.internal_date > 1_700_000_000

    def test_two_copies_in_one_mailbox(self, store: Store) -> None:
        receipt = store.deliver(delivery(BOB, BOB))
        assert [place.uid for place in receipt.placed] == [1, 2]
        assert uids(copy for _, copy in store.copies_of(receipt.seq)) == [1, 2]
        first, second = store.copies(receipt.placed[0].mailbox)
        assert store.mailbox_row(receipt.placed[0].mailbox).highestmodseq == first.modseq == second.modseq

    def test_a_batch_is_one_commit(self, store: Store) -> None:
        box = Inbox(store)
        before = box.modseq
        hints: list[Hint] = []
        told = threading.Event()

        def subscriber(hint: Hint) -> None:
            hints.append(hint)
            told.set()

        store.subscribe_hints(subscriber)
        receipts = submit(store, [delivery(BOB, raw=mail(n)) for n in range(5)])
        assert [receipt.seq for receipt in receipts] == [1, 2, 3, 4, 5]
        assert {copy.modseq for copy in store.copies(box.id)} == {before + 1}
        assert box.modseq == before + 1
        assert told.wait(PATIENCE)
        assert hints[0].seq == 5
        assert hints[0].mailboxes[box.id] == before + 1

    def test_an_empty_batch(self, store: Store) -> None:
        assert list(submit(store, [])) == []
        assert store.head() == 0

    def test_a_batch_is_taken_wholly_or_not_at_all(self, store: Store) -> None:
        box = Inbox(store, 1)
        state = self.state(store)
        bad = [
            (NoSuchMailbox, delivery(Target(BOB, "Nowhere", create=False))),
            (NotAllowed, delivery(Key("s", ALL))),
            (NotAllowed, delivery(Target(BOB, "a//b"))),
            (NotAllowed, delivery(Target(BOB, ""))),
        ]
        for kind, last in bad:
            batch = [delivery(BOB), delivery(Target(EVE, "New/Name")), last]
            with pytest.raises(kind):
                submit(store, batch)
            assert self.state(store) == state
        receipt = store.deliver(delivery(BOB))
        assert (receipt.seq, receipt.placed[0].uid) == (2, 2)
        assert box.uids == [1, 2]

    def test_a_batch_may_make_what_it_uses_later(self, store: Store) -> None:
        receipts = submit(store, [delivery(Target(BOB, "New")), delivery(Target(BOB, "New", create=False))])
        assert [receipt.placed[0].uid for receipt in receipts] == [1, 2]

    def test_quota_counts_the_whole_batch(self, store: Store) -> None:
        raw = b"a\n" * 50  # 100 octets, 150 as served
        store.put_account(BOB, quota=400)
        store.deliver(delivery(BOB, raw=raw))
        assert store.used(BOB).octets == 150
        with pytest.raises(OverQuota):
            submit(store, [delivery(BOB, EVE, raw=raw), delivery(Target(BOB, "Other"), raw=raw)])
        assert store.used(BOB).octets == 150
        assert store.account(EVE) is None
        assert store.head() == 1
        store.deliver(delivery(BOB, raw=raw))
        assert store.used(BOB).octets == 300
        store.deliver(delivery(EVE, raw=b"x" * 10_000))

    def test_a_target_makes_account_mailbox_and_the_names_above(self, store: Store) -> None:
        store.deliver(delivery(Target(BOB, "inbox/a/b")))
        rows = store.mailboxes(BOB)
        assert [(row.name, row.selectable) for row in rows] == [(INBOX, True), ("INBOX/a", False), ("INBOX/a/b", True)]
        account = store.account(BOB)
        assert account is not None
        assert not account.declared
        receipt = store.deliver(delivery(Target(BOB, "INBOX/a")))
        assert store.mailbox_row(receipt.placed[0].mailbox).selectable

    def test_done_is_called_once(self, store: Store) -> None:
        calls: list[Any] = []
        called = threading.Event()

        def done(receipts: Sequence[Receipt] | None, error: BaseException | None) -> None:
            calls.append((receipts, error))
            called.set()

        store.submit([delivery(Key("s", ALL))], done)
        assert called.wait(PATIENCE)
        called.clear()
        store.submit([delivery(BOB)], done)
        assert called.wait(PATIENCE)
        (first, error), (receipts, nothing) = calls
        assert first is None
        assert isinstance(error, NotAllowed)
        assert [receipt.seq for receipt in receipts] == [1]
        assert nothing is None

    def test_a_done_may_use_the_store_and_may_fail(self, store: Store) -> None:
        reported: list[BaseException] = []
        heads: list[int] = []
        store.report = reported.append

        def done(receipts: Sequence[Receipt] | None, _: BaseException | None) -> None:
            heads.append(store.head())
            if receipts is not None and receipts[0].seq < 3:
                store.deliver(delivery(BOB))
                store.submit([delivery(BOB)], done)
            raise RuntimeError("done failed")

        store.submit([delivery(BOB)], done)
        self.until(lambda: len(reported) == 2)
        assert heads == [1, 3]
        assert store.head() == 3

    def test_sixteen_threads_lose_and_double_nothing(self, store: Store) -> None:
        each, threads = 20, 16
        receipts: list[Receipt] = []

        def deliver(worker: int) -> None:
            for number in range(each):
                target = BOB if number % 2 else EVE
                receipts.append(store.deliver(delivery(target, raw=mail(worker * each + number))))

        run_together(*[partial(deliver, worker) for worker in range(threads)])
        total = each * threads
        assert sorted(receipt.seq for receipt in receipts) == list(range(1, total + 1))
        assert [row.seq for row in store.messages("s")] == list(range(1, total + 1))
        numbers = []
        for key in (BOB, EVE):
            box = Inbox(store, key=key)
            assert box.uids == list(range(1, total // 2 + 1))
            seqs = [copy.message.seq for copy in store.copies(box.id)]
            assert seqs == sorted(seqs)
            numbers += box.subjects()
        assert sorted(numbers) == list(range(total))
        for receipt in receipts:
            ((row, copy),) = store.copies_of(receipt.seq)
            assert (row.id, copy.uid) == (receipt.placed[0].mailbox, receipt.placed[0].uid)

    def test_opposite_orders_do_not_deadlock(self, store: Store) -> None:
        bob, eve = Inbox(store, 10), Inbox(store, 10, key=EVE)

        def deliver(*targets: Key) -> Callable[[], None]:
            def run() -> None:
                for _ in range(15):
                    store.deliver(delivery(*targets))

            return run

        def move(source: Inbox, target: Inbox) -> Callable[[], None]:
            def run() -> None:
                for _ in range(15):
                    store.move(source.id, source.uids[:3], target.id)

            return run

        run_together(deliver(BOB, EVE), deliver(EVE, BOB), move(bob, eve), move(eve, bob))
        assert len(bob.uids) + len(eve.uids) == 20 + 2 * 15 * 2


class Hints(Contract):
    """``subscribe_hints``."""

    def test_a_follower_with_a_cursor_misses_nothing(self, store: Store) -> None:
        woken = threading.Event()
        store.subscribe_hints(lambda _: woken.set())
        seen: list[int] = []
        total = 120

        def follow() -> None:
            while len(seen) < total:
                assert woken.wait(PATIENCE)
                woken.clear()
                cursor = seen[-1] if seen else 0
                seen.extend(row.seq for row in store.messages("s", after=cursor))

        def deliver() -> None:
            for _ in range(total // 4):
                store.deliver(delivery(BOB))

        run_together(follow, *[deliver] * 4)
        assert seen == list(range(1, total + 1))

    def test_a_hint_comes_after_the_commit(self, store: Store) -> None:
        box = Inbox(store)
        seen: list[tuple[Hint, int, int]] = []
        store.subscribe_hints(lambda hint: seen.append((hint, store.head(), box.modseq)))
        store.deliver(delivery(BOB))
        store.set_flags(box.id, [1], ["\\Seen"], "add")
        store.expunge(box.id, [1])
        self.until(lambda: bool(seen) and seen[-1][0].mailboxes.get(box.id) == 4)
        for hint, head, modseq in seen:
            assert hint.seq <= head
            assert hint.mailboxes[box.id] <= modseq
        everything = store.mailbox(Key("s", ALL), INBOX)
        assert everything is not None
        assert any(everything.id in hint.mailboxes for hint, _, _ in seen)

    def test_what_changes_nothing_gives_no_hint(self, store: Store) -> None:
        box = Inbox(store, 1)
        store.set_flags(box.id, [1], ["\\Seen"], "add")
        hints: list[Hint] = []
        quiet = threading.Event()
        self.settle(store)

        def subscriber(hint: Hint) -> None:
            hints.append(hint)
            quiet.set()

        store.subscribe_hints(subscriber)
        store.set_flags(box.id, [1], ["\\Seen"], "add")
        store.set_flags(box.id, [], ["x"], "add")
        store.expunge(box.id, [7])
        store.move(box.id, [7], box.id)
        store.put_account(BOB, declared=False)
        store.remove([99])
        store.deliver(delivery(BOB))
        assert quiet.wait(PATIENCE)
        assert len(hints) == 1

    def test_a_deleted_mailbox_is_in_a_hint(self, store: Store) -> None:
        box = Inbox(store, name="Work")
        hints: list[Hint] = []
        self.settle(store)
        store.subscribe_hints(hints.append)
        store.delete_mailbox(box.id)
        self.until(lambda: any(box.id in hint.mailboxes for hint in hints))

    def test_every_mailbox_that_lost_copies_is_in_a_hint(self, store: Store) -> None:
        bob = Inbox(store, 2)
        store.deliver(delivery(EVE, scope="t"))
        eve = Inbox(store, key=EVE)
        hints: list[Hint] = []
        self.settle(store)
        store.subscribe_hints(hints.append)
        store.remove([1])
        self.until(lambda: any(hint.mailboxes.get(bob.id) == bob.modseq for hint in hints))
        store.remove([2])
        hints.clear()
        store.clear("s")
        self.until(lambda: any(hint.mailboxes.get(eve.id) == eve.modseq for hint in hints))

    def test_a_subscriber_may_use_the_store(self, store: Store) -> None:
        box = Inbox(store)
        ended = threading.Event()

        def subscriber(hint: Hint) -> None:
            if hint.seq == 0 or ended.is_set():
                return
            if len(store.copies(box.id)) < 5:
                store.deliver(delivery(BOB))
            else:
                store.set_flags(box.id, EVERYTHING, ["\\Seen"], "add")
                ended.set()

        store.subscribe_hints(subscriber)
        store.deliver(delivery(BOB))
        assert ended.wait(PATIENCE)
        assert store.head() == 5

    def test_a_slow_subscriber_stops_nobody_for_ever(self, store: Store) -> None:
        go_on = threading.Event()
        stuck = threading.Event()

        def slow(_: Hint) -> None:
            stuck.set()
            assert go_on.wait(PATIENCE)

        end = store.subscribe_hints(slow)
        first = threading.Thread(target=lambda: store.deliver(delivery(BOB)), daemon=True)
        first.start()
        assert stuck.wait(PATIENCE)
        end()
        assert store.deliver(delivery(BOB)).seq == 2  # while the first still waits in its subscriber
        assert len(store.messages("s")) == 2
        go_on.set()
        first.join(PATIENCE)
        assert not first.is_alive()

    def test_a_subscriber_that_fails_is_reported_and_the_others_are_told(self, store: Store) -> None:
        reported: list[BaseException] = []
        told = threading.Event()
        store.report = reported.append

        def broken(_: Hint) -> None:
            raise RuntimeError("a subscriber failed")

        store.subscribe_hints(broken)
        store.subscribe_hints(lambda _: told.set())
        assert store.deliver(delivery(BOB)).seq == 1
        assert told.wait(PATIENCE)
        assert [str(error) for error in reported] == ["a subscriber failed"]
        assert len(store.messages()) == 1

    def test_a_subscription_ends(self, store: Store) -> None:
        first: list[Hint] = []
        second: list[Hint] = []
        end = store.subscribe_hints(first.append)
        end_twin = store.subscribe_hints(first.append)
        store.subscribe_hints(second.append)
        end()
        end()
        store.deliver(delivery(BOB))
        self.until(lambda: len(second) == 1)
        assert len(first) == 1
        end_twin()
        store.deliver(delivery(BOB))
        self.until(lambda: len(second) == 2)
        assert len(first) == 1

"""Messages, their bytes and facts, and the account that is the record of them."""

from typing import Any

import pytest

from ...errors import NotAllowed, StoreError
from ..base import Store
from ..rows import ALL, INBOX, Hint, Key, Tally
from .common import BOB, EVE, EVERYTHING, Contract, Inbox, delivery, mail, uids


class Messages(Contract):
    """What is asked of messages."""

    def test_pages_of_messages(self, store: Store) -> None:
        for number in range(1, 11):
            store.deliver(delivery(scope="st"[number % 2]))

        def page(*args: Any, **kwargs: Any) -> list[int]:
            return [row.seq for row in store.messages(*args, **kwargs)]

        assert page() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
        assert page("s") == [2, 4, 6, 8, 10]
        assert page("t", after=3, before=9) == [5, 7]
        assert page("t", after=3, before=10, limit=2) == [5, 7]
        assert page("t", after=3, before=10, limit=2, newest_first=True) == [9, 7]
        assert page(after=4, limit=3) == [5, 6, 7]
        assert page(before=4, limit=2, newest_first=True) == [3, 2]
        assert page(after=-5, before=3) == [1, 2]
        assert page(limit=0) == page("s", limit=0) == page("s", after=10) == page("nobody") == []
        assert page("s", after=8, before=3) == page(after=8, before=3) == []
        store.remove([4, 10])
        assert page("s", newest_first=True) == [8, 6, 2]
        assert page(after=3, limit=2) == [5, 6]

    def test_pages_of_what_was_submitted(self, store: Store) -> None:
        for number in range(1, 13):
            origin: Any = ("smtp", "append", "lmtp", "http", "deliver", "queue")[number % 6]
            store.deliver(delivery(scope="st"[number % 5 == 0], origin=origin))

        def page(*args: Any, **kwargs: Any) -> list[int]:
            return [row.seq for row in store.messages(*args, submitted=True, **kwargs)]

        assert page() == [2, 3, 6, 8, 9, 12]
        assert page("s", newest_first=True, limit=2) == [12, 9]
        assert page("s", newest_first=True, limit=2, skip=2) == [8, 6]
        assert page("s", skip=4) == [9, 12]
        assert page(after=2, before=9, skip=1) == [6, 8]
        assert page("s", after=2, before=9, skip=1, newest_first=True) == [6, 3]
        assert page("s", skip=6) == page(skip=7, limit=3) == page("t", limit=1) == []
        assert [row.seq for row in store.messages("s", skip=8)] == [11, 12]
        assert [row.seq for row in store.messages(newest_first=True, skip=10, limit=5)] == [2, 1]
        store.remove([3, 8])
        assert page("s") == [2, 6, 9, 12]

    def test_pages_far_down(self, store: Store) -> None:
        """What a store may work out from counts is what it finds by walking, with gaps and without."""
        for scope in ("s", "t"):
            store.submit([delivery(scope=scope) for _ in range(450)], lambda *_: None)
        store.deliver(delivery(scope="t", origin="append"))

        def check() -> None:
            for scope in ("s", "t", None):
                for submitted in (False, True):
                    rows = [row.seq for row in store.messages(scope, submitted=submitted)]
                    for newest_first in (False, True):
                        for after, before in ((0, None), (100, 700), (440, 2000), (-5, 300)):
                            listed = [seq for seq in rows if after < seq < (before or 2000)]
                            listed = listed[::-1] if newest_first else listed
                            for skip in (199, 201, 260, 445, 2**70):
                                found = store.messages(
                                    scope, after=after, before=before, limit=3, newest_first=newest_first,
                                    submitted=submitted, skip=skip,
                                )  # fmt: skip
                                assert [row.seq for row in found] == listed[skip : skip + 3]

        check()
        store.remove([1, 2, 500])  # the oldest, and one in the middle
        check()

    def test_the_tally(self, store: Store) -> None:
        assert store.tally() == store.tally("s") == Tally()
        raws = [mail(number, size=10 * number) for number in range(6)]
        for raw, origin in zip(raws, ("smtp", "append", "lmtp", "http", "deliver", "smtp"), strict=True):
            store.deliver(delivery(BOB, raw=raw, origin=origin))
        store.deliver(delivery(BOB, raw=b"12345", scope="t"))
        sizes = [len(raw) for raw in raws]
        ours = Tally(6, sum(sizes), 4, sum(sizes) - sizes[1] - sizes[4], 4)
        assert store.tally("s") == ours
        assert store.tally("t") == Tally(1, 5, 1, 5, 1)
        assert store.tally() == ours + Tally(1, 5, 1, 5, 1)
        record = store.mailbox(Key("s", ALL), INBOX)
        assert record is not None
        store.set_flags(record.id, [1, 2], ["\\Seen"], "add")
        store.set_flags(Inbox(store).id, EVERYTHING, ["\\Seen"], "add")  # in the record nothing is read by it
        assert store.tally("s") == ours._replace(unread=3)
        store.expunge(record.id, [3, 4])
        assert store.tally("s").unread == 1
        store.set_flags(record.id, [1], [], "replace")
        assert store.tally("s").unread == 2
        assert store.remove([1, 2, 3], evicted=True) == 3
        gone = Tally(3, sum(sizes[3:]), 2, sizes[3] + sizes[5], 1, 3, sum(sizes[:3]), 3)
        assert store.tally("s") == gone
        assert store.remove([2, 5]) == 1
        store.clear("s")
        assert store.tally("s") == Tally(evicted=3, evicted_octets=sum(sizes[:3]), last_evicted=3)
        store.remove([7], evicted=True)
        assert store.tally() == Tally(evicted=4, evicted_octets=sum(sizes[:3]) + 5, last_evicted=7)

    def test_what_is_evicted_is_told(self, store: Store) -> None:
        box = Inbox(store, 3)
        self.settle(store)
        before, hints = box.modseq, list[Hint]()
        end = store.subscribe_hints(hints.append)
        store.remove([1, 2], evicted=True)
        self.until(lambda: any(hint.mailboxes.get(box.id) == before + 1 for hint in hints))
        end()
        assert list(store.changes(box.id, before).vanished) == [1, 2]

    def test_a_message_by_its_id(self, store: Store) -> None:
        receipts = [store.deliver(delivery()) for _ in range(3)]
        assert [row.seq for receipt in receipts if (row := store.message_by_id(receipt.id))] == [1, 2, 3]
        assert sorted(receipt.id for receipt in receipts) == [receipt.id for receipt in receipts]
        for wrong in ("", "x", receipts[0].id[:-1], "0" * 11 + receipts[0].id[11:], "g" * 20):
            assert store.message_by_id(wrong) is None
        assert store.message(0) is store.message(-1) is store.message(4) is store.message(2**70) is None

    def test_a_removed_message_is_gone_everywhere(self, store: Store) -> None:
        box = Inbox(store, 4)
        other = store.create_mailbox(BOB, "Other")
        store.copy(box.id, [2, 3], other.id)
        before, rows = box.modseq, store.messages()
        assert store.remove([2, 4, 99]) == 2
        assert store.remove([2]) == 0
        assert [row.seq for row in store.messages("s")] == [1, 3]
        assert box.uids == [1, 3]
        assert uids(store.copies(other.id)) == [2]
        assert box.modseq == before + 1
        changes = store.changes(box.id, before)
        assert (list(changes.changed), list(changes.vanished)) == ([], [2, 4])
        assert uids(self.everything(store)) == [1, 3]
        assert store.message(2) is None
        assert list(store.copies_of(2)) == []
        assert store.message_by_id(rows[1].id) is None
        assert store.facts([2], ["size"])[0] is None
        with pytest.raises(StoreError):
            store.raw(2)
        assert store.head() == 4
        assert store.deliver(delivery(BOB)).seq == 5
        assert store.remove(range(1, 6)) == 3
        assert store.deliver(delivery(BOB)).seq == 6

    def test_all_that_was_submitted_is_removed_at_once(self, store: Store) -> None:
        """With gaps, hidden copies, copies elsewhere and what stays between."""
        other = Key("t", "bob@example.com")
        for number in range(1, 13):
            origin: Any = "append" if number in (4, 9) else "smtp"
            store.deliver(delivery(BOB, EVE, other, origin=origin, raw=mail(number)))
        store.deliver(delivery(BOB, scope="t", raw=mail(13)))
        ours, theirs, shared = Inbox(store), Inbox(store, key=EVE), Inbox(store, key=other)
        work = store.create_mailbox(BOB, "Work")
        store.copy(ours.id, [2, 3, 4], work.id)
        record = store.mailbox(Key("s", ALL), INBOX)
        assert record is not None
        store.expunge(ours.id, [6])
        store.expunge(record.id, [7])
        store.set_flags(record.id, [1], ["\\Seen"], "add")
        store.set_flags(ours.id, [2, 4, 8], ["\\Seen", "\\Deleted"], "add")
        before = {box: store.mailbox_row(box).highestmodseq for box in (ours.id, theirs.id, shared.id, work.id)}
        assert store.remove_all("s", submitted=True) == 10
        assert [row.seq for row in store.messages()] == [4, 9, 13]
        assert ours.uids == [4, 9, 13]
        assert theirs.uids == shared.uids == [4, 9]
        assert uids(store.copies(work.id)) == [3]
        assert uids(self.everything(store)) == [4, 9]
        for box, modseq in before.items():
            assert store.mailbox_row(box).highestmodseq == modseq + 1
        assert list(store.changes(ours.id, before[ours.id]).vanished) == [1, 2, 3, 5, 7, 8, 10, 11, 12]
        assert list(store.changes(work.id, before[work.id]).vanished) == [1, 2]
        sizes = [len(mail(number)) for number in (4, 9, 13)]
        assert store.tally("s") == Tally(2, sizes[0] + sizes[1])
        assert store.tally() == Tally(3, sum(sizes), 1, sizes[2], 1)
        status = store.status(ours.id)
        assert (status.messages, status.unseen, status.deleted) == (3, 2, 1)
        assert status.size == sum(row.served_size for row in store.messages())
        assert status.deleted_size == store.messages()[0].served_size
        assert store.message(1) is None
        assert store.facts([1], ["size"])[0] is None
        with pytest.raises(StoreError):
            store.raw(1)
        assert store.raw(4) == mail(4)
        assert store.remove_all("s", submitted=True) == store.remove_all("nobody") == 0
        assert store.remove_all("t") == 1
        assert ours.uids == [4, 9]

    def test_everything_is_removed_at_once(self, store: Store) -> None:
        assert store.remove_all() == 0
        box, other = Inbox(store, 5), Key("t", "bob@example.com")
        store.deliver(delivery(other, scope="t", origin="append"))
        store.expunge(box.id, [2])
        before = box.modseq
        assert store.remove_all() == 6
        assert (list(store.messages()), box.uids, uids(self.everything(store))) == ([], [], [])
        assert store.tally() == Tally()
        assert (box.modseq, list(store.changes(box.id, before).vanished)) == (before + 1, [1, 3, 4, 5])
        status = store.status(box.id)
        assert (status.messages, status.unseen, status.deleted, status.size) == (0, 0, 0, 0)
        assert store.used(BOB) == store.used(other) == (0, 0)
        receipt = store.deliver(delivery(BOB))
        assert (receipt.seq, receipt.placed[0].uid) == (7, 6)
        assert store.tally() == Tally(1, receipt_size := store.messages()[0].size, 1, receipt_size, 1)
        assert len(store.accounts("s")) == len(store.accounts("t")) == 1

    def test_what_is_removed_at_once_is_told(self, store: Store) -> None:
        box = Inbox(store, 3)
        self.settle(store)
        before, hints = box.modseq, list[Hint]()
        end = store.subscribe_hints(hints.append)
        store.remove_all("s")
        self.until(lambda: any(hint.mailboxes.get(box.id) == before + 1 for hint in hints))
        end()

    def test_clear_is_of_one_scope(self, store: Store) -> None:
        other = Key("t", "bob@example.com")
        store.deliver(delivery(BOB, other))
        store.deliver(delivery(other, scope="t"))
        store.deliver(delivery(BOB, scope="t"))
        ours, theirs = Inbox(store), Inbox(store, key=other)
        kept = store.create_mailbox(BOB, "Kept")
        before = ours.modseq, theirs.modseq
        store.clear("s")
        assert list(store.messages("s")) == []
        assert [row.seq for row in store.messages("t")] == [2, 3]
        assert ours.uids == []
        assert theirs.uids == [2]
        assert (ours.modseq, theirs.modseq) == (before[0] + 1, before[1] + 1)
        assert uids(self.everything(store)) == []
        assert uids(self.everything(store, "t")) == [2, 3]
        assert [row.id for row in store.mailboxes(BOB)] == [ours.id, kept.id]
        assert store.used(BOB) == (0, 0)
        receipt = store.deliver(delivery(BOB))
        assert (receipt.seq, receipt.placed[0].uid) == (4, 3)
        store.clear("never heard of")

    def test_copies_of_a_message(self, store: Store) -> None:
        receipt = store.deliver(delivery(BOB, EVE))
        work = store.create_mailbox(BOB, "Work")
        bob = Inbox(store)
        store.copy(bob.id, [1], work.id)
        store.move(bob.id, [1], work.id)
        found = {(row.account, row.name, copy.uid) for row, copy in store.copies_of(receipt.seq)}
        assert found == {(BOB, "Work", 1), (BOB, "Work", 2), (EVE, INBOX, 1)}
        store.delete_mailbox(work.id)
        assert {(row.account, row.name) for row, _ in store.copies_of(receipt.seq)} == {(EVE, INBOX)}
        assert list(store.copies_of(99)) == []

    def test_facts_are_filled_in(self, store: Store) -> None:
        for number in range(3):
            store.deliver(delivery(raw=b"Subject: N%d\n\nText %d\n" % (number, number)))
        store.remove([2])
        facts = store.facts([3, 2, 1, 3, 77], ["headers", "size"])
        assert [None if fact is None else fact.headers for fact in facts] == [
            (("subject", "N2"),), None, (("subject", "N0"),), (("subject", "N2"),), None,
        ]  # fmt: skip
        row = store.message(1)
        assert row is not None
        assert facts[2] is not None
        assert facts[2].size == row.served_size
        (again,) = store.facts([1], ["text", "headers"])
        assert again is not None
        assert again.text is not None
        assert "text 0" in again.text


class Record(Contract):
    """The account ``all``."""

    def test_all_is_the_record_of_messages(self, store: Store) -> None:
        key = Key("s", ALL)
        account = store.account(key)
        assert account is not None
        assert account.password is None
        (row,) = store.mailboxes(key)
        assert (row.name, row.account, row.selectable) == (INBOX, key, True)
        store.deliver(delivery(scope="t"))
        store.deliver(delivery(BOB))
        store.deliver(delivery(origin="append"))
        copies = self.everything(store)
        assert uids(copies) == [2, 3]
        assert [copy.message.seq for copy in copies] == [2, 3]
        assert store.mailbox_row(row.id).uidnext == 4
        assert copies[0].internal_date == copies[0].message.received_at
        assert store.accounts("s") == [store.account(BOB)]

    def test_flags_in_all_are_its_own_and_expunging_hides(self, store: Store) -> None:
        box = Inbox(store, 3)
        row = store.mailbox(Key("s", ALL), INBOX)
        assert row is not None
        store.set_flags(row.id, [1, 2], ["\\Seen", "tag"], "add")
        assert box.flags() == {1: frozenset(), 2: frozenset(), 3: frozenset()}
        assert store.status(row.id).unseen == 1
        assert list(store.expunge(row.id, [2])) == [2]
        assert uids(self.everything(store)) == [1, 3]
        assert box.uids == [1, 2, 3]
        assert store.message(2) is not None
        assert [r.seq for r in store.messages("s")] == [1, 2, 3]
        target = store.create_mailbox(BOB, "Kept")
        assert list(store.copy(row.id, [1], target.id)) == [(1, 1)]
        assert list(store.move(row.id, [3], target.id)) == [(3, 2)]
        assert [copy.flags for copy in store.copies(target.id)] == [{"\\Seen", "tag"}, frozenset()]
        assert uids(self.everything(store)) == [1]
        assert len(store.copies_of(3)) == 2

    def test_nothing_is_put_into_all(self, store: Store) -> None:
        box = Inbox(store, 1)
        key = Key("s", ALL)
        row = store.mailbox(key, INBOX)
        assert row is not None
        state = self.state(store)
        for refused in (
            lambda: store.copy(box.id, [1], row.id),
            lambda: store.move(box.id, [1], row.id),
            lambda: store.copy(row.id, [1], row.id),
            lambda: store.create_mailbox(key, "Work"),
            lambda: store.delete_mailbox(row.id),
            lambda: store.rename_mailbox(row.id, "Work"),
            lambda: store.renumber(row.id),
            lambda: store.put_account(key, password="x"),  # noqa: S106
            lambda: store.remove_account(key),
            lambda: store.fork_account(key, BOB),
            lambda: store.fork_account(BOB, Key("t", ALL)),
        ):
            with pytest.raises(NotAllowed):
                refused()
        assert self.state(store) == state

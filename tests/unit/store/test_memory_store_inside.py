"""What the memory store promises beyond the contract: little memory, shared objects, work in proportion."""

import gc
import threading
import tracemalloc

import pytest

from mailtrap import limits
from mailtrap.store import cache
from mailtrap.store.contract.common import BOB, EVE, EVERYTHING, Inbox, delivery, mail
from mailtrap.store.memory import MemoryStore
from mailtrap.store.memory_mailbox import Mailbox
from mailtrap.store.rows import ALL, INBOX, Hint, Key, Target


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def box_of(store: MemoryStore) -> Mailbox:
    return store._directory.mailbox(Inbox(store).id)


def test_a_message_costs_little_beside_its_bytes(store: MemoryStore) -> None:
    given = delivery(BOB, raw=mail(size=1000))
    store.deliver(given)
    count = 3000
    raws = [bytes(bytearray(given.raw)) for _ in range(count)]
    gc.collect()
    tracemalloc.start()
    try:
        for raw in raws:
            given.raw = raw
            store.deliver(given)
        gc.collect()
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown / count < 500


def test_done_is_called_before_submit_returns_and_hints_are_told(store: MemoryStore) -> None:
    order: list[str] = []

    def subscriber(hint: Hint) -> None:
        assert not store._lock.locked()
        order.append("hint")

    store.subscribe_hints(subscriber)
    thread = threading.get_ident()

    def done(receipts: object, error: object) -> None:
        assert threading.get_ident() == thread
        assert not store._lock.locked()
        order.append("done")

    store.submit([delivery(BOB)], done)
    assert order == ["done", "hint"]


def test_an_error_that_is_no_store_error_reaches_who_waits(store: MemoryStore) -> None:
    given = delivery(BOB)
    given.raw = None  # type: ignore[assignment]
    errors: list[object] = []
    store.submit([delivery(BOB), given], lambda receipts, error: errors.append(error))
    assert isinstance(errors[0], TypeError | AttributeError)
    assert store.head() == 0
    assert store.deliver(delivery(BOB)).seq == 1


def test_a_snapshot_is_shared_until_uids_change(store: MemoryStore) -> None:
    box = Inbox(store, 3)
    first = store.snapshot(box.id).uids
    store.set_flags(box.id, [1], ["x"], "add")
    assert store.snapshot(box.id).uids is first
    store.deliver(delivery(BOB))
    assert store.snapshot(box.id).uids is not first
    assert first == (1, 2, 3)


def test_flags_are_shared(store: MemoryStore) -> None:
    box = Inbox(store, 3)
    store.set_flags(box.id, [1], ["a"], "add")
    store.set_flags(box.id, [2], ["b", "a"], "add")
    store.set_flags(box.id, [1], ["b"], "add")
    one, two, three = store.copies(box.id)
    assert one.flags is two.flags
    assert one.message.envelope is not None
    assert three.flags == frozenset()


def test_the_log_of_flag_changes_stays_in_proportion(store: MemoryStore) -> None:
    box = Inbox(store, 50)
    inside = box_of(store)
    for number in range(500):
        store.set_flags(box.id, [number % 50 + 1], [f"k{number % 7}"], "replace")
    assert len(inside._log) <= 2 * 50 + 256 + 1
    assert list(inside._log) == sorted(inside._log)
    row = store.mailbox_row(box.id)
    last = {number % 50 + 1: number for number in range(500)}
    for since in (row.highestmodseq - 60, row.highestmodseq - 10, 1):
        expected = [copy.uid for copy in store.copies(box.id) if copy.modseq > since]
        assert [copy.uid for copy in store.changes(box.id, since).changed] == expected
    assert len(last) == 50
    store.expunge(box.id, EVERYTHING)
    assert len(inside._log) <= 256


def test_what_vanished_stays_in_proportion(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "VANISHED_RANGES", 10)
    box = Inbox(store, 100)
    for uid in range(1, 100, 2):
        store.expunge(box.id, [uid])
    assert len(box_of(store)._vanished) == 10


def test_the_places_of_removed_messages_are_given_back(store: MemoryStore) -> None:
    Inbox(store, 100)
    store.remove(range(1, 90))
    assert len(store._rows) == len(store._raws) == len(store._places) == 11
    assert store.message(89) is None
    assert store.raw(95) == mail(95)
    assert [row.seq for row in store.messages(after=93)] == [94, 95, 96, 97, 98, 99, 100]
    store.clear("s")
    assert store._rows == []
    assert store.head() == 100
    assert store.deliver(delivery(BOB)).seq == 101
    assert store.raw(101) == mail()


def test_copies_in_many_mailboxes_are_found_and_dead_ones_are_not_held(store: MemoryStore) -> None:
    box = Inbox(store, 1)
    for number in range(30):
        row = store.create_mailbox(BOB, f"m{number}")
        store.copy(box.id, [1], row.id)
        if number % 3:
            store.delete_mailbox(row.id)
    assert len(store.copies_of(1)) == 11
    place = store._places[0]
    assert isinstance(place, tuple)
    assert len(place) <= 13


def test_a_mailbox_without_gaps_and_one_with_gaps_are_asked_alike(store: MemoryStore) -> None:
    box = Inbox(store, 200)
    inside = box_of(store)
    asked = [range(50, 60), [3, 199, 77, 500], {1}, list(range(1, 201)), [0, -3, 2**80], []]
    whole = [[inside._uids[at] for at in inside.find(uids)] for uids in asked]
    assert whole == [list(range(50, 60)), [3, 77, 199], [1], list(range(1, 201)), [], []]
    store.expunge(box.id, [100])
    gaps = [[inside._uids[at] for at in inside.find(uids)] for uids in asked]
    assert gaps == [[uid for uid in uids if uid != 100] for uids in whole]


@pytest.mark.parametrize("gone", [[5], [1, 2, 3], [3, 50, 99], list(range(1, 100, 2)), list(range(1, 101))])
def test_counts_stay_right_however_copies_are_taken(store: MemoryStore, gone: list[int]) -> None:
    for number in range(100):
        flags = frozenset({"\\Seen"} if number % 2 else set()) | frozenset({"\\Deleted"} if number % 5 == 0 else set())
        store.deliver(delivery(Target(BOB, flags=flags, prefix=b"X: y\r\n" * (number % 3)), EVE, raw=mail(number)))
    box = Inbox(store)
    store.expunge(box.id, gone)
    copies, status = store.copies(box.id), store.status(box.id)
    assert status.messages == len(copies) == 100 - len(gone)
    assert status.unseen == sum("\\Seen" not in copy.flags for copy in copies)
    assert status.deleted == sum("\\Deleted" in copy.flags for copy in copies)
    assert status.size == sum(copy.size for copy in copies)


def test_all_of_an_unknown_scope_is_empty(store: MemoryStore) -> None:
    row = store.mailbox(Key("new", ALL), INBOX)
    assert row is not None
    assert store.snapshot(row.id).uids == ()
    assert store.head() == 0


def test_all_who_wait_for_news_share_one_answer(store: MemoryStore) -> None:
    inbox = Inbox(store)
    store.deliver(delivery(BOB))
    since = store.snapshot(inbox.id).mailbox.highestmodseq
    store.deliver(delivery(BOB))
    news = store.changes(inbox.id, since)
    assert store.changes(inbox.id, since) is news
    assert [copy.uid for copy in news.changed] == [2]
    store.set_flags(inbox.id, [1], ["\\Seen"], "add")
    assert [copy.uid for copy in store.changes(inbox.id, since).changed] == [1, 2]
    assert store.changes(inbox.id, since + 1).highestmodseq == since + 2


def test_facts_of_a_message_that_was_taken_away_meanwhile_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    store.deliver(delivery(raw=b"Subject: a\r\n\r\nx"))
    real = cache.computing.compute

    def compute(facts, raw, kinds) -> None:
        store.remove([1])
        real(facts, raw, kinds)

    monkeypatch.setattr(cache.computing, "compute", compute)
    store.facts([1], ["size"])
    assert list(store.facts([1], ["size"])) == [None]
    assert len(store._facts) == 0


def test_a_snapshot_is_shared_until_something_changes(store: MemoryStore) -> None:
    box = Inbox(store, 3)
    work = store.create_mailbox(BOB, "Work")
    store.copy(box.id, [1, 2, 3], work.id)
    first = store.snapshot(work.id)
    assert store.snapshot(work.id) is first
    store.copy(box.id, [1], work.id)
    second = store.snapshot(work.id)
    assert (first.uids, second.uids) == ((1, 2, 3), (1, 2, 3, 4))
    assert second.mailbox.uidnext == 5
    store.set_flags(work.id, [1], ["\\Seen"], "add")
    third = store.snapshot(work.id)
    assert third.uids is second.uids
    assert third.mailbox.highestmodseq == second.mailbox.highestmodseq + 1
    store.rename_mailbox(work.id, "Done")
    assert store.snapshot(work.id).mailbox.name == "Done"
    store.set_rights(work.id, "eve@example.com", "lr")
    assert "eve@example.com" in store.snapshot(work.id).mailbox.acl
    store.expunge(work.id, [4])
    store.copy(box.id, [1, 2], work.id)
    assert store.snapshot(work.id).uids == (1, 2, 3, 5, 6)
    store.renumber(work.id)
    assert store.snapshot(work.id).uids == (1, 2, 3, 4, 5)

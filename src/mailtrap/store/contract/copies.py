"""Copies in mailboxes, locks and the end."""

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from queue import SimpleQueue

import pytest

from ... import limits
from ...errors import NoSuchMailbox, NotAllowed, OverQuota, StoreError
from .. import search
from ..base import Store
from ..rows import ALL, INBOX, Filing, Hint, Key, Receipt, Target
from .common import BOB, EVE, EVERYTHING, Contract, Inbox, delivery, mail, uids


class Copies(Contract):
    """Sets of UIDs, flags, MODSEQs, changes."""

    def test_uids_rise_and_are_never_given_twice(self, store: Store) -> None:
        box = Inbox(store, 3)
        store.expunge(box.id, [2, 3])
        assert store.deliver(delivery(BOB)).placed[0].uid == 4
        store.expunge(box.id, EVERYTHING)
        assert store.mailbox_row(box.id).uidnext == 5
        assert store.deliver(delivery(BOB)).placed[0].uid == 5

    def test_flags(self, store: Store) -> None:
        box = Inbox(store, 3)
        rows, left = store.set_flags(box.id, [2, 1], ["\\Seen", "Work"], "add")
        assert [(row.uid, row.flags) for row in rows] == [(uid, frozenset({"\\Seen", "Work"})) for uid in (1, 2)]
        assert list(left) == []
        rows, _ = store.set_flags(box.id, [1, 3, 9], ["\\SEEN", "work", "\\Recent"], "remove")
        assert [(row.uid, row.flags) for row in rows] == [(1, frozenset()), (3, frozenset())]
        store.set_flags(box.id, [2], ["WORK", "\\flagged", "\\recent"], "replace")
        assert box.flags() == {1: frozenset(), 2: {"Work", "\\Flagged"}, 3: frozenset()}
        store.set_flags(box.id, (uid for uid in (3, 2, 1)), [], "replace")
        assert set(box.flags().values()) == {frozenset()}

    def test_one_command_is_one_modseq_and_no_change_is_none(self, store: Store) -> None:
        box = Inbox(store, 4)
        before = box.modseq
        store.set_flags(box.id, [1, 2], ["\\Seen"], "add")
        assert box.modseq == before + 1
        rows, _ = store.set_flags(box.id, EVERYTHING, ["\\Seen"], "add")
        assert [row.modseq for row in rows] == [before + 1, before + 1, before + 2, before + 2]
        rows, _ = store.set_flags(box.id, EVERYTHING, ["\\seen"], "add")
        store.set_flags(box.id, EVERYTHING, ["x"], "remove")
        store.set_flags(box.id, EVERYTHING, ["\\Seen"], "replace")
        assert box.modseq == before + 2
        assert [row.modseq for row in rows] == [before + 1, before + 1, before + 2, before + 2]
        store.expunge(box.id, [2, 3])
        assert box.modseq == before + 3
        store.expunge(box.id, [2, 3])
        store.copy(box.id, [2], box.id)
        assert box.modseq == before + 3
        store.copy(box.id, [1], box.id)
        assert box.modseq == before + 4
        assert list(store.move(box.id, [1, 4], box.id)) == [(1, 6), (4, 7)]
        assert box.modseq == before + 5
        changes = store.changes(box.id, before + 4)
        assert (uids(changes.changed), list(changes.vanished)) == ([6, 7], [1, 4])

    def test_unchanged_since(self, store: Store) -> None:
        box = Inbox(store, 3)
        seen = box.modseq
        store.set_flags(box.id, [2], ["a"], "add")
        rows, left = store.set_flags(box.id, EVERYTHING, ["b"], "add", unchanged_since=seen)
        assert uids(rows) == [1, 3]
        assert list(left) == [2]
        assert box.flags() == {1: {"b"}, 2: {"a"}, 3: {"b"}}
        before = box.modseq
        rows, left = store.set_flags(box.id, EVERYTHING, ["c"], "add", unchanged_since=0)
        assert (list(rows), list(left), box.modseq) == ([], [1, 2, 3], before)

    def test_rows_never_change(self, store: Store) -> None:
        box = Inbox(store, 2)
        copies, row, snapshot = store.copies(box.id), store.mailbox_row(box.id), store.snapshot(box.id)
        held = [(copy.uid, copy.flags, copy.modseq) for copy in copies]
        store.set_flags(box.id, EVERYTHING, ["\\Seen"], "add")
        store.expunge(box.id, [1])
        store.deliver(delivery(BOB))
        assert [(copy.uid, copy.flags, copy.modseq) for copy in copies] == held
        assert row.uidnext == 3
        assert list(snapshot.uids) == [1, 2]
        assert snapshot.mailbox == row

    def test_sets_of_uids(self, store: Store) -> None:
        box = Inbox(store, 40)
        store.expunge(box.id, [5, *range(10, 20)])
        expected = [*range(1, 5), *range(6, 10), *range(20, 41)]
        assert uids(store.copies(box.id)) == uids(store.copies(box.id, EVERYTHING)) == box.uids == expected
        asked: list[Iterable[int]] = [
            [40, 1, 5, 12, 1, 99], {1, 40, 2**62}, iter([40, 1]), range(1, 41, 39), (0, 1, 40), [1, 40, 2**80],
            [-1, 1, 40],
        ]  # fmt: skip
        for wanted in asked:
            assert uids(store.copies(box.id, wanted)) == [1, 40]
        assert uids(store.copies(box.id, range(4, 7))) == [4, 6]
        assert uids(store.copies(box.id, range(2**70))) == expected
        assert uids(store.copies(box.id, range(40, 0, -1))) == expected
        for nothing in ([], range(0), range(10, 20), [5], range(9, 2)):
            assert uids(store.copies(box.id, nothing)) == []
        assert list(store.expunge(box.id, range(1, 41, 2))) == [uid for uid in expected if uid % 2]

    def test_copying(self, store: Store) -> None:
        box = Inbox(store)
        first = Target(BOB, flags=frozenset({"\\Seen", "k"}), internal_date=1000.0, prefix=b"P: q\r\n")
        store.deliver(delivery(first))
        store.deliver(delivery(BOB))
        target = store.create_mailbox(BOB, "Copies")
        before = box.modseq
        assert list(store.copy(box.id, [2, 1, 7], target.id)) == [(1, 1), (2, 2)]
        assert box.modseq == before
        old, new = store.copies(box.id), store.copies(target.id)
        for was, now in zip(old, new, strict=True):
            assert (now.flags, now.internal_date, now.prefix) == (was.flags, was.internal_date, was.prefix)
            assert now.message.seq == was.message.seq
            assert now.save_date >= was.save_date
        assert store.mailbox_row(target.id).highestmodseq == new[0].modseq == new[1].modseq
        assert store.status(target.id).size == store.status(box.id).size

    def test_moving(self, store: Store) -> None:
        box = Inbox(store, 4)
        target = store.create_mailbox(BOB, "Moved")
        store.deliver(delivery(Target(BOB, "Moved"), raw=mail(9)))
        store.set_flags(box.id, [3], ["k"], "add")
        before = box.modseq, store.mailbox_row(target.id).highestmodseq
        assert list(store.move(box.id, [3, 1], target.id)) == [(1, 2), (3, 3)]
        assert (box.modseq, store.mailbox_row(target.id).highestmodseq) == (before[0] + 1, before[1] + 1)
        assert box.uids == [2, 4]
        assert list(store.changes(box.id, before[0]).vanished) == [1, 3]
        assert [copy.flags for copy in store.copies(target.id)] == [frozenset(), frozenset(), {"k"}]
        assert store.status(box.id).messages == 2

    def test_copying_over_quota(self, store: Store) -> None:
        box = Inbox(store, 2)
        size = store.used(BOB).octets // 2
        store.put_account(BOB, quota=3 * size)
        target = store.create_mailbox(BOB, "More")
        with pytest.raises(OverQuota):
            store.copy(box.id, [1, 2], target.id)
        assert list(store.snapshot(target.id).uids) == []
        assert list(store.move(box.id, [1, 2], target.id)) == [(1, 1), (2, 2)]
        store.put_account(EVE, quota=size)
        eve = Inbox(store, key=EVE)
        with pytest.raises(OverQuota):
            store.move(target.id, [1, 2], eve.id)
        assert len(store.copies(target.id)) == 2
        assert list(store.move(target.id, [2], eve.id)) == [(2, 1)]

    def test_expunging(self, store: Store) -> None:
        box = Inbox(store, 5)
        before = box.modseq
        assert list(store.expunge(box.id, [4, 2, 9])) == [2, 4]
        assert box.uids == [1, 3, 5]
        changes = store.changes(box.id, before)
        assert (uids(changes.changed), list(changes.vanished), changes.complete) == ([], [2, 4], True)
        assert len(store.messages("s")) == 5
        assert list(store.expunge(box.id, [])) == []

    def test_changes_since_any_moment(self, store: Store) -> None:
        box = Inbox(store, 3)
        moments = [(1, set[int]())]
        store.set_flags(box.id, [1], ["a"], "add")
        moments.append((box.modseq, set(box.uids)))
        store.expunge(box.id, [2])
        moments.append((box.modseq, set(box.uids)))
        store.deliver(delivery(BOB))
        store.set_flags(box.id, [1, 4], ["b"], "add")
        row = store.mailbox_row(box.id)
        for modseq, known in moments:
            changes = store.changes(box.id, modseq)
            assert (changes.highestmodseq, changes.uidvalidity) == (row.highestmodseq, row.uidvalidity)
            assert changes.complete
            assert uids(changes.changed) == [copy.uid for copy in store.copies(box.id) if copy.modseq > modseq]
            assert (known | set(uids(changes.changed))) - set(changes.vanished) == set(box.uids)
        for late in (row.highestmodseq, row.highestmodseq + 1, 2**62):
            changes = store.changes(box.id, late)
            assert (list(changes.changed), list(changes.vanished), changes.complete) == ([], [], True)

    def test_old_expunges_are_forgotten(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "VANISHED_RANGES", 3)
        box = Inbox(store, 20)
        moments = [box.modseq]
        for gone in ([2, 3], [5], [7, 8], [10]):
            store.expunge(box.id, gone)
            moments.append(box.modseq)
        answers = [store.changes(box.id, moment) for moment in moments]
        assert [answer.complete for answer in answers] == [False, True, True, True, True]
        assert [list(answer.vanished) for answer in answers[1:]] == [[5, 7, 8, 10], [7, 8, 10], [10], []]
        store.expunge(box.id, [11, 13, 15, 17])  # more than are remembered, at once
        assert not store.changes(box.id, moments[-1]).complete
        assert store.changes(box.id, box.modseq).complete
        assert box.uids == [1, 4, 6, 9, 12, 14, 16, 18, 19, 20]

    def test_searching(self, store: Store) -> None:
        box = Inbox(store, 6)
        store.set_flags(box.id, [2, 4], ["\\Seen"], "add")
        store.expunge(box.id, [1])
        seen = search.Flag("\\seen")
        assert list(store.search(box.id, search.All())) == [2, 3, 4, 5, 6]
        assert list(store.search(box.id, seen)) == [2, 4]
        assert list(store.search(box.id, search.HeaderContains("Subject", "number 5"))) == [5]
        tree = search.Or((search.And((seen, search.Uids(((1, 3),)))), search.Text("NUMBER 6")))
        assert list(store.search(box.id, tree)) == [2, 6]

    def test_searching_nearly_without_case_and_by_conversation(self, store: Store) -> None:
        box = Inbox(store)
        for text in (
            "Subject: Grüße aus Köln\r\nMessage-ID: <a@x>\r\n\r\nDer Garten\r\n",
            "Subject: Re\r\nReferences: <a@x> <b@x>\r\n\r\nnothing\r\n",
            "Subject: other\r\n\r\nnothing\r\n",
        ):
            store.deliver(delivery(BOB, raw=text.encode()))

        def found(tree: search.Tree) -> list[int]:
            return list(store.search(box.id, tree))

        assert found(search.HeaderContains("subject", "GRÜSSE")) == [1]
        assert found(search.Body("GARTEN")) == [1]
        assert found(search.fuzzy(search.Text("koln gartn"))) == []
        assert found(search.fuzzy(search.HeaderContains("Subject", "koln grusse"))) == [1]
        assert found(search.Not(search.fuzzy(search.Body("gartn")))) == [2, 3]
        copies = store.copies(box.id)
        facts = store.facts([copy.message.seq for copy in copies], ("threading", "sorting"))
        threads = [
            search.thread_of(copy, known) for copy, known in zip(copies, facts, strict=True) if known is not None
        ]
        assert threads[0] == threads[1] != threads[2]
        assert found(search.OfThread(threads[0])) == [1, 2]
        assert found(search.OfThread(threads[2])) == [3]
        assert found(search.Numbered(copies[1].message.number)) == [2]


class Filed(Contract):
    """Messages that are filed in several mailboxes at once."""

    def test_one_commit(self, store: Store) -> None:
        box = Inbox(store, 3)
        old = store.create_mailbox(BOB, "Old")
        store.copy(box.id, [1, 2], old.id)
        store.set_flags(box.id, [1], ["\\Seen", "x"], "add")
        before, old_before = box.modseq, store.mailbox_row(old.id).highestmodseq
        hints: SimpleQueue[Hint] = SimpleQueue()
        store.subscribe_hints(hints.put)
        store.file(box.id, [1, 2, 9], Filing(frozenset({"y"}), frozenset({"X"}), ["New/a", "Old"], ["nothing"]))
        new = store.mailbox(BOB, "New/a")
        above = store.mailbox(BOB, "New")
        assert new is not None
        assert above is not None
        assert not above.selectable
        while new.id not in (hint := hints.get(timeout=20)).mailboxes:
            pass  # of what was done before
        assert hint.mailboxes[box.id] == before + 1
        assert BOB in hint.accounts
        assert box.modseq == before + 1
        assert box.flags() == {1: {"\\Seen", "y"}, 2: {"y"}, 3: frozenset()}
        assert {copy.modseq for copy in store.copies(box.id, [1, 2])} == {before + 1}
        assert {copy.uid: copy.flags for copy in store.copies(new.id)} == {1: {"\\Seen", "y"}, 2: {"y"}}
        assert len({copy.modseq for copy in store.copies(new.id)}) == 1
        assert store.mailbox_row(old.id).highestmodseq == old_before  # both were there already
        assert store.used(BOB).messages == 3 + 2 + 2

    def test_out_of_others_and_of_its_own(self, store: Store) -> None:
        box = Inbox(store, 3)
        old = store.create_mailbox(BOB, "Old")
        store.copy(box.id, [1, 2, 3], old.id)
        store.copy(box.id, [2], old.id)
        before, old_before = box.modseq, store.mailbox_row(old.id).highestmodseq
        store.file(box.id, [2, 3], Filing(frozenset({"y"}), out_of=["Old", "INBOX", "inbox"]))
        assert box.uids == [1]
        assert uids(store.copies(old.id)) == [1]
        assert (box.modseq, store.mailbox_row(old.id).highestmodseq) == (before + 1, old_before + 1)
        changes = store.changes(box.id, before)
        assert (list(changes.vanished), list(changes.changed)) == ([2, 3], [])
        assert list(store.changes(old.id, old_before).vanished) == [2, 3, 4]

    def test_nothing_to_do_is_no_change(self, store: Store) -> None:
        box = Inbox(store, 2)
        old = store.create_mailbox(BOB, "Old")
        store.copy(box.id, [1], old.id)
        rows = [store.mailbox_row(id_) for id_ in (box.id, old.id)]
        store.file(box.id, [1], Filing(without=frozenset({"x"}), into=["Old"]))
        store.file(box.id, [9], Filing(frozenset({"x"}), into=["Old"], out_of=["Old"]))
        assert [store.mailbox_row(id_) for id_ in (box.id, old.id)] == rows

    def test_all_of_it_or_nothing(self, store: Store) -> None:
        box = Inbox(store, 2)
        store.create_mailbox(BOB, "Old")
        store.set_quota(BOB, None, 4)
        before = box.modseq
        flags = frozenset({"y"})
        with pytest.raises(OverQuota):
            store.file(box.id, [1, 2], Filing(flags, into=["Old", "New"]))
        for name in ("", "a//b"):
            with pytest.raises(NotAllowed):
                store.file(box.id, [1], Filing(flags, into=["New", name]))
        assert [row.name for row in store.mailboxes(BOB)] == [INBOX, "Old"]
        assert (box.modseq, set(box.flags().values())) == (before, {frozenset()})
        store.file(box.id, [1, 2], Filing(flags, into=["Old"]))
        assert store.used(BOB).messages == 4
        everything = store.mailbox(Key("s", ALL), INBOX)
        assert everything is not None
        with pytest.raises(NotAllowed):
            store.file(everything.id, [1], Filing(into=["Old"]))
        with pytest.raises(NoSuchMailbox):
            store.file(2**40, [1], Filing(into=["Old"]))


class TheRest(Contract):
    """Locks, life and end of a store."""

    def test_the_lock_of_a_maildrop(self, store: Store) -> None:
        box, other = Inbox(store), Inbox(store, key=EVE)
        assert store.lock_maildrop(box.id, "one")
        assert store.lock_maildrop(box.id, "one")
        assert not store.lock_maildrop(box.id, "two")
        assert store.lock_maildrop(other.id, "two")
        store.unlock_maildrop(box.id, "two")
        assert not store.lock_maildrop(box.id, "two")
        store.unlock_maildrop(box.id, "one")
        assert store.lock_maildrop(box.id, "two")

    def test_a_life_has_a_name(self, store: Store, tmp_path: Path) -> None:
        life = store.life()
        assert life
        assert store.life() == life
        second = self.make(tmp_path / "second")
        assert second.life() != life
        second.close()

    def test_a_closed_store_takes_nothing(self, store: Store) -> None:
        box = Inbox(store, 1)
        store.close()
        store.close()
        for change in (
            lambda: store.deliver(delivery(BOB)),
            lambda: store.put_account(EVE),
            lambda: store.set_flags(box.id, [1], ["x"], "add"),
            lambda: store.expunge(box.id, [1]),
            lambda: store.clear("s"),
        ):
            with pytest.raises(StoreError):
                change()

    def test_closing_fails_or_finishes_what_waits(self, store: Store) -> None:
        outcomes: list[bool] = []
        total = 200

        def done(receipts: Sequence[Receipt] | None, error: BaseException | None) -> None:
            outcomes.append(receipts is not None)
            assert receipts is not None or isinstance(error, StoreError)

        for _ in range(total):
            store.submit([delivery(BOB)], done)
        store.close()
        assert len(outcomes) == total

    def test_any_history_is_as_the_model_says(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from .model import compare_with_model  # here, because it needs hypothesis

        monkeypatch.setattr(limits, "VANISHED_RANGES", 4)
        numbers = itertools.count()

        def make() -> list[Store]:
            path = tmp_path / str(next(numbers))
            return [self.make(path) for _ in range(self.servers)]

        compare_with_model(make, self.examples)
